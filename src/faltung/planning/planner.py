"""What will run? From a problem to a plan, without touching an array."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from faltung.engines.base import Engine, Task, Work
from faltung.engines.catalogue import ENGINES, EXACT, weighing_engine
from faltung.errors import ArgumentError
from faltung.planning.cost import ALONG, APART, Machine, seconds
from faltung.planning.forms import Form
from faltung.planning.problem import Problem
from faltung.planning.report import describe

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ENGINES", "METHODS", "Candidate", "Plan", "chosen_first", "make_plan"]

#: What ``method=`` takes: the engines by name, and a product applied factor by factor.
METHODS = ("auto", *ENGINES, "passes")


@dataclass(frozen=True)
class Candidate:
    """One way that was considered.

    Parameters
    ----------
    method : str
        Its name: an engine, or ``passes``.
    engines : tuple of str
        The engine of each step.
    seconds : float
        Predicted time on one core; infinite if it cannot do the task.
    reason : str
        Why it was not chosen; empty for the one that was.
    """

    method: str
    engines: tuple[str, ...]
    seconds: float
    reason: str = ""


def chosen_first(chosen: Candidate, others: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Return everything considered, the chosen one first, and of the others why they were not.

    Examples
    --------
    >>> chosen_first(Candidate("direct", (), 1.0), [Candidate("fourier", (), 3.0)])[1].reason
    '3.00 times the predicted time'
    """
    best = max(chosen.seconds, 1e-9)  # nothing is to be done for an empty array
    rejected = [
        replace(other, reason=other.reason or f"{other.seconds / best:.2f} times the predicted time")
        for other in others
        if other is not chosen
    ]
    return (chosen, *rejected)


@dataclass(frozen=True, eq=False)
class Plan:
    """The answer to a problem: which engine runs, on which tiles, and what that is expected to cost.

    A plan is called with an array of the shape and dtype it was made for. It can be printed, pickled and used from
    many threads.

    Parameters
    ----------
    problem : Problem
        What is asked.
    engines : tuple of str
        What was chosen, for each step.
    form : int
        Which of the forms of the problem's kernel they compute.
    tile : tuple of int
        Largest shape of an output tile, for slices, row and column.
    gathers : bool
        Whether tiles reach across the border; otherwise they stop at it, and strips along it are tiles of their own.
    candidates : tuple of Candidate
        Everything considered, the chosen one first.
    error : float
        Bound of the rounding error of an output, relative to the sum of abs(tap) * abs(sample) under it, where
        `pointwise`, and else to the sum of all abs(tap) times the largest abs(sample).
    pointwise : bool
        What `error` is relative to.
    memory : int
        Bytes of scratch for each worker, about.
    weight_engines : tuple of str
        What the weights of samples are correlated with, where samples may be missing; nothing where that is done
        along with the samples.
    least_weight : float
        Share of the whole weight up to which a weight is taken for a rounding error.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> run = fa.plan((4, 5), fa.box(3), dtype="float32")
    >>> run(np.ones((4, 5), dtype="float32")).shape
    (4, 5)
    """

    problem: Problem
    engines: tuple[str, ...]
    form: int
    tile: tuple[int, ...]
    gathers: bool
    candidates: tuple[Candidate, ...]
    error: float
    pointwise: bool
    memory: int
    weight_engines: tuple[str, ...] = ()
    least_weight: float = 0.0

    #: How a plan is carried out; the module that executes plans stands one rung higher and puts itself here.
    execute: ClassVar[Callable[[Plan, Any, Any, int | None, Any], NDArray[Any]]]

    def __call__(self, x: Any, out: Any = None, workers: int | None = None, mask: Any = None) -> NDArray[Any]:
        """Carry out the plan on an array of the planned shape and dtype.

        Parameters
        ----------
        x : array_like
            The input.
        out : ndarray, optional
            Where to put the result.
        workers : int, optional
            Number of threads.
        mask : array_like, optional
            Which samples are there, if the plan was made with a mask.

        Returns
        -------
        ndarray
            The result, which is `out` if that was given.
        """
        return Plan.execute(self, x, out, workers, mask)

    @property
    def engine(self) -> str:
        """The engines of its steps, as text."""
        return " + ".join(self.engines)

    def __str__(self) -> str:
        """Return the plan as a table."""
        return describe(self)


def make_plan(problem: Problem, method: str, machine: Machine) -> Plan:
    """Choose the way with the least predicted time, or take the one asked for.

    Raises
    ------
    ArgumentError
        `method` names no way, or one that cannot do the task.
    """
    if method not in METHODS:
        raise ArgumentError("method", f"one of {', '.join(map(repr, METHODS))}", repr(method))
    options = sorted(_options(problem, machine), key=lambda option: option.candidate.seconds)
    chosen = options[0]
    if method != "auto":
        chosen = next(option for option in options if option.candidate.method == method)
        if chosen.candidate.reason:
            expected = "an engine that can do this"
            raise ArgumentError("method", expected, repr(method), f"It cannot: {chosen.candidate.reason}.")
    others = [option.candidate for option in options if option is not chosen]
    return _plan(problem, chosen, others)


@dataclass(frozen=True)
class _Weights:
    """How samples that may be missing are weighed.

    Parameters
    ----------
    engines : tuple of str
        What weights are correlated with; nothing where that is done along with the samples.
    least : float
        Share of the whole weight up to which a weight is taken for a rounding error.
    seconds : float
        Predicted time that this adds.
    """

    engines: tuple[str, ...] = ()
    least: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class _Option:
    """A candidate with what a plan of it needs."""

    candidate: Candidate
    form: int = 0
    steps: list[list[Task]] = field(default_factory=list)
    work: Work = field(default_factory=Work)
    weights: _Weights = field(default_factory=_Weights)


