"""How does the machine code of a layer of single channels run? In place: with tables of rows, and no scratch."""

from __future__ import annotations

import math
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.engines.channels.depthwise_code import depthwise_function
from faltung.engines.channels.single_blocking import HELD, single_block, taps_at_once
from faltung.engines.channels.single_samples import FIELDS, Depthwise
from faltung.ground.bounded import Bounded
from faltung.ground.extended import byte_offsets
from faltung.jit.compile import code_bytes
from faltung.jit.target import host
from faltung.planning.cost import layer_seconds
from faltung.planning.layer import Layer
from faltung.planning.layer_tiles import read_in_place
from faltung.planning.machine import current
from faltung.run.gathering import address_of
from faltung.run.layer_run import LAYER_BYTES, MOST_BYTES, MOST_LAYERS, STREAMED_BYTES, Board, Run, in_threads
from faltung.run.tables import MemoryLayout, in_three_axes

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["correlate_singly", "in_place", "singly_reduced"]

#: Items that keep all cores busy, and the fewest products of one.
ITEMS, _LEAST = 16, 1 << 16
#: Most bytes of the rows that a strip reads: they stay in the second-level cache.
ROOM = 1 << 18


def in_place(layer: Layer, source: MemoryLayout, other: MemoryLayout, number: np.dtype[Any]) -> bool:
    """Whether the code reads and writes arrays with these layouts.

    Parameters
    ----------
    layer : Layer
        The layer in the forward direction.
    source, other : MemoryLayout
        Of the input, and of the output or its gradient.
    number : dtype
        The number computed with.
    """
    if {source.dtype, other.dtype} != {number}:
        return False
    side_by_side = source.strides[-1] == other.strides[-1] == number.itemsize
    across = _across(layer, source, other, number)
    return (across or side_by_side) and read_in_place(layer, across)


def _across(layer: Layer, source: MemoryLayout, other: MemoryLayout, number: np.dtype[Any]) -> bool:
    """Whether the lanes of a vector are channels."""
    return layer.groups > 1 and source.strides[1] == other.strides[1] == number.itemsize


