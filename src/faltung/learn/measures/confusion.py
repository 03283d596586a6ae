"""Which classes are confused? Counts of true and predicted classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Confusion", "confusion_matrix", "most_confused"]


@dataclass(frozen=True)
class Confusion:
    """Samples of one class that were predicted to be of another.

    Parameters
    ----------
    actual, predicted : int
        Index of the true class, and of the predicted class.
    count : int
        Number of such samples.
    share : float
        Their share of all samples of the true class.

    Examples
    --------
    >>> Confusion(actual=6, predicted=0, count=12, share=0.12).count
    12
    """

    actual: int
    predicted: int
    count: int
    share: float


def confusion_matrix(
    labels: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]], classes: int
) -> NDArray[np.int64]:
    """Count samples by true class (rows) and predicted class (columns).

    Parameters
    ----------
    labels, predicted : integer array, shape (samples,)
    classes : int
        Number of classes.

    Returns
    -------
    int64 array, shape (classes, classes)

    Examples
    --------
    >>> import numpy as np
    >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 1]), classes=2).tolist()
    [[1, 0], [1, 1]]
    """
    pairs = labels.astype(np.int64) * classes + predicted
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def most_confused(matrix: NDArray[np.int64], count: int) -> list[Confusion]:
    """Return at most `count` kinds of mistakes of a confusion matrix, the most frequent first.

    Examples
    --------
    >>> import numpy as np
    >>> most_confused(np.array([[8, 2], [1, 9]]), count=1)
    [Confusion(actual=0, predicted=1, count=2, share=0.2)]
    """
    mistakes = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-mistakes, axis=None, kind="stable")[:count]
    rows, columns = np.unravel_index(order, matrix.shape)
    return [
        Confusion(row, column, int(mistakes[row, column]), float(mistakes[row, column] / matrix[row].sum()))
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        if mistakes[row, column]
    ]
