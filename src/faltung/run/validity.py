"""Which samples are valid? Mask and weights of a call are checked; missing samples stay missing where asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.ground.arrays import as_array
from faltung.planning.missing_rule import MissingRule, check_given, check_held, check_in_shape, check_range
from faltung.planning.planned import Planned

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["keep_missing", "valid_samples"]

#: Samples that are looked at together when missing ones are kept, so that memory is bounded; and weights, which are
#: looked at twice while they are in the cache.
_TOGETHER, _CACHED = 1 << 20, 1 << 16


def valid_samples(plan: Planned, mask: Any, weights: Any) -> NDArray[Any] | None:
    """Return booleans or weights in the shape of the array, if the plan was made with a mask or with weights."""
    rule: MissingRule = plan.problem.missing
    for name, value, planned in (("mask", mask, rule.masked), ("weights", weights, rule.graded)):
        check_given(name, value, planned)
    shape = plan.problem.shape
    if mask is not None:
        valid: NDArray[Any] = np.broadcast_to(_held("mask", mask, shape), shape)
        return valid.view(np.uint8) != 0 if rule.alone else valid
    if weights is not None:
        numbers = _held("weights", weights, shape)
        if numbers.size:
            parts = [numbers[part] for part in _parts(numbers, _CACHED)]
            check_range(np.min([part.min() for part in parts]), np.max([part.max() for part in parts]))
        return np.broadcast_to(numbers.astype(plan.problem.number, copy=False), shape)
    return np.broadcast_to(np.True_, shape) if rule.alone else None


def keep_missing(rule: MissingRule, x: NDArray[Any], result: NDArray[Any], valid: NDArray[Any] | None) -> None:
    """Write NaN where a sample is missing; zero where the result has integers."""
    value = 0 if result.dtype.kind in "iu" else complex(np.nan, np.nan) if result.dtype.kind == "c" else np.nan
    for part in _parts(x, _TOGETHER):
        gone = np.isnan(x[part]) if rule.skips_nan else np.zeros(x[part].shape, bool)
        if valid is not None:
            gone |= valid[part] == 0
        # A bank has an axis of its kernels before those of the array.
        np.copyto(result[(..., part, *[slice(None)] * (x.ndim - 1))] if x.ndim else result, value, where=gone)


def _held(name: str, given: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return a mask, or weights, as an array that can be broadcast to the shape of the samples."""
    array = as_array(given, name)
    check_held(name, array.dtype)
    check_in_shape(name, array.shape, shape)
    return array


def _parts(x: NDArray[Any], most: int) -> Iterator[Any]:
    """Cut an array along its first axis into parts of about so many samples."""
    if not x.ndim:
        yield ...
        return
    rows = max(1, most * len(x) // max(x.size, 1))
    for start in range(0, len(x), rows):
        yield slice(start, start + rows)
