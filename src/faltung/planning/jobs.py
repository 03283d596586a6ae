"""Which jobs do the engines of a form get? Those of its taps, or of whole taps whose sums are divided at the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from faltung.engines.base import Division, Job, Work
from faltung.engines.catalogue import ENGINES
from faltung.jit.samples import MOST_TRUNCATED
from faltung.planning.forms import Form, scaled
from faltung.planning.problem import Problem
from faltung.planning.whole import Whole, whole_form

__all__ = ["jobs_for"]


def jobs_for(
    problem: Problem,
    form: Form,
    engines: Sequence[str],
    source: np.dtype[Any],
    target: np.dtype[Any],
    to_scratch: bool = False,
) -> list[list[Job]]:
    """Return the jobs of each step, as `Problem.jobs` does, for the engines that will do them.

    If samples and results are integers, and all taps whole numbers over a common divisor, results are the exact sums,
    rounded half to even. Engines that only add and multiply then compute exact sums, and the errors of the others are
    below one half. Where single precision has too few digits for that, the jobs are in double.
    """
    plain = problem.jobs(form, source, target, to_scratch)
    whole = problem.whole if target.kind in "iu" or not problem.exact else None
    found = whole_form(form, whole) if whole else None
    if whole is None or found is None:
        return plain
    exact, size = found
    if not problem.exact:
        return _quotients(problem, exact, whole, source, target, to_scratch) or plain
    for number in _numbers(problem, size * whole.largest):
        jobs = problem.jobs(exact, source, target, to_scratch, number, Division(whole.divisor))
        works = [ENGINES[name].work(step[0]) for name, step in zip(engines, jobs, strict=True)]
        way = _way(works, exact, whole, size * whole.largest * float(np.finfo(number).eps))
        if way == "undivided":
            last = scaled(exact.steps[-1][0], 1.0 / whole.divisor)
            undivided = replace(exact, steps=(*exact.steps[:-1], (last,)))
            return problem.jobs(undivided, source, target, to_scratch, number)
        if way == "nearest":
            nearest = Division(whole.divisor, nearest=True)
            return [[replace(job, division=nearest) for job in step] for step in jobs]
        if way:
            return jobs
    return plain


def _quotients(
    problem: Problem, exact: Form, whole: Whole, source: np.dtype[Any], target: np.dtype[Any], to_scratch: bool
) -> list[list[Job]]:
    """Return the jobs whose sums are divided, though they are no integers; none if the taps are exact as they are."""
    if whole.binary or target != problem.written:
        return []
    return problem.jobs(exact, source, target, to_scratch, None, Division(whole.divisor, floats=True))


def _numbers(problem: Problem, largest: float) -> Iterable[np.dtype[Any]]:
    """Return the numbers in which sums of whole numbers up to `largest` may be exact, the fastest first."""
    single, double = np.dtype(np.float32), np.dtype(np.float64)
    if not problem.as_c:
        return dict.fromkeys((problem.number, double))
    small = problem.result.itemsize <= 2 and problem.readable and not problem.rounds_outside(problem.stored)
    return (single, double) if small and largest < MOST_TRUNCATED else (double,)


def _way(works: Sequence[Work], form: Form, whole: Whole, errors: float) -> str:
    """Return how sums become exact results: "divided", "undivided", "nearest"; or an empty string if they do not.

    `errors` is a bound of the sums times the machine epsilon.
    """
    if all(work.whole for work in works):
        if whole.binary and errors <= 2.0:
            return "undivided"  # taps over a power of two, and their sums, are exact as well
        return "divided" if errors <= 1.0 else ""
    roundings = max(1.0, form.amplified) * sum(work.roundings for work in works)
    return "nearest" if whole.everywhere and roundings * errors < 1.0 else ""
