"""How is a local variance computed? From sums of samples and of their squares, less the mean of their tile.

With weights ``w`` that are the taps times the weight of each sample, and any constant ``c``, ::

    variance = sum(w * (x - c)**2) / sum(w) - (sum(w * (x - c)) / sum(w))**2

Where the mean is large beside the spread, both terms would be large and nearly equal for ``c = 0``. The mean of the
samples of a tile is close to all local means in it, and all sums are in double precision.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.ground.extended import Region, extended_block
from faltung.ground.lazy import lazy
from faltung.ground.threads import share, worker_count
from faltung.kernels import Kernel
from faltung.planning.kept import plan_for
from faltung.planning.statistic_plan import StatisticPlan, sums_over

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["StatisticRunner"]

#: Powers of two of samples up to which sums of their squares are neither too large nor too small.
_FAR = 400


class StatisticRunner:
    """Runs the plan of a statistic, tile by tile."""

    ready = None

    def __init__(self, plan: StatisticPlan) -> None:
        self._plan, self._question = plan, plan.question
        kernel = self._question.kernel
        assert isinstance(kernel, Kernel)
        taps = kernel.taps.astype(np.float64)
        self._total = float(taps.sum())
        self._squares = Kernel(taps * taps, kernel.origin)

    def run(self, x: NDArray[Any], out: NDArray[Any], workers: int | None, valid: NDArray[Any] | None) -> None:
        """Fill `out`; `valid` is False where a sample is missing, or its weight."""
        source, target = self._batch_first(x), self._batch_first(out)
        weights = None if valid is None else self._batch_first(valid)

        def work(box: Region) -> None:
            with np.errstate(all="ignore"):  # samples that are not finite, and neighbourhoods without any
                self._fill(box, source, target, weights)

        boxes = [*self._boxes(target.shape)]
        share(work, boxes, worker_count(workers))

    def _batch_first(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a view with the axes of the kernel behind those of the batch, of which there is at least one."""
        axes = self._question.axes
        batch = [axis for axis in range(array.ndim) if axis not in axes]
        moved = array.transpose(*batch, *axes)
        return moved if batch else moved[np.newaxis]

    def _boxes(self, shape: tuple[int, ...]) -> Iterator[Region]:
        """Yield all tiles of the outputs."""
        tile = (1,) * (len(shape) - len(self._plan.tile)) + self._plan.tile
        ranges = [range(0, length, step) for length, step in zip(shape, tile, strict=True)]
        for corner in itertools.product(*ranges):
            yield tuple(
                (start, min(start + step, length)) for start, step, length in zip(corner, tile, shape, strict=True)
            )

    def _fill(self, box: Region, source: NDArray[Any], target: NDArray[Any], weights: NDArray[Any] | None) -> None:
        """Compute one tile."""
        count = len(self._question.axes)
        items, tile = box[:-count], tuple(stop - start for start, stop in box[-count:])
        one = tuple(slice(*bounds) for bounds in items)
        block = self._samples(source[one], box[-count:], self._sums.dtype, self._question.cval)
        weight = self._weights(weights, one, block, box[-count:])
        power = _power_of(block, source.dtype)
        if power:
            block = _times_power(block, -power)
        _centre(block, weight, count)
        arrays = _with_squares(block, weight, self._plan.statistic.pseudo)
        sums = self._summed(arrays, tile)
        if weight is None:
            mean, second = sums
            left = _left(self._squares.taps.sum() / self._total**2)
            if abs(self._total - 1.0) > 1e-15:
                sums /= self._total
        else:
            total, mean, second = sums[0].real, sums[1], sums[2]
            total[total <= self._least] = np.nan
            sums[1:] /= total
            left = 1.0
            if self._plan.statistic.unbiased:
                (used,) = self._summed((weight * weight)[np.newaxis], tile, self._squares)
                left = _left(used.real / total**2)
        value = self._about_mean(mean, second)
        if self._plan.statistic.unbiased:
            value /= left
        if self._plan.statistic.root:
            np.sqrt(value, out=value)
        if power:
            value = _times_power(value, power if self._plan.statistic.root else 2 * power)
        shape = (*(stop - start for start, stop in items), *tile)
        target[(*one, *(slice(*bounds) for bounds in box[-count:]))] = value.reshape(shape)

    @lazy
    def _sums(self) -> Any:
        return self._plan.sums.problem

    @lazy
    def _least(self) -> float:
        """Sum of weights up to which an output is NaN; the share that was asked for is enough, up to rounding."""
        return max(self._question.missing.min_weight * (1 - 1e-12) * self._total, 0.0)

    def _samples(self, source: NDArray[Any], box: Region, dtype: np.dtype[Any], cval: complex) -> NDArray[Any]:
        """Return the samples under the outputs of a tile, with a first axis for the items of the batch."""
        question, count = self._question, len(box)
        lengths = source.shape[-count:]
        correlated = self._plan.problem.correlated
        region = tuple(
            (first + start * step - at, first + (stop - 1) * step - at + size)
            for (start, stop), (first, _), step, at, size in zip(
                box, question.regions, question.stride, correlated.origin, correlated.shape, strict=True
            )
        )
        items = source.shape[:-count]

        def read(spans: tuple[slice, ...]) -> NDArray[Any]:
            part: NDArray[Any] = source[(Ellipsis, *spans)]  # type: ignore[arg-type]
            return part.reshape(-1, *part.shape[len(items) :])

        constant = cval if np.dtype(dtype).kind == "c" else cval.real
        return extended_block(read, int(np.prod(items)), lengths, region, question.modes, constant, dtype)  # type: ignore[arg-type]

    def _weights(
        self, weights: NDArray[Any] | None, one: tuple[slice, ...], block: NDArray[Any], box: Region
    ) -> NDArray[Any] | None:
        """Return the weights of a block, in which missing samples become zero; None if none can be missing."""
        plan = self._plan
        if not plan.problem.weighted:
            return None
        if weights is None:  # all samples are present, also beyond the border
            weight: NDArray[Any] = np.ones(block.shape)
        else:
            weight = self._samples(weights[one], box, np.dtype(np.float64), 1.0)
        if self._question.missing.skips_nan:
            weight[np.isnan(block)] = 0.0
        block[weight == 0.0] = 0.0
        return weight

    def _summed(self, arrays: NDArray[Any], tile: tuple[int, ...], kernel: Kernel | None = None) -> NDArray[Any]:
        """Return the sums of several arrays under every output."""
        question = sums_over(self._question, tile, arrays.shape[0] * arrays.shape[1], kernel)
        sums = plan_for(question)(arrays.reshape(-1, *arrays.shape[2:]).astype(question.dtype, copy=False), workers=1)
        return sums.reshape(*arrays.shape[:2], *tile)  # type: ignore[no-any-return]

    def _about_mean(self, mean: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
        """Return the second moment about the mean, in the place of that about the constant."""
        if mean.dtype.kind != "c":
            np.multiply(mean, mean, out=mean)
        elif self._plan.statistic.pseudo:
            return second - mean * mean  # type: ignore[no-any-return]
        else:
            mean, second = mean.real**2 + mean.imag**2, second.real.copy()
        np.subtract(second, mean, out=second)
        # What is no more than the rounding of its two terms is no spread.
        np.multiply(mean, self._plan.sums.error, out=mean)
        np.copyto(second, 0.0, where=second <= mean)
        return second


def _power_of(block: NDArray[Any], stored: np.dtype[Any]) -> int:
    """Return the power of two that samples are divided by, so that their squares can be added up; mostly 0."""
    if stored.itemsize < (16 if stored.kind == "c" else 8):
        return 0  # squares of single precision are within double precision
    sizes = np.abs(block.real) if block.dtype.kind != "c" else np.maximum(np.abs(block.real), np.abs(block.imag))
    exponent = int(np.frexp(np.where(sizes < np.inf, sizes, 0.0).max(initial=0.0))[1])
    return exponent if abs(exponent) > _FAR else 0


def _times_power(values: NDArray[Any], power: int) -> NDArray[Any]:
    if values.dtype.kind != "c":
        return np.asarray(np.ldexp(values, power))
    result = np.empty_like(values)
    result.real, result.imag = np.ldexp(values.real, power), np.ldexp(values.imag, power)
    return result


def _with_squares(samples: NDArray[Any], weight: NDArray[Any] | None, pseudo: bool) -> NDArray[Any]:
    """Return samples and their squares, one array behind the other; and before them the weights, if there are any."""
    first = 0 if weight is None else 1
    arrays = np.empty((first + 2, *samples.shape), samples.dtype)
    arrays[first] = samples
    np.multiply(samples, samples.conj() if samples.dtype.kind == "c" and not pseudo else samples, out=arrays[-1])
    if weight is not None:
        arrays[0] = weight
        arrays[1:] *= weight
    return arrays


def _centre(block: NDArray[Any], weight: NDArray[Any] | None, count: int) -> None:
    """Subtract from the samples of each item a constant that is close to their mean; zero samples of weight zero."""
    spatial = tuple(range(1, count + 1))
    flat = block.reshape(len(block), -1)
    first = flat[:, 0].copy()
    usable = np.isfinite(first) if weight is None else np.isfinite(first) & (weight.reshape(flat.shape)[:, 0] > 0)
    for item in np.flatnonzero(~usable):
        able = np.isfinite(flat[item])
        if weight is not None:
            able &= weight[item].ravel() > 0
        first[item] = flat[item, np.argmax(able)] if able.any() else 0.0
    # The difference to a sample is exact where all samples are equal.
    shape = (-1,) + (1,) * count
    block -= first.reshape(shape)
    if weight is not None:
        block[weight == 0.0] = 0.0
    mean = block.mean(axis=spatial, keepdims=True)
    if not np.isfinite(mean).all():
        mean = np.where(np.isfinite(block), block, 0.0).mean(axis=spatial, keepdims=True)
    block -= mean
    if weight is not None:
        block[weight == 0.0] = 0.0


def _left(share: Any) -> Any:
    """Return the share of the weights that is left beside the mean; NaN where all are of a single sample."""
    left = 1.0 - np.asarray(share)
    return np.where(left < 1e-12, np.nan, left)
