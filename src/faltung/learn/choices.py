"""What is chosen for a run if nothing is said? Its time, its recipe, and its number of threads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from faltung.datasets.dataset import Split
from faltung.learn.durations import seconds_of
from faltung.learn.hardware import Hardware
from faltung.learn.listeners import OnNote
from faltung.learn.pace import fastest
from faltung.learn.recipe import Recipe
from faltung.learn.report.announcement import threads_chosen
from faltung.learn.task import Setup, Task

__all__ = ["chosen_recipe", "time_limit", "with_fastest_threads"]

_ENOUGH = 30  # validation samples: with fewer, the epoch of the smallest risk is found by chance
_PATIENCE = 10  # epochs at least
_EPOCHS = 60  # if there is time: photographs are learned more slowly than small pictures
_MANY = 20_000  # samples, which need fewer epochs


def time_limit(task: Task[Any], split: Split, time: float | str | None) -> float | None:
    """Return how many seconds the run may take; the data set that ships with faltung has no limit of its own.

    Examples
    --------
    >>> from faltung.datasets.embedded import load_embedded
    >>> from faltung.learn.tasks import TASKS
    >>> time_limit(TASKS["classify"], load_embedded(), "2min"), time_limit(TASKS["classify"], load_embedded(), None)
    (120.0, None)
    """
    if time is not None:
        return seconds_of(time)
    return None if split.origin == {} else task.seconds


def chosen_recipe(task: Task[Any], split: Split, given: Mapping[str, Any], limit: float | None) -> Recipe:
    """Return the task's recipe with what is given; a step is as large for one sample whatever the batch size.

    A run that keeps to a time wants at least 60 epochs for images, as many as there is time for. It also ends early,
    with the weights of the smallest validation risk, if there are enough validation samples to find it.

    Examples
    --------
    >>> from faltung.datasets.embedded import load_embedded
    >>> from faltung.learn.tasks import TASKS
    >>> recipe = chosen_recipe(TASKS["classify"], load_embedded(), {"batch_size": 64}, limit=60.0)
    >>> recipe.learning_rate, recipe.patience
    (0.15, 30)
    """
    own = task.recipe(len(split.training))
    if limit is not None and split.training.ndim == 2 and len(split.training) < _MANY:
        own = replace(own, epochs=max(_EPOCHS, own.epochs))
    asked = replace(own, **given)
    if "batch_size" in given and "learning_rate" not in given:
        asked = replace(asked, learning_rate=own.learning_rate * asked.batch_size / own.batch_size)
    if limit is not None and "patience" not in given and len(split.validation) >= _ENOUGH:
        asked = replace(asked, patience=max(_PATIENCE, asked.epochs // 2))
    return asked


def with_fastest_threads(
    task: Task[Any], setup: Setup, recipe: Recipe, hardware: Hardware, on_note: OnNote
) -> Hardware:
    """Return the hardware with the number of threads that is fastest now: other programs may use the processors.

    Examples
    --------
    See `faltung.learn.run`.
    """
    if hardware.processes > 1 or hardware.threads == 1 or hardware.device != "cpu":
        return hardware
    training, validation = setup.split.training, setup.split.validation
    some = replace(
        setup.split,
        training=training.subset(np.arange(min(len(training), recipe.batch_size))),
        validation=validation.subset(np.arange(1)),
    )
    make_network = next(iter(task.candidates(training).values()))
    objective = task.objective(replace(setup, split=some))
    threads, seconds = fastest(make_network, objective, recipe, hardware)
    on_note(threads_chosen(threads, seconds))
    return replace(hardware, threads=threads)
