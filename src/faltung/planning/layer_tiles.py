"""How large are the tiles of a layer? The samples of all channels in that a tile reads stay in the cache."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from faltung.engines.channels.blocking import Blocking, blocking
from faltung.jit.target import host
from faltung.planning.layer import Axis, Layer

__all__ = ["ITEMS", "ROOM", "gathered_bytes", "read_in_place", "register_block", "three_axes", "tile_of"]

#: Most numbers of a gathered tile of all channels in: it stays in the second-level cache.
ROOM = 96 * 1024
#: Most columns of a tile.
WIDEST = 2048
#: Most positions that a tile reads for each one that it moves on. Tiles of a long kernel are long, too: the tables of
#: those that reach across the border, all together, are at most so many times as long as the kernel.
OVERLAP = 8
#: Number of tiles that keeps all cores busy.
ITEMS = 16


#: Most columns of taps of single channels whose planes are read in place; those of longer kernels are gathered.
MOST_COLUMNS = 9


def read_in_place(layer: Layer, channels_last: bool) -> bool:
    """Whether the planes of a layer are read in place: those of single channels, for short kernels.

    Where channels are last, columns come from a table; else from vectors, of which those beyond the border are zeros.
    """
    columns = layer.axes[-1]
    if not layer.ins == layer.outs == 1 or columns.size > MOST_COLUMNS or (layer.cval and "constant" in layer.modes):
        return False
    return channels_last or (columns.mode == "constant" and columns.stride <= 2)


def three_axes(layer: Layer) -> tuple[Axis, ...]:
    """Return slices, rows and columns; an axis that the layer does not have is of length 1."""
    return (*[Axis(1, 1)] * (3 - len(layer.axes)), *layer.axes)


def register_block(layer: Layer, number: np.dtype[Any]) -> Blocking:
    """Return the register block of a layer: rows, channels out and vectors."""
    _, rows, columns = three_axes(layer)
    kind = "float" if number == np.float32 else "double"
    return blocking(layer.outs, rows.outputs, columns.outputs, columns.size, kind, host())


def gathered_bytes(layer: Layer, number: np.dtype[Any]) -> int:
    """Return the bytes of the gathered samples of a tile, approximately."""
    if not layer.multiply_adds:
        return 0
    axes, block = three_axes(layer), register_block(layer, number)
    tile = tile_of(layer, axes, block.rows, block.vectors * block.lanes)
    return _gathered(layer, axes, *tile) * number.itemsize


def _gathered(layer: Layer, axes: tuple[Axis, ...], rows: int, columns: int) -> int:
    reads = [axis.reads(count) for axis, count in zip(axes[1:], (rows, columns), strict=True)]
    return layer.ins * axes[0].size * math.prod(reads)


def _shortest(axis: Axis) -> int:
    """Return the fewest outputs of a tile along an axis."""
    return min(axis.outputs, axis.dilation * (axis.size - 1) // (OVERLAP * axis.stride))


def tile_of(layer: Layer, axes: tuple[Axis, ...], rows: int, columns: int) -> tuple[int, int]:
    """Return rows and columns of a tile of whole register blocks.

    Parameters
    ----------
    layer : Layer
        The layer.
    axes : tuple of Axis
        Slices, rows and columns.
    rows, columns : int
        Rows and columns of a register block.
    """
    height, width = axes[1].outputs, axes[2].outputs
    narrowest = max(4, -(-_shortest(axes[2]) // columns)) * columns
    across = min(-(-width // columns), max(WIDEST // columns, 1, narrowest // columns)) * columns
    while across > narrowest and _gathered(layer, axes, rows, across) > ROOM:
        across = -(-across // 2 // columns) * columns
    down = height
    parts = layer.images * layer.groups * axes[0].outputs * -(-width // across)
    if parts < ITEMS:
        down = max(rows, -(-height // -(-ITEMS // parts)))
    lowest = max(rows, _shortest(axes[1]))
    while down > lowest and _gathered(layer, axes, down, across) > ROOM:
        down = max(lowest, down // 2)
    down = -(-height // -(-height // down))  # as many tiles, of equal height
    return min(height, -(-down // rows) * rows), across
