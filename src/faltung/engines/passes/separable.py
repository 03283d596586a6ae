"""The separable engine: one-dimensional passes over a tile while it is in the cache.

A kernel that is an outer product f1[m1] f2[m2] ... is applied as a pass along each axis, so that it costs the sum of
its sizes and not their product; a kernel of rank r is a sum of r outer products (see `axes`).

The terms of a sum may cancel: then the rounding errors of a pass are relative to the terms, not to their sum. If the
samples of a block are far apart, too, it is computed again (see `spread`), so that a fill value or a bright star does
not touch outputs that no tap connects it with.
"""

from __future__ import annotations

import math

import numpy as np

from faltung.engines.base import BlockFunction, Engine, Job, Work
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
from faltung.engines.passes.factors import amplification
from faltung.engines.passes.paired import mirrored_sign, products
from faltung.kernels.lowrank import SLACK

__all__ = ["Separable"]

#: Bytes between the passes of a block, about; they should stay in the cache.
BETWEEN = 1 << 18
#: Size of a kernel from which strips along the border cost more, for their halo, than they save.
GATHERED = 80
#: Factor by which passes take longer that filter few rows as rows.
LOW = 2.0


class Separable:
    """A pass along each axis for each outer product of a sum."""

    name = "separable"
    exact = False

    def __init__(self, exact_engine: Engine) -> None:
        self._exact_engine = exact_engine

    def accepts(self, job: Job) -> str:
        """Return why not: the kernel must be a sum of outer products with fewer taps in all."""
        if not job.terms:
            return "the kernel is not a sum of few outer products"
        if len(job.terms) > 1 and np.count_nonzero(job.taps) <= len(job.terms):
            return "the kernel has no more taps than terms"
        return "" if job.taps.shape[-1] > 1 or len(_long(job)) > 1 else "the kernel extends along one axis only"

    def tile(self, job: Job) -> tuple[int, ...]:
        """Return wide tiles: columns beside a tile are filtered twice."""
        if taps_of_passes(job):
            return integer_tile(job)
        rows = 8 * strip_rows(job.number)
        return strips(job, rows, BETWEEN // (len(job.terms) * strip_rows(job.number)))

    def gathers(self, job: Job) -> bool:
        """Return whether a strip along the border costs about as much as a tile, since its halo is as wide."""
        return gathers(job, GATHERED)

    def work(self, job: Job) -> Work:
        """Count a multiply-add for each tap of each factor, over the halo of a tile too."""
        numbers = taps_of_passes(job)
        if numbers:
            return integer_work(job, numbers)
        outputs = float(math.prod(job.extents) * job.step)
        tile = self.tile(job)
        widened = halo(job, tile)
        sizes = [[np.count_nonzero(line.taps) for line in term] for term in job.terms]
        efforts = [[products(line.taps) for line in term] for term in job.terms]
        taps = sum(sum(term[:-1]) * widened + term[-1] for term in efforts)
        amplified, pointwise = amplification(job)
        roundings = max(map(sum, sizes)) + job.taps.ndim + 2 * len(sizes) + 2 * SLACK
        return Work(
            passed=taps * outputs * min(narrowed(job, tile), LOW if self._low(job, tile) else math.inf),
            trips=(trips_between(job, len(job.terms)) * widened + 1 + folded(job)) * outputs,
            bytes=(job.source.itemsize + job.target.itemsize) * outputs,
            calls=calls_besides(job, tile, len(sizes)),
            roundings=roundings * amplified,
            pointwise=pointwise,
            whole=len(job.terms) == 1,
        )

    def _low(self, job: Job, tile: tuple[int, ...]) -> bool:
        """Return whether rows are filtered as rows where there are few of them (see `axes`)."""
        wide = tile[-1] * job.step >= strip_rows(job.number)
        return (
            len(job.terms) == 1
            and job.faithful
            and wide
            and not any(mirrored_sign([line.taps]) for line in job.terms[0])
        )

    def prepare(self, job: Job) -> BlockFunction:
        """Compile the passes; the exact engine repairs blocks in which zero taps were multiplied by infinities."""
        numbers = taps_of_passes(job)
        if numbers:
            return IntegerBlock(job, numbers)
        return passes_along_axes(job, self._exact_engine, windows=False)


def _long(job: Job) -> list[int]:
    return [axis for axis, size in enumerate(job.taps.shape) if size > 1]
