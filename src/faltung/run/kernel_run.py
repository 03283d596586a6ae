"""Run it: every tile of a plan, on every worker.

A tile whose source lies inside the array is read in place. A tile that reaches across the border, or whose samples
the engine cannot read as they lie, has its source gathered into scratch first. That is all there is to boundaries,
strides, byte orders and half floats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.engines.base import Block, BlockFunction, WeighingFunction, call_of
from faltung.engines.calls.joined import Joined
from faltung.engines.calls.team import Calls, TileCall, team
from faltung.engines.catalogue import ENGINES, EXACT, weighing_engine
from faltung.engines.chain import Chain
from faltung.engines.repair import Checked, Repaired
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground import scratch
from faltung.ground.arrays import as_array
from faltung.ground.lazy import lazy
from faltung.ground.threads import share, worker_count
from faltung.planning.forms import Form
from faltung.planning.planner import Plan
from faltung.planning.problem import Problem
from faltung.run.gathering import Frame, Gatherer, address_of, frame_in_order, frame_of, offset, source_gatherer
from faltung.run.missing import Missing, Normalised
from faltung.run.tiling import Tile, tiles_across, tiles_beside

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["check_out", "execute"]

#: Predicted seconds of one core that are done before another would have begun, and if that one is awake.
_ALONE, _ALONE_AWAKE = 2e-4, 1e-4
#: Predicted seconds of one core up to which all tiles are one call, and threads are kept awake for the next one.
_BRIEF = 2e-3
#: Most layouts of arrays that are kept from call to call.
_MOST_FRAMES = 64


def execute(plan: Plan, x: Any, out: Any = None, workers: int | None = None, mask: Any = None) -> NDArray[Any]:
    """Carry out a plan; parameters as for calling one."""
    problem = plan.problem
    if type(x) is not np.ndarray or x.shape != problem.shape or x.dtype != problem.dtype:
        x = _check_input(x, problem)
    chosen = _check_mask(mask, problem)
    shape = problem.result_shape
    result = np.empty(shape, problem.result) if out is None else check_out(out, shape, problem.result)
    count = None if workers is None else worker_count(workers)
    if not result.size:
        return result
    program = _program(plan)
    single = program.single
    if single is not None and not (x.flags.c_contiguous and result.flags.c_contiguous):
        single = None
    if single is not None and single.final:
        single(address_of(x), address_of(result))
        return result
    # An input that shares memory with the output would be overwritten while it is still read.
    overlap = out is not None and any(np.may_share_memory(a, result) for a in (x, chosen) if a is not None)
    if single is not None and not overlap and not single(address_of(x), address_of(result)):
        return result
    target = np.empty_like(result) if overlap else result
    program.run(x, target, count, chosen)
    if overlap:
        result[...] = target
    return result


def _check_input(x: Any, problem: Problem) -> NDArray[Any]:
    """Return `x` as the array that the plan was made for."""
    given = as_array(x, "x")
    if given.shape != problem.shape or given.dtype != problem.dtype:
        raise ArgumentError(
            "x",
            f"shape {problem.shape} and dtype {problem.dtype}, for which this plan was made",
            f"shape {given.shape} and dtype {given.dtype}",
            "Make a plan for this array, or use convolve.",
        )
    return given


def check_out(out: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return `out` if a result of that shape and dtype can be written into it."""
    array = isinstance(out, np.ndarray) and not isinstance(out, np.ma.MaskedArray)
    if array and out.shape == shape and out.dtype == dtype and out.flags.writeable:
        return out  # type: ignore[no-any-return]
    expected = f"a writable array of shape {shape} and dtype {dtype}"
    if not array:
        raise ArgumentTypeError("out", expected, f"a {type(out).__name__}", "Leave out= away to have one made.")
    if out.shape != shape or out.dtype != dtype:
        received = f"shape {out.shape} and dtype {out.dtype}"
        raise ArgumentError("out", expected, received, "Leave out= away to have one made.")
    raise ArgumentError("out", expected, "an array that is read-only", "Pass a copy of it.")


def _check_mask(mask: Any, problem: Problem) -> NDArray[np.uint8] | None:
    """Return the mask as bytes in the shape of the array, if the plan is for one."""
    if mask is None:
        if problem.masked:
            raise ArgumentError("mask", "an array of booleans, which this plan was made for", "None")
        return None
    if not problem.masked:
        remedy = "Make a plan with mask=, or use convolve."
        raise ArgumentError("mask", "None, which this plan was made for", f"a {type(mask).__name__}", remedy)
    return np.broadcast_to(as_array(mask, "mask"), problem.shape).view(np.uint8)


