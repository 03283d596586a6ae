"""How good is a trained generator? Its score, some of its samples, and their paths from noise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from faltung.datasets.dataset import Dataset
from faltung.inspect.section_result import SectionResult
from faltung.learn.epoch_record import EpochRecord
from faltung.learn.measures.counting import NetworkCost, network_cost
from faltung.learn.measures.inspecting import figures_of, inspected
from faltung.learn.saved import describe
from faltung.learn.tasks.generation.flow import follow, generate, guided, noise, samples_of
from faltung.learn.tasks.generation.halfway import halfway
from faltung.learn.tasks.generation.sampling import Sampling
from faltung.learn.tasks.generation.score import Protocol, Score
from faltung.networks.generator import ConvGenerator, VelocityField

__all__ = ["GeneratorOutcome", "measure_generator", "score_table"]

_CLASSES = 10  # shown at most
_INSPECTED = 100  # points in which patterns are looked for
_SAMPLES = 10  # shown of each class
_MOMENTS = (0.0, 0.25, 0.5, 0.75, 1.0)  # times on the path from noise to a sample


@dataclass(frozen=True, eq=False)
class GeneratorOutcome:
    """The measures of one trained generator.

    Parameters
    ----------
    name : str
        Name of the network in the comparison.
    description : dict
        Class and arguments of the network.
    cost : NetworkCost
        Parameters, and multiply-adds for one velocity of one sample.
    history : tuple of EpochRecord
        One record for each epoch of training.
    score : Score
        The scores of the protocol.
    class_names : tuple of str
        Names of the classes that are shown.
    samples : array, shape (classes, samples, channels, *spatial)
        The first samples that were generated of each of these classes.
    neighbours : array, shape (classes, channels, *spatial)
        The nearest training sample of the first sample of each class.
    paths : array, shape (classes, moments, channels, *spatial)
        The first sample of each class at some times on its path from noise.
    inspected : mapping of str to SectionResult, optional
        Sections of its report card, by their names.

    Examples
    --------
    See `measure_generator`.
    """

    name: str
    description: dict[str, object]
    cost: NetworkCost
    history: tuple[EpochRecord, ...]
    score: Score
    class_names: tuple[str, ...]
    samples: NDArray[Any]
    neighbours: NDArray[Any]
    paths: NDArray[Any]
    inspected: Mapping[str, SectionResult] = field(default_factory=dict)

    @property
    def training_seconds(self) -> float:
        """Time of all training steps, without evaluation."""
        return math.fsum(record.seconds for record in self.history)

    def metrics(self) -> dict[str, object]:
        """Return the outcome's numbers as JSON-serialisable values."""
        return {
            "network": self.description,
            "parameters": self.cost.parameters,
            "multiply_adds": self.cost.multiply_adds,
            "training_seconds": self.training_seconds,
            **{name: value for record in self.history[-1:] for name, value in record.measures.items()},
            **self.score.metrics(),
            "inspected": figures_of(self.inspected),
        }


