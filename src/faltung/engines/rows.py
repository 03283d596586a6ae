"""Which rows are short, how many tiles are there, where are the slices of a block? Facts that engines share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from faltung.engines.base import Job
from faltung.ground.bounded import Bounded

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["KEPT", "MOST_KEPT", "has_short_rows", "slice_offsets", "tile_count"]

#: Samples of a row from which on gathering whole blocks always costs more than strips along the border.
SHORT = 1024
#: Bytes of tables that a block function keeps from call to call.
KEPT = 1 << 20
#: Number of tables that a block function keeps.
MOST_KEPT = 4096

_offsets: Bounded[tuple[tuple[int, ...], tuple[int, ...]], NDArray[np.int64]] = Bounded(4 * MOST_KEPT, 4 * KEPT)


def has_short_rows(job: Job, for_each: int) -> bool:
    """Return whether rows are so short that strips along the border would cost more than gathering whole blocks.

    Parameters
    ----------
    job : Job
        What is computed.
    for_each : int
        Bytes of a row that are gathered in the time that a strip takes longer than its share of the block, for each
        tap along the row.
    """
    bytes_ = job.extents[-1] * job.step * job.source.itemsize
    return bool(bytes_ < min(SHORT * job.source.itemsize, for_each * job.taps.shape[-1]))


def tile_count(extents: Sequence[int], tile: Sequence[int]) -> int:
    """Return how many tiles cover all outputs.

    Examples
    --------
    >>> tile_count((5, 4), (2, 4))
    3
    """
    return math.prod(-(-extent // max(most, 1)) for extent, most in zip(extents, tile, strict=True))


def slice_offsets(shape: tuple[int, ...], strides: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the byte offset of every slice of a block, given shape and strides of the axes before the rows."""
    key = (shape, strides)
    table = _offsets.get(key)
    if table is None:
        table = np.zeros((), dtype=np.int64)
        for size, stride in zip(shape, strides, strict=True):
            table = np.add.outer(table, stride * np.arange(size, dtype=np.int64))
        table = _offsets.put(key, np.ascontiguousarray(table), table.nbytes)
    return table
