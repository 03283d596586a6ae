"""In which tiles are planes filtered whose rate changes? Whole periods of phases, and the samples that they read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from faltung.engines.polyphase.rate_sums import RatePass
from faltung.ground.boundary import MODES, OUTSIDE
from faltung.ground.extended import FILL
from faltung.planning.rate_passes import RateAxis, RatePasses

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["RateTile", "Span", "described", "repeated", "tile_for"]

#: Most multiply-adds of vectors that are written out for a block of outputs.
_WRITTEN_OUT = 450
#: Numbers of the samples of a tile, which stay in the second-level cache if they are gathered; numbers of a strip
#: between the passes; and columns of a tile that is filtered along the rows alone.
_TILE, _STRIP, _COLUMNS = 1 << 16, 1 << 14, 1 << 10
#: Most outputs of a period of phases that is made longer, so that it is whole vectors.
_PERIOD = 512
#: Outputs of a row from which on it is cut into at least so many tiles for all threads.
_LONG, _ITEMS = 1 << 16, 8


class RateTile(NamedTuple):
    """The tiles of a filter.

    Parameters
    ----------
    height, width : int
        Rows and columns of outputs.
    own : int
        Columns of a lane: all of them, or of a folded row its share.
    stretch : int
        Samples from lane to lane of a folded row.
    rows, columns : int
        Rows and columns that are read; columns of a lane.
    """

    height: int
    width: int
    own: int
    stretch: int
    rows: int
    columns: int

    @property
    def folded(self) -> bool:
        """Whether lanes are stretches of one row."""
        return self.stretch > 0


class Span:
    """The samples that tiles read along an axis: tile k reads a range that begins `stride` * k behind the first one.

    It stands for an `Axis` in `Tables`: a tile is an output, and all its samples are contiguous.

    Parameters
    ----------
    axis : RateAxis
        The axis.
    outputs, samples : int
        Outputs of a tile, whole periods; and samples that it reads.
    """

    contiguous = True

    def __init__(self, axis: RateAxis, outputs: int, samples: int) -> None:
        self.length, self.mode, self.start = axis.length, axis.mode, axis.start
        self.stride, self.outputs = axis.step * (outputs // axis.count), -(-axis.outputs // outputs)
        self.samples = samples

    def reads(self, count: int) -> int:
        """Return how many samples so many tiles read."""
        return self.samples + self.stride * (count - 1)

    def positions(self, count: int) -> NDArray[np.int64]:
        """Return the positions of these samples for the first tiles."""
        return self.start + np.arange(self.reads(count))

    @property
    def _firsts(self) -> NDArray[np.int64]:
        return self.start + self.stride * np.arange(self.outputs)

    def starts(self, stride: int) -> NDArray[np.int64]:
        """Return the byte offset of the first sample of each tile that is inside the array; of others, `FILL`."""
        firsts = self._firsts
        return np.where((firsts >= 0) & (firsts + self.samples <= self.length), firsts * stride, FILL)

    def copied(self, stride: int, least: int, place: int, zero: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return which columns of each tile are read in place, and of which the others are copies.

        Parameters
        ----------
        stride : int
            Bytes from sample to sample.
        least : int
            Fewest columns that are read in place.
        place : int
            Bytes from column to column between the passes; 0 if there are no copies.
        zero : bool
            Whether the constant beyond the border is zero.

        Returns
        -------
        records : ndarray
            For each tile: byte offset of the first sample in the array, or `FILL` if the tile has to be gathered; its
            column, and the number of columns; start and stop of the copies.
        copies : ndarray
            Byte offsets of a column and of that whose copy it is, or `FILL` for zeros.
        """
        records: list[tuple[int, ...]] = []
        copies: list[tuple[int, int]] = []
        for first in self._firsts.tolist():
            low, high = max(first, 0), min(first + self.samples, self.length)
            outside = np.r_[first:low, high : first + self.samples]
            found = MODES[self.mode](outside, self.length)
            zeros = found == OUTSIDE
            known = (zeros & zero) | ((found >= low) & (found < high))
            if high - low < least or not known.all() or (outside.size and not place):
                records.append((FILL, 0, 0, 0, 0))
                continue
            records.append((low * stride, low - first, high - low, len(copies), len(copies) + outside.size))
            others = np.where(zeros, FILL, (found - first) * place)
            copies += [*zip(((outside - first) * place).tolist(), others.tolist(), strict=True)]
        return np.array(records, np.int64), np.array(copies or [(0, 0)], np.int64)


def tile_for(passes: RatePasses, lanes: int, foldable: bool) -> RateTile:
    """Return the tiles of a filter; a few rows are folded if they are in one stride."""
    rows, columns = passes.rows, passes.columns
    if foldable and not rows.filters and rows.outputs < lanes:
        own = _own(columns, lanes)
        return RateTile(1, own * lanes, own, own // columns.count * columns.step, 1, _read(columns, own, lanes))
    width = _width(columns, lanes)
    read = _read(columns, width, lanes)
    most = max(lanes, _TILE // read * rows.count // rows.step)
    height = _whole(rows, lanes, min(most, max(rows.outputs // 2, 1)))
    return RateTile(height, width, width, 0, _read(rows, height, lanes), read)


def _own(axis: RateAxis, lanes: int) -> int:
    """Return how many outputs of a row each lane has."""
    parts = lanes * (_ITEMS if axis.outputs >= _LONG else 1)
    outputs = min(_STRIP // lanes * axis.count // axis.step, axis.outputs // parts)
    return _whole(axis, lanes if outputs >= axis.count * lanes else 1, outputs)


def _width(axis: RateAxis, lanes: int) -> int:
    """Return the columns of a tile of several rows."""
    if not axis.filters:
        return _whole(axis, lanes, min(_COLUMNS, axis.outputs + lanes - 1))
    most = max(1, _STRIP // lanes * axis.count // axis.step)
    tiles = -(-axis.outputs // most)  # of about the same width: a narrow last one would have to be gathered
    return _whole(axis, lanes, -(-axis.outputs // tiles) + lanes - 1)


def _whole(axis: RateAxis, lanes: int, outputs: int) -> int:
    """Return about so many outputs, in whole periods of phases, and whole vectors if these are not much longer."""
    both = math.lcm(axis.count, lanes)
    unit = both if both <= _PERIOD else axis.count
    return max(1, outputs // unit) * unit


def _read(axis: RateAxis, outputs: int, lanes: int) -> int:
    """Return how many samples outputs read, in blocks that are whole vectors if all are alike."""
    one = described(axis, lanes)
    blocks = -(-outputs // lanes) * lanes
    return axis.reads(blocks if one is None or one.pattern else outputs)


def described(axis: RateAxis, lanes: int) -> RatePass | None:
    """Return what machine code has to know of a pass; None if there is none."""
    if not axis.filters:
        return None
    taps = axis.taps.shape[1]
    if lanes % axis.count or lanes * taps > _WRITTEN_OUT:
        return RatePass(taps)
    pattern = tuple((first, n % axis.count) for n, first in enumerate(axis.firsts_of(lanes).tolist()))
    return RatePass(taps, pattern, lanes // axis.count * axis.step)


def repeated(axis: RateAxis, outputs: int, lanes: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return the first sample and the taps of each output of a tile; of the last one for all behind it."""
    places = np.arange(-(-outputs // lanes) * lanes).clip(0, outputs - 1)
    firsts = np.ascontiguousarray(axis.firsts_of(outputs)[places])
    return firsts, np.ascontiguousarray(axis.taps[places % axis.count])
