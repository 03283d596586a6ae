"""What is the Gram matrix of chosen windows? A matrix product for many windows at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["RowGram", "windows_at"]

#: Numbers in a matrix of windows. Few large products are faster than many small ones, because each product wakes the
#: threads of the linear algebra library and waits for them.
_BATCH = 1 << 21

Matrix = NDArray[np.float64]


class RowGram:
    """The sum of r r^T over the rows r of matrices that are added or subtracted.

    Parameters
    ----------
    length : int
        Length of a row.

    Examples
    --------
    >>> gram = RowGram(2)
    >>> gram.add(np.array([[1.0, 2.0], [3.0, 4.0]]))
    >>> gram.add(np.array([[1.0, 0.0]]), sign=-1)
    >>> gram.total()
    array([[ 9., 14.],
           [14., 20.]])
    """

    def __init__(self, length: int) -> None:
        self._total: Matrix = np.zeros((length, length))
        self._waiting: dict[int, list[Matrix]] = {1: [], -1: []}

    def add(self, rows: Matrix, sign: int = 1) -> None:
        """Add the rows of a matrix, or with ``sign=-1`` subtract them."""
        self._waiting[sign].append(rows)
        if sum(part.size for part in self._waiting[sign]) >= _BATCH:
            self._multiply(sign)

    def total(self) -> Matrix:
        """Return the sum so far."""
        for sign in self._waiting:
            self._multiply(sign)
        return self._total

    def _multiply(self, sign: int) -> None:
        parts = self._waiting[sign]
        if parts:
            rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
            self._total += sign * (rows.T @ rows)
            self._waiting[sign] = []


def windows_at(
    source: Matrix, size: Sequence[int], outputs: NDArray[np.bool_]
) -> Iterator[tuple[tuple[NDArray[np.intp], ...], Matrix]]:
    """Yield the windows of chosen outputs as the rows of matrices of bounded size, with the indices of the outputs.

    Parameters
    ----------
    source : ndarray, shape (channels, *(lengths + size - 1))
        The input.
    size : sequence of int
        Taps of a window along each axis.
    outputs : ndarray of bool, shape lengths
        Which outputs are chosen.

    Examples
    --------
    >>> [(index, rows)] = windows_at(np.array([[1.0, 2.0, 3.0, 4.0]]), [2], np.array([True, False, True]))
    >>> index[0], rows
    (array([0, 2]), array([[1., 2.],
           [3., 4.]]))
    """
    ndim = len(size)
    windows = np.lib.stride_tricks.sliding_window_view(source, size, tuple(range(1, 1 + ndim)))
    windows = np.moveaxis(windows, 0, ndim)
    taps = math.prod(windows.shape[ndim:])
    indices = np.nonzero(outputs)
    most = max(_BATCH // taps, 1)
    for start in range(0, len(indices[0]), most):
        index = tuple(along[start : start + most] for along in indices)
        yield index, windows[index].reshape(-1, taps)
