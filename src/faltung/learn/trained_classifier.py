"""Which trained network predicts classes? One with a logit for each, from a run of a task that learns classes."""

from __future__ import annotations

from pathlib import Path

from faltung.errors import ArgumentError
from faltung.ground.given_files import read_object
from faltung.learn.arguments import instance
from faltung.learn.assignment import ASSIGNMENT
from faltung.learn.tasks import TASKS
from faltung.networks.stored import CLASSIFIERS, GENERATORS, Trained, load_trained

__all__ = ["trained_classifier", "trained_network"]


def trained_network(run: str | Path, network: str = "model") -> Trained:
    """Rebuild a classifier or a generator from a run folder.

    Parameters
    ----------
    run, network
        As for `trained_classifier`.

    Raises
    ------
    ArgumentError
        If there is no such network, or it is a classifier of a task that does not learn classes.

    Examples
    --------
    >>> trained_network("no/such/folder")
    Traceback (most recent call last):
    faltung.errors.ArgumentError: run: expected a run folder with model.json and model.safetensors, ...
    """
    folder = Path(instance("run", run, str | Path, "the path of a run folder"))
    trained = load_trained(folder, network)
    return trained if type(trained.network).__name__ in GENERATORS else trained_classifier(folder, network)


def trained_classifier(run: str | Path, network: str = "model") -> Trained:
    """Rebuild a classifier from a run folder.

    Parameters
    ----------
    run : path
        A run folder.
    network : str, optional
        Network of the run: "model", or the name of a yardstick.

    Raises
    ------
    ArgumentError
        If there is no such network, it is no classifier, or the task of the run does not learn classes.

    Examples
    --------
    >>> trained_classifier("no/such/folder")
    Traceback (most recent call last):
    faltung.errors.ArgumentError: run: expected a run folder with model.json and model.safetensors, ...
    """
    folder = Path(instance("run", run, str | Path, "the path of a run folder"))
    trained = load_trained(folder, network, CLASSIFIERS)
    task = _task(folder)
    if task is not None and not (task in TASKS and TASKS[task].classifies):
        received = f"{str(folder)!r}, a run of the task {task!r}"
        remedy = "Load the network with faltung.networks.load(run)."
        raise ArgumentError("run", "a run of a task that learns classes", received, remedy)
    outputs = getattr(trained.network, "arguments", {}).get("classes")
    if outputs != len(trained.class_names):
        expected = f"a network with one output for each of {len(trained.class_names)} classes"
        raise ArgumentError("run", expected, f"one with {outputs} in {str(folder)!r}", "Choose another run folder.")
    return trained


def _task(folder: Path) -> str | None:
    """Return the task of a run; None for a folder that `run` did not make, whose networks are taken as they are."""
    try:
        return str(read_object(folder / ASSIGNMENT)["task"])
    except (OSError, ValueError, KeyError):
        return None
