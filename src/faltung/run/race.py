"""Which plan is the fastest for a question? All that might be the fastest are run in turns."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import repeat
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.planning.cost import Machine
from faltung.planning.kept import make
from faltung.planning.machine import current
from faltung.planning.planned import Planned
from faltung.planning.planner import make_plan
from faltung.planning.problem import Problem
from faltung.planning.question import Question
from faltung.planning.wisdom import remember

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["fastest", "random_samples", "repeats_of", "seconds_of"]

#: Seconds for which a short call is repeated when it is timed.
SLOT = 0.01
#: A candidate is run if it is predicted to take at most so many times as long as the best.
REACH = 10.0
#: Most rounds of a race; seconds after which no new round begins; lead of the best that drops a candidate.
ROUNDS, PATIENCE, LEAD = 7, 1.0, 2.0


def fastest(question: Question | Problem, machine: Machine | None = None) -> Planned:
    """Run every candidate that is not predicted to be far slower than the best, and remember the fastest.

    Parameters
    ----------
    question : Question or Problem
        The question. Its plans run on random samples.
    machine : Machine, optional
        The machine that times are predicted for; by default this one.

    Returns
    -------
    Planned
        The fastest plan. A method that was asked for by name is not compared with others.
    """
    machine = current() if machine is None else machine
    first = _plan(question, "auto", machine)
    if isinstance(question, Question) and question.method != "auto":
        return first
    within = REACH * first.seconds
    methods = [candidate.method for candidate in first.candidates if candidate.seconds <= within < math.inf]
    plans = {method: _plan(question, method, machine) for method in methods}
    chosen = _race(plans) if len(plans) > 1 else methods[0]
    remember(question, chosen)
    return plans[chosen]


def _plan(question: Question | Problem, method: str, machine: Machine) -> Planned:
    if isinstance(question, Problem):
        return make_plan(question, method, machine)
    return make(question if question.method != "auto" else replace(question, method=method), machine)


def _race(plans: dict[str, Planned]) -> str:
    """Run all plans in turns, round after round, and return the method with the least time."""
    some = next(iter(plans.values()))
    problem = some.problem
    x = random_samples(problem)
    valid = np.random.default_rng(1).random(x.shape) < 0.9
    mask, weights = (valid if given else None for given in (problem.missing.masked, problem.missing.graded))
    out = np.empty(some.result_shape, problem.result)
    calls = {method: partial(plan, x, out, None, mask, weights) for method, plan in plans.items()}
    start = perf_counter()
    for call in calls.values():
        call()  # compiles machine code, makes tables and starts threads
    repeats = {method: repeats_of(call) for method, call in calls.items()}
    best = dict.fromkeys(calls, math.inf)
    for _ in range(ROUNDS):
        for method, call in calls.items():
            best[method] = min(best[method], seconds_of(call, repeats[method]))
        reach = LEAD * min(best.values())
        calls = {method: call for method, call in calls.items() if best[method] <= reach}
        if len(calls) == 1 or perf_counter() - start > PATIENCE:
            break
    return min(best, key=lambda method: best[method])


def repeats_of(call: Callable[[], object]) -> int:
    """Return how often a call is repeated when it is timed."""
    return max(1, math.ceil(SLOT / max(seconds_of(call, 1), 1e-7)))


def seconds_of(call: Callable[[], object], repeats: int) -> float:
    """Return the mean seconds of a call."""
    start = perf_counter()
    for _ in repeat(None, repeats):
        call()
    return (perf_counter() - start) / repeats


def random_samples(problem: Problem) -> NDArray[Any]:
    """Return an array of random samples for a problem; they are the same in every call."""
    drawn = np.random.default_rng(0).random(problem.shape, np.float32)
    return drawn.astype(problem.dtype) if problem.dtype.kind in "fc" else (100 * drawn).astype(problem.dtype)
