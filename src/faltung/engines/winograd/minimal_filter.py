"""Which matrices make a kernel of three taps cheap? Toom and Cook's, at points that keep rounding errors small.

A tile of `outputs` neighbouring outputs of a kernel of three taps is a product of polynomials in disguise. Evaluated
at ``outputs + 2`` points (infinity is one of them) it takes one multiplication for each point::

    y = A ((G g) * (B d))            g: 3 taps, d: outputs + 2 samples, y: outputs

In two dimensions the matrices are applied to columns and rows, and a tile of 4 x 4 outputs takes 36 multiplications
in place of 144. S. Winograd, "Arithmetic Complexity of Computations" (1980); A. Lavin and S. Gray, "Fast Algorithms
for Convolutional Neural Networks", arXiv:1509.09308.

The points are 0, pairs (p, -p) and infinity. Pairs share their sums of even and of odd samples. With the usual points
1, -1, 2, -2 the last output of a tile is weighted by 8, and so are its errors. Points whose product is about one
(S. A. Alam et al., "Winograd Convolution for Deep Neural Networks: Efficient Point Selection", arXiv:2201.10369) have
half the error in the mean, and a quarter at most. 3/4 and 3/2 are exact in binary, and so are all entries of A and B.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Protocol, TypeVar

__all__ = ["MinimalFilter", "Numbers", "minimal_filter", "sums_of_points", "taps_at_points", "values_at_points"]

_Points = {2: (Fraction(1),), 4: (Fraction(3, 4), Fraction(3, 2))}

Matrix = tuple[tuple[Fraction, ...], ...]
"""Rows of exact numbers."""

T = TypeVar("T")


class Numbers(Protocol[T]):
    """Arithmetic with what a transform is applied to: arrays, or values of emitted code."""

    def add(self, a: T, b: T) -> T:
        """Return a + b."""

    def subtract(self, a: T, b: T) -> T:
        """Return a - b."""

    def multiply_add(self, factor: Fraction, a: T, b: T | None) -> T:
        """Return factor a + b, or the product alone."""


@dataclass(frozen=True)
class MinimalFilter:
    """The matrices for tiles of `outputs` outputs, in one dimension.

    Parameters
    ----------
    outputs : int
        Neighbouring outputs of a tile.
    pairs : tuple of Fraction
        The positive ones of the finite points other than zero.
    """

    outputs: int
    pairs: tuple[Fraction, ...]

    @property
    def points(self) -> int:
        """Number of points, and of samples that a tile reads."""
        return self.outputs + 2

    @property
    def finite(self) -> tuple[Fraction, ...]:
        """The finite points, in the order of the rows of the matrices; infinity comes last."""
        return (Fraction(0), *(point for p in self.pairs for point in (p, -p)))

    @property
    def a(self) -> Matrix:
        """From sums at the points to outputs: shape (outputs, points)."""
        last = self.outputs - 1
        return tuple((*(point**i for point in self.finite), Fraction(int(i == last))) for i in range(self.outputs))

    @property
    def b(self) -> Matrix:
        """From samples to values at the points: shape (points, points)."""
        rows = [_polynomial([q for q in self.finite if q != point]) for point in self.finite]
        return (*((*row, Fraction(0)) for row in rows), _polynomial(self.finite))

    @property
    def g(self) -> Matrix:
        """From taps to values at the points: shape (points, 3)."""
        rows = []
        for point in self.finite:
            scale = Fraction(1)
            for other in self.finite:
                scale *= point - other if other != point else 1
            rows.append((1 / scale, point / scale, point**2 / scale))
        return (*rows, (Fraction(0), Fraction(0), Fraction(1)))


@cache
def minimal_filter(outputs: int) -> MinimalFilter:
    """Return the matrices for tiles of 2 or 4 outputs.

    Examples
    --------
    >>> minimal_filter(2).b[1] == (0, 1, 1, 0)
    True
    """
    return MinimalFilter(outputs, _Points[outputs])


def values_at_points(filter_: MinimalFilter, d: Sequence[T], numbers: Numbers[T]) -> list[T]:
    """Return B d: from the samples of a tile to values at the points."""
    values = [_combined(_squares(filter_.pairs), d[0::2], numbers)]
    for p in filter_.pairs:
        others = _squares([q for q in filter_.pairs if q != p])
        even, odd = _combined(others, d[2::2], numbers), _combined(others, d[1:-2:2], numbers)
        if p == 1:
            values += [numbers.add(even, odd), numbers.subtract(even, odd)]
        else:
            values += [numbers.multiply_add(p, odd, even), numbers.multiply_add(-p, odd, even)]
    return [*values, _combined(_squares(filter_.pairs), d[1::2], numbers)]


def taps_at_points(filter_: MinimalFilter, g: Sequence[T], numbers: Numbers[T]) -> list[T]:
    """Return G g: from the taps to values at the points."""
    rows = filter_.g
    values = [numbers.multiply_add(rows[0][0], g[0], None)]
    for row in rows[1:-1:2]:
        even = numbers.multiply_add(row[2], g[2], numbers.multiply_add(row[0], g[0], None))
        odd = numbers.multiply_add(row[1], g[1], None)
        values += [numbers.add(even, odd), numbers.subtract(even, odd)]
    return [*values, g[2]]


def sums_of_points(filter_: MinimalFilter, m: Sequence[T], numbers: Numbers[T]) -> list[T]:
    """Return A m: from sums at the points to the outputs of a tile."""
    sums = [numbers.add(m[k], m[k + 1]) for k in range(1, len(m) - 1, 2)]
    differences = [numbers.subtract(m[k], m[k + 1]) for k in range(1, len(m) - 1, 2)]
    outputs = []
    for i in range(filter_.outputs):
        total = m[0] if i == 0 else m[-1] if i == filter_.outputs - 1 else None
        for p, value in zip(filter_.pairs, differences if i % 2 else sums, strict=True):
            if total is None and p == 1:
                total = value
            elif total is not None and p**i == 1:
                total = numbers.add(total, value)
            else:
                total = numbers.multiply_add(p**i, value, total)
        outputs.append(total)
    return outputs  # type: ignore[return-value]


def _combined(coefficients: Sequence[Fraction], values: Sequence[T], numbers: Numbers[T]) -> T:
    """Return the sum of products, of which the last coefficient is 1, from the last one on."""
    total = values[len(coefficients) - 1]
    for factor, value in zip(coefficients[-2::-1], values[len(coefficients) - 2 :: -1], strict=False):
        total = numbers.multiply_add(factor, value, total)
    return total


def _squares(pairs: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """Coefficients of the polynomial whose roots are the squares of points."""
    return _polynomial([p * p for p in pairs])


def _polynomial(roots: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """Coefficients, from the constant on, of the monic polynomial with these roots."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted, scaled = [Fraction(0), *coefficients], [*(root * c for c in coefficients), Fraction(0)]
        coefficients = [a - b for a, b in zip(shifted, scaled, strict=True)]
    return tuple(coefficients)
