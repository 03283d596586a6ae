"""Which samples does a region have that reaches beyond the border of an array? The index maps of `boundary` say it.

A region is a pair (start, stop) of positions for each axis. `extended_block` reads a region of an array that need not
be in memory. `byte_offsets` returns the addresses of samples for machine code. `faltung.tensors.extension` extends
tensors by the same index maps.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from faltung.ground.boundary import MODES, OUTSIDE, index_map

__all__ = ["FILL", "Read", "Region", "byte_offsets", "extended_block"]

#: Byte offset that marks a position beyond the border whose value is the constant.
FILL = int(np.iinfo(np.int64).min)

Region: TypeAlias = tuple[tuple[int, int], ...]
"""Start and stop of a range of positions for each axis."""

Read: TypeAlias = Callable[[tuple[slice, ...]], NDArray[Any]]
"""Returns the samples (channels, *spatial) of an image in a slice for each spatial axis."""


def byte_offsets(mode: str, length: int, positions: NDArray[np.int64], stride: int) -> NDArray[np.int64]:
    """Return the byte offset from the first sample of an axis to the sample at each position, or `FILL`.

    Parameters
    ----------
    mode : str
        How the axis continues beyond its border.
    length : int
        Number of samples of the axis.
    positions : ndarray of int64
        Positions, in an array of any shape; negative ones are before the first sample.
    stride : int
        Bytes between neighbouring samples.

    Returns
    -------
    ndarray of int64
        Byte offsets, in the shape of `positions`.

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
    """Positions of a block along an axis whose samples form one slice of the image."""

    positions: slice  # in the block
    span: slice | None  # the slice of the image; None for the constant
    order: NDArray[np.int64] | None  # index in the slice of the sample at each position; None for the slice itself


def extended_block(
    read: Read,
    channels: int,
    lengths: Sequence[int],
    region: Region,
    modes: Sequence[str],
    cval: float,
    dtype: DTypeLike,
) -> NDArray[Any]:
    r"""Return the samples of an image in a region that may reach beyond its border.

    Parameters
    ----------
    read : callable
        Reads slices of the image. It is called only for samples that the block contains, so the image may be larger
        than memory.
    channels : int
        Number of channels of the image.
    lengths : sequence of int
        Number of samples of the image along each spatial axis, at least one.
    region : sequence of (int, int)
        Start and stop of the positions along each spatial axis.
    modes : sequence of str
        How the image continues beyond its border, along each spatial axis.
    cval : float
        The value beyond the border of an axis with the mode ``constant``.
    dtype : dtype
        Dtype of the result.

    Returns
    -------
    ndarray, shape (channels, \*(stop - start))
        The samples.

    Examples
    --------
    >>> row = np.arange(4.0)[np.newaxis]
    >>> extended_block(lambda spans: row[(slice(None), *spans)], 1, [4], ((-2, 6),), ["wrap"], 0.0, float)
    array([[2., 3., 0., 1., 2., 3., 0., 1.]])
    """
    block = np.empty((channels, *(stop - start for start, stop in region)), dtype)
    axes = [_runs(mode, length, *bounds) for mode, length, bounds in zip(modes, lengths, region, strict=True)]
    for runs in itertools.product(*axes):
        positions = (slice(None), *(run.positions for run in runs))
        spans = tuple(run.span for run in runs if run.span is not None)
        if len(spans) < len(runs):
            block[positions] = cval
            continue
        part = read(spans)
        for axis, run in enumerate(runs, 1):
            if run.order is not None:
                part = part.take(run.order, axis)
        block[positions] = part
    return block


def _runs(mode: str, length: int, start: int, stop: int) -> list[_Run]:
    if start >= 0 and stop <= length:
        return [_Run(slice(0, stop - start), slice(start, stop), None)]
    index = index_map(mode, length, start, stop)
    # A run ends where neighbours in the block are not neighbours in the image, or at the border for `constant`.
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
