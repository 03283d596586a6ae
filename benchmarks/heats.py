"""Who takes part in the race: everyone runs alone first, results are compared, and who is far behind drops out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cells import Cell, Run
from measure import Timing, race

#: Times the fastest of a group from which on a contender keeps the time that it took alone.
_FAR = 3.0
#: Seconds: a call that takes longer is not repeated alone, and a timed run in the race is no shorter than that.
_LONG, _SHORT = 1.0, 1e-3
#: Seconds for which a contender is repeated alone.
_ALONE = 0.01
#: Difference that is let pass, for floats relative to the largest result that there can be. Of 8-bit numbers some
#: libraries cut off what others round, and OpenCV blurs them in fixed point.
_TOLERANCE, _LEVELS = 1e-4, 2.0


def compete(
    cell: Cell, groups: Sequence[dict[str, Run]], beside: dict[str, Run], seconds: float, rounds: int
) -> dict[str, Timing]:
    """Compare the results of all groups and measure them side by side.

    Ratios refer to the first contender of the first group. Those within reach of the fastest of their group run in
    turn, together with `beside`, which computes something else; for the others a few calls alone must do.
    """
    seconds_alone: dict[str, float] = {}
    expected: NDArray[Any] | None = None
    for name, run in (item for group in groups for item in group.items()):
        result, seconds_alone[name] = alone(run)
        found = np.asarray(result).reshape(cell.result_shape)[cell.inner].astype(np.float64)
        expected = found if expected is None else expected
        check(cell, name, found, expected)
    first = next(iter(groups[0]))
    raced = {first: groups[0][first]} | beside
    for group in groups:
        reach = _FAR * min((seconds_alone[name] for name in group), default=0.0)
        raced |= {name: run for name, run in group.items() if seconds_alone[name] <= reach}
    count = max(1, round(_SHORT / seconds_alone[first]))
    timings = race({name: partial(_repeated, run, count) for name, run in raced.items()}, seconds, rounds)
    return {
        name: Timing(time_alone, time_alone / seconds_alone[first], 1) for name, time_alone in seconds_alone.items()
    } | {name: Timing(timing.best / count, timing.ratio, timing.runs) for name, timing in timings.items()}


def check(cell: Cell, name: str, found: NDArray[np.float64], expected: NDArray[np.float64]) -> None:
    """Stop where a contender did something else: its time would mean nothing."""
    largest = np.abs(cell.taps).reshape(len(cell.kernels), -1).sum(axis=1).max()
    tolerance = _LEVELS if cell.dtype == "uint8" else _TOLERANCE * largest
    difference = float(np.abs(found - expected).max())
    if not difference <= tolerance:
        raise SystemExit(f"{name} is off by {difference:.3g}, more than {tolerance:.3g}: {cell}")


def alone(run: Run) -> tuple[Any, float]:
    """Return the result, and the least seconds of a call; the first, which makes code, counts only if it is slow."""
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
