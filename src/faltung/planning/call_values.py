"""Is an argument of a call one of its values? Choices, steps and the constant, each checked by itself."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.checks import is_integer, is_sequence, scalar

__all__ = ["check_choices", "checked_cval", "checked_steps", "skips_nan"]

_NAN = ("propagate", "ignore")
#: How other libraries spell `ignore`.
_IGNORED_ELSEWHERE = ("omit", "skip", "skipna", "drop", "mask", "interpolate", "fill", "exclude")
_ACCURACY = ("norm", "pointwise")


def check_choices(nan: Any, accuracy: Any, method: Any) -> None:
    """Raise an error unless `nan` and `accuracy` are choices; which methods there are depends on the kernel."""
    _check_choice("nan", nan, _NAN)
    _check_choice("accuracy", accuracy, _ACCURACY)
    if not isinstance(method, str):
        raise ArgumentError("method", "the name of a method, or 'auto'", repr(method))


def skips_nan(nan: str, dtype: np.dtype[Any], cval: complex) -> bool:
    """Whether samples that are NaN are missing; a constant can be NaN beside samples that cannot."""
    return nan == "ignore" and (dtype.kind in "fc" or cval != cval)


def checked_steps(argument: str, value: Any, count: int) -> tuple[int, ...]:
    """Return a stride, a dilation or an `up` for each axis of the kernel."""
    given = tuple(value) if is_sequence(value) else (value,) * count
    if not all(map(is_integer, given)):
        raise ArgumentTypeError(argument, "a positive integer, or one for each axis of the kernel", repr(value))
    steps = tuple(map(int, given))
    if len(steps) != count or min(steps) < 1:
        expected = f"a positive integer, or {count} of them, one for each axis of the kernel"
        raise ArgumentError(argument, expected, repr(value))
    return steps


def checked_cval(cval: Any, dtype: np.dtype[Any]) -> complex:
    """Return the constant beyond the border, as a number that an array of this dtype can continue with."""
    cval = scalar(cval)
    if isinstance(cval, bool) or not isinstance(cval, (numbers.Complex, np.number)):
        raise ArgumentTypeError("cval", "a number", repr(cval))
    try:
        value = complex(cval)
    except OverflowError as error:
        raise ArgumentError("cval", "a number within double precision", "a larger integer") from error
    if dtype.kind == "c":
        return value
    if value.imag:
        raise ArgumentError("cval", "a real number for a real array", repr(cval), "Convert x to a complex dtype.")
    return math.nan if math.isnan(value.real) else value.real


def _check_choice(argument: str, value: Any, choices: tuple[str, str]) -> None:
    if not isinstance(value, str) or value not in choices:
        remedy = "Use nan='ignore'." if isinstance(value, str) and value in _IGNORED_ELSEWHERE else ""
        raise ArgumentError(argument, f"{choices[0]!r} or {choices[1]!r}", repr(value), remedy)
