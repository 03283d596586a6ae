"""How good is a network that ignores which samples are neighbours? The fully connected yardstick.

Every output is a weighted sum of all inputs. If the pixels of all samples are permuted in the same way, it learns
equally well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from faltung.errors import ArgumentError
from faltung.networks.standardise import ByChannel, Standardise

__all__ = ["DenseClassifier"]


class DenseClassifier(nn.Module):
    """Layers of a full linear map, batch norm and ReLU; one linear layer.

    Parameters
    ----------
    sample_shape : sequence of int
        Shape of one sample: ``(channels, *spatial)``. A dense network accepts no other shape.
    widths : sequence of int
        Outputs of each hidden layer.
    classes : int
        Number of classes.
    mean, deviation : float or sequence of float
        What is subtracted from each channel, and what it is then divided by.

    Raises
    ------
    ArgumentError
        If a number is below one.

    Examples
    --------
    >>> network = DenseClassifier(sample_shape=(1, 28, 28), classes=10)
    >>> network(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    """

    def __init__(
        self,
        *,
        sample_shape: Sequence[int],
        widths: Sequence[int] = (512, 256),
        classes: int,
        mean: ByChannel = 0.0,
        deviation: ByChannel = 1.0,
    ) -> None:
        super().__init__()
        if min(*sample_shape, *widths, classes) < 1:
            received = f"sample_shape={tuple(sample_shape)}, widths={tuple(widths)}, classes={classes}"
            raise ArgumentError("widths", "no number below one", received)
        self.standardise = Standardise(mean, deviation, sample_shape[0])
        self.arguments = {
            "sample_shape": list(sample_shape),
            "widths": list(widths),
            "classes": classes,
            "mean": self.standardise.mean.tolist(),
            "deviation": self.standardise.deviation.tolist(),
        }
        sizes = [math.prod(sample_shape), *widths]
        self.hidden = nn.Sequential(*map(_layer, sizes[:-1], sizes[1:]))
        self.classify = nn.Linear(sizes[-1], classes)

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Map samples ``(samples, channels, *spatial)`` to logits (samples, classes)."""
        logits: torch.Tensor = self.classify(self.hidden(self.standardise(samples).flatten(1)))
        return logits

    @staticmethod
    def widths_for(parameters: int, sample_shape: Sequence[int], classes: int) -> tuple[int, ...]:
        """Return the widths of two equal hidden layers for a network with at most so many parameters.

        Examples
        --------
        >>> DenseClassifier.widths_for(80_000, (1, 28, 28), classes=10)
        (90, 90)
        """
        # w (inputs + 2) + w (w + 2) + (w + 1) classes = parameters, solved for w; batch norm has 2 per output.
        half = (math.prod(sample_shape) + classes + 4) / 2
        width = math.floor(math.sqrt(half * half + max(0, parameters - classes)) - half)
        return (max(1, width),) * 2


def _layer(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU())
