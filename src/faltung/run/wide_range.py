"""What if outputs are put together of several sums, and one of these overflows? They are computed in a wider range.

Engines put right a sum whose terms overflow. But some outputs are differences or quotients of sums, which may
overflow though the output does not: those of complex taps on complex samples, those of missing samples, and those of
several channels.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.engines.repair import stored
from faltung.kernels import Bank, Kernel
from faltung.kernels.taps import TapArray
from faltung.planning.channel_plan import ChannelPlan, make_channel_plan
from faltung.planning.machine import current
from faltung.planning.planner import Plan, make_plan

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["mend"]


def mend(
    plan: Plan | ChannelPlan, x: NDArray[Any], out: NDArray[Any], workers: int | None, valid: NDArray[Any] | None
) -> None:
    """Compute outputs that are not finite again, if finite samples are so large that sums of them may overflow.

    Parameters
    ----------
    plan : Plan or ChannelPlan
        The plan that filled the outputs.
    x, out, workers, valid
        The arguments of its runner.
    """
    if _all_finite(out):
        return
    exponent = _exponent(plan.bank.taps if isinstance(plan, ChannelPlan) else plan.problem.kernel.taps)
    if not _reaches(x, plan.problem.number, exponent):
        return
    if plan.problem.number == np.float32:
        exponent = 0
    wide = _wider(plan, exponent)
    values = np.empty(out.shape, wide.problem.result)
    wide.runner.run(x, values, workers, valid)
    bad = ~np.isfinite(out) if out.dtype.kind in "fc" else np.ones(out.shape, bool)
    out[bad] = _scaled(values[bad], exponent, out.dtype)


def _exponent(taps: TapArray) -> int:
    """Return the exponent of a power of two above the sum of the magnitudes of the taps of an output."""
    sizes = np.abs(taps.real).astype(np.longdouble) + np.abs(taps.imag)
    return int(np.frexp(sizes.sum())[1])


def _all_finite(values: NDArray[Any]) -> bool:
    if values.dtype.kind not in "fc":
        return False
    parts = (values.real, values.imag) if values.dtype.kind == "c" else (values,)
    # Extremes cost less than a sum, and are not numbers if a value is none.
    return all(not part.size or (math.isfinite(part.max()) and math.isfinite(part.min())) for part in parts)


def _reaches(x: NDArray[Any], number: np.dtype[Any], exponent: int) -> bool:
    """Whether sums of finite samples may be too large for a number."""
    if x.dtype.kind not in "fc":
        return False
    largest = 0.0
    for part in (x.real, x.imag) if x.dtype.kind == "c" else (x,):
        sizes = np.abs(part)
        largest = max(largest, float(sizes.max(initial=0.0, where=np.isfinite(sizes))))
    return largest > float(np.ldexp(np.finfo(number).max, -max(exponent, 0)))


def _wider(plan: Plan | ChannelPlan, exponent: int) -> Plan | ChannelPlan:
    """Return the same plan with a result in double precision, and with taps over a power of two."""
    result = np.result_type(plan.problem.result, np.float64) if plan.problem.result.kind in "fc" else np.dtype("f8")
    scale = np.ldexp(1.0, -exponent)
    if isinstance(plan, ChannelPlan):
        bank = Bank(plan.bank.taps * scale, plan.bank.origin)
        return make_channel_plan(replace(plan.question, kernel=bank, result=result), current())
    kernel = plan.problem.kernel
    scaled = Kernel(kernel.taps * scale, kernel.origin)
    return make_plan(replace(plan.problem, kernel=scaled, result=result), "direct", current())


def _scaled(values: NDArray[Any], exponent: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return values times a power of two, in the dtype of the result."""
    with np.errstate(over="ignore", invalid="ignore"):
        if values.dtype.kind != "c":
            return stored(np.ldexp(values, exponent), dtype)
        scaled = np.empty(values.shape, dtype)
        scaled.real, scaled.imag = np.ldexp(values.real, exponent), np.ldexp(values.imag, exponent)
    return scaled
