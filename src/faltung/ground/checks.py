"""Is this number usable? Each check returns the plain Python number, or raises an error that says why not.

A NumPy scalar and an array without axes count as the number that they hold. A boolean is no number, and a float is no
integer, even if it is whole.
"""

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
    "scalar",
]

Number = TypeVar("Number", int, float)

_MOST_AXES = 32
_LONGEST_ECHO = 80  # characters of a value in an error


def is_number(value: object) -> bool:
    """Whether `value` is one value and not several: a number or a boolean, of Python or of NumPy."""
    return isinstance(scalar(value), numbers.Complex | np.bool_)


def is_integer(value: object) -> bool:
    """Whether `value` is an integer of Python or NumPy; booleans and whole floats are not."""
    if type(value) is int:
        return True
    held = scalar(value)
    return isinstance(held, numbers.Integral) and not isinstance(held, bool)


def is_sequence(value: object) -> bool:
    """Whether `value` holds one item for each axis, rather than one for all axes."""
    return isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim > 0)


def number(argument: str, value: complex) -> float | complex:
    """Return a finite real or complex number."""
    held = scalar(value)
    if isinstance(held, bool) or not isinstance(held, numbers.Complex):
        raise ArgumentTypeError(argument, "a real or complex number", _describe(value))
    try:
        plain = float(held.real) if isinstance(held, numbers.Real) else complex(held)
    except OverflowError:
        plain = math.inf
    # By parts, since torch.compile does not know the function for complex numbers.
    if not (math.isfinite(plain.real) and math.isfinite(plain.imag)):
        raise ArgumentError(argument, "a finite number", _describe(value))
    return plain


def real(
    argument: str, value: object, low: float = -math.inf, high: float = math.inf, *, open_end: bool = False
) -> float:
    """Return a finite real number from `low` to `high`; with `open_end`, `low` itself is excluded."""
    if type(value) is float and math.isfinite(value):
        plain = value
    else:
        held = scalar(value)
        if isinstance(held, bool) or not isinstance(held, numbers.Real):
            raise ArgumentTypeError(argument, "a real number", _describe(value))
        plain = float(number(argument, held).real)  # type: ignore[arg-type]  # a real number is a complex one
    if not low <= plain <= high or (open_end and plain == low):
        expected = f"a number {'above' if open_end else 'of at least'} {low:g}"
        raise ArgumentError(argument, expected + f" and at most {high:g}" * (high < math.inf), _describe(value))
    return plain


def non_negative(argument: str, value: float) -> float:
    """Return a finite real number of at least zero."""
    return real(argument, value, 0.0)


def integer(argument: str, value: object, low: int, high: int | None = None, remedy: str = "") -> int:
    """Return an integer from `low` to `high`, both included; without `high` there is no upper bound."""
    if type(value) is int and low <= value and (high is None or value <= high):
        return value
    upper = "" if high is None else f" to {high}"
    expected = "a positive integer" if (low, high) == (1, None) else f"an integer from {low}{upper}"
    if not is_integer(value):
        raise ArgumentTypeError(argument, expected, _describe(value), _integer_instead(value, low, high))
    held: Any = scalar(value)
    plain = int(held)
    if plain < low or (high is not None and plain > high):
        raise ArgumentError(argument, expected, _describe(value), remedy)
    return plain


def axis_index(axis: int, ndim: int) -> int:
    """Return the index of an axis, counted from the start; a negative `axis` is counted from the end."""
    return integer("axis", axis, -ndim, ndim - 1) % ndim


def per_axis(argument: str, value: Any, ndim: int | None, check: Callable[[str, Any], Number]) -> tuple[Number, ...]:
    """Return one checked number for each axis.

    A single number is used for all axes: as many as `ndim`, or two where `ndim` is None.
    """
    axes = None if ndim is None else dimensions(ndim)
    if not is_sequence(value):
        return (check(argument, value),) * (axes or 2)
    if axes is None:
        axes = integer(f"len({argument})", len(value), 1, _MOST_AXES)
    if len(value) != axes:
        raise ArgumentError(argument, f"a number, or {axes} for ndim={axes}", f"{len(value)} numbers")
    return tuple(check(argument, item) for item in value)


def dimensions(ndim: int) -> int:
    """Return a number of dimensions that every version of NumPy supports."""
    return integer("ndim", ndim, 1, _MOST_AXES)


def scalar(value: object) -> object:
    """Return the number that an array without axes holds, and everything else as it is."""
    return value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value


def _integer_instead(value: object, low: int, high: int | None) -> str:
    """Return the remedy for a number of another type that is equal to a usable integer."""
    held = scalar(value)
    if not isinstance(held, numbers.Real | np.bool_):
        return ""
    plain: Any = held
    usable = low <= plain < math.inf and plain == int(plain) and (high is None or plain <= high)
    return f"Use {int(plain)}." if usable else ""


def _describe(value: object) -> str:
    plain = isinstance(value, numbers.Complex) and not isinstance(value, bool)
    text = str(value) if plain else repr(value)
    return text if len(text) <= _LONGEST_ECHO else f"{text[: _LONGEST_ECHO - 1]}…"
