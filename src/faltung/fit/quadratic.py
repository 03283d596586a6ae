"""Which point makes a quadratic function smallest? On a hyperplane, if need be.

The function is <u, A u> - 2 <b, u> + ridge |u|^2 with a symmetric A that is positive semidefinite. Where A is
singular to working precision, and no ridge mends it, the smallest of all minimisers is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Minimum", "minimise", "precision"]

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Minimum:
    """The minimiser, and how well it is determined.

    Parameters
    ----------
    points : ndarray, shape (functions, unknowns)
        A row for each right-hand side.
    eigenvalues : ndarray
        Of A on the hyperplane, in ascending order, those at rounding level set to zero.
    ridge : float
        What is added to them.
    """

    points: Vector
    eigenvalues: Vector
    ridge: float

    @property
    def rank(self) -> int:
        """How many directions the data, or the ridge, determine."""
        return int(np.count_nonzero(self.eigenvalues + self.ridge))

    @property
    def condition(self) -> float:
        """Ratio of the largest eigenvalue to the smallest, with the ridge; infinite if that is zero."""
        if not len(self.eigenvalues):
            return 1.0
        low, high = (float(self.eigenvalues[end]) + self.ridge for end in (0, -1))
        return high / low if low > 0 else np.inf

    @property
    def degrees_of_freedom(self) -> float:
        """Effective number of unknowns, trace(A (A + ridge)^-1)."""
        positive = self.eigenvalues[self.eigenvalues > 0]
        return float(np.sum(positive / (positive + self.ridge)))


def precision(unknowns: int) -> float:
    """Return what is rounding beside the largest eigenvalue of a matrix of that many unknowns."""
    return 4 * unknowns * float(np.finfo(np.float64).eps)


def minimise(a: Vector, b: Vector, ridge: float, normal: Vector | None = None) -> Minimum:
    """Return where the function is smallest.

    Parameters
    ----------
    a : ndarray, shape (unknowns, unknowns)
        The matrix A.
    b : ndarray, shape (functions, unknowns)
        The vector b of each function.
    ridge : float
        Its weight, at least zero.
    normal : ndarray, shape (unknowns,), optional
        Look only where <normal, u> = 1.

    Examples
    --------
    >>> minimise(np.diag([1.0, 4.0]), np.array([[1.0, 2.0]]), 0.0).points
    array([[1. , 0.5]])
    >>> minimise(np.eye(2), np.zeros((1, 2)), 0.0, normal=np.array([1.0, 3.0])).points
    array([[0.1, 0.3]])
    """
    if normal is None:
        return _free_minimum(a, b, ridge)
    # A reflection that turns the normal into the first axis makes that unknown a constant.
    length = float(np.linalg.norm(normal))
    reflector = normal / length
    reflector[0] += np.copysign(1.0, reflector[0])
    reflector *= np.sqrt(2) / np.linalg.norm(reflector)
    turned = _reflected(_reflected(a, reflector).T, reflector)
    right = _reflected(b, reflector)
    first = -np.copysign(1.0, normal[0]) / length
    rest = _free_minimum(turned[1:, 1:], right[:, 1:] - first * turned[0, 1:], ridge)
    points = np.hstack([np.full((len(b), 1), first), rest.points])
    return Minimum(_reflected(points, reflector), rest.eigenvalues, ridge)


def _reflected(rows: Vector, reflector: Vector) -> Vector:
    return rows - np.outer(rows @ reflector, reflector)


def _free_minimum(a: Vector, b: Vector, ridge: float) -> Minimum:
    if not len(a):
        return Minimum(np.zeros(b.shape), np.zeros(0), ridge)
    values, vectors = np.linalg.eigh(a)
    values = np.where(values > precision(len(a)) * values[-1], values, 0.0)
    solved = values + ridge > 0
    inverse = np.divide(1.0, values + ridge, out=np.zeros_like(values), where=solved)
    return Minimum((b @ vectors) * inverse @ vectors.T, values, ridge)
