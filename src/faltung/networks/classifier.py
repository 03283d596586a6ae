"""Which class does an image belong to? A small convolutional network.

Each stage learns a bank of 3x3 kernels, keeps the largest response in every 2x2 square, normalises and rectifies it.
What is left of the positions at the end is averaged away, so that the same pattern counts the same wherever it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from faltung.errors import ArgumentError

__all__ = ["ConvClassifier"]


class ConvClassifier(nn.Module):
    """Stages of convolution, pooling, batch norm and ReLU; the average over positions; one linear layer.

    Parameters
    ----------
    channels : sequence of int
        Kernels of each stage, in channels out. Every stage halves height and width.
    classes : int
        Number of classes.
    input_channels : int
        1 for grey images, 3 for colour.

    Raises
    ------
    ArgumentError
        If a number is below one or there is no stage.

    References
    ----------
    S. Ioffe, C. Szegedy, "Batch Normalization", arXiv:1502.03167, 2015. M. Lin, Q. Chen, S. Yan, "Network In
    Network", arXiv:1312.4400, 2013, for the average over positions.

    Examples
    --------
    >>> network = ConvClassifier(channels=(8, 16), classes=10)
    >>> network(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    """

    def __init__(self, *, channels: Sequence[int] = (24, 40, 64), classes: int, input_channels: int = 1) -> None:
        super().__init__()
        if not channels or min(*channels, classes, input_channels) < 1:
            received = f"channels={tuple(channels)}, classes={classes}, input_channels={input_channels}"
            raise ArgumentError("channels", "at least one stage, and no number below one", received)
        self.arguments = {"channels": list(channels), "classes": classes, "input_channels": input_channels}
        widths = [input_channels, *channels]
        self.stages = nn.Sequential(*map(_stage, widths[:-1], widths[1:]))
        self.classify = nn.Linear(widths[-1], classes)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the stubs

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (samples, channels, height, width) to logits (samples, classes)."""
        responses = self.stages(images)
        logits: torch.Tensor = self.classify(responses.mean(dim=(2, 3)))
        return logits


def _stage(channels_in: int, channels_out: int) -> nn.Sequential:
    # Pooling comes before normalisation, which then has a quarter of the work. An odd last row or column is pooled
    # by itself and not dropped.
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel_size=3, padding=1, bias=False),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    )
