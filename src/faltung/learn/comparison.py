"""Which of several networks does better? The same data and the same budget for each, then one report."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from faltung.datasets.dataset import Split
from faltung.learn.batches import tensors
from faltung.learn.checkpoint import Checkpoint
from faltung.learn.classification import Classification
from faltung.learn.hardware import Hardware
from faltung.learn.measures.outcome import Outcome, measure
from faltung.learn.provenance import provenance
from faltung.learn.recipe import Recipe
from faltung.learn.report import html_report
from faltung.learn.report.pictures import colour_sheet, png, signed_sheet
from faltung.learn.risk import accuracy
from faltung.learn.runs import RunFolder
from faltung.learn.saved import save_network
from faltung.learn.suited import recipe_for
from faltung.learn.training import EpochRecord, train
from faltung.tensors.determinism import reproducible

__all__ = ["compare"]

_MOMENT = 1.0  # seconds between two writings of the history


def compare(
    candidates: Mapping[str, Callable[[], nn.Module]],
    split: Split,
    recipe: Recipe,
    run: RunFolder,
    *,
    objective: Callable[[Split, str], Classification] = lambda split, device: Classification(split, device=device),
    fractions: Sequence[float] = (),
    seed: int = 0,
    hardware: Hardware | None = None,
    on_epoch: Callable[[str, EpochRecord], None] = lambda name, record: None,
) -> list[Outcome]:
    """Train networks with the same data, recipe and seed, measure them, and write all of it to a run folder.

    Each network is written as soon as it is trained, a checkpoint and `history.csv` after every epoch. Called again
    with a folder in which it was stopped, it goes on there, and the end is the same to the last bit.

    Parameters
    ----------
    candidates : mapping of str to callable
        Names, and what makes a fresh network. The first is the model, written as `model.safetensors` and
        `model.json`; the others are its yardsticks, written under their own names.
    split : Split
        Data to learn from, to watch and to test on.
    recipe : Recipe
        How to train each of them.
    run : RunFolder
        Where to write.
    objective : callable, optional
        Makes the objective for a split and a device.
    fractions : sequence of float, optional
        Each network is also trained on such fractions of the training samples, with a recipe for so few, to see how
        its accuracy depends on their number.
    seed : int, optional
        Seed of weights, order and augmentation.
    hardware : Hardware, optional
        What to run on; one thread of the CPU by default.
    on_epoch : callable, optional
        Called with a network's name and its record after each epoch.

    Returns
    -------
    list of Outcome
        In the order of `candidates`.

    Raises
    ------
    ArgumentError
        If an argument is out of its range, or the risk of a network stops being finite.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from faltung.datasets.embedded import load_embedded
    >>> from faltung.networks import DenseClassifier
    >>> candidates = {"dense": lambda: DenseClassifier(sample_shape=(1, 28, 28), widths=(32,), classes=10)}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [outcome] = compare(candidates, load_embedded(), Recipe(epochs=1), RunFolder(Path(folder)))
    ...     sorted(path.name for path in Path(folder).iterdir())
    ['history.csv', 'metrics.json', 'model.json', 'model.safetensors', 'report.html']
    """
    hardware = hardware or Hardware()
    training = _Training(run, seed, hardware, on_epoch)
    outcomes: list[Outcome] = []
    curve: dict[str, dict[int, float]] = {}
    risk = objective(split, hardware.device)
    for name, make_network in candidates.items():
        network, history = training(name, make_network, risk, recipe)
        if hardware.leads:
            save_network(run, name if outcomes else "model", network, split.training)
        with reproducible(seed, hardware.threads):
            outcomes.append(measure(name, network, split, risk, tuple(history)))
        curve[name] = {len(split.training): outcomes[-1].test_accuracy}
    images, labels = tensors(split.test)
    for fraction in fractions:
        fewer = replace(split, training=split.training.subset(_share(split.training.labels, fraction)))
        size = len(fewer.training)
        part = objective(fewer, hardware.device)
        suited = recipe_for(size)
        for name, make_network in candidates.items():
            network, _ = training(f"{name}-{size}", make_network, part, suited)
            curve[name][size] = accuracy(network, images, labels)
    if hardware.leads:
        made = provenance(split, recipe, seed=seed, hardware=hardware)
        _write_results(run, outcomes, split, made, curve if fractions else {})
        training.clear()
    return outcomes


class _Training:
    """Trains networks one after the other, and keeps the history and the checkpoints of all."""

    def __init__(
        self, run: RunFolder, seed: int, hardware: Hardware, on_epoch: Callable[[str, EpochRecord], None]
    ) -> None:
        self._run = run
        self._seed = seed
        self._hardware = hardware
        self._on_epoch = on_epoch
        self._rows: list[dict[str, object]] = []
        self._checkpoints: list[Checkpoint] = []
        self._written = -math.inf

    def __call__(
        self, name: str, make_network: Callable[[], nn.Module], objective: Classification, recipe: Recipe
    ) -> tuple[nn.Module, list[EpochRecord]]:
        """Return a trained network on the CPU, and the course of its training."""
        checkpoint = Checkpoint(self._run, name)
        self._checkpoints.append(checkpoint)

        def record_epoch(record: EpochRecord) -> None:
            self._rows.append({"network": name, "epoch": record.epoch, "seconds": record.seconds, **record.measures})
            if time.monotonic() > self._written + _MOMENT:
                self._write_history()
            self._on_epoch(name, record)

        with reproducible(self._seed, self._hardware.threads):
            network = make_network()
            history = train(
                network,
                objective,
                recipe,
                seed=self._seed,
                hardware=self._hardware,
                checkpoint=checkpoint,
                on_epoch=record_epoch,
            )
        self._write_history()
        return network.cpu(), history

    def _write_history(self) -> None:
        if self._hardware.leads:
            self._run.write_csv("history.csv", self._rows)
        self._written = time.monotonic()

    def clear(self) -> None:
        """Delete the checkpoints."""
        for checkpoint in self._checkpoints:
            checkpoint.remove()


def _share(labels: NDArray[np.integer[Any]], fraction: float) -> NDArray[np.int64]:
    """Return the indices of the first samples of each class, at least two of each."""
    chosen = [
        np.flatnonzero(labels == label)[: max(2, round(fraction * int((labels == label).sum())))]
        for label in np.unique(labels)
    ]
    return np.sort(np.concatenate(chosen))


def _write_results(
    run: RunFolder,
    outcomes: Sequence[Outcome],
    split: Split,
    made: Mapping[str, object],
    curve: Mapping[str, Mapping[int, float]],
) -> None:
    kernels = outcomes[0].first_kernels
    if kernels is not None and kernels.ndim == 4:
        coloured = kernels.shape[1] == 3
        sheet = colour_sheet(kernels) if coloured else signed_sheet(kernels.reshape(-1, *kernels.shape[2:]))
        run.write_bytes("filters.png", png(sheet))
    networks = {each.name: each.metrics() for each in outcomes}
    by_samples = {name: {str(size): value for size, value in points.items()} for name, points in curve.items()}
    run.write_text("report.html", html_report(outcomes, split, made, curve))
    # The last file: whoever finds it knows that the run is finished.
    run.write_json("metrics.json", {**made, "networks": networks, "accuracy_by_training_samples": by_samples})
