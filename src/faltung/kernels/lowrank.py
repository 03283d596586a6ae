"""Which arrays of taps are made of less? Outer products, sums of them, and windows of ones, found in the numbers.

Each answer holds to a few roundings of the number computed with, or is not given.
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

#: How far, in units of rounding, what is found may be from the taps and still be the same kernel.
SLACK = 4.0

#: Whole numbers below this are exact in double precision.
_WHOLE = 2.0**53

#: Fewest taps that a window must save: a running sum takes some additions, too.
_LEAST_SAVED = 2
#: How much larger than the taps the numbers may be that windows add up to them.
_MOST_GROWTH = 2.0
#: Rows and columns of the sample by which a matrix is refused before it is decomposed, for each term allowed.
_SAMPLED = 4


def outer_factors(taps: NDArray[np.floating[Any]], eps: float) -> Factors | None:
    """One-dimensional factors whose outer product is `taps`, or None if there are none.

    The factors are the lines through the largest tap, divided by it, or in whole numbers by what they have in common.
    If the taps are an outer product at all, that product agrees with each of them to a few roundings, however small
    it is beside the largest.

    Parameters
    ----------
    taps : ndarray
        Real taps of any number of axes.
    eps : float
        Relative rounding of the number computed with; the product must keep every tap to a few of it.

    Returns
    -------
    tuple of ndarray or None
        One factor for each axis; the largest tap stands in the last one.

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
    whole = bool((taps == np.rint(taps)).all()) and abs(largest) < _WHOLE
    factors, scale = [], 1.0
    for axis in range(taps.ndim):
        line = taps[tuple(slice(None) if k == axis else centre[k] for k in range(taps.ndim))].astype(np.float64)
        if axis == taps.ndim - 1:
            factors.append(line / scale)
            continue
        # Whole numbers stay whole: a line is divided by what divides all of it, and not by the largest tap.
        divisor = float(np.gcd.reduce(line.astype(np.int64))) if whole else largest
        factors.append(line / divisor)
        scale *= largest / divisor
    # A zero tap must stay one, and with it the samples that it does not touch.
    return tuple(factors) if (np.abs(_outer(factors) - taps) <= SLACK * eps * np.abs(taps)).all() else None


