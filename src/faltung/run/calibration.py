"""How long does a unit of work take on this machine? Problems are timed, and the units are fitted to the times."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass, field, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.ground.lazy import lazy
from faltung.kernels import Kernel, box, gaussian, log
from faltung.planning.cost import TYPICAL, Machine
from faltung.planning.machine import Kept, current, keep_better
from faltung.planning.planner import make_plan
from faltung.planning.problem import Problem
from faltung.planning.report import shape_text
from faltung.run.race import random_samples, repeats_of, seconds_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Calibration", "Measurement", "Probe", "calibrate", "calibration"]

#: Times that every probe is timed, in turns with all others: a busy moment disturbs few timings of each.
ROUNDS = 7
#: Weight of the typical value of a unit, relative to one measurement: it decides if measurements say nothing.
PRIOR = 0.05
#: Relative error above which a measurement counts less, because something disturbed it.
DISTURBED = 0.1


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
        Least time of a call on one core: interruptions only make a call longer.
    """

    what: str
    method: str
    amounts: tuple[float, ...]
    seconds: float

    def ratio(self, machine: Machine) -> float:
        """Return the predicted over the measured time."""
        predicted: float = np.dot(self.amounts, astuple(machine))
        return predicted / self.seconds


@dataclass(frozen=True)
class Calibration:
    """Seconds per unit of work, and the measurements that they were derived from.

    Parameters
    ----------
    machine : Machine
        The seconds.
    measurements : tuple of Measurement
        The measurements.
    kept : Kept or None
        Whether these figures are in use, and which ones were before.
    """

    machine: Machine
    measurements: tuple[Measurement, ...]
    kept: Kept | None = None

    @property
    def errors(self) -> list[float]:
        """Factor between predicted and measured time of each measurement, at least 1."""
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
    """Measure this machine, which takes some seconds, and use the figures for planning from now on.

    The predicted time of a plan is a sum over units of work, ``sum over u of amount[u] * seconds[u]``. Some forty
    problems with different shares of these units are timed on one core. The seconds are those that predict the times
    best, by least squares of relative errors. They are saved for later processes in the folder of compiled code
    (``FALTUNG_CACHE``), for this processor and this version of the package. If they were measured before, the
    measurement that took less time is kept: other programs only make it longer.

    Returns
    -------
    Machine
        Seconds per unit of work, which plans are made with from now on.

    Notes
    -----
    Results change by rounding at most, because another method may be chosen. Other programs should not run during the
    measurement.

    Examples
    --------
    >>> import faltung as fa
    >>> machine = fa.calibrate()                                # doctest: +SKIP
    >>> f"{2e-9 / machine.multiply_add:.0f} GFLOP/s a core"     # doctest: +SKIP
    '105 GFLOP/s a core'
    """
    calibration()
    return current()


@dataclass(frozen=True, eq=False)
class Probe:
    """A problem that is run by one engine.

    Parameters
    ----------
    what : str
        The problem, in words.
    method : str
        The engine.
    problem : Problem
        The problem.
    times : list of float
        Seconds of a call, once for each run.
    """

    what: str
    method: str
    problem: Problem
    times: list[float] = field(default_factory=list)

    def run(self) -> None:
        """Time a call once more."""
        self._call()  # brings the arrays into the cache
        self.times.append(min(seconds_of(self._call, self._repeats) for _ in range(3)))

    @lazy
    def _call(self) -> Callable[[], object]:
        plan = make_plan(self.problem, self.method, TYPICAL)
        out = np.empty(self.problem.result_shape, self.problem.result)
        call = partial(plan, random_samples(self.problem), out, 1)
        call()  # compiles machine code
        return call

    @lazy
    def _repeats(self) -> int:
        return repeats_of(self._call)

    @property
    def measurement(self) -> Measurement:
        """The measurement so far."""
        # Predictions are sums over units: a machine with one second for one unit and none for the others counts it.
        free = Machine(*(0.0 for _ in fields(Machine)))
        machines = (replace(free, **{unit.name: 1.0}) for unit in fields(Machine))
        plans = (make_plan(self.problem, self.method, machine) for machine in machines)
        return Measurement(self.what, self.method, tuple(plan.seconds for plan in plans), min(self.times))


