"""The running engine: window sums at a cost that does not depend on the width of the window.

Boxes, and kernels that are boxes along some of their axes, are applied as sums with three additions for each sample,
whatever the width (see `windows`). Samples are summed first and multiplied at the end, so sums of integers are exact.
"""

from __future__ import annotations

import math

import numpy as np

from faltung.engines.base import BlockFunction, Engine, Job, Line, Work
from faltung.engines.integers.fixed_point import taps_of_passes
from faltung.engines.integers.integer_block import IntegerBlock, integer_tile, integer_work
from faltung.engines.passes.axes import passes_along_axes
from faltung.engines.passes.block_sizes import (
    calls_besides,
    folded,
    gathers,
    halo,
    narrowed,
    strip_rows,
    strips,
    trips_between,
)
from faltung.engines.passes.windows import NARROW, WIDE, additions
from faltung.kernels.lowrank import SLACK

__all__ = ["Running"]

#: Bytes between the passes of a block, about; all its rows are summed down the columns before the second pass.
BETWEEN = 1 << 20
#: Size of a kernel from which strips along the border cost more, for their halo, than they save.
GATHERED = 96
#: Rows of a block: with more rows, fewer sums are begun again.
ROWS = 256


class Running:
    """Sums over windows along the axes where the kernel is constant, and passes along the others."""

    name = "running"
    exact = False

    def __init__(self, exact_engine: Engine) -> None:
        self._exact_engine = exact_engine

    def accepts(self, job: Job) -> str:
        """Return why not: the kernel must be one outer product, and constant along some axis."""
        if len(job.terms) != 1:
            return "the kernel is not an outer product"
        return "" if any(line.window > 1 for line in job.terms[0]) else "the kernel is not constant along any axis"

    def tile(self, job: Job) -> tuple[int, ...]:
        """Return tall tiles if sums go down the columns."""
        numbers = taps_of_passes(job)
        if numbers and numbers.short:
            return integer_tile(job)
        if job.terms[0][-2].window <= NARROW:
            return strips(job, 8 * strip_rows(job.number), BETWEEN / strip_rows(job.number))
        rows = min(max(ROWS, 2 * job.taps.shape[-2]), job.extents[-2])
        return strips(job, rows, BETWEEN / rows)

    def gathers(self, job: Job) -> bool:
        """Return whether a strip along the border costs about as much as a tile, since its halo is as wide."""
        return gathers(job, GATHERED)

    def work(self, job: Job) -> Work:
        """Count sums of windows, and a multiply-add for each tap along the other axes."""
        numbers = taps_of_passes(job)
        if numbers and numbers.short:
            return integer_work(job, numbers)
        outputs = float(math.prod(job.extents) * job.step)
        tile = self.tile(job)
        widened, heightened = halo(job, tile), 1 + (job.taps.shape[-2] - 1) / max(tile[-2], 1)
        *before, down, across = job.terms[0]
        slower = narrowed(job, tile)
        columns = [(line, widened * heightened) for line in before]
        columns += [(down, widened * _begun(down, tile[-2]) * slower), (across, slower)]
        return Work(
            summed=outputs * sum(share for line, share in columns if line.window > NARROW),
            passed=outputs * sum(_additions(line) * share for line, share in columns if line.window <= NARROW),
            trips=(trips_between(job, 1) * widened + 1 + folded(job)) * outputs,
            bytes=(job.source.itemsize + job.target.itemsize) * outputs,
            calls=calls_besides(job, tile, 1),
            pointwise=job.faithful,
            roundings=sum(_roundings(line, job) for line in job.terms[0]) + job.taps.ndim + 2 * SLACK,
        )

    def prepare(self, job: Job) -> BlockFunction:
        """Compile the passes."""
        numbers = taps_of_passes(job)
        if numbers and numbers.short:
            return IntegerBlock(job, numbers)
        return passes_along_axes(job, self._exact_engine, windows=True)


def _additions(line: Line) -> float:
    """Count the multiply-adds of a pass, or half as many as the additions in registers, which nothing is kept for."""
    return additions(line.window) / 2 if line.window else float(np.count_nonzero(line.taps))


def _begun(line: Line, outputs: int) -> float:
    """Return the factor by which more is added up because the last window begins a block that it does not fill."""
    if line.window <= NARROW:
        return 1.0
    return (-(-outputs // line.window) * line.window / max(outputs, 1) + 1.0) / 2.0


def _roundings(line: Line, job: Job) -> int:
    """Count the roundings of a pass: sums over wide windows are in double precision, until they are stored."""
    if line.window > WIDE and job.taps.dtype == np.float32:
        return 2  # that of the result, and all those in double precision
    return additions(line.window) + 1 if 0 < line.window <= NARROW else line.taps.size
