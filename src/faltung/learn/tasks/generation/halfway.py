"""Which inputs of a velocity field are looked at? Points halfway from noise to samples, with their classes."""

from __future__ import annotations

import numpy as np
import torch

from faltung.datasets.dataset import Dataset
from faltung.inspect.examples import Example
from faltung.networks.batches import tensors
from faltung.networks.generator import VelocityField

__all__ = ["halfway"]

_TIME = 0.5


def halfway(network: VelocityField, data: Dataset, most: int) -> tuple[Example, torch.Tensor]:
    """Return the input of a velocity field for the first sample, and points for at most so many samples.

    Each point is the mean of a sample, on the scale of the network, and of noise: it is where the line from one to
    the other is at time 1/2.

    Parameters
    ----------
    network : VelocityField
        The network.
    data : Dataset
        The samples.
    most : int
        How many of them, drawn at random.

    Examples
    --------
    >>> from faltung.datasets.embedded import load_embedded
    >>> from faltung.networks import DenseGenerator
    >>> network = DenseGenerator(sample_shape=(1, 28, 28), classes=10, width=8)
    >>> example, points = halfway(network, load_embedded().validation, 20)
    >>> print(example, *points.shape)
    input 1 1 x 1 x 28 x 28 float32, input 2 1 float32, input 3 1 int64 20 1 28 28
    """
    some = data.subset(np.random.default_rng(0).permutation(len(data))[:most])
    samples, labels = tensors(some)
    noise = torch.randn(samples.shape, generator=torch.Generator().manual_seed(0))
    points = (1 - _TIME) * noise + _TIME * network.standardise(samples)
    return Example((points[:1], torch.full((1,), _TIME), labels[:1])), points
