"""How good is a trained classifier? Everything that is measured of it, once, at the end of training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from faltung.datasets.dataset import Dataset, Split
from faltung.inspect.examples import Example
from faltung.inspect.layerwise import NetworkLayer, activations, first_convolution, layers_of
from faltung.inspect.probe import linear_probe, probe_features
from faltung.inspect.section_result import SectionResult
from faltung.inspect.superposition import superposition
from faltung.learn.epoch_record import EpochRecord
from faltung.learn.measures.answers import Answers, answered, answers_needed
from faltung.learn.measures.confusion import confusion_matrix
from faltung.learn.measures.counting import NetworkCost, network_cost
from faltung.learn.measures.inspecting import figures_of, inspected
from faltung.learn.measures.reliability import CalibrationBin, calibration, calibration_error
from faltung.learn.risk import Loss, accuracy_interval
from faltung.learn.saved import describe
from faltung.networks.batches import tensors

__all__ = ["MeasuredLayer", "Outcome", "measure", "measuring", "pooled"]

_TRAINING_SAMPLES = 1500  # enough for a training accuracy within two points, and for the linear probes
_EXAMPLES = 4  # test samples that are moved, to see whether the answer stays
_PAIRED_SAMPLES = 200  # enough for superposition, a sum over many activations


@dataclass(frozen=True)
class MeasuredLayer:
    """The measures of one convolutional or linear layer of a trained network.

    Parameters
    ----------
    layer : NetworkLayer
        Its path, kind and shapes.
    multiply_adds : int
        For one sample.
    probe_accuracy : float
        Accuracy of a linear classifier of its activations on the test set.
    linear_share : float
        Share of its activation that superposition explains; 1 for a linear map of the samples.

    Examples
    --------
    See `measure`.
    """

    layer: NetworkLayer
    multiply_adds: int
    probe_accuracy: float
    linear_share: float


@dataclass(frozen=True, eq=False)
class Outcome:
    """The measures of one trained classifier.

    Parameters
    ----------
    name : str
        Name of the network in the comparison.
    description : dict
        Class and arguments of the network.
    sample_shape : tuple of int
        Shape of one sample: ``(channels, *spatial)``.
    cost : NetworkCost
        Parameters, and multiply-adds for one sample.
    history : tuple of EpochRecord
        One record for each epoch of training.
    training_risk, training_accuracy : float
        On training samples without augmentation, with the final weights.
    training_samples : int
        Number of these training samples, which are drawn at random.
    test_risk : float
        On the test set.
    test_labels : integer array, shape (samples,)
        Classes of the test samples.
    test_probabilities : float32 array, shape (samples, classes)
        Predicted probabilities for the test samples.
    recognised : mapping of int to float64 array, shape (samples,)
        For each distance, zero included: the share of the directions in which each test sample was moved by this
        distance and recognised.
    input_probe_accuracy : float
        Accuracy of a linear classifier of the samples themselves.
    layers : tuple of MeasuredLayer
        In the order in which they run.
    first_kernels : float32 array, shape ``(channels out, channels in, *spatial)``, or None
        The kernels of the first convolutional layer, if there is one.
    first_responses : float32 array, shape ``(channels out, *spatial)``, or None
        The feature maps of that layer for the first test sample.
    splits : int, optional
        On how many splits of the data the network was trained and tested; all test samples count.
    inspected : mapping of str to SectionResult, optional
        Sections of its report card, by their names.

    Examples
    --------
    See `measure`.
    """

    name: str
    description: dict[str, object]
    sample_shape: tuple[int, ...]
    cost: NetworkCost
    history: tuple[EpochRecord, ...]
    training_risk: float
    training_accuracy: float
    training_samples: int
    test_risk: float
    test_labels: NDArray[np.int64]
    test_probabilities: NDArray[np.float32]
    recognised: Mapping[int, NDArray[np.float64]]
    input_probe_accuracy: float
    layers: tuple[MeasuredLayer, ...]
    first_kernels: NDArray[np.float32] | None
    first_responses: NDArray[np.float32] | None
    splits: int = 1
    inspected: Mapping[str, SectionResult] = field(default_factory=dict)

    @property
    def training_seconds(self) -> float:
        """Time of all training steps, without evaluation."""
        return math.fsum(record.seconds for record in self.history)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The most probable class of each test sample."""
        classes: NDArray[np.int64] = self.test_probabilities.argmax(axis=1)
        return classes

    @property
    def test_accuracy(self) -> float:
        """The share of the test samples that are recognised."""
        return float(self.recognised[0].mean())

    @property
    def test_interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the test accuracy."""
        return accuracy_interval(self.test_accuracy, len(self.test_labels))

    @property
    def shifted_accuracy(self) -> dict[int, float]:
        """The accuracy on moved test samples by distance, the mean over all directions."""
        return {distance: float(shares.mean()) for distance, shares in self.recognised.items()}

    @property
    def calibration(self) -> tuple[CalibrationBin, ...]:
        """The accuracy by the probability of the prediction."""
        return calibration(self.test_probabilities, self.test_labels)

    @property
    def confusion(self) -> NDArray[np.int64]:
        """The number of test samples by true class (rows) and predicted class (columns)."""
        return confusion_matrix(self.test_labels, self.predicted, self.test_probabilities.shape[1])

    def metrics(self) -> dict[str, object]:
        """Return the outcome's numbers as JSON-serialisable values."""
        return {
            "network": self.description,
            "parameters": self.cost.parameters,
            "multiply_adds": self.cost.multiply_adds,
            "epochs": len(self.history),
            "training_seconds": self.training_seconds,
            "last_epoch": dict(self.history[-1].measures) if self.history else {},
            "training_risk": self.training_risk,
            "training_accuracy": self.training_accuracy,
            "test_samples": len(self.test_labels),
            "splits": self.splits,
            "test_risk": self.test_risk,
            "test_accuracy": self.test_accuracy,
            "test_accuracy_interval_95": list(self.test_interval),
            "shifted_accuracy": {str(distance): value for distance, value in self.shifted_accuracy.items()},
            "expected_calibration_error": calibration_error(self.calibration),
            "calibration": [asdict(part) for part in self.calibration],
            "confusion": self.confusion.tolist(),
            "input_probe_accuracy": self.input_probe_accuracy,
            "layers": [_layer_metrics(layer) for layer in self.layers],
            "inspected": figures_of(self.inspected),
        }


