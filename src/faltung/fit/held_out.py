"""How good is a filter on data that it was not fitted to? The risk on held-out tiles, with a confidence interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faltung.fit.sections import Section, TileData
from faltung.front import correlate
from faltung.ground.extended import Region
from faltung.kernels import Kernel

__all__ = ["HeldOutRisk", "Loss", "confidence_interval", "held_out_risk", "squared_errors"]

Loss = Callable[[TileData], tuple[float, float]]
"""Weighted sum of the loss over the used outputs of a tile, and the sum of their weights."""


@dataclass(frozen=True)
class HeldOutRisk:
    """Mean loss on held-out tiles.

    Parameters
    ----------
    risk : float or None
        The mean; None if no output is used.
    variance : float or None
        The mean squared deviation of the targets from given means, as means over channels.
    interval : (float, float) or None
        Its 95 % confidence interval, from the spread between tiles; None for fewer than two tiles.
    tiles, positions, missing : int
        The number of tiles, of used outputs, and of outputs left out because something is not finite.
    """

    risk: float | None
    variance: float | None
    interval: tuple[float, float] | None
    tiles: int
    positions: int
    missing: int


def held_out_risk(
    section_tiles: Iterable[tuple[Section, Sequence[Region]]], loss: Loss, means: NDArray[np.float64], workers: int
) -> HeldOutRisk:
    """Return the mean loss over tiles.

    Parameters
    ----------
    section_tiles : iterable of (Section, list of Region)
        The tiles of each section.
    loss : callable
        Returns the loss of a tile, see `Loss`.
    means : ndarray, shape (channels out,)
        The means that targets deviate from.
    workers : int
        Number of threads.
    """
    losses: list[float] = []
    weights: list[float] = []
    deviations: list[float] = []

    def judge(data: TileData) -> tuple[tuple[float, float], float, int, int]:
        deviation = data.target - means.reshape(-1, *[1] * (data.target.ndim - 1))
        return loss(data), _weighted(data, deviation)[0], data.positions, data.missing

    positions = missing = 0
    for section, tiles in section_tiles:
        judged = section.map_tiles(tiles, judge, workers)
        for (total, weight), deviation, tile_positions, tile_missing in judged:
            positions += tile_positions
            missing += tile_missing
            if weight:
                losses.append(total)
                deviations.append(deviation)
                weights.append(weight)
    risk, variance = (math.fsum(each) / math.fsum(weights) if losses else None for each in (losses, deviations))
    interval = confidence_interval(np.array(losses), np.array(weights))
    return HeldOutRisk(risk, variance, interval, len(losses), positions, missing)


def confidence_interval(losses: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, float] | None:
    """Return the 95 % confidence interval of a mean over clusters, or None for fewer than two.

    Errors at neighbouring outputs may be correlated, so whole tiles are taken as independent. With the sums L of
    losses and W of weights of h tiles, the mean R = sum L / sum W has the variance

        h / (h - 1) sum (L - R W)^2 / (sum W)^2,

    and the interval is that of Student's distribution with h - 1 degrees of freedom, clipped at zero.

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
    size = float(np.abs(losses).max()) or 1.0  # squares of what is relative to it do not overflow
    losses = losses / size
    mean = losses.sum() / weights.sum()
    spread = float(np.sqrt(tiles / (tiles - 1) * np.sum((losses - mean * weights) ** 2)) / weights.sum())
    half = _student_quantile(tiles - 1) * spread
    return size * max(float(mean) - half, 0.0), size * (float(mean) + half)


def squared_errors(data: TileData, taps: NDArray[np.float64], offset: NDArray[np.float64]) -> tuple[float, float]:
    """Return the weighted sum of squared errors of a correlation, as means over channels, and the sum of weights.

    Parameters
    ----------
    data : TileData
        A tile.
    taps : ndarray, shape (channels out, channels in, *size)
        The taps of the correlation.
    offset : ndarray, shape (channels out,)
        What is added to it.
    """
    predicted = _predicted(data.source, taps)
    return _weighted(data, data.target - predicted - offset.reshape(-1, *[1] * (predicted.ndim - 1)))


def _weighted(data: TileData, error: NDArray[np.float64]) -> tuple[float, float]:
    """Return the weighted sum of the squares of errors, as means over channels, and the sum of weights."""
    squares = np.mean(error * error, axis=0)
    if data.weights is not None:
        weights = data.weights if data.used is None else np.where(data.used, data.weights, 0.0)
        return float((weights * squares).sum()), float(weights.sum())
    if data.used is not None:
        squares = squares[data.used]
    return float(squares.sum()), float(squares.size)


def _predicted(source: NDArray[np.float64], taps: NDArray[np.float64]) -> NDArray[np.float64]:
    # One thread a tile: the tiles themselves are computed on several threads.
    outputs = [
        sum(
            correlate(channel, Kernel(channel_taps), shape="valid", workers=1)
            for channel, channel_taps in zip(source, row, strict=True)
        )
        for row in taps
    ]
    return np.stack(outputs)


def _student_quantile(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's distribution, within 2 % for two degrees of freedom or more."""
    z = 1.959964
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return 12.7062 if freedom == 1 else sum(term / freedom**power for power, term in enumerate(terms))
