"""On which scale is the input of a network? Minus the mean, divided by the deviation of the training samples."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["Standardise"]


class Standardise(nn.Module):
    """Subtracts a mean and divides by a deviation.

    Both belong to the network's description, not to its weights: they are computed from samples, not learned.

    Parameters
    ----------
    mean, deviation : float
        The same for all channels, which keeps their relations.

    Examples
    --------
    >>> Standardise(mean=1.0, deviation=2.0)(torch.tensor([3.0, 5.0]))
    tensor([1., 2.])
    """

    def __init__(self, mean: float = 0.0, deviation: float = 1.0) -> None:
        super().__init__()
        self.mean = mean
        self.deviation = deviation

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Return the samples on the network's scale."""
        if self.mean == 0 and self.deviation == 1:
            return samples
        return (samples - self.mean) / self.deviation
