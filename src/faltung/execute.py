"""Run it: every tile of a plan, on every worker.

A tile whose source lies inside the array is read in place. A tile that reaches across the border, or whose samples
the engine cannot read as they lie, has its source gathered into scratch first. That is all there is to boundaries,
strides, byte orders and half floats.
"""

from __future__ import annotations

import ctypes
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung import scratch
from faltung.arrays import as_array
from faltung.boundary import OUTSIDE, index_map
from faltung.engines.base import BlockFunction
from faltung.engines.chain import Chain
from faltung.engines.gather import FILL, gather_function
from faltung.engines.repair import Checked, Repaired
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.jit.target import host
from faltung.lazy import lazy
from faltung.plan.planner import ENGINES, Plan
from faltung.plan.problem import Layout, Problem
from faltung.threads import share, worker_count

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["execute"]

#: Outputs that a strip along the border has at least across, so that vectors fit into it.
_STRIP = 16
#: A problem of at most so many samples and predicted seconds is one tile.
_SMALL, _QUICK = 1 << 17, 1e-4
#: Most tiles whose tables are kept from call to call.
_MOST_TABLES = 64
#: Bytes of the largest tables that are kept.
_LARGEST_TABLES = 1 << 16


def execute(plan: Plan, x: Any, out: Any = None, workers: int | None = None) -> NDArray[Any]:
    """Carry out a plan; parameters as for calling one."""
    problem = plan.problem
    x = as_array(x, "x")
    if x.shape != problem.shape or x.dtype != problem.dtype:
        raise ArgumentError(
            "x",
            f"shape {problem.shape} and dtype {problem.dtype}, for which this plan was made",
            f"shape {x.shape} and dtype {x.dtype}",
            "Make a plan for this array, or use convolve.",
        )
    result = np.empty(problem.result_shape, problem.result) if out is None else _check_out(out, problem)
    # An input that shares memory with the output would be overwritten while it is still read.
    overlap = out is not None and np.may_share_memory(x, result)
    target = np.empty_like(result) if overlap else result
    count = None if workers is None else worker_count(workers)
    if target.size:
        _program(plan).run(x, target, count)
    if overlap:
        result[...] = target
    return result


def _check_out(out: Any, problem: Problem) -> NDArray[Any]:
    """Return `out` if the result can be written into it."""
    expected = f"a writable array of shape {problem.result_shape} and dtype {problem.result}"
    if not isinstance(out, np.ndarray) or isinstance(out, np.ma.MaskedArray):
        raise ArgumentTypeError("out", expected, f"a {type(out).__name__}", "Leave out= away to have one made.")
    if out.shape != problem.result_shape or out.dtype != problem.result:
        received = f"shape {out.shape} and dtype {out.dtype}"
        raise ArgumentError("out", expected, received, "Leave out= away to have one made.")
    if not out.flags.writeable:
        raise ArgumentError("out", expected, "an array that is read-only", "Pass a copy of it.")
    return out


@dataclass(frozen=True)
class _Tile:
    """A destination block, in positions of the array along slices, row and column."""

    start: tuple[int, ...]
    shape: tuple[int, ...]
    inside: bool  # the whole source block lies in the array


@dataclass(frozen=True)
class _Frame:
    """How an array lies in memory, in the axes of a layout."""

    strides: tuple[int, ...]  # bytes between neighbours along slices and row
    column: int  # and along the column axis
    channels: NDArray[np.int64]  # byte offset of each channel
    packed: bool  # the samples of a row lie side by side


@dataclass(frozen=True)
class _Gathering:
    """How the source block of a tile is collected in scratch."""

    size: int  # bytes of scratch
    strides: tuple[int, ...]  # of the block there
    arguments: tuple[int, ...]  # of the gather function, from the fill value on
    tables: tuple[NDArray[Any], ...]  # keeps alive what the arguments point to


