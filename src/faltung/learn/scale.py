"""On which scale are the samples of a data set? The mean and the deviation of each channel."""

from __future__ import annotations

import numpy as np

from faltung.datasets.dataset import Dataset

__all__ = ["scale_of"]

_BLOCK = 1 << 24  # values that are converted at a time


def scale_of(data: Dataset) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and the standard deviation of each channel, of samples as a network gets them.

    A channel that is constant has the deviation 1.

    Examples
    --------
    >>> samples = np.zeros((2, 2, 8), np.float32)
    >>> samples[1, 0] = 4.0
    >>> scale_of(Dataset(samples, np.array([0, 1]), ("calm", "storm")))
    ((2.0, 0.0), (2.0, 1.0))
    """
    channels = [data.samples[:, channel].reshape(len(data), -1) for channel in range(data.sample_shape[0])]
    # Intensities from 0 to 255 reach a network as values from 0 to 1.
    unit = 255.0 if data.samples.dtype == np.uint8 else 1.0
    means, deviations = [], []
    for values in channels:
        rows = max(1, _BLOCK // values.shape[1])
        blocks = [values[first : first + rows] for first in range(0, len(values), rows)]
        mean = sum(float(block.sum(dtype=np.float64)) for block in blocks) / values.size
        squares = sum(float(np.square(block - np.float64(mean)).sum()) for block in blocks)
        # The rounding errors of a large constant are no deviation.
        deviation = np.sqrt(squares / values.size)
        means.append(mean / unit)
        deviations.append(deviation / unit if deviation > 1e-6 * abs(mean) else 1.0)
    return tuple(means), tuple(deviations)
