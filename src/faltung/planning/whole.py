"""Are the taps whole numbers over a common divisor? Then integers have means that are exact, and halves among them.

Taps of 1/9 are rounded, and so are their sums. A mean that is exactly between two integers, which is to be rounded
half to even, becomes a little more or less. So integers are added up with whole taps, which rounds nothing, and the
sum is divided when it is stored.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from faltung.engines.base import Line
from faltung.kernels.multiplied import convolve_taps
from faltung.planning.forms import Factor, Form, scaled

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Range", "Whole", "WholeRows", "whole_form", "whole_rows", "whole_taps"]

#: Largest common divisor that is looked for, among all numbers and among powers of two; largest whole tap.
MOST, MOST_BINARY, LARGEST = 1 << 20, 1 << 30, 1 << 22
#: Largest denominator of a constant beyond the border for which sums are multiplied by it.
MOST_PARTS = 1 << 10
#: The same for taps that were rounded to single precision.
MOST_SINGLE = 1 << 10
#: Relative error of taps in double precision after a few operations.
ROUNDED = 2.0**-50


class Range(NamedTuple):
    """The largest magnitude of samples, which are integers, and the constant beyond the border, which need not be."""

    largest: float
    outside: float = 0.0


_ONE = Range(1.0)


@dataclass(frozen=True, eq=False)
class Whole:
    """Taps that are whole numbers over a common divisor, and the samples that they are used for.

    Parameters
    ----------
    taps : ndarray
        The whole numbers.
    divisor : int
        What they are divided by.
    largest : float
        The largest magnitude of a sample.
    everywhere : bool
        Whether the sums beyond the border are whole numbers, too.
    single : bool
        Whether the taps that were given may have been rounded to single precision.
    """

    taps: NDArray[np.float64]
    divisor: int
    largest: float
    everywhere: bool
    single: bool

    @property
    def binary(self) -> bool:
        """Whether the divisor is a power of two, so that quotients are exact."""
        return self.divisor & (self.divisor - 1) == 0


def whole_taps(taps: NDArray[np.float64], samples: Range = _ONE, single: bool = False) -> Whole | None:
    """Find the least common divisor of taps that are quotients of whole numbers up to rounding.

    Parameters
    ----------
    taps : ndarray
        Real taps.
    samples : Range, optional
        The samples that they are used for.
    single : bool, optional
        Whether taps are used in single precision, and may have been rounded to it.

    Examples
    --------
    >>> whole_taps(np.array([1, 4, 6, 4, 1]) / 24).divisor, whole_taps(np.full(9, 1 / 9)).divisor
    (24, 9)
    >>> whole_taps(np.exp([0.1, 0.2]))
    """
    given = taps[taps != 0]
    if not given.size or np.abs(given).max() > LARGEST or not math.isfinite(samples.outside):
        return None
    divisor = None
    if single and (given.astype(np.float32) == given).all():
        divisor = _common_divisor(given, MOST_SINGLE, MOST_SINGLE, single=True)
    divisor = divisor or _common_divisor(given, MOST, MOST_BINARY)
    if divisor is None:
        return None
    whole = np.rint(taps * divisor)
    if np.abs(whole).max() > LARGEST:
        return None
    parts = Fraction(samples.outside).denominator
    if parts > MOST_PARTS:
        return Whole(whole, divisor, samples.largest, False, single)
    return Whole(whole * parts, divisor * parts, samples.largest, True, single)


def _common_divisor(taps: NDArray[np.float64], most: int, most_binary: int, single: bool = False) -> int | None:
    divisor = 1
    while True:
        quotients = np.rint(taps * float(divisor)) / divisor
        wrong = quotients.astype(np.float32) != taps if single else np.abs(quotients - taps) > ROUNDED * np.abs(taps)
        if not wrong.any():
            return divisor
        first = Fraction(float(taps[wrong.argmax()]))
        exact = first.denominator <= most_binary
        further = math.lcm(divisor, (first if exact else first.limit_denominator(most)).denominator)
        if further == divisor or further > (most_binary if exact else most):
            return None
        divisor = further


def whole_form(form: Form, whole: Whole) -> tuple[Form, float] | None:
    """Write a form with whole taps; None if its steps have none.

    Parameters
    ----------
    form : Form
        The form, of real taps.
    whole : Whole
        The taps of its steps together.

    Returns
    -------
    form, size
        The form, and a bound of all its sums for samples up to one.
    """
    if len(form.steps) == 1:
        return _put_together(form, [whole.taps])
    parts = [whole_taps(step[0].taps, single=whole.single) for step in form.steps]
    primitive = [part.taps / _common_factor(part.taps) for part in parts if part is not None]
    if len(primitive) < len(parts):
        return None
    product = reduce(convolve_taps, primitive)
    at = np.unravel_index(np.abs(product).argmax(), product.shape)
    primitive[-1] = primitive[-1] * (whole.taps[at] / product[at])
    if not np.array_equal(reduce(convolve_taps, primitive), whole.taps):
        return None
    return _put_together(form, primitive)


def _put_together(form: Form, taps: Sequence[NDArray[np.float64]]) -> tuple[Form, float] | None:
    """Return the form with these taps, and the bound of its sums."""
    factors = [_factor(step[0], whole) for step, whole in zip(form.steps, taps, strict=True)]
    if None in factors:
        return None
    steps = tuple((factor,) for factor in factors if factor is not None)
    return replace(form, steps=steps), math.prod(float(np.abs(whole).sum()) for whole in taps)


def _factor(factor: Factor, taps: NDArray[np.float64]) -> Factor | None:
    """Return a factor with whole taps; a single outer product of them has whole lines, or there is no such factor."""
    if len(factor.terms) != 1:
        at = np.unravel_index(np.abs(taps).argmax(), taps.shape)
        return replace(scaled(factor, float(taps[at] / factor.taps[at])), taps=taps)
    lines = _whole_lines(taps, factor.terms[0])
    return Factor(taps, (lines,)) if lines else None


def _whole_lines(taps: NDArray[np.float64], lines: Sequence[Line]) -> tuple[Line, ...] | None:
    """Return the lines of an outer product of whole numbers: all without a common factor, but for the last."""
    at = np.unravel_index(np.abs(taps).argmax(), taps.shape)
    places = [tuple(slice(None) if k == axis else at[k] for k in range(taps.ndim)) for axis in range(taps.ndim)]
    through = [taps[place] for place in places]
    found = [line / _common_factor(line) for line in through]
    found[-1] = found[-1] * (taps[at] / math.prod(float(line[k]) for line, k in zip(found, at, strict=True)))
    if not np.array_equal(reduce(np.multiply.outer, found), taps):
        return None
    whole = []
    for line, given in zip(found, lines, strict=True):
        constant = given.window == line.size
        whole.append(Line(line, given.widths, line[:1]) if constant else Line(line, (), line))
    return tuple(whole)


class WholeRows(NamedTuple):
    """Taps of several outputs, each row of them whole numbers over its divisor.

    The taps are in the number in which their sums are exact. Rows without a divisor have that of one.
    """

    taps: NDArray[np.floating]
    divisors: NDArray[np.float64]
    everywhere: bool


def whole_rows(taps: NDArray[np.float64], samples: Range, number: np.dtype[np.floating]) -> WholeRows | None:
    """Write rows of taps as whole numbers; None if nothing becomes more exact, or if double precision is too little.

    Parameters
    ----------
    taps : ndarray
        The taps of each output along the first axis.
    samples : Range
        The samples that they are used for.
    number : dtype
        The number computed with.
    """
    found = [whole_taps(row, samples, number == np.float32) for row in taps]
    rows = [row for row in found if row is not None]
    largest = max((float(np.abs(row.taps).sum()) * row.largest for row in rows), default=math.inf)
    if all(row.binary for row in rows) and largest <= 2.0 / float(np.finfo(number).eps):
        return None  # the sums of the taps themselves are exact
    for wide in dict.fromkeys((number, np.dtype(np.float64))):
        if largest <= 1.0 / float(np.finfo(wide).eps):
            whole = np.stack([row.taps if row else given for row, given in zip(found, taps, strict=True)])
            divisors = np.array([float(row.divisor) if row else 1.0 for row in found])
            return WholeRows(np.ascontiguousarray(whole, wide), divisors, all(row.everywhere for row in rows))
    return None


def _common_factor(taps: NDArray[np.float64]) -> float:
    return float(np.gcd.reduce(taps.astype(np.int64), axis=None))
