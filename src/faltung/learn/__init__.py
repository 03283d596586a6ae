"""Learning from data: training, measures, reports, and a table of tasks.

Empirical risk minimisation in few parts, one file each. `tasks` is the table of what can be learned; `task` says what
a task is, `experiment` carries it out, `launch` has the rules of a run. Training: `training`, `recipe`, `hardware`,
`checkpoint`, `trainer`. What is measured: `risk`, `measures`. What is kept: `runs`, `saved`, `report`.

The names below are loaded when they are first used, so that importing `faltung.learn` needs neither torch nor time.

Examples
--------
>>> from faltung import learn
>>> learn.Recipe(epochs=3).epochs
3
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from faltung.errors import MissingExtraError, lacks_learning

if TYPE_CHECKING:
    from faltung.datasets.dataset import Dataset as Dataset
    from faltung.datasets.dataset import Split as Split
    from faltung.datasets.embedded import load_embedded as load_embedded
    from faltung.datasets.reading import load as load
    from faltung.fit.fit_report import DescentReport as DescentReport
    from faltung.fit.fit_report import FitReport as FitReport
    from faltung.fit.gradient_filter import fit_filter_by_gradient as fit_filter_by_gradient
    from faltung.fit.least_squares import fit_filter as fit_filter
    from faltung.learn.assignment import Assignment as Assignment
    from faltung.learn.augmentation import Augmentation as Augmentation
    from faltung.learn.checkpoint import Checkpoint as Checkpoint
    from faltung.learn.epoch_record import EpochRecord as EpochRecord
    from faltung.learn.export import export_network as export_network
    from faltung.learn.hardware import Hardware as Hardware
    from faltung.learn.input_size import load_in_time as load_in_time
    from faltung.learn.launch import FinishedRun as FinishedRun
    from faltung.learn.launch import resume as resume
    from faltung.learn.launch import run as run
    from faltung.learn.measures.counting import network_cost as network_cost
    from faltung.learn.measures.outcome import Outcome as Outcome
    from faltung.learn.prediction import predict as predict
    from faltung.learn.recipe import Recipe as Recipe
    from faltung.learn.risk import accuracy as accuracy
    from faltung.learn.risk import accuracy_under_shift as accuracy_under_shift
    from faltung.learn.risk import empirical_risk as empirical_risk
    from faltung.learn.runs import RunFolder as RunFolder
    from faltung.learn.runs import RunStopped as RunStopped
    from faltung.learn.task import Task as Task
    from faltung.learn.tasks.classification.cross_entropy import Classification as Classification
    from faltung.learn.tasks.classification.suited import augmentation_for as augmentation_for
    from faltung.learn.tasks.classification.suited import candidates_for as candidates_for
    from faltung.learn.tasks.classification.suited import recipe_for as recipe_for
    from faltung.learn.tasks.classify import compare as compare
    from faltung.learn.training import Objective as Objective
    from faltung.learn.training import train as train

_MODULE_OF = {
    "Assignment": "faltung.learn.assignment",
    "Augmentation": "faltung.learn.augmentation",
    "Checkpoint": "faltung.learn.checkpoint",
    "Classification": "faltung.learn.tasks.classification.cross_entropy",
    "Dataset": "faltung.datasets.dataset",
    "DescentReport": "faltung.fit.fit_report",
    "EpochRecord": "faltung.learn.training",
    "FinishedRun": "faltung.learn.launch",
    "FitReport": "faltung.fit.fit_report",
    "Hardware": "faltung.learn.hardware",
    "Objective": "faltung.learn.training",
    "Outcome": "faltung.learn.measures.outcome",
    "Recipe": "faltung.learn.recipe",
    "RunFolder": "faltung.learn.runs",
    "RunStopped": "faltung.learn.runs",
    "Split": "faltung.datasets.dataset",
    "Task": "faltung.learn.task",
    "accuracy": "faltung.learn.risk",
    "accuracy_under_shift": "faltung.learn.risk",
    "augmentation_for": "faltung.learn.tasks.classification.suited",
    "candidates_for": "faltung.learn.tasks.classification.suited",
    "compare": "faltung.learn.tasks.classify",
    "empirical_risk": "faltung.learn.risk",
    "export_network": "faltung.learn.export",
    "fit_filter": "faltung.fit.least_squares",
    "fit_filter_by_gradient": "faltung.fit.gradient_filter",
    "load_in_time": "faltung.learn.input_size",
    "load": "faltung.datasets.reading",
    "load_embedded": "faltung.datasets.embedded",
    "network_cost": "faltung.learn.measures.counting",
    "predict": "faltung.learn.prediction",
    "resume": "faltung.learn.launch",
    "run": "faltung.learn.launch",
    "recipe_for": "faltung.learn.tasks.classification.suited",
    "train": "faltung.learn.training",
}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(_MODULE_OF[name])
    except ModuleNotFoundError as error:
        if not lacks_learning(error):
            raise
        raise MissingExtraError(f"faltung.learn.{name}", "learn") from error
    return getattr(module, name)
