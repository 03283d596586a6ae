"""What does a classifier answer for test samples? Probabilities, and whether it is right if they are moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from faltung.datasets.dataset import Split
from faltung.learn.risk import Loss, logits, recognised_under_shift
from faltung.learn.scale import mean_of
from faltung.networks.batches import tensors

__all__ = ["SHIFTS", "Answers", "answered", "answers_needed", "shift_unit"]

SHIFTS = (0, 1, 2, 3, 4, 5, 6)
"""How far the test samples are moved, in units of `shift_unit`."""

_LENGTH_PER_UNIT = 28  # of the shortest axis
_MOVED_SAMPLES = 1000  # at least so many moved samples, if there are enough directions


@dataclass(frozen=True, eq=False)
class Answers:
    """What a network answers for the test samples of a split.

    Parameters
    ----------
    labels : integer array, shape (samples,)
        Classes of the test samples.
    probabilities : float32 array, shape (samples, classes)
        Predicted probabilities.
    recognised : mapping of int to float64 array, shape (samples,)
        For each distance, zero included: the share of the directions in which each test sample was moved by this
        distance and recognised.
    risk : float
        The mean loss.

    Examples
    --------
    See `answered`.
    """

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    recognised: Mapping[int, NDArray[np.float64]]
    risk: float

    @classmethod
    def together(cls, parts: Sequence[Answers]) -> Answers:
        """Return the answers for the samples of several test sets, one after the other."""
        counts = [len(part.labels) for part in parts]
        return cls(
            np.concatenate([part.labels for part in parts]),
            np.concatenate([part.probabilities for part in parts]),
            {
                distance: np.concatenate([part.recognised[distance] for part in parts])
                for distance in parts[0].recognised
            },
            float(np.average([part.risk for part in parts], weights=counts)),
        )


def shift_unit(sample_shape: tuple[int, ...]) -> int:
    """Return the smallest distance by which samples are moved: one for every 28 pixels of the shortest axis.

    Examples
    --------
    >>> shift_unit((1, 28, 28)), shift_unit((3, 96, 128)), shift_unit((1, 427)), shift_unit((1, 8, 8))
    (1, 3, 15, 1)
    """
    return max(1, round(min(sample_shape[1:]) / _LENGTH_PER_UNIT))


def answered(network: nn.Module, split: Split, loss: Loss, scores: torch.Tensor | None = None) -> Answers:
    """Return the answers of a network for the test samples of a split.

    Parameters
    ----------
    network : torch.nn.Module
        Maps samples to logits.
    split : Split
        Its test samples are used.
    loss : callable
        Mean loss of logits and labels.
    scores : tensor, optional
        The logits, if they are known.

    Examples
    --------
    >>> from faltung.datasets.embedded import load_embedded
    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    >>> answers = answered(network, load_embedded(), nn.CrossEntropyLoss())
    >>> answers.probabilities.shape, list(answers.recognised)
    ((1000, 10), [0, 1, 2, 3, 4, 5, 6])
    """
    samples, labels = tensors(split.test)
    if scores is None:
        scores = logits(network, samples)
    return Answers(
        labels.numpy(),
        torch.softmax(scores, dim=1).numpy(),
        {
            0: (scores.argmax(1) == labels).double().numpy(),
            **_recognised_moved(network, split, samples, labels),
        },
        loss(scores, labels).item(),
    )


def answers_needed(split: Split) -> int:
    """Return for how many samples a network answers in `answered`.

    Examples
    --------
    >>> from faltung.datasets.embedded import load_embedded
    >>> answers_needed(load_embedded())
    7000
    """
    return len(split.test) * (1 + (len(SHIFTS) - 1) * _directions(split))


def _directions(split: Split) -> int:
    """Return in how many directions each sample is moved: in one if samples are many, in several if they are few."""
    return min(2 * split.test.ndim, max(1, _MOVED_SAMPLES // len(split.test)))


def _recognised_moved(
    network: nn.Module, split: Split, samples: torch.Tensor, labels: torch.Tensor
) -> dict[int, NDArray[np.float64]]:
    """Return for each distance the share of the directions in which each sample is recognised."""
    unit = shift_unit(split.test.sample_shape)
    background = mean_of(split.training)
    return {
        unit * steps: recognised_under_shift(
            network, samples, labels, unit * steps, background=background, directions=_directions(split)
        ).numpy()
        for steps in SHIFTS[1:]
    }
