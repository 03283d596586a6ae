"""What do the arguments of scipy.ndimage mean? Modes, axes, origins and numbers, with SciPy's classes of errors."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.exceptions import AxisError

__all__ = ["axes_of", "axis_of", "each", "key_of", "mode_of", "number_of", "taps_of"]

#: SciPy's names of modes, and those of this package.
_MODES = {
    "reflect": "reflect",
    "grid-mirror": "reflect",
    "constant": "constant",
    "grid-constant": "constant",
    "nearest": "nearest",
    "mirror": "mirror",
    "wrap": "wrap",
    "grid-wrap": "wrap",
}
#: Types of values that differ from all others by their texts, and, but for zeros, by themselves.
_PLAIN = frozenset((int, float, complex, bool, str, type(None), np.float64, np.float32, np.int64, np.int32, np.intp))


def mode_of(mode: Any) -> str:
    """Return this package's name of a mode.

    Raises
    ------
    RuntimeError
        It is no mode of SciPy's.
    """
    found = _MODES.get(mode) if isinstance(mode, str) else None
    if found is None:
        raise RuntimeError(f"boundary mode not supported: {mode!r}; use one of {', '.join(_MODES)}")
    return found


def each(value: Any, count: int) -> list[Any]:
    """Return a value for each axis: one of a sequence, or the same for all.

    Raises
    ------
    RuntimeError
        The sequence has another length.
    """
    if isinstance(value, str) or not np.iterable(value):
        return [value] * count
    values = list(value)
    if len(values) != count:
        raise RuntimeError(f"sequence argument must have length equal to input rank: {len(values)} for {count} axes")
    return values


def axis_of(axis: Any, ndim: int) -> int:
    """Return an axis that is not negative; `AxisError` is a ValueError and an IndexError."""
    if not -ndim <= axis < ndim:
        raise AxisError(f"axis {axis} is out of bounds for array of dimension {ndim}")
    return operator.index(axis) % ndim


def axes_of(axes: Any, ndim: int) -> tuple[int, ...]:
    """Return the axes that are filtered, not negative.

    Raises
    ------
    ValueError
        An axis does not exist, or is there twice.
    """
    if axes is None:
        return tuple(range(ndim))
    if not np.isscalar(axes) and not isinstance(axes, Iterable):
        raise ValueError("axes must be an integer, iterable of integers, or None")
    given: Any = (axes,) if np.isscalar(axes) else axes
    found = [operator.index(axis) for axis in given]
    if any(not -ndim <= axis < ndim for axis in found):
        raise ValueError(f"specified axis is out of range: {found} for {ndim} axes")
    found = [axis % ndim for axis in found]
    if len({*found}) < len(found):
        raise ValueError(f"axes must be unique: {found}")
    return tuple(found)


def number_of(cval: Any, complex_input: bool) -> complex:
    """Return the constant beyond the border; it is complex only beside complex samples.

    Raises
    ------
    TypeError
        It is no number, or no real one.
    """
    if complex_input:
        return complex(np.real(cval), np.imag(cval))
    if isinstance(cval, (str, bytes)) or np.iscomplexobj(cval):
        raise TypeError(f"cval must be real number, not {type(cval).__name__}")
    return float(cval)


def taps_of(weights: Any) -> np.ndarray[Any, Any]:
    """Return weights as an array in double precision, real or complex."""
    given = np.asarray(weights)
    return given.astype(np.complex128 if given.dtype.kind == "c" else np.float64, copy=False)


def key_of(arguments: tuple[Any, ...]) -> Any:
    """Return a value that is equal only for the same arguments, with types; None if there is none that is quick."""
    told: list[Any] = []
    for value in arguments:
        kind = type(value)
        if kind in _PLAIN:
            told += (kind, value or repr(value))  # 0.0 and -0.0 are equal
        elif kind is np.ndarray and value.dtype.kind in "biufc":
            told += (value.shape, value.dtype, value.tobytes())
        elif kind in (tuple, list) and all(type(item) in _PLAIN for item in value):
            told += (kind, repr(value))
        else:
            return None
    return tuple(told)