class _Program:
    """A plan with its machine code and the tables that repeat from call to call."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.problem = plan.problem
        self.layout = plan.problem.layout
        self.first = tuple(start for start, _ in self.layout.regions)
        self._frames: dict[tuple[Any, ...], Frame] = {}

    # ---- what runs, made when it is first needed

    @lazy
    def in_place(self) -> list[BlockFunction]:
        return self._prepare(self.problem.stored)

    @lazy
    def from_scratch(self) -> list[BlockFunction]:
        same = self.problem.extended == self.problem.stored
        return self.in_place if same else self._prepare(self.problem.extended)

    def _prepare(self, source: np.dtype[Any]) -> list[BlockFunction]:
        problem = self.problem
        form = problem.forms[self.plan.form]
        return _blocks(problem, form, self.plan.engines, source, problem.written)

    @lazy
    def gather(self) -> Gatherer:
        return source_gatherer(self.problem)

    @lazy
    def weighed(self) -> dict[np.dtype[Any], WeighingFunction]:
        """For what a block may hold: values and weights at once, where the plan is so."""
        problem, engine = self.problem, weighing_engine(self.plan.engines)
        if not problem.weighted or self.plan.weight_engines or engine is None:
            return {}
        return {
            source: engine.prepare_weighing(task, problem.skips_nan, problem.masked)
            for source in {problem.stored if problem.readable else problem.extended, problem.extended}
            for task in problem.tasks(problem.forms[self.plan.form], source, problem.written)[0]
        }

    @lazy
    def normalised(self) -> list[BlockFunction]:
        problem, number, plan = self.problem, self.problem.number, self.plan
        values = _blocks(problem, problem.forms[plan.form], plan.engines, problem.extended, number, to_scratch=True)
        form, engines = problem.weights(plan.form), plan.weight_engines or plan.engines
        weights = _blocks(problem, form, engines, np.dtype(np.uint8), number, to_scratch=True)[0]
        total = math.prod(float(step[0].taps.sum()) for step in form.steps)
        return [Normalised(problem, block, weights, total, plan.least_weight) for block in values]

    @lazy
    def missing(self) -> Missing:
        return Missing(self.problem)

    @lazy
    def tiles(self) -> list[Tile]:
        """Tiles of an array whose samples the engine can read as they lie."""
        return tiles_beside(self.plan)

    @lazy
    def gathered_tiles(self) -> list[Tile]:
        """Tiles of an array of which every source block must be gathered."""
        return tiles_across(self.layout, self.plan.tile)

    @lazy
    def single(self) -> Joined | None:
        """One call for arrays that lie in order, if there is a single tile and nothing to do before and after it."""
        return self._joined(self.tiles[0]) if len(self.tiles) == 1 else None

    @lazy
    def calls(self) -> Calls | None:
        """The same for several tiles that are done soon."""
        tiles, seconds = self.tiles, self.plan.candidates[0].seconds
        if len(tiles) == 1 or seconds > _BRIEF or any(tile.inside for tile in tiles):
            return None
        parts = [part for tile in tiles if (part := self._joined(tile)) and part.fits]
        if len(parts) < len(tiles):
            return None
        target = frame_in_order(self.problem.result_shape, self.problem.result, self.layout)
        return Calls(parts, [offset(tile, target, self.first) for tile in tiles])

    def _joined(self, tile: Tile) -> TileCall | None:
        problem = self.problem
        if tile.inside or problem.weighted or not (problem.readable and problem.direct):
            return None
        source, target = (
            frame_in_order(shape, dtype, self.layout)
            for shape, dtype in ((problem.shape, problem.dtype), (problem.result_shape, problem.result))
        )
        found = self.gather.gathering(tile, source)
        bound = call_of(self.from_scratch[0], Block(found.strides, target.strides, tile.shape))
        return TileCall(self.gather.code, found.arguments, found.size, found, bound) if bound else None

    def frame(self, array: NDArray[Any]) -> Frame:
        key = (array.strides, array.shape, array.dtype)
        found = self._frames.get(key)
        if found is None:
            if len(self._frames) >= _MOST_FRAMES:
                self._frames.clear()
            found = self._frames[key] = frame_of(array, self.layout)
        return found

    def mask_frame(self, mask: NDArray[np.uint8]) -> Frame:
        found = self.frame(mask)
        if self.problem.dtype.kind != "c":
            return found
        channels = np.repeat(found.channels, 2)
        return replace(found, channels=channels, packed=False, key=channels.tobytes())  # a flag counts for both parts

    # ---- the loop

    def run(self, x: NDArray[Any], out: NDArray[Any], workers: int | None, mask: NDArray[np.uint8] | None) -> None:
        """Fill `out`, tile by tile."""
        seconds, calls = self.plan.candidates[0].seconds, self.calls
        if calls is not None and x.flags.c_contiguous and out.flags.c_contiguous:
            alone = workers is None and seconds < _ALONE_AWAKE
            helpers = 0 if alone else min(worker_count(workers), calls.count) - 1
            if not team(helpers)(calls, address_of(x), address_of(out)):
                return  # nothing is left to repair
        source, target = self.frame(x), self.frame(out)
        source_start, target_start = address_of(x), address_of(out)
        in_place = self.problem.readable and source.packed
        tiles = self.tiles if in_place else self.gathered_tiles
        # The code is made here: later, all threads would begin by making it.
        direct = self.problem.direct and target.packed
        weighed = self.weighed
        inside = self.in_place if in_place and not weighed and any(tile.inside for tile in tiles) else []
        across = [] if weighed or (in_place and all(tile.inside for tile in tiles)) else self.from_scratch
        weighted = self.problem.weighted
        normalised = self.normalised if weighted and not weighed else []
        flags = None if mask is None else (self.mask_frame(mask), address_of(mask))
        room = self.missing.room if weighted else 0.0

        def fill(tile: Tile, _alive: object = (x, mask)) -> None:  # a helper may outlive an interrupted call
            lies_there = tile.inside and in_place
            if lies_there:
                blocks, strides = inside, source.strides
                address = source_start + offset(tile, source, self.layout.origins)
            else:
                blocks = across
                _buffer, address, strides = self.gather(tile, source, source_start, room)
            if weighed:
                block = weighed[self.problem.stored if lies_there else self.problem.extended]
                _flags, there, steps = self.missing.flags(tile, flags)
                if not put(tile, [partial(block, mask=there, mask_strides=steps)], address, strides):
                    return
            if weighted:
                copy, packed = address, strides
                if lies_there:
                    _buffer, copy, packed = self.missing.scratch(tile)
                if self.missing.take_out(tile, address, strides, copy, packed, flags) or weighed:
                    blocks, address, strides = normalised or self.normalised, copy, packed
            put(tile, blocks, address, strides)

        def put(tile: Tile, blocks: Sequence[BlockFunction], address: int, strides: tuple[int, ...]) -> object:
            """Fill the outputs of a tile; what is true says that they are wrong."""
            if direct:
                place = target_start + offset(tile, target, self.first)
                return blocks[0](address, place, Block(strides, target.strides, tile.shape))
            results, wrong = [], None
            for name, block in zip(("result", "imaginary result"), blocks, strict=False):
                result = self.result(tile, name)
                wrong = block(address, result.ctypes.data, Block(strides, result.strides[:-1], tile.shape))
                results.append(result)
            self.store(results, out, tile)
            return wrong

        alone = workers is None and (len(tiles) == 1 or seconds < _ALONE)
        share(fill, tiles, 1 if alone else worker_count(workers))

    # ---- results on their way through scratch

    def result(self, tile: Tile, name: str) -> NDArray[Any]:
        *outer, columns = tile.shape
        shape = (*outer, columns * self.layout.step)
        size = math.prod(shape) * self.problem.written.itemsize
        return scratch.take(name, size)[0][:size].view(self.problem.written).reshape(shape)

    def store(self, results: list[NDArray[Any]], out: NDArray[Any], tile: Tile) -> None:
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


_program = lru_cache(maxsize=256)(_Program)

Plan.execute = staticmethod(execute)


def _blocks(
    problem: Problem,
    form: Form,
    engines: tuple[str, ...],
    source: np.dtype[Any],
    target: np.dtype[Any],
    to_scratch: bool = False,
) -> list[BlockFunction]:
    """Prepare the engines of a form: a block function for each part of the taps."""
    steps = [
        [ENGINES[name].prepare(task) for task in tasks]
        for name, tasks in zip(engines, problem.tasks(form, source, target, to_scratch), strict=True)
    ]
    if len(steps) == 1:
        return steps[0]
    passes = [(block, factor.taps.shape) for (block,), (factor,) in zip(steps, form.steps, strict=True)]
    chain = Chain(passes, problem.layout.step * problem.number.itemsize, "steps")
    if form.exact or source.kind != "f":
        return [chain]
    (whole,) = problem.tasks(problem.forms[0], source, target, to_scratch)[0]
    return [Repaired(Checked(chain, whole), lambda: EXACT.prepare(whole))]
