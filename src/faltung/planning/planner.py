"""What will run? From a problem to a plan, without touching an array."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from faltung.engines.base import Engine, Job, Work
from faltung.engines.catalogue import ENGINES, EXACT, weighing_engine
from faltung.errors import ArgumentError
from faltung.ground.lazy import lazy
from faltung.planning.cost import ALONG, APART, Machine, seconds
from faltung.planning.forms import Form
from faltung.planning.planned import Candidate, Planned, chosen_first, rounding_of_store
from faltung.planning.problem import Problem
from faltung.planning.report import Row, bytes_text, scale_text, shape_text, shortened, time_text

__all__ = ["ENGINES", "METHODS", "Plan", "make_plan"]

#: What ``method=`` takes: the engines by name, and a product applied factor by factor.
METHODS = ("auto", *ENGINES, "passes")


@dataclass(frozen=True, eq=False)
class Plan(Planned):
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

    @property
    def engine(self) -> str:
        """The engines of its steps, as text."""
        return " + ".join(self.engines)

    @lazy
    def result_shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        return self.problem.result_shape

    def rows(self) -> list[Row]:
        """Return what the plan prints, as pairs of a word and a text."""
        problem = self.problem
        rewritten = shortened(repr(problem.correlated)) + _rules(problem.simplified.rules)
        rows = [
            problem.kernel_row,
            problem.input_row,
            ("output", f"{shape_text(problem.result_shape)} {problem.result}, computed in {problem.number}"),
            ("rewritten", rewritten),
        ]
        for number, (engine, step) in enumerate(zip(self.engines, problem.forms[self.form].steps, strict=True), 1):
            rows.append((f"step {number}", f"{engine}, {step[0].text}{', twice' if len(step) > 1 else ''}"))
        if problem.weighted:
            engines = f"by {' + '.join(self.weight_engines)}" if self.weight_engines else "along with the samples"
            rows.append(("missing", f"weights {engines}"))
        border = "across the border" if self.gathers else "and strips along the border"
        return [
            *rows,
            ("tile", f"{shape_text(self.tile)}, {border}"),
            ("time", f"{time_text(self.seconds)} predicted, on one core"),
            ("memory", f"{bytes_text(self.memory)} of scratch a worker"),
            ("error", f"at most {self.error:.1e} of {scale_text(self.pointwise)}"),
        ]


def _rules(rules: tuple[str, ...]) -> str:
    return f" (by {', '.join(dict.fromkeys(rules))})" if rules else ""


def make_plan(problem: Problem, method: str, machine: Machine) -> Plan:
    """Choose the way with the least predicted time, or take the one asked for.

    Raises
    ------
    ArgumentError
        `method` names no way, or one that cannot do the job.
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
    steps: list[list[Job]] = field(default_factory=list)
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
        steps = problem.jobs(form, source, problem.written)
        if number == 0:
            for name in ENGINES:
                yield _option(problem, name, (name,), number, steps, machine)
            continue
        engines = tuple(_cheapest(step[0], machine) for step in steps)
        yield _option(problem, "passes", engines, number, steps, machine)
    if len(problem.forms) == 1:
        yield _Option(Candidate("passes", (), math.inf, "the kernel is not a product of several"))


def _cheapest(job: Job, machine: Machine) -> str:
    able = [name for name, engine in ENGINES.items() if not engine.accepts(job)]
    return min(able, key=lambda name: seconds(ENGINES[name].work(job), job.taps.dtype, machine))


def _option(
    problem: Problem,
    method: str,
    engines: tuple[str, ...],
    form: int,
    steps: list[list[Job]],
    machine: Machine,
) -> _Option:
    pairs = [(ENGINES[name], job) for name, jobs in zip(engines, steps, strict=True) for job in jobs]
    reason = next((text for text in (engine.accepts(job) for engine, job in pairs) if text), "")
    if reason:
        return _Option(Candidate(method, engines, math.inf, reason))
    work = _total([engine.work(job) for engine, job in pairs], problem.forms[form])
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
    problem: Problem, engines: tuple[str, ...], form: int, steps: list[list[Job]], work: Work, machine: Machine
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
        (job,) = problem.jobs(weights, problem.number, problem.number)[0]
        engines = (_cheapest(job, machine),)
        work = ENGINES[engines[0]].work(job)
    added = replace(work, bytes=0.0, trips=work.trips + APART * outputs)
    least = 0.0 if work.pointwise else work.roundings * float(np.finfo(problem.number).eps) / 2
    return _Weights(engines, least, seconds(added, problem.number, machine))


def _plan(problem: Problem, chosen: _Option, others: list[Candidate]) -> Plan:
    engines = [ENGINES[name] for name in chosen.candidate.engines]
    pairs = [(engine, step[0]) for engine, step in zip(engines, chosen.steps, strict=True) if step]
    tile = _tile(pairs) if pairs else problem.layout.sizes
    gathers = any(engine.gathers(job) for engine, job in pairs)
    halo = math.prod(length + size - 1 for length, size in zip(tile, problem.layout.sizes, strict=True))
    unit = float(np.finfo(problem.number).eps) / 2
    return Plan(
        problem=problem,
        engines=chosen.candidate.engines,
        form=chosen.form,
        tile=tile,
        gathers=gathers,
        candidates=chosen_first(chosen.candidate, others),
        error=(1 + chosen.work.roundings * unit) * (1 + rounding_of_store(problem.result, problem.number)) - 1,
        pointwise=chosen.work.pointwise,
        memory=int(halo * problem.layout.step * problem.extended.itemsize + chosen.work.scratch),
        weight_engines=chosen.weights.engines,
        least_weight=chosen.weights.least,
    )


def _tile(pairs: list[tuple[Engine, Job]]) -> tuple[int, ...]:
    # The step with the smallest tiles knows why.
    return min((engine.tile(job) for engine, job in pairs), key=math.prod)
