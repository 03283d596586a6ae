"""scipy.signal and scipy.fft: Fourier transforms of the whole array or of blocks, on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import scipy.fft
import scipy.signal
from numpy.typing import NDArray

from cells import Cell, Run
from peers import fourier

_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def runs(cell: Cell, image: NDArray[Any]) -> dict[str, Run]:
    if cell.dtype == "uint8":
        return {}
    contenders = {"SciPy fft": _parallel(_multiplied(cell, image))}
    if len(cell.kernels) == 1:
        axes = cell.axes
        taps = cell.taps.astype(np.float32).reshape((1,) * axes[0] + cell.taps.shape[1:])
        for way in (scipy.signal.oaconvolve, scipy.signal.fftconvolve):
            contenders[f"SciPy {way.__name__}"] = _parallel(partial(way, image, taps, mode="same", axes=axes))
    return contenders


def _parallel(run: Callable[[], Any]) -> Run:
    def on_all_cores() -> Any:
        with scipy.fft.set_workers(_CORES):
            return run()

    return on_all_cores


def _multiplied(cell: Cell, image: NDArray[Any]) -> Callable[[], Any]:
    """Return a call that transforms the array once for all kernels; their transforms are computed beforehand."""
    lengths, same = fourier.lengths(cell), fourier.same(cell)
    axes = tuple(range(-len(lengths), 0))
    spectra = scipy.fft.rfftn(cell.taps.astype(np.float32), lengths, axes)

    def filtered(transform: NDArray[Any], spectrum: NDArray[Any]) -> NDArray[Any]:
        product = transform * spectrum
        return np.asarray(scipy.fft.irfftn(product, lengths, axes, overwrite_x=True)[same])

    if len(spectra) == 1:
        return lambda: filtered(scipy.fft.rfftn(image, lengths, axes), spectra[0])
    out = np.empty(cell.result_shape, np.float32)

    def one_by_one() -> NDArray[Any]:
        # Three times as fast as all kernels at once, since intermediate results stay in the cache.
        transform = scipy.fft.rfftn(image, lengths, axes)
        for spectrum, result in zip(spectra, out, strict=True):
            result[...] = filtered(transform, spectrum)
        return out

    return one_by_one
