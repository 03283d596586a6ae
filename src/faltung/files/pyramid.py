"""How are the smaller copies of a picture made again? Each pixel is the mean of those that it covers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["smaller"]


def smaller(
    samples: NDArray[Any], axes: str, shapes: Sequence[tuple[int, ...]], nodata: float | None = None
) -> list[NDArray[Any]]:
    """Return copies of samples with other numbers of rows and columns, each made from the one before.

    Samples that are `nodata` are left out of the means; where all are, the mean is `nodata`, too.

    Examples
    --------
    >>> smaller(np.array([[0, 2, 9], [2, 4, 9]], np.uint8), "YX", [(1, 2)], nodata=0)
    [array([[2, 9]], dtype=uint8)]
    """
    levels = []
    for shape in shapes:
        for letter in "YX":
            samples = _means(samples, axes.index(letter), shape[axes.index(letter)], nodata)
        levels.append(samples)
    return levels


def _means(samples: NDArray[Any], axis: int, length: int, nodata: float | None) -> NDArray[Any]:
    """Return the means of runs along an axis: of equal length, but for the last."""
    given, dtype = samples.shape[axis], samples.dtype
    starts = np.minimum(np.arange(length) * -(-given // length), given - 1)
    if len(np.unique(starts)) < length:
        starts = np.arange(length) * given // length
    wide = dtype if dtype.kind == "c" else np.result_type(dtype, np.float64)
    present = np.ones(samples.shape, bool)
    if nodata is not None:
        present = ~np.isnan(samples) if np.isnan(nodata) else samples != nodata
    counts = np.add.reduceat(present, starts, axis=axis, dtype=np.int64)
    sums = np.add.reduceat(np.where(present, samples, 0), starts, axis=axis, dtype=wide)
    means = np.divide(sums, counts, out=np.full(sums.shape, nodata or 0, sums.dtype), where=counts > 0)
    return (np.rint(means) if dtype.kind in "iu" else means).astype(dtype)