def _layer_metrics(measured: MeasuredLayer) -> dict[str, object]:
    layer = measured.layer
    return {
        "name": layer.name,
        "kind": layer.title,
        "input_shape": list(layer.input_shape),
        "output_shape": list(layer.output_shape),
        "weights": layer.weights,
        "dense_weights": layer.dense_weights,
        "multiply_adds": measured.multiply_adds,
        "probe_accuracy": measured.probe_accuracy,
        "linear_share": measured.linear_share,
    }


def measure(
    name: str,
    network: nn.Module,
    split: Split,
    loss: Loss,
    history: tuple[EpochRecord, ...],
) -> Outcome:
    """Measure a trained classifier on training and test samples, moved and unmoved, and layer by layer.

    Parameters
    ----------
    name : str
        Name of the network in the comparison.
    network : torch.nn.Module
        Maps samples to logits.
    split : Split
        Its training and test sets are used.
    loss : callable
        The loss that training made small: of logits and labels, their mean.
    history : tuple of EpochRecord
        One record for each epoch of training.

    Examples
    --------
    >>> from faltung.datasets.dataset import Split
    >>> from faltung.datasets.embedded import load_embedded
    >>> from faltung.networks import DenseClassifier
    >>> few = load_embedded().validation.subset(np.arange(100))
    >>> network = DenseClassifier(sample_shape=(1, 28, 28), classes=10)
    >>> outcome = measure("dense", network, Split(few, few, few, "few"), nn.CrossEntropyLoss(), ())
    >>> outcome.cost.parameters, sorted(outcome.shifted_accuracy)
    (536586, [0, 1, 2, 3, 4, 5, 6])
    >>> [round(layer.linear_share, 6) for layer in outcome.layers][0]
    1.0
    """
    seen = _some_of(split.training, _TRAINING_SAMPLES)
    training_samples, training_labels = tensors(seen)
    samples, labels = tensors(split.test)
    training_logits, training_features = activations(network, training_samples, probe_features)
    logits, features = activations(network, samples, probe_features)

    def probe(training_features: torch.Tensor, test_features: torch.Tensor) -> float:
        return linear_probe(training_features, training_labels, test_features, labels)

    answers = answered(network, split, loss, logits)
    described = layers_of(network, split.test.sample_shape)
    cost = network_cost(network, split.test.sample_shape)
    pairs, _ = tensors(_some_of(split.test, _PAIRED_SAMPLES))
    shares = superposition(network, pairs)
    first = first_convolution(network, samples[0])
    return Outcome(
        name,
        describe(network),
        split.test.sample_shape,
        cost,
        history,
        training_risk=loss(training_logits, training_labels).item(),
        training_accuracy=_right(training_logits, training_labels).mean().item(),
        training_samples=len(seen),
        test_risk=answers.risk,
        test_labels=answers.labels,
        test_probabilities=answers.probabilities,
        recognised=answers.recognised,
        input_probe_accuracy=probe(probe_features(training_samples), probe_features(samples)),
        layers=tuple(
            MeasuredLayer(layer, counted.multiply_adds, probe(*both), share)
            for layer, counted, both, share in zip(
                described, cost.layers, zip(training_features, features, strict=True), shares, strict=True
            )
        ),
        first_kernels=first and first[0].contiguous().numpy().copy(),
        first_responses=first and first[1].contiguous().numpy(),
        inspected=_inside(network, pairs) if first else {},
    )


def _inside(network: nn.Module, samples: torch.Tensor) -> Mapping[str, SectionResult]:
    examples = [Example((sample,)) for sample in torch.split(samples[:_EXAMPLES], 1)]
    return inspected(network, examples, samples)


def measuring(split: Split) -> int:
    """Return for how many samples a network answers when it is measured.

    Examples
    --------
    >>> from faltung.datasets.embedded import load_embedded
    >>> measuring(load_embedded())
    8800
    """
    seen = min(len(split.training), _TRAINING_SAMPLES)
    pairs = min(len(split.test), _PAIRED_SAMPLES) // 2
    return seen + 3 * pairs + answers_needed(split)


def pooled(outcome: Outcome, further: Sequence[Answers]) -> Outcome:
    """Return an outcome with the answers for the test samples of further splits.

    Examples
    --------
    See `faltung.learn.tasks.classify`.
    """
    own = Answers(outcome.test_labels, outcome.test_probabilities, outcome.recognised, outcome.test_risk)
    answers = Answers.together([own, *further])
    return replace(
        outcome,
        test_labels=answers.labels,
        test_probabilities=answers.probabilities,
        recognised=answers.recognised,
        test_risk=answers.risk,
        splits=outcome.splits + len(further),
    )


def _some_of(data: Dataset, most: int) -> Dataset:
    return data.subset(np.random.default_rng(0).permutation(len(data))[:most])


def _right(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return (logits.argmax(1) == labels).double()
