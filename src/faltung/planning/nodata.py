"""Which samples does an array declare missing? The attributes `_FillValue`, `missing_value` and `nodata`."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from faltung.errors import ArgumentError, ArgumentTypeError

__all__ = ["NOTHING_DECLARED", "Nodata", "declared", "with_validity"]

_NAMES = ("_FillValue", "missing_value", "nodata")
#: With these in the encoding, values have been scaled since they were read, and a fill value is one before scaling.
_SCALED = ("scale_factor", "add_offset", "_Unsigned")
#: The whole numbers that NumPy has integers for; others are floats.
_LOW, _HIGH = -(2**63), 2**64 - 1


class Nodata(NamedTuple):
    """The values of samples that are missing.

    Parameters
    ----------
    values : tuple of scalars
        The values except NaN, in the dtype of the samples.
    nan : bool
        Whether NaN is one of them.
    attrs, encoding : tuple of str
        The names under which they are declared.
    """

    values: tuple[Any, ...] = ()
    nan: bool = False
    attrs: tuple[str, ...] = ()
    encoding: tuple[str, ...] = ()

    def valid(self, data: Any) -> Any:
        """Return an array of booleans, False where a sample is missing; None if no sample can be."""
        if not self.values:
            return None
        valid = data != self.values[0]
        for value in self.values[1:]:
            valid &= data != value
        return valid

    def fill(self, dtype: np.dtype[Any]) -> Any:
        """Return what stands for a missing output: NaN for floats, and the declared value for integers."""
        if dtype.kind in "fc":
            return dtype.type(np.nan)
        value = self.values[0] if self.values else None
        limits = np.iinfo(dtype)
        if value is None or value != int(value) or not limits.min <= int(value) <= limits.max:
            received = f"{dtype}, which cannot hold the missing value {value}"
            raise ArgumentError("dtype", "a dtype that holds missing outputs", received, "Use a float dtype.")
        return dtype.type(int(value))

    def relabelled(self, given: Mapping[Any, Any], names: tuple[str, ...], dtype: np.dtype[Any]) -> dict[Any, Any]:
        """Return attributes or an encoding in which missing outputs are declared as they are stored."""
        changed = dict(given)
        if names:
            fill = self.fill(dtype)
            changed.update(dict.fromkeys(names, fill.real if dtype.kind == "c" else fill))
        return changed


#: No sample is missing.
NOTHING_DECLARED = Nodata()


def declared(
    attrs: Mapping[Any, Any], encoding: Mapping[Any, Any], dtype: np.dtype[Any], argument: str = "x"
) -> Nodata:
    """Return the missing values that an array declares.

    Attributes count, since they describe samples as they are. Of the encoding, only that of integers counts that were
    never scaled: where floats were decoded, NaN stands for missing samples, which is what ``nan=`` is about.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        A missing value is not a number, or the samples have to be decoded first.

    Examples
    --------
    >>> declared({"_FillValue": -9999.0}, {}, np.dtype("int16")).values
    (np.int16(-9999),)
    """
    if attrs.get("add_offset", 0) != 0:
        received = f"packed samples, with add_offset={attrs['add_offset']!r} in their attributes"
        raise ArgumentError(argument, "samples that are decoded", received, "Decode them with xarray.decode_cf.")
    inside = dtype.kind in "iu" and not any(name in encoding for name in _SCALED)
    by_attrs = tuple(name for name in _NAMES if attrs.get(name) is not None)
    by_encoding = tuple(name for name in _NAMES if inside and encoding.get(name) is not None)
    given = [(name, attrs[name]) for name in by_attrs] + [(name, encoding[name]) for name in by_encoding]
    values = [number for name, value in given for number in _numbers(name, value)]
    nan = any(np.isnan(value) for value in values)
    exact = dict.fromkeys(_cast(value, dtype) for value in values if not np.isnan(value))
    return Nodata(tuple(value for value in exact if value is not None), nan, by_attrs, by_encoding)


def with_validity(valid: Any, mask: Any, graded: bool) -> Any:
    """Return a mask, or weights, of samples that are declared valid, and that the caller says are valid."""
    if valid is None or mask is None:
        return mask if valid is None else valid
    return np.where(valid, mask, 0) if graded else valid & mask


def _numbers(name: str, value: Any) -> list[Any]:
    try:
        items = np.atleast_1d(np.asarray(value)).tolist()
    except ValueError:  # lists of different lengths
        items = [value]
    for item in items:
        if not isinstance(item, numbers.Number):
            raise ArgumentTypeError("x", f"a number as its attribute {name!r}", repr(value), "Correct or delete it.")
    return [_bounded(item) for item in items]


def _bounded(value: Any) -> Any:
    """Return a whole number that NumPy has no integer for as a float, and others as they are."""
    if not isinstance(value, int) or _LOW <= value <= _HIGH:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _cast(value: Any, dtype: np.dtype[Any]) -> Any:
    """Return a value in the dtype of the samples, or None if no sample can have it."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        whole = value == int(value) if np.isfinite(value) else False
        return dtype.type(int(value)) if whole and limits.min <= value <= limits.max else None
    if dtype.kind not in "fc":
        return None
    with np.errstate(over="ignore"):
        return dtype.type(value)
