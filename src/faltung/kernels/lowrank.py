"""Which structure does an array of taps have? Outer products, sums of them, and windows of ones.

A structure is returned only if it gives the same taps up to a few rounding errors.
"""

from __future__ import annotations

import math
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Factors = tuple[NDArray[np.float64], ...]

__all__ = ["SLACK", "outer_factors", "outer_sum", "windows"]

#: Largest error of the taps of a structure that counts as the same kernel, in units of rounding.
SLACK = 4.0

#: Whole numbers below this are exact in double precision.
_WHOLE = 2.0**53

#: Fewest taps that a window must save, since a running sum takes some additions itself.
_LEAST_SAVED = 2
#: Largest sum of the magnitudes that windows add up, relative to that of the taps.
_MOST_GROWTH = 2.0
#: Magnitudes from which on a product of taps is far from subnormal, and its error that is beyond all rounding.
_LEAST_SURE, _SURE = 1e-100, 1e-13
#: Rows and columns that are tested before the whole matrix is decomposed, for each term allowed.
_TESTED = 4
#: Factor by which singular values of the smallest part, with no row to spare, have to be above the tolerance.
_CLEAR = 64.0
#: Entries of a matrix that is decomposed as a whole, whatever its rank may be: it takes some milliseconds.
_DECOMPOSED = 1 << 15


def outer_factors(taps: NDArray[np.floating[Any]], eps: float) -> Factors | None:
    """Return one-dimensional factors whose outer product is `taps`, or None if there are none.

        |f1[m1] f2[m2] ... - taps[m1, m2, ...]| <= SLACK eps |taps[m1, m2, ...]|    for every tap

    The factors are the lines through the largest tap, divided by it; whole numbers are divided by their greatest
    common divisor.

    Parameters
    ----------
    taps : ndarray
        Real taps with any number of axes.
    eps : float
        Relative rounding error of the dtype that is computed with.

    Returns
    -------
    tuple of ndarray or None
        One factor for each axis. The last factor has the scale of the taps.

    Examples
    --------
    >>> import numpy as np
    >>> outer_factors(np.array([[1.0, 2.0], [3.0, 6.0]]), 1e-15)
    (array([1., 3.]), array([1., 2.]))
    >>> outer_factors(np.array([[1.0, 2.0], [3.0, 4.0]]), 1e-15) is None
    True
    """
    centre = np.unravel_index(int(np.abs(taps).argmax()), taps.shape)
    largest = float(taps[centre])
    if largest == 0.0 or not math.isfinite(1.0 / largest):
        return None
    if _is_surely_none(taps, centre, largest, eps):
        return None
    whole = bool((taps == np.rint(taps)).all()) and abs(largest) < _WHOLE
    factors, scale = [], 1.0
    for axis in range(taps.ndim):
        line = taps[tuple(slice(None) if k == axis else centre[k] for k in range(taps.ndim))].astype(np.float64)
        if axis == taps.ndim - 1:
            factors.append(line / scale)
            continue
        # Whole numbers stay whole: a line is divided by its greatest common divisor, and not by the largest tap.
        divisor = float(np.gcd.reduce(line.astype(np.int64))) if whole else largest
        factors.append(line / divisor)
        scale *= largest / divisor
    # A tap of zero must stay exactly zero, so that samples under it have no effect.
    return tuple(factors) if (np.abs(_outer(factors) - taps) <= SLACK * eps * np.abs(taps)).all() else None


def _is_surely_none(taps: NDArray[np.floating[Any]], centre: Sequence[Any], largest: float, eps: float) -> bool:
    """Whether one tap shows, beyond all rounding, that the lines through the largest tap do not make the others.

    It costs a fraction of the whole test, and finds nearly every kernel that is no outer product.
    """
    far = [place - 1 if place else min(1, size - 1) for place, size in zip(centre, taps.shape, strict=True)]
    moved = [axis for axis, size in enumerate(taps.shape) if size > 1][:2]
    if len(moved) < 2:
        return False
    one, other, both = list(centre), list(centre), list(centre)
    one[moved[0]] = both[moved[0]] = far[moved[0]]
    other[moved[1]] = both[moved[1]] = far[moved[1]]
    tap, product = float(taps[tuple(both)]), float(taps[tuple(one)]) / largest * float(taps[tuple(other)])
    # Numbers that may be subnormal on the way have other errors.
    sure = abs(product) > _LEAST_SURE and _LEAST_SURE < abs(largest) < 1.0 / _LEAST_SURE
    return sure and abs(product - tap) > 2.0 * SLACK * eps * abs(tap) + _SURE * abs(product)


