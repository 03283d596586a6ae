"""What will run for a bank? Its kernels one by one, or together: by shared transforms, or from shared filters."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from faltung.engines.base import Line, Task, Work
from faltung.engines.catalogue import BY_PASSES, BY_SPECTRA, EXACT
from faltung.errors import ArgumentError
from faltung.ground.lazy import lazy
from faltung.kernels.basis import Basis, shared_basis
from faltung.planning.cost import Machine, seconds
from faltung.planning.forms import cropped
from faltung.planning.planner import METHODS, Candidate, Plan, chosen_first, make_plan
from faltung.planning.problem import Problem
from faltung.planning.report import describe_bank

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faltung.kernels.bank import Bank

__all__ = ["BankPlan", "make_bank_plan"]

#: Most separable filters that a bank is made of.
MOST_FILTERS = 32


@dataclass(frozen=True, eq=False)
class BankPlan:
    """The answer to a bank of kernels over one array; it is called, printed and kept like a `Plan`.

    Parameters
    ----------
    bank : Bank
        The kernels.
    together : Problem
        What is asked, with a kernel that covers the support of all.
    plans : tuple of Plan
        The plan of each kernel by itself.
    method : {'apart', 'fourier', 'basis'}
        Whether each kernel is applied by itself, all share the transform of each tile, or all are combinations of the
        same separable filters.
    candidates : tuple of Candidate
        Everything considered, the chosen one first.

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
    together: Problem
    plans: tuple[Plan, ...]
    method: str
    candidates: tuple[Candidate, ...]

    #: How it is carried out; the module that does it stands rungs higher and puts itself here.
    execute: ClassVar[Callable[[BankPlan, Any, Any, int | None, Any], NDArray[Any]]]

    def __call__(self, x: Any, out: Any = None, workers: int | None = None, mask: Any = None) -> NDArray[Any]:
        """Carry out the plan on an array of the planned shape and dtype.

        Parameters
        ----------
        x : array_like
            The input.
        out : ndarray, optional
            Where to put the result, which has a first axis for the kernels.
        workers : int, optional
            Number of threads.
        mask : array_like, optional
            Which samples are there, if the plan was made with a mask.

        Returns
        -------
        ndarray
            The result, which is `out` if that was given.
        """
        return BankPlan.execute(self, x, out, workers, mask)

    @property
    def result_shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        return (len(self.plans), *self.together.result_shape)

    @lazy
    def taps(self) -> NDArray[np.float64]:
        """Taps of all kernels in the axes of the layout and the support of all."""
        sizes = self.together.layout.sizes
        order = np.argsort(self.together.axes)
        support = self.together.correlated
        return np.stack([cropped(p.problem.given, support).transpose(order).reshape(sizes) for p in self.plans])

    @lazy
    def basis(self) -> Basis | None:
        """Separable filters that all kernels are combinations of, if there are so few that it pays."""
        taps, problem = self.taps, self.together
        if np.iscomplexobj(taps):
            return None
        flat = math.prod(taps.shape[1:-2]) == 1 and min(taps.shape[-2:]) > 1
        if not flat or (taps >= 0).all(axis=tuple(range(1, taps.ndim))).any():
            return None  # sums that cancel would not keep what is not negative
        eps = float(np.finfo(problem.number).eps)
        return shared_basis(taps.reshape(len(taps), *taps.shape[-2:]), eps, min(MOST_FILTERS, len(taps)))

    def task(self, source: np.dtype[Any]) -> Task:
        """Return what the kernels have in common, as an engine sees it."""
        problem = self.together
        task = problem.tasks(problem.forms[0], source, problem.written)[0][0]
        return replace(task, taps=np.ascontiguousarray(self.taps[0], problem.number), terms=())

    def filters(self, source: np.dtype[Any]) -> list[Task]:
        """Return the separable filters as tasks."""
        assert self.basis is not None
        task, found = self.task(source), []
        for column, row in zip(self.basis.columns, self.basis.rows, strict=True):
            one = Line(np.ones(1), (), np.ones(1))
            lines = (*[one] * (task.taps.ndim - 2), Line(column, (), column), Line(row, (), row))
            taps = np.multiply.outer(column, row).reshape(task.taps.shape)
            taps = np.ascontiguousarray(taps, task.taps.dtype)
            found.append(
                replace(task, taps=taps, terms=(lines,), faithful=True, target=task.taps.dtype, streamed=False)
            )
        return found

    def __str__(self) -> str:
        """Return the plan as a table."""
        return describe_bank(self)


