"""Run the gradient to the taps of a layer: a board for each call of the machine code of `engines/reduction`."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.engines.channels.reduction import FIELDS, Reduction, reduction_block, reduction_function
from faltung.jit.target import host
from faltung.planning.layer import Axis, Layer
from faltung.planning.layer_tiles import ITEMS, ROOM
from faltung.run.layer_run import Board, Run, in_threads
from faltung.run.tables import Lie, Tables, three

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["tap_gradient"]

#: Columns of a tile, a multiple of every vector: what stands behind the last whole vector is never gathered.
WIDEST = 1024


class _Program:
    """The machine code for one layer and arrays that lie in one way."""

    def __init__(self, layer: Layer, source: Lie, other: Lie, number: np.dtype[Any]) -> None:
        axes, (source, other) = three(layer.axes, source, other)
        slices, rows, columns = axes
        kind = "float" if number == np.float32 else "double"
        lanes = host().lanes(kind)
        while lanes > 1 and 2 * columns.outputs <= lanes:
            lanes //= 2
        regular_rows = rows.stride == rows.dilation == 1
        regular_columns = columns.stride == 1
        block = reduction_block(
            layer.outs,
            rows.size if regular_rows else 1,
            columns.size if regular_columns else 1,
            rows.outputs,
            -(-columns.outputs // lanes),
            host().registers,
        )
        down, across, outputs = block
        width = min(-(-columns.outputs // lanes) * lanes, WIDEST)
        height = rows.outputs
        depth = slices.size + outputs
        while height > 1 and depth * len(rows.positions(0, height)[0]) * len(columns.positions(0, width)[0]) > ROOM:
            height = -(-height // 2)
        tile = (height, width)
        tops = range(0, rows.outputs, height)
        tables = Tables(
            axes,
            layer.mode,
            source,
            tile,
            np.array([rows.positions(top, height)[0] for top in tops], np.int64),
            number,
        )
        # Of g a tile holds its own rows, and nothing above and below them.
        own = np.arange(1 - down, height + down - 1)
        inside = (own >= 0) & (own < height)
        others = Tables(
            tuple(Axis(length=axis.outputs, size=1, outputs=axis.outputs) for axis in axes),
            "constant",
            other,
            tile,
            np.array([np.where(inside, own + top, -1) for top in tops], np.int64),
            number,
        )
        row_places, column_places = tables.places()
        starts = _starts(rows.size, down), _starts(columns.size, across)
        places = [np.ascontiguousarray(row_places[starts[0]]), np.ascontiguousarray(column_places[starts[1]])]
        self._chosen = [_chosen(each, size) for each, size in zip(starts, (down, across), strict=True)]
        sums = math.prod(block) * slices.size * len(places[0]) * len(places[1])
        blocks = -(-layer.outs // outputs)
        units = layer.images * slices.outputs * tables.row_tiles * tables.column_tiles
        parts = layer.groups * blocks * layer.ins
        chunks = max(1, min(units, -(-ITEMS // parts)))
        self.shape = (layer.groups, blocks, layer.ins, chunks, slices.size, len(places[0]), len(places[1]))
        self._block = block
        self._layer, self._number = layer, number
        fill = np.array([layer.cval, 0.0]).astype(number)
        self._keep = tables, others, places, fill
        source_bytes, other_bytes = slices.size * tables.plane, outputs * others.plane
        # A block may read up to a register block behind the last row that it needs.
        other_place = -(-(source_bytes + 8 * 64) // 64) * 64
        totals = other_place + -(-(other_bytes + 8 * 64) // 64) * 64
        self._code = reduction_function(
            Reduction(down, across, outputs, columns.dilation, kind, lanes, (tables.gathered, others.gathered)),
            host(),
        )
        self._board = Board(
            FIELDS,
            {
                "items": parts * chunks,
                "room": -(-(totals + sums * lanes * number.itemsize) // 64) * 64,
                "source_image": source.strides[0],
                "source_channel": source.strides[1],
                "other_image": other.strides[0],
                "other_channel": other.strides[1],
                "fill": fill.ctypes.data,
                "other_fill": fill.ctypes.data + number.itemsize,
                "groups": layer.groups,
                "ins": layer.ins,
                "outs": layer.outs,
                "blocks": blocks,
                "images": layer.images,
                "chunks": chunks,
                "slices": slices.outputs,
                "row_tiles": tables.row_tiles,
                "column_tiles": tables.column_tiles,
                "tile_height": height,
                "tile_width": width,
                "row_blocks": len(places[0]),
                "row_places": places[0].ctypes.data,
                "column_blocks": len(places[1]),
                "column_places": places[1].ctypes.data,
                "totals": totals,
                "other_place": other_place,
                **tables.entries(),
                **{"other_" + name: value for name, value in others.entries().items()},
            },
        )

    def __call__(self, source: int, other: int, run: Run, workers: int) -> NDArray[Any]:
        down, across, outputs = self._block
        layer = self._layer
        found = np.empty((*self.shape, across, down, outputs), self._number)
        self._board.call(run, self._code, workers, source=source, other=other, target=found.ctypes.data)
        # Axes: group, block of outputs, channel in, chunk, slice, blocks of rows and columns, and what is in a block.
        totals = found.sum(axis=3) if found.shape[3] > 1 else found[:, :, :, 0]
        in_order = totals.transpose(0, 1, 8, 2, 3, 4, 7, 5, 6)
        groups, blocks, _, ins, depth, *_ = in_order.shape
        taps = in_order.reshape(groups, blocks * outputs, ins, depth, self.shape[5] * down, self.shape[6] * across)
        taps = taps[:, : layer.outs]
        for axis, chosen in enumerate(self._chosen, 4):
            if chosen.size < taps.shape[axis]:
                taps = np.take(taps, chosen, axis)
        return np.ascontiguousarray(taps.reshape(layer.taps_shape))


_program = lru_cache(maxsize=512)(_Program)


def _starts(size: int, block: int) -> NDArray[np.int64]:
    """First tap of each block of taps; the last block moves back to end with the kernel."""
    return np.minimum(np.arange(0, size, block), size - block)


def _chosen(starts: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """For each tap a place where it stands in blocks one after the other: the last of those that there are."""
    every = np.add.outer(starts, np.arange(size)).ravel()
    places = np.empty(int(every.max()) + 1, np.int64)
    places[every] = np.arange(every.size)
    return places


def tap_gradient(
    layer: Layer,
    source: int,
    source_lie: Lie,
    gradient: int,
    gradient_lie: Lie,
    number: np.dtype[Any],
    run: Run = in_threads,
    workers: int = 1,
) -> NDArray[Any]:
    """Sum of products of samples and gradients of outputs, for every tap of a layer.

    Parameters
    ----------
    layer : Layer
        What was asked in the forward direction.
    source, gradient : int
        Addresses of the first sample, and of the gradient of the first output.
    source_lie, gradient_lie : Lie
        How the arrays lie; both hold what is computed with.
    number : dtype
        What is computed with.
    run : callable
        How the machine code is run.
    workers : int
        On how many threads; the result does not depend on it.

    Returns
    -------
    ndarray
        Of the shape of the taps.
    """
    if not layer.multiply_adds:
        return np.zeros(layer.taps_shape, number)
    return _program(layer, source_lie, gradient_lie, number)(source, gradient, run, workers)
