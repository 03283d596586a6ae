"""What came of training a generator? Its score, some of its samples, and how they came about."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from faltung.datasets.dataset import Dataset
from faltung.learn.measures.counting import NetworkCost, network_cost
from faltung.learn.saved import describe
from faltung.learn.tasks.generation.flow import follow, generate, guided, noise, samples_of
from faltung.learn.tasks.generation.sampling import Sampling
from faltung.learn.tasks.generation.score import Protocol, Score
from faltung.learn.training import EpochRecord
from faltung.networks.generator import VelocityField

__all__ = ["GeneratorOutcome", "measure_generator", "score_table"]

_CLASSES = 10  # shown at most
_SAMPLES = 10  # of each class
_MOMENTS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the way from noise to a sample


@dataclass(frozen=True, eq=False)
class GeneratorOutcome:
    """What was measured of one trained generator.

    Parameters
    ----------
    name : str
        What the comparison calls the network.
    description : dict
        Class and arguments of the network.
    cost : NetworkCost
        Parameters, and multiply-adds for one velocity of one sample.
    history : tuple of EpochRecord
        The course of training.
    score : Score
        By the protocol.
    class_names : tuple of str
        Of the classes that are shown.
    samples : array, shape (classes, samples, channels, *spatial)
        The first ones that were generated of each of these classes.
    neighbours : array, shape (classes, channels, *spatial)
        The training sample nearest to the first sample of each class.
    ways : array, shape (classes, moments, channels, *spatial)
        The first sample of each class on its way from noise.

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
    ways: NDArray[Any]

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
        }


def measure_generator(
    name: str,
    network: VelocityField,
    training: Dataset,
    protocol: Protocol,
    history: Sequence[EpochRecord],
    sampling: Sampling,
) -> GeneratorOutcome:
    """Generate the samples that the protocol asks for, score them, and keep the first of each class.

    Parameters
    ----------
    name : str
        What the comparison calls the network.
    network : VelocityField
        Samples are made where it is; afterwards it is on the CPU, in evaluation mode.
    training : Dataset
        What it learned from.
    protocol : Protocol
        How it is scored.
    history : sequence of EpochRecord
        The course of its training.
    sampling : Sampling
        How samples are made.

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
    >>> outcome.samples.shape, outcome.ways.shape, outcome.cost.parameters
    ((10, 10, 1, 28, 28), (10, 3, 1, 28, 28), 46201)
    """
    network.eval()
    dtype = training.samples.dtype.name
    samples = generate(network, protocol.labels, sampling, dtype=dtype)
    network.cpu()
    classes = np.unique(protocol.labels)[:_CLASSES]
    places = [np.flatnonzero(protocol.labels == label)[:_SAMPLES] for label in classes]
    fewest = min(map(len, places))
    first = np.array([place[0] for place in places])
    return GeneratorOutcome(
        name,
        describe(network),
        network_cost(_AtTheStart(network), network.sample_shape),
        tuple(history),
        protocol(samples),
        tuple(training.class_names[label] for label in classes),
        np.stack([samples[place[:fewest]] for place in places]),
        training.samples[protocol.nearest(samples[first]).indices],
        _ways(network, first, protocol.labels[first], sampling, dtype),
    )


def _ways(
    network: VelocityField, places: NDArray[np.int64], labels: NDArray[np.int64], sampling: Sampling, dtype: str
) -> NDArray[Any]:
    """Return samples at some moments from noise on, shape (samples, moments, channels, *spatial)."""
    start = noise(sampling.seed, places.tolist(), network.sample_shape)
    way = list(follow(guided(network, sampling.guidance), start, torch.from_numpy(labels), sampling.steps))
    moments = sorted({round(moment * sampling.steps) for moment in _MOMENTS})
    return np.stack([samples_of(network, way[moment], dtype) for moment in moments], axis=1)


class _AtTheStart(nn.Module):
    """A velocity field at time zero for the first class: a function of points alone, whose cost can be counted."""

    def __init__(self, network: VelocityField) -> None:
        super().__init__()
        self.network = network

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        velocities: torch.Tensor = self.network(
            points, torch.zeros(len(points)), torch.zeros(len(points), dtype=torch.long)
        )
        return velocities


def score_table(outcomes: Sequence[GeneratorOutcome]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the comparison: each generator, and last the samples that are real.

    Examples
    --------
    >>> score_table([])[0][:4]
    ['Network', 'Parameters', 'Multiply-adds', 'Training time']
    """
    header = ["Network", "Parameters", "Multiply-adds", "Training time"]
    header += ["Label accuracy", "Fréchet distance", "Nearest training"]
    rows = [
        [
            each.name,
            f"{each.cost.parameters:,}",
            f"{each.cost.multiply_adds:,}",
            f"{each.training_seconds:.0f} s",
            *_scores(each.score.label_accuracy, each.score.frechet, each.score.nearest),
        ]
        for each in outcomes
    ]
    for score in (each.score for each in outcomes[:1]):
        real = _scores(score.test_label_accuracy, score.frechet_floor, score.test_nearest)
        rows.append(["test samples", "", "", "", *real])
    return header, rows


def _scores(accuracy: float, distance: float, nearest: float) -> list[str]:
    return [f"{100 * accuracy:.1f} %", f"{distance:.3f}", f"{nearest:.2f}"]
