"""What will run? A problem becomes a plan by five rules; no array is touched."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from faltung.engines.base import Engine, Job, Work
from faltung.engines.catalogue import ENGINES, EXACT, weighing_engine
from faltung.engines.rows import tile_count
from faltung.ground.bounded import SMALL, Bounded
from faltung.ground.lazy import lazy
from faltung.jit.target import host
from faltung.planning.cost import ALONG, ALONG_SIGNED, APART, Machine, seconds
from faltung.planning.forms import Form
from faltung.planning.jobs import jobs_for
from faltung.planning.likeness import likeness
from faltung.planning.planned import Candidate, Planned, check_method_name, choose, rounding_of_store
from faltung.planning.problem import Problem
from faltung.planning.report import Row, bytes_text, counted, scale_text, shape_text, shortened, time_text

__all__ = ["ENGINES", "METHODS", "Plan", "make_plan"]

#: Values of ``method=``: the engines by name, and ``passes``, the factors of a product one by one.
METHODS = ("auto", *ENGINES, "passes")
#: Share of the whole weight up to which a tile is computed again where errors are not bounded point by point.
DOUBTED = 1 / 64


@dataclass(frozen=True, eq=False)
class Plan(Planned):
    """The plan of a kernel: its engines, its tiles, and its predicted time.

    Parameters
    ----------
    problem : Problem
        The problem that it solves.
    engines : tuple of str
        The engine of each step.
    form : int
        Index of the form of the problem's kernel that they compute.
    tile : tuple of int
        Largest shape of an output tile, for slices, row and column.
    gathers : bool
        Whether tiles reach across the border. If not, they stop at the border, and strips along it are other tiles.
    candidates : tuple of Candidate
        All methods that were considered, the chosen one first.
    error : float
        Bound of the rounding error of an output, relative to the sum of abs(tap) * abs(sample) under it if
        `pointwise`, and to the sum of all abs(tap) times the largest abs(sample) if not. In addition, results may be
        off by the smallest normal number times the sum of all abs(tap), or times one if that is more. Where samples
        are missing, both are divided by the share of the sum of abs(tap) that is present.
    pointwise : bool
        The scale that `error` is relative to.
    levels : float
        Where bytes become bytes by taps of 16 bits: bound of the error of an output in grey levels before it is
        rounded half to even. The scale of `error` is then that of the largest byte. 0 if there is no such error.
    memory : int
        Bytes of scratch for each worker, approximately.
    weight_engines : tuple of str
        Engines that correlate the weights of samples that may be missing; none if weights are summed along with the
        samples.
    companion : tuple of (int, str)
        The companion of the kernel that both are correlated with, by its index in the problem, and its engine.
    least_weight : float
        Share of the whole weight up to which an output is NaN.
    doubted_weight : float
        Share of the whole weight up to which the errors of these engines are not small beside a weight, so that a
        tile is computed again by the engine that is exact; 0 if they are small beside any weight.

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
    levels: float = 0.0
    weight_engines: tuple[str, ...] = ()
    companion: tuple[int, str] | None = None
    least_weight: float = 0.0
    doubted_weight: float = 0.0

    @property
    def engine(self) -> str:
        """The engines of all steps, as text."""
        return " + ".join(self.engines)

    @lazy
    def result_shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        return self.problem.result_shape

    def rows(self) -> list[Row]:
        """Return what the plan prints, as pairs of a word and a text."""
        problem = self.problem
        rewritten = shortened(counted(repr(problem.correlated))) + _rules(problem.simplified.rules)
        rows = [
            problem.kernel_row,
            problem.input_row,
            ("output", f"{shape_text(problem.result_shape)} {problem.result}, computed in {problem.number}"),
            ("rewritten", rewritten),
        ]
        for number, (engine, step) in enumerate(zip(self.engines, problem.forms[self.form].steps, strict=True), 1):
            rows.append((f"step {number}", f"{engine}, {step[0].text}{', twice' if len(step) > 1 else ''}"))
        if problem.normalised:
            engines = f"by {' + '.join(self.weight_engines)}" if self.weight_engines else "along with the samples"
            if self.companion is not None:
                index, engine = self.companion
                engines += f", {problem.companions[index].text} by {engine}"
            rows.append(("missing", f"weights {engines}"))
        scale = f"{scale_text(self.pointwise)}{', divided by the share present' if problem.normalised else ''}"
        levels = f", {self.levels:.2g} grey levels before rounding" if self.levels else ""
        border = "across the border" if self.gathers else "and strips along the border"
        return [
            *rows,
            ("tile", f"{shape_text(self.tile)}, {border}"),
            ("time", f"{time_text(self.seconds)} predicted, on one core"),
            ("memory", f"{bytes_text(self.memory)} of scratch a worker"),
            ("error", f"at most {self.error:.1e} of {scale}{levels}"),
        ]


