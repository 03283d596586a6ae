"""On which scale is the input of a network? Each channel minus its mean, divided by its deviation in training."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from faltung.errors import ArgumentError

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
    channels : int, optional
        Number of channels of a sample.

    Raises
    ------
    ArgumentError
        If there is another number of them, one is not finite, or a deviation is zero.

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

    def __init__(self, mean: ByChannel = 0.0, deviation: ByChannel = 1.0, channels: int | None = None) -> None:
        super().__init__()
        for name, given in (("mean", mean), ("deviation", deviation)):
            numbers = torch.tensor(given, dtype=torch.float32, device="cpu")  # whatever device is the default
            if numbers.ndim > 1 or (numbers.ndim and len(numbers) != (channels or len(numbers))):
                raise ArgumentError(name, f"one number, or one for each of {channels} channels", str(given))
            self.register_buffer(name, numbers, persistent=False)
        if not (self.mean.isfinite().all() and self.deviation.isfinite().all() and self.deviation.all()):
            received = f"mean={mean} and deviation={deviation}"
            raise ArgumentError("deviation", "finite numbers, and no deviation of zero", received)
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
