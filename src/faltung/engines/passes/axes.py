"""Block functions for sums of outer products: a pass along each axis.

The passes along the last two axes are one function of machine code for all terms (see `fused`). Axes before them
come first, for one term after the other, each with its result in scratch::

    source --- term 0: slices --> scratch ---+
           --- term 1: slices --> scratch ---+--> rows and columns of all terms, added up --> target
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from faltung.engines.base import Block, BlockFunction, Call, Engine, Job, Line
from faltung.engines.chain import Chain, packed
from faltung.engines.passes.block_sizes import lanes_for, strip_rows
from faltung.engines.passes.factors import ScaledFactor, amplification, scaled_factors
from faltung.engines.passes.fused import Fused
from faltung.engines.repair import Repaired, view
from faltung.engines.spread import MOST_OCTAVES, Spread, can_spread
from faltung.ground import scratch

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["passes_along_axes"]

#: Fewest positions, for each lane, of a row that is cut into as many rows as a vector has lanes.
FOLDED = 64
#: Octaves by which samples may be farther apart in double precision, for a result in single precision.
GAINED = 26


def passes_along_axes(job: Job, engine: Engine, windows: bool, octaves: int = MOST_OCTAVES) -> BlockFunction:
    """Prepare the passes of all terms.

    Parameters
    ----------
    job : Job
        What is computed.
    engine : Engine
        The exact engine.
    windows : bool
        Whether windows of ones are running sums.
    octaves : int
        Octaves from which on samples are too far apart for terms that cancel.
    """
    # Terms whose last factors have the same length become neighbours: they share a loop.
    terms = sorted((scaled_factors(term, windows) for term in job.terms), key=lambda term: term[-1].taps.size)
    alike = len(terms) == 1 and job.faithful

    def make_exact() -> BlockFunction:
        if alike:
            return _one_by_one(job, engine)
        if job.faithful and job.taps.dtype == np.float32:
            double = replace(job, taps=job.taps.astype(np.float64))
            return passes_along_axes(double, engine, windows, octaves + GAINED)
        return engine.prepare(job)

    prepared: list[BlockFunction] = []

    def exact() -> BlockFunction:
        if not prepared:
            prepared.append(make_exact())
        return prepared[0]

    bounded = amplification(job)[1] or not can_spread(job.source)
    passes = _Terms(job, terms, engine, exact if alike and not windows else None, 0 if bounded else octaves)
    return Repaired(passes, exact) if passes.guarded else passes


# ---- one axis after the other, each by the exact engine


def _along(job: Job, taps: NDArray[np.float64], axis: int, ends: tuple[bool, bool], engine: Engine) -> BlockFunction:
    """Prepare a pass along one axis by the exact engine; `ends` tells if it is the first and the last of a chain."""
    number, ndim = job.taps.dtype, job.taps.ndim
    row = min(axis, ndim - 2) if axis < ndim - 1 else ndim - 1
    place = ndim - 2 if row < ndim - 1 else ndim - 1  # position of the axis once it has changed places with the rows
    shaped = taps.astype(number).reshape([-1 if k == place else 1 for k in range(ndim)])
    source, target = job.source if ends[0] else number, job.target if ends[1] else number
    streamed, division = job.streamed and ends[1], job.division if ends[1] else None
    storing = (streamed, division, job.truncated and ends[1])
    block = engine.prepare(Job(shaped, (), True, job.step, source, target, job.extents, *storing))
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


class _Terms:
    """The passes of all terms; returns whether a block must be computed again.

    `low` prepares a faster function for blocks of few rows, if there is one. From `octaves` on, samples are too far
    apart; 0 says that it does not matter.
    """

    def __init__(
        self,
        job: Job,
        terms: list[list[ScaledFactor]],
        engine: Engine,
        low: Callable[[], BlockFunction] | None,
        octaves: int,
    ) -> None:
        self._job = job
        self._terms = terms
        self._number = job.taps.dtype
        self._outer = [axis for axis in range(job.taps.ndim - 2) if job.taps.shape[axis] > 1]
        self._before = [self._outer_passes(term, engine) for term in terms] if self._outer else []
        self._lanes = strip_rows(job.number)
        # Fused passes look at the samples themselves, unless they read the results of other passes.
        self._far = Spread(job, octaves) if self._outer and octaves else None
        self._octaves = octaves
        self._fused = {self._lanes: self._make_fused(self._lanes)}
        self.guarded = self._fused[self._lanes].guarded
        self._low = None if self._fused[self._lanes].paired else low  # a block of few rows has the bits of others
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

    def __call__(self, source: int, target: int, block: Block) -> int:
        """Fill the block."""
        if self._far is not None and self._far(source, block):
            return 1
        block = self._folded(block)
        if self._low is not None and self._is_low(block):
            self._low()(source, target, block)
            return 0
        status = self._run(source, target, block, self._fused_for(block))
        if self._clamped and not status:
            self._clamp(source, target, block)
        return status

    def _folded(self, block: Block) -> Block:
        """Cut a long row into as many rows as a strip has, whose ends overlap where they do not divide it.

        For example::

            |..........row.........|   becomes   |..row 0..|
                                                       |..row 1..|
                                                              |..row 2..|
        """
        source_strides, target_strides, shape = block
        job, lanes = self._job, self._lanes
        if shape[-2] > 1 or job.taps.shape[-2] > 1 or shape[-1] < lanes * FOLDED:
            return block
        shift = shape[-1] // lanes
        return Block(
            (*source_strides[:-1], shift * job.step * job.source.itemsize),
            (*target_strides[:-1], shift * job.step * job.target.itemsize),
            (*shape[:-2], lanes, shape[-1] - shift * (lanes - 1)),
        )

    def call(self, block: Block) -> Call | None:
        """Return the call for blocks of one layout, or None if something must be done before or after it."""
        block = self._folded(block)
        if self._outer or self._clamped or (self._low is not None and self._is_low(block)):
            return None
        return self._fused_for(block).call(block)

    def _is_low(self, block: Block) -> bool:
        """Return whether a block has rows of whole vectors, but fewer than a strip: they are filtered as rows."""
        return block.shape[-2] < self._lanes <= block.shape[-1] * self._job.step

    def _fused_for(self, block: Block) -> Fused:
        """Return the last two passes in vectors that a block has enough rows and columns for."""
        lanes = lanes_for(self._job.number, block.shape[-2], block.shape[-1] * self._job.step)
        if lanes not in self._fused:
            self._fused[lanes] = self._make_fused(lanes)
        return self._fused[lanes]

    def _make_fused(self, lanes: int) -> Fused:
        return Fused(self._job, self._terms, bool(self._outer), lanes, self._octaves)

    def _run(self, source: int, target: int, block: Block, fused: Fused) -> int:
        job = self._job
        if not self._outer:
            return fused(source, target, block, 0)
        # If terms have passes of their own first, each term goes on from its own result in scratch.
        sizes, shape = job.taps.shape, block.shape
        extended = (*shape[:-2], shape[-2] + sizes[-2] - 1, shape[-1] + sizes[-1] - 1)
        strides, apart = packed(extended, job.step * self._number.itemsize)
        keep, address = scratch.take("terms", apart * len(self._terms))
        outer = Block(block.source_strides, strides, extended)
        for number, run in enumerate(self._before):
            run(source, address + number * apart, outer)
        status = fused(address, target, Block(strides, block.target_strides, shape), apart)
        del keep
        return status

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