def outer_sum(taps: NDArray[np.floating[Any]], eps: float, most: int) -> tuple[Factors, ...] | None:
    """Return outer products that add up to `taps`, or None if there are more than `most`.

        |sum over terms of f1[m1] f2[m2] ... - taps[m1, m2, ...]| <= SLACK eps max |taps|    for every tap

    In two dimensions their number is the rank, and they are the singular vectors. With more axes, one axis after the
    other is split off by the singular vectors of the unfolded array, in every order, and the shortest sum is
    returned; a shorter one may exist.

    Parameters
    ----------
    taps : ndarray
        Real taps with any number of axes.
    eps : float
        Relative rounding error of the dtype that is computed with.
    most : int
        Largest number of terms.

    Returns
    -------
    tuple of tuple of ndarray or None
        For each term, one factor for each axis, all of about the same magnitude. None if all taps are zero.

    Notes
    -----
    Where a tap is zero, the sum is small but seldom exactly zero. So a sample under that tap has an effect, which it
    does not have with `outer_factors`.

    References
    ----------
    Eckart and Young, "The approximation of one matrix by another of lower rank", Psychometrika 1, 1936. Oseledets,
    "Tensor-train decomposition", SIAM J. Sci. Comput. 33, 2011.

    Examples
    --------
    >>> import numpy as np
    >>> cross = np.array([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
    >>> terms = outer_sum(cross, 1e-15, most=2)
    >>> sum(np.multiply.outer(*term) for term in terms).round(12) + 0.0
    array([[ 0.,  1.,  0.],
           [ 1., -4.,  1.],
           [ 0.,  1.,  0.]])
    >>> outer_sum(cross, 1e-15, most=1) is None
    True
    """
    largest = float(np.abs(taps).max())
    if largest == 0.0 or most < 1:
        return None
    fraction, exponent = math.frexp(largest)
    block = np.ldexp(taps.astype(np.float64), -exponent)  # a power of two rounds nothing, and no square overflows
    tolerance = SLACK * eps * fraction
    terms = _split(block, tolerance, most)
    if terms is None or (np.abs(sum(map(_outer, terms)) - block) > tolerance).any():
        return None
    return tuple(_balanced(term, exponent) for term in terms)


def windows(taps: NDArray[np.floating[Any]], eps: float) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    """Return windows of ones that are factors of the taps along one axis, and the taps of the rest.

        ones(widths[0]) * ones(widths[1]) * ... * rest = taps    within SLACK eps max |taps|

    A running sum takes a few additions for a window of any width. So a window is split off if the rest then has at
    least two taps fewer that are not zero; wide windows come first. Where a tap is zero, no window covers the sample,
    and sums of windows do not cancel much.

    Parameters
    ----------
    taps : ndarray
        Real taps along one axis.
    eps : float
        Relative rounding error of the dtype that is computed with.

    Returns
    -------
    widths : tuple of int
        Widths of the windows, from wide to narrow; empty if there are none.
    rest : ndarray
        Taps of the other factor.

    Examples
    --------
    >>> import numpy as np
    >>> windows(np.array([1.0, 2, 3, 4, 3, 2, 1]) / 16, 1e-15)
    ((4, 4), array([0.0625]))
    >>> windows(np.array([1.0, 1, 1, 1, -1, -1, -1, -1]), 1e-15)
    ((4,), array([ 1.,  0.,  0.,  0., -1.]))
    >>> windows(np.array([1.0, 4, 6, 4, 1]), 1e-15)
    ((), array([1., 4., 6., 4., 1.]))
    """
    whole = rest = taps.astype(np.float64)
    tolerance = SLACK * eps * float(np.abs(taps).max())
    widths: tuple[int, ...] = ()
    steps = _steps(rest)
    for width in range(len(taps), 1, -1):
        while _may_hold(width, steps, tolerance):
            shorter = _without_window(rest, width, tolerance)
            saved = np.count_nonzero(rest) - np.count_nonzero(shorter)
            if saved < _LEAST_SAVED or not _make_up(whole, (*widths, width), shorter, tolerance):
                break
            widths, rest, steps = (*widths, width), shorter, _steps(shorter)
    return widths, rest


