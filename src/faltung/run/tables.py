"""Tables: where the tiles of a layer find their samples, and where in what was gathered the taps are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.ground.extended import FILL, byte_offsets
from faltung.jit.target import host
from faltung.planning.layer import Axis

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Lie", "Tables", "lie_of", "three"]


@dataclass(frozen=True)
class Lie:
    """How an array (images, channels, *spatial) lies in memory: what it holds, and bytes between neighbours."""

    dtype: np.dtype[Any]
    strides: tuple[int, ...]


def lie_of(array: NDArray[Any]) -> Lie:
    """Return how an array lies."""
    return Lie(array.dtype, array.strides)


def three(axes: tuple[Axis, ...], *lies: Lie) -> tuple[tuple[Axis, ...], list[Lie]]:
    """Axes and arrays with slices and rows before the columns, of length 1 where there are none."""
    missing = 3 - len(axes)
    longer = [Lie(lie.dtype, (*lie.strides[:2], *[0] * missing, *lie.strides[2:])) for lie in lies]
    return (*[Axis(1, 1)] * missing, *axes), longer


class Tables:
    """Where the tiles of a layer's input are gathered from, and where in them the taps are.

    Parameters
    ----------
    axes : tuple of Axis
        Three of them: slices, rows and columns.
    mode : str
        What lies beyond the border.
    lie : Lie
        Of the input.
    tile : tuple of int
        Rows and columns of outputs of a tile.
    row_positions : ndarray, shape (tiles, rows)
        Positions of the rows that each tile gathers.
    number : dtype
        What scratch holds.
    """

    def __init__(
        self,
        axes: tuple[Axis, ...],
        mode: str,
        lie: Lie,
        tile: tuple[int, int],
        row_positions: NDArray[np.int64],
        number: np.dtype[Any],
    ) -> None:
        size = number.itemsize
        slices, rows, columns = axes
        strides = lie.strides
        self.tile = tile
        self.row_tiles, self.rows = row_positions.shape
        self.column_tiles = -(-columns.outputs // tile[1])
        # Of slices a tile gathers just those that a tap meets, in the order of the taps.
        first = slices.start + slices.stride * np.arange(slices.outputs)
        planes = np.add.outer(first, slices.dilation * np.arange(slices.size))
        self.slice_offsets = np.ascontiguousarray(byte_offsets(mode, slices.length, planes, strides[-3]))
        self.row_offsets = np.ascontiguousarray(byte_offsets(mode, rows.length, row_positions, strides[-2]))
        self.no_rows = np.full(self.rows, FILL)
        lefts = [(k * tile[1], tile[1]) for k in range(self.column_tiles)]
        lanes = host().vector_bytes // size
        self.columns = -(-len(columns.positions(0, tile[1])[0]) // lanes) * lanes
        side_by_side = columns.stride == 1 and strides[-1] == size and lie.dtype == number
        self.gathered = lanes if side_by_side else 0
        self.inner, self.column_offsets = self._columns(columns, mode, lefts, lie)
        self.looked_up = int(mode != "constant" and bool(self.column_offsets.size))
        self.plane = self.rows * self.columns * size
        self._axes, self._size = (rows, columns), size
        self.depth = slices.size

    def _columns(
        self, axis: Axis, mode: str, windows: list[tuple[int, int]], lie: Lie
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Find for each window which columns lie side by side, and the byte offsets of all others."""
        stride, entries = lie.strides[-1], 0
        inner, outer = [], []
        for first, count in windows:
            positions = np.array(axis.positions(first, count)[0], np.int64)
            inside = np.flatnonzero((positions >= 0) & (positions < axis.length))
            # Behind the last one scratch is filled up to a whole vector.
            positions = np.append(positions, np.full(self.columns - positions.size, -1 if mode == "constant" else 0))
            start, stop = (int(inside[0]), int(inside[-1]) + 1) if self.gathered and inside.size else (0, 0)
            rest = np.concatenate([positions[:start], positions[stop:]])
            outer.append(byte_offsets(mode, axis.length, rest, stride))
            inner.append((start, stop, int(positions[start]) * stride if stop else 0, entries))
            entries += rest.size
        return np.array(inner, np.int64), np.concatenate(outer)

    def places(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Byte offsets in scratch at which each row and each column of taps meets the first output."""
        rows, columns = (
            np.array(axis.positions(0, count)[1], np.int64) for axis, count in zip(self._axes, self.tile, strict=True)
        )
        return rows * self.columns * self._size, columns * self._size

    def regular(self) -> tuple[bool, bool]:
        """Whether rows of taps, and columns of them, follow one another in scratch as outputs do."""
        rows, columns = self._axes
        return rows.stride == rows.dilation == 1, columns.stride == 1

    def panels(self, ins: int) -> tuple[NDArray[np.int64], int, int]:
        """Byte offsets of dense panels of taps, for all channels in; and the rows and columns of each."""
        (rows, columns), (regular_rows, regular_columns) = self._axes, self.regular()
        row_places, column_places = self.places()
        down = rows.size if regular_rows and regular_columns else 1
        across = columns.size if regular_columns else 1
        planes = np.arange(ins * self.depth) * self.plane
        places = np.add.outer(np.add.outer(planes, row_places[::down]), column_places[::across])
        return np.ascontiguousarray(places.ravel()), down, across

    def entries(self) -> dict[str, int]:
        """Return what the machine code reads of them."""
        return {
            "depth": self.depth,
            "slice_offsets": self.slice_offsets.ctypes.data,
            "row_offsets": self.row_offsets.ctypes.data,
            "no_rows": self.no_rows.ctypes.data,
            "rows": self.rows,
            "column_offsets": self.column_offsets.ctypes.data,
            "columns": self.columns,
            "inner": self.inner.ctypes.data,
            "looked_up": self.looked_up,
        }
