"""What is the Gram matrix of all windows? Computed from the first entries of its diagonals and their differences.

For a block of outputs n with the input E, and all taps a and b of a window, the Gram matrix is

    G[a, b] = sum over n of E[n + a] E[n + b].

It changes little along a diagonal, where b - a is constant: a step e along an axis moves the block by one output, so

    G[a + e, b + e] = G[a, b] + (the same sum over the line after the last one of the block)
                              - (the same sum over the first line of the block).

A line is a block with one axis less: the samples that its windows cover across the line count as channels. So the
sums over lines are Gram matrices too, computed in the same way. The first entries of the diagonals are sums over
lags, which transforms compute for all lags at once. This is the displacement structure of the covariance method. With
it the cost hardly depends on the number of taps.

References
----------
S. L. Marple, "A new autoregressive spectrum analysis algorithm", IEEE Trans. ASSP 28, 1980; for the structure,
T. Kailath, S.-Y. Kung, M. Morf, "Displacement ranks of matrices and linear equations", J. Math. Anal. Appl. 68, 1979.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.fit.lag_sums import Spectra
from faltung.fit.row_sums import RowGram

__all__ = ["GramSum"]

Matrix = NDArray[np.float64]


class GramSum:
    """The matrix G, summed over blocks that are added or subtracted.

    Parameters
    ----------
    channels : int
        Channels of the input.
    size : sequence of int
        Taps of a window along each axis.

    Examples
    --------
    >>> gram = GramSum(1, (2,))
    >>> gram.add(np.array([[1.0, 2.0, 3.0]]))
    >>> gram.total().round(12)  # the sum over the windows [1, 2] and [2, 3]
    array([[ 5.,  8.],
           [ 8., 13.]])
    """

    def __init__(self, channels: int, size: Sequence[int]) -> None:
        self._channels, self._size = channels, tuple(size)
        self._points = RowGram(channels if not size else 0)  # used if there is no axis left
        self._first_entries = np.zeros((channels, channels, *(2 * taps - 1 for taps in size)))
        self._lines = [
            GramSum(channels * (taps - 1), (*self._size[:axis], *self._size[axis + 1 :]))
            for axis, taps in enumerate(self._size)
        ]

    def add(self, source: Matrix, sign: int = 1) -> None:
        """Add (or with ``sign=-1`` subtract) all outputs of a block.

        Parameters
        ----------
        source : ndarray, shape (channels, *(lengths + size - 1))
            The input of the block.
        sign : int
            1 or -1.
        """
        if not self._size:
            self._points.add(np.array(source, ndmin=2), sign)  # a copy, so that the block can be released
            return
        self.add_lag_sums(Spectra(source, self._size).lag_sums(), sign)
        for axis, taps in enumerate(self._size):
            across = np.moveaxis(source, 1 + axis, 1)
            self.add_line(axis, across[:, across.shape[1] - taps + 1 :], sign)
            self.add_line(axis, across[:, : taps - 1], -sign)

    def add_lag_sums(self, sums: Matrix, sign: int = 1) -> None:
        """Add the first entries of the diagonals for a block. Its lines must be added with `add_line`."""
        self._first_entries += sign * sums

    def add_line(self, axis: int, source: Matrix, sign: int) -> None:
        """Add a line of a block: the one after its last with the sign of the block, its first with the opposite sign.

        Parameters
        ----------
        axis : int
            The axis that the line is perpendicular to.
        source : ndarray, shape (channels, size[axis] - 1, *others)
            The samples that its windows cover, that axis first, without the last sample along it.
        sign : int
            1 or -1.
        """
        if source.shape[1]:
            self._lines[axis].add(source.reshape(-1, *source.shape[2:]), sign)

    def total(self) -> Matrix:
        """Return the matrix, shape (channels * taps, channels * taps)."""
        if not self._size:
            return self._points.total()
        ndim, gram = len(self._size), self._toeplitz()
        for axis, lines in enumerate(self._lines):
            # Move the taps a and b along this axis to the front: a diagonal goes from (a, b) to (a + 1, b + 1).
            along = np.moveaxis(gram, (1 + axis, 2 + ndim + axis), (0, 1))
            half = (self._channels, self._size[axis] - 1, *self._size[:axis], *self._size[axis + 1 :])
            difference = np.moveaxis(lines.total().reshape(*half, *half), (1, 2 + ndim), (0, 1))
            for tap in range(1, self._size[axis]):
                along[tap, 1:] = along[tap - 1, :-1] + difference[tap - 1]
        taps = self._channels * math.prod(self._size)
        return gram.reshape(taps, taps)

    def _toeplitz(self) -> Matrix:
        """Return the matrix as if its diagonals were constant, shape (channels, *size, channels, *size)."""
        ndim = len(self._size)
        lags: list[Any] = []
        for axis, taps in enumerate(self._size):
            lag = np.arange(taps) - np.arange(taps)[:, np.newaxis] + taps - 1
            lags.append(lag.reshape([taps if place % ndim == axis else 1 for place in range(2 * ndim)]))
        constant = self._first_entries[:, :, *lags]
        return np.ascontiguousarray(np.moveaxis(constant, 1, 1 + ndim))
