"""How is a network run on many samples? In evaluation mode, without gradients, and in batches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

__all__ = ["batches", "evaluation"]

_BATCH = 100  # so few that the activations of a small network stay in the cache of a core


@contextmanager
def evaluation(network: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode without gradients; the mode it came in comes back.

    Examples
    --------
    >>> network = nn.Dropout()
    >>> with evaluation(network):
    ...     network.training
    False
    >>> network.training
    True
    """
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.train(was_training)


def batches(network: nn.Module, samples: torch.Tensor, size: int = _BATCH) -> Iterator[torch.Tensor]:
    """Return samples in batches, on the device of the network's parameters.

    Parameters
    ----------
    network : torch.nn.Module
        What they are for.
    samples : tensor, shape (samples, ...)
        On any device.
    size : int, optional
        Samples in a batch.

    Examples
    --------
    >>> [len(batch) for batch in batches(nn.Flatten(), torch.zeros(250, 1, 2))]
    [100, 100, 50]
    """
    device = next((parameter.device for parameter in network.parameters()), samples.device)
    return (batch.to(device) for batch in torch.split(samples, size))
