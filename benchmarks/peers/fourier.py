"""Filtering with a product of Fourier transforms: their lengths, and the index of the result."""

from __future__ import annotations

import scipy.fft

from cells import Cell


def lengths(cell: Cell) -> list[int]:
    """Return the smallest fast lengths for which the outputs that are kept do not wrap around."""
    sizes = cell.taps.shape[1:]
    return [scipy.fft.next_fast_len(n + size // 2, True) for n, size in zip(cell.spatial, sizes, strict=True)]


def same(cell: Cell) -> tuple[object, ...]:
    """Return the index of the outputs, as many as samples."""
    sizes = cell.taps.shape[1:]
    return (..., *(slice(size // 2, size // 2 + n) for n, size in zip(cell.spatial, sizes, strict=True)))
