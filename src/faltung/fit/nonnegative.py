"""Which point minimises a quadratic function, if no coordinate may be negative? An active-set method.

By the conditions of Karush, Kuhn and Tucker, the point u is the minimiser if, and only if, no coordinate is negative
and the gradient g = A u - b + m c is zero where u > 0 and not negative elsewhere; m is the multiplier of the
constraint <c, u> = 1, or zero without it.

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
    """Return the point u >= 0 for which <u, A u> - 2 <b, u> is smallest.

    Parameters
    ----------
    a : ndarray, shape (unknowns, unknowns)
        Symmetric and positive semidefinite. A term of the size of rounding errors is added to its diagonal, so that
        it is not singular.
    b : ndarray, shape (unknowns,)
        The vector b.
    start : ndarray, shape (unknowns,)
        A guess of which coordinates are positive.
    normal : ndarray, shape (unknowns,), optional
        Positive; with the constraint <normal, u> = 1.

    Raises
    ------
    FaltungError
        The method does not converge, because of rounding errors.

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
        # If rounding errors keep the coordinate at zero, it is skipped until another one has moved.
        refused[steepest] = not free[steepest]
        refused &= not free[steepest]
    raise FaltungError("non_negative: the data do not determine the taps well enough. Add a small ridge.")


def _feasible(a: Vector, b: Vector, free: NDArray[np.bool_], normal: Vector | None) -> NDArray[np.bool_]:
    """Fix negative coordinates at zero, until the minimum on the remaining face has none."""
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
    """Move to the minimum on a face. Where a coordinate reaches zero first, continue on the smaller face."""
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
    """Return the minimum with all other coordinates zero, and the multiplier of the constraint."""
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