def outer_sum(taps: NDArray[np.floating[Any]], eps: float, most: int) -> tuple[Factors, ...] | None:
    """Few outer products that add up to `taps`, or None if that takes more than `most`.

        |sum over terms of f1[m1] f2[m2] ... - taps[m1, m2, ...]| <= SLACK eps max |taps|    for every tap

    In two dimensions they are as few as can be: the singular vectors. In more, one axis after the other is split
    off by the singular vectors of the unfolded array, in every order, and the shortest sum is returned; a
    shorter one may exist.

    Parameters
    ----------
    taps : ndarray
        Real taps of any number of axes.
    eps : float
        Relative rounding of the number computed with.
    most : int
        Largest number of terms worth having.

    Returns
    -------
    tuple of tuple of ndarray or None
        For each term one factor for each axis, all about as large as each other. Where every tap is zero there is
        nothing to add up, and the answer is None.

    Notes
    -----
    A tap that is zero is small in the sum, but hardly ever zero: other than with `outer_factors`, a sample which
    that tap does not touch has a part in the sum.

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
    """Windows of ones that the taps of a line are a product of, and what is left of them.

        ones(widths[0]) * ones(widths[1]) * ... * rest = taps    within SLACK eps max |taps|

    A running sum adds up a window of any width in a few additions, so a window is taken where it leaves at least two
    non-zero taps fewer, the widest first. What a zero tap does not touch the windows do not touch either, and
    nothing large cancels between them.

    Parameters
    ----------
    taps : ndarray
        Real taps along one axis.
    eps : float
        Relative rounding of the number computed with.

    Returns
    -------
    widths : tuple of int
        From wide to narrow; none if the taps are no such product.
    rest : ndarray
        The other factor.

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
    """Outer products that add up to the block, at most so many."""
    long = [axis for axis, size in enumerate(block.shape) if size > 1]
    if len(long) < 2:
        own = long[0] if long else 0
        return [tuple(block.ravel() if axis == own else np.ones(1) for axis in range(block.ndim))]
    plane = len(long) == 2
    shortest: list[Factors] | None = None
    for axis in long[:1] if plane else long:
        unfolded = np.moveaxis(block, axis, 0)
        # What is left over here and what is left over in the parts add up.
        pair = _low_rank(unfolded.reshape(len(unfolded), -1), tolerance if plane else tolerance / 2, most)
        if pair is None:
            return None  # no sum is shorter than the rank of an unfolding
        terms: list[Factors] = []
        for column, row in zip(*pair, strict=True):
            # With a column no larger than one, what a part leaves over is no larger in the sum.
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
    """Columns and rows, both listed along the first axis, whose outer products add up to the matrix."""
    reach = _SAMPLED * (most + 1)
    sample = matrix[:: -(-matrix.shape[0] // reach), :: -(-matrix.shape[1] // reach)]
    if (
        4 * sample.size < matrix.size
        and _least_rank(np.linalg.svd(sample, compute_uv=False), sample.size, tolerance) > most
    ):
        return None
    left, values, _ = np.linalg.svd(matrix, full_matrices=False)
    for rank in range(max(1, _least_rank(values, matrix.size, tolerance)), min(most, values.size) + 1):
        columns = left[:, :rank]
        rows = columns.T @ matrix
        # Singular vectors are rounded in units of the largest value; what they leave over is taken up once by
        # the rows and once by the columns.
        rows += columns.T @ (matrix - columns @ rows)
        columns = columns + (matrix - columns @ rows) @ np.linalg.pinv(rows)
        if (np.abs(matrix - columns @ rows) <= tolerance).all():
            return columns.T, rows
    return None


def _least_rank(values: NDArray[np.floating[Any]], size: int, tolerance: float) -> int:
    # A matrix that close in every entry is closer than this in its singular values, too.
    return int(np.count_nonzero(values > tolerance * math.sqrt(size)))


def _balanced(term: Factors, exponent: int) -> Factors:
    """Share the magnitude of the term, times a power of two, among its factors, so that none is out of range."""
    own = [math.frexp(float(np.abs(factor).max()))[1] for factor in term]
    long = [axis for axis, factor in enumerate(term) if factor.size > 1] or [0]
    share, left = divmod(exponent + sum(own[axis] for axis in long), len(long))
    powers = {axis: share + (place < left) - own[axis] for place, axis in enumerate(long)}
    return tuple(np.ldexp(factor, powers.get(axis, 0)) for axis, factor in enumerate(term))


def _steps(taps: NDArray[np.float64]) -> list[float]:
    return np.diff(taps, prepend=0.0, append=0.0).tolist()  # type: ignore[no-any-return]


def _may_hold(width: int, steps: list[float], tolerance: float) -> bool:
    """Whether the steps that are a width apart add up to zero: a window makes of each tap one up and one down."""
    if width >= len(steps):
        return False
    some = steps[::width]
    bound = 2 * tolerance * len(some)
    # The first of the sums refuses nearly all widths, and costs next to nothing.
    return abs(math.fsum(some)) <= bound and bool((np.abs(_rows(np.array(steps), width).sum(axis=0)) <= bound).all())


def _without_window(taps: NDArray[np.float64], width: int, tolerance: float) -> NDArray[np.float64]:
    """Quotient r[i] = r[i - width] + taps[i] - taps[i - 1]; what is smaller than the tolerance is zero."""
    size = len(taps) - width + 1
    quotient = _rows(np.diff(taps[:size], prepend=0.0), width).cumsum(axis=0).ravel()[:size]
    quotient[np.abs(quotient) <= tolerance] = 0.0
    return quotient


def _rows(line: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Cut the line into rows of a width, the last filled up with zeros."""
    padded = np.zeros(-(-line.size // width) * width)
    padded[: line.size] = line
    return padded.reshape(-1, width)


def _make_up(taps: NDArray[np.float64], widths: tuple[int, ...], rest: NDArray[np.float64], tolerance: float) -> bool:
    total, reach = rest, np.abs(rest)
    for width in widths:
        total, reach = np.convolve(total, np.ones(width)), np.convolve(reach, np.ones(width))
    alike = (np.abs(total - taps) <= tolerance) & ((reach > 0) == (taps != 0))
    # Where much cancels between windows, their rounding is large beside the taps.
    return bool(alike.all() and reach.sum() <= _MOST_GROWTH * np.abs(taps).sum())