class _SingleCode:
    """The machine code of a layer of single channels, or of the gradient of its taps, and its tables.

    Parameters
    ----------
    layer : Layer
        The layer in the forward direction.
    source, other : MemoryLayout
        Of the input, and of the output or its gradient: layouts that `in_place` allows.
    number : dtype
        The number computed with.
    gradient : bool
        Whether the gradient with respect to the taps is computed; else outputs are.
    """

    def __init__(
        self, layer: Layer, source: MemoryLayout, other: MemoryLayout, number: np.dtype[Any], gradient: bool
    ) -> None:
        self._axes, (self._source, self._other) = in_three_axes(layer.axes, source, other)
        self._layer, self._number, self._gradient = layer, number, gradient
        self._is_across = _across(layer, source, other, number)
        _, rows, columns = self._axes
        self._size = rows.size, columns.size
        self._kind = "float" if number == np.float32 else "double"
        self._lanes = host().fitting_lanes(self._kind, layer.groups if self._is_across else columns.outputs, 2)
        self._block = single_block(
            (rows.outputs, columns.outputs),
            1 if self._is_across else self._lanes,
            self._size,
            (rows.stride, columns.stride),
            gradient,
            host().registers,
        )
        self._tables = self._offsets()
        #: Channels of the tables of taps: where lanes are channels, whole vectors.
        self._padded = -(-layer.groups // self._lanes) * self._lanes if self._is_across else layer.groups
        self._bias = np.zeros(self._padded, number)
        self._fill = np.zeros(self._lanes * 2, number)
        self._shares()
        past = math.prod(layer.target_shape) * number.itemsize >= STREAMED_BYTES and self._has_whole_vectors()
        self._codes = [self._compile(streamed) for streamed in ((False, True) if past else (False,))]
        self._board = Board(FIELDS, self._entries(), layer_seconds(layer, number, current()))

    @property
    def nbytes(self) -> int:
        """Bytes of all tables, and of the machine code."""
        return LAYER_BYTES + self._bias.nbytes + sum(table.nbytes for table in self._tables) + code_bytes(self._codes)

    def _offsets(self) -> list[NDArray[np.int64]]:
        """Return byte offsets of slices, rows and columns; behind them are those of a block."""
        slices, rows, columns = self._axes
        planes = np.add.outer(slices.stride * np.arange(slices.outputs), slices.dilation * np.arange(slices.size))
        found = [byte_offsets(slices.mode, slices.length, slices.start + planes, self._source.strides[2])]
        for axis, block, stride in zip((rows, columns), self._block, self._source.strides[3:], strict=True):
            last = axis.stride * (axis.outputs + block) + axis.dilation * axis.size
            positions = np.arange(axis.start, axis.start + last)
            positions[positions >= axis.stop] = -1 if axis.mode == "constant" else 0
            found.append(byte_offsets(axis.mode, axis.length, positions, stride))
        return [np.ascontiguousarray(table) for table in found]

    def _shares(self) -> None:
        """Choose channels and rows of an item, and the parts into which sums over all images are cut."""
        layer, (slices, rows, columns) = self._layer, self._axes
        step = self._lanes if self._is_across else 1
        of_channel = rows.outputs * columns.outputs * layer.taps
        images = layer.images * slices.outputs
        wanted = max(1, min(ITEMS, layer.multiply_adds // _LEAST))
        most = layer.groups
        if self._is_across:  # all channels of a strip of rows are read at once
            strip = rows.reads(self._block[0]) * columns.length * self._number.itemsize
            most = min(most, max(4 * step, ROOM // strip))
        parts = -(-layer.groups // most)
        if self._gradient:
            parts = max(parts, wanted)
        else:
            parts = max(parts, -(-wanted // images), -(-layer.groups * of_channel // (16 * _LEAST)))
        least = min(4, -(-layer.groups // step)) if self._is_across else 1
        self._run = max(least, -(-layer.groups // parts // step)) * step
        self._runs = -(-layer.groups // self._run)
        items = self._runs * (1 if self._gradient else images)
        strips = -(-rows.outputs // self._block[0])
        tiles = max(1, min(strips, -(-wanted // (items * (images if self._gradient else 1)))))
        self._tile = -(-strips // tiles) * self._block[0]
        self._tiles = -(-rows.outputs // self._tile)
        self._chunks = max(1, min(images * self._tiles, -(-wanted // self._runs)))

    def _has_whole_vectors(self) -> bool:
        """Whether every vector of the output is aligned, if the output is."""
        size, strides = self._lanes * self._number.itemsize, list(self._other.strides)
        del strides[1 if self._is_across else -1]
        return not self._gradient and not any(step % size for step in strides)

    def _compile(self, streamed: bool) -> Any:
        _, rows, columns = self._axes
        code = Depthwise(
            gradient=self._gradient,
            across=self._is_across,
            number=self._kind,
            lanes=self._lanes,
            block=self._block,
            size=self._size,
            stride=(rows.stride, columns.stride),
            dilation=(rows.dilation, columns.dilation),
            part=taps_at_once(self._size, host().registers) if self._gradient else 0,
            held=math.prod(self._size) <= HELD,
            streamed=streamed,
        )
        return depthwise_function(code, host())

    def _entries(self) -> dict[str, int]:
        """Return the entries of the board that stay the same from call to call."""
        layer, size, (slices, rows, columns) = self._layer, self._number.itemsize, self._axes
        taps = layer.taps * size
        if self._is_across:
            of_channel, of_tap = size, self._padded * size
        else:
            of_channel, of_tap = taps, size
        images = layer.images * slices.outputs
        return {
            "items": self._runs * (self._chunks if self._gradient else images * self._tiles),
            "room": max(64, layer.taps * self._lanes * size),
            **dict(zip(("source_image", "source_channel"), self._source.strides, strict=False)),
            "source_column": self._source.strides[-1],
            **dict(zip(FIELDS[FIELDS.index("other_image") :], self._other.strides, strict=False)),
            "taps_channel": of_channel,
            "taps_tap": of_tap,
            "bias": address_of(self._bias),
            "fill": address_of(self._fill),
            "target_chunk": self._padded * taps,
            "target_channel": of_channel,
            "target_tap": of_tap,
            "channels": layer.groups,
            "run": self._run,
            "runs": self._runs,
            "images": layer.images,
            "slices": slices.outputs,
            "height": rows.outputs,
            "width": columns.outputs,
            "length": columns.length,
            "first": columns.start,
            "tiles": self._tiles,
            "tile_height": self._tile,
            "chunks": self._chunks,
            "depth": slices.size,
            **dict(
                zip(("slice_offsets", "row_offsets", "column_offsets"), map(address_of, self._tables), strict=True)
            ),
        }

    def _in_order(self, taps: NDArray[Any]) -> NDArray[Any]:
        """Coefficients in the order in which the code reads them."""
        flat = taps.reshape(self._layer.groups, self._layer.taps)
        if not self._is_across:
            return np.ascontiguousarray(flat, self._number)
        table = np.zeros((self._layer.taps, self._padded), self._number)
        table[:, : self._layer.groups] = flat.T
        return table

    def outputs(
        self, source: int, target: int, taps: NDArray[Any], bias: NDArray[Any] | None, run: Run, workers: int
    ) -> None:
        """Fill the output at the address `target`."""
        table = self._in_order(taps)
        values = {"source": source, "other": target, "taps": address_of(table)}
        if bias is not None:
            padded = np.zeros(self._padded, self._number)
            padded[: bias.size] = bias
            values["bias"] = address_of(padded)
        streamed = len(self._codes) > 1 and target % (self._lanes * self._number.itemsize) == 0
        self._board.call(run, self._codes[streamed], workers, **values)

    def gradients(self, source: int, gradient: int, run: Run, workers: int) -> NDArray[Any]:
        """Return the gradient with respect to the taps."""
        layer, taps = self._layer, self._layer.taps
        shape = (taps, self._padded) if self._is_across else (self._padded, taps)
        found = np.empty((self._chunks, *shape), self._number)
        values = {"source": source, "other": gradient, "target": address_of(found)}
        self._board.call(run, self._codes[0], workers, **values)
        sums = found.sum(0) if self._chunks > 1 else found[0]
        in_order = sums[:, : layer.groups].T if self._is_across else sums
        return np.ascontiguousarray(in_order).reshape(layer.taps_shape)


_codes: Bounded[tuple[Layer, MemoryLayout, MemoryLayout, np.dtype[Any], bool], _SingleCode] = Bounded(
    MOST_LAYERS, MOST_BYTES
)


def _code(*key: Any) -> _SingleCode:
    code = _codes.get(key)
    return code or _codes.get_or_make(key, lambda: _SingleCode(*key), attrgetter("nbytes"))


def correlate_singly(
    layer: Layer,
    source: int,
    source_layout: MemoryLayout,
    target: int,
    target_layout: MemoryLayout,
    taps: NDArray[Any],
    bias: NDArray[Any] | None = None,
    run: Run = in_threads,
    workers: int = 1,
) -> None:
    """Correlate each channel at one address with its own taps, and write the results to another address.

    The parameters are those of `faltung.run.layer_run.correlate_channels`, for what `in_place` allows.
    """
    if layer.multiply_adds:
        code = _code(layer, source_layout, target_layout, taps.dtype, False)
        code.outputs(source, target, taps, bias, run, workers)


def singly_reduced(
    layer: Layer,
    source: int,
    source_layout: MemoryLayout,
    gradient: int,
    gradient_layout: MemoryLayout,
    number: np.dtype[Any],
    run: Run = in_threads,
    workers: int = 1,
) -> NDArray[Any]:
    """Return the gradient with respect to the taps of a layer of single channels.

    The parameters are those of `faltung.run.tap_gradient.tap_gradient`, for what `in_place` allows.
    """
    if not layer.multiply_adds:
        return np.zeros(layer.taps_shape, number)
    return _code(layer, source_layout, gradient_layout, number, True).gradients(source, gradient, run, workers)
