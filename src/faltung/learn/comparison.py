"""Which of several networks does better? The same data and the same budget for each, then one report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from torch import nn

from faltung.learn.datasets import Split
from faltung.learn.determinism import reproducible
from faltung.learn.outcome import Outcome, measure
from faltung.learn.pictures import png, signed_sheet
from faltung.learn.provenance import provenance
from faltung.learn.report import html_report
from faltung.learn.runs import RunFolder
from faltung.learn.saved import save_network
from faltung.learn.training import EpochRecord, Recipe, train

__all__ = ["compare"]


def compare(
    candidates: Mapping[str, Callable[[], nn.Module]],
    split: Split,
    recipe: Recipe,
    run: RunFolder,
    *,
    seed: int = 0,
    threads: int = 1,
    on_epoch: Callable[[str, EpochRecord], None] = lambda name, record: None,
) -> list[Outcome]:
    """Train networks with the same data, recipe and seed, measure them, and write all of it to a run folder.

    Each network is written as soon as it is trained, `history.csv` after every epoch.

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
    seed : int, optional
        Seed of weights, order and augmentation.
    threads : int, optional
        Threads of one operation. The numbers depend on it, so the default does not depend on the machine. One it is
        because layers this small are done before many threads have met, and wait for each other on a busy machine.
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
    >>> from faltung.learn.datasets import load_embedded
    >>> from faltung.networks import DenseClassifier
    >>> candidates = {"dense": lambda: DenseClassifier(widths=(32,), classes=10)}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [outcome] = compare(candidates, load_embedded(), Recipe(epochs=1), RunFolder(Path(folder)))
    ...     sorted(path.name for path in Path(folder).iterdir())
    ['history.csv', 'metrics.json', 'model.json', 'model.safetensors', 'report.html']
    """
    outcomes: list[Outcome] = []
    rows: list[dict[str, object]] = []
    for name, make_network in candidates.items():

        def record_epoch(record: EpochRecord, name: str = name) -> None:
            rows.append({"network": name, **asdict(record)})
            run.write_csv("history.csv", rows)
            on_epoch(name, record)

        with reproducible(seed, threads):
            network = make_network()
            history = train(network, split, recipe, seed=seed, on_epoch=record_epoch)
            save_network(run, name if outcomes else "model", network, split.class_names)
            outcomes.append(measure(name, network, split, recipe, tuple(history)))
    _write_results(run, outcomes, split, provenance(split, recipe, seed=seed, threads=threads))
    return outcomes


def _write_results(run: RunFolder, outcomes: Sequence[Outcome], split: Split, made: Mapping[str, object]) -> None:
    kernels = outcomes[0].first_kernels
    if kernels is not None:
        run.write_bytes("filters.png", png(signed_sheet(kernels.reshape(-1, *kernels.shape[2:]))))
    run.write_json("metrics.json", {**made, "networks": {each.name: each.metrics() for each in outcomes}})
    run.write_text("report.html", html_report(outcomes, split, made))
