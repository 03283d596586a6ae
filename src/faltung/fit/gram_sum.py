"""What is the Gram matrix of windows, summed over outputs? What its diagonals begin with, and how they go on.

For the outputs n of a block, with input E, and all taps a and b of a window it is

    G[a, b] = sum over n of E[n + a] E[n + b].

Along the diagonals of constant b - a little changes: a step e along an axis moves the block by one output, so that

    G[a + e, b + e] = G[a, b] + (the same sum over the line behind the end of the block) - (that over its first line).

A line is a block with an axis less, if the samples that its windows see across it count as channels; so its sums are
of the same kind. What begins a diagonal are sums over lags, which transforms give for all lags at once. This is the
displacement structure of the covariance method. It makes the cost hardly depend on the number of taps.

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
    """The matrix G, summed over blocks that are added or taken away.

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
    >>> gram.total().round(12)  # [1, 2] and [2, 3], each times itself
    array([[ 5.,  8.],
           [ 8., 13.]])
    """

    def __init__(self, channels: int, size: Sequence[int]) -> None:
        self._channels, self._size = channels, tuple(size)
        self._corners = RowGram(channels if not size else 0)
        self._begin = np.zeros((channels, channels, *(2 * taps - 1 for taps in size)))
        self._steps = [
            GramSum(channels * (taps - 1), (*self._size[:axis], *self._size[axis + 1 :]))
            for axis, taps in enumerate(self._size)
        ]

    def add(self, source: Matrix, sign: int = 1) -> None:
        """Add all outputs of a block, given its input (channels, *(lengths + size - 1)), or take them away."""
        if not self._size:
            self._corners.add(np.array(source, ndmin=2), sign)  # a copy, so that the block need not be kept
            return
        self.add_lag_sums(Spectra(source, self._size).lag_sums(), sign)
        for axis, taps in enumerate(self._size):
            across = np.moveaxis(source, 1 + axis, 1)
            self.add_line(axis, across[:, across.shape[1] - taps + 1 :], sign)
            self.add_line(axis, across[:, : taps - 1], -sign)

    def add_lag_sums(self, sums: Matrix, sign: int = 1) -> None:
        """Add what begins the diagonals for a block, whose lines are added by themselves."""
        self._begin += sign * sums

    def add_line(self, axis: int, source: Matrix, sign: int) -> None:
        """Add a line across an axis: behind the end of a block with the sign of that, the first line with the other.

        Parameters
        ----------
        axis : int
            Which axis the line is across.
        source : ndarray, shape (channels, size[axis] - 1, *others)
            The input that its windows see, without the last sample across the line, that axis first.
        sign : int
            1 or -1.
        """
        if source.shape[1]:
            self._steps[axis].add(source.reshape(-1, *source.shape[2:]), sign)

    def total(self) -> Matrix:
        """Return the matrix, shape (channels * taps, channels * taps)."""
        if not self._size:
            return self._corners.total()
        ndim, gram = len(self._size), self._toeplitz()
        for axis, step in enumerate(self._steps):
            # The taps a and b along this axis come first; a diagonal goes from (a, b) to (a + 1, b + 1).
            along = np.moveaxis(gram, (1 + axis, 2 + ndim + axis), (0, 1))
            half = (self._channels, self._size[axis] - 1, *self._size[:axis], *self._size[axis + 1 :])
            difference = np.moveaxis(step.total().reshape(*half, *half), (1, 2 + ndim), (0, 1))
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
        constant = self._begin[:, :, *lags]
        return np.ascontiguousarray(np.moveaxis(constant, 1, 1 + ndim))
