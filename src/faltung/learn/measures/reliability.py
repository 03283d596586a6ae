"""Are a network's probabilities reliable? Of predictions with probability 80 %, 80 % should be right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CalibrationBin", "calibration", "calibration_error"]

_BINS = 10


@dataclass(frozen=True)
class CalibrationBin:
    """Samples whose predictions have about the same probability.

    Parameters
    ----------
    low, high : float
        Bounds of the probability of the predicted class; `high` belongs to the bin, `low` does not.
    count : int
        Number of samples; at least one.
    confidence : float
        Mean probability of the predicted class.
    accuracy : float
        Share of right predictions.

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
    """Sort predictions by their probability into ten equal bins; empty bins are omitted.

    Parameters
    ----------
    probabilities : array, shape (samples, classes)
        Predicted probabilities.
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
    # 0.7 in float32 is a little less than 0.7: probabilities so close to a bound count as the bound.
    index = np.clip(np.ceil(np.round(confidence * _BINS, 5)).astype(int) - 1, 0, _BINS - 1)
    return tuple(
        CalibrationBin(
            number / _BINS,
            (number + 1) / _BINS,
            int((index == number).sum()),
            float(confidence[index == number].mean()),
            float(right[index == number].mean()),
        )
        for number in np.unique(index).tolist()
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
    total = sum(part.count for part in bins)
    return sum(part.count * abs(part.confidence - part.accuracy) for part in bins) / total
