"""How wrong is a network? The empirical risk, the accuracy, and the accuracy on moved images.

The empirical risk of a network f on samples (x, y) is the mean of a loss L over them,

    R(f) = 1/n sum over i of L(f(x_i), y_i).

On the training samples it is what training makes small; on samples that the network never saw it estimates how wrong
the network will be.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from faltung.errors import ArgumentError

__all__ = [
    "Loss",
    "accuracy",
    "accuracy_interval",
    "accuracy_under_shift",
    "empirical_risk",
    "logits",
    "translate",
]

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""A function of logits (samples, classes) and labels (samples,) that returns the mean loss over the samples."""

_BATCH = 500


@torch.no_grad()
def logits(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return a network's outputs for any number of images, computed in evaluation mode, batch after batch.

    Parameters
    ----------
    network : torch.nn.Module
        Left in the mode, training or evaluation, that it came in.
    images : tensor, shape (samples, channels, height, width)
        What the network reads.

    Returns
    -------
    tensor, shape (samples, classes)
        Unnormalised log-probabilities.

    Examples
    --------
    >>> logits(nn.Flatten(), torch.ones(3, 1, 1, 2)).shape
    torch.Size([3, 2])
    """
    was_training = network.training
    network.eval()
    try:
        return torch.cat([network(batch) for batch in torch.split(images, _BATCH)])
    finally:
        network.train(was_training)


def empirical_risk(network: nn.Module, images: torch.Tensor, labels: torch.Tensor, loss: Loss) -> float:
    """Return the mean loss of a network over samples.

    Parameters
    ----------
    network : torch.nn.Module
        Maps images to logits.
    images : tensor, shape (samples, channels, height, width)
    labels : int64 tensor, shape (samples,)
    loss : callable
        Mean loss of logits against labels.

    Examples
    --------
    Two classes that cannot be told apart cost log 2 = 0.693 a sample:

    >>> risk = empirical_risk(nn.Flatten(), torch.zeros(4, 1, 1, 2), torch.zeros(4, dtype=torch.long),
    ...                       nn.functional.cross_entropy)
    >>> round(risk, 3)
    0.693
    """
    return loss(logits(network, images), labels).item()


def accuracy(network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the fraction of images whose largest logit is that of their label.

    Examples
    --------
    >>> accuracy(nn.Flatten(), torch.tensor([[[[0.0, 1.0]]], [[[1.0, 0.0]]]]), torch.tensor([1, 1]))
    0.5
    """
    return (logits(network, images).argmax(1) == labels).double().mean().item()


def translate(images: torch.Tensor, down: int, right: int, background: float = 0.0) -> torch.Tensor:
    """Move images by whole pixels: y[i, j] = x[i - down, j - right], and `background` where x ends.

    Parameters
    ----------
    images : tensor, shape (..., height, width)
    down, right : int
        Pixels to move by; negative values move up and left.
    background : float, optional
        What moves in.

    Examples
    --------
    >>> translate(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), down=1, right=0)
    tensor([[0., 0.],
            [1., 2.]])
    """
    height, width = images.shape[-2:]
    moved = torch.full_like(images, background)
    if abs(down) >= height or abs(right) >= width:
        return moved
    target = (..., _overlap(down, height), _overlap(right, width))
    source = (..., _overlap(-down, height), _overlap(-right, width))
    moved[target] = images[source]
    return moved


def _overlap(move: int, size: int) -> slice:
    return slice(max(move, 0), size + min(move, 0))


def accuracy_under_shift(network: nn.Module, images: torch.Tensor, labels: torch.Tensor, pixels: int) -> float:
    """Return the accuracy on images moved by `pixels` up, down, left and right: the mean over the four directions.

    A network that finds a pattern wherever it is keeps its accuracy, but for what leaves the frame.

    Raises
    ------
    ArgumentError
        If `pixels` is negative.

    Examples
    --------
    >>> accuracy_under_shift(nn.Flatten(), torch.tensor([[[[0.0, 1.0]]]]), torch.tensor([1]), pixels=1)
    0.0
    """
    if pixels < 0:
        raise ArgumentError("pixels", "a number of pixels, zero or more", str(pixels))
    moves = ((-pixels, 0), (pixels, 0), (0, -pixels), (0, pixels))
    return math.fsum(accuracy(network, translate(images, *move), labels) for move in moves) / len(moves)


def accuracy_interval(accuracy: float, samples: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of an accuracy that was measured on independent samples.

    Wilson's score interval: the values p for which the measured one lies within 1.96 standard deviations of the
    binomial distribution with probability p.

    References
    ----------
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.

    Examples
    --------
    >>> tuple(round(bound, 4) for bound in accuracy_interval(0.9, 1000))
    (0.8798, 0.9171)
    """
    z = 1.959964
    centre = (accuracy + z * z / (2 * samples)) / (1 + z * z / samples)
    spread = math.sqrt(accuracy * (1 - accuracy) / samples + (z / (2 * samples)) ** 2)
    half = z * spread / (1 + z * z / samples)
    return centre - half, centre + half