class _Program:
    """A plan with its machine code and the tables that repeat from call to call."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.problem = plan.problem
        self.layout = plan.problem.layout
        self.first = tuple(start for start, _ in self.layout.regions)
        self._frames: dict[tuple[Any, ...], _Frame] = {}
        self._gatherings: dict[tuple[Any, ...], _Gathering] = {}

    @lazy
    def in_place(self) -> list[BlockFunction]:
        return self._prepare(self.problem.stored)

    @lazy
    def from_scratch(self) -> list[BlockFunction]:
        same = self.problem.extended == self.problem.stored
        return self.in_place if same else self._prepare(self.problem.extended)

    def _prepare(self, source: np.dtype[Any]) -> list[BlockFunction]:
        form = self.problem.forms[self.plan.form]
        steps = [
            [ENGINES[name].prepare(task) for task in tasks]
            for name, tasks in zip(self.plan.engines, self.problem.tasks(form, source), strict=True)
        ]
        if len(steps) == 1:
            return steps[0]
        sizes = [factor.taps.shape for (factor,) in form.steps]
        passes = [(block, size) for (block,), size in zip(steps, sizes, strict=True)]
        chain = Chain(passes, self.layout.step * self.problem.number.itemsize, "steps")
        if form.exact or self.problem.stored.kind != "f":
            return [chain]
        (whole,) = self.problem.tasks(self.problem.forms[0], source)[0]
        return [Repaired(Checked(chain, whole), lambda: ENGINES["direct"].prepare(whole))]

    @lazy
    def gather(self) -> Any:
        return gather_function(self.problem.stored, self.problem.extended, host())

    @lazy
    def fill(self) -> NDArray[Any]:
        """One position of what stands outside, for the mode ``constant``."""
        parts = [self.problem.cval.real, self.problem.cval.imag][: 2 if self.problem.dtype.kind == "c" else 1]
        with np.errstate(over="ignore"):
            sample = np.array(parts).astype(self.problem.extended)
        return np.tile(sample, self.layout.step // len(parts))

    def run(self, x: NDArray[Any], out: NDArray[Any], workers: int | None) -> None:
        """Fill `out`, tile by tile."""
        source, target = self.frame(x), self.frame(out)
        source_start, target_start = _address(x), _address(out)
        in_place = self.problem.readable and source.packed

        def fill(tile: _Tile, _alive: object = x) -> None:  # a helper may outlive an interrupted call
            if tile.inside and in_place:
                blocks, strides = self.in_place, source.strides
                address = source_start + _offset(tile, source, self.layout.origins)
            else:
                blocks, gathering = self.from_scratch, self.gathering(tile, source)
                _buffer, address = scratch.take("source", gathering.size)
                strides = gathering.strides
                self.gather(source_start, address, *gathering.arguments)
            if self.problem.direct and target.packed:
                place = target_start + _offset(tile, target, self.first)
                blocks[0](address, strides, place, target.strides, tile.shape)
                return
            results = []
            for name, block in zip(("result", "imaginary result"), blocks, strict=False):
                result = self.result(tile, name)
                block(address, strides, result.ctypes.data, result.strides[:-1], tile.shape)
                results.append(result)
            self.store(results, out, tile)

        tiles = self.tiles if in_place else self.gathered_tiles
        if len(tiles) == 1 and workers is None:
            fill(tiles[0])
        else:
            share(fill, tiles, worker_count(workers))

    # ---- where things lie

    def frame(self, array: NDArray[Any]) -> _Frame:
        key = (array.strides, array.shape, array.dtype)
        found = self._frames.get(key)
        if found is None:
            if len(self._frames) >= _MOST_TABLES:
                self._frames.clear()
            found = self._frames[key] = _frame(array, self.layout)
        return found

    # ---- source blocks across the border

    def gathering(self, tile: _Tile, source: _Frame) -> _Gathering:
        key = (tile.start, tile.shape, source.strides, source.column)
        found = self._gatherings.get(key)
        if found is None:
            if len(self._gatherings) >= _MOST_TABLES:
                self._gatherings.clear()
            found = self._gathering(tile, source)
            if sum(table.nbytes for table in found.tables) <= _LARGEST_TABLES:
                self._gatherings[key] = found
        return found

    def _gathering(self, tile: _Tile, source: _Frame) -> _Gathering:
        """Find the offset of every row and of every sample in a row, or `FILL` outside the array."""
        layout = self.layout
        maps, first = [], 0
        for axis, (start, size) in enumerate(zip(tile.start, tile.shape, strict=True)):
            first = start - layout.origins[axis]
            last = first + size + layout.sizes[axis] - 1
            maps.append(index_map(self.problem.mode, layout.lengths[axis], first, last))
        rows = np.zeros((), np.int64)
        outside = np.zeros((), bool)
        for positions, stride in zip(maps[:-1], source.strides, strict=True):
            rows = np.add.outer(rows, positions * stride)
            outside = np.logical_or.outer(outside, positions == OUTSIDE)
        rows[outside] = FILL
        columns = np.add.outer(maps[-1] * source.column, source.channels)
        columns[maps[-1] == OUTSIDE] = FILL
        inner = [0, 0]
        if source.packed:
            inner = [layout.step * min(max(edge - first, 0), len(maps[-1])) for edge in (0, layout.lengths[-1])]
        rows, columns = np.ascontiguousarray(rows), np.ascontiguousarray(columns)
        strides = [columns.size * self.problem.extended.itemsize]
        for positions in reversed(maps[1:-1]):
            strides.insert(0, strides[0] * len(positions))
        return _Gathering(
            size=strides[0] * len(maps[0]),
            strides=tuple(strides),
            arguments=(
                self.fill.ctypes.data,
                layout.step,
                rows.ctypes.data,
                rows.size,
                columns.ctypes.data,
                columns.size,
                *inner,
            ),
            tables=(rows, columns),
        )

    # ---- results on their way through scratch

    def result(self, tile: _Tile, name: str) -> NDArray[Any]:
        *outer, columns = tile.shape
        shape = (*outer, columns * self.layout.step)
        size = math.prod(shape) * self.problem.written.itemsize
        return scratch.take(name, size)[0][:size].view(self.problem.written).reshape(shape)

    def store(self, results: list[NDArray[Any]], out: NDArray[Any], tile: _Tile) -> None:
        """Put a result into its place, converting it to the dtype of `out`."""
        window = [
            slice(start - first, start - first + size)
            for start, first, size in zip(tile.start, self.first, tile.shape, strict=True)
        ]
        place = out[tuple(window[len(window) - self.layout.column - 1 :])]  # an array may have no row axis
        complex_samples = self.problem.dtype.kind == "c"
        if complex_samples:
            results = [result.view(np.dtype(f"c{2 * result.itemsize}")) for result in results]
        total = results[0]
        with np.errstate(over="ignore", invalid="ignore"):
            if len(results) == 2:
                # By parts: a product with the imaginary unit would turn an infinity into NaN.
                if complex_samples:
                    total.real -= results[1].imag
                    total.imag += results[1].real
                else:
                    total = np.empty(results[0].shape, np.result_type(total, np.complex64))
                    total.real, total.imag = results
            place[...] = total.reshape(place.shape)

    # ---- tiles

    @lazy
    def tiles(self) -> list[_Tile]:
        """Tiles of an array whose samples the engine can read as they lie."""
        layout = self.layout
        outputs = math.prod(stop - start for start, stop in layout.regions) * layout.step
        if self.plan.gathers or (outputs <= _SMALL and self.plan.candidates[0].seconds <= _QUICK):
            return self._made(self._cut(layout.regions))
        cuts = [
            _segments(*layout.regions[axis], layout.origins[axis], layout.sizes[axis], layout.lengths[axis])
            for axis in range(len(layout.regions))
        ]
        return self._made([tile for box in itertools.product(*cuts) for tile in self._cut(box)])

    def _made(self, tiles: list[_Tile]) -> list[_Tile]:
        """Make the code for some tiles here: later, all threads would begin by making it."""
        if any(tile.inside for tile in tiles):
            self.in_place  # noqa: B018
        if not all(tile.inside for tile in tiles):
            self.from_scratch, self.gather  # noqa: B018
        return tiles

    @lazy
    def gathered_tiles(self) -> list[_Tile]:
        """Tiles of an array of which every source block must be gathered."""
        self.from_scratch, self.gather  # noqa: B018
        return self._cut(self.layout.regions)

    def _cut(self, box: Sequence[tuple[int, int]]) -> list[_Tile]:
        """Cut a box into tiles of about the same size, none larger than planned."""
        cuts = [_even(start, stop, most) for (start, stop), most in zip(box, self.plan.tile, strict=True)]
        return [
            _Tile(
                tuple(start for start, _ in parts),
                tuple(stop - start for start, stop in parts),
                all(
                    start >= origin and stop - 1 - origin + size <= length
                    for (start, stop), origin, size, length in zip(
                        parts, self.layout.origins, self.layout.sizes, self.layout.lengths, strict=True
                    )
                ),
            )
            for parts in itertools.product(*cuts)
        ]


_program = lru_cache(maxsize=256)(_Program)

Plan.execute = staticmethod(execute)


def _address(array: NDArray[Any]) -> int:
    try:
        # Three times as fast as asking the array, which small images notice.
        return ctypes.addressof(ctypes.c_char.from_buffer(array))  # type: ignore[arg-type]
    except (TypeError, ValueError, BufferError):  # read-only, or not contiguous
        return array.ctypes.data


def _offset(tile: _Tile, frame: _Frame, origin: tuple[int, ...]) -> int:
    """Bytes from the first sample of an array to that of a tile whose start counts from `origin`."""
    if tile.start == origin:
        return 0
    strides = (*frame.strides, frame.column)
    return sum([(s - o) * stride for s, o, stride in zip(tile.start, origin, strides, strict=True)])


def _even(start: int, stop: int, most: int) -> list[tuple[int, int]]:
    """Cut an interval into parts of at most `most`, all about as long; multiples of eight where that is possible."""
    count = max(1, -(-(stop - start) // most))
    length = -(-(stop - start) // count)
    length = min(-(-length // 8) * 8, max(most, 1))
    return [(at, min(at + length, stop)) for at in range(start, stop, length)]


def _segments(start: int, stop: int, origin: int, size: int, length: int) -> list[tuple[int, int]]:
    """Cut an axis of outputs into what reaches across the border and what lies inside."""
    first, last = max(start, origin), min(stop, length - size + 1 + origin)
    if first > start:
        first = max(first, min(start + _STRIP, stop))
    if last < stop:
        last = min(last, max(stop - _STRIP, start))
    if first >= last:
        return [(start, stop)]
    parts = [(start, first), (first, last), (last, stop)]
    return [part for part in parts if part[0] < part[1]]


def _frame(array: NDArray[Any], layout: Layout) -> _Frame:
    strides = array.strides[: layout.column]
    offsets: NDArray[Any] = np.zeros((), np.int64)
    trailing = list(zip(array.shape, array.strides, strict=True))[layout.column + 1 :]
    item = array.itemsize
    if array.dtype.kind == "c":
        item //= 2
        trailing.append((2, item))
    for size, stride in trailing:
        offsets = np.add.outer(offsets, stride * np.arange(size, dtype=np.int64))
    channels = np.ascontiguousarray(offsets).ravel()
    column = array.strides[layout.column]
    side_by_side = np.array_equal(channels, item * np.arange(channels.size))
    packed = side_by_side and column == item * channels.size
    return _Frame(strides if layout.column else (0,), column, channels, packed)
