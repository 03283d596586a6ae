"""How long do random problems take beside what their plans predict, with every method that a plan offers?

Named are the problems that are off by more than a factor, in either direction, and take more than 50 microseconds::

    python tests/predictions.py 2000 --seed 1 --large

A machine at work on other things makes everything late: run it on one that is not.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np

import faltung as fa
from problems import Problem, random_problem

#: Seconds up to which a problem is not named, and runs that are measured; the fastest one counts.
BRIEF, RUNS = 5e-5, 5


def measured(problem: Problem) -> Iterator[tuple[fa.Plan, float]]:
    """Yield the plan of every method that is offered, and the seconds that it takes on one core."""
    options = {name: getattr(problem, name) for name in ("mode", "cval", "shape", "axes", "accuracy")}
    offered = fa.plan(problem.x, problem.kernel, dtype=problem.result, **options).candidates
    for method in dict.fromkeys(candidate.method for candidate in offered if candidate.seconds < np.inf):
        plan = fa.plan(problem.x, problem.kernel, dtype=problem.result, method=method, **options)
        out = plan(problem.x, workers=1)
        seconds = []
        for _ in range(RUNS):
            start = time.perf_counter()
            plan(problem.x, out, workers=1)
            seconds.append(time.perf_counter() - start)
        yield plan, min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--factor", type=float, default=5.0)
    arguments = parser.parse_args()
    ratios = []
    for number in range(arguments.count):
        rng = np.random.default_rng([arguments.seed, number])
        problem = random_problem(rng, arguments.large)
        if problem.x.dtype.kind in "fc":
            problem.x[...] = rng.standard_normal(problem.x.shape)  # blocks of other data are computed again
        for plan, seconds in measured(problem):
            ratio = seconds / max(plan.seconds, 1e-9)
            if max(seconds, plan.seconds) > BRIEF:
                ratios.append(ratio)
                if not 1 / arguments.factor <= ratio <= arguments.factor:
                    print(f"problem {number}: {ratio:.3g} of {plan.seconds:.3g} s: {problem}\n{plan}\n", flush=True)
    ends = np.quantile(ratios, [0.01, 0.5, 0.99]) if ratios else []
    print(f"{len(ratios)} plans, time over prediction: {', '.join(f'{end:.2f}' for end in ends)} (1, 50, 99 %)")


if __name__ == "__main__":
    main()
