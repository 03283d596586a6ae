"""Which point minimises a quadratic function, in the whole space or on a hyperplane? By eigenvalues.

The function is <u, A u> - 2 <b, u> + ridge |u|^2 with a symmetric, positive semidefinite A. If A is singular to
working precision and the ridge is zero, the minimiser of smallest norm is returned.
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
        The minimiser of each function.
    eigenvalues : ndarray
        Eigenvalues of A on the hyperplane, in ascending order; those of the size of rounding errors are zero.
    ridge : float
        The ridge, which is added to all of them.
    """

    points: Vector
    eigenvalues: Vector
    ridge: float

    @property
    def rank(self) -> int:
        """The number of directions that the data, or the ridge, determine."""
        return int(np.count_nonzero(self.eigenvalues + self.ridge))

    @property
    def condition(self) -> float:
        """The largest eigenvalue plus ridge divided by the smallest; infinite if that is zero."""
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
    """Return the size of rounding errors in the eigenvalues of a matrix, relative to the largest."""
    return 4 * unknowns * float(np.finfo(np.float64).eps)


def minimise(a: Vector, b: Vector, ridge: float, normal: Vector | None = None) -> Minimum:
    """Return the minimum of one or more functions with the same A.

    Parameters
    ----------
    a : ndarray, shape (unknowns, unknowns)
        The matrix A.
    b : ndarray, shape (functions, unknowns)
        The vector b of each function.
    ridge : float
        Weight of |u|^2, at least zero.
    normal : ndarray, shape (unknowns,), optional
        Search only the hyperplane <normal, u> = 1.

    Examples
    --------
    >>> minimise(np.diag([1.0, 4.0]), np.array([[1.0, 2.0]]), 0.0).points
    array([[1. , 0.5]])
    >>> minimise(np.eye(2), np.zeros((1, 2)), 0.0, normal=np.array([1.0, 3.0])).points
    array([[0.1, 0.3]])
    """
    if normal is None:
        return _free_minimum(a, b, ridge)
    # Reflect the normal onto the first axis: then the first unknown is a constant.
    length = float(np.linalg.norm(normal))
    reflector = normal / length
    reflector[0] += np.copysign(1.0, reflector[0])
    reflector *= np.sqrt(2) / np.linalg.norm(reflector)
    reflected_a = _reflected(_reflected(a, reflector).T, reflector)
    reflected_b = _reflected(b, reflector)
    first = -np.copysign(1.0, normal[0]) / length
    rest = _free_minimum(reflected_a[1:, 1:], reflected_b[:, 1:] - first * reflected_a[0, 1:], ridge)
    points = np.hstack([np.full((len(b), 1), first), rest.points])
    return Minimum(_reflected(points, reflector), rest.eigenvalues, ridge)


def _reflected(rows: Vector, reflector: Vector) -> Vector:
    return rows - np.outer(rows @ reflector, reflector)


def _free_minimum(a: Vector, b: Vector, ridge: float) -> Minimum:
    if not len(a):
        return Minimum(np.zeros(b.shape), np.zeros(0), ridge)
    values, vectors = np.linalg.eigh(a)
    values = np.where(values > precision(len(a)) * values[-1], values, 0.0)
    determined = values + ridge > 0
    inverse = np.divide(1.0, values + ridge, out=np.zeros_like(values), where=determined)
    return Minimum((b @ vectors) * inverse @ vectors.T, values, ridge)
