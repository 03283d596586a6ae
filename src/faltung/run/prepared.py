"""Which machine code does a plan run? That of its engines, prepared for each source dtype at first use."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from faltung.engines.base import Block, BlockFunction, Weighing, WeighingFunction
from faltung.engines.catalogue import ENGINES, EXACT, weighing_engine
from faltung.engines.chain import Chain
from faltung.engines.repair import Checked, Repaired
from faltung.engines.spread import can_spread
from faltung.engines.weights.weighed import Weighed
from faltung.ground.lazy import lazy
from faltung.planning.forms import Form
from faltung.planning.jobs import jobs_for
from faltung.planning.planner import Plan
from faltung.planning.problem import Problem
from faltung.run.normalised import Normalised, Part, WeighedBehind

__all__ = ["Functions", "Prepared"]

#: Of the sum of all taps, in units of the machine epsilon, what is not missing but an error of a transform.
ROUNDED = 4.0

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
        if not problem.normalised or plan.weight_engines or engine is None:
            return {}
        sources = {True: problem.source, False: problem.extended}
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
        if not plan.weight_engines:
            return [WeighedBehind(self._problem, _tap_by_tap(plan))]
        if plan.companion is not None:
            return [_with_companion(plan, *plan.companion)]
        return _normalised(plan, plan.form, plan.engines, plan.weight_engines, plan.doubted_weight)


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
    total = math.prod(float(np.abs(step[0].taps).sum()) for step in weights.steps)
    constants = [total, plan.least_weight * total, doubted * total, 0.0, 0.0, 0.0, 0.0]
    if not problem.fills:
        several = [[Part(value, 0, 0), Part(weight, 1, 1)] for value in values]
    else:
        (mean,) = functions(weights, weight_engines, problem.extended)
        missing = functions(form, engines, problem.weight)
        both = [Part(weight, 1, 1), Part(mean, 0, 2)]
        several = [[Part(value, 0, 0), *both, Part(rest, 2, 3)] for value, rest in zip(values, missing, strict=True)]
    sums = "four" if problem.fills else "two"
    if doubted and not problem.fills and problem.dtype.kind != "c":
        return [Normalised(problem, sums, several[0], constants, make_weighed=lambda: _tap_by_tap(plan))]
    return [
        Normalised(problem, sums, parts, constants, exact(part) if doubted else None)
        for part, parts in enumerate(several)
    ]


def _with_companion(plan: Plan, index: int, engine: str) -> BlockFunction:
    """Prepare sums over all taps and over a companion of them; what they doubt is computed again, tap by tap."""
    problem = plan.problem
    form, companion = problem.forms[plan.form], problem.companions[index]
    parts = []
    for plane, source in enumerate((problem.extended, problem.weight)):
        (value,) = _functions(problem, form, plan.engines, source, problem.number, to_scratch=True)
        (other,) = _functions(problem, companion.form, (engine,), source, problem.number, to_scratch=True)
        parts += [Part(value, plane, plane), Part(other, plane, 2 + plane, companion.corner)]
    ((whole,),) = problem.jobs(problem.forms[0], problem.extended, problem.written)
    total = float(np.abs(whole.taps).sum(dtype=np.float64))
    constants = [
        *(total, plan.least_weight * total, plan.doubted_weight * total or -math.inf),
        *(
            _sum_of_taps(problem, parts[2].run),
            ROUNDED * float(np.finfo(problem.number).eps) * total,
        ),
        *(companion.own, companion.other),
    ]
    return Normalised(problem, "companion", parts, constants, make_weighed=lambda: _tap_by_tap(plan))


def _sum_of_taps(problem: Problem, correlate: BlockFunction) -> float:
    """Return the sum of all taps as a block function of weights adds it up where no sample is missing."""
    sizes, step = problem.layout.sizes, problem.layout.step
    ones, sums = np.ones((*sizes[:-1], sizes[-1] * step), problem.weight), np.zeros(step, problem.number)
    strides = (sums.nbytes,) * (len(sizes) - 1)
    correlate(ones.ctypes.data, sums.ctypes.data, Block(ones.strides[:-1], strides, (1,) * len(sizes)))
    return float(sums[0])


def _tap_by_tap(plan: Plan) -> WeighingFunction:
    """Prepare sums of samples along with their weights, over the non-zero taps alone."""
    problem = plan.problem
    ((whole,),) = problem.jobs(problem.forms[0], problem.extended, problem.written)
    weighing = Weighing(False, True, problem.missing.graded, plan.least_weight, multiplied=True)
    return Weighed(whole, weighing, scattered=True)


def _functions(
    problem: Problem,
    form: Form,
    engines: tuple[str, ...],
    source: np.dtype[Any],
    target: np.dtype[Any],
    to_scratch: bool = False,
) -> Functions:
    """Prepare the engines of a form."""
    jobs = jobs_for(problem, form, engines, source, target, to_scratch)
    steps = [[ENGINES[name].prepare(job) for job in step] for name, step in zip(engines, jobs, strict=True)]
    if len(steps) == 1:
        return steps[0]
    passes = [(function, factor.taps.shape) for (function,), (factor,) in zip(steps, form.steps, strict=True)]
    chain = Chain(passes, problem.layout.step * jobs[0][0].taps.itemsize, "steps")
    if form.exact or not can_spread(source):
        return [chain]
    (whole,) = jobs_for(problem, problem.forms[0], (EXACT.name,), source, target, to_scratch)[0]
    return [Repaired(Checked(chain, whole), lambda: EXACT.prepare(whole))]
