"""Is this number usable? Each check returns the plain Python number, or raises an error that says why not."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from faltung.errors import ArgumentError, ArgumentTypeError

__all__ = [
    "axis_index",
    "dimensions",
    "integer",
    "is_integer",
    "is_number",
    "is_sequence",
    "non_negative",
    "number",
    "per_axis",
    "real",
]

Number = TypeVar("Number", int, float)

_MOST_AXES = 32


def is_number(value: object) -> bool:
    """Whether `value` is a number: Python's, NumPy's, or in an array without axes."""
    return isinstance(value, numbers.Complex) or (isinstance(value, np.ndarray) and value.ndim == 0)


def is_integer(value: object) -> bool:
    """Whether `value` is an integer of Python or NumPy; a boolean is none."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_sequence(value: object) -> bool:
    """Whether `value` holds one item per axis, rather than one for all axes."""
    return isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim > 0)


def number(argument: str, value: complex) -> float | complex:
    """Return a finite real or complex number."""
    if isinstance(value, bool | np.bool_) or not is_number(value):
        raise ArgumentTypeError(argument, "a real or complex number", _describe(value))
    try:
        plain = complex(value) if np.iscomplexobj(value) else float(value.real)
    except OverflowError:
        plain = math.inf
    if not np.isfinite(plain):
        raise ArgumentError(argument, "a finite number", _describe(value))
    return plain


def real(
    argument: str, value: float, low: float = -math.inf, high: float = math.inf, *, open_end: bool = False
) -> float:
    """Return a finite real number between two bounds, of which the lower one is excluded if it is open."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise ArgumentTypeError(argument, "a real number", _describe(value))
    plain = float(number(argument, value).real)
    if not low <= plain <= high or (open_end and plain == low):
        lower = f"a number {'above' if open_end else 'of at least'} {low:g}"
        raise ArgumentError(argument, lower + f" and at most {high:g}" * (high < math.inf), _describe(value))
    return plain


def non_negative(argument: str, value: float) -> float:
    """Return a finite real number of at least zero."""
    return real(argument, value, 0.0)


def integer(argument: str, value: int, low: int, high: int) -> int:
    """Return an integer between two bounds, both included."""
    expected = f"an integer from {low} to {high}"
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        raise ArgumentTypeError(argument, expected, _describe(value), _integer_instead(value, low, high))
    if not low <= value <= high:
        raise ArgumentError(argument, expected, _describe(value))
    return int(value)


def axis_index(axis: int, ndim: int) -> int:
    """Return an axis, which counts from the end if negative, as an index from the start."""
    return integer("axis", axis, -ndim, ndim - 1) % ndim


def per_axis(argument: str, value: Any, ndim: int | None, check: Callable[[str, Any], Number]) -> tuple[Number, ...]:
    """Return one checked number per axis; a single number serves every axis, two if `ndim` does not say."""
    axes = None if ndim is None else dimensions(ndim)
    if not is_sequence(value):
        return (check(argument, value),) * (axes or 2)
    if axes is None:
        axes = integer(f"len({argument})", len(value), 1, _MOST_AXES)
    if len(value) != axes:
        raise ArgumentError(argument, f"a number, or {axes} for ndim={axes}", f"{len(value)} numbers")
    return tuple(check(argument, item) for item in value)


def dimensions(ndim: int) -> int:
    """Return a number of dimensions that every NumPy can index."""
    return integer("ndim", ndim, 1, _MOST_AXES)


def _integer_instead(value: Any, low: int, high: int) -> str:
    """Return the remedy for a number of another type that is equal to a usable integer."""
    is_real = (is_number(value) or isinstance(value, np.bool_)) and not np.iscomplexobj(value)
    if not is_real or not low <= value <= high or value != int(value):
        return ""
    return f"Use {int(value)}."


def _describe(value: object) -> str:
    plain = isinstance(value, numbers.Complex) and not isinstance(value, bool)
    return str(value) if plain else repr(value)
