"""How often is a network wrong? The empirical risk, the accuracy, and the accuracy on moved samples.

The empirical risk of a network f on samples (x, y) is the mean of a loss L over them,

    R(f) = 1/n sum over i of L(f(x_i), y_i).

On the training set it is what training makes small; on samples that are not in the training set it estimates the
expected loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from types import EllipsisType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from faltung.errors import ArgumentError
from faltung.networks.evaluating import batches, evaluation

__all__ = [
    "Background",
    "Loss",
    "accuracy",
    "accuracy_interval",
    "accuracy_under_shift",
    "empirical_risk",
    "logits",
    "paired_interval",
    "recognised_under_shift",
    "translate",
]

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""A function of logits (samples, classes) and labels (samples,) that returns the mean loss over the samples."""

Background = float | Sequence[float]
"""What fills the gap where samples are moved away: one number for all channels, or one for each."""

_Region = tuple[EllipsisType | slice, ...]

_BATCH = 100  # samples that are moved at once
_Z = 1.959964  # standard deviations around the mean that hold 95 % of a normal distribution


def logits(network: nn.Module, samples: torch.Tensor) -> torch.Tensor:
    """Return a network's outputs for any number of samples, computed in evaluation mode and in batches.

    Parameters
    ----------
    network : torch.nn.Module
        Its mode, training or evaluation, is restored.
    samples : tensor, shape ``(samples, channels, *spatial)``
        Input of the network, on any device.

    Returns
    -------
    tensor, shape (samples, classes)
        Unnormalised log-probabilities, on the device of the samples.

    Examples
    --------
    >>> logits(nn.Flatten(), torch.ones(3, 1, 1, 2)).shape
    torch.Size([3, 2])
    """
    with evaluation(network):
        return torch.cat([network(batch).to(samples.device) for batch in batches(network, samples)])


def empirical_risk(network: nn.Module, samples: torch.Tensor, labels: torch.Tensor, loss: Loss) -> float:
    """Return the mean loss of a network over samples.

    Parameters
    ----------
    network : torch.nn.Module
        Maps samples to logits.
    samples : tensor, shape ``(samples, channels, *spatial)``
    labels : int64 tensor, shape (samples,)
    loss : callable
        Mean loss of logits against labels.

    Examples
    --------
    A network that gives two classes the same probability has the risk log 2 = 0.693:

    >>> risk = empirical_risk(nn.Flatten(), torch.zeros(4, 1, 1, 2), torch.zeros(4, dtype=torch.long),
    ...                       nn.functional.cross_entropy)
    >>> round(risk, 3)
    0.693
    """
    return loss(logits(network, samples), labels).item()


