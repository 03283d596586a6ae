"""What do the arguments of astropy mean? Arrays with missing samples as NaN, units, and kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from faltung.compat.astropy.astropy_errors import AstropyMaskError
from faltung.compat.not_served import NotServedError
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.arrays import is_masked_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["AstropyData", "as_data", "as_taps_of", "check_choice", "is_kernel", "nan_in", "with_unit"]


class AstropyData(NamedTuple):
    """An array as it is filtered: numbers, of which masked ones are NaN, with its dtype and unit."""

    values: NDArray[Any]
    dtype: np.dtype[Any]
    unit: Any


def is_kernel(value: Any) -> bool:
    """Whether a value is a kernel of astropy."""
    return any(base.__name__ == "Kernel" and base.__module__.startswith("astropy.") for base in type(value).__mro__)


def as_data(function: str, array: Any, mask: Any, complex_samples: bool = False) -> AstropyData:
    """Return an array in double precision."""
    name, kinds = f"astropy.convolution.{function}", "biufc" if complex_samples else "biuf"
    if any(base.__module__.startswith("astropy.nddata") for base in type(array).__mro__):
        raise NotServedError(name, f"array: a {type(array).__name__}, with more than numbers, a mask and a unit")
    unit = getattr(array, "unit", None)
    if unit is not None and not hasattr(array, "value"):
        raise NotServedError(name, f"array: a {type(array).__name__} with a unit")
    numbers = _numbers(array.value if unit is not None else array, "array")
    if numbers.dtype.kind not in kinds:
        raise NotServedError(name, f"array: samples of dtype {numbers.dtype}")
    dtype = np.dtype(np.complex128 if numbers.dtype.kind == "c" else np.float64)
    values = np.ma.getdata(numbers)
    given = np.ascontiguousarray(values, dtype).reshape(values.shape)
    own = given is not values and not np.may_share_memory(given, values)
    if mask is None and not np.ma.is_masked(numbers):
        return AstropyData(given, numbers.dtype, unit)
    given = given if own else given.copy()
    if np.ma.is_masked(numbers):
        given[np.ma.getmaskarray(numbers)] = np.nan
    if mask is not None:
        _take_out(given, mask)
    return AstropyData(given, numbers.dtype, unit)


def _take_out(values: NDArray[Any], mask: Any) -> None:
    """Set samples to NaN where a mask is not zero."""
    try:
        values[np.asarray(mask) != 0] = np.nan
    except IndexError as error:
        received = f"shape {np.shape(mask)}"
        raise AstropyMaskError("mask", f"a mask of shape {values.shape}", received) from error


def as_taps_of(function: str, kernel: Any) -> NDArray[np.float64]:
    """Return the taps of an array or a kernel of astropy."""
    name = f"astropy.convolution.{function}"
    if np.ma.is_masked(kernel):
        raise ArgumentError("kernel", "an array without masked taps", "a masked array", "Fill it: kernel.filled(0).")
    if getattr(kernel, "unit", None) is not None:
        raise NotServedError(name, "kernel: taps with a unit, which would be lost")
    numbers = np.ma.getdata(_numbers(kernel.array if is_kernel(kernel) else kernel, "kernel"))
    if numbers.dtype.kind not in "biuf":
        raise NotServedError(name, f"kernel: taps of dtype {numbers.dtype}")
    return np.asarray(numbers, np.float64)


def nan_in(values: NDArray[np.float64]) -> NDArray[np.bool_] | None:
    """Return where an array is NaN, or None if it is nowhere."""
    if not np.isnan(values.sum()):
        return None
    found: NDArray[np.bool_] = np.isnan(values)
    return found if found.any() else None


def with_unit(result: NDArray[Any], unit: Any) -> Any:
    """Return a result with the unit of its array."""
    return result if unit is None else result << unit


def check_choice(argument: str, value: Any, choices: tuple[str | None, ...]) -> None:
    """Raise an error if an argument is not one of its choices."""
    if not any(value is choice or (isinstance(value, str) and value == choice) for choice in choices):
        raise ArgumentError(argument, "one of " + ", ".join(map(repr, choices)), repr(value))


def _numbers(value: Any, argument: str) -> NDArray[Any]:
    try:
        numbers = value if is_masked_array(value) else np.asarray(value)
        if numbers.dtype.kind not in "biufc":
            numbers = np.asarray(numbers, np.float64)
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError(argument, "an array of numbers", f"a {type(value).__name__}") from error
    return numbers
