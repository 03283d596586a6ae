"""In which forms can a kernel be written? As an array of taps with its outer products, or as passes one by one.

A `Factor` is a real kernel in the axes of a layout. A `Form` is a sequence of steps; each step is one factor, or two
factors for complex taps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.engines.base import Line, Terms
from faltung.kernels import Kernel
from faltung.kernels.lowrank import SLACK, outer_factors, outer_sum, windows
from faltung.kernels.multiplied import multiply_out
from faltung.kernels.rewrite import factors, outer_terms, windows_of
from faltung.kernels.taps import TapArray
from faltung.planning.report import shape_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Factor", "Form", "cropped", "forms", "scaled"]

#: Most outer products that a kernel is written as a sum of.
MOST_TERMS = 8
#: Most taps of a product that is applied as passes: larger products are not multiplied out to check the passes.
MOST_MULTIPLIED_OUT = 1 << 20


@dataclass(frozen=True, eq=False)
class Factor:
    """A real kernel in the axes of a layout.

    Parameters
    ----------
    taps : ndarray
        All its taps, in double precision.
    terms : tuple of tuple of Line
        Outer products that add up to the taps; empty if they take more multiply-adds than the taps.
    faithful : bool
        Whether the sum of the terms differs from every tap by a few of its own roundings, not those of the largest.
    """

    taps: NDArray[np.float64]
    terms: Terms
    faithful: bool = True

    @property
    def text(self) -> str:
        """The text that a plan prints."""
        taps = f"{shape_text(self.taps.shape)} taps, {np.count_nonzero(self.taps)} of them not zero"
        count = len(self.terms)
        return f"{taps}, {count} outer product{'s' if count > 1 else ''}" if count else taps


@dataclass(frozen=True, eq=False)
class Form:
    """A kernel as a sequence of steps.

    Parameters
    ----------
    steps : tuple of tuple of Factor
        For each pass over the samples one factor, or one for the real and one for the imaginary part of the taps.
    amplified : float
        Factor by which rounding errors of the passes are larger than those of their product.
    exact : bool
        Whether samples that are not finite have the same effect in the passes as in their product.
    """

    steps: tuple[tuple[Factor, ...], ...]
    amplified: float = 1.0
    exact: bool = True


def forms(kernel: Kernel, given: Kernel, axes: Sequence[int], ndim: int, number: np.dtype[Any]) -> tuple[Form, ...]:
    """Write a simplified kernel as one step and, if it is a product, as passes one by one.

    Parameters
    ----------
    kernel : Kernel
        The simplified kernel.
    given : Kernel
        The kernel before it was simplified: its taps are the definition.
    axes : sequence of int
        The axis of the layout for each axis of the kernel.
    ndim : int
        Number of axes of the layout.
    number : dtype
        The number computed with.
    """
    taps = cropped(given, kernel)
    parts = (kernel.real, kernel.imag) if kernel.dtype.kind == "c" else (kernel,)
    values = (taps.real, taps.imag)[: len(parts)]
    whole = Form(
        (tuple(_factor(part, value, kernel, axes, ndim, number) for part, value in zip(parts, values, strict=True)),)
    )
    product = factors(kernel)
    if len(product) == 1 or len(parts) > 1 or kernel.size > MOST_MULTIPLIED_OUT:
        return (whole,)
    return whole, _in_turn(product, whole.steps[0][0].taps, axes, ndim, number)


def _in_turn(
    product: Sequence[Kernel], taps: TapArray, axes: Sequence[int], ndim: int, number: np.dtype[Any]
) -> Form:
    """Return the factors as passes, cheap ones first: the first passes also compute the halo of the later ones."""
    known = {factor.fingerprint: factor for factor in product}
    made = {key: _factor(one, one.taps, one, axes, ndim, number) for key, one in known.items()}
    steps = [made[factor.fingerprint] for factor in product]
    steps.sort(key=_cost)
    carried = 1.0
    steps_scaled = []
    for factor in steps[:-1]:
        # No intermediate sum is larger than the samples. A power of two causes no rounding.
        power = 2.0 ** -math.ceil(math.log2(float(np.abs(factor.taps).sum()) or 1.0))
        carried /= power
        steps_scaled.append(scaled(factor, power))
    steps_scaled.append(scaled(steps[-1], carried))
    sizes = multiply_out((factor.fingerprint, np.abs(made[factor.fingerprint].taps)) for factor in product)
    same_sign = all((factor.taps >= 0).all() for factor in steps) and bool(taps.all())
    exact = same_sign and all(factor.faithful for factor in steps) and _faithful(sizes, taps, number)
    return Form(tuple((factor,) for factor in steps_scaled), _growth(sizes, taps), exact)


def _growth(sizes: NDArray[np.floating], taps: NDArray[np.floating]) -> float:
    """Return the factor by which the sizes of all summands exceed the taps, and their roundings as well."""
    taps = np.abs(taps)
    return float(sizes.sum() / taps.sum()) if taps.any() else 1.0


def scaled(factor: Factor, scalar: float) -> Factor:
    """Return a factor times a scalar."""
    terms = tuple(
        (*term[:-1], Line(term[-1].taps * scalar, term[-1].widths, term[-1].rest * scalar)) for term in factor.terms
    )
    return Factor(factor.taps * scalar, terms, factor.faithful)


def _cost(factor: Factor) -> float:
    taps = float(np.count_nonzero(factor.taps))
    passes = sum(_line_cost(line) for term in factor.terms for line in term)
    return min(taps, passes) if factor.terms else taps


def _line_cost(line: Line) -> float:
    return 4.0 if line.window > 4 else float(np.count_nonzero(line.taps))


def cropped(given: Kernel, kernel: Kernel) -> TapArray:
    """Return the taps of a kernel in the support of a simplified one; outside it they are zero."""
    if given.shape == kernel.shape and given.origin == kernel.origin:
        return given.taps
    taps = np.zeros(kernel.shape, given.dtype)
    starts = [own - simplified for own, simplified in zip(given.origin, kernel.origin, strict=True)]
    low = [max(start, 0) for start in starts]
    high = [min(start + n, m) for start, n, m in zip(starts, kernel.shape, given.shape, strict=True)]
    if all(a < b for a, b in zip(low, high, strict=True)):
        inside = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, starts, strict=True))
        taps[inside] = given.taps[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    return taps


def _factor(
    part: Kernel, taps: TapArray, whole: Kernel, axes: Sequence[int], ndim: int, number: np.dtype[Any]
) -> Factor:
    """Return real taps in the axes of the layout, with the outer products of their expression `part`."""
    sizes = [1] * ndim
    for axis, size in zip(axes, whole.shape, strict=True):
        sizes[axis] = size
    if len(axes) > 1:
        taps = taps.transpose(np.argsort(axes))
    taps = np.ascontiguousarray(taps.reshape(sizes))
    eps = float(np.finfo(number).eps)
    terms = _known(part, taps, whole, axes)
    if terms is None:
        terms = _numerical(taps, eps)
    cheaper = sum(_line_cost(line) for term in terms for line in term) < np.count_nonzero(taps) + 2 * ndim
    if not (terms and cheaper):
        return Factor(taps, ())
    if _is_own(terms, taps):  # nothing is to be compared
        return Factor(taps, tuple(terms), _faithful(taps, taps, number))
    total = np.zeros(taps.shape)
    for term in terms:  # one after the other: each is as large as the kernel
        total += reduce(np.multiply.outer, [line.taps for line in term])
    # The differences add up over the taps, so only a small sum of them is a rounding.
    close = float(np.abs(total - taps).sum()) <= SLACK * eps * float(np.abs(taps).sum())
    return Factor(taps, tuple(terms) if close else (), _faithful(total, taps, number))


def _is_own(terms: list[tuple[Line, ...]], taps: TapArray) -> bool:
    """Whether the only term is the taps themselves, in the same memory, along their only axis."""
    if len(terms) > 1 or taps.size > max(taps.shape):
        return False
    own = next((line.taps for line in terms[0] if line is not _ONE), taps)
    return own.base is (taps if taps.base is None else taps.base)


def _known(part: Kernel, taps: TapArray, whole: Kernel, axes: Sequence[int]) -> list[tuple[Line, ...]] | None:
    """Return the outer products of an expression, in the axes of the layout; None if it is no sum of them."""
    products = outer_terms(part)
    if products is None:
        return None
    terms = []
    for lines in products:
        term = [_ONE] * taps.ndim
        for axis, line, size, origin in zip(axes, lines, whole.shape, whole.origin, strict=True):
            term[axis] = _line(line, size, origin)
        terms.append(tuple(term))
    if len(terms) == 1 and sum(size > 1 for size in taps.shape) == 1 and not any(line.widths for line in terms[0]):
        # Along a single axis the factor is the taps themselves.
        along = int(np.argmax(taps.shape))
        own = Line(taps.ravel(), (), taps.ravel())
        terms = [tuple(own if axis == along else _ONE for axis in range(taps.ndim))]
    return terms


def _faithful(total: TapArray, taps: TapArray, number: np.dtype[Any]) -> bool:
    """Whether a total differs from every tap, rounded to the number computed with, by a few roundings."""
    if total is taps and number == np.float64:
        return True
    with np.errstate(over="ignore"):
        held = taps.astype(number).astype(np.float64)
    return bool((np.abs(total - held) <= SLACK * float(np.finfo(number).eps) * np.abs(held)).all())


_ONE = Line(np.ones(1), (), np.ones(1))


def _line(kernel: Kernel, size: int, origin: int) -> Line:
    """Write a one-dimensional kernel as a line of `size` taps with lag zero at `origin`."""
    widths, rest = windows_of(kernel)
    start = origin - kernel.origin[0]
    if kernel.shape[0] == size:
        return Line(kernel.taps.real, widths, rest.real)
    taps = np.zeros(size)
    taps[start : start + kernel.shape[0]] = kernel.taps.real
    return Line(taps, (), taps)


def _numerical(taps: NDArray[np.float64], eps: float) -> list[tuple[Line, ...]]:
    """Return outer products that are computed from the taps, if there are so few that they are cheaper."""
    one = outer_factors(taps, eps)
    if one is not None:
        return [tuple(Line(line, *windows(line, eps)) for line in one)]
    most = min(MOST_TERMS, int(np.count_nonzero(taps)) // (sum(taps.shape) + taps.ndim))
    several = outer_sum(taps, eps, most) if most > 1 else None
    return [tuple(Line(line, (), line) for line in term) for term in several or ()]
