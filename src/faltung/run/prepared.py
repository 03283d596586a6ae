"""Which machine code does a plan run? That of its engines, prepared for each source dtype at first use."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from faltung.engines.base import BlockFunction, Weighing, WeighingFunction
from faltung.engines.catalogue import ENGINES, EXACT, weighing_engine
from faltung.engines.chain import Chain
from faltung.engines.repair import Checked, Repaired
from faltung.engines.spread import can_spread
from faltung.ground.lazy import lazy
from faltung.planning.forms import Form
from faltung.planning.planner import Plan
from faltung.planning.problem import Problem
from faltung.run.missing import Normalised

__all__ = ["Functions", "Prepared"]

Functions = list[BlockFunction]
"""A block function for the real taps, and for complex taps another one for their imaginary parts."""


class Prepared:
    """The block functions of a plan.

    Parameters
    ----------
    plan : Plan
        The plan.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._problem = plan.problem

    @lazy
    def in_place(self) -> Functions:
        """Functions that read the array itself."""
        return self._prepare(self._problem.stored)

    @lazy
    def from_scratch(self) -> Functions:
        """Functions that read gathered blocks in scratch."""
        same = self._problem.extended == self._problem.stored
        return self.in_place if same else self._prepare(self._problem.extended)

    def _prepare(self, source: np.dtype[Any]) -> Functions:
        problem, plan = self._problem, self._plan
        return _functions(problem, problem.forms[plan.form], plan.engines, source, problem.written)

    @lazy
    def weighing(self) -> dict[bool, WeighingFunction]:
        """Functions that sum weights along with samples, for blocks in the array (True) and in scratch (False)."""
        problem, plan = self._problem, self._plan
        engine = weighing_engine(plan.engines)
        if not problem.weighted or plan.weight_engines or engine is None:
            return {}
        sources = {True: problem.stored if problem.readable else problem.extended, False: problem.extended}
        functions = {}
        for in_array, source in sources.items():
            ((job,),) = problem.jobs(problem.forms[plan.form], source, problem.written)
            rule = problem.missing
            weighing = Weighing(rule.skips_nan, rule.masked or rule.graded, rule.graded, plan.least_weight)
            functions[in_array] = engine.prepare_weighing(job, weighing)
        return functions

    @lazy
    def normalised(self) -> Functions:
        """Functions that correlate samples and weights, and make up for the missing samples."""
        plan = self._plan
        return _normalised(plan, plan.form, plan.engines, plan.weight_engines or plan.engines, plan.doubted_weight)


def _normalised(
    plan: Plan, number: int, engines: tuple[str, ...], weight_engines: tuple[str, ...], doubted: float
) -> Functions:
    """Prepare them for a form and its engines; what they doubt is computed again, exactly."""
    problem = plan.problem

    def functions(form: Form, engines: tuple[str, ...], source: np.dtype[Any]) -> Functions:
        return _functions(problem, form, engines, source, problem.number, to_scratch=True)

    def exact(part: int) -> Callable[[], BlockFunction]:
        return lambda: _normalised(plan, 0, (EXACT.name,), (EXACT.name,), 0.0)[part]

    form, weights = problem.forms[number], problem.weights(number)
    values = functions(form, engines, problem.extended)
    (weight,) = functions(weights, weight_engines, problem.weight)
    means: list[Functions] = [[] for _ in values]
    if problem.fills:
        (mean,) = functions(weights, weight_engines, problem.extended)
        means = [[mean, missing] for missing in functions(form, engines, problem.weight)]
    constants = (math.prod(float(step[0].taps.sum()) for step in weights.steps), plan.least_weight, doubted)
    return [
        Normalised(problem, value, weight, means[part], constants, exact(part) if doubted else None)
        for part, value in enumerate(values)
    ]


def _functions(
    problem: Problem,
    form: Form,
    engines: tuple[str, ...],
    source: np.dtype[Any],
    target: np.dtype[Any],
    to_scratch: bool = False,
) -> Functions:
    """Prepare the engines of a form."""
    steps = [
        [ENGINES[name].prepare(job) for job in jobs]
        for name, jobs in zip(engines, problem.jobs(form, source, target, to_scratch), strict=True)
    ]
    if len(steps) == 1:
        return steps[0]
    passes = [(function, factor.taps.shape) for (function,), (factor,) in zip(steps, form.steps, strict=True)]
    chain = Chain(passes, problem.layout.step * problem.number.itemsize, "steps")
    if form.exact or not can_spread(source):
        return [chain]
    (whole,) = problem.jobs(problem.forms[0], source, target, to_scratch)[0]
    return [Repaired(Checked(chain, whole), lambda: EXACT.prepare(whole))]
