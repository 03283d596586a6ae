"""Run a bank over channels: a board for each call of the machine code of `engines/channels`."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.engines.channels.channel_code import FIELDS, Channels, channels_function
from faltung.engines.registers import Footprint
from faltung.ground import scratch
from faltung.ground.threads import share
from faltung.jit.samples import sample
from faltung.jit.target import host
from faltung.planning.layer import Layer
from faltung.planning.layer_tiles import register_block, tile_of
from faltung.run.gathering import address_of
from faltung.run.tables import Lie, Tables, three

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Board", "Run", "correlate_channels", "in_threads"]

#: Bytes of a result that no cache is expected to keep until the next layer reads it.
STREAMED_BYTES = 1 << 25

Run = Callable[[Callable[[int], int], int, int], None]
"""Calls machine code with the address of a board, on so many threads."""


def in_threads(code: Callable[[int], int], board: int, count: int) -> None:
    """Call machine code on threads of the pool."""

    def work(_: int) -> None:
        code(board)

    share(work, range(count), count)


class Board:
    """What machine code is called with: a table of integers, most of which never change.

    Parameters
    ----------
    fields : sequence of str
        What stands in it.
    values : dict
        What does not change from call to call; items and room of a thread among it.
    """

    def __init__(self, fields: tuple[str, ...], values: dict[str, int]) -> None:
        self._values = np.array([values.get(name, 0) for name in fields], np.int64)
        self._places = {name: place for place, name in enumerate(fields)}
        self._items, self._room = values["items"], values["room"]

    def call(self, run: Run, code: Callable[[int], int], workers: int, **values: int) -> None:
        """Call machine code that shares out the items among threads; `values` are the rest of the board."""
        count = max(1, min(workers, self._items))
        board, claims = self._values.copy(), np.zeros(2, np.int64)
        buffer, place = scratch.take("channels", self._room * count)
        places = self._places
        board[places["claims"]], board[places["scratch"]] = address_of(claims), place
        for name, value in values.items():
            board[places[name]] = value
        run(code, address_of(board), count)
        del buffer  # until here nobody else may write there


class _Program:
    """The machine code for one layer and arrays that lie in one way."""

    def __init__(self, layer: Layer, source: Lie, target: Lie, number: np.dtype[Any], streamed: bool) -> None:
        axes, (source, target) = three(layer.axes, source, target)
        slices, rows, columns = axes
        kind = "float" if number == np.float32 else "double"
        block = register_block(layer, number)
        wide = block.vectors * block.lanes
        tile = tile_of(layer, axes, block.rows, wide)
        # The last tile moves up to end with the array.
        tops = [min(top, rows.outputs - tile[0]) for top in range(0, rows.outputs, tile[0])]
        positions = np.array([rows.positions(top, tile[0])[0] for top in tops], np.int64)
        tables = Tables(axes, layer.mode, source, tile, positions, number)
        panels, down, across = tables.panels(layer.ins)
        taps = layer.ins * layer.taps
        # Looped over, never written out: the compiler would load all coefficients ahead of the loop over columns,
        # find no registers for them, and halve the speed.
        footprint = Footprint(panels.size, down, across, None, columns.dilation, sample(number), kind, block.outputs)
        vector_bytes = block.lanes * number.itemsize
        packed = target.dtype == number and target.strides[-1] == number.itemsize
        whole = columns.outputs % wide == tile[1] % wide == 0
        self._streamed = packed and streamed and whole and not any(s % vector_bytes for s in target.strides[:-1])
        self._vector_bytes = vector_bytes
        self._codes = [
            channels_function(
                Channels(
                    footprint=footprint,
                    source=sample(source.dtype),
                    target=sample(target.dtype),
                    lanes=block.lanes,
                    gathered=tables.gathered,
                    block=(block.rows, block.vectors),
                    packed=packed,
                    streamed=past,
                ),
                host(),
            )
            for past in ((False, True) if self._streamed else (False,))
        ]
        self._layer, self._number, self._outputs = layer, number, block.outputs
        self._blocks = -(-layer.outs // block.outputs)
        fill = np.array([layer.cval]).astype(number)
        no_bias = np.zeros(layer.groups * layer.outs, number)
        self._keep = tables, panels, fill, no_bias
        tiles = slices.outputs * tables.row_tiles * tables.column_tiles
        # A block may read up to a register block behind the last row that it needs.
        room = layer.ins * slices.size * tables.plane + 4 * wide * number.itemsize
        self._board = Board(
            FIELDS,
            {
                "items": layer.images * layer.groups * tiles,
                "room": -(-room // 64) * 64,
                **dict(zip(("source_image", "source_channel"), source.strides, strict=False)),
                **dict(zip(FIELDS[FIELDS.index("target_image") :], target.strides, strict=False)),
                "block_bytes": taps * block.outputs * number.itemsize,
                "panels": panels.ctypes.data,
                "bias": no_bias.ctypes.data,
                "fill": fill.ctypes.data,
                "groups": layer.groups,
                "ins": layer.ins,
                "outs": layer.outs,
                "blocks": self._blocks,
                "slices": slices.outputs,
                "height": rows.outputs,
                "width": columns.outputs,
                "row_tiles": tables.row_tiles,
                "column_tiles": tables.column_tiles,
                "tile_height": tile[0],
                "tile_width": tile[1],
                **tables.entries(),
            },
        )

    def _packed(self, taps: NDArray[Any]) -> NDArray[Any]:
        """Coefficients in the order in which the code reads them: for each block of channels out, tap after tap."""
        layer = self._layer
        flat = taps.reshape(layer.groups, layer.outs, layer.ins * layer.taps)
        if layer.outs % self._outputs:
            filled = np.zeros((layer.groups, self._blocks * self._outputs, flat.shape[2]), self._number)
            filled[:, : layer.outs] = flat
            flat = filled
        by_block = flat.reshape(layer.groups, self._blocks, self._outputs, -1)
        return np.ascontiguousarray(by_block.swapaxes(2, 3), self._number)

    def __call__(
        self, source: int, target: int, taps: NDArray[Any], bias: NDArray[Any] | None, run: Run, workers: int
    ) -> None:
        packed = self._packed(taps)
        values = {"source": source, "target": target, "taps": address_of(packed)}
        if bias is not None:
            bias = np.ascontiguousarray(bias, self._number)
            values["bias"] = address_of(bias)
        past = self._streamed and target % self._vector_bytes == 0
        self._board.call(run, self._codes[past], workers, **values)


_program = lru_cache(maxsize=512)(_Program)


def correlate_channels(
    layer: Layer,
    source: int,
    source_lie: Lie,
    target: int,
    target_lie: Lie,
    taps: NDArray[Any],
    bias: NDArray[Any] | None = None,
    run: Run = in_threads,
    workers: int = 1,
) -> None:
    """Correlate what lies at one address with a bank, and put the result at another.

    Parameters
    ----------
    layer : Layer
        What is asked.
    source, target : int
        Addresses of the first samples.
    source_lie, target_lie : Lie
        How the arrays lie.
    taps : ndarray
        The taps of all channels, of shape `Layer.taps_shape`, in single or double precision: what is computed with.
    bias : ndarray, optional
        A number for each channel out that is added.
    run : callable
        How the machine code is run.
    workers : int
        On how many threads; the result does not depend on it.
    """
    if not layer.multiply_adds:
        return
    large = math.prod(layer.target_shape) * target_lie.dtype.itemsize >= STREAMED_BYTES
    _program(layer, source_lie, target_lie, taps.dtype, large)(source, target, taps, bias, run, workers)
