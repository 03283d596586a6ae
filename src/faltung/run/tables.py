"""Which tables does the machine code of a layer read? Byte offsets of samples, and of taps in scratch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from faltung.ground.extended import FILL, byte_offsets
from faltung.jit.target import host
from faltung.planning.layer import Axis

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NOWHERE", "MemoryLayout", "Tables", "in_three_axes", "memory_layout"]


#: A position that is before the array, however far a tile is from the first one.
NOWHERE = -(1 << 62)


class MemoryLayout(NamedTuple):
    """Dtype and strides of an array with the axes (images, channels, *spatial)."""

    dtype: np.dtype[Any]
    strides: tuple[int, ...]


def memory_layout(array: NDArray[Any]) -> MemoryLayout:
    """Return the memory layout of an array."""
    return MemoryLayout(array.dtype, array.strides)


def in_three_axes(axes: tuple[Axis, ...], *layouts: MemoryLayout) -> tuple[tuple[Axis, ...], list[MemoryLayout]]:
    """Return axes and memory layouts with slices, rows and columns; new axes have length 1 and come first."""
    missing = 3 - len(axes)
    longer = [
        layout._replace(strides=(*layout.strides[:2], *[0] * missing, *layout.strides[2:])) for layout in layouts
    ]
    return (*[Axis(1, 1)] * missing, *axes), longer


class Tables:
    """Byte offsets: of the samples of every tile in the input, and of the taps in the gathered tile.

    Parameters
    ----------
    axes : tuple of Axis
        Three of them: slices, rows and columns.
    source : MemoryLayout
        The memory layout of the input.
    tile : tuple of int
        Rows and columns of outputs of a tile.
    tops : ndarray, shape (tiles,)
        First row of outputs of each tile.
    row_positions : ndarray, shape (rows,)
        Positions of the rows that a tile whose first row of outputs is 0 gathers; or `NOWHERE`.
    number : dtype
        The dtype of scratch.
    """

    def __init__(
        self,
        axes: tuple[Axis, ...],
        source: MemoryLayout,
        tile: tuple[int, int],
        tops: NDArray[np.int64],
        row_positions: NDArray[np.int64],
        number: np.dtype[Any],
    ) -> None:
        size = number.itemsize
        slices, rows, columns = axes
        slice_stride, row_stride, column_stride = source.strides[-3:]
        self.tile = tile
        self.row_tiles, self.rows = tops.size, row_positions.size
        self.column_tiles = -(-columns.outputs // tile[1])
        # A tile gathers only those slices that a tap reads, in the order of the taps.
        first = slices.start + slices.stride * np.arange(slices.outputs)
        planes = np.add.outer(first, slices.dilation * np.arange(slices.size))
        self.slice_offsets = np.ascontiguousarray(byte_offsets(slices.mode, slices.length, planes, slice_stride))
        self.row_offsets, self.row_tables = _rows(rows, row_stride, tops, row_positions)
        self.no_rows = np.full(self.rows, FILL)
        lanes = host().vector_bytes // size
        self.columns = -(-columns.reads(tile[1]) // lanes) * lanes
        contiguous = columns.contiguous and column_stride == size and source.dtype == number
        self.gathered = lanes if contiguous else 0
        self.inner, self.column_offsets = self._columns(columns, column_stride)
        self.looked_up = int(columns.mode != "constant" and bool(self.column_offsets.size))
        self.plane = self.rows * self.columns * size
        self._axes, self._size = (rows, columns), size
        self.depth = slices.size

    @property
    def nbytes(self) -> int:
        """Bytes of all tables."""
        rows = (self.row_offsets, self.row_tables, self.no_rows)
        return sum(table.nbytes for table in (self.slice_offsets, *rows, self.inner, self.column_offsets))

    def _columns(self, axis: Axis, stride: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Find for each tile in a row which columns are contiguous, and the byte offsets of all others.

        All tiles whose columns are inside the array share the entries of the first one of them.
        """
        positions, width = axis.positions(self.tile[1]), self.tile[1]
        shifts = axis.stride * width * np.arange(self.column_tiles)
        of_tile, written = _sharing(positions, shifts, axis.length)
        records, outer, entries = [], [], 0
        for shift in written:
            moved = positions + shift
            inside = np.flatnonzero((moved >= 0) & (moved < axis.length))
            # Behind the last column scratch is filled up to a whole vector.
            moved = np.append(moved, np.full(self.columns - moved.size, -1 if axis.mode == "constant" else 0))
            start, stop = (int(inside[0]), int(inside[-1]) + 1) if self.gathered and inside.size else (0, 0)
            rest = np.concatenate([moved[:start], moved[stop:]])
            outer.append(byte_offsets(axis.mode, axis.length, rest, stride))
            records.append((start, stop, int(moved[start]) * stride if stop else 0, entries))
            entries += rest.size
        bases = (shifts - written[of_tile]) * stride
        return np.column_stack([np.array(records, np.int64)[of_tile], bases]), np.concatenate(outer)

    def places(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Byte offsets in scratch of the samples under each row and each column of taps, for the first output."""
        rows, columns = (axis.places(count) for axis, count in zip(self._axes, self.tile, strict=True))
        return rows * self.columns * self._size, columns * self._size

    def regular(self) -> tuple[bool, bool]:
        """Whether neighbouring rows of taps, and columns of taps, read neighbouring rows and columns of scratch."""
        rows, columns = self._axes
        return rows.stride == rows.dilation == 1, columns.stride == 1

    def panels(self, ins: int) -> tuple[NDArray[np.int64], int, int]:
        """Byte offsets of dense panels of taps, for all channels in; and the rows and columns of a panel."""
        (rows, columns), (regular_rows, regular_columns) = self._axes, self.regular()
        row_places, column_places = self.places()
        down = rows.size if regular_rows and regular_columns else 1
        across = columns.size if regular_columns else 1
        planes = np.arange(ins * self.depth) * self.plane
        places = np.add.outer(np.add.outer(planes, row_places[::down]), column_places[::across])
        return np.ascontiguousarray(places.ravel()), down, across

    def entries(self) -> dict[str, int]:
        """Return the entries of a board that describe these tables."""
        return {
            "depth": self.depth,
            "slice_offsets": self.slice_offsets.ctypes.data,
            "row_offsets": self.row_offsets.ctypes.data,
            "row_tables": self.row_tables.ctypes.data,
            "no_rows": self.no_rows.ctypes.data,
            "rows": self.rows,
            "column_offsets": self.column_offsets.ctypes.data,
            "columns": self.columns,
            "inner": self.inner.ctypes.data,
            "looked_up": self.looked_up,
        }


def _sharing(
    positions: NDArray[np.int64], shifts: NDArray[np.int64], length: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which tiles can share a table of offsets: those that are inside the array as a whole.

    Parameters
    ----------
    positions : ndarray
        Positions that a tile reads, before it is shifted.
    shifts : ndarray
        How far each tile is shifted.
    length : int
        Samples of the axis.

    Returns
    -------
    of_tile : ndarray
        The number of the table of each tile.
    written : ndarray
        The shift of the tile that each table is written for.
    """
    known = positions[positions > NOWHERE]
    inside = (shifts + known.min() >= 0) & (shifts + known.max() < length)
    own = ~inside
    own[np.argmax(inside)] = True  # the first one inside writes the table of all of them
    tables = np.cumsum(own) - 1
    tables[inside] = tables[np.argmax(inside)]
    return tables, shifts[own]


def _rows(
    axis: Axis, stride: int, tops: NDArray[np.int64], positions: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return byte offsets of rows; and for each row of tiles the first of its entries, and what is added to them."""
    shifts = axis.stride * tops
    of_tile, written = _sharing(positions, shifts, axis.length)
    offsets = byte_offsets(axis.mode, axis.length, np.add.outer(written, positions), stride)
    bases = (shifts - written[of_tile]) * stride
    return np.ascontiguousarray(offsets), np.column_stack([of_tile * positions.size, bases])
