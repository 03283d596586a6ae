"""Run a bank over channels of an array: all at once in registers, or kernel by kernel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ArgumentError
from faltung.ground.arrays import as_array
from faltung.ground.threads import worker_count
from faltung.kernels import Kernel
from faltung.planning.channel_plan import ChannelPlan
from faltung.planning.machine import current
from faltung.planning.planner import make_plan
from faltung.planning.problem import Problem
from faltung.run.gathering import address_of
from faltung.run.kernel_run import check_out, execute
from faltung.run.layer_run import correlate_channels
from faltung.run.tables import lie_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["execute_channels"]


def execute_channels(
    plan: ChannelPlan, x: Any, out: Any = None, workers: int | None = None, mask: Any = None
) -> NDArray[Any]:
    """Carry out the plan of a bank over channels; parameters as for calling one."""
    problem = plan.together
    x = as_array(x, "x")
    if x.shape != problem.shape or x.dtype != problem.dtype:
        expected = f"shape {problem.shape} and dtype {problem.dtype}, for which this plan was made"
        raise ArgumentError("x", expected, f"shape {x.shape} and dtype {x.dtype}", "Make a plan for this array.")
    shape = plan.result_shape
    result = np.empty(shape, problem.result) if out is None else check_out(out, shape, problem.result)
    if not result.size:
        return result
    overlap = out is not None and any(np.may_share_memory(a, result) for a in (x, mask) if a is not None)
    target = np.empty_like(result) if overlap else result
    if plan.method == "apart" or not _direct(plan, x, target, workers):
        _apart(plan, x, target, workers, mask)
    if overlap:
        result[...] = target
    return result


ChannelPlan.execute = staticmethod(execute_channels)


def _direct(plan: ChannelPlan, x: NDArray[Any], target: NDArray[Any], workers: int | None) -> bool:
    """Fill the target; return False where a zero tap may have met something that is not finite."""
    axis = plan.channel_axis
    source = _merged(plan, x[np.newaxis] if axis is None else np.moveaxis(x, axis, 0))
    ordered = _ordered(plan, _many(plan, target))
    place = _merged(plan, _many(plan, target))
    in_place = np.may_share_memory(place, target)
    if not in_place:  # no single step leads from image to image: they are put there later
        place = np.empty(place.shape, place.dtype)
    taps = np.ascontiguousarray(plan.correlated.taps, plan.together.number)
    addresses = address_of(source), lie_of(source), address_of(place), lie_of(place)
    correlate_channels(plan.layer, *addresses, taps, workers=worker_count(workers))
    if not in_place:
        ordered[...] = place.reshape(ordered.shape)
    if plan.correlated.taps.all():
        return True
    if target.dtype.kind == "f":
        return bool(np.isfinite(target).all())
    return math.isfinite(plan.layer.cval) and (source.dtype.kind != "f" or bool(np.isfinite(source).all()))


def _many(plan: ChannelPlan, target: NDArray[Any]) -> NDArray[Any]:
    """Return a result with its channels first."""
    if plan.channel_axis is not None:
        return np.moveaxis(target, plan.channel_axis, 0)
    return target if plan.new_axis else target[np.newaxis]


def _ordered(plan: ChannelPlan, channels_first: NDArray[Any]) -> NDArray[Any]:
    """Put the axes in the order of the machine code: the batch, channels, then the spatial ones."""
    at = plan.channel_axis
    batch, spatial = (
        [axis + (at is None or axis < at) for axis in axes] for axes in (plan.batch, plan.together.axes)
    )
    return channels_first.transpose([*batch, 0, *spatial])


def _merged(plan: ChannelPlan, channels_first: NDArray[Any]) -> NDArray[Any]:
    """Make all axes of the batch one, which may take a copy."""
    ordered = _ordered(plan, channels_first)
    count = len(plan.batch)
    return ordered.reshape((math.prod(ordered.shape[:count]), *ordered.shape[count:]))


def _apart(
    plan: ChannelPlan, x: NDArray[Any], target: NDArray[Any], workers: int | None, mask: NDArray[Any] | None
) -> None:
    """Fill the target with sums of what each kernel makes of its channel."""
    axis, bank = plan.channel_axis, plan.bank
    ins, outs = bank.in_channels, bank.out_channels // plan.groups
    many = _many(plan, target)
    channels = x[np.newaxis] if axis is None else np.moveaxis(x, axis, 0)
    masks: Any = [None] * len(channels)
    if mask is not None:
        masks = mask[np.newaxis] if axis is None else np.moveaxis(mask, axis, 0)
    every = [slice(None)] * (many.ndim - 1)
    for place, step in zip(plan.alone(0, 0).problem.axes, plan.stride, strict=True):
        every[place] = slice(None, None, step)
    for o, part in enumerate(many):
        first = o // outs * ins
        total: Any = None
        for i in range(ins):
            run = plan.alone(o, i)
            found = execute(run, np.ascontiguousarray(channels[first + i]), None, workers, masks[first + i])
            found = found[tuple(every)]
            total = found if total is None else np.add(total, found, out=total)
        part[...] = total if total.dtype == part.dtype else _stored(total, part.dtype)


def _stored(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Convert as every result is converted: rounded half to even, and saturated."""
    values = np.ascontiguousarray(values)
    unit = Kernel(np.ones([1] * max(values.ndim, 1)))
    axes = tuple(range(values.ndim))
    regions = tuple((0, length) for length in values.shape)
    problem = Problem(values.shape, values.dtype, unit, False, axes, "nearest", 0.0, regions, dtype)
    return execute(make_plan(problem, "direct", current()), values)
