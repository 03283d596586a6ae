"""How does a bank over channels run? All kernels at once in registers, or one by one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.engines.catalogue import EXACT
from faltung.ground.lazy import lazy
from faltung.ground.threads import worker_count
from faltung.kernels import Kernel
from faltung.planning.channel_plan import MOST_AXES, ChannelPlan
from faltung.planning.machine import current
from faltung.planning.planner import make_plan
from faltung.planning.problem import Problem
from faltung.run.gathering import address_of
from faltung.run.layer_run import correlate_channels
from faltung.run.rate_run import RateRunner, rate_runner
from faltung.run.tables import memory_layout
from faltung.run.tiled_layer import correlate_in_tiles
from faltung.run.wide_range import mend

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ChannelRunner"]


class ChannelRunner:
    """Runs the plan of a bank over channels.

    Parameters
    ----------
    plan : ChannelPlan
        The plan.
    """

    ready = None

    def __init__(self, plan: ChannelPlan) -> None:
        self._plan = plan

    def run(self, x: NDArray[Any], out: NDArray[Any], workers: int | None, valid: NDArray[Any] | None) -> None:
        """Fill `out`; `valid` is False where a sample is missing."""
        method = self._plan.method
        if method == "winograd" and self._in_tiles(x, out, workers):
            return
        if self._passes is not None and self._passes.run(x, out, workers):
            return
        if method in ("direct", "winograd") or (method == "polyphase" and len(self._plan.layer.axes) <= MOST_AXES):
            if self._direct(x, out, workers):
                return
            if self._has_zeros:
                _apart(self._plan, x, out, workers, valid)
        else:
            _apart(self._plan, x, out, workers, valid)
            if self._plan.bank.in_channels == 1:  # nothing is added to the sum of a kernel
                return
        mend(self._plan, x, out, workers, valid)

    @lazy
    def _passes(self) -> RateRunner | None:
        return rate_runner(self._plan)

    @lazy
    def _taps(self) -> NDArray[Any]:
        """The taps in the number computed with."""
        plan = self._plan
        return plan.whole.taps if plan.whole else plan.taps

    @lazy
    def _has_zeros(self) -> bool:
        return not self._plan.correlated.taps.all()

    def _in_tiles(self, x: NDArray[Any], target: NDArray[Any], workers: int | None) -> bool:
        """Fill the target by Winograd's tiles; return whether it is within the bound."""
        plan = self._plan
        source = _merged(plan, _ordered(plan, _channels_in(plan, x)))
        ordered = _ordered(plan, _channels_out(plan, target))
        number = plan.problem.number
        place = _merged(plan, ordered)
        if place.dtype != number or not np.may_share_memory(place, target):
            place = np.empty(place.shape, number)
        threads = worker_count(workers)
        samples = source.astype(number, copy=False)
        within = correlate_in_tiles(plan.layer, samples, self._taps, None, place, plan.tile, threads)
        if within and not np.may_share_memory(place, target):
            with np.errstate(over="ignore"):
                ordered[...] = place.reshape(ordered.shape)
        return within

    def _direct(self, x: NDArray[Any], target: NDArray[Any], workers: int | None) -> bool:
        """Fill the target; return whether all sums are finite, as far as can be told."""
        plan = self._plan
        source = _merged(plan, _ordered(plan, _channels_in(plan, x)))
        ordered = _ordered(plan, _channels_out(plan, target))
        place = _merged(plan, ordered)
        in_place = np.may_share_memory(place, target)
        if not in_place:  # no single stride leads from image to image: the result is copied later
            place = np.empty(place.shape, place.dtype)
        addresses = address_of(source), memory_layout(source), address_of(place), memory_layout(place)
        divisors = plan.whole.divisors if plan.whole else None
        threads = worker_count(workers)
        finite = correlate_channels(plan.layer, *addresses, self._taps, workers=threads, divisors=divisors)
        if not in_place:
            ordered[...] = place.reshape(ordered.shape)
        return finite


def _moved_first(array: NDArray[Any], axis: int) -> NDArray[Any]:
    """Return an array with one axis before all others; NumPy's function takes as long as to filter a signal."""
    return array.transpose((axis, *range(axis), *range(axis + 1, array.ndim)))


def _channels_in(plan: ChannelPlan, x: NDArray[Any]) -> NDArray[Any]:
    """Return samples, or which of them are valid, with the channels first."""
    return x[np.newaxis] if plan.channel_axis is None else _moved_first(x, plan.channel_axis)


def _channels_out(plan: ChannelPlan, target: NDArray[Any]) -> NDArray[Any]:
    """Return a result with the channels first."""
    if plan.channel_axis is not None:
        return _moved_first(target, plan.channel_axis)
    return target if plan.new_axis else target[np.newaxis]


def _ordered(plan: ChannelPlan, channels_first: NDArray[Any]) -> NDArray[Any]:
    """Put the axes in the order of the machine code: the batch, channels, then the spatial ones."""
    at = plan.channel_axis
    batch, spatial = ([axis + (at is None or axis < at) for axis in axes] for axes in (plan.batch, plan.problem.axes))
    return channels_first.transpose([*batch, 0, *spatial])


def _merged(plan: ChannelPlan, ordered: NDArray[Any]) -> NDArray[Any]:
    """Merge all axes of the batch into one, which may take a copy."""
    count = len(plan.batch)
    return ordered.reshape((math.prod(ordered.shape[:count]), *ordered.shape[count:]))


def _apart(
    plan: ChannelPlan, x: NDArray[Any], target: NDArray[Any], workers: int | None, valid: NDArray[Any] | None
) -> None:
    """Fill the target with sums of channels, each filtered by its kernel."""
    bank = plan.bank
    ins, outs = bank.in_channels, bank.out_channels // plan.question.groups
    channels, results = _channels_in(plan, x), _channels_out(plan, target)
    valids: Any = [None] * len(channels) if valid is None else _channels_in(plan, valid)
    every = [slice(None)] * (results.ndim - 1)
    for place, step in zip(plan.alone(0, 0).problem.axes, plan.question.stride, strict=True):
        every[place] = slice(None, None, step)
    for o, part in enumerate(results):
        first = o // outs * ins
        total: Any = None
        for i in range(ins):
            run = plan.alone(o, i)
            whole = np.empty(run.result_shape, run.problem.result)
            run.runner.run(np.ascontiguousarray(channels[first + i]), whole, workers, valids[first + i])
            outputs = whole[tuple(every)]
            if total is None:
                total = outputs
                continue
            with np.errstate(over="ignore", invalid="ignore"):
                total = np.add(total, outputs, out=total)
        if plan.whole and plan.whole.everywhere and ins > 1:
            divisor = plan.whole.divisors[o]
            total = np.rint(total * divisor) / divisor if divisor > 1 else total
        part[...] = total if total.dtype == part.dtype else _stored(total, part.dtype)


def _stored(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return values in the dtype of the result: rounded half to even, and saturated."""
    values = np.ascontiguousarray(values)
    unit = Kernel(np.ones([1] * max(values.ndim, 1)))
    axes = tuple(range(values.ndim))
    regions = tuple((0, length) for length in values.shape)
    problem = Problem(
        shape=values.shape,
        dtype=values.dtype,
        kernel=unit,
        reflected=False,
        axes=axes,
        modes=("nearest",) * len(axes),
        cval=0.0,
        regions=regions,
        result=dtype,
    )
    result: NDArray[Any] = make_plan(problem, EXACT.name, current())(values)
    return result
