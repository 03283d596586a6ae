"""Contenders side by side: first each runs alone and results are compared, then the fast ones are timed in turn."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cells import Cell, Run
from measure import MANNERS, Timing, time_in_turn

#: A contender this many times slower than the fastest of its group is not timed in turn.
_FAR = 3.0
#: Seconds of a call that is not repeated alone, and the least seconds of a run that is timed in turn.
_LONG, _SHORT = 1.0, 1e-3
#: Seconds for which the calls of a contender are repeated alone.
_ALONE = 0.01
#: Largest difference of results: for floats relative to the largest possible result, for 8-bit integers in levels,
#: since some libraries truncate where others round, OpenCV computes Gaussians in fixed point, libvips with few bits.
_TOLERANCE, _LEVELS = 1e-4, 4.0


def compare(
    cell: Cell, groups: Sequence[dict[str, Run]], beside: dict[str, Run], seconds: float, rounds: int
) -> dict[str, dict[str, Timing]]:
    """Compare the results of all groups and measure them side by side, in each manner of calling.

    Ratios are relative to the first contender of the first group. The contenders that are not much slower than the
    fastest of their group are timed in turn, together with `beside`, which computes something else. The time of the
    others is that of a few calls alone.
    """
    seconds_alone: dict[str, float] = {}
    expected: NDArray[Any] | None = None
    for name, run in (item for group in groups for item in group.items()):
        result, seconds_alone[name] = alone(run)
        inner = np.asarray(result).reshape(cell.result_shape)[cell.inner].astype(np.float64)
        expected = inner if expected is None else expected
        if fault := wrong(cell, name, inner, expected):
            if name in groups[0]:
                raise SystemExit(fault)
            print(f"left out: {fault}", file=sys.stderr)  # the time of another result means nothing
            del seconds_alone[name]
    groups = [{name: run for name, run in group.items() if name in seconds_alone} for group in groups]
    first = next(iter(groups[0]))
    in_turn = {first: groups[0][first]} | beside
    for group in groups:
        limit = _FAR * min((seconds_alone[name] for name in group), default=0.0)
        in_turn |= {name: run for name, run in group.items() if seconds_alone[name] <= limit}
    slow = {
        name: Timing(time_alone, time_alone / seconds_alone[first], 1) for name, time_alone in seconds_alone.items()
    }
    return {manner: slow | _timed(in_turn, manner, seconds_alone[first], seconds, rounds) for manner in MANNERS}


def _timed(runs: dict[str, Run], manner: str, usual: float, seconds: float, rounds: int) -> dict[str, Timing]:
    """Measure the contenders in one manner; short runs are repeated only where they follow each other anyway."""
    if manner != "in a row":
        return time_in_turn(runs, seconds, rounds, manner=manner)
    count = max(1, round(_SHORT / usual))
    timings = time_in_turn({name: partial(_repeated, run, count) for name, run in runs.items()}, seconds, rounds)
    return {name: Timing(timing.best / count, timing.ratio, timing.runs) for name, timing in timings.items()}


def wrong(cell: Cell, name: str, result: NDArray[np.float64], expected: NDArray[np.float64]) -> str:
    """Return by how much the result of a contender is another one; an empty text if it is the same."""
    largest = np.abs(cell.taps).reshape(len(cell.kernels), -1).sum(axis=1).max()
    tolerance = _LEVELS if cell.dtype == "uint8" else _TOLERANCE * largest
    difference = float(np.abs(result - expected).max())
    return "" if difference <= tolerance else f"{name} is off by {difference:.3g}, more than {tolerance:.3g}: {cell}"


def alone(run: Run) -> tuple[Any, float]:
    """Return the result and the least seconds of a call; the first, which compiles, counts only if it is slow."""
    start = time.perf_counter()
    result = run()
    best = time.perf_counter() - start
    if best > _LONG:
        return result, best
    best, until = float("inf"), time.perf_counter() + _ALONE
    while time.perf_counter() < until:
        start = time.perf_counter()
        result = run()
        best = min(best, time.perf_counter() - start)
    return result, best


def _repeated(run: Run, count: int) -> None:
    for _ in repeat(None, count):
        run()
