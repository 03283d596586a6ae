"""What is taken for what? Counts of true and predicted classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Confusion", "confusion_matrix", "most_confused"]


@dataclass(frozen=True)
class Confusion:
    """One class taken for another.

    Parameters
    ----------
    actual, predicted : int
        Index of the class that it was, and of the one that the network said.
    count : int
        How often.
    share : float
        Of all samples of the actual class.

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
    """Count how often which class was taken for which: the rows are the true classes, the columns what was said.

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
    """Return the most frequent mistakes of a confusion matrix, at most so many, the most frequent first.

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
