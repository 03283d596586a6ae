"""How is a task carried out? Every candidate is trained, saved and measured; the report and the metrics come last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from faltung.datasets.dataset import Dataset, Split
from faltung.learn.arguments import instance
from faltung.learn.pace import Pace, measured
from faltung.learn.provenance import provenance
from faltung.learn.recipe import Recipe
from faltung.learn.runs import METRICS, RunFolder
from faltung.learn.schedule import CURVE, NETWORKS, SPLITS, PlannedTraining
from faltung.learn.task import Measured, Measures, Results, Setup, Task
from faltung.learn.timekeeper import Timekeeper
from faltung.learn.trainer import MakeNetwork, TrainedCandidate, Trainer
from faltung.tensors.determinism import reproducible

__all__ = ["carry_out"]

_MODEL = "model"  # file name of the first candidate
_WRITING = 2.0  # seconds of drawing the report and writing files
_PROBING = 1.0  # seconds of measuring a network apart from its answers
_INSPECTING = 10.0  # seconds of the sections of its report card, for the model

_Outcome = TypeVar("_Outcome", bound=Measured)


def carry_out(
    task: Task[_Outcome], setup: Setup, recipe: Recipe, trainer: Trainer, *, splits: int | None = None
) -> list[_Outcome]:
    """Train the candidates of a task with the same data, recipe and seed; measure them; write all to a run folder.

    Each network is saved as soon as it is trained; checkpoints and `history.csv` are written after every epoch.
    Called again with the folder of a run that was stopped, it continues the run, and the results are the same to the
    last bit.

    Parameters
    ----------
    task : Task
        What to do.
    setup : Setup
        Data and settings.
    recipe : Recipe
        How each candidate is trained. Candidates on fractions of the training set get the task's own recipe.
    trainer : Trainer
        Trains the networks in the run folder. If it has a timekeeper, that one decides what there is time for.
    splits : int, optional
        How many splits of the data the networks are tested on; by default as many as the data need.

    Returns
    -------
    list
        What the task measured, in the order of its candidates; empty in all but the first of several processes.

    Raises
    ------
    ArgumentError
        If the folder holds a finished run, an argument is out of its range, or a risk stops being finite.

    Examples
    --------
    See `faltung.learn.compare` and `faltung.learn.run`, which call it.
    """
    instance("recipe", recipe, Recipe, "a Recipe", "Use Recipe(epochs=10).")
    trainer.run.check_unfinished()
    candidates = task.candidates(setup.split.training)
    measures = task.measures(setup, trainer)
    jobs = _jobs(task, candidates, setup, recipe, splits)
    if trainer.timekeeper is not None:
        trainer.timekeeper.begin(_works(jobs, task, setup, trainer), _WRITING)
    collected = _Collected(task, measures, setup, trainer)
    _train_all(jobs, collected, task, setup, trainer)
    if not trainer.hardware.leads:
        return []
    outcomes, tested = collected.pooled()
    facts = provenance(setup.split, recipe, seed=trainer.seed, hardware=trainer.hardware)
    facts |= _time(trainer.timekeeper)
    results = Results(outcomes, setup.split, {**facts, **measures.facts}, collected.curve(outcomes), tested)
    _write(task, results, trainer.run)
    trainer.remove_checkpoints()
    return outcomes


@dataclass(frozen=True, eq=False)
class _Job:
    """One training: a network on a split."""

    name: str
    network: str
    stage: str
    group: int
    split: Split
    recipe: Recipe
    make_network: MakeNetwork


def _jobs(
    task: Task[Any], candidates: Mapping[str, MakeNetwork], setup: Setup, recipe: Recipe, splits: int | None
) -> list[_Job]:
    """Return all trainings in their order: the candidates; these on further splits; these with fewer samples."""
    jobs = [_Job(name, name, NETWORKS, 0, setup.split, recipe, make) for name, make in candidates.items()]
    if task.further is not None:
        for number, split in enumerate(task.further.of(setup.split, splits), start=2):
            jobs += [
                _Job(f"{name}-split{number}", name, SPLITS, number, split, recipe, make)
                for name, make in candidates.items()
            ]
    whole = setup.split.training
    sizes = {len(whole)}  # with few samples, several fractions of them are the same
    for fraction in task.curve.fractions if task.curve else ():
        part = replace(setup.split, training=whole.subset(_first_of_each_class(whole.labels, fraction)))
        size = len(part.training)
        if size not in sizes:
            sizes.add(size)
            jobs += [
                _Job(f"{name}-{size}", name, CURVE, 0, part, task.recipe(size), make)
                for name, make in candidates.items()
            ]
    return jobs


def _first_of_each_class(labels: NDArray[np.integer[Any]], fraction: float) -> NDArray[np.int64]:
    """Return the indices of a fraction of the samples of each class, at least two of each."""
    chosen = [
        np.flatnonzero(labels == label)[: max(2, round(fraction * int((labels == label).sum())))]
        for label in np.unique(labels)
    ]
    return np.sort(np.concatenate(chosen))


def _works(jobs: list[_Job], task: Task[Any], setup: Setup, trainer: Trainer) -> list[PlannedTraining]:
    """Measure the pace of each network, and return how long each job takes."""
    objective = task.objective(setup)
    paces = {
        job.network: measured(job.make_network, objective, job.recipe, trainer.hardware, seed=trainer.seed)
        for job in jobs
        if job.stage == NETWORKS
    }
    return [
        PlannedTraining(
            job.name,
            job.network,
            job.stage,
            job.recipe.epochs,
            paces[job.network].epoch(len(job.split.training), job.recipe),
            _measuring(job, task, paces[job.network]) + _INSPECTING * (job is jobs[0]),
            job.group,
        )
        for job in jobs
    ]


def _measuring(job: _Job, task: Task[Any], pace: Pace) -> float:
    """Return the seconds of measuring a network that is trained."""
    answer = pace.answer(len(job.split.validation))
    if job.stage == NETWORKS:
        return _PROBING + answer * task.measuring(job.split)
    if job.stage == SPLITS and task.further is not None:
        return answer * task.further.measuring(job.split)
    return answer * len(job.split.test)


def _train_all(jobs: list[_Job], collected: _Collected[Any], task: Task[Any], setup: Setup, trainer: Trainer) -> None:
    """Train what there is time for, one network after the other, and measure each of them."""
    keeper, split = trainer.timekeeper, None
    for job in jobs:
        if keeper is not None and not keeper.planned(job.name):
            continue
        if job.split is not split:  # the networks of a split share its samples
            split, objective = job.split, task.objective(replace(setup, split=job.split))
        first = job.stage == NETWORKS
        trained = trainer.train(job.name, job.make_network, objective, job.recipe, keep_filters=first)
        collected.add(job, trained)
        del trained  # the next network needs its memory
        if keeper is not None:
            keeper.end(job.name)


class _Collected(Generic[_Outcome]):
    """What was measured so far, in the first of several processes."""

    def __init__(self, task: Task[_Outcome], measures: Measures[_Outcome], setup: Setup, trainer: Trainer) -> None:
        self._task, self._measures, self._trainer = task, measures, trainer
        self._split = setup.split
        self._outcomes: dict[str, _Outcome] = {}
        self._answers: dict[str, list[Any]] = {}
        self._tested: dict[int, Dataset] = {}
        self._points: dict[str, dict[int, float]] = {}

    def add(self, job: _Job, trained: TrainedCandidate) -> None:
        """Save and measure a network that was trained."""
        if job.stage == NETWORKS:
            self._trainer.save(job.name if self._outcomes else _MODEL, trained.network, self._split.training)
        if not self._trainer.hardware.leads:
            return
        with reproducible(self._trainer.seed, self._trainer.hardware.threads):
            if job.stage == NETWORKS:
                self._outcomes[job.name] = self._measures(trained)
            elif job.stage == SPLITS and self._task.further is not None:
                self._answers.setdefault(job.network, []).append(self._task.further.answers(trained, job.split))
                self._tested[job.group] = job.split.test
            elif self._task.curve is not None:
                number = self._task.curve.of_network(trained.network, job.split)
                self._points.setdefault(job.network, {})[len(job.split.training)] = number

    def pooled(self) -> tuple[list[_Outcome], Dataset]:
        """Return the outcomes with the answers of all splits, and the samples of these answers."""
        further = self._task.further
        # The last split may have been left out before its last network.
        splits = min((len(self._answers.get(name, [])) for name in self._outcomes), default=0)
        if further is None or not splits:
            return [*self._outcomes.values()], self._split.test
        outcomes = [further.pooled(outcome, self._answers[name][:splits]) for name, outcome in self._outcomes.items()]
        parts = [self._split.test, *(self._tested[group] for group in sorted(self._tested)[:splits])]
        samples, labels = (np.concatenate([getattr(part, name) for part in parts]) for name in ("samples", "labels"))
        return outcomes, Dataset(samples, labels, self._split.class_names)

    def curve(self, outcomes: list[_Outcome]) -> dict[str, dict[int, float]]:
        """Return the number of the learning curve by name and number of training samples."""
        curve = self._task.curve
        if curve is None or not self._points:
            return {}
        return {
            outcome.name: {len(self._split.training): curve.of_outcome(outcome), **self._points.get(outcome.name, {})}
            for outcome in outcomes
        }


def _time(keeper: Timekeeper | None) -> dict[str, object]:
    """Return how long the run took, and what there was no time for."""
    if keeper is None:
        return {}
    schedule = keeper.schedule
    return {
        "time": {
            "announced_seconds": round(keeper.announced, 1),
            "seconds": round(keeper.elapsed, 1),
            "limit_seconds": schedule.limit,
            "left_out": list(schedule.cuts),
        }
    }


def _write(task: Task[_Outcome], results: Results[_Outcome], run: RunFolder) -> None:
    for name, content in task.report(results).items():
        if isinstance(content, str):
            run.write_text(name, content)
        else:
            run.write_bytes(name, content)
    networks = {outcome.name: outcome.metrics() for outcome in results.outcomes}
    metrics: dict[str, object] = {**results.facts, "networks": networks}
    if task.curve is not None:
        metrics[task.curve.name] = {
            name: {str(size): number for size, number in numbers.items()} for name, numbers in results.curve.items()
        }
    # The last file: a folder that has it holds a finished run.
    run.write_json(METRICS, metrics)
