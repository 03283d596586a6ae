"""torch on the CPU: the convolutions of its layers, pooling, and Fourier transforms."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cells import Cell, Run
from peers import fourier
from peers.calls import affordable

_DENSE_RATE, _PASS_RATE, _BANK_RATE = 1e9, 2.5e8, 5e10
_CONV = {1: torch.nn.functional.conv1d, 2: torch.nn.functional.conv2d, 3: torch.nn.functional.conv3d}
_POOL = {2: torch.nn.functional.avg_pool2d, 3: torch.nn.functional.avg_pool3d}


def runs(cell: Cell, image: NDArray[Any]) -> dict[str, Run]:
    if cell.dtype == "uint8":
        return {}
    source = torch.from_numpy(image).reshape(-1, 1, *cell.spatial)
    contenders: dict[str, Run] = {"torch fft": _fourier(cell, source)}
    if affordable(cell.multiply_adds, _DENSE_RATE if len(cell.kernels) == 1 else _BANK_RATE):
        contenders["torch conv"] = _passes(source, [[cell.taps]])
    if cell.terms and len(cell.spatial) > 1 and affordable(cell.pass_multiply_adds, _PASS_RATE):
        terms = [[_along(axis, factor, len(term)) for axis, factor in enumerate(term)] for term in cell.terms]
        contenders["torch conv, separable"] = _passes(source, terms)
    match cell.known:
        case ("box", width):
            contenders["torch avg_pool, separable"] = _pooling(source, width)
    return contenders


def _along(axis: int, factor: NDArray[Any], ndim: int) -> NDArray[Any]:
    return factor.reshape(1, *(factor.size if own == axis else 1 for own in range(ndim)))


def _passes(source: torch.Tensor, terms: list[list[NDArray[Any]]]) -> Run:
    """Return a call that sums terms, each of a few passes; the first axis of taps is that of the kernels."""
    convolve = _CONV[source.ndim - 2]
    weights = [
        [(torch.from_numpy(_flipped(taps))[:, None], [size // 2 for size in taps.shape[1:]]) for taps in term]
        for term in terms
    ]

    def summed() -> torch.Tensor:
        with torch.inference_mode():
            results = []
            for term in weights:
                result = source
                for weight, padding in term:
                    result = convolve(result, weight, padding=padding)
                results.append(result)
            return results[0] if len(results) == 1 else results[0].add_(results[1])

    return summed


def _pooling(source: torch.Tensor, width: int) -> Run:
    ndim = source.ndim - 2
    windows = [[width if own == axis else 1 for own in range(ndim)] for axis in range(ndim)]

    def pooled() -> torch.Tensor:
        with torch.inference_mode():
            result = source
            for window in windows:
                result = _POOL[ndim](result, window, stride=1, padding=[size // 2 for size in window])
            return result

    return pooled


def _fourier(cell: Cell, source: torch.Tensor) -> Run:
    """Return a product of transforms; those of the kernels are computed beforehand."""
    lengths, same = fourier.lengths(cell), fourier.same(cell)
    axes = tuple(range(-len(lengths), 0))
    spectra = torch.fft.rfftn(torch.from_numpy(cell.taps.astype(np.float32)), lengths, axes)

    def multiplied() -> torch.Tensor:
        with torch.inference_mode():
            product = torch.fft.rfftn(source, lengths, axes) * spectra
            result: torch.Tensor = torch.fft.irfftn(product, lengths, axes)[same]
            return result

    return multiplied


def _flipped(taps: NDArray[Any]) -> NDArray[np.float32]:
    """Reverse the taps, since torch correlates."""
    return np.ascontiguousarray(np.flip(taps, tuple(range(1, taps.ndim))), np.float32)
