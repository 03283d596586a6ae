"""How are items of a Fourier tile repaired? They are computed again if a result is not finite, or may be lost.

A transform spreads an infinity or NaN over the whole tile, and the rounding errors of a large sample as well. So
samples are taken apart by their magnitude into *parts*. Each part is transformed by itself, in double precision and
scaled so that nothing overflows, and counts only for outputs that have a sample of it under a non-zero tap::

    samples   1 2 1 1 3 1e20 2 1 ... -> part 0:   0 0 0 0 0 1e20 0 0 ...    for outputs within reach of 1e20
                                        part 1:   1 2 1 1 3 0    2 1 ...    for all

So the error of an output is relative to the samples under it. Samples that are not finite are in no part. How many
infinities and NaN are under positive taps of an output, and how many under negative ones, is found by counting, also
with transforms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.engines.base import Block, BlockFunction, Job
from faltung.engines.fourier.survey import RANGE
from faltung.engines.repair import stored
from faltung.ground.lazy import lazy

__all__ = ["Spoiled", "any_in_windows"]

#: Binary digits between the largest and the smallest sample of a part: those that are lost leave a single all of its
#: own, and a double as many as `RANGE` does.
SINGLE, DOUBLE = 20, 12
#: Taps that are looked at before all of them.
FEW = 16


class Spoiled:
    """Repairs the items of a job.

    Parameters
    ----------
    job : Job
        What is computed.
    outputs : tuple of int
        Outputs of the largest item.
    prepare : callable
        Prepares block functions of the engine that repair nothing.
    """

    def __init__(self, job: Job, outputs: tuple[int, ...], prepare: Callable[[Job], BlockFunction]) -> None:
        self._job = job
        self._outputs = outputs
        self._prepare = prepare

    def mend(self, items: Sequence[tuple[NDArray[Any], NDArray[Any]]]) -> None:
        """Mend the results of items that shared a transform, of which some may be lost beside large samples.

        Parameters
        ----------
        items : sequence of (ndarray, ndarray)
            Samples, which are finite, and results of each item.
        """
        sizes = [np.abs(source.astype(self._job.taps.dtype, copy=False)) for source, _ in items]
        least = max(float(size.max()) for size in sizes) / RANGE
        for (source, target), size in zip(items, sizes, strict=True):
            large = size >= least
            if not self._dense and self._touched_by_some(large).all():
                continue
            near = self._touched(large, self._job.taps != 0)
            if near.all():
                continue
            empty = ~self._touched(size > 0, self._job.taps != 0)
            if (near | empty).all():
                target[empty] = 0
            else:
                self.repair(source, target)

    def repair(self, source: NDArray[Any], target: NDArray[Any]) -> None:
        """Fill `target` from `source`, which is larger by the halo."""
        samples = source.astype(self._job.taps.dtype)
        finite = np.isfinite(samples)
        result = self._part_by_part(np.where(finite, samples, 0).astype(np.float64))
        if not finite.all():
            self._place_infinities(samples, result)
        target[...] = stored(result, target.dtype, self._job.divided, self._job.truncated)

    def _part_by_part(self, samples: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the results of finite samples."""
        digits = SINGLE if self._job.taps.dtype == np.float32 else DOUBLE
        result = np.zeros([n - k + 1 for n, k in zip(samples.shape, self._job.taps.shape, strict=True)])
        exponents, rest = np.frexp(samples)[1], samples != 0
        taps, scaled_down = self._scaled_down
        while rest.any():
            top = int(exponents[rest].max())
            part = rest & (exponents > top - digits)
            rest &= ~part
            values = _apply(scaled_down, np.ldexp(np.where(part, samples, 0), -top), self._job.taps.shape)
            values[~self._touched(part, self._job.taps != 0)] = 0
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                result += np.ldexp(values, top + taps)
        return result

    @lazy
    def _scaled_down(self) -> tuple[int, BlockFunction]:
        """Return an exponent, and the kernel over that power of two, whose sum of absolute taps is less than one."""
        taps = self._job.taps.astype(np.float64)
        exponent = int(np.frexp(np.abs(taps).sum(dtype=np.longdouble))[1])
        return exponent, self._prepared(np.ldexp(taps, -exponent))

    def _place_infinities(self, samples: NDArray[np.floating], result: NDArray[np.floating]) -> None:
        up, down = samples == np.inf, samples == -np.inf
        positive, negative = self._job.taps > 0, self._job.taps < 0
        plus = self._touched(up, positive) | self._touched(down, negative)
        minus = self._touched(down, positive) | self._touched(up, negative)
        result[plus] = np.inf
        result[minus] = -np.inf
        result[(plus & minus) | self._touched(np.isnan(samples), positive | negative)] = np.nan

    def _touched(self, samples: NDArray[np.bool_], taps: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return for each output whether one of these taps is on one of these samples."""
        if not samples.any() or not taps.any():
            shape = [n - k + 1 for n, k in zip(samples.shape, taps.shape, strict=True)]
            return np.zeros(shape, bool)
        if taps.all():
            return any_in_windows(samples, taps.shape)
        return _apply(self._counter(taps), samples.astype(np.float64), taps.shape) > 0.5

    def _touched_by_some(self, samples: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return for each output whether one of a few taps, spread over the kernel, is on one of these samples."""
        touched = np.zeros([n - k + 1 for n, k in zip(samples.shape, self._job.taps.shape, strict=True)], bool)
        for corner in self._some_taps:
            touched |= samples[tuple(slice(k, k + n) for k, n in zip(corner, touched.shape, strict=True))]
        return touched

    @lazy
    def _dense(self) -> bool:
        return bool(self._job.taps.all())

    @lazy
    def _some_taps(self) -> list[tuple[int, ...]]:
        """Positions of some taps that are not zero."""
        positions = np.argwhere(self._job.taps)
        apart = -(-len(positions) // FEW) or 1
        return [tuple(position) for position in positions[apart // 2 :: apart].tolist()]

    def _counter(self, taps: NDArray[np.bool_]) -> BlockFunction:
        key = taps.tobytes()
        counter = self._counters.get(key)
        if counter is None:
            counter = self._counters[key] = self._prepared(taps.astype(np.float64))
        return counter

    @lazy
    def _counters(self) -> dict[bytes, BlockFunction]:
        return {}

    def _prepared(self, taps: NDArray[np.floating]) -> BlockFunction:
        number = taps.dtype
        return self._prepare(
            replace(
                self._job,
                taps=taps,
                terms=(),
                step=1,
                source=number,
                target=number,
                extents=self._outputs,
                streamed=False,
            )
        )


def _apply(run: BlockFunction, samples: NDArray[np.floating], taps: tuple[int, ...]) -> NDArray[np.floating]:
    samples = np.ascontiguousarray(samples)
    result = np.empty([n - k + 1 for n, k in zip(samples.shape, taps, strict=True)], samples.dtype)
    run(samples.ctypes.data, result.ctypes.data, Block(samples.strides[:-1], result.strides[:-1], result.shape))
    return result


def any_in_windows(flags: NDArray[np.bool_], sizes: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return for each window of a size whether one of its flags is set: of two windows first, then of four, ..."""
    for axis, size in enumerate(sizes):
        flags, span = flags.swapaxes(0, axis), 1
        while span < size:
            shift = min(span, size - span)
            flags = flags[:-shift] | flags[shift:]
            span += shift
        flags = flags.swapaxes(0, axis)
    return flags