def measure_generator(
    name: str,
    network: VelocityField,
    training: Dataset,
    protocol: Protocol,
    history: Sequence[EpochRecord],
    sampling: Sampling,
) -> GeneratorOutcome:
    """Generate the samples that the protocol needs, score them, and keep the first samples of each class.

    Parameters
    ----------
    name : str
        Name of the network in the comparison.
    network : VelocityField
        Samples are generated on its device; afterwards it is on the CPU, in evaluation mode.
    training : Dataset
        The training set.
    protocol : Protocol
        Scores the samples.
    history : sequence of EpochRecord
        One record for each epoch of its training.
    sampling : Sampling
        Seed, steps and guidance.

    Examples
    --------
    >>> from faltung.datasets.dataset import Split
    >>> from faltung.datasets.embedded import load_embedded
    >>> from faltung.networks import ConvClassifier
    >>> from faltung.networks.generator import DenseGenerator
    >>> few = load_embedded().validation
    >>> judge = ConvClassifier(sample_shape=(1, 28, 28), classes=10, channels=(8,)).eval()
    >>> network = DenseGenerator(sample_shape=(1, 28, 28), classes=10, width=8)
    >>> protocol = Protocol(judge, Split(few, few, few, "few"))
    >>> outcome = measure_generator("dense", network, few, protocol, (), Sampling(seed=0, steps=2, guidance=1.0))
    >>> outcome.samples.shape, outcome.paths.shape, outcome.cost.parameters
    ((10, 10, 1, 28, 28), (10, 3, 1, 28, 28), 46201)
    """
    network.eval()
    dtype = training.samples.dtype.name
    samples = generate(network, protocol.labels, sampling, dtype=dtype)
    network.cpu()
    classes = np.unique(protocol.labels)[:_CLASSES]
    shown = [np.flatnonzero(protocol.labels == label)[:_SAMPLES] for label in classes]
    fewest = min(map(len, shown))
    first = np.array([indices[0] for indices in shown])
    return GeneratorOutcome(
        name,
        describe(network),
        network_cost(_AtTheStart(network), network.sample_shape),
        tuple(history),
        protocol(samples),
        tuple(training.class_names[label] for label in classes),
        np.stack([samples[indices[:fewest]] for indices in shown]),
        training.samples[protocol.nearest(samples[first]).indices],
        _paths(network, first, protocol.labels[first], sampling, dtype),
        _inside(network, training) if isinstance(network, ConvGenerator) else {},
    )


def _inside(network: VelocityField, data: Dataset) -> Mapping[str, SectionResult]:
    example, points = halfway(network, data, _INSPECTED)
    return inspected(network, [example], points)


def _paths(
    network: VelocityField, indices: NDArray[np.int64], labels: NDArray[np.int64], sampling: Sampling, dtype: str
) -> NDArray[Any]:
    """Return samples at some times on their paths from noise, shape (samples, moments, channels, *spatial)."""
    start = noise(sampling.seed, indices.tolist(), network.sample_shape)
    path = list(follow(guided(network, sampling.guidance), start, torch.from_numpy(labels), sampling.steps))
    moments = sorted({round(moment * sampling.steps) for moment in _MOMENTS})
    return np.stack([samples_of(network, path[moment], dtype) for moment in moments], axis=1)


class _AtTheStart(nn.Module):
    """A velocity field at time zero for the first class, a function of points alone, to count its cost."""

    def __init__(self, network: VelocityField) -> None:
        super().__init__()
        self.network = network

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        velocities: torch.Tensor = self.network(
            points, torch.zeros(len(points)), torch.zeros(len(points), dtype=torch.long)
        )
        return velocities


def score_table(outcomes: Sequence[GeneratorOutcome]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the comparison: a row for each generator, and a last row for test samples.

    Examples
    --------
    >>> score_table([])[0][:4]
    ['Network', 'Parameters', 'Multiply-adds', 'Training time']
    """
    header = ["Network", "Parameters", "Multiply-adds", "Training time"]
    header += ["Label accuracy", "Fréchet distance", "Nearest training"]
    rows = [
        [
            outcome.name,
            f"{outcome.cost.parameters:,}",
            f"{outcome.cost.multiply_adds:,}",
            f"{outcome.training_seconds:.0f} s",
            *_scores(outcome.score.label_accuracy, outcome.score.frechet, outcome.score.nearest),
        ]
        for outcome in outcomes
    ]
    for score in (outcome.score for outcome in outcomes[:1]):
        real = _scores(score.test_label_accuracy, score.frechet_floor, score.test_nearest)
        rows.append(["test samples", "", "", "", *real])
    return header, rows


def _scores(accuracy: float, distance: float, nearest: float) -> list[str]:
    return [f"{100 * accuracy:.1f} %", f"{distance:.3f}", f"{nearest:.2f}"]