def _outer(factors: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    return reduce(np.multiply.outer, factors)


def _split(block: NDArray[np.float64], tolerance: float, most: int) -> list[Factors] | None:
    """Return at most `most` outer products that add up to the block."""
    long = [axis for axis, size in enumerate(block.shape) if size > 1]
    if len(long) < 2:
        only = long[0] if long else 0
        return [tuple(block.ravel() if axis == only else np.ones(1) for axis in range(block.ndim))]
    plane = len(long) == 2
    shortest: list[Factors] | None = None
    for axis in long[:1] if plane else long:
        unfolded = np.moveaxis(block, axis, 0)
        # The errors here and those of the parts add up.
        pair = _low_rank(unfolded.reshape(len(unfolded), -1), tolerance if plane else tolerance / 2, most)
        if pair is None:
            return None  # no sum is shorter than the rank of an unfolding
        terms: list[Factors] = []
        for column, row in zip(*pair, strict=True):
            # A column with magnitudes of at most one does not increase the error of a part.
            power = math.frexp(float(np.abs(column).max()))[1]
            part = _split(np.ldexp(row, power).reshape(unfolded.shape[1:]), tolerance / 2, most - len(terms))
            if part is None:
                break
            terms += [(*term[:axis], np.ldexp(column, -power), *term[axis:]) for term in part]
        else:
            if shortest is None or len(terms) < len(shortest):
                shortest = terms
    return shortest


def _low_rank(
    matrix: NDArray[np.float64], tolerance: float, most: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return columns and rows, both along the first axis, whose outer products add up to the matrix."""
    for reach, share, slack in ((most + 1, 2, _CLEAR), (_TESTED * (most + 1), 4, 1.0)):
        part = matrix[:: -(-matrix.shape[0] // reach), :: -(-matrix.shape[1] // reach)]
        if min(part.shape) <= most or share * part.size >= matrix.size:
            continue
        if _least_rank(_singular_values(part), part.size, slack * tolerance) > most:
            return None
    left, values = _leading(matrix, most)
    for rank in range(max(1, _least_rank(values, matrix.size, tolerance)), min(most, values.size) + 1):
        columns = left[:, :rank]
        rows = columns.T @ matrix
        # Rounding errors of singular vectors are relative to the largest singular value. The residual is added once
        # to the rows and once to the columns.
        rows += columns.T @ (matrix - columns @ rows)
        columns = columns + (matrix - columns @ rows) @ np.linalg.pinv(rows)
        if (np.abs(matrix - columns @ rows) <= tolerance).all():
            return columns.T, rows
    return None


def _leading(matrix: NDArray[np.float64], most: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return left singular vectors and values, at least one more than `most`; of a large matrix, no more than needed.

    If the rank is at most `most`, products with a few random vectors span the columns. If not, the values are too
    small rather than too large, and what they lead to is compared with the matrix.

    References
    ----------
    Halko, Martinsson and Tropp, "Finding structure with randomness", SIAM Review 53, 2011.
    """
    if matrix.size <= _DECOMPOSED or min(matrix.shape) <= 4 * (most + 1):
        left, values, _ = np.linalg.svd(matrix, full_matrices=False)
        return left, values
    columns = matrix @ np.random.default_rng(0).standard_normal((matrix.shape[1], 2 * (most + 1)))
    span = np.linalg.qr(matrix @ (matrix.T @ np.linalg.qr(columns)[0]))[0]
    inside, values, _ = np.linalg.svd(span.T @ matrix, full_matrices=False)
    return span @ inside, values


def _singular_values(matrix: NDArray[np.float64]) -> NDArray[np.floating[Any]]:
    return np.linalg.svd(matrix, compute_uv=False)


def _least_rank(values: NDArray[np.floating[Any]], size: int, tolerance: float) -> int:
    # If every entry is within the tolerance, every singular value is within this multiple of it.
    return int(np.count_nonzero(values > tolerance * math.sqrt(size)))


def _balanced(term: Factors, exponent: int) -> Factors:
    """Return a term times a power of two, with factors of about the same magnitude, so that none overflows."""
    exponents = [math.frexp(float(np.abs(factor).max()))[1] for factor in term]
    long = [axis for axis, factor in enumerate(term) if factor.size > 1] or [0]
    share, remainder = divmod(exponent + sum(exponents[axis] for axis in long), len(long))
    powers = {axis: share + (count < remainder) - exponents[axis] for count, axis in enumerate(long)}
    return tuple(np.ldexp(factor, powers.get(axis, 0)) for axis, factor in enumerate(term))


def _steps(taps: NDArray[np.float64]) -> list[float]:
    return np.diff(taps, prepend=0.0, append=0.0).tolist()  # type: ignore[no-any-return]


def _may_hold(width: int, steps: list[float], tolerance: float) -> bool:
    """Whether steps that are a width apart add up to zero: under a window, each tap is one step up and one down."""
    if width >= len(steps):
        return False
    some = steps[::width]
    bound = 2 * tolerance * len(some)
    # The first of the sums rules out nearly all widths, at almost no cost.
    return abs(math.fsum(some)) <= bound and bool((np.abs(_rows(np.array(steps), width).sum(axis=0)) <= bound).all())


def _without_window(taps: NDArray[np.float64], width: int, tolerance: float) -> NDArray[np.float64]:
    """Return the quotient r[i] = r[i - width] + taps[i] - taps[i - 1]; taps within the tolerance of zero are zero."""
    size = len(taps) - width + 1
    quotient = _rows(np.diff(taps[:size], prepend=0.0), width).cumsum(axis=0).ravel()[:size]
    quotient[np.abs(quotient) <= tolerance] = 0.0
    return quotient


def _rows(line: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Return the line as rows of a width; the last row is filled with zeros."""
    padded = np.zeros(-(-line.size // width) * width)
    padded[: line.size] = line
    return padded.reshape(-1, width)


def _make_up(taps: NDArray[np.float64], widths: tuple[int, ...], rest: NDArray[np.float64], tolerance: float) -> bool:
    """Whether the windows and the rest multiply to the taps, with the same zeros and little cancellation."""
    total, magnitude = rest, np.abs(rest)
    for width in widths:
        total, magnitude = np.convolve(total, np.ones(width)), np.convolve(magnitude, np.ones(width))
    equal = (np.abs(total - taps) <= tolerance) & ((magnitude > 0) == (taps != 0))
    # If much cancels between windows, rounding errors are large relative to the taps.
    return bool(equal.all() and magnitude.sum() <= _MOST_GROWTH * np.abs(taps).sum())
