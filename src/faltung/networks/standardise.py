"""On which scale is the input of a network? Each channel minus its mean, divided by its deviation in training."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

__all__ = ["ByChannel", "Standardise"]

ByChannel = float | Sequence[float]
"""One number for all channels, or one for each."""


class Standardise(nn.Module):
    """Subtracts a mean and divides by a deviation.

    Both belong to the network's description, not to its weights: they are computed from samples, not learned.

    Parameters
    ----------
    mean, deviation : float or sequence of float
        One number for all channels, or one for each: then neither the unit nor the offset of a channel matters.

    Examples
    --------
    >>> scale = Standardise(mean=[1.0, 5.0], deviation=[2.0, 0.5])
    >>> scale(torch.tensor([[[3.0, 5.0], [5.0, 6.0]]]))
    tensor([[[1., 2.],
             [0., 2.]]])
    >>> scale.restore(torch.zeros(1, 2, 1)).flatten()
    tensor([1., 5.])
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, mean: ByChannel = 0.0, deviation: ByChannel = 1.0) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation, dtype=torch.float32), persistent=False)
        self._changes = bool((self.mean != 0).any() or (self.deviation != 1).any())

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Return samples (samples, channels, *spatial) on the network's scale."""
        if not self._changes:
            return samples
        return (samples - _beside(self.mean, samples)) / _beside(self.deviation, samples)

    def restore(self, samples: torch.Tensor) -> torch.Tensor:
        """Return samples that are on the network's scale as they were."""
        return samples * _beside(self.deviation, samples) + _beside(self.mean, samples)


def _beside(numbers: torch.Tensor, samples: torch.Tensor) -> torch.Tensor:
    return numbers.reshape(-1, *[1] * (samples.ndim - 2)) if numbers.ndim else numbers
