"""How are the networks of one run trained? One after the other: same seed, same hardware, one history."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from faltung.datasets.dataset import Dataset
from faltung.learn.arguments import instance, seed_of
from faltung.learn.checkpoint import Checkpoint
from faltung.learn.epoch_record import EpochRecord
from faltung.learn.filter_history import FilterHistory
from faltung.learn.hardware import Hardware
from faltung.learn.recipe import Recipe
from faltung.learn.runs import RunFolder
from faltung.learn.saved import save_network
from faltung.learn.timekeeper import Timekeeper
from faltung.learn.training import Objective, train
from faltung.tensors.determinism import reproducible

__all__ = ["MakeNetwork", "MakeObjective", "OnContinue", "OnEpoch", "TrainedCandidate", "Trainer"]

MakeNetwork = Callable[[], nn.Module]
"""Returns a fresh network."""

MakeObjective = Callable[[nn.Module], Objective]
"""Returns the objective with which a network is trained."""

OnEpoch = Callable[[str, EpochRecord], None]
"""Called after each epoch with the name of the network and the record of the epoch."""

OnContinue = Callable[[str, int, int], None]
"""Called with the name of a network whose training goes on, the epochs that it had, and all of its epochs."""

_INTERVAL = 1.0  # seconds between two writings of the history


@dataclass(frozen=True, eq=False)
class TrainedCandidate:
    """A network at the end of its training.

    Parameters
    ----------
    name : str
        Name of the network in the run.
    network : torch.nn.Module
        On the device on which it was trained.
    objective : Objective
        The risk that training made small.
    history : tuple of EpochRecord
        One record for each epoch.

    Examples
    --------
    >>> TrainedCandidate("dense", nn.Identity(), None, ()).name
    'dense'
    """

    name: str
    network: nn.Module
    objective: Objective
    history: tuple[EpochRecord, ...]


class Trainer:
    """Trains the networks of a run with one seed on one hardware; keeps their history and their checkpoints.

    Parameters
    ----------
    run : RunFolder
        Gets `history.csv` with the epochs of all networks, the checkpoints, and the networks that are saved.
    seed : int, optional
        Seed of weights, order and augmentation.
    hardware : Hardware, optional
        What to run on; one thread of the CPU by default. Only the first of several processes writes.
    on_epoch : callable, optional
        Called with a network's name and its record after each epoch.
    timekeeper : Timekeeper, optional
        Decides how many epochs each network gets; by default all get those of their recipe.
    on_continue : callable, optional
        Called with the name of a network whose training goes on, the epochs that it had, and all of its epochs.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from faltung.datasets.embedded import load_embedded
    >>> from faltung.learn.tasks.classification.cross_entropy import Classification
    >>> from faltung.networks import DenseClassifier
    >>> objective = Classification(load_embedded())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     trainer = Trainer(RunFolder(Path(folder)))
    ...     make = lambda: DenseClassifier(sample_shape=(1, 28, 28), widths=(8,), classes=10)
    ...     trained = trainer.train("dense", make, lambda network: objective, Recipe(epochs=1))
    ...     sorted(path.name for path in Path(folder).iterdir())
    ['dense.checkpoint.safetensors', 'history.csv']
    >>> [record.epoch for record in trained.history]
    [1]
    """

    def __init__(
        self,
        run: RunFolder,
        *,
        seed: int = 0,
        hardware: Hardware | None = None,
        on_epoch: OnEpoch = lambda name, record: None,
        timekeeper: Timekeeper | None = None,
        on_continue: OnContinue = lambda name, done, epochs: None,
    ) -> None:
        remedy = "Use RunFolder.create(path) for a new folder, or RunFolder(path)."
        self.run = instance("run", run, RunFolder, "a RunFolder", remedy)
        self.seed = seed_of(seed)
        self.hardware = instance("hardware", hardware or Hardware(), Hardware, "a Hardware", "Use Hardware.find().")
        self.timekeeper = timekeeper
        self._on_epoch, self._on_continue = on_epoch, on_continue
        self._rows: list[dict[str, object]] = []
        self._checkpoints: list[Checkpoint] = []
        self._written = -math.inf
        self._continued = 0  # epochs that a checkpoint held, which are told again one after the other

    def train(
        self,
        name: str,
        make_network: MakeNetwork,
        make_objective: MakeObjective,
        recipe: Recipe,
        *,
        keep_filters: bool = False,
    ) -> TrainedCandidate:
        """Train a network from the start, or from its checkpoint if the run folder holds one.

        With `keep_filters` the folder also gets the filters of its first convolution after each epoch.
        """
        checkpoint = Checkpoint(self.run, name)
        self._checkpoints.append(checkpoint)
        self._continued = 0
        keeper = self.timekeeper
        if keeper is not None:
            recipe = keeper.recipe(name, recipe)
        with reproducible(self.seed, self.hardware.threads):
            network = make_network()
            objective = make_objective(network)
            history = train(
                network,
                objective,
                recipe,
                seed=self.seed,
                hardware=self.hardware,
                checkpoint=checkpoint,
                filters=FilterHistory(self.run, name) if keep_filters else None,
                on_epoch=lambda record: self._record(name, record),
                on_continue=lambda done, epochs: self._go_on(name, done, epochs),
                revise=lambda record: keeper.revise(name, record) if keeper else record.epochs,
            )
        self._write_history()
        return TrainedCandidate(name, network, objective, tuple(history))

    def _go_on(self, name: str, done: int, epochs: int) -> None:
        self._continued = done
        self._on_continue(name, done, epochs)

    def _record(self, name: str, record: EpochRecord) -> None:
        self._rows.append({"network": name, "epoch": record.epoch, "seconds": record.seconds, **record.measures})
        due = time.monotonic() > self._written + _INTERVAL and record.epoch > self._continued
        if due or record.epoch == self._continued:
            self._write_history()
        self._on_epoch(name, record)

    def _write_history(self) -> None:
        if self.hardware.leads:
            self.run.write_csv("history.csv", self._rows)
        self._written = time.monotonic()

    def save(self, stem: str, network: nn.Module, data: Dataset) -> None:
        """Write a network and its description to the run folder."""
        if self.hardware.leads:
            save_network(self.run, stem, network, data)

    def remove_checkpoints(self) -> None:
        """Delete the checkpoints of all networks that were trained."""
        for checkpoint in self._checkpoints:
            checkpoint.remove()
