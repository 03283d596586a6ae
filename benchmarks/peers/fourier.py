"""Filtering with a product of Fourier transforms, whoever transforms: their lengths, and where the result lies."""

from __future__ import annotations

import scipy.fft

from cells import Cell


def lengths(cell: Cell) -> list[int]:
    """Return the least fast lengths for which no result that is kept wraps around."""
    sizes = cell.taps.shape[1:]
    return [scipy.fft.next_fast_len(n + size // 2, True) for n, size in zip(cell.spatial, sizes, strict=True)]


def same(cell: Cell) -> tuple[object, ...]:
    """Return the index of as many results as there are samples."""
    sizes = cell.taps.shape[1:]
    return (..., *(slice(size // 2, size // 2 + n) for n, size in zip(cell.spatial, sizes, strict=True)))
