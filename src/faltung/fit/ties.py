"""Which taps are the same number? Symmetries of a filter, as fewer unknowns.

An orbit is a set of taps that a symmetry makes equal. Its unknown is their common value times the square root of
their number, so that the sum of squares of the unknowns is that of the taps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ArgumentError

__all__ = ["Ties", "check_symmetry", "ties_of"]


@dataclass(frozen=True)
class Ties:
    """Orbits of taps.

    Parameters
    ----------
    orbit : ndarray of int, shape (taps,)
        The orbit that each tap belongs to.
    """

    orbit: NDArray[np.intp]

    @property
    def scale(self) -> NDArray[np.float64]:
        """Value of the taps of each orbit for an unknown of one; its inverse is the sum of such taps."""
        return 1 / np.sqrt(np.bincount(self.orbit))

    def gather(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return linear functions of the taps, in rows, as functions of the unknowns.

        Examples
        --------
        >>> Ties(np.array([0, 1, 0])).gather(np.array([[1.0, 2.0, 3.0]])).round(3)
        array([[2.828, 2.   ]])
        """
        order = np.argsort(self.orbit, kind="stable")
        starts = np.searchsorted(self.orbit[order], np.arange(self.orbit.max() + 1))
        return np.asarray(np.add.reduceat(rows[:, order], starts, axis=1) * self.scale)

    def spread(self, unknowns: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the taps that belong to unknowns, in rows.

        Examples
        --------
        >>> Ties(np.array([0, 1, 0])).spread(np.array([[2.0, 3.0]])).round(3)
        array([[1.414, 3.   , 1.414]])
        """
        return np.asarray((unknowns * self.scale)[:, self.orbit])


def check_symmetry(symmetric: Any) -> None:
    """Refuse what is no symmetry.

    Raises
    ------
    ArgumentError
        It is neither a known name nor None.
    """
    if symmetric not in (None, "point", "mirror"):
        raise ArgumentError("symmetric", "'point', 'mirror' or None", repr(symmetric))


def ties_of(symmetric: str | None, channels: int, size: Sequence[int]) -> Ties:
    """Return the orbits of a symmetry about the middle of the support.

    Parameters
    ----------
    symmetric : {'point', 'mirror'} or None
        Whether the taps stay the same if all axes are reversed together, or each by itself.
    channels : int
        Channels in, each with taps of its own.
    size : sequence of int
        Taps along each axis.

    Examples
    --------
    >>> ties_of("mirror", 1, (3,)).orbit
    array([0, 1, 0])
    """
    first = np.arange(channels * np.prod(size)).reshape(channels, *size)
    axes = tuple(range(1, first.ndim))
    if symmetric == "point":
        first = np.minimum(first, np.flip(first, axes))
    if symmetric == "mirror":
        for axis in axes:
            first = np.minimum(first, np.flip(first, axis))
    return Ties(np.unique(first.ravel(), return_inverse=True)[1])
