"""Which point makes a quadratic function smallest, if no coordinate may be negative? An active-set method.

The point u is the one sought if, and only if (Karush, Kuhn, Tucker), no coordinate is negative and the gradient
g = A u - b + m c vanishes where u > 0 and is not negative elsewhere; m is the multiplier of <c, u> = 1, or zero.

References
----------
C. L. Lawson, R. J. Hanson, "Solving Least Squares Problems", 1974, chapter 23.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faltung.errors import FaltungError
from faltung.fit.quadratic import precision

__all__ = ["minimise_nonnegative"]

Vector = NDArray[np.float64]


def minimise_nonnegative(a: Vector, b: Vector, start: Vector, normal: Vector | None = None) -> Vector:
    """Return where <u, A u> - 2 <b, u> is smallest for u >= 0.

    Parameters
    ----------
    a : ndarray, shape (unknowns, unknowns)
        Symmetric and positive semidefinite. What rounding leaves of it where it is singular is added to its diagonal.
    b : ndarray, shape (unknowns,)
        The vector b.
    start : ndarray, shape (unknowns,)
        A guess of which coordinates are positive.
    normal : ndarray, shape (unknowns,), optional
        Positive; look only where <normal, u> = 1.

    Raises
    ------
    FaltungError
        If rounding errors keep the method from an end.

    Examples
    --------
    >>> minimise_nonnegative(np.eye(3), np.array([2.0, -1.0, 0.0]), np.ones(3))
    array([2., 0., 0.])
    """
    scale = float(np.linalg.norm(a, 1)) or 1.0
    a = a + precision(len(a)) * scale * np.eye(len(a))
    tolerance = precision(len(a)) * (float(np.abs(b).max()) + scale)
    free = _feasible(a, b, start > 0, normal)
    point, multiplier = _on_face(a, b, free, normal)
    refused = np.zeros_like(free)
    for _ in range(10 * len(b)):
        gradient = a @ point - b + (0.0 if normal is None else multiplier * normal)
        gradient[free | refused] = 0.0
        steepest = int(np.argmin(gradient))
        if gradient[steepest] >= -tolerance * (1 + float(np.abs(point).max())):
            return point
        free[steepest] = True
        point, multiplier = _descend(a, b, point, free, normal)
        # A coordinate that should have grown and did not was one by rounding; it may try again when others moved.
        refused[steepest] = not free[steepest]
        refused &= not free[steepest]
    raise FaltungError("non_negative: the taps are not determined well enough to find them. Add a small ridge.")


def _feasible(a: Vector, b: Vector, free: NDArray[np.bool_], normal: Vector | None) -> NDArray[np.bool_]:
    """Leave out coordinates that come out negative, until none does."""
    free = free.copy()
    if normal is not None and not free.any():
        free[int(np.argmax(b / normal))] = True
    while free.any():
        negative = _on_face(a, b, free, normal)[0] < 0
        if not negative.any():
            break
        free &= ~negative
    return free


def _descend(
    a: Vector, b: Vector, point: Vector, free: NDArray[np.bool_], normal: Vector | None
) -> tuple[Vector, float]:
    """Go to the minimum on a face, or until a coordinate is zero, and on from there on the smaller face."""
    while True:
        target, multiplier = _on_face(a, b, free, normal)
        crossing = free & (target < 0)
        if not crossing.any():
            return target, multiplier
        ratios = point[crossing] / (point[crossing] - target[crossing])
        point = point + float(ratios.min()) * (target - point)
        free[np.flatnonzero(crossing)[ratios <= ratios.min()]] = False
        point[~free] = 0.0


def _on_face(a: Vector, b: Vector, free: NDArray[np.bool_], normal: Vector | None) -> tuple[Vector, float]:
    """Minimum with all other coordinates zero, and the multiplier of the hyperplane."""
    point = np.zeros_like(b)
    index = np.flatnonzero(free)
    if not len(index):
        return point, 0.0
    face = a[np.ix_(index, index)]
    if normal is None:
        point[index] = np.linalg.solve(face, b[index])
        return point, 0.0
    along = np.linalg.solve(face, np.column_stack([b[index], normal[index]]))
    multiplier = float((normal[index] @ along[:, 0] - 1) / (normal[index] @ along[:, 1]))
    point[index] = along[:, 0] - multiplier * along[:, 1]
    return point, multiplier
