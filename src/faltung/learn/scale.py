"""On which scale are the samples of a data set? Each channel has its own mean, deviation and background."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.datasets.dataset import Dataset

__all__ = ["background_of", "deviation_of", "mean_of"]

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


def background_of(data: Dataset) -> tuple[float, ...]:
    """Return what continues samples beyond their border, in each channel.

    Of intensities it is what is in the middle of those at the border, black for drawings on black paper. Of other
    values it is their mean. In each case it moves with the samples if a number is added to all of them.

    Examples
    --------
    >>> samples = np.full((2, 1, 8, 8), 51, np.uint8)
    >>> samples[:, :, 2:6, 2:6] = 200
    >>> background_of(Dataset(samples, np.array([0, 1]), ("bag", "coat")))
    (0.2,)
    """
    if data.samples.dtype != np.uint8:
        return mean_of(data)
    ends = [end for axis in range(2, data.samples.ndim) for end in _ends(data.samples, axis)]
    return _of_channels(np.median(np.concatenate(ends, axis=1), axis=1), data)


def _ends(samples: NDArray[np.uint8], axis: int) -> list[NDArray[np.uint8]]:
    """Return what is at both ends of an axis, (channels, values)."""
    ends = (np.moveaxis(samples, [1, axis], [0, 1])[:, place] for place in (0, -1))
    return [end.reshape(len(end), -1) for end in ends]


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
