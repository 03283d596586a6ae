"""Which class does a sample belong to? A small convolutional network for series, images and volumes.

Each stage has a bank of kernels and a residual pair of banks. Between two stages, the largest of every 2 (x 2 x 2)
neighbours is kept. At the end the feature maps are averaged over all positions, so that a pattern counts the same at
every position.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from faltung.errors import ArgumentError
from faltung.layers import Conv
from faltung.networks.standardise import ByChannel, Standardise

__all__ = ["ConvClassifier"]

_NORMALISATIONS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_LARGEST = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}


class ConvClassifier(nn.Module):
    """Stages of convolution, residual convolution and pooling; the average over positions; one linear layer.

    Parameters
    ----------
    sample_shape : sequence of int
        Shape of one sample, ``(channels, *spatial)`` with one to three spatial axes. Samples of other sizes are
        possible if no axis becomes too short for the pooling.
    classes : int
        Number of classes.
    channels : sequence of int
        Output channels of each stage. Between two stages every axis is halved.
    size : int
        Taps of a kernel along each axis, an odd number.
    mean, deviation : float or sequence of float
        What is subtracted from each channel, and what it is then divided by.

    Raises
    ------
    ArgumentError
        If a number is below one, there is no stage, or `size` is even.

    References
    ----------
    S. Ioffe, C. Szegedy, "Batch Normalization", arXiv:1502.03167, 2015. K. He, X. Zhang, S. Ren, J. Sun, "Deep
    Residual Learning for Image Recognition", arXiv:1512.03385, 2015. M. Lin, Q. Chen, S. Yan, "Network In Network",
    arXiv:1312.4400, 2013, for the average over positions.

    Examples
    --------
    >>> network = ConvClassifier(sample_shape=(1, 28, 28), classes=10, channels=(8, 16))
    >>> network(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    >>> series = ConvClassifier(sample_shape=(3, 100), classes=2, channels=(8, 16), size=9)
    >>> series(torch.zeros(5, 3, 100)).shape
    torch.Size([5, 2])
    """

    def __init__(
        self,
        *,
        sample_shape: Sequence[int],
        classes: int,
        channels: Sequence[int] = (16, 32, 48),
        size: int = 3,
        mean: ByChannel = 0.0,
        deviation: ByChannel = 1.0,
    ) -> None:
        super().__init__()
        ndim = len(sample_shape) - 1
        if ndim not in _NORMALISATIONS or min(sample_shape) < 1:
            expected = "(channels, *spatial) with one to three spatial axes and no number below one"
            raise ArgumentError("sample_shape", expected, str(tuple(sample_shape)))
        if not channels or min(*channels, classes) < 1:
            received = f"channels={tuple(channels)}, classes={classes}"
            raise ArgumentError("channels", "at least one stage, and no number below one", received)
        if size < 1 or size % 2 == 0:
            raise ArgumentError(
                "size", "an odd number of taps, so that outputs have the positions of inputs", str(size)
            )
        self.standardise = Standardise(mean, deviation, sample_shape[0])
        self.arguments = {
            "sample_shape": list(sample_shape),
            "classes": classes,
            "channels": list(channels),
            "size": size,
            "mean": self.standardise.mean.tolist(),
            "deviation": self.standardise.deviation.tolist(),
        }
        widths = [sample_shape[0], *channels]
        self.stages = nn.Sequential()
        for before, after in pairwise(widths):
            if len(self.stages):
                # An odd last row or column is pooled by itself, not dropped.
                self.stages.append(_LARGEST[ndim](2, ceil_mode=True))
            self.stages.append(_Stage(before, after, size, ndim))
        self.classify = nn.Linear(widths[-1], classes)
        if ndim == 2:
            self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the stubs

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Map samples ``(samples, channels, *spatial)`` to logits (samples, classes)."""
        feature_maps = self.stages(self.standardise(samples))
        logits: torch.Tensor = self.classify(feature_maps.flatten(2).mean(dim=2))
        return logits


class _Stage(nn.Module):
    """A bank that changes the number of channels, and a residual pair of banks."""

    def __init__(self, before: int, after: int, size: int, ndim: int) -> None:
        super().__init__()
        self.change = _bank(before, after, size, ndim)
        self.first = _bank(after, after, size, ndim)
        self.second = _bank(after, after, size, ndim)

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        changed = torch.relu(self.change(samples))
        return torch.relu(changed + self.second(torch.relu(self.first(changed))))


def _bank(before: int, after: int, size: int, ndim: int) -> nn.Sequential:
    return nn.Sequential(
        Conv(before, after, kernel_size=size, padding=size // 2, bias=False, ndim=ndim),
        _NORMALISATIONS[ndim](after),
    )
