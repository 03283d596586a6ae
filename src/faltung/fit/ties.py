"""Which taps of a symmetric filter are equal? Tied taps share one unknown.

An orbit is a set of taps that a symmetry makes equal. Its unknown is their common value times the square root of
their number, so that the unknowns have the same sum of squares as the taps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ArgumentError, ArgumentTypeError

__all__ = ["Ties", "check_symmetry", "ties_of"]


@dataclass(frozen=True)
class Ties:
    """The orbits of the taps of a filter.

    Parameters
    ----------
    orbit : ndarray of int, shape (taps,)
        Number of the orbit of each tap.
    """

    orbit: NDArray[np.intp]

    @property
    def scale(self) -> NDArray[np.float64]:
        """The value of a tap of each orbit if its unknown is one: 1 / sqrt(taps of the orbit)."""
        return 1 / np.sqrt(np.bincount(self.orbit))

    def gather(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return linear functions of the taps, one a row, as linear functions of the unknowns.

        Examples
        --------
        >>> Ties(np.array([0, 1, 0])).gather(np.array([[1.0, 2.0, 3.0]])).round(3)
        array([[2.828, 2.   ]])
        """
        order = np.argsort(self.orbit, kind="stable")
        starts = np.searchsorted(self.orbit[order], np.arange(self.orbit.max() + 1))
        return np.asarray(np.add.reduceat(rows[:, order], starts, axis=1) * self.scale)

    def spread(self, unknowns: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the taps for values of the unknowns, one filter a row.

        Examples
        --------
        >>> Ties(np.array([0, 1, 0])).spread(np.array([[2.0, 3.0]])).round(3)
        array([[1.414, 3.   , 1.414]])
        """
        return np.asarray((unknowns * self.scale)[:, self.orbit])


def check_symmetry(symmetric: Any) -> None:
    """Check the name of a symmetry.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        It is neither a known name nor None.
    """
    expected = "'point', 'mirror' or None"
    if symmetric is not None and not isinstance(symmetric, str):
        remedy = "Use 'point' if all axes are reversed together, 'mirror' if each axis is."
        raise ArgumentTypeError("symmetric", expected, repr(symmetric), remedy)
    if symmetric not in (None, "point", "mirror"):
        raise ArgumentError("symmetric", expected, repr(symmetric))


def ties_of(symmetric: str | None, channels: int, size: Sequence[int]) -> Ties:
    """Return the orbits of a symmetry about the centre of the support.

    Parameters
    ----------
    symmetric : {'point', 'mirror'} or None
        Whether the taps stay the same if all axes are reversed together, or each axis by itself.
    channels : int
        Channels in. Taps of different channels are never tied.
    size : sequence of int
        Taps along each axis.

    Examples
    --------
    >>> ties_of("mirror", 1, (3,)).orbit
    array([0, 1, 0])
    """
    first_of_orbit = np.arange(channels * np.prod(size)).reshape(channels, *size)
    axes = tuple(range(1, first_of_orbit.ndim))
    if symmetric == "point":
        first_of_orbit = np.minimum(first_of_orbit, np.flip(first_of_orbit, axes))
    if symmetric == "mirror":
        for axis in axes:
            first_of_orbit = np.minimum(first_of_orbit, np.flip(first_of_orbit, axis))
    return Ties(np.unique(first_of_orbit.ravel(), return_inverse=True)[1])
