"""Filters from data: risk, data sets, training, runs.

Empirical risk minimisation is one idea in few parts, one file each: the data (`datasets`, `tensors`,
`augmentation`), the risk (`risk`), its minimisation (`training`, `determinism`), what was measured of the minimiser
(`cost`, `outcome`), and what is kept of it (`runs`, `saved`, `charts`, `pictures`, `report`). `comparison` puts them
together.

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

from faltung.errors import MissingExtraError

if TYPE_CHECKING:
    from faltung.learn.assignment import Assignment as Assignment
    from faltung.learn.augmentation import Augmentation as Augmentation
    from faltung.learn.checkpoint import Checkpoint as Checkpoint
    from faltung.learn.classification import Classification as Classification
    from faltung.learn.comparison import compare as compare
    from faltung.learn.datasets import Dataset as Dataset
    from faltung.learn.datasets import Split as Split
    from faltung.learn.embedded import load_embedded as load_embedded
    from faltung.learn.export import export_network as export_network
    from faltung.learn.filters.fit_report import DescentReport as DescentReport
    from faltung.learn.filters.fit_report import FitReport as FitReport
    from faltung.learn.filters.gradient_filter import fit_filter_by_gradient as fit_filter_by_gradient
    from faltung.learn.filters.least_squares import fit_filter as fit_filter
    from faltung.learn.hardware import Hardware as Hardware
    from faltung.learn.measures.cost import network_cost as network_cost
    from faltung.learn.measures.outcome import Outcome as Outcome
    from faltung.learn.prediction import predict as predict
    from faltung.learn.recipe import Recipe as Recipe
    from faltung.learn.risk import accuracy as accuracy
    from faltung.learn.risk import accuracy_under_shift as accuracy_under_shift
    from faltung.learn.risk import empirical_risk as empirical_risk
    from faltung.learn.runs import RunFolder as RunFolder
    from faltung.learn.sources import load as load
    from faltung.learn.suited import augmentation_for as augmentation_for
    from faltung.learn.suited import candidates_for as candidates_for
    from faltung.learn.suited import recipe_for as recipe_for
    from faltung.learn.training import EpochRecord as EpochRecord
    from faltung.learn.training import Objective as Objective
    from faltung.learn.training import train as train

_FILE_OF = {
    "Assignment": "assignment",
    "Augmentation": "augmentation",
    "Checkpoint": "checkpoint",
    "Classification": "classification",
    "Dataset": "datasets",
    "DescentReport": "filters.fit_report",
    "EpochRecord": "training",
    "FitReport": "filters.fit_report",
    "Hardware": "hardware",
    "Objective": "training",
    "Outcome": "measures.outcome",
    "Recipe": "recipe",
    "RunFolder": "runs",
    "Split": "datasets",
    "accuracy": "risk",
    "accuracy_under_shift": "risk",
    "augmentation_for": "suited",
    "candidates_for": "suited",
    "compare": "comparison",
    "empirical_risk": "risk",
    "export_network": "export",
    "fit_filter": "filters.least_squares",
    "fit_filter_by_gradient": "filters.gradient_filter",
    "load": "sources",
    "load_embedded": "embedded",
    "network_cost": "measures.cost",
    "predict": "prediction",
    "recipe_for": "suited",
    "train": "training",
}

__all__ = sorted(_FILE_OF)


def __getattr__(name: str) -> object:
    if name not in _FILE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{_FILE_OF[name]}")
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "safetensors"):
            raise
        raise MissingExtraError(f"faltung.learn.{name}", "learn") from error
    return getattr(module, name)