def _options(problem: Problem, machine: Machine) -> Iterable[_Option]:
    """Every way there is, those that are impossible with the reason why."""
    if 0 in problem.result_shape:
        for method in METHODS[1:]:
            yield _Option(Candidate(method, (EXACT.name,), 0.0), steps=[[]])
        return
    source = problem.stored if problem.readable else problem.extended
    for number, form in enumerate(problem.forms):
        steps = problem.tasks(form, source, problem.written)
        if number == 0:
            for name in ENGINES:
                yield _option(problem, name, (name,), number, steps, machine)
            continue
        engines = tuple(_cheapest(step[0], machine) for step in steps)
        yield _option(problem, "passes", engines, number, steps, machine)
    if len(problem.forms) == 1:
        yield _Option(Candidate("passes", (), math.inf, "the kernel is not a product of several"))


def _cheapest(task: Task, machine: Machine) -> str:
    able = [name for name, engine in ENGINES.items() if not engine.accepts(task)]
    return min(able, key=lambda name: seconds(ENGINES[name].work(task), task.taps.dtype, machine))


def _option(
    problem: Problem,
    method: str,
    engines: tuple[str, ...],
    form: int,
    steps: list[list[Task]],
    machine: Machine,
) -> _Option:
    pairs = [(ENGINES[name], task) for name, tasks in zip(engines, steps, strict=True) for task in tasks]
    reason = next((text for text in (engine.accepts(task) for engine, task in pairs) if text), "")
    if reason:
        return _Option(Candidate(method, engines, math.inf, reason))
    work = _total([engine.work(task) for engine, task in pairs], problem.forms[form])
    tiles = math.prod(
        -(-extent // max(most, 1)) for extent, most in zip(pairs[0][1].extents, _tile(pairs), strict=True)
    )
    work = replace(work, calls=work.calls + len(pairs) * tiles)
    if problem.accuracy == "pointwise" and not work.pointwise:
        reason = "its rounding errors are not bounded point by point"
        return _Option(Candidate(method, engines, math.inf, reason))
    weights = _weigh(problem, engines, form, steps, work, machine) if problem.weighted else _Weights()
    predicted = seconds(work, problem.number, machine) + weights.seconds
    return _Option(Candidate(method, engines, predicted), form, steps, work, weights)


def _total(works: list[Work], form: Form) -> Work:
    amplified = max(1.0, form.amplified)
    return Work(
        multiply_adds=sum(work.multiply_adds for work in works),
        scattered=sum(work.scattered for work in works),
        passed=sum(work.passed for work in works),
        summed=sum(work.summed for work in works),
        transformed=sum(work.transformed for work in works),
        trips=sum(work.trips for work in works),
        bytes=max(work.bytes for work in works),
        calls=sum(work.calls for work in works),
        roundings=amplified * sum(work.roundings for work in works),
        pointwise=all(work.pointwise for work in works) and amplified == 1.0,
        scratch=sum(work.scratch for work in works),
    )


def _weigh(
    problem: Problem, engines: tuple[str, ...], form: int, steps: list[list[Task]], work: Work, machine: Machine
) -> _Weights:
    """Choose how samples are weighed where an option is taken."""
    outputs = float(math.prod(stop - start for start, stop in problem.layout.regions) * problem.layout.step)
    simple = problem.dtype.kind != "c" and problem.correlated.dtype.kind != "c"
    weighing = weighing_engine(engines)
    if weighing is not None and simple and weighing.weighs(steps[0][0]):
        added = Work(multiply_adds=ALONG * work.multiply_adds, trips=outputs)
        return _Weights(seconds=seconds(added, problem.number, machine))
    weights = problem.weights(form)
    if weights is not problem.forms[form]:
        (task,) = problem.tasks(weights, problem.number, problem.number)[0]
        engines = (_cheapest(task, machine),)
        work = ENGINES[engines[0]].work(task)
    added = replace(work, bytes=0.0, trips=work.trips + APART * outputs)
    least = 0.0 if work.pointwise else work.roundings * float(np.finfo(problem.number).eps) / 2
    return _Weights(engines, least, seconds(added, problem.number, machine))


def _plan(problem: Problem, chosen: _Option, others: list[Candidate]) -> Plan:
    engines = [ENGINES[name] for name in chosen.candidate.engines]
    pairs = [(engine, step[0]) for engine, step in zip(engines, chosen.steps, strict=True) if step]
    tile = _tile(pairs) if pairs else problem.layout.sizes
    gathers = any(engine.gathers(task) for engine, task in pairs)
    halo = math.prod(length + size - 1 for length, size in zip(tile, problem.layout.sizes, strict=True))
    unit = float(np.finfo(problem.number).eps) / 2
    return Plan(
        problem=problem,
        engines=chosen.candidate.engines,
        form=chosen.form,
        tile=tile,
        gathers=gathers,
        candidates=chosen_first(chosen.candidate, others),
        error=(1 + chosen.work.roundings * unit) * (1 + _rounding_stored(problem)) - 1,
        pointwise=chosen.work.pointwise,
        memory=int(halo * problem.layout.step * problem.extended.itemsize + chosen.work.scratch),
        weight_engines=chosen.weights.engines,
        least_weight=chosen.weights.least,
    )


def _tile(pairs: list[tuple[Engine, Task]]) -> tuple[int, ...]:
    # The step with the smallest tiles knows why.
    return min((engine.tile(task) for engine, task in pairs), key=math.prod)


def _rounding_stored(problem: Problem) -> float:
    """Return the rounding of the store, where the result is a float narrower than the number computed with."""
    if problem.result.kind not in "fc" or np.finfo(problem.result).eps <= np.finfo(problem.number).eps:
        return 0.0
    return float(np.finfo(problem.result).eps) / 2