def make_bank_plan(
    bank: Bank, problems: Sequence[Problem], together: Problem, method: str, machine: Machine
) -> BankPlan:
    """Choose the way with the least predicted time, or take the one asked for.

    Raises
    ------
    ArgumentError
        `method` names no way, or one that cannot do the task.
    """
    if method not in (*METHODS, "apart", "basis"):
        names = ", ".join(map(repr, (*METHODS, "apart", "basis")))
        raise ArgumentError("method", f"one of {names}", repr(method))
    single = "auto" if method in ("apart", "basis", "fourier") else method
    plans = tuple(make_plan(problem, single, machine) for problem in problems)
    found = BankPlan(bank, together, plans, "apart", ())
    options = [_apart(found), _by_transforms(found, machine), _from_filters(found, machine)]
    options.sort(key=lambda option: option.seconds)
    wanted = method if method in ("apart", "fourier", "basis") else "apart"
    chosen = options[0] if method == "auto" else next(option for option in options if option.method == wanted)
    if chosen.reason:
        raise ArgumentError("method", "a way that can do this", repr(method), f"It cannot: {chosen.reason}.")
    return replace(found, method=chosen.method, candidates=chosen_first(chosen, options))


def _apart(plan: BankPlan) -> Candidate:
    engines = tuple(dict.fromkeys(part.engine for part in plan.plans))
    return Candidate("apart", engines, sum(part.candidates[0].seconds for part in plan.plans))


def _refusal(plan: BankPlan) -> str:
    if len(plan.plans) < 2:
        return "there is one kernel only"
    if any(part.problem.correlated.dtype.kind == "c" for part in plan.plans):
        return "a kernel is complex"
    if plan.together.weighted:
        return "samples may be missing"
    return "" if plan.together.direct else "the result is converted on its way"


def _imprecise(plan: BankPlan) -> str:
    pointwise = plan.together.accuracy == "pointwise"
    return "its rounding errors are not bounded point by point" if pointwise else ""


def _by_transforms(plan: BankPlan, machine: Machine) -> Candidate:
    if reason := _refusal(plan) or _imprecise(plan):
        return Candidate("fourier", (), math.inf, reason)
    task = plan.task(plan.together.extended)
    if reason := BY_SPECTRA.accepts(task):
        return Candidate("fourier", (), math.inf, reason)
    one, count = BY_SPECTRA.work(task), len(plan.plans)
    # Two kernels share a transform back, and a tile stands alone where two would share one for a single kernel.
    work = Work(
        transformed=one.transformed * (2 + count) / 2,
        trips=one.trips * count,
        bytes=one.bytes * count,
        calls=one.calls + count,
    )
    return Candidate("fourier", (BY_SPECTRA.name,), seconds(work, plan.together.number, machine))


def _from_filters(plan: BankPlan, machine: Machine) -> Candidate:
    reason = _refusal(plan) or _imprecise(plan)
    if not reason and plan.basis is None:
        reason = "the kernels share no few separable filters"
    if reason:
        return Candidate("basis", (), math.inf, reason)
    filters = plan.filters(plan.together.extended)
    passes = [BY_PASSES.work(task) for task in filters]
    outputs = float(math.prod(plan.result_shape))
    work = Work(
        multiply_adds=outputs * len(filters) * 1.6,
        passed=sum(each.passed for each in passes),
        trips=sum(each.trips for each in passes),
        bytes=outputs * plan.together.written.itemsize,
    )
    return Candidate("basis", (BY_PASSES.name, EXACT.name), seconds(work, plan.together.number, machine))
