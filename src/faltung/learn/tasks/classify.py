"""The task `classify`: a convolutional network and dense yardsticks learn to recognise the class of a sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from torch import nn

from faltung.datasets.cross_validation import further_splits
from faltung.datasets.dataset import Split
from faltung.ground.drawings.pictures import colour_sheet, png, signed_sheet
from faltung.learn.augmentation import Augmentation
from faltung.learn.experiment import carry_out
from faltung.learn.hardware import Hardware
from faltung.learn.measures.answers import Answers, answered, answers_needed
from faltung.learn.measures.outcome import Outcome, measure, measuring, pooled
from faltung.learn.recipe import Recipe
from faltung.learn.report import html_report
from faltung.learn.report.table import samples_behind, table
from faltung.learn.risk import accuracy
from faltung.learn.runs import RunFolder
from faltung.learn.task import FurtherSplits, LearningCurve, Results, Setup, Task
from faltung.learn.tasks.classification.cross_entropy import Classification
from faltung.learn.tasks.classification.suited import augmentation_for, candidates_for, recipe_for
from faltung.learn.trainer import MakeNetwork, MakeObjective, OnEpoch, TrainedCandidate, Trainer
from faltung.networks.batches import tensors

__all__ = ["TASK", "compare"]

_FRACTIONS = (1 / 16, 1 / 4)


class _ClassifierMeasures:
    """Measures classifiers on the test samples of a split."""

    facts: Mapping[str, object] = {}

    def __init__(self, setup: Setup, trainer: Trainer) -> None:
        self._split = setup.split

    def __call__(self, trained: TrainedCandidate) -> Outcome:
        objective = trained.objective
        assert isinstance(objective, Classification)
        return measure(trained.name, trained.network.cpu(), self._split, objective.loss, trained.history)


def _objective(setup: Setup) -> MakeObjective:
    shared = Classification(
        setup.split,
        label_smoothing=setup.label_smoothing,
        augmentation=setup.augmentation,
        device=setup.device,
    )
    return lambda network: shared


def _test_accuracy(network: nn.Module, split: Split) -> float:
    return accuracy(network.cpu(), *tensors(split.test))


def _answers(trained: TrainedCandidate, split: Split) -> Answers:
    objective = trained.objective
    assert isinstance(objective, Classification)
    return answered(trained.network.cpu(), split, objective.loss)


def _report(results: Results[Outcome]) -> dict[str, str | bytes]:
    files: dict[str, str | bytes] = {}
    kernels = results.outcomes[0].first_kernels
    if kernels is not None and kernels.ndim == 4:
        coloured = kernels.shape[1] == 3
        sheet = colour_sheet(kernels) if coloured else signed_sheet(kernels.reshape(-1, *kernels.shape[2:]))
        files["filters.png"] = png(sheet)
    files["report.html"] = html_report(results.outcomes, results.split, results.facts, results.curve, results.tested)
    return files


TASK: Task[Outcome] = Task(
    candidates=candidates_for,
    recipe=recipe_for,
    augmentation=augmentation_for,
    objective=_objective,
    measures=_ClassifierMeasures,
    report=_report,
    table=table,
    notes=samples_behind,
    classifies=True,
    curve=LearningCurve(
        "accuracy_by_training_samples", _FRACTIONS, lambda outcome: outcome.test_accuracy, _test_accuracy
    ),
    further=FurtherSplits(further_splits, _answers, pooled, answers_needed),
    measuring=measuring,
    seconds=600.0,
)
"""Classification by the smallest mean cross entropy, measured by the accuracy on test samples, moved and unmoved."""


def compare(
    candidates: Mapping[str, MakeNetwork],
    split: Split,
    recipe: Recipe,
    run: RunFolder,
    *,
    objective: Callable[[Split, str], Classification] = lambda split, device: Classification(split, device=device),
    fractions: Sequence[float] = (),
    seed: int = 0,
    hardware: Hardware | None = None,
    on_epoch: OnEpoch = lambda name, record: None,
) -> list[Outcome]:
    """Train classifiers with the same data, recipe and seed, measure them, and write all of it to a run folder.

    Each network is saved as soon as it is trained; checkpoints and `history.csv` are written after every epoch.
    Called again with the folder of a run that was stopped, it continues the run, and the results are the same to the
    last bit.

    Parameters
    ----------
    candidates : mapping of str to callable
        Names, and what makes a fresh network. The first is the model, saved as `model.safetensors` and
        `model.json`; the others are its yardsticks, saved under their own names.
    split : Split
        Training, validation and test set.
    recipe : Recipe
        How each of them is trained.
    run : RunFolder
        The folder to write to. It holds nothing, or a run that was stopped.
    objective : callable, optional
        Makes the objective for a split and a device.
    fractions : sequence of float, optional
        Each network is also trained on such fractions of the training set, with a recipe for that number of samples,
        to show how its accuracy depends on it.
    seed : int, optional
        Seed of weights, order and augmentation.
    hardware : Hardware, optional
        What to run on; one thread of the CPU by default.
    on_epoch : callable, optional
        Called with a network's name and its record after each epoch.

    Returns
    -------
    list of Outcome
        In the order of `candidates`; empty in all but the first of several processes.

    Raises
    ------
    ArgumentError
        If the folder holds a finished run, an argument is out of its range, or a risk stops being finite.

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

    def make_objective(setup: Setup) -> MakeObjective:
        shared = objective(setup.split, setup.device)
        return lambda network: shared

    assert TASK.curve is not None
    task = replace(
        TASK,
        candidates=lambda data: candidates,
        objective=make_objective,
        further=None,
        curve=replace(TASK.curve, fractions=tuple(fractions)),
    )
    trainer = Trainer(run, seed=seed, hardware=hardware, on_epoch=on_epoch)
    return carry_out(task, Setup(split, Augmentation(), device=trainer.hardware.device), recipe, trainer)