def calibration(progress: Callable[[Sequence[Probe]], Iterable[Probe]] = iter) -> Calibration:
    """Do the same as `calibrate`, and return all measurements.

    Parameters
    ----------
    progress : callable
        Takes the probes in the order in which they run, and yields them one by one.

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
    typical = math.exp(sum(math.log(measurement.seconds) for measurement in measurements) / len(measurements))
    return Calibration(machine, measurements, keep_better(machine, typical))


# ---- from measurements to a machine


def _fitted(measurements: Sequence[Measurement]) -> Machine:
    """Return the machine that predicts the measured times best: non-negative least squares of relative errors.

    One more measurement of each unit is its typical value, scaled by the median speed of this machine.
    """
    amounts = np.array([measurement.amounts for measurement in measurements])
    measured = np.array([measurement.seconds for measurement in measurements])
    typical = np.array(astuple(TYPICAL))
    typical *= np.median(measured / (amounts @ typical))
    shares = amounts * typical / measured[:, None]  # of each unit in the measured time
    weights = np.ones(len(measured))
    for _ in range(10):
        # With these weights, large errors count by their size and not by their square.
        rows = np.vstack([shares * weights[:, None], PRIOR * np.eye(len(typical))])
        scales = _nonnegative(rows, np.concatenate([weights, np.full(len(typical), PRIOR)]))
        errors = np.abs(np.log(np.maximum(shares @ scales, 1e-9)))
        weights = 1 / np.sqrt(np.maximum(errors / DISTURBED, 1.0))
    return Machine(*(float(value) for value in scales * typical))


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


# ---- the problems that are run

_SMALL, _MIDDLE, _LARGER, _LARGE = (64, 64), (512, 512), (1024, 1024), (2048, 2048)
_SIGNAL, _VOLUME = (300_000,), (64, 64, 64)

#: Problems that spend their time on different units of work, or on two units in different proportions: engine, name
#: and arguments of the kernel, shape and dtype of the array.
_PROBES: tuple[tuple[str, str, tuple[float, ...], tuple[int, ...], str], ...] = (
    ("direct", "dense", (3, 3), (16, 16), "float32"),
    ("direct", "dense", (3, 3), _SMALL, "float32"),
    ("direct", "dense", (3, 3), _MIDDLE, "float32"),
    ("direct", "dense", (3, 3), _LARGE, "float32"),
    ("direct", "dense", (3, 3), _LARGE, "uint8"),
    ("direct", "dense", (5, 5), _LARGER, "float32"),
    ("direct", "dense", (7, 7), _MIDDLE, "float32"),
    ("direct", "dense", (7, 7), _MIDDLE, "uint8"),
    ("direct", "dense", (7, 7), _MIDDLE, "float64"),
    ("direct", "dense", (15, 15), (256, 256), "float32"),
    ("direct", "dense", (15, 15), _MIDDLE, "float32"),
    ("direct", "dense", (5, 5, 5), _VOLUME, "float32"),
    ("direct", "dense", (31,), _SIGNAL, "float32"),
    ("direct", "dense", (101,), _SIGNAL, "float32"),
    ("direct", "sparse", (60, 21, 21), _MIDDLE, "float32"),
    ("direct", "sparse", (120, 31, 31), _MIDDLE, "float32"),
    ("direct", "sparse", (60, 21, 21), _LARGER, "uint8"),
    ("separable", "Gaussian", (1,), _SMALL, "float32"),
    ("separable", "Gaussian", (1,), _MIDDLE, "float32"),
    ("separable", "Gaussian", (1,), _LARGER, "float32"),
    ("separable", "Gaussian", (2,), _MIDDLE, "uint8"),
    ("separable", "Gaussian", (3,), _MIDDLE, "float64"),
    ("separable", "Gaussian", (5,), _MIDDLE, "float32"),
    ("separable", "Gaussian", (5,), _LARGER, "float32"),
    ("separable", "Gaussian", (3,), _LARGE, "float32"),
    ("separable", "Gaussian", (10,), _MIDDLE, "float32"),
    ("separable", "LoG", (2,), _MIDDLE, "float32"),
    ("running", "box", (5,), _MIDDLE, "float32"),
    ("running", "box", (9,), _LARGER, "float32"),
    ("running", "box", (9,), _LARGE, "float32"),
    ("running", "box", (15,), _MIDDLE, "uint8"),
    ("running", "box", (31,), _MIDDLE, "float32"),
    ("running", "box", (31,), _LARGER, "uint8"),
    ("running", "box", (101,), _SIGNAL, "float32"),
    ("fourier", "dense", (9, 9), _SMALL, "float32"),
    ("fourier", "dense", (9, 9), _MIDDLE, "float32"),
    ("fourier", "dense", (15, 15), _LARGER, "float32"),
    ("fourier", "dense", (31, 31), _MIDDLE, "float32"),
    ("fourier", "dense", (31, 31), _MIDDLE, "float64"),
    ("fourier", "dense", (31, 31), _LARGE, "float32"),
    ("fourier", "dense", (63, 63), _LARGER, "float32"),
    ("fourier", "dense", (101,), _SIGNAL, "float32"),
    ("fourier", "dense", (2001,), _SIGNAL, "float32"),
)


def _probes() -> list[Probe]:
    """Return the problems of the table, with the same random taps every time."""
    rng = np.random.default_rng(0)
    probes = []
    for method, name, arguments, shape, dtype in _PROBES:
        text, kernel = _kernel(name, arguments, len(shape), rng)
        problem = _problem(kernel, shape, np.dtype(dtype))
        probes.append(Probe(f"{text} on {shape_text(shape)} {dtype}", method, problem))
    return probes


def _kernel(name: str, arguments: tuple[Any, ...], ndim: int, rng: np.random.Generator) -> tuple[str, Kernel]:
    """Return the text and the kernel of a row of the table."""
    if name == "dense":
        return f"dense {shape_text(arguments)}", Kernel(rng.standard_normal(arguments))
    if name == "sparse":
        count, *shape = arguments
        taps = np.zeros(shape)
        taps.flat[rng.permutation(taps.size)[:count]] = 1.0
        taps.flat[[0, -1]] = 1.0
        return f"sparse {shape_text(shape)}", Kernel(taps)
    named: dict[str, Callable[..., Kernel]] = {"Gaussian": gaussian, "LoG": log, "box": box}
    return f"{name} {arguments[0]:g}", named[name](*arguments, ndim=ndim)


def _problem(kernel: Kernel, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Problem:
    return Problem(
        shape=shape,
        dtype=dtype,
        kernel=kernel,
        reflected=False,
        axes=tuple(range(len(shape))),
        modes=("reflect",) * len(shape),
        cval=0.0,
        regions=tuple((0, length) for length in shape),
        result=dtype,
    )
