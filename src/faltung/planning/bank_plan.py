"""What will run for a bank? Its kernels one by one, or together: by a shared transform, or from shared filters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.engines.base import Job, Line, Work
from faltung.engines.catalogue import BY_PASSES, BY_SPECTRA, EXACT
from faltung.engines.rows import tile_count
from faltung.ground.lazy import lazy
from faltung.kernels.basis import Basis, shared_basis
from faltung.planning.cost import Machine, seconds
from faltung.planning.forms import cropped
from faltung.planning.planned import Candidate, Planned, check_method_name, choose, rounding_of_store
from faltung.planning.planner import METHODS, Plan, make_plan
from faltung.planning.problem import Problem
from faltung.planning.question import Question
from faltung.planning.report import Row, bytes_text, scale_text, shape_text, time_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faltung.kernels.bank import Bank

__all__ = ["BANK_METHODS", "BankPlan", "make_bank_plan"]

#: The methods in which kernels share work.
_TOGETHER = ("fourier", "basis")
#: Values of ``method=`` for a bank.
BANK_METHODS = (*METHODS, "apart", "basis")
#: Calls of machine code that take as long as a block with its tables, where kernels share its transforms.
BLOCK = 4.0
#: Most separable filters that the kernels are combinations of.
MOST_FILTERS = 32


@dataclass(frozen=True, eq=False)
class BankPlan(Planned):
    """The plan of a bank of kernels over one array.

    Parameters
    ----------
    bank : Bank
        The kernels.
    problem : Problem
        The problem of a kernel that covers the support of all.
    plans : tuple of Plan
        The plan of each kernel by itself.
    candidates : tuple of Candidate
        All methods, the chosen one first: ``apart``, each kernel by itself; ``fourier``, all kernels share the
        transform of each tile; ``basis``, all are linear combinations of the same separable filters.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> bank = fa.Bank.stack([fa.sobel(axis=0), fa.sobel(axis=1)])
    >>> run = fa.plan((400, 500), bank)
    >>> run.method, run(np.ones((400, 500), dtype="float32")).shape
    ('apart', (2, 400, 500))
    """

    bank: Bank
    problem: Problem
    plans: tuple[Plan, ...]
    candidates: tuple[Candidate, ...] = ()

    @lazy
    def result_shape(self) -> tuple[int, ...]:
        """Shape of the result: the number of kernels, then the shape of the result of one."""
        return (len(self.plans), *self.problem.result_shape)

    @lazy
    def error(self) -> float:
        """Bound of the rounding error of an output of any kernel, relative to what `pointwise` says, as in `Plan`."""
        if self.method == "apart":
            return max(plan.error for plan in self.plans)
        unit = float(np.finfo(self.problem.number).eps) / 2
        return (1 + self._roundings * unit) * (1 + rounding_of_store(self.problem.result, self.problem.number)) - 1

    @property
    def _roundings(self) -> float:
        if self.method == "fourier":
            return BY_SPECTRA.work(self.job(self.problem.extended)).roundings
        # The contributions of filters to a kernel may cancel; their roundings do not.
        assert self.basis is not None
        jobs = self.filters(self.problem.extended)
        sizes = np.array([np.abs(job.taps).sum(dtype=np.float64) for job in jobs])
        totals = np.abs(self.taps).sum(axis=tuple(range(1, self.taps.ndim)))
        amplified = float((np.abs(self.basis.weights) @ sizes / np.where(totals > 0, totals, 1.0)).max())
        return (max(BY_PASSES.work(job).roundings for job in jobs) + len(jobs) + 1) * max(amplified, 1.0)

    @property
    def pointwise(self) -> bool:
        """Whether `error` is relative to the sum of abs(tap) * abs(sample) under each output."""
        return self.method == "apart" and all(plan.pointwise for plan in self.plans)

    @lazy
    def memory(self) -> int:
        """Bytes of scratch for each worker, approximately."""
        if self.method == "apart":
            return max(plan.memory for plan in self.plans)
        number = self.problem.number.itemsize
        if self.method == "fourier":
            job = self.job(self.problem.extended)
            return int(BY_SPECTRA.work(job).scratch * 2 + math.prod(BY_SPECTRA.tile(job)) * job.step * number)
        jobs = self.filters(self.problem.extended)
        return int(math.prod(BY_PASSES.tile(jobs[0])) * jobs[0].step * number * (len(jobs) + 1))

    @property
    def kept_bytes(self) -> int:
        """Bytes that a plan keeps from call to call, approximately."""
        return self._bytes_for(len(self.plans)) + len(self.plans) * self.memory

    def filter_tile(self, filters: Sequence[Job]) -> tuple[int, ...]:
        """Return the tile on which separable filters are combined: what all of them leave stays in the cache."""
        rows, columns = BY_PASSES.tile(filters[0])[-2:]
        columns = min(columns, max(128, (1 << 19) // (rows * len(filters) * filters[0].step)))
        return (*[1] * (filters[0].taps.ndim - 2), rows, columns)

    def rows(self) -> list[Row]:
        """Return what the plan prints, as pairs of a word and a text."""
        problem, chosen = self.problem, self.candidates[0]
        text = {
            "apart": f"one by one, {' and '.join(chosen.engines)}",
            "fourier": "all from one transform of each tile",
            "basis": f"combinations of {len(self.basis.rows) if self.basis else 0} separable filters",
        }
        return [
            (problem.kernel_row[0], f"a bank of {len(self.plans)} kernels"),
            problem.input_row,
            ("output", f"{shape_text(self.result_shape)} {problem.result}, computed in {problem.number}"),
            ("method", f"{self.method}: {text[self.method]}"),
            ("time", f"{time_text(self.seconds)} predicted, on one core"),
            ("memory", f"{bytes_text(self.memory)} of scratch a worker"),
            ("error", f"at most {self.error:.1e} of {scale_text(self.pointwise)}"),
        ]

    @lazy
    def taps(self) -> NDArray[np.float64]:
        """The taps of all kernels, in the axes of the layout and in the support of all."""
        sizes = self.problem.layout.sizes
        order = np.argsort(self.problem.axes)
        support = self.problem.correlated
        return np.stack([cropped(p.problem.given, support).transpose(order).reshape(sizes) for p in self.plans])

    @lazy
    def basis(self) -> Basis | None:
        """Separable filters that all kernels are combinations of, if there are so few that they are cheaper."""
        taps, problem = self.taps, self.problem
        if np.iscomplexobj(taps):
            return None
        flat = math.prod(taps.shape[1:-2]) == 1 and min(taps.shape[-2:]) > 1
        if not flat or (taps >= 0).all(axis=tuple(range(1, taps.ndim))).any():
            return None  # sums that cancel might make an output negative
        eps = float(np.finfo(problem.number).eps)
        return shared_basis(taps.reshape(len(taps), *taps.shape[-2:]), eps, min(MOST_FILTERS, len(taps)))

    def job(self, source: np.dtype[Any]) -> Job:
        """Return the job of the first kernel, which is the same for all except for the taps."""
        problem = self.problem
        job = problem.jobs(problem.forms[0], source, problem.written)[0][0]
        return replace(job, taps=np.ascontiguousarray(self.taps[0], problem.number), terms=())

    def filters(self, source: np.dtype[Any]) -> list[Job]:
        """Return the jobs of the separable filters."""
        assert self.basis is not None
        job, jobs = self.job(source), []
        for column, row in zip(self.basis.columns, self.basis.rows, strict=True):
            one = Line(np.ones(1), (), np.ones(1))
            lines = (*[one] * (job.taps.ndim - 2), Line(column, (), column), Line(row, (), row))
            taps = np.multiply.outer(column, row).reshape(job.taps.shape)
            taps = np.ascontiguousarray(taps, job.taps.dtype)
            jobs.append(replace(job, taps=taps, terms=(lines,), faithful=True, target=job.taps.dtype, streamed=False))
        return jobs


def make_bank_plan(question: Question, machine: Machine) -> BankPlan:
    """Choose the method with the least predicted time, or take the one that was asked for.

    Raises
    ------
    ArgumentError
        `question.method` is no name of a method, or that of one that does not support this question.
    """
    method = question.method
    check_method_name(method, BANK_METHODS)
    single = "auto" if method in ("apart", *_TOGETHER) else method
    problems = [question.problem_of(kernel) for (kernel,) in question.bank]
    plans = tuple(make_plan(problem, single, machine) for problem in problems)
    plan = BankPlan(question.bank, question.problem, plans)
    options = [_apart(plan), _by_transforms(plan, machine), _from_filters(plan, machine)]
    together = method in ("auto", *_TOGETHER) and 0 not in plan.result_shape
    return replace(plan, candidates=choose(options, method if together else "apart", "a method"))


def _apart(plan: BankPlan) -> Candidate:
    engines = tuple(dict.fromkeys(part.engine for part in plan.plans))
    return Candidate("apart", engines, sum(part.seconds for part in plan.plans))


def _refusal(plan: BankPlan) -> str:
    if 0 in plan.result_shape:
        return "the result is empty"
    if len(plan.plans) < 2:
        return "there is only one kernel"
    if any(part.problem.correlated.dtype.kind == "c" for part in plan.plans):
        return "a kernel is complex"
    if plan.problem.weighted:
        return "samples may be missing"
    if any(part.problem.whole for part in plan.plans):
        return "sums of integers are exact, each with a divisor of its own"
    return "" if plan.problem.direct else "the result is converted when it is stored"


def _imprecise(plan: BankPlan) -> str:
    pointwise = plan.problem.accuracy == "pointwise"
    return "its rounding errors are not bounded point by point" if pointwise else ""


def _by_transforms(plan: BankPlan, machine: Machine) -> Candidate:
    if reason := _refusal(plan) or _imprecise(plan):
        return Candidate("fourier", (), math.inf, reason)
    job = plan.job(plan.problem.extended)
    if reason := BY_SPECTRA.shares(job):
        return Candidate("fourier", (), math.inf, reason)
    one, count = BY_SPECTRA.work(job), len(plan.plans)
    # Two kernels share an inverse transform. For a single kernel, two tiles share one; here every tile has its own.
    work = Work(
        transformed=one.transformed * (2 + count) / 2,
        trips=one.trips * count,
        bytes=one.bytes * count,
        calls=BLOCK * tile_count(job.extents, BY_SPECTRA.tile(job)) + count,
    )
    return Candidate("fourier", (BY_SPECTRA.name,), seconds(work, plan.problem.number, machine))


def _from_filters(plan: BankPlan, machine: Machine) -> Candidate:
    reason = _refusal(plan) or _imprecise(plan)
    if not reason and plan.basis is None:
        reason = "the kernels are not combinations of a few separable filters"
    if reason:
        return Candidate("basis", (), math.inf, reason)
    filters = plan.filters(plan.problem.extended)
    passes = [BY_PASSES.work(job) for job in filters]
    outputs = float(math.prod(plan.result_shape))
    work = Work(
        multiply_adds=outputs * len(filters) * 1.6,
        passed=sum(work.passed for work in passes),
        trips=sum(work.trips for work in passes),
        bytes=outputs * plan.problem.written.itemsize,
        calls=(len(filters) + len(plan.plans)) * tile_count(filters[0].extents, plan.filter_tile(filters)),
    )
    return Candidate("basis", (BY_PASSES.name, EXACT.name), seconds(work, plan.problem.number, machine))
