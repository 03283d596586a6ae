"""How is a task carried out? Every candidate is trained, saved and measured; the report and the metrics come last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from faltung.learn.arguments import instance
from faltung.learn.provenance import provenance
from faltung.learn.recipe import Recipe
from faltung.learn.runs import METRICS, RunFolder
from faltung.learn.task import Measured, Measures, Results, Setup, Task
from faltung.learn.trainer import MakeNetwork, MakeObjective, Trainer
from faltung.tensors.determinism import reproducible

__all__ = ["carry_out"]

_MODEL = "model"  # file name of the first candidate

_Outcome = TypeVar("_Outcome", bound=Measured)


def carry_out(task: Task[_Outcome], setup: Setup, recipe: Recipe, trainer: Trainer) -> list[_Outcome]:
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
        Trains the networks in the run folder.

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
    if trainer.hardware.leads:
        trainer.run.remove_leftovers()
    candidates = task.candidates(setup.split.training)
    measures = task.measures(setup, trainer)
    outcomes = _outcomes(candidates, task.objective(setup), measures, setup, recipe, trainer)
    curve = _learning_curve(task, candidates, outcomes, setup, trainer)
    if trainer.hardware.leads:
        facts = provenance(setup.split, recipe, seed=trainer.seed, hardware=trainer.hardware)
        results = Results(outcomes, setup.split, {**facts, **measures.facts}, curve)
        _write(task, results, trainer.run)
        trainer.remove_checkpoints()
    return outcomes


def _outcomes(
    candidates: Mapping[str, MakeNetwork],
    make_objective: MakeObjective,
    measures: Measures[_Outcome],
    setup: Setup,
    recipe: Recipe,
    trainer: Trainer,
) -> list[_Outcome]:
    """Train, save and measure each candidate."""
    outcomes = []
    for index, (name, make_network) in enumerate(candidates.items()):
        trained = trainer.train(name, make_network, make_objective, recipe)
        trainer.save(name if index else _MODEL, trained.network, setup.split.training)
        if trainer.hardware.leads:
            with reproducible(trainer.seed, trainer.hardware.threads):
                outcomes.append(measures(trained))
        del trained  # its objective may hold all samples; the next candidate needs that memory
    return outcomes


def _learning_curve(
    task: Task[_Outcome],
    candidates: Mapping[str, MakeNetwork],
    outcomes: Sequence[_Outcome],
    setup: Setup,
    trainer: Trainer,
) -> dict[str, dict[int, float]]:
    """Train the candidates on fractions of the training set, too; return the number of the curve for each."""
    curve = task.curve
    if curve is None or not curve.fractions:
        return {}
    whole = setup.split.training
    numbers = {outcome.name: {len(whole): curve.of_outcome(outcome)} for outcome in outcomes}
    for fraction in curve.fractions:
        part = replace(setup.split, training=whole.subset(_first_of_each_class(whole.labels, fraction)))
        size = len(part.training)
        make_objective = task.objective(replace(setup, split=part))
        for name, make_network in candidates.items():
            trained = trainer.train(f"{name}-{size}", make_network, make_objective, task.recipe(size))
            if trainer.hardware.leads:
                with reproducible(trainer.seed, trainer.hardware.threads):
                    numbers[name][size] = curve.of_network(trained.network, part)
    return numbers


def _first_of_each_class(labels: NDArray[np.integer[Any]], fraction: float) -> NDArray[np.int64]:
    """Return the indices of a fraction of the samples of each class, at least two of each."""
    chosen = [
        np.flatnonzero(labels == label)[: max(2, round(fraction * int((labels == label).sum())))]
        for label in np.unique(labels)
    ]
    return np.sort(np.concatenate(chosen))


def _write(task: Task[_Outcome], results: Results[_Outcome], run: RunFolder) -> None:
    for name, content in task.report(results).items():
        run.write_bytes(name, content.encode() if isinstance(content, str) else content)
    networks = {outcome.name: outcome.metrics() for outcome in results.outcomes}
    metrics: dict[str, object] = {**results.facts, "networks": networks}
    if task.curve is not None:
        metrics[task.curve.name] = {
            name: {str(size): number for size, number in numbers.items()} for name, numbers in results.curve.items()
        }
    # The last file: a folder that has it holds a finished run.
    run.write_json(METRICS, metrics)