def accuracy(network: nn.Module, samples: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the fraction of samples whose largest logit is that of their label.

    Examples
    --------
    >>> accuracy(nn.Flatten(), torch.tensor([[[[0.0, 1.0]]], [[[1.0, 0.0]]]]), torch.tensor([1, 1]))
    0.5
    """
    return (logits(network, samples).argmax(1) == labels).double().mean().item()


def translate(samples: torch.Tensor, *moves: int, background: Background = 0.0) -> torch.Tensor:
    """Move samples by a whole number of pixels or values: y[n] = x[n - move], and `background` beyond the border.

    Parameters
    ----------
    samples : tensor, shape ``(..., *spatial)``
    *moves : int
        Distance along each of the last axes; for images down and right, or up and left if negative.
    background : float or sequence of float, optional
        Value that fills the gap, one for all channels or one for each.

    Examples
    --------
    >>> translate(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), 1, 0)
    tensor([[0., 0.],
            [1., 2.]])
    """
    fill = torch.tensor(background, dtype=samples.dtype, device=samples.device)
    moved = torch.empty_like(samples).copy_(fill.reshape(-1, *[1] * len(moves)) if fill.ndim else fill)
    sizes = samples.shape[samples.ndim - len(moves) :]
    if any(abs(move) >= size for move, size in zip(moves, sizes, strict=True)):
        return moved
    target: _Region = (..., *(_overlap(move, size) for move, size in zip(moves, sizes, strict=True)))
    source: _Region = (..., *(_overlap(-move, size) for move, size in zip(moves, sizes, strict=True)))
    moved[target] = samples[source]
    return moved


def _overlap(move: int, size: int) -> slice:
    return slice(max(move, 0), size + min(move, 0))


def recognised_under_shift(
    network: nn.Module,
    samples: torch.Tensor,
    labels: torch.Tensor,
    places: int,
    *,
    background: Background = 0.0,
    directions: int | None = None,
) -> torch.Tensor:
    """Return for each sample the share of the directions in which it can be moved and is still recognised.

    Parameters
    ----------
    network : torch.nn.Module
        Maps samples to logits.
    samples : tensor, shape ``(samples, channels, *spatial)``
    labels : int64 tensor, shape (samples,)
    places : int
        Distance by which each sample is moved, forth or back along one of its axes.
    background : float or sequence of float, optional
        Value that fills the gap, one for all channels or one for each.
    directions : int, optional
        Number of directions in which each sample is moved; all by default. With fewer, the directions are divided
        evenly among the samples, in a shuffled order that is always the same.

    Returns
    -------
    float64 tensor, shape (samples,)

    Raises
    ------
    ArgumentError
        If `places` is negative, or `directions` is below one or above the number of directions.

    Examples
    --------
    This network takes the brighter pixel for the class, so that a move by one pixel always changes its answer:

    >>> image, label = torch.tensor([[[[0.0, 1.0]]]]), torch.tensor([1])
    >>> recognised_under_shift(nn.Flatten(), image, label, places=0).tolist()
    [1.0]
    >>> recognised_under_shift(nn.Flatten(), image, label, places=1).tolist()
    [0.0]
    """
    if places < 0:
        raise ArgumentError("places", "a distance of zero or more", str(places))
    axes = samples.ndim - 2
    ways = [[sign * places * (other == axis) for other in range(axes)] for axis in range(axes) for sign in (-1, 1)]
    directions = len(ways) if directions is None else directions
    if not 1 <= directions <= len(ways):
        raise ArgumentError("directions", f"from 1 to {len(ways)}", str(directions))
    turns = torch.randperm(len(samples), generator=torch.Generator().manual_seed(0))
    recognised = torch.zeros(len(samples), dtype=torch.float64)
    for index, moves in enumerate(ways):
        chosen = ((turns + index) % len(ways) < directions).nonzero()[:, 0]
        for some in torch.split(chosen, _BATCH)[: len(chosen)]:  # no sample would be one empty batch
            predicted = logits(network, translate(samples[some], *moves, background=background)).argmax(1)
            recognised[some] += (predicted == labels[some]).double().cpu()
    return recognised / directions


def accuracy_under_shift(
    network: nn.Module, samples: torch.Tensor, labels: torch.Tensor, places: int, *, background: Background = 0.0
) -> float:
    """Return the accuracy on samples moved by so many pixels or values, the mean over both directions of every axis.

    A network that recognises a pattern at any position loses accuracy only where a part of it leaves the frame.

    Raises
    ------
    ArgumentError
        If `places` is negative.

    Examples
    --------
    >>> accuracy_under_shift(nn.Flatten(), torch.tensor([[[[0.0, 1.0]]]]), torch.tensor([1]), places=1)
    0.0
    """
    return recognised_under_shift(network, samples, labels, places, background=background).mean().item()


def accuracy_interval(accuracy: float, samples: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of an accuracy, measured on independent samples.

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
    centre = (accuracy + _Z * _Z / (2 * samples)) / (1 + _Z * _Z / samples)
    spread = math.sqrt(accuracy * (1 - accuracy) / samples + (_Z / (2 * samples)) ** 2)
    half = _Z * spread / (1 + _Z * _Z / samples)
    return centre - half, centre + half


def paired_interval(differences: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """Return the 95 % confidence interval of a mean difference, measured on the same independent samples.

    The normal interval after one sample with difference 1 and one with -1 were added. For differences of right and
    wrong answers it is the interval of Bonett and Price, which also holds if samples are few or all differences zero.

    Parameters
    ----------
    differences : array, shape (samples,)
        Values from -1 to 1, one for each sample.

    References
    ----------
    D. G. Bonett, R. M. Price, "Adjusted Wald confidence interval for a difference of binomial proportions based on
    paired data", Journal of Educational and Behavioral Statistics 37, 2012.

    Examples
    --------
    One network is right where the other is wrong for 20 of 100 samples, and wrong where it is right for 10:

    >>> import numpy as np
    >>> low, high = paired_interval(np.repeat([1.0, -1.0, 0.0], [20, 10, 70]))
    >>> round(low, 4), round(high, 4)
    (-0.009, 0.2051)
    """
    values = np.concatenate([differences, [1.0, -1.0]])
    half = _Z * values.std() / math.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)
