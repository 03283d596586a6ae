"""How does a plan filter a masked array of NumPy? Its mask says which samples are missing, and a mask comes back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ArgumentError
from faltung.ground.arrays import as_array
from faltung.planning.bank_plan import BankPlan
from faltung.planning.channel_plan import ChannelPlan
from faltung.planning.kept import plan_for, plan_problem
from faltung.planning.phase_plan import PhasePlan
from faltung.planning.planned import Planned

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["run_masked"]


def run_masked(plan: Planned, x: Any, out: Any, workers: int | None, mask: Any, weights: Any) -> Any:
    """Run a plan on a masked array; the parameters are those of calling it.

    Returns
    -------
    numpy.ma.MaskedArray
        The result. It is masked where it is not defined, because all samples under the output are missing.
    """
    missing = np.ma.getmask(x)
    found = np.ma.is_masked(x)
    if found and not plan.problem.weighted:
        expected = "an array without masked samples, because this plan was made without a mask"
        raise ArgumentError("x", expected, "a masked array", "Make a plan with mask=True, or use convolve.")
    if plan.problem.missing.masked:
        mask = _valid(missing, mask, x.shape, "mask")
    elif plan.problem.missing.graded and weights is not None:
        weights = _valid(missing, weights, x.shape, "weights")
    data = as_array(np.ma.getdata(x), "x")
    result = plan(data, out, workers, mask, weights)
    undefined: Any = np.ma.nomask if missing is np.ma.nomask else np.zeros(result.shape, bool)
    if plan.problem.weighted:
        # An integer cannot be NaN: for its mask, the same is computed in floats.
        undefined = np.isnan(result if result.dtype.kind in "fc" else _in_floats(plan, data, workers, mask, weights))
    return np.ma.array(result, mask=undefined, copy=False)


def _valid(missing: Any, passed: Any, shape: tuple[int, ...], name: str) -> NDArray[Any]:
    """Return a mask, or weights, with zeros where samples are missing, and what was passed elsewhere."""
    if passed is None:
        return np.broadcast_to(np.logical_not(missing), shape)
    given = as_array(passed, name)
    if missing is np.ma.nomask:
        return given
    try:
        return np.where(missing, given.dtype.type(0), given)
    except ValueError:  # the shapes do not fit, and the check of the mask says so
        return given


def _in_floats(plan: Planned, data: NDArray[Any], workers: int | None, mask: Any, weights: Any) -> NDArray[Any]:
    """Return the result in the dtype that is computed with."""
    if isinstance(plan, BankPlan):
        return np.stack([_in_floats(single, data, workers, mask, weights) for single in plan.plans])
    problem = plan.problem
    if isinstance(plan, ChannelPlan | PhasePlan):
        plan = plan_for(replace(plan.question, result=problem.number))
    else:
        plan = plan_problem(replace(problem, result=problem.number), plan.method)
    result: NDArray[Any] = plan(data, None, workers, mask, weights)
    return result
