"""How does the machine code of a layer run? With a board of addresses and sizes, which all threads read."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.engines.channels.channel_code import FIELDS, Channels, channels_function
from faltung.engines.registers import Footprint
from faltung.ground import scratch
from faltung.ground.bounded import Bounded
from faltung.ground.threads import share
from faltung.jit.compile import code_bytes
from faltung.jit.samples import sample
from faltung.jit.target import host
from faltung.planning.cost import layer_seconds
from faltung.planning.layer import Layer
from faltung.planning.layer_tiles import register_block, tile_of
from faltung.planning.machine import current
from faltung.run.gathering import address_of
from faltung.run.tables import MemoryLayout, Tables, in_three_axes

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "LAYER_BYTES",
    "STREAMED_BYTES",
    "Board",
    "LayerCode",
    "Run",
    "correlate_channels",
    "in_threads",
    "whole_lines",
]

#: Bytes of a result that no cache is expected to keep until the next layer reads it.
STREAMED_BYTES = 1 << 25
#: Most predicted seconds of a call of machine code.
LONGEST = 0.05
#: Most layers whose machine code is kept, and most bytes of tables that belong to it.
MOST_LAYERS, MOST_BYTES = 512, 1 << 26
#: Bytes of the objects that a layer consists of, approximately.
LAYER_BYTES = 1 << 14

Run = Callable[[Callable[[int], int], int, int], None]
"""Calls machine code with the address of a board, on a number of threads."""


def in_threads(code: Callable[[int], int], board: int, count: int) -> None:
    """Call machine code on threads of the pool."""
    if count == 1:
        code(board)
        return

    def work(_: int) -> None:
        code(board)

    share(work, range(count), count)


class Board:
    """The table of integers that machine code is called with; most of them never change.

    A call between other layers finds few of the objects of Python that it needs in the caches. So the table, the
    counters behind it and what the code leaves there are one array, which is copied for each call.

    Parameters
    ----------
    fields : tuple of str
        Names of its entries.
    values : dict
        The entries that stay the same from call to call; `items`, and `room` of a thread, are among them.
    seconds : float
        Predicted time of all items on one core.
    results : tuple of int
        What machine code finds at the address `sizes`, and changes.
    """

    def __init__(
        self, fields: tuple[str, ...], values: dict[str, int], seconds: float, results: tuple[int, ...] = ()
    ) -> None:
        # No thread writes to a cache line that others read entries from.
        counters = whole_lines(8 * len(fields)) // 8 + 8
        self._words = array("q", [*(values.get(name, 0) for name in fields), *[0] * (counters + 3 - len(fields))])
        self._words.extend(results)
        self._places = {name: place for place, name in enumerate(fields)}
        self._counters, self._results = counters, bool(results)
        self._items, self._room = values["items"], values["room"]
        self._portion = self._items * LONGEST / max(seconds, LONGEST)

    def call(self, run: Run, code: Callable[[int], int], workers: int, **values: int) -> int:
        """Call machine code that shares out the items among threads; `values` are the other entries.

        Returns the status that it left behind its two counters.
        """
        return self.words(run, code, workers, values)[2]

    def words(self, run: Run, code: Callable[[int], int], workers: int, values: dict[str, int]) -> array[int]:
        """Do the same, and return the two counters, the status and the results."""
        count = max(1, min(workers, self._items))
        board, places, counters = self._words[:], self._places, self._counters
        start, _ = board.buffer_info()
        buffer, board[places["scratch"]] = scratch.take("channels", self._room * count)
        board[places["claims"]] = start + 8 * counters
        if self._results:
            board[places["sizes"]] = start + 8 * (counters + 3)
        for name, value in values.items():
            board[places[name]] = value
        portion = count * max(1, int(self._portion))
        for first in range(0, self._items, portion):  # an interrupt (Ctrl-C) is noticed between portions
            if first:
                board[counters], board[counters + 1] = first, 0
            board[places["items"]] = min(first + portion, self._items)
            run(code, start, count)
        del buffer  # until here the scratch belongs to this call
        return board[counters:]


def whole_lines(size: int) -> int:
    """Round a number of bytes up to whole cache lines."""
    return -(-size // 64) * 64


class LayerCode:
    """The machine code of a layer, for one memory layout of input and output, and its tables.

    Parameters
    ----------
    layer : Layer
        The layer.
    source, target : MemoryLayout
        The memory layout of input and output.
    number : dtype
        The number computed with.
    streamed : bool
        Whether the output is so large that it is written past the cache.
    divided : bool
        Whether sums are divided before they are stored.
    """

    def __init__(
        self,
        layer: Layer,
        source: MemoryLayout,
        target: MemoryLayout,
        number: np.dtype[Any],
        streamed: bool,
        divided: bool = False,
    ) -> None:
        self._axes, (self._source, self._target) = in_three_axes(layer.axes, source, target)
        self._layer, self._number, self._divided = layer, number, divided
        self._block = register_block(layer, number)
        self._blocks = -(-layer.outs // self._block.outputs)  # of channels out
        self._vector_bytes = self._block.lanes * number.itemsize
        self._tile = tile_of(layer, self._axes, self._block.rows, self._columns)
        rows = self._axes[1].positions(self._tile[0])
        self._tables = Tables(self._axes, self._source, self._tile, self._tops(), rows, number)
        self._panels = self._tables.panels(layer.ins)
        self._fill = np.array([layer.cval]).astype(number)
        self._no_bias = np.zeros(layer.groups * layer.outs, number)
        self._streamed = streamed and self._has_whole_vectors()
        self._codes = [self._compile(past) for past in ((False, True) if self._streamed else (False,))]
        self._board = Board(FIELDS, self._entries(), layer_seconds(layer, number, current()))

    @property
    def nbytes(self) -> int:
        """Bytes of all tables, and of the machine code."""
        tables = self._tables.nbytes + self._panels[0].nbytes + self._no_bias.nbytes
        return LAYER_BYTES + tables + code_bytes(self._codes)

    @property
    def _columns(self) -> int:
        """Columns of a register block."""
        return self._block.vectors * self._block.lanes

    @property
    def _packed(self) -> bool:
        """Whether the output holds the number computed with, and the samples of its rows are contiguous."""
        return self._target.dtype == self._number and self._target.strides[-1] == self._number.itemsize

    def _tops(self) -> NDArray[np.int64]:
        """First row of outputs of each tile; the last tile moves up to end with the array."""
        outputs, height = self._axes[1].outputs, self._tile[0]
        return np.minimum(np.arange(0, outputs, height), outputs - height)

    def _has_whole_vectors(self) -> bool:
        """Whether every row of a tile consists of whole vectors, aligned if the output is."""
        whole = self._axes[2].outputs % self._columns == self._tile[1] % self._columns == 0
        return self._packed and whole and not any(step % self._vector_bytes for step in self._target.strides[:-1])

    def _compile(self, streamed: bool) -> Callable[[int], int]:
        panels, down, across = self._panels
        number = "float" if self._number == np.float32 else "double"
        # Loops over taps, none written out: the compiler would load all coefficients ahead of the loop over columns,
        # find no registers for them, and halve the speed.
        footprint = Footprint(
            panels=panels.size,
            rows=down,
            columns=across,
            pattern=None,
            step=self._axes[2].dilation,
            source=sample(self._number),
            number=number,
            outputs=self._block.outputs,
        )
        return channels_function(
            Channels(
                footprint=footprint,
                source=sample(self._source.dtype),
                target=sample(self._target.dtype),
                lanes=self._block.lanes,
                gathered=self._tables.gathered,
                block=(self._block.rows, self._block.vectors),
                packed=self._packed,
                streamed=streamed,
                divided=self._divided,
            ),
            host(),
        )

    def _entries(self) -> dict[str, int]:
        """Return the entries of the board that stay the same from call to call."""
        layer, tables, size = self._layer, self._tables, self._number.itemsize
        slices, rows, columns = self._axes
        # A block may read up to a register block behind the last row that it needs.
        room = layer.ins * slices.size * tables.plane + 4 * self._columns * size
        return {
            "items": layer.images * layer.groups * slices.outputs * tables.row_tiles * tables.column_tiles,
            "room": whole_lines(room),
            **dict(zip(("source_image", "source_channel"), self._source.strides, strict=False)),
            **dict(zip(FIELDS[FIELDS.index("target_image") :], self._target.strides, strict=False)),
            "block_bytes": layer.ins * layer.taps * self._block.outputs * size,
            "panels": self._panels[0].ctypes.data,
            "bias": self._no_bias.ctypes.data,
            "fill": self._fill.ctypes.data,
            "groups": layer.groups,
            "ins": layer.ins,
            "outs": layer.outs,
            "blocks": self._blocks,
            "slices": slices.outputs,
            "height": rows.outputs,
            "width": columns.outputs,
            "row_tiles": tables.row_tiles,
            "column_tiles": tables.column_tiles,
            "tile_height": self._tile[0],
            "tile_width": self._tile[1],
            **tables.entries(),
        }

    def _in_order(self, taps: NDArray[Any]) -> NDArray[Any]:
        """Coefficients in the order in which the code reads them: for each block of channels out, tap after tap."""
        layer, outputs = self._layer, self._block.outputs
        flat = taps.reshape(layer.groups, layer.outs, layer.ins * layer.taps)
        if layer.outs % outputs:
            filled = np.zeros((layer.groups, self._blocks * outputs, flat.shape[2]), self._number)
            filled[:, : layer.outs] = flat
            flat = filled
        by_block = flat.reshape(layer.groups, self._blocks, outputs, -1)
        return np.ascontiguousarray(by_block.swapaxes(2, 3), self._number)

    def __call__(
        self,
        source: int,
        target: int,
        taps: NDArray[Any],
        bias: NDArray[Any] | None,
        divisors: NDArray[Any] | None,
        run: Run,
        workers: int,
    ) -> bool:
        """Fill the output at the address `target`; return whether all of it is finite, as far as can be told."""
        coefficients = self._in_order(taps)
        values = {"source": source, "target": target, "taps": address_of(coefficients)}
        if bias is not None:
            bias = np.ascontiguousarray(bias, self._number)
            values["bias"] = address_of(bias)
        if divisors is not None:
            divisors = np.ascontiguousarray(divisors, self._number)
            values["divisors"] = address_of(divisors)
        past = self._streamed and target % self._vector_bytes == 0
        return not self._board.call(run, self._codes[past], workers, **values)


_codes: Bounded[tuple[Layer, MemoryLayout, MemoryLayout, np.dtype[Any], bool, bool], LayerCode] = Bounded(
    MOST_LAYERS, MOST_BYTES
)


def correlate_channels(
    layer: Layer,
    source: int,
    source_layout: MemoryLayout,
    target: int,
    target_layout: MemoryLayout,
    taps: NDArray[Any],
    bias: NDArray[Any] | None = None,
    run: Run = in_threads,
    workers: int = 1,
    divisors: NDArray[Any] | None = None,
) -> bool:
    """Correlate the array at one address with a bank, and write the result to another address.

    Parameters
    ----------
    layer : Layer
        The layer.
    source, target : int
        Addresses of the first samples of input and output.
    source_layout, target_layout : MemoryLayout
        The memory layout of input and output.
    taps : ndarray
        The taps of all channels, of shape `Layer.taps_shape`. Their dtype, single or double precision, is that of the
        computation.
    bias : ndarray, optional
        A number for each channel out that is added.
    run : callable
        Runs the machine code.
    workers : int
        Number of threads; the result does not depend on it.
    divisors : ndarray, optional
        A number for each channel out that sums are divided by: with whole taps and samples, quotients are exact.

    Returns
    -------
    bool
        Whether all outputs are finite. False may be a false alarm.
    """
    if not layer.multiply_adds:
        return True
    large = math.prod(layer.target_shape) * target_layout.dtype.itemsize >= STREAMED_BYTES
    key = (layer, source_layout, target_layout, taps.dtype, large, divisors is not None)
    code = _codes.get(key)
    if code is None:
        code = _codes.get_or_make(key, lambda: LayerCode(*key), attrgetter("nbytes"))
    return code(source, target, taps, bias, divisors, run, workers)
