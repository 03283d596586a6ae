"""What is a task? A value that says what is trained, how, with which loss, what is measured, and what is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from torch import nn

from faltung.datasets.dataset import Dataset, Split
from faltung.learn.arguments import instance, share, split_of_data
from faltung.learn.augmentation import Augmentation
from faltung.learn.recipe import Recipe
from faltung.learn.trainer import MakeNetwork, MakeObjective, TrainedCandidate, Trainer

__all__ = ["FurtherSplits", "LearningCurve", "Measured", "Measures", "Results", "Setup", "Task"]


class Measured(Protocol):
    """What was measured of one trained network.

    Examples
    --------
    See `faltung.learn.measures.outcome.Outcome`.
    """

    @property
    def name(self) -> str:
        """Name of the network in the run."""

    def metrics(self) -> dict[str, object]:
        """Return the numbers as JSON-serialisable values, for `metrics.json`."""


_Outcome = TypeVar("_Outcome", bound=Measured)
_Made = TypeVar("_Made", bound=Measured, covariant=True)


@dataclass(frozen=True, eq=False)
class Setup:
    """What a task works on: the data, and the settings of the run.

    Parameters
    ----------
    split : Split
        Training, validation and test set.
    augmentation : Augmentation
        How training samples are changed at random.
    label_smoothing : float, optional
        Probability that a loss over classes takes from the true class.
    device : str, optional
        The torch device on which networks are trained.
    options : mapping, optional
        The task's own settings, by name.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If an argument is of another class, or `label_smoothing` is out of its range.

    Examples
    --------
    >>> from faltung.datasets.embedded import load_embedded
    >>> Setup(load_embedded(), Augmentation()).device
    'cpu'
    """

    split: Split
    augmentation: Augmentation
    label_smoothing: float = 0.1
    device: str = "cpu"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        split_of_data(self.split)
        instance("augmentation", self.augmentation, Augmentation, "an Augmentation", "Use Augmentation().")
        self.augmentation.check(self.split.training.sample_shape)
        instance("options", self.options, Mapping, "the task's settings by name", "Use {} for none.")
        object.__setattr__(self, "label_smoothing", share("label_smoothing", self.label_smoothing))


class Measures(Protocol[_Made]):
    """Measures trained networks. It is made before any network of the run is trained, so that it fails early.

    Examples
    --------
    See `faltung.learn.tasks.classify`.
    """

    @property
    def facts(self) -> Mapping[str, object]:
        """How it measures, as JSON-serialisable values; part of `metrics.json` and of the report."""

    def __call__(self, trained: TrainedCandidate) -> _Made:
        """Return what is measured of a network. It may move the network to the CPU."""


@dataclass(frozen=True)
class LearningCurve(Generic[_Outcome]):
    """How one number depends on the size of the training set.

    Parameters
    ----------
    name : str
        Key of the curve in `metrics.json`.
    fractions : tuple of float
        The candidates are trained on such fractions of the training set, too.
    of_outcome : callable
        Returns the number for a network that was trained on the whole training set and measured.
    of_network : callable
        Returns the number for a network that was trained on a fraction, from the network and the split.

    Examples
    --------
    >>> curve = LearningCurve("risk_by_size", (0.5,), lambda outcome: outcome.risk, lambda network, split: 0.0)
    >>> curve.fractions
    (0.5,)
    """

    name: str
    fractions: tuple[float, ...]
    of_outcome: Callable[[_Outcome], float]
    of_network: Callable[[nn.Module, Split], float]


@dataclass(frozen=True)
class FurtherSplits(Generic[_Outcome]):
    """How networks are tested if the test samples of one split are few: the same data are split again and again.

    Parameters
    ----------
    of : callable
        Returns the further splits of the data, given how many splits are asked for in all (None: as many as the data
        need). Their test sets have no sample in common, with each other or with that of the first split.
    answers : callable
        Returns what a network that was trained on a split answers for its test samples.
    pooled : callable
        Returns an outcome with the answers for all test samples, from that of the first split and further answers.
    measuring : callable
        How many answers of a network these take, for a split.

    Examples
    --------
    See `faltung.learn.tasks.classify`.
    """

    of: Callable[[Split, int | None], Sequence[Split]]
    answers: Callable[[TrainedCandidate, Split], Any]
    pooled: Callable[[_Outcome, Sequence[Any]], _Outcome]
    measuring: Callable[[Split], int] = lambda split: 0


@dataclass(frozen=True, eq=False)
class Results(Generic[_Outcome]):
    """The results of a run, for its report.

    Parameters
    ----------
    outcomes : sequence
        One for each candidate; the model first, then its yardsticks.
    split : Split
        The data.
    facts : mapping
        Where the numbers come from: data, recipe, seed, versions, machine, and how networks were measured.
    curve : mapping of str to mapping of int to float
        The number of the learning curve, by name of the network and number of training samples; may be empty.
    tested : Dataset
        All samples that outcomes were tested with: the test samples of the split, and of further splits.

    Examples
    --------
    >>> from faltung.datasets.embedded import load_embedded
    >>> split = load_embedded()
    >>> Results([], split, {"seed": 0}, {}, split.test).facts["seed"]
    0
    """

    outcomes: Sequence[_Outcome]
    split: Split
    facts: Mapping[str, object]
    curve: Mapping[str, Mapping[int, float]]
    tested: Dataset


@dataclass(frozen=True, eq=False)
class Task(Generic[_Outcome]):
    """Everything in which learning one kind of thing differs from learning another.

    ``faltung.learn.experiment.carry_out`` runs any task; ``faltung.learn.tasks.TASKS`` lists those that the command
    `faltung learn` and the function `faltung.learn.run` know.

    Parameters
    ----------
    candidates : callable
        What is trained: for a training set, the names of networks and what makes each of them. The first is the
        model, the others are its yardsticks.
    recipe : callable
        How it is trained: the recipe for a number of training samples.
    augmentation : callable
        How the samples of a training set are changed at random.
    objective : callable
        What training makes small: for a `Setup`, a function that returns the objective of a network. It is called
        once for all candidates, so that they can share the samples.
    measures : callable
        What is measured: `Measures` for a `Setup` and a `Trainer`, with which it may train networks of its own.
    report : callable
        What is shown: for `Results`, the names of files of the run folder and their contents.
    table : callable
        The table of all networks: for a sequence of outcomes, a header and rows of cells.
    notes : callable, optional
        What is to be known about the table, in sentences.
    curve : LearningCurve, optional
        The number that is also measured with fewer training samples.
    further : FurtherSplits, optional
        How networks are tested on further splits of few data.
    measuring : callable, optional
        How many answers of a network measuring it takes, for a split.
    seconds : float, optional
        How long learning from one's own data may take if no time is given.
    options : mapping of str, optional
        The task's own settings and their default values, which are JSON-serialisable.
    classifies : bool, optional
        Whether the outputs of the classifiers in its run folders are logits of the classes of the data, as the
        functions `predict` and `export_network` read them. Without it they refuse its runs.

    Examples
    --------
    >>> from faltung.learn.tasks import TASKS
    >>> TASKS["classify"].recipe(60_000).epochs
    24
    """

    candidates: Callable[[Dataset], Mapping[str, MakeNetwork]]
    recipe: Callable[[int], Recipe]
    augmentation: Callable[[Dataset], Augmentation]
    objective: Callable[[Setup], MakeObjective]
    measures: Callable[[Setup, Trainer], Measures[_Outcome]]
    report: Callable[[Results[_Outcome]], Mapping[str, str | bytes]]
    table: Callable[[Sequence[_Outcome]], tuple[list[str], list[list[str]]]]
    notes: Callable[[Sequence[_Outcome]], list[str]] = lambda outcomes: []
    curve: LearningCurve[_Outcome] | None = None
    further: FurtherSplits[_Outcome] | None = None
    measuring: Callable[[Split], int] = lambda split: 0
    seconds: float | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    classifies: bool = False
