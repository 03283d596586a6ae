"""Are coordinates evenly spaced? Their spacing, and how they go on beyond the array."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ArgumentError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["between", "continued", "spacing_of", "unevenness"]

#: Largest deviation of a step from the mean step, as a share of it; beside that, coordinates are rounded numbers.
_EVEN = 1e-3
_ROUNDINGS = 4


def unevenness(values: NDArray[Any]) -> str:
    """Return why there is no spacing: a reason in words; empty if the values are evenly spaced.

    Examples
    --------
    >>> unevenness(np.array([0.0, 1.0, 2.0])), unevenness(np.array([0.0, 1.0, 2.5]))
    ('', 'uneven steps: their mean is 1.25, and the largest deviation from it is 0.25')
    """
    if values.dtype.kind not in "iufmM":
        return f"values of dtype {values.dtype}"
    if len(values) < 2:
        return f"{len(values)} sample{'s' * (len(values) != 1)}"
    numbers = _numbers(values)
    if np.isnan(numbers).any() or np.isinf(numbers).any():
        return "values that are not finite"
    steps = np.diff(numbers)
    mean = (numbers[-1] - numbers[0]) / (len(numbers) - 1)
    if not mean:
        return "steps whose mean is zero"
    rounding = 0.0
    if values.dtype.kind == "f":
        rounding = _ROUNDINGS * float(np.finfo(values.dtype).eps) * float(np.abs(numbers).max())
    deviation = float(np.abs(steps - mean).max())
    if deviation <= _EVEN * abs(mean) + rounding:
        return ""
    return f"uneven steps: their mean is {_shown(mean, values)}, and the largest deviation from it is " + _shown(
        deviation, values
    )


def spacing_of(values: NDArray[Any], dim: Hashable) -> float | np.timedelta64:
    """Return the step from one coordinate to the next: negative where they descend, a timedelta for times.

    Raises
    ------
    ArgumentError
        The coordinates are not evenly spaced.
    """
    if reason := unevenness(values):
        remedy = "Interpolate x to even spacing first, or give lengths in samples with dims=."
        raise ArgumentError("kernel", f"lengths along an evenly spaced coordinate {dim!r}", reason, remedy)
    numbers = _numbers(values)
    step = (numbers[-1] - numbers[0]) / (len(numbers) - 1)
    if values.dtype.kind in "mM":
        # Times of a coarse unit have steps that are not whole in it.
        fine = np.timedelta64(1, _unit(values)) / np.timedelta64(1, "ns")
        return np.timedelta64(round(step * fine), "ns")
    return float(step)


def continued(values: NDArray[Any], positions: NDArray[np.int64]) -> NDArray[Any]:
    """Return evenly spaced values at positions from -inf to inf; those of samples are kept as they are.

    Examples
    --------
    >>> continued(np.array([10, 20, 30]), np.arange(-1, 5)).tolist()
    [0, 10, 20, 30, 40, 50]
    """
    last = len(values) - 1
    nearest = positions.clip(0, last)
    beyond = positions - nearest
    numbers = _numbers(values)
    offsets = (numbers[-1] - numbers[0]) / last * beyond
    if values.dtype.kind in "mM":
        return np.asarray(values[nearest] + np.round(offsets).astype(np.int64).astype(f"m8[{_unit(values)}]"))
    if values.dtype.kind == "f":
        return np.asarray(numbers[nearest] + offsets).astype(values.dtype)
    longer = values[nearest].astype(np.int64) + np.round(offsets).astype(np.int64)
    narrow = np.asarray(longer.astype(values.dtype))
    return narrow if np.array_equal(narrow, longer) else np.asarray(longer)


def between(values: NDArray[Any], numerators: NDArray[np.int64], denominator: int) -> NDArray[Any]:
    """Return evenly spaced values at fractions of samples; those of samples are kept as they are.

    Examples
    --------
    >>> between(np.array([10, 20, 30]), np.array([0, 3, 6, 9]), 2).tolist()
    [10.0, 25.0, 40.0, 55.0]
    """
    positions, rest = np.divmod(numerators, denominator)
    if not rest.any():
        return continued(values, positions)
    if values.dtype.kind in "mM":
        values = values.astype(f"{values.dtype.kind}8[ns]")
    numbers = _numbers(values)
    offsets = (numbers[-1] - numbers[0]) / (len(numbers) - 1) * rest / denominator
    start = continued(values, positions)
    if values.dtype.kind in "mM":
        return np.asarray(start + np.round(offsets).astype(np.int64).astype("m8[ns]"))
    return np.asarray(start + offsets).astype(values.dtype if values.dtype.kind == "f" else np.float64)


def _numbers(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return coordinates in double precision; times as ticks since the first one, so that nothing is rounded."""
    if values.dtype.kind in "mM":
        ticks = (values - values[0]).astype("m8[" + _unit(values) + "]")
        return np.where(np.isnat(ticks), np.nan, ticks.astype(np.int64).astype(np.float64))
    return values.astype(np.float64)


def _unit(values: NDArray[Any]) -> Any:
    return np.datetime_data(values.dtype)[0]


def _shown(number: float, values: NDArray[Any]) -> str:
    """Return a step as text; that of times with its unit."""
    if values.dtype.kind not in "mM":
        return f"{number:.6g}"
    seconds = number * float(np.timedelta64(1, _unit(values)) / np.timedelta64(1, "s"))
    return f"{seconds:.6g} s"
