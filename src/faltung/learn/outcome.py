"""What came of training a network? Everything that is measured of it, once and at the end."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from faltung.learn.cost import NetworkCost, network_cost
from faltung.learn.datasets import Split
from faltung.learn.risk import accuracy, accuracy_interval, accuracy_under_shift, empirical_risk, logits
from faltung.learn.saved import describe
from faltung.learn.tensors import tensors
from faltung.learn.training import EpochRecord, Recipe

__all__ = ["SHIFTS", "Outcome", "measure"]

SHIFTS = (1, 2, 4)
"""By how many pixels the test images are moved."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What was measured of one trained network.

    Parameters
    ----------
    name : str
        What the comparison calls the network.
    description : dict
        Class and arguments of the network.
    cost : NetworkCost
        Parameters, and multiply-adds for one image.
    history : tuple of EpochRecord
        The course of training.
    training_risk, training_accuracy : float
        On the training images as they are, with the last weights.
    test_risk, test_accuracy : float
        On the test images.
    shifted_accuracy : dict of int to float
        Accuracy on the test images moved by so many pixels, mean over four directions.
    test_probabilities : float32 array, shape (samples, classes)
        What the network thinks of each test image.
    first_kernels : float32 array, shape (channels out, channels in, height, width), or None
        The kernels of the first convolutional layer, if there is one.
    first_responses : float32 array, shape (channels out, height, width), or None
        What that layer makes of the first test image.

    Examples
    --------
    See `measure`.
    """

    name: str
    description: dict[str, object]
    cost: NetworkCost
    history: tuple[EpochRecord, ...]
    training_risk: float
    training_accuracy: float
    test_risk: float
    test_accuracy: float
    shifted_accuracy: dict[int, float]
    test_probabilities: NDArray[np.float32]
    first_kernels: NDArray[np.float32] | None
    first_responses: NDArray[np.float32] | None

    @property
    def training_seconds(self) -> float:
        """Time of all training steps, without evaluation."""
        return math.fsum(record.seconds for record in self.history)

    @property
    def test_interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the test accuracy."""
        return accuracy_interval(self.test_accuracy, len(self.test_probabilities))

    def metrics(self) -> dict[str, object]:
        """Return the outcome's numbers as JSON-serialisable values."""
        return {
            "network": self.description,
            "parameters": self.cost.parameters,
            "multiply_adds": self.cost.multiply_adds,
            "layers": [asdict(layer) for layer in self.cost.layers],
            "training_seconds": self.training_seconds,
            "training_risk": self.training_risk,
            "training_accuracy": self.training_accuracy,
            "validation_risk": self.history[-1].validation_risk,
            "validation_accuracy": self.history[-1].validation_accuracy,
            "test_risk": self.test_risk,
            "test_accuracy": self.test_accuracy,
            "test_accuracy_interval_95": list(self.test_interval),
            "shifted_accuracy": {str(pixels): value for pixels, value in self.shifted_accuracy.items()},
        }


def measure(name: str, network: nn.Module, split: Split, recipe: Recipe, history: tuple[EpochRecord, ...]) -> Outcome:
    """Measure a trained network on its training images and on the test images, moved and unmoved.

    Examples
    --------
    >>> from faltung.learn.datasets import load_embedded
    >>> from faltung.networks import DenseClassifier
    >>> outcome = measure("dense", DenseClassifier(classes=10), load_embedded(), Recipe(), ())
    >>> outcome.cost.parameters, sorted(outcome.shifted_accuracy)
    (536586, [1, 2, 4])
    """
    loss = recipe.loss()
    training_images, training_labels = tensors(split.training)
    images, labels = tensors(split.test)
    kernels, responses = _first_convolution(network, images[:1])
    return Outcome(
        name,
        describe(network),
        network_cost(network, split.training.image_shape),
        history,
        training_risk=empirical_risk(network, training_images, training_labels, loss),
        training_accuracy=accuracy(network, training_images, training_labels),
        test_risk=empirical_risk(network, images, labels, loss),
        test_accuracy=accuracy(network, images, labels),
        shifted_accuracy={pixels: accuracy_under_shift(network, images, labels, pixels) for pixels in SHIFTS},
        test_probabilities=torch.softmax(logits(network, images), dim=1).numpy(),
        first_kernels=kernels,
        first_responses=responses,
    )


def _first_convolution(
    network: nn.Module, image: torch.Tensor
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | tuple[None, None]:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            with torch.no_grad():
                return module.weight.contiguous().numpy().copy(), module(image)[0].contiguous().numpy()
    return None, None
