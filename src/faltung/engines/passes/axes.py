"""Block functions for sums of outer products: a pass along each axis.

The passes along the last two axes are one function of machine code for all terms (see `pass_code`). Axes before them
come first, for one term after the other, each with its result in scratch::

    source --- term 0: slices --> scratch ---+
           --- term 1: slices --> scratch ---+--> rows and columns of all terms, added up --> target
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.engines.base import Block, BlockFunction, Call, Engine, Job, Line
from faltung.engines.chain import Chain, packed
from faltung.engines.passes.block_sizes import strip_rows
from faltung.engines.passes.factors import ScaledFactor, scaled_factors
from faltung.engines.passes.pass_code import PARAMETERS, Passes, emit
from faltung.engines.passes.windows import NARROW
from faltung.engines.registers import Footprint
from faltung.engines.repair import Repaired, view
from faltung.engines.rows import KEPT, MOST_KEPT, slice_offsets
from faltung.ground import scratch
from faltung.ground.bounded import Bounded
from faltung.jit.compile import compile_function, compiled_once, ctypes_of
from faltung.jit.ir import module
from faltung.jit.samples import Sample, sample
from faltung.jit.target import Target, host

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["passes_along_axes"]

#: Parameters of the machine code that are the same for all blocks, and those that are scratch.
_OWN, _SCRATCH = ("taps", "factors", "windows"), ("between", "sums")
#: Most multiply-adds that are written out for a block of a pass.
UNROLLED = 450
#: Fewest positions, for each lane, of a row that is cut into as many rows as a vector has lanes.
FOLDED = 64


def passes_along_axes(job: Job, engine: Engine, windows: bool) -> BlockFunction:
    """Prepare the passes of all terms, with running sums for windows of ones if `windows` says so."""
    # Terms whose last factors have the same length become neighbours: they share a loop.
    terms = sorted((scaled_factors(term, windows) for term in job.terms), key=lambda term: term[-1].taps.size)
    alike = len(terms) == 1 and job.faithful
    exact = cache(lambda: _one_by_one(job, engine) if alike else engine.prepare(job))
    fused = _Fused(job, terms, engine, exact)
    return Repaired(fused, exact) if fused.guarded else fused


# ---- one axis after the other, each by the exact engine


def _along(job: Job, taps: NDArray[np.float64], axis: int, ends: tuple[bool, bool], engine: Engine) -> BlockFunction:
    """Prepare a pass along one axis by the exact engine; `ends` tells if it is the first and the last of a chain."""
    number, ndim = job.taps.dtype, job.taps.ndim
    row = min(axis, ndim - 2) if axis < ndim - 1 else ndim - 1
    place = ndim - 2 if row < ndim - 1 else ndim - 1  # position of the axis once it has changed places with the rows
    shaped = taps.astype(number).reshape([-1 if k == place else 1 for k in range(ndim)])
    source, target = job.source if ends[0] else number, job.target if ends[1] else number
    block = engine.prepare(Job(shaped, (), True, job.step, source, target, job.extents, job.streamed and ends[1]))
    return _Swapped(block, axis) if axis < ndim - 2 else block


def _window_along(job: Job, factor: ScaledFactor, axis: int, first: bool, engine: Engine) -> BlockFunction:
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
    """Prepare an exact pass along each axis of a single outer product."""
    factors = scaled_factors(job.terms[0], False)
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


@compiled_once
def _compile(passes: Passes, target: Target) -> Callable[..., int]:
    return compile_function(module(emit(passes)), "passes", ctypes_of(PARAMETERS), target)


class _Fused:
    """The passes over rows and columns of all terms; returns whether an output is not finite."""

    def __init__(
        self, job: Job, terms: list[list[ScaledFactor]], engine: Engine, exact: Callable[[], BlockFunction]
    ) -> None:
        self._job = job
        self._terms = terms
        self._exact = exact
        self._number = job.taps.dtype
        self._lanes = strip_rows(self._number)
        ndim = job.taps.ndim
        self._outer = [axis for axis in range(ndim - 2) if job.taps.shape[axis] > 1]
        self._before = [self._outer_passes(term, engine) for term in terms] if self._outer else []
        passes, self._taps = self._describe()
        self.guarded = passes.guarded
        self._code = _compile(passes, host())
        down, across = terms[0][-2:]
        running = [f.window if f.window > NARROW else 0 for f in (down, across)]
        self._windows = np.array(running, np.int64)
        self._kept: Bounded[tuple[Block, int], _Tables] = Bounded(MOST_KEPT, KEPT)
        self._factors = np.array([down.factor, across.factor], self._number)
        self._own = tuple(table.ctypes.data for table in (self._taps, self._factors, self._windows))
        self._clamped = len(terms) > 1 and job.target.kind == "f" and bool((job.taps >= 0).all())

    def _outer_passes(self, term: list[ScaledFactor], engine: Engine) -> BlockFunction:
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
        """Return the description of the code, and its coefficients."""
        job, terms = self._job, self._terms
        coefficients = _Coefficients(self._number, self._lanes)
        down, across = terms[0][-2:]
        passes = Passes(
            down=down.narrow if down.window else self._down(coefficients),
            across=across.narrow if across.window else self._across(coefficients),
            step=job.step,
            source=self._source,
            target=sample(job.target),
            number=coefficients.number,
            lanes=self._lanes,
            guarded=job.source.kind == "f" and (coefficients.zeros or len(terms) > 1 or not job.faithful),
            streamed=job.streamed and job.target.kind == "f",
        )
        return passes, coefficients.in_order()

    @property
    def _source(self) -> Sample:
        """The samples that the fused passes read."""
        return sample(self._number if self._outer else self._job.source)

    def _down(self, coefficients: _Coefficients) -> tuple[Footprint, ...]:
        return tuple(coefficients.footprint([term[-2].taps], 1, self._source) for term in self._terms)

    def _across(self, coefficients: _Coefficients) -> tuple[Footprint, ...]:
        between = Sample("f", self._number.itemsize)
        groups = [[*group] for _, group in groupby(self._terms, key=lambda term: term[-1].taps.size)]
        return tuple(
            coefficients.footprint([term[-1].taps for term in group], self._job.step, between) for group in groups
        )

    def __call__(self, source: int, target: int, block: Block) -> int:
        """Fill the block."""
        source_strides, target_strides, shape = block
        job, lanes = self._job, self._lanes
        if shape[-2] == 1 and job.taps.shape[-2] == 1 and shape[-1] >= lanes * FOLDED:
            # A long row is cut into as many rows as a strip has, whose ends overlap where they do not divide it:
            #     |..........row.........|   becomes   |..row 0..|
            #                                                |..row 1..|
            #                                                       |..row 2..|
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
        """Return the call for blocks of one layout, or None if something must be done before or after it."""
        shape, lanes = block.shape, self._lanes
        folded = shape[-2] == 1
        if self._outer or self._clamped or folded or shape[-2] < lanes or shape[-1] * self._job.step < lanes:
            return None
        tables = self._tables(block, 0)
        names = [name for name in PARAMETERS if name not in ("source", "target", *_OWN, *_SCRATCH)]
        values = dict(zip((*_OWN, *names), (*self._own, *tables.arguments), strict=True))
        sizes = dict(zip(_SCRATCH, (tables.between, tables.sums), strict=True))
        return Call(self._code, PARAMETERS, values, sizes, (tables, self), not self.guarded)

    def _run(self, source: int, target: int, block: Block) -> int:
        job = self._job
        # If terms have passes of their own first, each term goes on from its own result in scratch.
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
        tables = self._tables(block, apart)
        _between, between = scratch.take("between", tables.between)
        _sums, sums = scratch.take("sums", tables.sums)
        status = self._code(
            source,
            target,
            *self._own,
            between,
            sums,
            *tables.arguments,
        )
        del keep
        return status

    def _tables(self, block: Block, apart: int) -> _Tables:
        """Return what repeats for blocks of one layout whose terms are `apart` bytes apart."""
        tables = self._kept.get((block, apart))
        if tables is None:
            tables = self._make_tables(block, apart)
            self._kept.put((block, apart), tables, sum(table.nbytes for table in tables.tables))
        return tables

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
        slices = [slice_offsets(shape[:-2], strides[:-1]) for strides in (source_strides, target_strides)]
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
        # Sums over the ends of windows go on to the last sample, so there are as many sums as samples.
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


class _Coefficients:
    """Collects the coefficients of passes, in the order in which the code reads them."""

    def __init__(self, dtype: np.dtype[Any], lanes: int) -> None:
        self.number = "float" if dtype == np.float32 else "double"
        #: Whether the code multiplies zeros.
        self.zeros = False
        self._dtype = dtype
        self._lanes = lanes
        self._values: list[NDArray[np.floating]] = []

    def footprint(self, panels: list[NDArray[np.float64]], step: int, source: Sample) -> Footprint:
        """Return the footprint of some panels, each a column of taps: written out if they are few."""
        taps = np.concatenate(panels).astype(self._dtype)
        pattern: tuple[int, ...] | None = tuple(np.flatnonzero(taps).tolist())
        if pattern and len(pattern) * self._lanes <= UNROLLED:
            taps = taps[list(pattern)]
        else:
            self.zeros |= not taps.all()
            pattern = None
        self._values.append(taps)
        return Footprint(len(panels), panels[0].size, 1, pattern, step, source, self.number)

    def in_order(self) -> NDArray[np.floating]:
        """Return all coefficients, and at least one number."""
        return np.concatenate([*self._values, np.zeros(1)]).astype(self._dtype)


@dataclass(frozen=True)
class _Tables:
    """All that repeats for blocks of one layout: bytes of scratch, arguments, and the tables that they point to."""

    between: int
    sums: int
    arguments: tuple[int, ...]
    tables: tuple[NDArray[np.int64], ...]