#: Most choices that are kept for kernels that look the same; a choice has no arrays, and about two kilobytes.
MOST_CHOICES = 4096

_CHOSEN = {field.name for field in fields(Plan)} - {"problem"}
_choices: Bounded[tuple[Any, ...], dict[str, Any]] = Bounded(MOST_CHOICES)


def _rules(rules: tuple[str, ...]) -> str:
    return f" (by {', '.join(dict.fromkeys(rules))})" if rules else ""


def make_plan(problem: Problem, method: str, machine: Machine) -> Plan:
    """Choose the method with the least predicted time, or take the one that was asked for.

    Raises
    ------
    ArgumentError
        `method` is no name of a method, or that of one that does not support this problem.
    """
    check_method_name(method, METHODS)
    look = likeness(problem)
    if look is None:
        return _make(problem, method, machine)
    # Engines and the width of vectors can be exchanged, and the machine calibrated.
    key = (look, method, machine, host(), tuple(ENGINES.values()))
    choice = _choices.get(key)
    if choice is not None:
        return Plan(problem, **choice)
    plan = _make(problem, method, machine)
    _choices.put(key, {name: value for name, value in vars(plan).items() if name in _CHOSEN}, 4 * SMALL)
    return plan


def _make(problem: Problem, method: str, machine: Machine) -> Plan:
    options = [*_options(problem, machine)]
    candidates = choose([option.candidate for option in options], method, "an engine")
    chosen = next(option for option in options if option.candidate is candidates[0])
    return _plan(problem, chosen, candidates)


@dataclass(frozen=True)
class _Weights:
    """How the weights of samples are computed if samples may be missing.

    Parameters
    ----------
    engines : tuple of str
        Engines that correlate the weights; none if weights are summed along with the samples.
    companion : tuple of (int, str)
        The companion of the kernel that is summed too, and its engine.
    least : float
        Share of the whole weight up to which an output is NaN.
    doubted : float
        Share of the whole weight up to which a tile is computed again.
    roundings : float
        Additional rounding errors of an output.
    seconds : float
        Predicted additional time.
    """

    engines: tuple[str, ...] = ()
    companion: tuple[int, str] | None = None
    least: float = 0.0
    doubted: float = 0.0
    roundings: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class _Option:
    """A candidate, and all that a plan of it needs: form, jobs of each step, work, weights."""

    candidate: Candidate
    form: int = 0
    steps: list[list[Job]] = field(default_factory=list)
    work: Work = field(default_factory=Work)
    weights: _Weights = field(default_factory=_Weights)


# ---- rule 1: every engine in one step, and, for a product of kernels, its factors as passes one by one


def _options(problem: Problem, machine: Machine) -> Iterable[_Option]:
    """Return every method; an impossible one has the reason and an infinite time."""
    if 0 in problem.result_shape:
        for method in METHODS[1:]:
            yield _Option(Candidate(method, (EXACT.name,), 0.0), steps=[[]])
        return
    _, *products = problem.forms
    for name in ENGINES:
        yield _option(problem, name, (name,), 0, machine)
    for number, form in enumerate(products, 1):
        plain = problem.jobs(form, problem.source, problem.written)
        engines = tuple(_cheapest(jobs[0], machine) for jobs in plain)
        yield _option(problem, "passes", engines, number, machine)
    if not products:
        yield _impossible("passes", (), "the kernel is not a product of several")


