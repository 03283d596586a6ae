"""Items of a Fourier tile computed again where a result was not finite: every output gets what it is due.

A transform spreads whatever is not finite over the whole tile. Therefore samples that are not finite are replaced by
zero, and those that are left scaled so that nothing overflows on the way. Where infinities and NaN belong is found
by counting, also with transforms: how many of them lie under taps that are not zero, positive or negative?
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.engines.base import Block, BlockFunction, Job
from faltung.ground.lazy import lazy

__all__ = ["Spoiled"]


class Spoiled:
    """What repairs spoiled items of a job.

    Parameters
    ----------
    job : Job
        What was asked for.
    outputs : tuple of int
        Outputs of the largest item.
    prepare : callable
        The engine's own, which serves also for this.
    """

    def __init__(self, job: Job, outputs: tuple[int, ...], prepare: Callable[[Job], BlockFunction]) -> None:
        self._job = job
        self._outputs = outputs
        self._prepare = prepare

    def repair(self, source: NDArray[Any], target: NDArray[Any]) -> None:
        """Fill `target` from `source`, which is larger by the halo."""
        samples = source.astype(self._job.taps.dtype)
        finite = np.isfinite(samples)
        result = self._finite(np.where(finite, samples, 0))
        if not finite.all():
            self._place_infinities(samples, result)
        target[...] = _stored(result, target.dtype)

    def _finite(self, samples: NDArray[np.floating]) -> NDArray[np.floating]:
        taps, calm = self._calm
        exponent = int(np.frexp(np.abs(samples).max())[1])
        result = _apply(calm, np.ldexp(samples, -exponent), self._job.taps.shape)
        with np.errstate(over="ignore", under="ignore"):
            restored: NDArray[np.floating] = np.ldexp(result, exponent + taps)
        return restored

    @lazy
    def _calm(self) -> tuple[int, BlockFunction]:
        """The kernel over a power of two that makes the sum of its absolute taps less than one; and the exponent."""
        exponent = int(np.frexp(np.abs(self._job.taps).sum(dtype=np.longdouble))[1])
        return exponent, self._prepared(np.ldexp(self._job.taps, -exponent))

    def _place_infinities(self, samples: NDArray[np.floating], result: NDArray[np.floating]) -> None:
        up, down = samples == np.inf, samples == -np.inf
        positive, negative = self._job.taps > 0, self._job.taps < 0
        plus = self._touched(up, positive) | self._touched(down, negative)
        minus = self._touched(down, positive) | self._touched(up, negative)
        result[plus] = np.inf
        result[minus] = -np.inf
        result[(plus & minus) | self._touched(np.isnan(samples), positive | negative)] = np.nan

    def _touched(self, where: NDArray[np.bool_], taps: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether one of the taps lies on one of the samples, for each output."""
        if not where.any() or not taps.any():
            shape = [n - k + 1 for n, k in zip(where.shape, taps.shape, strict=True)]
            return np.zeros(shape, bool)
        return _apply(self._counter(taps), where.astype(np.float64), taps.shape) > 0.5

    def _counter(self, taps: NDArray[np.bool_]) -> BlockFunction:
        key = taps.tobytes()
        found = self._counters.get(key)
        if found is None:
            found = self._counters[key] = self._prepared(taps.astype(np.float64))
        return found

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


def _stored(values: NDArray[np.floating], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Convert as `faltung.jit.samples.store` does: half to even, saturated, and NaN becomes zero in an integer."""
    with np.errstate(over="ignore"):
        if dtype.kind == "f":
            return values.astype(dtype)
    limits = np.iinfo(dtype)
    rounded = np.rint(values)
    inside = (rounded > float(limits.min)) & (rounded < float(limits.max))
    result = np.zeros(values.shape, dtype)
    result[inside] = rounded[inside].astype(dtype)
    result[rounded <= float(limits.min)] = limits.min
    result[rounded >= float(limits.max)] = limits.max
    return result
