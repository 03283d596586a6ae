"""What would a network do that knows nothing of neighbours? The fully connected yardstick.

Every output is a weighted sum of every input: shuffle the pixels of all images in the same way and it learns as well
as before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from faltung.errors import ArgumentError

__all__ = ["DenseClassifier"]


class DenseClassifier(nn.Module):
    """Layers of a full linear map, batch norm and ReLU; one linear layer.

    Parameters
    ----------
    image_shape : sequence of int
        Shape of one image: (channels, height, width). A dense network fits no other.
    widths : sequence of int
        Outputs of each hidden layer.
    classes : int
        Number of classes.

    Raises
    ------
    ArgumentError
        If a number is below one.

    Examples
    --------
    >>> network = DenseClassifier(image_shape=(1, 28, 28), classes=10)
    >>> network(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    """

    def __init__(
        self, *, image_shape: Sequence[int] = (1, 28, 28), widths: Sequence[int] = (512, 256), classes: int
    ) -> None:
        super().__init__()
        if min(*image_shape, *widths, classes) < 1:
            received = f"image_shape={tuple(image_shape)}, widths={tuple(widths)}, classes={classes}"
            raise ArgumentError("widths", "no number below one", received)
        self.arguments = {"image_shape": list(image_shape), "widths": list(widths), "classes": classes}
        sizes = [math.prod(image_shape), *widths]
        self.hidden = nn.Sequential(*map(_layer, sizes[:-1], sizes[1:]))
        self.classify = nn.Linear(sizes[-1], classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (samples, channels, height, width) to logits (samples, classes)."""
        logits: torch.Tensor = self.classify(self.hidden(images.flatten(1)))
        return logits


def _layer(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU())
