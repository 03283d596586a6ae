"""Which plan answers a call? Plans of recent calls are kept: a plan depends on everything but the samples."""

from __future__ import annotations

import numbers
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.arrays import as_array
from faltung.kernels import Bank, Kernel
from faltung.planning.bank_plan import BankPlan, make_bank_plan
from faltung.planning.channel_plan import ChannelPlan, make_channel_plan, spread
from faltung.planning.machine import current, on_change
from faltung.planning.planner import Plan, make_plan
from faltung.planning.question import Asked, axes_of, channel_axis_of, problem_of, steps
from faltung.planning.wisdom import remembered
from faltung.run.calibration import fastest

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MOST_PLANS", "bank_of", "channel_plan", "plan_of", "plans"]

AnyPlan = Plan | BankPlan | ChannelPlan

#: Plans of recent calls, by all their arguments; those for banks hold more than others.
plans: OrderedDict[tuple[Any, ...], AnyPlan] = OrderedDict()
MOST_PLANS = 256


def plan_of(x: NDArray[Any], kernel: Any, asked: Asked, effort: str = "estimate") -> AnyPlan:
    """Plan for these arguments, or take the plan made before for the same."""
    if isinstance(kernel, (Kernel, Bank)):
        taps: Any = kernel.fingerprint
    else:
        if isinstance(kernel, str):
            remedy = "Read an expression with faltung.parse."
            raise ArgumentTypeError("kernel", "a kernel or an array of taps", repr(kernel), remedy)
        kernel = as_array(kernel, "kernel")
        taps = (kernel.shape, kernel.dtype, kernel.tobytes())
    key = (x.shape, x.dtype, taps, asked.key)
    try:
        found = plans.get(key)
    except TypeError:  # an argument that cannot be hashed cannot be right either, and is reported here
        return _made(x, kernel, asked, effort)
    if found is None or effort == "measure":
        found = plans[key] = _made(x, kernel, asked, effort)
        while len(plans) > MOST_PLANS:
            plans.popitem(last=False)
    else:
        try:  # noqa: SIM105  # every call comes through here, and contextlib.suppress takes a microsecond
            plans.move_to_end(key)
        except KeyError:  # another thread has just dropped it
            pass
    return found


on_change(plans.clear)


def _made(x: NDArray[Any], kernel: Any, asked: Asked, effort: str) -> AnyPlan:
    if isinstance(kernel, Bank) and asked.plain:
        return _for_bank(x, kernel, asked)
    bank = bank_of(kernel, asked)
    if bank is not None:
        return make_channel_plan(channel_plan(x, bank, kernel, asked), asked.method, current())
    problem = problem_of(x, kernel, asked)
    if asked.method != "auto":
        return make_plan(problem, asked.method, current())
    return fastest(problem) if effort == "measure" else make_plan(problem, remembered(problem) or "auto", current())


def bank_of(kernel: Any, asked: Asked) -> Bank | None:
    """Return kernels that are added up over channels, or whose outputs or taps lie apart; None for a plain one."""
    if isinstance(kernel, Bank):
        return kernel
    if isinstance(kernel, Kernel):
        # A kernel filters every channel by itself, and so does not mind which axis they have.
        if asked._replace(channel_axis=None).plain:
            return None
        return Bank.stack([kernel])
    if asked.channel_axis is not None:
        if np.ndim(kernel) < 3:
            remedy = "Give a Kernel to filter every channel by itself."
            expected = "a bank, or its taps of shape (channels out, channels in of a group, *spatial)"
            raise ArgumentError("kernel", expected, f"an array of shape {np.shape(kernel)}", remedy)
        return Bank(kernel)
    return None if asked.plain else Bank.stack([Kernel(kernel)])


def _for_bank(x: NDArray[Any], bank: Bank, asked: Asked) -> BankPlan:
    """Plan for a bank of kernels over one array without channels."""
    if bank.in_channels != 1:
        remedy = "Say which axis they are with channel_axis=."
        raise ArgumentError("kernel", "a bank with one channel in", f"one with {bank.in_channels}", remedy)
    problems = [problem_of(x, kernel, asked) for (kernel,) in bank]
    result = np.result_type(*(problem.result for problem in problems))
    # Taps of one everywhere: no rule makes their support smaller.
    together = replace(problem_of(x, Kernel(np.ones(bank.shape), bank.origin), asked), result=result)
    regions, mode, cval = together.regions, together.mode, together.cval
    problems = [replace(p, regions=regions, mode=mode, cval=cval, result=result) for p in problems]
    return make_bank_plan(bank, problems, together, asked.method, current())


def channel_plan(x: NDArray[Any], bank: Bank, kernel: Any, asked: Asked) -> ChannelPlan:
    """Say what a bank over the channels of an array is, or one whose outputs or taps lie apart; not yet how."""
    by_itself = isinstance(kernel, Kernel) or (asked.channel_axis is None and not isinstance(kernel, Bank))
    groups = asked.groups
    if isinstance(groups, bool) or not isinstance(groups, numbers.Integral) or groups < 1:
        raise ArgumentError("groups", "a positive integer", repr(groups))
    stride, dilation = (steps(name, getattr(asked, name), bank.ndim) for name in ("stride", "dilation"))
    channel = None if by_itself else channel_axis_of(asked, x.ndim)
    channels = 1 if channel is None else x.shape[channel]
    if channels != groups * bank.in_channels or bank.out_channels % groups:
        if channel is None:
            remedy = "Say which axis the channels are with channel_axis=."
            received = f"a bank with {bank.in_channels} channels in and groups={groups}"
            raise ArgumentError(
                "kernel", "a bank with one channel in for an array without channels", received, remedy
            )
        expected = f"channels out in {groups} equal groups, and {channels} channels in, which x has on axis {channel}"
        received = f"{bank.out_channels} out and {groups} x {bank.in_channels} in"
        raise ArgumentError("kernel", expected, received)
    # With taps of one everywhere, and as long as they are with the zeros between them.
    cover = spread(Kernel(np.ones(bank.shape, bank.dtype), bank.origin), dilation)
    cover = Kernel(np.ones(cover.shape, bank.dtype), cover.origin)
    together = problem_of(x, cover, asked._replace(axes=axes_of(asked, x.ndim, bank.ndim)))
    new_axis = channel is None and not by_itself
    return ChannelPlan(bank, together, channel, new_axis, stride, dilation, int(groups))
