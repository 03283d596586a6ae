"""Can a filter that changes the rate be done in passes? An outer product, with a pass of phases along each axis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.ground.lazy import lazy
from faltung.kernels import Kernel
from faltung.kernels.lowrank import SLACK, outer_factors
from faltung.planning.cost import Machine
from faltung.planning.phases_along import axes_of_phases
from faltung.planning.planned import Candidate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faltung.planning.question import Question

__all__ = ["SCRATCH", "RateAxis", "RatePasses", "passes_candidate", "passes_of"]

#: Bytes of scratch for each worker, approximately.
SCRATCH = 1 << 19

#: Trips through the cache of a sample or of an output: tiles are read in place, and vectors hold neighbours.
_TRIPS = 0.5
#: Most taps of a phase: a tile of the shortest period then stays in the cache.
_MOST_TAPS = 4096
#: Most phases along an axis: their taps are a table.
_MOST_PHASES = 4096


@dataclass(frozen=True, eq=False)
class RateAxis:
    """One axis: output ``count * i + p`` has the taps of phase p, from sample ``firsts[p] + step * i`` on.

    Parameters
    ----------
    length : int
        Number of samples.
    outputs : int
        Number of outputs.
    mode : str
        How the array continues beyond its border.
    start : int
        The first sample of the first output that reads one, whatever its phase.
    step : int
        Samples between outputs of the same phase.
    firsts : ndarray of int64, shape (count,)
        First sample of each phase, counted from `start`.
    taps : ndarray, shape (count, size)
        The taps of each phase; those of shorter ones end with zeros.
    """

    length: int
    outputs: int
    mode: str
    start: int
    step: int
    firsts: NDArray[np.int64]
    taps: NDArray[np.floating[Any]]

    @property
    def count(self) -> int:
        """Number of phases."""
        return len(self.firsts)

    @lazy
    def filters(self) -> bool:
        """Whether outputs are other numbers than samples."""
        plain = self.count == self.step == 1 and self.taps.shape[1] == 1 and self.taps[0, 0] == 1.0
        return not (plain and self.start == 0 and self.outputs == self.length)

    def firsts_of(self, outputs: int) -> NDArray[np.int64]:
        """Return the first samples of so many outputs, from one with the first phase on."""
        period, phase = np.divmod(np.arange(outputs), self.count)
        found: NDArray[np.int64] = self.firsts[phase] + self.step * period
        return found

    def reads(self, outputs: int) -> int:
        """Return how many samples so many outputs read, from `start` on."""
        return int(self.firsts_of(outputs).max(initial=0)) + int(self.taps.shape[1])


@dataclass(frozen=True, eq=False)
class RatePasses:
    """A filter that changes the rate, as passes over planes.

    Parameters
    ----------
    rows, columns : RateAxis
        The axes of the planes.
    row : int or None
        The axis of the rows in the array; None for a plane of one row.
    merged : tuple of int
        The axes that are columns together: the last one, and those before it that are not filtered.
    images : tuple of int
        All other axes of the array.
    number : dtype
        The number computed with.
    cval : float
        The value beyond the border of an axis with the mode ``constant``.
    """

    rows: RateAxis
    columns: RateAxis
    row: int | None
    merged: tuple[int, ...]
    images: tuple[int, ...]
    number: np.dtype[Any]
    cval: float

    @lazy
    def error(self) -> float:
        """Bound of the rounding error of an output, relative to the sum of abs(tap) * abs(sample) under it."""
        roundings = sum(int(axis.taps.shape[1]) + 1 for axis in (self.rows, self.columns) if axis.filters)
        return float(roundings + 2 * SLACK) * float(np.finfo(self.number).eps)

    def seconds(self, images: int, machine: Machine) -> float:
        """Return the predicted seconds on one core, for so many planes."""
        rows, columns = self.rows, self.columns
        down = rows.taps.shape[1] * rows.outputs * columns.length if rows.filters else 0
        across = columns.taps.shape[1] * rows.outputs * columns.outputs if columns.filters else 0
        numbers = rows.length * columns.length + rows.outputs * (columns.length + columns.outputs)
        double = self.number.itemsize / 4
        passed = machine.passed * (down + across)
        return double * images * (passed + _TRIPS * machine.trip * numbers) + 4 * machine.call


def passes_of(question: Question) -> RatePasses | str:
    """Return the passes of a question, or the reason why there are none."""
    problem = question.problem
    if not isinstance(question.kernel, Kernel):
        return "it is a bank"
    if problem.dtype.kind == "c" or question.kernel.dtype.kind == "c":
        return "a sample or a tap is complex"
    if problem.weighted or question.statistic:
        return "samples may be missing"
    if problem.result != problem.number or problem.as_c:
        return "the result is converted when it is stored"
    if {*question.dilation} != {1}:
        return "its taps are dilated"
    if not all(problem.shape):
        return "the array is empty"
    return _in_planes(question)


def _in_planes(question: Question) -> RatePasses | str:
    number = question.problem.number
    taps = np.flip(question.kernel.taps) if question.reflected else question.kernel.taps
    taps = taps.astype(np.float64)
    lines = outer_factors(taps, float(np.finfo(number).eps)) if taps.ndim > 1 else (taps,)
    if lines is None or not np.isfinite(taps.astype(number)).all():
        return "the kernel is no outer product"
    rates = _axes(question, lines)
    if isinstance(rates, str):
        return rates
    along = {axis: rate for axis, rate in zip(question.axes, rates, strict=True) if rate.filters}
    last = len(question.shape) - 1
    if not along:
        return "it is a copy"
    if len(along) > 2 or (len(along) == 2 and last not in along):
        return "it has more than two axes, or others than the last ones"
    return _placed(question, along)


def _placed(question: Question, along: dict[int, RateAxis]) -> RatePasses:
    """Return the passes along one axis, or along the last axis and another one."""
    ndim = len(question.shape)
    last = ndim - 1
    before = [axis for axis in along if axis != last] or [last - 1] * (last > 0)
    row = before[0] if before else None
    merged = (last,) if last in along else tuple(range((-1 if row is None else row) + 1, ndim))
    rows = _copied(question) if row is None else along.get(row) or _copied(question, row)
    columns = along.get(last) or _copied(question, *merged)
    images = tuple(axis for axis in range(ndim) if axis != row and axis not in merged)
    return RatePasses(rows, columns, row, merged, images, question.problem.number, float(question.problem.cval.real))


def _axes(question: Question, lines: Any) -> list[RateAxis] | str:
    found = []
    places = zip(question.axes, question.regions, question.stride, question.modes, strict=True)
    for (axis, (start, stop), stride, mode), line, phases in zip(
        places, lines, axes_of_phases(question), strict=True
    ):
        count, size = len(phases.phases), max(1, *(phase.size for phase in phases.phases))
        if size > _MOST_TAPS or count > _MOST_PHASES:
            return "its phases are too long, or too many"
        low = min(phase.sample for phase in phases.phases)
        taps = np.zeros((count, size), question.problem.number)
        for row, phase in zip(taps, phases.phases, strict=True):
            row[: phase.size] = line[phase.first :: phase.every]
        firsts = np.array([phase.sample - low for phase in phases.phases])
        outputs = -(-(stop - start) // stride)
        found.append(RateAxis(question.shape[axis], outputs, mode, low, phases.step, firsts, taps))
    return found


def _copied(question: Question, *axes: int) -> RateAxis:
    """Return an axis along which nothing is filtered, for some axes of the array together."""
    length = math.prod(question.shape[axis] for axis in axes)
    one = np.ones((1, 1), question.problem.number)
    return RateAxis(length, length, "nearest", 0, 1, np.zeros(1, np.int64), one)


def passes_candidate(passes: RatePasses | str, question: Question, machine: Machine) -> Candidate:
    """Return the passes of a question as a method, or the reason why there are none."""
    if isinstance(passes, str):
        return Candidate("polyphase", (), math.inf, passes)
    images = math.prod(question.shape[axis] for axis in passes.images)
    return Candidate("polyphase", (), passes.seconds(images, machine))
