"""On which scale are the samples of a data set? Each channel has its own mean and deviation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.datasets.dataset import Dataset

__all__ = ["deviation_of", "mean_of"]

_BLOCK = 1 << 22  # values that are converted at a time


def mean_of(data: Dataset) -> tuple[float, ...]:
    """Return the mean of each channel, of samples as a network gets them: intensities are divided by 255.

    Examples
    --------
    >>> samples = np.zeros((2, 2, 8), np.float32)
    >>> samples[1, 0] = 4.0
    >>> mean_of(Dataset(samples, np.array([0, 1]), ("calm", "storm")))
    (2.0, 0.0)
    """
    sums = sum(block.sum(axis=(0, 2), dtype=np.float64) for block in _blocks(data))
    return _of_channels(sums / _count(data), data)


def deviation_of(data: Dataset) -> tuple[float, ...]:
    """Return the standard deviation of each channel; 1 for a channel that is constant.

    Examples
    --------
    >>> samples = np.zeros((2, 2, 8), np.float32)
    >>> samples[1, 0] = 4.0
    >>> deviation_of(Dataset(samples, np.array([0, 1]), ("calm", "storm")))
    (2.0, 1.0)
    """
    mean = np.array(mean_of(data)) * _unit(data)
    squares = sum(np.square(block - mean[:, None]).sum(axis=(0, 2)) for block in _blocks(data))
    deviation = np.sqrt(squares / _count(data))
    # The rounding errors of a large constant are no deviation.
    constant = deviation <= 1e-6 * abs(mean)
    return _of_channels(np.where(constant, _unit(data), deviation), data)


def _blocks(data: Dataset) -> Iterator[NDArray[Any]]:
    """Yield some samples at a time, (samples, channels, values)."""
    rows = max(1, _BLOCK * len(data) // data.samples.size)
    for first in range(0, len(data), rows):
        block = data.samples[first : first + rows]
        yield block.reshape(*block.shape[:2], -1)


def _count(data: Dataset) -> int:
    return data.samples.size // data.sample_shape[0]


def _unit(data: Dataset) -> float:
    return 255.0 if data.samples.dtype == np.uint8 else 1.0


def _of_channels(values: NDArray[np.float64], data: Dataset) -> tuple[float, ...]:
    return tuple((values / _unit(data)).tolist())
