"""How wrong is a filter where it was not fitted? The risk on held-out tiles, and how well that is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faltung.fit.sections import Block, Section
from faltung.front import correlate
from faltung.ground.extended import Region
from faltung.kernels import Kernel

__all__ = ["HeldOut", "Loss", "confidence_interval", "held_out_risk", "squared_errors"]

Loss = Callable[[Block], tuple[float, float]]
"""Weighted sum of the loss over the outputs of a block that take part, and the sum of those weights."""


@dataclass(frozen=True)
class HeldOut:
    """Mean loss on held-out tiles.

    Parameters
    ----------
    risk : float or None
        The mean; None if no output counts.
    interval : (float, float) or None
        Its 95 % confidence interval, from the spread between tiles; None for fewer than two tiles.
    tiles, positions, missing : int
        How many tiles there are, how many outputs count, and how many do not because something is not finite.
    """

    risk: float | None
    interval: tuple[float, float] | None
    tiles: int
    positions: int
    missing: int


def held_out_risk(work: Iterable[tuple[Section, Sequence[Region]]], loss: Loss, workers: int) -> HeldOut:
    """Return the mean loss over tiles.

    Parameters
    ----------
    work : iterable of (Section, list of Region)
        The tiles of each section.
    loss : callable
        See `Loss`.
    workers : int
        Number of threads.
    """
    losses: list[float] = []
    weights: list[float] = []
    positions = missing = 0
    for section, tiles in work:
        for (total, weight), counted, lost in section.work_on(
            tiles, lambda block: (loss(block), block.positions, block.missing), workers
        ):
            positions += counted
            missing += lost
            if weight:
                losses.append(total)
                weights.append(weight)
    risk = math.fsum(losses) / math.fsum(weights) if losses else None
    interval = confidence_interval(np.array(losses), np.array(weights))
    return HeldOut(risk, interval, len(losses), positions, missing)


def confidence_interval(losses: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, float] | None:
    """Return the 95 % confidence interval of a mean over clusters, or None for fewer than two.

    Errors at neighbouring outputs may be correlated, so tiles are what is independent. With the sums L of losses
    and W of weights in each of h tiles, the mean R = sum L / sum W has the variance

        h / (h - 1) sum (L - R W)^2 / (sum W)^2,

    and the interval is that of Student's distribution with h - 1 degrees of freedom, cut off at zero.

    References
    ----------
    W. G. Cochran, "Sampling Techniques", 1977, chapter 6, for the variance; Abramowitz and Stegun, "Handbook of
    Mathematical Functions", 26.7.5, for the quantiles.

    Examples
    --------
    >>> low, high = confidence_interval(np.array([1.0, 2.0, 3.0]), np.ones(3))
    >>> round(low, 2), round(high, 2)
    (0.0, 4.47)
    """
    tiles = len(losses)
    if tiles < 2:
        return None
    mean = losses.sum() / weights.sum()
    spread = float(np.sqrt(tiles / (tiles - 1) * np.sum((losses - mean * weights) ** 2)) / weights.sum())
    half = _student_quantile(tiles - 1) * spread
    return max(float(mean) - half, 0.0), float(mean) + half


def squared_errors(block: Block, taps: NDArray[np.float64]) -> tuple[float, float]:
    """Return the squared error, a mean over channels, of taps (channels out, channels in, *size) over a window."""
    error = block.target - _predicted(block.source, taps)
    squares = np.mean(error * error, axis=0)
    if block.weights is not None:
        counted = block.weights if block.kept is None else np.where(block.kept, block.weights, 0.0)
        return float((counted * squares).sum()), float(counted.sum())
    if block.kept is not None:
        squares = squares[block.kept]
    return float(squares.sum()), float(squares.size)


def _predicted(source: NDArray[np.float64], taps: NDArray[np.float64]) -> NDArray[np.float64]:
    # Tiles are shared out among threads, so that each of them is filtered by one.
    rows = [
        sum(
            correlate(channel, Kernel(own), shape="valid", workers=1)
            for channel, own in zip(source, row, strict=True)
        )
        for row in taps
    ]
    return np.stack(rows)


def _student_quantile(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's distribution, to 2 % for two degrees of freedom and better for more."""
    z = 1.959964
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return 12.7062 if freedom == 1 else sum(term / freedom**power for power, term in enumerate(terms))
