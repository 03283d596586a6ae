"""Any region of an array, extended by its border: where its samples come from.

A region is a pair (start, stop) of positions for each axis, and may reach beyond the array. `byte_offsets` says it in
the terms of machine code, `extended_block` reads such a region from wherever the array is kept, and
`faltung.tensors.extension` does the same with tensors. All stand on the index maps of `boundary`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from faltung.ground.boundary import MODES, OUTSIDE, index_map

__all__ = ["FILL", "Read", "Region", "byte_offsets", "extended_block"]

#: Byte offset that stands for the constant beyond the border.
FILL = int(np.iinfo(np.int64).min)

Region: TypeAlias = tuple[tuple[int, int], ...]

Read: TypeAlias = Callable[[tuple[slice, ...]], NDArray[Any]]
"""Samples of an image (channels, *spatial) in a slice for each spatial axis."""


def byte_offsets(mode: str, length: int, positions: NDArray[np.int64], stride: int) -> NDArray[np.int64]:
    """Return where the samples at some positions of an extended axis are: bytes from the first sample, or `FILL`.

    Parameters
    ----------
    mode : str
        How the axis goes on beyond its border.
    length : int
        Samples of the axis.
    positions : ndarray of int64
        Of any shape; negative ones are before the first sample.
    stride : int
        Bytes between neighbouring samples.

    Examples
    --------
    >>> byte_offsets("mirror", 4, np.arange(-2, 6), 8).tolist()
    [16, 8, 0, 8, 16, 24, 16, 8]
    """
    if not positions.size:
        return np.zeros(positions.shape, np.int64)
    samples = MODES[mode](positions, length)
    return np.where(samples == OUTSIDE, FILL, samples * stride)


class _Run(NamedTuple):
    """Positions of an axis whose samples lie together in the image."""

    place: slice  # in the block
    span: slice | None  # in the image; None where the constant stands
    order: NDArray[np.int64] | None  # of the samples in the span; None if it is their own


def extended_block(
    read: Read, channels: int, lengths: Sequence[int], region: Region, mode: str, cval: float, dtype: DTypeLike
) -> NDArray[Any]:
    """Return the samples (channels, *region) of an image that goes on beyond its border as `mode` says.

    Parameters
    ----------
    read : callable
        Reads slices of the image. Each call asks for no more than a part of the block needs, so the image may be
        large, and need not be in memory.
    channels : int
        Channels of what is read.
    lengths : sequence of int
        Samples of the image along each spatial axis.
    region : sequence of (int, int)
        Which positions.
    mode, cval
        As for `faltung.convolve`.
    dtype : dtype
        Of the result.

    Examples
    --------
    >>> row = np.arange(4.0)[np.newaxis]
    >>> extended_block(lambda spans: row[(slice(None), *spans)], 1, [4], ((-2, 6),), "wrap", 0.0, float)
    array([[2., 3., 0., 1., 2., 3., 0., 1.]])
    """
    block = np.empty((channels, *(stop - start for start, stop in region)), dtype)
    axes = [_runs(mode, length, *bounds) for length, bounds in zip(lengths, region, strict=True)]
    for runs in itertools.product(*axes):
        place = (slice(None), *(run.place for run in runs))
        spans = tuple(run.span for run in runs if run.span is not None)
        if len(spans) < len(runs):
            block[place] = cval
            continue
        part = read(spans)
        for axis, run in enumerate(runs, 1):
            if run.order is not None:
                part = part.take(run.order, axis)
        block[place] = part
    return block


def _runs(mode: str, length: int, start: int, stop: int) -> list[_Run]:
    if start >= 0 and stop <= length:
        return [_Run(slice(0, stop - start), slice(start, stop), None)]
    index = index_map(mode, length, start, stop)
    # Neighbours in the block are neighbours in the image, or there is a jump, or the image ends.
    outside = index == OUTSIDE
    jumps = (np.abs(np.diff(index)) > 1) | (outside[1:] != outside[:-1])
    edges = [0, *(np.flatnonzero(jumps) + 1).tolist(), len(index)]
    return [_run(index, first, last) for first, last in itertools.pairwise(edges)]


def _run(index: NDArray[np.int64], first: int, last: int) -> _Run:
    part = index[first:last]
    low = int(part.min())
    if low == OUTSIDE:
        return _Run(slice(first, last), None, None)
    return _Run(slice(first, last), slice(low, int(part.max()) + 1), part - low)
