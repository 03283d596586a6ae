"""How are the smaller copies of a picture made again? Each pixel is the mean of those that it covers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["smaller"]


def smaller(samples: NDArray[Any], axes: str, shapes: Sequence[tuple[int, ...]]) -> list[NDArray[Any]]:
    """Return copies of samples with other numbers of rows and columns, each made from the one before.

    Examples
    --------
    >>> smaller(np.array([[0, 2, 9], [2, 4, 9]], np.uint8), "YX", [(1, 2)])
    [array([[2, 9]], dtype=uint8)]
    """
    levels = []
    for shape in shapes:
        for letter in "YX":
            samples = _means(samples, axes.index(letter), shape[axes.index(letter)])
        levels.append(samples)
    return levels


def _means(samples: NDArray[Any], axis: int, length: int) -> NDArray[Any]:
    """Return the means of runs along an axis: of equal length, but for the last."""
    given, dtype = samples.shape[axis], samples.dtype
    starts = np.minimum(np.arange(length) * -(-given // length), given - 1)
    if starts[-1] == given - 1 and length > 1 and starts[-2] == given - 1:
        starts = np.arange(length) * given // length
    counts = np.diff(np.append(starts, given)).reshape([-1 if place == axis else 1 for place in range(samples.ndim)])
    wide = np.result_type(dtype, np.float64) if dtype.kind != "c" else dtype
    means = np.add.reduceat(samples, starts, axis=axis, dtype=wide) / counts
    return (np.rint(means) if dtype.kind in "iu" else means).astype(dtype)
