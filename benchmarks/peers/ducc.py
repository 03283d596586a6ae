"""ducc0: products of spectra by hand, with its transforms on all cores; it has no filter for short kernels."""

from __future__ import annotations

import ducc0
import numpy as np
from numpy.typing import NDArray

from cells import Cell, Run
from peers import fourier
from peers.calls import filling


def runs(cell: Cell, image: NDArray[np.float32]) -> dict[str, Run]:
    if cell.dtype == "uint8" or len(cell.kernels) > 1:
        return {}
    lengths, axes = fourier.lengths(cell), cell.axes
    batch = image.shape[: axes[0]]
    padded = np.zeros((*batch, *lengths), np.float32)  # what is beyond the array stays zero
    inside = tuple(slice(length) for length in image.shape)
    taps = np.zeros(lengths, np.float32)
    taps[tuple(slice(size) for size in cell.taps.shape[1:])] = cell.taps[0]
    spectrum = ducc0.fft.r2c(taps, nthreads=0)
    transform = np.empty((*batch, *spectrum.shape), np.complex64)
    result = np.empty_like(padded)

    def multiplied() -> None:
        padded[inside] = image
        ducc0.fft.r2c(padded, axes=axes, out=transform, nthreads=0)
        np.multiply(transform, spectrum, out=transform)
        ducc0.fft.c2r(transform, axes=axes, forward=False, out=result, lastsize=lengths[-1], inorm=2, nthreads=0)

    return {"ducc0 fft": filling(result[fourier.same(cell)], multiplied)}
