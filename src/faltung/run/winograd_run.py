"""How does a layer of 3 x 3 kernels run with few multiplications? In blocks of tiles, which all threads share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from faltung.engines.winograd.minimal_filter import minimal_filter
from faltung.engines.winograd.tap_code import TapCode
from faltung.engines.winograd.tap_facts import TapFacts, facts_of
from faltung.engines.winograd.tile_blocks import TileWork, tile_blocks
from faltung.engines.winograd.tile_code import tile_function
from faltung.engines.winograd.tile_writer import CHANGED, CHECKED, DIGEST, FIELDS, TileCode
from faltung.ground.bounded import Bounded
from faltung.ground.extended import FILL, byte_offsets
from faltung.jit.compile import code_bytes
from faltung.jit.target import host
from faltung.planning.layer import Axis, Layer
from faltung.planning.tile_choice import TILES, nbytes, refusal
from faltung.run.gathering import address_of
from faltung.run.kept_taps import MOST_BYTES, MOST_LAYERS, PlacedTaps, TapsAtPoints, taps_of
from faltung.run.layer_run import LAYER_BYTES, STREAMED_BYTES, Board, Run, in_threads, whole_lines
from faltung.run.tables import MemoryLayout, memory_layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "TILES",
    "Correlated",
    "SampleSizes",
    "TilesFound",
    "WinogradCode",
    "correlate_winograd",
    "in_place",
    "nbytes",
    "refusal",
    "winograd_code",
]

#: Most channels in that are neighbours in the values at a point.
DEPTH = 64
#: Bytes of transformed taps that no cache keeps until the next call.
FAR_BYTES = 1 << 23
#: Bytes of samples that an item surveys.
SURVEYED = 1 << 15


class SampleSizes(NamedTuple):
    """Of the largest magnitudes of all channels of a group at each position, the largest one and the smallest one.

    `negative` is not 0 if a sample is below zero. NaN is left out.
    """

    largest: float
    smallest: float
    negative: int


class TilesFound(NamedTuple):
    """Whether all outputs are finite (False may be a false alarm), and what is known of taps and samples."""

    finite: bool
    facts: TapFacts
    sizes: SampleSizes


class Correlated(NamedTuple):
    """The outputs, and what `TilesFound` says of them."""

    out: NDArray[Any]
    finite: bool
    facts: TapFacts
    sizes: SampleSizes


def correlate_winograd(
    layer: Layer,
    x: NDArray[Any],
    taps: NDArray[Any],
    bias: NDArray[Any] | None = None,
    out: NDArray[Any] | None = None,
    *,
    tile: int = 4,
    workers: int = 1,
    run: Run = in_threads,
) -> Correlated:
    """Correlate with a bank of 3 x 3 kernels.

    Parameters
    ----------
    layer : Layer
        The layer, for which there is no `refusal`.
    x : ndarray
        Samples, of shape `Layer.source_shape` and the dtype of `taps`, with any strides. Contiguous channels
        (channels last) and contiguous rows (channels first) are read in place.
    taps : ndarray
        The taps of all channels, of shape `Layer.taps_shape`, in single or double precision.
    bias : ndarray, optional
        A number for each channel out that is added.
    out : ndarray, optional
        Where to write the result, of shape `Layer.target_shape` and the dtype of `taps`, with any strides.
    tile : int
        Outputs of a tile along each axis, 4 or 2: the fewer, the smaller the rounding errors.
    workers : int
        Number of threads; the result does not depend on it.
    run : callable
        Runs the machine code.

    Returns
    -------
    Correlated
        The result, and whether it is finite. Where a sample that is not finite is read, all outputs of its tile may
        be NaN.
    """
    if out is None:
        out = np.empty(layer.target_shape, taps.dtype)
    if not layer.multiply_adds:
        out[...] = 0 if bias is None else np.reshape(bias, (1, -1, 1, 1))
        finite = bias is None or bool(np.isfinite(bias).all())
        return Correlated(out, finite, facts_of(taps), SampleSizes(0.0, math.inf, 0))
    source = x if in_place(x.shape, x.strides, x.itemsize) else np.ascontiguousarray(x)
    target = out if in_place(out.shape, out.strides, out.itemsize) else np.empty(out.shape, out.dtype)
    code = winograd_code(layer, memory_layout(source), memory_layout(target), tile, workers)
    numbers = None if bias is None else np.ascontiguousarray(bias, taps.dtype)
    at_bias = 0 if numbers is None else address_of(numbers)
    found = code(address_of(source), address_of(target), taps_of(taps), at_bias, run)
    if target is not out:
        out[...] = target
    return Correlated(out, *found)


def winograd_code(layer: Layer, source: MemoryLayout, target: MemoryLayout, tile: int, workers: int) -> WinogradCode:
    """Return the machine code of a layer for arrays that are laid in memory so, of which `in_place` is true."""
    key = (layer, source, target, tile, workers)
    code = _codes.get(key)
    if code is None:
        code = _codes.get_or_make(key, lambda: WinogradCode(*key), attrgetter("nbytes"))
    return code


def in_place(shape: Sequence[int], strides: Sequence[int], itemsize: int) -> bool:
    """Whether the channels, or the samples of a row, are contiguous."""
    return strides[1] == itemsize or strides[3] == itemsize or shape[1] == 1 or shape[3] == 1


def _is_planar(layout: MemoryLayout, channels: int) -> bool:
    """Whether the rows of each channel are contiguous; else the channels are."""
    return channels > 1 and layout.strides[1] != layout.dtype.itemsize


class WinogradCode:
    """The machine code of a layer, for one memory layout of input and output, and its tables.

    Parameters
    ----------
    layer : Layer
        The layer.
    source, target : MemoryLayout
        The memory layout of input and output.
    tile : int
        Outputs of a tile along each axis.
    workers : int
        Threads that share the work.
    """

    def __init__(self, layer: Layer, source: MemoryLayout, target: MemoryLayout, tile: int, workers: int) -> None:
        self._layer, self._number, self._workers = layer, source.dtype, workers
        self._filter = minimal_filter(tile)
        size, kind = self._number.itemsize, "float" if self._number == np.float32 else "double"
        self._lanes = lanes = host().lanes(kind)
        self._vector_bytes, self._sizes = lanes * size, _SIZES[size]
        self._tile_rows, self._tile_columns = (-(-axis.outputs // tile) for axis in layer.axes)
        tiles = layer.images * self._tile_rows * self._tile_columns
        points = self._filter.points**2
        work = TileWork(tiles, layer.groups, layer.ins, layer.outs, points, size)
        self._blocks = blocks = tile_blocks(work, lanes, workers, host())
        vectors = blocks.registers[1]
        self._outs = vectors * lanes  # of a panel
        self._depth = min(DEPTH, -(-layer.ins // lanes) * lanes)
        self._taps = TapsAtPoints(layer, TapCode(tile, kind, lanes, vectors), self._number)
        code = TileCode(
            outputs=tile,
            number=kind,
            lanes=lanes,
            block=blocks.registers,
            depth=self._depth,
            ragged=(layer.ins % lanes > 0, layer.outs % lanes > 0),
            planes=(_is_planar(source, layer.groups * layer.ins), _is_planar(target, layer.groups * layer.outs)),
            far=nbytes(layer, self._number, tile) >= FAR_BYTES,
        )
        self._functions = [tile_function(code, host())]
        if self._can_stream(target, code):
            self._functions.append(tile_function(replace(code, streamed=True), host()))
        self._offsets = [
            _offsets(axis, count * tile + 2, stride, axis.mode == "constant" and math.isfinite(layer.cval))
            for axis, count, stride in zip(
                layer.axes, (self._tile_rows, self._tile_columns), source.strides[2:], strict=True
            )
        ]
        self._fill = np.full(-(-layer.ins // lanes) * lanes, layer.cval, self._number)
        self._no_bias = np.zeros(layer.groups * layer.outs, self._number)
        checks = -(-math.prod(layer.taps_shape) * size // CHECKED)
        self._digests = np.zeros(checks * DIGEST, np.uint8)  # whatever was found last
        entries = self._entries(source, target)
        self._board = Board(FIELDS, entries, _seconds(work), _NO_SIZES)
        self._check = Board(FIELDS, entries | {"items": checks}, 0.0)

    @property
    def nbytes(self) -> int:
        """Bytes of all tables, and of the machine code."""
        tables = (*self._offsets, self._fill, self._no_bias, self._digests)
        return LAYER_BYTES + sum(table.nbytes for table in tables) + code_bytes(self._functions)

    def _can_stream(self, target: MemoryLayout, code: TileCode) -> bool:
        """Whether the output is so large that no cache keeps it, and consists of whole vectors, aligned if it is."""
        layer, width = self._layer, self._vector_bytes
        if math.prod(layer.target_shape) * self._number.itemsize < STREAMED_BYTES:
            return False
        steps = target.strides
        if code.planes[1]:
            # Every run of tiles begins and ends with a vector.
            tile = code.outputs
            whole = not any(n * tile % self._lanes for n in (self._tile_columns, self._blocks.tiles))
            return whole and layer.axes[1].outputs % self._lanes == 0 and not any(n % width for n in steps[:3])
        return not code.ragged[1] and not any(n % width for n in (steps[0], *steps[2:]))

    def _entries(self, source: MemoryLayout, target: MemoryLayout) -> dict[str, int]:
        """Return the entries of the board that stay the same from call to call."""
        layer, blocks, size = self._layer, self._blocks, self._number.itemsize
        tile, points = self._filter.outputs, self._filter.points**2
        depth_blocks = -(-layer.ins // self._depth)
        v_block = blocks.tiles * self._depth * size
        v_point = _apart(depth_blocks * v_block)
        m_panel = blocks.tiles * self._outs * size
        m_point = _apart(blocks.pass_panels * m_panel)
        run = min(blocks.tiles, self._tile_columns) * tile + 2
        buffer_row = -(-run // self._lanes) * self._lanes * self._lanes * size
        m_place = points * v_point
        buffer_place = m_place + points * m_point
        spare_place = buffer_place + (tile + 2) * buffer_row
        point_bytes = layer.ins * self._outs * size
        count = layer.images * self._tile_rows * self._tile_columns
        first = self._first_items(source)
        return {
            **first,
            "items": first["checks"] + first["surveys"] + -(-count // blocks.tiles) * layer.groups * blocks.parts,
            "room": whole_lines(spare_place + (layer.outs + self._lanes) * size),
            "source_image": source.strides[0],
            "source_channel": source.strides[1],
            "row_offsets": address_of(self._offsets[0]),
            "column_offsets": address_of(self._offsets[1]),
            "fill": address_of(self._fill),
            "looked_up": int(layer.axes[1].mode != "constant" or not math.isfinite(layer.cval)),
            "first_column": layer.axes[1].start,
            "columns": min(layer.axes[1].length, layer.axes[1].stop),
            "target_image": target.strides[0],
            "target_channel": target.strides[1],
            "target_row": target.strides[2],
            "target_column": target.strides[3],
            "panel_bytes": points * point_bytes,
            "point_bytes": point_bytes,
            "bias": address_of(self._no_bias),
            "groups": layer.groups,
            "ins": layer.ins,
            "outs": layer.outs,
            "all_panels": self._taps.panels,
            "parts": blocks.parts,
            "part_panels": blocks.part_panels,
            "pass_panels": blocks.pass_panels,
            "tiles": count,
            "tile_rows": self._tile_rows,
            "tile_columns": self._tile_columns,
            "height": layer.axes[0].outputs,
            "width": layer.axes[1].outputs,
            "block": blocks.tiles,
            "v_point": v_point,
            "v_block": v_block,
            "m_point": m_point,
            "m_panel": m_panel,
            "m_place": m_place,
            "buffer_place": buffer_place,
            "buffer_row": buffer_row,
            "spare_place": spare_place,
        }

    def _first_items(self, source: MemoryLayout) -> dict[str, int]:
        """Return the entries for the items before those of tiles, which look at taps and samples."""
        size = self._number.itemsize
        raw_bytes = math.prod(self._layer.taps_shape) * size
        images, channels, rows, columns = self._layer.source_shape
        stretch = max(1, min(rows, SURVEYED // (channels * columns * size)))
        stretches = -(-rows // stretch)
        return {
            "checks": -(-raw_bytes // CHECKED),
            "raw_bytes": raw_bytes,
            "new_digests": address_of(self._digests),
            "surveys": images * stretches,
            "stretches": stretches,
            "stretch": stretch,
            "source_row": source.strides[2],
            "source_column": source.strides[3],
            "source_rows": rows,
            "source_columns": columns,
        }

    def __call__(self, source: int, target: int, taps: PlacedTaps, bias: int, run: Run) -> TilesFound:
        """Fill the target, from the addresses of source, target and bias; no bias is at 0."""
        kept = self._taps.known(taps)
        values = {"source": source, "target": target}
        if bias:
            values["bias"] = bias
        code = self._functions[-1 if target % self._vector_bytes == 0 else 0]
        while True:
            if kept is None:
                kept = self._taps.transformed(taps, lambda at: self._digests_of(at, run), run, self._workers)
            values["raw"] = taps.address - kept.before
            values["digests"], values["taps"] = kept.places
            words = self._board.words(run, code, self._workers, values)
            if not words[2] & CHANGED:
                return TilesFound(not words[2], kept.facts, SampleSizes(*self._sizes.unpack_from(words, 24)))
            kept = None

    def _digests_of(self, raw: int, run: Run) -> NDArray[np.uint8]:
        """Return the digests of the taps whose first byte is at an address."""
        digests = np.zeros_like(self._digests)
        known, found = address_of(self._digests), address_of(digests)
        self._check.call(run, self._functions[0], self._workers, raw=raw, digests=known, new_digests=found)
        return digests


def _offsets(axis: Axis, count: int, stride: int, known: bool) -> NDArray[np.int64]:
    """Byte offsets of the positions that tiles read.

    Behind the last position that is needed there is the constant beyond the border if it is `known` and finite, else
    copies of the last sample: what no output depends on must not spoil its tile.
    """
    positions = axis.start + np.arange(count)
    needed = positions < axis.stop
    offsets = byte_offsets(axis.mode, axis.length, np.minimum(positions, axis.stop - 1), stride)
    return np.ascontiguousarray(np.where(needed, offsets, FILL) if known else offsets)


def _apart(size: int) -> int:
    """Round up to an odd number of cache lines, so that the same places of all points are in different sets."""
    return whole_lines(size) + (64 if whole_lines(size) // 64 % 2 == 0 else 0)


def _seconds(work: TileWork) -> float:
    """Return the predicted time on one core."""
    return 2e-11 * work.tiles * work.groups * work.ins * work.outs * work.points


#: Where the machine code joins what it finds: a maximum of bits, a minimum, and a disjunction.
_NO_SIZES = (0, -1, 0)
#: The same as numbers, by the bytes of a sample.
_SIZES = {4: Struct("f4xf4xq"), 8: Struct("ddq")}
_codes: Bounded[tuple[Layer, MemoryLayout, MemoryLayout, int, int], WinogradCode] = Bounded(
    MOST_LAYERS, MOST_BYTES // 4
)
