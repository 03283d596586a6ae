"""How does the gradient with respect to the taps of a layer run? With a board, as the layer itself does."""

from __future__ import annotations

import math
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.engines.channels.reduction import FIELDS, Reduction, reduction_block, reduction_function
from faltung.ground.bounded import Bounded
from faltung.jit.compile import code_bytes
from faltung.jit.target import host
from faltung.planning.cost import layer_seconds
from faltung.planning.layer import Axis, Layer
from faltung.planning.layer_tiles import ITEMS, ROOM
from faltung.planning.machine import current
from faltung.run.layer_run import LAYER_BYTES, MOST_BYTES, MOST_LAYERS, Board, Run, in_threads, whole_lines
from faltung.run.tables import NOWHERE, MemoryLayout, Tables, in_three_axes

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TapGradientCode", "tap_gradient"]

#: Columns of a tile, a multiple of every vector: nothing behind the last whole vector is ever gathered.
WIDEST = 1024


class TapGradientCode:
    """The machine code for the gradient with respect to the taps of a layer, and its tables.

    Parameters
    ----------
    layer : Layer
        The layer in the forward direction.
    source, gradient : MemoryLayout
        The memory layout of its input, and of the gradient with respect to its output.
    number : dtype
        The number computed with.
    """

    def __init__(self, layer: Layer, source: MemoryLayout, gradient: MemoryLayout, number: np.dtype[Any]) -> None:
        self._axes, (self._source, self._gradient) = in_three_axes(layer.axes, source, gradient)
        self._layer, self._number = layer, number
        self._kind = "float" if number == np.float32 else "double"
        self._lanes = host().fitting_lanes(self._kind, self._axes[2].outputs)
        self._block = self._choose_block()
        self._tile = self._choose_tile()
        self._source_tables = self._tables_of_source()
        self._gradient_tables = self._tables_of_gradient()
        down, across, _ = self._block
        _, rows, columns = self._axes
        starts = _starts(rows.size, down), _starts(columns.size, across)
        places = self._source_tables.places()
        #: Byte offsets in scratch of the first row and the first column of each block of taps.
        self._block_places = [np.ascontiguousarray(place[first]) for place, first in zip(places, starts, strict=True)]
        self._tap_places = [_tap_places(first, size) for first, size in zip(starts, (down, across), strict=True)]
        self._fills = np.array([layer.cval, 0.0]).astype(number)  # beyond the border of input and gradient
        self._shape = self._shape_of_totals()
        self._code = self._compile()
        self._board = Board(FIELDS, self._entries(), layer_seconds(layer, number, current()))

    @property
    def nbytes(self) -> int:
        """Bytes of all tables, and of the machine code."""
        tables = LAYER_BYTES + code_bytes([self._code]) + self._source_tables.nbytes + self._gradient_tables.nbytes
        return tables + sum(place.nbytes for place in (*self._block_places, *self._tap_places))

    def _choose_block(self) -> tuple[int, int, int]:
        """Return rows and columns of taps, and channels out, of a block of accumulators."""
        _, rows, columns = self._axes
        regular_rows, regular_columns = rows.stride == rows.dilation == 1, columns.stride == 1
        return reduction_block(
            self._layer.outs,
            rows.size if regular_rows else 1,
            columns.size if regular_columns else 1,
            rows.outputs,
            -(-columns.outputs // self._lanes),
            host().registers,
        )

    def _choose_tile(self) -> tuple[int, int]:
        """Return rows and columns of outputs of a tile, whose samples and gradients stay in the cache."""
        slices, rows, columns = self._axes
        height, width = rows.outputs, min(-(-columns.outputs // self._lanes) * self._lanes, WIDEST)
        depth, across = slices.size + self._block[2], columns.reads(width)
        while height > 1 and depth * rows.reads(height) * across > ROOM:
            height = -(-height // 2)
        return height, width

    def _tops(self) -> NDArray[np.int64]:
        """First row of outputs of each tile."""
        return np.arange(0, self._axes[1].outputs, self._tile[0])

    def _tables_of_source(self) -> Tables:
        rows = self._axes[1].positions(self._tile[0])
        return Tables(self._axes, self._source, self._tile, self._tops(), rows, self._number)

    def _tables_of_gradient(self) -> Tables:
        """Return tables of the gradient, of which a tile holds its own rows, and rows of zeros above and below."""
        down, height = self._block[0], self._tile[0]
        own = np.arange(1 - down, height + down - 1)
        rows = np.where((own >= 0) & (own < height), own, NOWHERE)
        axes = tuple(Axis(length=axis.outputs, size=1, outputs=axis.outputs) for axis in self._axes)
        return Tables(axes, self._gradient, self._tile, self._tops(), rows, self._number)

    def _shape_of_totals(self) -> tuple[int, ...]:
        """Return groups, blocks of channels out, channels in, chunks, slices, blocks of rows, blocks of columns."""
        layer, tables, slices = self._layer, self._source_tables, self._axes[0]
        blocks = -(-layer.outs // self._block[2])
        units = layer.images * slices.outputs * tables.row_tiles * tables.column_tiles
        chunks = max(1, min(units, -(-ITEMS // (layer.groups * blocks * layer.ins))))
        return (layer.groups, blocks, layer.ins, chunks, slices.size, *map(len, self._block_places))

    def _compile(self) -> Any:
        down, across, outputs = self._block
        reduction = Reduction(
            rows=down,
            columns=across,
            outputs=outputs,
            step=self._axes[2].dilation,
            number=self._kind,
            lanes=self._lanes,
            gathered=(self._source_tables.gathered, self._gradient_tables.gathered),
        )
        return reduction_function(reduction, host())

    def _entries(self) -> dict[str, int]:
        """Return the entries of the board that stay the same; what it calls `other` is the gradient."""
        layer, tables, gradient_tables = self._layer, self._source_tables, self._gradient_tables
        slices, size = self._axes[0], self._number.itemsize
        groups, blocks, ins, chunks, depth, row_blocks, column_blocks = self._shape
        sums = math.prod(self._block) * depth * row_blocks * column_blocks
        # A block may read up to a register block behind the last row that it needs.
        other_place = whole_lines(depth * tables.plane + 8 * 64)
        totals = other_place + whole_lines(self._block[2] * gradient_tables.plane + 8 * 64)
        return {
            "items": groups * blocks * ins * chunks,
            "room": whole_lines(totals + sums * self._lanes * size),
            "source_image": self._source.strides[0],
            "source_channel": self._source.strides[1],
            "other_image": self._gradient.strides[0],
            "other_channel": self._gradient.strides[1],
            "fill": self._fills.ctypes.data,
            "other_fill": self._fills.ctypes.data + size,
            "groups": groups,
            "ins": ins,
            "outs": layer.outs,
            "blocks": blocks,
            "images": layer.images,
            "chunks": chunks,
            "slices": slices.outputs,
            "row_tiles": tables.row_tiles,
            "column_tiles": tables.column_tiles,
            "tile_height": self._tile[0],
            "tile_width": self._tile[1],
            "row_blocks": row_blocks,
            "row_places": self._block_places[0].ctypes.data,
            "column_blocks": column_blocks,
            "column_places": self._block_places[1].ctypes.data,
            "totals": totals,
            "other_place": other_place,
            **tables.entries(),
            **{"other_" + name: value for name, value in gradient_tables.entries().items()},
        }

    def __call__(self, source: int, gradient: int, run: Run, workers: int) -> NDArray[Any]:
        """Return the gradient, from the addresses of the input and of the gradient with respect to the output."""
        down, across, outputs = self._block
        totals = np.empty((*self._shape, across, down, outputs), self._number)
        self._board.call(run, self._code, workers, source=source, other=gradient, target=totals.ctypes.data)
        return self._in_order(totals.sum(axis=3) if totals.shape[3] > 1 else totals[:, :, :, 0])

    def _in_order(self, totals: NDArray[Any]) -> NDArray[Any]:
        """Return totals of blocks (`_shape` without chunks; columns, rows, channels out) in the shape of the taps."""
        layer = self._layer
        groups, blocks, ins, depth, row_blocks, column_blocks, across, down, outputs = totals.shape
        taps = totals.transpose(0, 1, 8, 2, 3, 4, 7, 5, 6)
        taps = taps.reshape(groups, blocks * outputs, ins, depth, row_blocks * down, column_blocks * across)
        taps = taps[:, : layer.outs]
        for axis, places in enumerate(self._tap_places, 4):
            if places.size < taps.shape[axis]:
                taps = np.take(taps, places, axis)
        return np.ascontiguousarray(taps.reshape(layer.taps_shape))


_codes: Bounded[tuple[Layer, MemoryLayout, MemoryLayout, np.dtype[Any]], TapGradientCode] = Bounded(
    MOST_LAYERS, MOST_BYTES
)


def _starts(size: int, block: int) -> NDArray[np.int64]:
    """First tap of each block of taps; the last block moves back to end with the kernel."""
    return np.minimum(np.arange(0, size, block), size - block)


def _tap_places(starts: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return the place of every tap in a sequence of blocks; the last of its places if blocks overlap."""
    taps = np.add.outer(starts, np.arange(size)).ravel()
    places = np.empty(int(taps.max()) + 1, np.int64)
    places[taps] = np.arange(taps.size)
    return places


def tap_gradient(
    layer: Layer,
    source: int,
    source_layout: MemoryLayout,
    gradient: int,
    gradient_layout: MemoryLayout,
    number: np.dtype[Any],
    run: Run = in_threads,
    workers: int = 1,
) -> NDArray[Any]:
    """Return the gradient with respect to the taps of a layer: for each tap a sum of samples times gradients.

    Parameters
    ----------
    layer : Layer
        The layer in the forward direction.
    source, gradient : int
        Addresses of the first sample of the input, and of the gradient with respect to the first output.
    source_layout, gradient_layout : MemoryLayout
        The memory layouts of both arrays, which hold the number computed with.
    number : dtype
        The number computed with.
    run : callable
        Runs the machine code.
    workers : int
        Number of threads; the result does not depend on it.

    Returns
    -------
    ndarray
        The gradient, in the shape of the taps.
    """
    if not layer.multiply_adds:
        return np.zeros(layer.taps_shape, number)
    key = (layer, source_layout, gradient_layout, number)
    code = _codes.get(key)
    if code is None:
        code = _codes.get_or_make(key, lambda: TapGradientCode(*key), attrgetter("nbytes"))
    return code(source, gradient, run, workers)
