"""What does running show? Seconds of this machine's units of work, and the fastest way for one problem."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass, field, fields, replace
from functools import partial
from itertools import repeat
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.kernels import Kernel, box, disk, gaussian
from faltung.plan.cost import TYPICAL, Machine
from faltung.plan.machine import current, keep
from faltung.plan.planner import Plan, make_plan
from faltung.plan.problem import Problem
from faltung.plan.wisdom import remember

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Calibration", "Measurement", "calibrate", "calibration", "fastest"]

#: Seconds for which a short call is repeated whenever it is timed.
SLOT = 0.01
#: Times that every probe is timed, in turn with all others, so that a busy moment meets few timings of each.
ROUNDS = 7
#: Weight of what is typical beside one measurement: it decides where measurements say nothing about a unit.
PRIOR = 0.05
#: Relative error beyond which a measurement counts less, as one that something disturbed.
DISTURBED = 0.1
#: A way is tried if it is predicted to take at most so many times as long as the best.
REACH = 10.0
#: Rounds for choosing the fastest way, the seconds after which no other begins, and the lead that ends a race early.
HEATS, PATIENCE, LEAD = 7, 1.0, 2.0


@dataclass(frozen=True)
class Measurement:
    """One problem that was timed.

    Parameters
    ----------
    what : str
        The problem, in words.
    method : str
        The engine that ran.
    amounts : tuple of float
        Units of work of each kind, in the order of the fields of `Machine`.
    seconds : float
        Median time of a call on one core.
    """

    what: str
    method: str
    amounts: tuple[float, ...]
    seconds: float

    def ratio(self, machine: Machine) -> float:
        """Return the predicted over the measured time."""
        return sum(amount * unit for amount, unit in zip(self.amounts, astuple(machine), strict=True)) / self.seconds


@dataclass(frozen=True)
class Calibration:
    """Seconds per unit of work, and the measurements that they were derived from.

    Parameters
    ----------
    machine : Machine
        The seconds.
    measurements : tuple of Measurement
        What was measured.
    saved : bool
        Whether later processes will find the result.
    """

    machine: Machine
    measurements: tuple[Measurement, ...]
    saved: bool = False

    @property
    def errors(self) -> list[float]:
        """Factor by which the prediction of each measurement is off, at least 1."""
        ratios = [measurement.ratio(self.machine) for measurement in self.measurements]
        return [max(ratio, 1 / ratio) for ratio in ratios]

    def __str__(self) -> str:
        """Return units, measurements and errors as a table."""
        units = zip((unit.name for unit in fields(Machine)), astuple(self.machine), strict=True)
        lines = [f"{'unit':<14}seconds"]
        lines += [f"{unit:<14}{value:.2e}" for unit, value in units]
        lines += ["", f"{'engine':<11}{'problem':<42}{'ms':>9}  predicted / measured"]
        lines += [
            f"{m.method:<11}{m.what:<42}{m.seconds * 1e3:>9.3g}  {m.ratio(self.machine):.2f}"
            for m in self.measurements
        ]
        mean = math.exp(sum(map(math.log, self.errors)) / len(self.errors))
        lines += ["", f"predictions are off by a factor of {mean:.2f} on average, {max(self.errors):.2f} at worst"]
        return "\n".join(lines)


def calibrate() -> Machine:
    """Measure this machine on one core, which takes some seconds, and plan with what was found from now on.

    The predicted time of a plan is a sum over units of work, ``sum over u of amount[u] * seconds[u]``. Some forty
    problems are run by engines that differ in what they spend their time on, and the seconds are those
    that predict the times best, by least squares of relative errors. They are saved for later processes, under the
    processor and the version of the package, in the folder of compiled code (``FALTUNG_CACHE``).

    Returns
    -------
    Machine
        Seconds per unit of work.

    Notes
    -----
    Results do not change by more than rounding: another way to the same result may be chosen. Leave the machine alone
    while it is measured.

    Examples
    --------
    >>> import faltung as fa
    >>> machine = fa.calibrate()                                # doctest: +SKIP
    >>> f"{2e-9 / machine.multiply_add:.0f} GFLOP/s a core"     # doctest: +SKIP
    '105 GFLOP/s a core'
    """
    return calibration().machine


@dataclass(frozen=True, eq=False)
class _Probe:
    """A problem that is run by one engine, and what that took each time."""

    what: str
    method: str
    problem: Problem
    times: list[float] = field(default_factory=list)

    def run(self) -> None:
        plan = make_plan(self.problem, self.method, TYPICAL)
        x = _samples(self.problem)
        out = np.empty(self.problem.result_shape, self.problem.result)
        call = partial(plan, x, out, 1)
        call()  # machine code is made here, and the arrays come into the cache
        self.times.append(_seconds(call, _repeats(call)))

    @property
    def measurement(self) -> Measurement:
        # Predictions are sums over units, so one with a second for one unit and nothing for the others counts it.
        free = Machine(*(0.0 for _ in fields(Machine)))
        amounts = tuple(
            make_plan(self.problem, self.method, replace(free, **{unit.name: 1.0})).candidates[0].seconds
            for unit in fields(Machine)
        )
        return Measurement(self.what, self.method, amounts, median(self.times))


def calibration(progress: Callable[[Sequence[_Probe]], Iterable[_Probe]] = iter) -> Calibration:
    """Do what `calibrate` does and return everything that was measured.

    Parameters
    ----------
    progress : callable
        Is given the probes in the order in which they run, and yields them one by one.

    Returns
    -------
    Calibration
        The machine and its measurements.
    """
    probes = _probes()
    for probe in progress(probes * ROUNDS):
        probe.run()
    measurements = tuple(probe.measurement for probe in probes)
    machine = _fitted(measurements)
    return Calibration(machine, measurements, keep(machine))


def fastest(problem: Problem, machine: Machine | None = None) -> Plan:
    """Run a problem in every way that is not predicted to be far behind, and remember which was fastest.

    Parameters
    ----------
    problem : Problem
        What is asked. It is run on random samples.
    machine : Machine, optional
        What predictions are made with; that at hand by default.

    Returns
    -------
    Plan
        The plan for the fastest way.
    """
    machine = current() if machine is None else machine
    candidates = make_plan(problem, "auto", machine).candidates
    within = REACH * candidates[0].seconds
    methods = [candidate.method for candidate in candidates if candidate.seconds <= within < math.inf]
    plans = {method: make_plan(problem, method, machine) for method in methods}
    chosen = _race(problem, plans) if len(plans) > 1 else methods[0]
    remember(problem, chosen)
    return plans[chosen]


def _race(problem: Problem, plans: dict[str, Plan]) -> str:
    """Run all plans in turn, round after round, and return the name of the one with the best time of all."""
    x = _samples(problem)
    mask = np.random.default_rng(1).random(x.shape) < 0.9 if problem.masked else None
    out = np.empty(problem.result_shape, problem.result)
    calls = {method: partial(plan, x, out, None, mask) for method, plan in plans.items()}
    start = perf_counter()
    for call in calls.values():
        call()  # machine code, tables and threads are made here
    repeats = {method: _repeats(call) for method, call in calls.items()}
    best = dict.fromkeys(calls, math.inf)
    for _ in range(HEATS):
        for method, call in calls.items():
            best[method] = min(best[method], _seconds(call, repeats[method]))
        reach = LEAD * min(best.values())
        calls = {method: call for method, call in calls.items() if best[method] <= reach}
        if len(calls) == 1 or perf_counter() - start > PATIENCE:
            break
    return min(best, key=lambda method: best[method])


def _repeats(call: Callable[[], object]) -> int:
    return max(1, math.ceil(SLOT / max(_seconds(call, 1), 1e-7)))


def _seconds(call: Callable[[], object], repeats: int) -> float:
    start = perf_counter()
    for _ in repeat(None, repeats):
        call()
    return (perf_counter() - start) / repeats


def _samples(problem: Problem) -> NDArray[Any]:
    drawn = np.random.default_rng(0).random(problem.shape, np.float32)
    return drawn.astype(problem.dtype) if problem.dtype.kind in "fc" else (100 * drawn).astype(problem.dtype)


# ---- from measurements to a machine


def _fitted(measurements: Sequence[Measurement]) -> Machine:
    """Find the units that predict the measured times best: least squares of relative errors, none of them negative.

    What is typical, as much faster or slower as this machine is on the whole, is one more measurement of each unit.
    """
    amounts = np.array([measurement.amounts for measurement in measurements])
    measured = np.array([measurement.seconds for measurement in measurements])
    typical = np.array(astuple(TYPICAL))
    typical *= np.median(measured / (amounts @ typical))
    shares = amounts * typical / measured[:, None]  # of each unit in the time that was measured
    weights = np.ones(len(measured))
    for _ in range(10):
        # Reweighted, squares of errors become sizes of errors where those are large.
        rows = np.vstack([shares * weights[:, None], PRIOR * np.eye(len(typical))])
        found = _nonnegative(rows, np.concatenate([weights, np.full(len(typical), PRIOR)]))
        errors = np.abs(np.log(np.maximum(shares @ found, 1e-9)))
        weights = 1 / np.sqrt(np.maximum(errors / DISTURBED, 1.0))
    return Machine(*(float(value) for value in found * typical))


def _nonnegative(rows: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Minimise ``|rows @ x - right|`` over ``x >= 0``, one coordinate after the other until none moves.

    Reference: Franc, Hlaváč and Navara, *Sequential coordinate-wise algorithm for the non-negative least squares
    problem*, Computer Analysis of Images and Patterns, 2005.
    """
    normal, projected = rows.T @ rows, rows.T @ right
    x = np.zeros(len(projected))
    for _ in range(10_000):
        before = x.copy()
        for k in range(len(x)):
            x[k] = max(0.0, x[k] - (normal[k] @ x - projected[k]) / normal[k, k])
        if np.abs(x - before).max() <= 1e-9:
            break
    return x


# ---- what is run


def _probes() -> list[_Probe]:
    """List problems of which each spends its time on one unit of work, or on two in another proportion."""
    rng = np.random.default_rng(0)
    listed: list[tuple[str, str, Kernel, tuple[int, ...], str]] = []

    def add(method: str, name: str, kernel: Kernel, *shapes: tuple[int, ...], dtype: str = "float32") -> None:
        listed.extend((method, name, kernel, shape, dtype) for shape in shapes)

    def dense(*shape: int) -> Kernel:
        return Kernel(rng.standard_normal(shape))

    def sparse(count: int, *shape: int) -> Kernel:
        taps = np.zeros(math.prod(shape))
        taps[rng.permutation(taps.size)[:count]] = 1.0
        return Kernel(taps.reshape(shape))
    ...
    return []
