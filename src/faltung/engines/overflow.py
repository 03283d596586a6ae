"""May terms overflow though their sum does not? Then outputs are computed again in a wider range.

Two terms of 5e38 and -5e38 are infinities in single precision, and their sum is not a number. So code that adds up
such terms says if an output is not finite. If a finite sample is so large that a sum of it may overflow, the outputs
that are not finite are computed again: those in single precision in double, those in double with taps over a power of
two, by which they are multiplied afterwards. A sum that is too large itself becomes an infinity of the right sign.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np

from faltung.engines.base import Block, BlockFunction, Job
from faltung.engines.chain import packed
from faltung.engines.repair import stored, view
from faltung.ground import scratch
from faltung.ground.lazy import lazy

__all__ = ["Widened", "can_overflow"]

#: Taps whose magnitudes add up to this much are a mean up to rounding: their sums are no larger than the samples.
MEAN = 1.0 + 1e-4


def can_overflow(job: Job) -> bool:
    """Return whether a term, or the sum of some terms, may be too large for the number computed with.

    Examples
    --------
    >>> taps = np.array([[1, -1]], "f4")
    >>> job = Job(taps, (), True, 1, np.dtype("f4"), np.dtype("f4"), (4, 4), False)
    >>> mean, integers = replace(job, taps=taps / 2), replace(job, source=np.dtype("i2"))
    >>> can_overflow(job), can_overflow(mean), can_overflow(integers)
    (True, False, False)
    """
    total = np.abs(job.taps).sum(dtype=np.longdouble)
    if job.taps.dtype == np.float32:  # their sum is within double precision
        return float(total) / MEAN > _ratio(job.taps.dtype, job.source)
    with np.errstate(over="ignore"):
        return float(total) / MEAN > _ratio(job.taps.dtype, job.source)


@cache
def _ratio(number: np.dtype[np.floating], source: np.dtype) -> float:
    """Return the largest number over the largest sample."""
    samples = np.finfo(source).max if source.kind == "f" else np.iinfo(source).max
    return float(np.finfo(number).max) / float(samples)


class Widened:
    """Computes outputs of a block again, of which some are not finite.

    Parameters
    ----------
    job : Job
        What is computed.
    prepare : callable
        Prepares a function that computes over the non-zero taps alone and repairs nothing.
    again : bool
        Whether the outputs of the block are wrong, or only not finite.
    """

    def __init__(self, job: Job, prepare: Callable[[Job], BlockFunction], again: bool) -> None:
        self._job, self._prepare = job, prepare
        self._again = prepare(job) if again else None
        self._number = job.taps.dtype
        self._can = can_overflow(job)

    def __call__(self, source: int, target: int, block: Block) -> None:
        """Fill the block, or mend it."""
        if self._again is not None:
            self._again(source, target, block)
        if not (self._can and self._reaches(source, block)):
            return
        job, (exponent, wide) = self._job, self._wide
        strides, size = packed(block.shape, 8 * job.step)
        buffer, address = scratch.take("widened", 2 * size)
        shape = (*block.shape[:-1], block.shape[-1] * job.step)
        both = []
        for place, run, dtype in ((address, self._plain, self._number), (address + size, wide, np.dtype(np.float64))):
            run(source, place, Block(block.source_strides, strides, block.shape))
            both.append(view(place, strides, shape, dtype))
        sums, wider = both
        bad = ~np.isfinite(sums)
        results = view(target, block.target_strides, shape, job.target)
        with np.errstate(over="ignore"):
            results[bad] = stored(np.ldexp(wider[bad], exponent), job.target, job.divided, job.truncated)
        del buffer

    @lazy
    def _plain(self) -> BlockFunction:
        return self._prepare(replace(self._job, target=self._number, streamed=False, division=None))

    @lazy
    def _wide(self) -> tuple[int, BlockFunction]:
        """The function in a wider range, and the exponent of the power of two that its taps were divided by."""
        taps = self._job.taps.astype(np.float64)
        exponent = 0 if self._number == np.float32 else self._exponent
        small = np.ldexp(taps, -exponent)
        wide = replace(self._job, taps=small, target=taps.dtype, streamed=False, division=None)
        return exponent, self._prepare(wide)

    @lazy
    def _exponent(self) -> int:
        """Exponent of a power of two above the sum of the magnitudes of the taps."""
        return int(np.frexp(np.abs(self._job.taps).sum(dtype=np.longdouble))[1])

    @lazy
    def _least(self) -> int:
        """Bits of the least magnitude from which on sums may overflow, without those of the sign."""
        bound = np.ldexp(np.finfo(self._number).max, -self._exponent)
        return int(np.array(bound, self._number).view(f"u{self._number.itemsize}"))

    def _reaches(self, source: int, block: Block) -> bool:
        """Return whether a finite sample is so large that a sum of it may overflow."""
        job = self._job
        if job.source != self._number:
            return True
        bits = np.dtype(f"u{self._number.itemsize}")
        extended = [n + m - 1 for n, m in zip(block.shape, job.taps.shape, strict=True)]
        if not math.prod(extended):
            return False
        extended[-1] *= job.step
        # Without its sign, the bits of a number grow with its magnitude. Those below the least wrap to large ones.
        above = view(source, block.source_strides, tuple(extended), bits) << bits.type(1)
        above -= bits.type(2 * self._least)
        infinite = int(np.array(np.inf, self._number).view(bits))
        return bool((above < bits.type(2 * (infinite - self._least))).any())
