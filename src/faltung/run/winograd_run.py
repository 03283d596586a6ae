"""How does a layer of 3 x 3 kernels run with few multiplications? In blocks of tiles, which all threads share."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from faltung.engines.winograd.minimal_filter import minimal_filter
from faltung.engines.winograd.tap_code import COLLECTED, TapCode, taps_function
from faltung.engines.winograd.tap_code import FIELDS as TAP_FIELDS
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
from faltung.run.layer_run import LAYER_BYTES, STREAMED_BYTES, Board, Run, in_threads, whole_lines
from faltung.run.tables import MemoryLayout, memory_layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TILES", "Correlated", "SampleSizes", "WinogradCode", "correlate_winograd", "nbytes", "refusal"]

#: Most layers whose tables are kept, and most bytes of transformed taps.
MOST_LAYERS, MOST_BYTES = 512, 1 << 28
#: Most channels in that are neighbours in the values at a point.
DEPTH = 64
#: Bytes of transformed taps that no cache keeps until the next call.
FAR_BYTES = 1 << 23
#: Bytes of samples that an item surveys.
SURVEYED = 1 << 15
#: Digests of taps, their values at the points, and what is known of them.
_Kept: TypeAlias = "tuple[NDArray[Any], NDArray[Any], TapFacts]"


class SampleSizes(NamedTuple):
    """Of the largest magnitudes of all channels of a group at each position, the largest one and the smallest one.

    `negative` says whether a sample is below zero. NaN is left out.
    """

    largest: float
    smallest: float
    negative: bool


class Correlated(NamedTuple):
    """The outputs, whether all of them are finite (False may be a false alarm), and what is known of the operands."""

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
        return Correlated(out, finite, facts_of(taps), SampleSizes(0.0, math.inf, False))
    source = x if _in_place(x) else np.ascontiguousarray(x)
    target = out if _in_place(out) else np.empty(out.shape, out.dtype)
    key = (layer, memory_layout(source), memory_layout(target), tile, workers, host())
    code = _codes.get(key)
    if code is None:
        made = WinogradCode(*key[:5])
        code = _codes.put(key, made, made.nbytes)
    found = code(source, target, taps, bias, run)
    if target is not out:
        out[...] = target
    return Correlated(out, *found)


def _in_place(array: NDArray[Any]) -> bool:
    """Whether the channels, or the samples of a row, are contiguous."""
    return any(array.shape[axis] == 1 or array.strides[axis] == array.itemsize for axis in (1, 3))


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
        self._tile_rows, self._tile_columns = (-(-axis.outputs // tile) for axis in layer.axes)
        tiles = layer.images * self._tile_rows * self._tile_columns
        points = self._filter.points**2
        work = TileWork(tiles, layer.groups, layer.ins, layer.outs, points, size)
        self._blocks = blocks = tile_blocks(work, lanes, workers, host())
        vectors = blocks.registers[1]
        self._outs = vectors * lanes  # of a panel
        self._panels = -(-layer.outs // self._outs)
        self._depth = min(DEPTH, -(-layer.ins // lanes) * lanes)
        self._tap_code = TapCode(tile, kind, lanes, vectors)
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
        entries = self._entries(source, target)
        self._digests = np.zeros(entries["checks"] * DIGEST, np.uint8)  # whatever was found last
        self._board = Board(FIELDS, entries, _seconds(work))
        self._check = Board(FIELDS, entries | {"items": entries["checks"]}, 0.0)

    @property
    def nbytes(self) -> int:
        """Bytes of all tables, and of the machine code."""
        tables = (*self._offsets, self._fill, self._no_bias, self._digests)
        return LAYER_BYTES + sum(table.nbytes for table in tables) + code_bytes(self._functions)

    def _can_stream(self, target: MemoryLayout, code: TileCode) -> bool:
        """Whether the output is so large that no cache keeps it, and consists of whole vectors, aligned if it is."""
        layer, width = self._layer, self._lanes * self._number.itemsize
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
            "all_panels": self._panels,
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
            "surveys": images * stretches,
            "stretches": stretches,
            "stretch": stretch,
            "source_row": source.strides[2],
            "source_column": source.strides[3],
            "source_rows": rows,
            "source_columns": columns,
        }

    def __call__(
        self, source: NDArray[Any], target: NDArray[Any], taps: NDArray[Any], bias: NDArray[Any] | None, run: Run
    ) -> tuple[bool, TapFacts, SampleSizes]:
        """Fill the target; return whether it is finite, as far as can be told, and facts of taps and samples."""
        before = _block(taps)
        if before is None:
            taps, before = np.ascontiguousarray(taps), 0
        sizes = _NO_SIZES.copy()
        entries = {"source": address_of(source), "target": address_of(target), "raw": taps.ctypes.data - before}
        entries |= {"sizes": address_of(sizes), "new_digests": address_of(self._digests)}
        if bias is not None:
            bias = np.ascontiguousarray(bias, self._number)
            entries["bias"] = address_of(bias)
        key = (entries["raw"], taps.shape, taps.strides, taps.dtype, self._filter, self._tap_code, host())
        kept = _taps.get(key)
        aligned = entries["target"] % (self._lanes * self._number.itemsize) == 0
        code = self._functions[-1 if aligned else 0]
        while True:
            if kept is None:
                kept = _taps.put(key, *self._transformed(taps, before, run))
            digests, values, facts = kept
            entries |= {"taps": address_of(values), "digests": address_of(digests)}
            status = self._board.call(run, code, self._workers, **entries)
            if not status & CHANGED:
                return not status, facts, self._sizes(sizes)
            kept = None

    def _sizes(self, bits: NDArray[np.uint64]) -> SampleSizes:
        """Return what the machine code has found, as bits of numbers."""
        found = bits[:2] if self._number.itemsize == 8 else bits[:2].astype(np.uint32)
        largest, smallest = found.view(self._number).tolist()
        return SampleSizes(largest, smallest, bool(bits[2]))

    def _transformed(self, taps: NDArray[Any], before: int, run: Run) -> tuple[_Kept, int]:
        """Return digests of the taps, their values at the points and their facts; and the bytes of the values."""
        layer, code = self._layer, self._tap_code
        memory = np.empty(taps.nbytes, np.uint8)  # which nobody else changes meanwhile
        copy: NDArray[Any] = np.ndarray(taps.shape, taps.dtype, memory, before, taps.strides)
        copy[...] = taps
        digests = np.zeros_like(self._digests)
        known, found = address_of(self._digests), address_of(digests)
        self._check.call(
            run, self._functions[0], self._workers, raw=address_of(memory), digests=known, new_digests=found
        )
        row = code.lanes * code.vectors
        values = np.empty((layer.groups * self._panels, self._filter.points**2, layer.ins, row), taps.dtype)
        entries = {
            "items": len(values),
            "room": whole_lines(9 * COLLECTED * code.lanes * taps.itemsize),
            "source": address_of(memory) + before,
            **dict(zip(("out_step", "in_step", "row_step", "column_step"), taps.strides, strict=True)),
            "target": address_of(values),
            "panel_bytes": values.strides[0],
            "point_bytes": values.strides[1],
            "ins": layer.ins,
            "outs": layer.outs,
            "all_panels": self._panels,
        }
        board = Board(TAP_FIELDS, entries, 1e-8 * layer.groups * layer.ins * layer.outs)
        board.call(run, taps_function(code, host()), self._workers)
        return (digests, values, facts_of(copy)), values.nbytes


def _block(taps: NDArray[Any]) -> int | None:
    """Return the bytes from the first byte of taps to the first one of them; None if they are not without gaps.

    Axes may be in any order, and reversed: so the gradient with respect to samples, which has the taps of its layer
    in another order, finds them where they are.
    """
    axes: list[tuple[int, int]] = [(step, n) for step, n in zip(taps.strides, taps.shape, strict=True) if n > 1]
    expected: int = taps.itemsize
    for step, n in sorted((abs(step), n) for step, n in axes):
        if step != expected:
            return None
        expected *= n
    return sum((1 - n) * step for step, n in axes if step < 0)


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
_NO_SIZES = np.array([0, 2**64 - 1, 0], np.uint64)
_codes: Bounded[tuple[Any, ...], WinogradCode] = Bounded(MOST_LAYERS, MOST_BYTES // 4)
_taps: Bounded[tuple[Any, ...], _Kept] = Bounded(MOST_LAYERS, MOST_BYTES)
