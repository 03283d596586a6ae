"""Which tables does the machine code of a layer read? Byte offsets of samples, and of taps in scratch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from faltung.ground.extended import FILL, byte_offsets
from faltung.jit.target import host
from faltung.planning.layer import Axis

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MemoryLayout", "Tables", "in_three_axes", "memory_layout"]


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
    row_positions : ndarray, shape (tiles, rows)
        Positions of the rows that each tile gathers.
    number : dtype
        The dtype of scratch.
    """

    def __init__(
        self,
        axes: tuple[Axis, ...],
        source: MemoryLayout,
        tile: tuple[int, int],
        row_positions: NDArray[np.int64],
        number: np.dtype[Any],
    ) -> None:
        size = number.itemsize
        slices, rows, columns = axes
        slice_stride, row_stride, column_stride = source.strides[-3:]
        self.tile = tile
        self.row_tiles, self.rows = row_positions.shape
        self.column_tiles = -(-columns.outputs // tile[1])
        # A tile gathers only those slices that a tap reads, in the order of the taps.
        first = slices.start + slices.stride * np.arange(slices.outputs)
        planes = np.add.outer(first, slices.dilation * np.arange(slices.size))
        self.slice_offsets = np.ascontiguousarray(byte_offsets(slices.mode, slices.length, planes, slice_stride))
        self.row_offsets = np.ascontiguousarray(byte_offsets(rows.mode, rows.length, row_positions, row_stride))
        self.no_rows = np.full(self.rows, FILL)
        lanes = host().vector_bytes // size
        self.columns = -(-len(columns.positions(0, tile[1])[0]) // lanes) * lanes
        contiguous = columns.stride == 1 and column_stride == size and source.dtype == number
        self.gathered = lanes if contiguous else 0
        self.inner, self.column_offsets = self._columns(columns, column_stride)
        self.looked_up = int(columns.mode != "constant" and bool(self.column_offsets.size))
        self.plane = self.rows * self.columns * size
        self._axes, self._size = (rows, columns), size
        self.depth = slices.size

    @property
    def nbytes(self) -> int:
        """Bytes of all tables."""
        tables = (self.slice_offsets, self.row_offsets, self.no_rows, self.inner, self.column_offsets)
        return sum(table.nbytes for table in tables)

    def _columns(self, axis: Axis, stride: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Find for each tile in a row which columns are contiguous, and the byte offsets of all others."""
        entries, width = 0, self.tile[1]
        inner, outer = [], []
        for tile in range(self.column_tiles):
            positions = np.array(axis.positions(tile * width, width)[0], np.int64)
            inside = np.flatnonzero((positions >= 0) & (positions < axis.length))
            # Behind the last column scratch is filled up to a whole vector.
            behind = -1 if axis.mode == "constant" else 0
            positions = np.append(positions, np.full(self.columns - positions.size, behind))
            start, stop = (int(inside[0]), int(inside[-1]) + 1) if self.gathered and inside.size else (0, 0)
            rest = np.concatenate([positions[:start], positions[stop:]])
            outer.append(byte_offsets(axis.mode, axis.length, rest, stride))
            inner.append((start, stop, int(positions[start]) * stride if stop else 0, entries))
            entries += rest.size
        return np.array(inner, np.int64), np.concatenate(outer)

    def places(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Byte offsets in scratch of the samples under each row and each column of taps, for the first output."""
        rows, columns = (
            np.array(axis.positions(0, count)[1], np.int64) for axis, count in zip(self._axes, self.tile, strict=True)
        )
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
            "no_rows": self.no_rows.ctypes.data,
            "rows": self.rows,
            "column_offsets": self.column_offsets.ctypes.data,
            "columns": self.columns,
            "inner": self.inner.ctypes.data,
            "looked_up": self.looked_up,
        }
