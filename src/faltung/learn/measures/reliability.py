"""Can a network's probabilities be believed? Of what it is 80 % sure of, it should get 80 % right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CalibrationBin", "calibration", "calibration_error"]

_BINS = 10


@dataclass(frozen=True)
class CalibrationBin:
    """Samples of which a network was about equally sure.

    Parameters
    ----------
    low, high : float
        Their largest probabilities lie above `low`, up to and with `high`.
    count : int
        How many they are; at least one.
    confidence : float
        Their mean largest probability.
    accuracy : float
        The share that was right.

    Examples
    --------
    >>> CalibrationBin(0.8, 0.9, 50, confidence=0.86, accuracy=0.9).count
    50
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


def calibration(
    probabilities: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]
) -> tuple[CalibrationBin, ...]:
    """Sort predictions by their largest probability into ten equal intervals; those that hold none are left out.

    Parameters
    ----------
    probabilities : array, shape (samples, classes)
        What a network thinks of each sample.
    labels : integer array, shape (samples,)
        The true classes.

    Examples
    --------
    >>> import numpy as np
    >>> for part in calibration(np.array([[0.95, 0.05], [0.97, 0.03], [0.3, 0.7]]), np.array([0, 1, 1])):
    ...     print(part.low, part.high, part.count, round(part.confidence, 2), part.accuracy)
    0.6 0.7 1 0.7 1.0
    0.9 1.0 2 0.96 0.5
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    # Float32 0.7 is a little less than 0.7; whatever is that close to a limit belongs to it.
    index = np.clip(np.ceil(np.round(confidence * _BINS, 5)).astype(int) - 1, 0, _BINS - 1)
    return tuple(
        CalibrationBin(
            place / _BINS,
            (place + 1) / _BINS,
            int((index == place).sum()),
            float(confidence[index == place].mean()),
            float(right[index == place].mean()),
        )
        for place in np.unique(index).tolist()
    )


def calibration_error(bins: tuple[CalibrationBin, ...]) -> float:
    """Return the expected calibration error: the mean over all samples of |confidence - accuracy| of their bin.

    With few samples in a bin, chance alone makes it larger than zero.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On Calibration of Modern Neural Networks", arXiv:1706.04599, 2017.

    Examples
    --------
    >>> parts = CalibrationBin(0.5, 0.6, 1, 0.5, 1.0), CalibrationBin(0.9, 1.0, 3, 1.0, 1.0)
    >>> calibration_error(parts)
    0.125
    """
    return sum(each.count * abs(each.confidence - each.accuracy) for each in bins) / sum(each.count for each in bins)