def _cheapest(job: Job, machine: Machine, pointwise: bool = False) -> str:
    """Return the engine with the least predicted time for a job; if asked for, of those with pointwise errors."""
    able = [name for name, engine in ENGINES.items() if not engine.accepts(job)]
    if pointwise:
        able = [name for name in able if ENGINES[name].work(job).pointwise]
    return min(able, key=lambda name: seconds(ENGINES[name].work(job), job.taps.dtype, machine))


# ---- rule 2: an option is impossible if an engine refuses, or if its error has the wrong scale


def _option(
    problem: Problem,
    method: str,
    engines: tuple[str, ...],
    form: int,
    machine: Machine,
) -> _Option:
    plain = problem.jobs(problem.forms[form], problem.source, problem.written)
    reason = _refusal(engines, plain)
    if reason:
        return _impossible(method, engines, reason)
    steps = jobs_for(problem, problem.forms[form], engines, problem.source, problem.written)
    pairs = [(ENGINES[name], job) for name, jobs in zip(engines, steps, strict=True) for job in jobs]
    work = _total(pairs, problem.forms[form])
    if problem.accuracy == "pointwise" and not work.pointwise:
        return _impossible(method, engines, "its rounding errors are not bounded point by point")
    weights = _weights(problem, engines, form, steps, work, machine) if problem.normalised else _Weights()
    predicted = seconds(work, steps[0][0].taps.dtype, machine) + weights.seconds
    return _Option(Candidate(method, engines, predicted), form, steps, work, weights)


def _refusal(engines: tuple[str, ...], steps: list[list[Job]]) -> str:
    """Return why an engine does not accept a job, or an empty string."""
    texts = (ENGINES[name].accepts(job) for name, jobs in zip(engines, steps, strict=True) for job in jobs)
    return next(filter(None, texts), "")


def _impossible(method: str, engines: tuple[str, ...], reason: str) -> _Option:
    return _Option(Candidate(method, engines, math.inf, reason))


# ---- rule 3: the work of an option is the sum over its steps. One call does all tiles of a step; a tile of several
# steps takes a call for each of them

#: Calls of machine code that take as long as one tile inside a call.
TILE_CALL = 0.25

#: What the steps of an option have together.
_SUMMED = (
    *("multiply_adds", "scattered", "passed", "summed", "transformed", "trips"),
    *("calls", "roundings", "levels", "scratch"),
)


def _total(pairs: list[tuple[Engine, Job]], form: Form) -> Work:
    works = [engine.work(job) for engine, job in pairs]
    tiles = tile_count(pairs[0][1].extents, _tile(pairs))
    amplified = max(1.0, form.amplified)
    sums = {name: sum(getattr(work, name) for work in works) for name in _SUMMED}
    sums["calls"] += 1 + TILE_CALL * tiles if len(pairs) == 1 else len(pairs) * tiles
    sums["roundings"] *= amplified
    pointwise = all(work.pointwise for work in works) and amplified == 1.0
    return Work(**sums, bytes=max(work.bytes for work in works), pointwise=pointwise)


# ---- rule 4: weights of samples are summed along with them if the engine can, and correlated by themselves if not


