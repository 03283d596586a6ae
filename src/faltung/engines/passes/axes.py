"""Block functions for sums of outer products: a pass along each axis, from scratch to scratch.

The last two axes are one function of machine code (see `passes`); axes before them come first, one term after the
other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from faltung.engines.base import Block, BlockFunction, Call, Engine, Line, Job
from faltung.engines.chain import Chain, packed
from faltung.engines.passes.block_sizes import strip_rows
from faltung.engines.passes.pass_code import PARAMETERS, Passes, emit
from faltung.engines.passes.windows import NARROW
from faltung.engines.registers import Footprint
from faltung.engines.repair import Repaired, view
from faltung.engines.rows import slice_offsets
from faltung.ground import scratch
from faltung.jit.compile import compile_function, ctypes_of
from faltung.jit.ir import module
from faltung.jit.samples import Sample, sample
from faltung.jit.target import Target, host

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["passes_along_axes"]

#: Parameters of the machine code that are the same for all blocks, and those that point to scratch.
_OWN, _SCRATCH = ("taps", "factors", "windows"), ("between", "sums")
#: Most multiply-adds written out for one block of a pass.
UNROLLED = 450
#: Least positions, for each lane, of a row that is cut into as many rows as there are lanes.
FOLDED = 64


def passes_along_axes(job: Job, engine: Engine, windows: bool) -> BlockFunction:
    """Prepare the passes of all terms; where `windows`, windows of ones are running sums."""
    # Terms whose last factors are equally long become neighbours: they share a loop.
    terms = sorted((_factors(term, windows) for term in job.terms), key=lambda term: term[-1].taps.size)
    alike = len(terms) == 1 and job.faithful
    exact = cache(lambda: _one_by_one(job, engine) if alike else engine.prepare(job))
    fused = _Fused(job, terms, engine, exact)
    return Repaired(fused, exact) if fused.guarded else fused


@dataclass(frozen=True, eq=False)
class _Factor:
    """A factor of one term along one axis, scaled so that no sum before the last is larger than the samples.

    Parameters
    ----------
    taps : ndarray
        Its taps, in double precision, without zeros at the ends.
    start : int
        Where the first of them stands in the kernel.
    window : int
        Width of the running sum that takes their place; 0 for none.
    factor : float
        What that sum is multiplied by.
    """

    taps: NDArray[np.float64]
    start: int = 0
    window: int = 0
    factor: float = 1.0

    def whole(self, size: int) -> NDArray[np.float64]:
        """Its taps among the zeros that were left out."""
        taps = np.zeros(size)
        taps[self.start : self.start + self.taps.size] = self.taps
        return taps


def _factors(term: tuple[Line, ...], windows: bool) -> list[_Factor]:
    """Scale all factors but the last by powers of two, which round nothing; the last one makes up for it."""
    scale = 1.0
    factors = []
    for axis, line in enumerate(term):
        taps, start = _trimmed(line.taps)
        window = line.window if windows else 0
        if axis < len(term) - 1 and line.taps.size == 1:
            scale *= float(line.taps[0])
            factors.append(_Factor(np.ones(1)))
        elif axis < len(term) - 1:
            following = term[axis + 1] if axis == len(term) - 2 else None
            size = float(window or np.abs(taps).sum())
            if following is not None and windows:
                size *= following.window or 1  # the running sum after it must not overflow either
            power = 2.0 ** -math.ceil(math.log2(size)) if size else 1.0
            scale *= (float(line.rest[0]) if window else 1.0) / power
            factors.append(_Factor(taps * power, start, window, power))
        else:
            factors.append(_Factor(taps * scale, start, window, scale * float(line.rest[0]) if window else 1.0))
    return factors


def _trimmed(taps: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    places = np.flatnonzero(taps)
    if not places.size:
        return taps[:1], 0
    return taps[places[0] : places[-1] + 1], int(places[0])


# ---- one axis after the other, each by the exact engine


def _along(
    job: Job, taps: NDArray[np.float64], axis: int, ends: tuple[bool, bool], engine: Engine
) -> BlockFunction:
    """Prepare a pass along one axis by the exact engine, the first or the last of a chain or neither."""
    number, ndim = job.taps.dtype, job.taps.ndim
    row = min(axis, ndim - 2) if axis < ndim - 1 else ndim - 1
    place = ndim - 2 if row < ndim - 1 else ndim - 1  # where the axis stands once it has changed places
    shaped = taps.astype(number).reshape([-1 if k == place else 1 for k in range(ndim)])
    source, target = job.source if ends[0] else number, job.target if ends[1] else number
    block = engine.prepare(Job(shaped, (), True, job.step, source, target, job.extents, job.streamed and ends[1]))
    return _Swapped(block, axis) if axis < ndim - 2 else block


def _window_along(job: Job, factor: _Factor, axis: int, first: bool, engine: Engine) -> BlockFunction:
    """Prepare a running sum along an axis before the rows."""
    number, ndim = job.taps.dtype, job.taps.ndim
    lines = [Line(np.ones(1), (), np.ones(1))] * ndim
    lines[ndim - 2] = Line(np.full(factor.window, factor.factor), (factor.window,), np.array([factor.factor]))
    taps = np.full((*[1] * (ndim - 2), factor.window, 1), factor.factor, number)
    source = job.source if first else number
    along = Job(taps, (tuple(lines),), True, job.step, source, number, job.extents, False)
    return _Swapped(passes_along_axes(along, engine, windows=True), axis)


class _Swapped:
    """A block function for which an axis has changed places with the rows."""

    def __init__(self, block: BlockFunction, axis: int) -> None:
        self._block = block
        self._axis = axis

    def __call__(self, source: int, target: int, block: Block) -> None:
        """Fill the block."""
        swap = self._swap
        source_strides, target_strides, shape = block
        swapped = Block(swap(source_strides), swap(target_strides), (*swap(shape[:-1]), shape[-1]))
        self._block(source, target, swapped)

    def _swap(self, values: tuple[int, ...]) -> tuple[int, ...]:
        swapped = list(values)
        swapped[self._axis], swapped[-1] = swapped[-1], swapped[self._axis]
        return tuple(swapped)


def _one_by_one(job: Job, engine: Engine) -> BlockFunction:
    """Prepare an exact pass along every axis of a single outer product."""
    factors = _factors(job.terms[0], False)
    long = [axis for axis, size in enumerate(job.taps.shape) if size > 1] or [job.taps.ndim - 1]
    scale = 1.0 if job.taps.ndim - 1 in long else float(factors[-1].taps[0])
    passes = []
    for axis in long:
        whole = factors[axis].whole(job.taps.shape[axis]) * (scale if axis == long[-1] else 1.0)
        ends = (axis == long[0], axis == long[-1])
        passes.append((_along(job, whole, axis, ends, engine), _sizes(job, axis)))
    return Chain(passes, job.step * job.taps.dtype.itemsize, "axes")


def _sizes(job: Job, axis: int) -> tuple[int, ...]:
    return tuple(size if k == axis else 1 for k, size in enumerate(job.taps.shape))


# ---- all terms at once


@cache
def _compile(what: Passes, target: Target) -> Callable[..., int]:
    return compile_function(module(emit(what)), "passes", ctypes_of(PARAMETERS), target)


class _Fused:
    """The passes over rows and columns of all terms; returns whether an output was not finite."""

    def __init__(
        self, job: Job, terms: list[list[_Factor]], engine: Engine, exact: Callable[[], BlockFunction]
    ) -> None:
        self._job = job
        self._terms = terms
        self._exact = exact
        self._number = job.taps.dtype
        self._lanes = strip_rows(self._number)
        ndim = job.taps.ndim
        self._outer = [axis for axis in range(ndim - 2) if job.taps.shape[axis] > 1]
        self._before = [self._outer_passes(term, engine) for term in terms] if self._outer else []
        what, taps = self._describe()
        self.guarded = what.guarded
        self._code = _compile(what, host())
        self._taps = taps
        down, across = terms[0][-2:]
        running = [f.window if f.window > NARROW else 0 for f in (down, across)]
        self._windows = np.array(running, np.int64)
        self._tables = lru_cache(maxsize=64)(self._make_tables)
        self._factors = np.array([down.factor, across.factor], self._number)
        self._clamped = len(terms) > 1 and job.target.kind == "f" and bool((job.taps >= 0).all())

    def _outer_passes(self, term: list[_Factor], engine: Engine) -> BlockFunction:
        passes = []
        for axis in self._outer:
            factor, first = term[axis], axis == self._outer[0]
            if factor.window:
                passes.append((_window_along(self._job, factor, axis, first, engine), _sizes(self._job, axis)))
                continue
            whole = factor.whole(self._job.taps.shape[axis])
            passes.append((_along(self._job, whole, axis, (first, False), engine), _sizes(self._job, axis)))
        return Chain(passes, self._job.step * self._number.itemsize, "outer")

    def _describe(self) -> tuple[Passes, NDArray[np.floating]]:
        job, terms, lanes = self._job, self._terms, self._lanes
        source = sample(self._number if self._outer else job.source)
        number = "float" if self._number == np.float32 else "double"
        between = Sample("f", self._number.itemsize)
        coefficients: list[NDArray[np.float64]] = []
        looped_zeros = False

        def footprint(panels: list[NDArray[np.float64]], step: int, what: Sample) -> Footprint:
            nonlocal looped_zeros
            taps = np.concatenate(panels).astype(self._number)
            pattern = tuple(np.flatnonzero(taps).tolist())
            if 0 < len(pattern) * lanes <= UNROLLED:
                coefficients.append(taps[list(pattern)])
                return Footprint(len(panels), panels[0].size, 1, pattern, step, what, number)
            looped_zeros |= len(pattern) < taps.size
            coefficients.append(taps)
            return Footprint(len(panels), panels[0].size, 1, None, step, what, number)

        down: tuple[Footprint, ...] | int = terms[0][-2].window if terms[0][-2].window <= NARROW else 0
        across: tuple[Footprint, ...] | int = terms[0][-1].window if terms[0][-1].window <= NARROW else 0
        if not terms[0][-2].window:
            down = tuple(footprint([term[-2].taps], 1, source) for term in terms)
        if not terms[0][-1].window:
            groups = [list(group) for _, group in groupby(terms, key=lambda term: term[-1].taps.size)]
            across = tuple(footprint([t[-1].taps for t in group], job.step, between) for group in groups)
        guarded = job.source.kind == "f" and (looped_zeros or len(terms) > 1 or not job.faithful)
        streamed = job.streamed and job.target.kind == "f"
        what = Passes(down, across, job.step, source, sample(job.target), number, lanes, guarded, streamed)
        return what, np.concatenate([*coefficients, np.zeros(1)]).astype(self._number)

    def __call__(self, source: int, target: int, block: Block) -> int:
        """Fill the block."""
        source_strides, target_strides, shape = block
        job, lanes = self._job, self._lanes
        if shape[-2] == 1 and job.taps.shape[-2] == 1 and shape[-1] >= lanes * FOLDED:
            # A long row is cut into as many rows as a strip has.
            shift = shape[-1] // lanes
            shape = (*shape[:-2], lanes, shape[-1] - shift * (lanes - 1))
            source_strides = (*source_strides[:-1], shift * job.step * job.source.itemsize)
            target_strides = (*target_strides[:-1], shift * job.step * job.target.itemsize)
            block = Block(source_strides, target_strides, shape)
        if shape[-2] < lanes or shape[-1] * job.step < lanes:
            self._exact()(source, target, block)
            return 0
        status = self._run(source, target, block)
        if self._clamped and not status:
            self._clamp(source, target, block)
        return status

    def call(self, block: Block) -> Call | None:
        """Return the call for blocks of one layout, where there is nothing to do before and after it."""
        shape, lanes = block.shape, self._lanes
        folded = shape[-2] == 1
        if self._outer or self._clamped or folded or shape[-2] < lanes or shape[-1] * self._job.step < lanes:
            return None
        tables = self._tables(block, 0)
        names = [name for name in PARAMETERS if name not in ("source", "target", *_OWN, *_SCRATCH)]
        own = (each.ctypes.data for each in (self._taps, self._factors, self._windows))
        values = dict(zip((*_OWN, *names), (*own, *tables.arguments), strict=True))
        sizes = dict(zip(_SCRATCH, (tables.between, tables.sums), strict=True))
        return Call(self._code, PARAMETERS, values, sizes, (tables, self), not self.guarded)

    def _run(self, source: int, target: int, block: Block) -> int:
        job = self._job
        # Where terms have passes of their own before, each begins with its own result in scratch.
        apart, keep = 0, None
        if self._outer:
            sizes, shape = job.taps.shape, block.shape
            extended = (*shape[:-2], shape[-2] + sizes[-2] - 1, shape[-1] + sizes[-1] - 1)
            strides, apart = packed(extended, job.step * self._number.itemsize)
            keep, address = scratch.take("terms", apart * len(self._terms))
            outer = Block(block.source_strides, strides, extended)
            for number, run in enumerate(self._before):
                run(source, address + number * apart, outer)
            source, block = address, Block(strides, block.target_strides, shape)
        plan = self._tables(block, apart)
        _between, between = scratch.take("between", plan.between)
        _sums, sums = scratch.take("sums", plan.sums)
        status = self._code(
            source,
            target,
            self._taps.ctypes.data,
            self._factors.ctypes.data,
            self._windows.ctypes.data,
            between,
            sums,
            *plan.arguments,
        )
        del keep
        return status

    def _make_tables(self, block: Block, apart: int) -> _Tables:
        source_strides, target_strides, shape = block
        job, terms, lanes = self._job, self._terms, self._lanes
        position = lanes * self._number.itemsize
        extended = (shape[-1] + job.taps.shape[-1] - 1) * job.step
        strips = -(-shape[-2] // lanes) if self._windows[0] else 1
        term_bytes = strips * extended * position
        starts = [n * apart + t[-2].start * source_strides[-1] for n, t in enumerate(terms)]
        panels = [n * term_bytes + t[-1].start * job.step * position for n, t in enumerate(terms)]
        tables = [np.array(starts, np.int64), np.array(panels, np.int64)]
        slices = [slice_offsets(shape[:-2], each[:-1]) for each in (source_strides, target_strides)]
        arguments = (
            tables[0].ctypes.data,
            tables[1].ctypes.data,
            term_bytes,
            slices[0].ctypes.data,
            slices[1].ctypes.data,
            slices[0].size,
            shape[-2],
            shape[-1] * job.step,
            extended,
            source_strides[-1],
            target_strides[-1],
        )
        # Ends of windows are summed up to the last sample, so there are as many sums as samples.
        samples = max(shape[-2] + int(self._windows[0]), extended) if self._windows.any() else 0
        return _Tables(term_bytes * len(terms), samples * position, arguments, (*tables, *slices))

    def _clamp(self, source: int, target: int, block: Block) -> None:
        """Replace negative outputs by zero where taps and samples are not negative: they are rounding errors."""
        source_strides, target_strides, shape = block
        job = self._job
        result = view(target, target_strides, (*shape[:-1], shape[-1] * job.step), job.target)
        if result.min() < 0:
            extended = [length + size - 1 for length, size in zip(shape, job.taps.shape, strict=True)]
            extended[-1] *= job.step
            if view(source, source_strides, tuple(extended), job.source).min() >= 0:
                np.maximum(result, 0, out=result)


@dataclass(frozen=True)
class _Tables:
    """What repeats for blocks of one layout: bytes of scratch, arguments, and the tables that they point to."""

    between: int
    sums: int
    arguments: tuple[int, ...]
    tables: tuple[NDArray[np.int64], ...]
