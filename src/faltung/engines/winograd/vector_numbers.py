"""How does emitted code apply a transform? Vector by vector, to the columns of a tile and then to its rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TypeAlias

from faltung.engines.winograd.minimal_filter import MinimalFilter
from faltung.jit.ir import Function, Value, vector
from faltung.jit.samples import multiply_add

__all__ = ["Transform", "VectorNumbers", "in_two_axes"]

Transform: TypeAlias = Callable[[MinimalFilter, Sequence[Value], "VectorNumbers"], list[Value]]
"""A transform along one axis."""


class VectorNumbers:
    """Arithmetic of transforms on vectors of emitted code.

    Parameters
    ----------
    f : Function
        The function that is written.
    number : str
        The number computed with, ``float`` or ``double``.
    lanes : int
        Numbers of a vector.
    """

    def __init__(self, f: Function, number: str, lanes: int) -> None:
        self._f, self._number, self._lanes = f, number, lanes
        self.type = vector(number, lanes)

    def constant(self, factor: Fraction) -> Value:
        """Return a vector of equal numbers, which is exact in binary."""
        lane = repr(float(factor))
        return lane if self._lanes == 1 else f"<{', '.join([f'{self._number} {lane}'] * self._lanes)}>"

    def add(self, a: Value, b: Value) -> Value:
        """Emit a + b."""
        return self._f.value(f"fadd {self.type} {a}, {b}")

    def subtract(self, a: Value, b: Value) -> Value:
        """Emit a - b."""
        return self._f.value(f"fsub {self.type} {a}, {b}")

    def multiply_add(self, factor: Fraction, a: Value, b: Value | None) -> Value:
        """Emit factor a + b, or the product alone."""
        if b is None:
            return self._f.value(f"fmul {self.type} {a}, {self.constant(factor)}")
        return self.fused(a, self.constant(factor), b)

    def fused(self, a: Value, b: Value, c: Value) -> Value:
        """Emit a b + c."""
        return multiply_add(self._f, self._number, self._lanes, a, b, c)


def in_two_axes(
    transform: Transform, filter_: MinimalFilter, values: Sequence[Sequence[Value]], numbers: VectorNumbers
) -> list[list[Value]]:
    """Emit a transform of the columns of a matrix of vectors, then of its rows; return the rows."""
    columns = [transform(filter_, column, numbers) for column in zip(*values, strict=True)]
    return [transform(filter_, row, numbers) for row in zip(*columns, strict=True)]