def _weights(
    problem: Problem, engines: tuple[str, ...], form: int, steps: list[list[Job]], work: Work, machine: Machine
) -> _Weights:
    outputs = float(math.prod(stop - start for start, stop in problem.layout.regions) * problem.layout.step)
    real = problem.dtype.kind != "c" and problem.correlated.dtype.kind != "c"
    weighing = weighing_engine(engines) if real and not problem.missing.alone else None
    if weighing is not None and weighing.weighs(steps[0][0]):
        added = Work(multiply_adds=(ALONG_SIGNED if problem.fills else ALONG) * work.multiply_adds, trips=outputs)
        roundings = _roundings(work, Work())
        predicted = seconds(added, problem.number, machine)
        return _Weights(least=_least(problem, roundings), roundings=roundings, seconds=predicted)
    weights, by_weights = problem.weights(form), work
    if weights is not problem.forms[form]:
        (job,) = problem.jobs(weights, problem.number, problem.number)[0]
        engines = (_cheapest(job, machine, work.pointwise),)
        by_weights = ENGINES[engines[0]].work(job)
    added = replace(by_weights, bytes=0.0, trips=by_weights.trips + APART * outputs)
    predicted, companion, others = seconds(added, problem.number, machine), None, Work()
    if problem.companions:
        more, companion, others = _companion(problem, work.pointwise, machine)
        predicted += 2 * more
    elif problem.fills:  # means and missing taps take as long as weights and values
        predicted += seconds(added, problem.number, machine) + seconds(work, problem.number, machine)
    doubted = 0.0 if work.pointwise and by_weights.pointwise and others.pointwise else DOUBTED
    roundings = _roundings(by_weights, others)
    return _Weights(engines, companion, _least(problem, roundings), doubted, roundings, predicted)


def _companion(problem: Problem, pointwise: bool, machine: Machine) -> tuple[float, tuple[int, str], Work]:
    """Return the cheapest companion with its engine, its time and its work."""
    options = []
    for index, companion in enumerate(problem.companions):
        (job,) = problem.jobs(companion.form, problem.number, problem.number)[0]
        # Taps of the rarer sign have zeros between them, where samples that are far apart disturb a transform.
        name = _cheapest(job, machine, pointwise or companion.own != 0)
        work = replace(ENGINES[name].work(job), bytes=0.0)
        options.append((seconds(work, problem.number, machine), (index, name), work))
    return min(options, key=lambda option: option[0])


def _roundings(weights: Work, others: Work) -> float:
    """Return the additional roundings of an output: of its weight, of what is missing, and of their quotient."""
    several = 3 if others.roundings else 2
    return several * weights.roundings + 4 * others.roundings + 8


def _least(problem: Problem, roundings: float) -> float:
    """Return the share up to which an output is NaN; the share that was asked for is enough, up to rounding."""
    return max(0.0, problem.missing.min_weight - roundings * float(np.finfo(problem.number).eps))


# ---- rule 5: the plan has the smallest tile of its steps, and gathers across the border if one of them wants that


def _plan(problem: Problem, chosen: _Option, candidates: tuple[Candidate, ...]) -> Plan:
    engines = [ENGINES[name] for name in chosen.candidate.engines]
    pairs = [(engine, step[0]) for engine, step in zip(engines, chosen.steps, strict=True) if step]
    tile = _tile(pairs) if pairs else problem.layout.sizes
    halo = math.prod(length + size - 1 for length, size in zip(tile, problem.layout.sizes, strict=True))
    unit = float(np.finfo(problem.number).eps) / 2
    roundings = chosen.work.roundings + chosen.weights.roundings + problem.rounds_outside(problem.number)
    return Plan(
        problem=problem,
        engines=chosen.candidate.engines,
        form=chosen.form,
        tile=tile,
        gathers=any(engine.gathers(job) for engine, job in pairs),
        candidates=candidates,
        error=(1 + roundings * unit) * (1 + rounding_of_store(problem.result, problem.number)) - 1,
        pointwise=chosen.work.pointwise,
        levels=chosen.work.levels,
        memory=int(halo * problem.layout.step * problem.extended.itemsize + chosen.work.scratch),
        weight_engines=chosen.weights.engines,
        companion=chosen.weights.companion,
        least_weight=chosen.weights.least,
        doubted_weight=chosen.weights.doubted,
    )


def _tile(pairs: list[tuple[Engine, Job]]) -> tuple[int, ...]:
    return min((engine.tile(job) for engine, job in pairs), key=math.prod)
