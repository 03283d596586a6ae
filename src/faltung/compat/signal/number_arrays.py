"""Which arrays and options do the functions of this module take? What cannot be computed is refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.compat.not_served import NotServedError
from faltung.errors import ArgumentError
from faltung.ground.arrays import carried, is_masked_array

__all__ = ["as_numbers", "check_mode_name", "full_name", "served_dtype"]

_MODES = ("full", "valid", "same")
#: Bytes of the widest floats and complex numbers that are computed with.
_WIDEST = {"b": 1, "i": 8, "u": 8, "f": 8, "c": 16}


def full_name(function: str) -> str:
    """Return the name of a function of the peer, with its module."""
    return f"scipy.signal.{function}"


def as_numbers(function: str, name: str, value: Any) -> NDArray[Any]:
    """Return an argument as an array of numbers, as `numpy.asarray` converts it.

    Raises
    ------
    NotServedError
        The array has more than double precision, or holds no numbers; or it has a mask or a unit, which the peer
        drops.

    Examples
    --------
    >>> as_numbers("convolve", "in1", [1, 2]).dtype.kind
    'i'
    """
    if type(value) is not np.ndarray:
        more = "mask" if is_masked_array(value) else carried(value)
        if more:
            raise NotServedError(full_name(function), f"{name}: its {more} would be lost")
        value = np.asarray(value)
    served_dtype(function, name, value.dtype)
    return value  # type: ignore[no-any-return]


def served_dtype(function: str, name: str, dtype: np.dtype[Any]) -> None:
    """Refuse a dtype that is not of numbers of at most double precision."""
    if dtype.itemsize > _WIDEST.get(dtype.kind, 0):
        raise NotServedError(full_name(function), f"{name}: numbers of at most double precision, not {dtype}")


def check_mode_name(mode: Any) -> str:
    """Return `mode` if it is one of the three that say which outputs are computed."""
    if not isinstance(mode, str) or mode not in _MODES:
        raise ArgumentError("mode", "'valid', 'same', or 'full'", repr(mode))
    return mode
