"""scipy.ndimage: any dimension, one core, always in double precision."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from cells import Cell, Run
from peers.calls import affordable, filling

_DENSE_RATE, _PASS_RATE = 1.3e9, 1.5e9


def runs(cell: Cell, image: NDArray[Any]) -> dict[str, Run]:
    if len(cell.kernels) > 1:
        return {}  # one kernel after the other takes minutes
    if cell.dtype == "uint8" and (cell.taps < 0).any():
        return {}  # negative results wrap around
    out = np.empty_like(image)
    contenders: dict[str, Run] = {}
    if affordable(cell.multiply_adds, _DENSE_RATE):
        taps = np.expand_dims(cell.taps[0], tuple({*range(image.ndim)} - {*cell.axes}))
        contenders["SciPy ndimage.convolve"] = filling(out, partial(scipy.ndimage.convolve, image, taps, output=out))
    # Passes store their results in the dtype of the output, and truncate 8-bit integers.
    if cell.dtype == "uint8" or not affordable(cell.pass_multiply_adds, _PASS_RATE):
        return contenders
    if cell.terms:
        contenders["SciPy ndimage.convolve1d"] = _separable(cell, image, out)
    match cell.known:
        case ("gaussian", sigma):
            run = partial(scipy.ndimage.gaussian_filter, image, sigma, output=out, truncate=4.0)
            contenders["SciPy ndimage.gaussian_filter"] = filling(out, run)
        case ("box", width):
            run = partial(scipy.ndimage.uniform_filter, image, width, output=out)
            contenders["SciPy ndimage.uniform_filter"] = filling(out, run)
        case ("sobel",):
            contenders["SciPy ndimage.sobel"] = filling(out, partial(scipy.ndimage.sobel, image, axis=1, output=out))
        case ("log", sigma):
            run = partial(scipy.ndimage.gaussian_laplace, image, sigma, output=out, truncate=4.0)
            contenders["SciPy ndimage.gaussian_laplace"] = filling(out, run)
    return contenders


def _separable(cell: Cell, image: NDArray[Any], out: NDArray[Any]) -> Run:
    between = np.empty_like(image)

    def summed() -> NDArray[Any]:
        for number, term in enumerate(cell.terms):
            target = between if number else out
            source = image
            for axis, factor in zip(range(image.ndim - len(term), image.ndim), term, strict=True):
                scipy.ndimage.convolve1d(source, factor, axis=axis, output=target)
                source = target
            if number:
                np.add(out, between, out=out)
        return out

    return summed
