"""How far is each layer from a linear map? As far as superposition fails.

A linear map, up to a constant, maps the mean of two samples to the mean of its outputs,

    h((x + y) / 2) = (h(x) + h(y)) / 2,

and no other map does so for all samples. The first convolution of a network is such a map; the layers after a
non-linearity are not.
"""

from __future__ import annotations

import torch
from torch import nn

from faltung.inspect.layerwise import activations

__all__ = ["superposition"]

_POSITIONS = 16


def superposition(network: nn.Module, samples: torch.Tensor, batch_size: int = 100) -> list[float]:
    """Return for each convolutional and linear layer how much of its activation superposition explains.

    The coefficient of determination over pairs of samples x, y and up to 16 positions along each axis: one minus the
    sum of squared differences between h((x + y) / 2) and (h(x) + h(y)) / 2, divided by the variation of
    h((x + y) / 2). It is 1 for a linear map, and 0 if the differences are as large as the variation, or larger.

    Parameters
    ----------
    network : torch.nn.Module
        Is run in evaluation mode.
    samples : tensor, shape (samples, channels, *spatial)
        The first half of them is paired with the second.
    batch_size : int, optional
        Samples in a batch.

    Returns
    -------
    list of float
        One for each layer, in the order in which they run.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv1d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 5))
    >>> first, last = superposition(network, torch.randn(20, 1, 6, generator=torch.Generator().manual_seed(0)))
    >>> round(first, 6), last < 1
    (1.0, True)
    """
    half = len(samples) // 2
    ones, others = samples[:half], samples[half : 2 * half]
    (_, of_ones), (_, of_others), (_, of_averages) = (
        activations(network, inputs, _some_positions, batch_size) for inputs in (ones, others, (ones + others) / 2)
    )
    return [
        _explained(average, (one + other) / 2)
        for one, other, average in zip(of_ones, of_others, of_averages, strict=True)
    ]


def _some_positions(activation: torch.Tensor) -> torch.Tensor:
    """Return an activation at no more than 16 evenly spaced positions along each axis, one row for each sample."""
    for axis, size in enumerate(activation.shape[2:], start=2):
        positions = torch.arange(0, size, -(-size // _POSITIONS), device=activation.device)
        activation = activation.index_select(axis, positions)
    return activation.flatten(1)


def _explained(values: torch.Tensor, predictions: torch.Tensor) -> float:
    values, predictions = values.double(), predictions.double()
    variation = (values - values.mean(0)).square().sum().item()
    departure = (values - predictions).square().sum().item()
    if variation == 0:
        return float(departure == 0)
    return max(0.0, 1 - departure / variation)
