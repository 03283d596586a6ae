"""Which plan answers a question? Plans of recent questions are kept: they do not depend on the samples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from faltung.ground.arrays import as_array
from faltung.ground.bounded import Bounded
from faltung.kernels import Bank, Kernel
from faltung.kernels.grid import GridFunction
from faltung.planning.axis_plan import lines_in_turn, make_axis_plan
from faltung.planning.bank_plan import make_bank_plan
from faltung.planning.channel_plan import make_channel_plan
from faltung.planning.cost import Machine
from faltung.planning.machine import current, on_change
from faltung.planning.phase_plan import PhasePlan, make_phase_plan
from faltung.planning.planned import Planned
from faltung.planning.planner import make_plan
from faltung.planning.problem import Problem
from faltung.planning.question import Options, Question, check_no_text, question_of
from faltung.planning.statistic_plan import make_statistic_plan
from faltung.planning.wisdom import remembered

__all__ = ["forget", "keep", "make", "plan_before", "plan_for", "plan_of", "plan_problem"]

#: Most plans that are kept, and most bytes of taps, tables and scratch that belong to them.
MOST_PLANS, MOST_BYTES = 1024, 1 << 26

#: Plans by question; and by the arguments as they were passed, so that they are not checked a second time.
_plans: Bounded[Question, Planned] = Bounded(MOST_PLANS, MOST_BYTES)
_asked: Bounded[tuple[Any, ...], Planned] = Bounded(MOST_PLANS, MOST_BYTES)

#: Plans of problems that other rooms make, such as the filters of tensors.
_solved: Bounded[tuple[Problem, str], Planned] = Bounded(MOST_PLANS, MOST_BYTES)


@np.errstate(all="ignore")  # to know its memory, some kinds of plan plan a part of theirs
def _kept_bytes(plan: Planned) -> int:
    return plan.kept_bytes


def plan_of(shape: tuple[int, ...], dtype: np.dtype[Any], kernel: Any, options: Options) -> Planned:
    """Return the plan for arguments as they were passed."""
    if isinstance(kernel, (Kernel, Bank)):
        taps: Any = kernel.fingerprint
    else:
        check_no_text(kernel)
        kernel = as_array(kernel, "kernel")
        taps = (kernel.shape, kernel.dtype, kernel.tobytes())
    key = (shape, dtype, taps, *options.key)
    try:
        plan = _asked.get(key)
    except TypeError:  # an argument that cannot be hashed is wrong, and `question_of` says so
        return plan_for(question_of(shape, dtype, kernel, options))
    if plan is None:
        plan = _asked.get_or_make(key, lambda: plan_for(question_of(shape, dtype, kernel, options)), _kept_bytes)
    return plan


def plan_before(
    shape: tuple[int, ...], dtype: np.dtype[Any], kernel: Any, reflected: bool, mode: Any, extent: Any, result: Any
) -> Planned | None:
    """Return the plan of a call like one before, which leaves to the defaults what it does not say here, or None.

    Parameters
    ----------
    shape, dtype, kernel
        As for `plan_of`.
    reflected, mode, extent, result
        `reflected`, `mode`, `shape` and `dtype` of its options.
    """
    if isinstance(kernel, GridFunction):
        taps: Any = kernel.fingerprint
    elif type(kernel) is np.ndarray:
        taps = (kernel.shape, kernel.dtype, kernel.tobytes())
    else:
        return None
    try:
        return _asked.get((shape, dtype, taps, reflected, mode, extent, result, None))
    except TypeError:  # an argument that cannot be hashed
        return None


def plan_for(question: Question) -> Planned:
    """Return the plan for a question: the one that is kept, or a new one."""
    return _plans.get_or_make(question, lambda: make(question), _kept_bytes)


def plan_problem(problem: Problem, method: str) -> Planned:
    """Return the plan for a problem without a question: the one that is kept, or a new one."""

    @np.errstate(all="ignore")
    def make_it() -> Planned:
        return make_plan(problem, (remembered(problem) or "auto") if method == "auto" else method, current())

    return _solved.get_or_make((problem, method), make_it, _kept_bytes)


def keep(question: Question, plan: Planned) -> Planned:
    """Keep a plan that was measured to be the fastest, in place of the one before."""
    _asked.clear()  # some of these arguments may be the same question
    return _plans.put(question, plan, _kept_bytes(plan))


def forget() -> None:
    """Drop all plans."""
    _plans.clear()
    _asked.clear()
    _solved.clear()


on_change(forget)


@np.errstate(all="ignore")  # numbers that are out of range are looked for where they matter
def make(question: Question, machine: Machine | None = None) -> Planned:
    """Make a plan; for this machine by default, with the fastest method if it was measured before."""
    if question.statistic:
        return make_statistic_plan(question, plan_for)
    if machine is None:
        machine = current()
        if question.method == "auto" and (method := remembered(question)):
            question = replace(question, method=method)
    if question.spread:
        return make_phase_plan(question, machine)
    if not question.plain:
        return make_channel_plan(question, machine)
    if isinstance(question.kernel, Bank):
        return make_bank_plan(question, machine)
    if (lines := lines_in_turn(question)) is not None:
        return make_axis_plan(question, lines, plan_for)
    return make_plan(question.problem, question.method, machine)


PhasePlan.make_part = staticmethod(make)
