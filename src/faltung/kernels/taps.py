"""Arithmetic on taps: plain arrays and the index of lag zero, with no expression in sight."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.checks import is_sequence

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

__all__ = [
    "MOST_TAPS",
    "TapArray",
    "add_taps",
    "as_origin",
    "as_taps",
    "check_size",
    "convolve_taps",
    "freeze",
    "largest_difference",
    "numerical_rank",
    "outer_taps",
]

TapArray = np.ndarray[Any, np.dtype[Any]]
"""Taps are float64 or complex128; NumPy cannot spell that union usefully."""

MOST_TAPS = 2**26
"""The largest array of taps that an expression is multiplied out to (512 MiB of float64)."""


def as_taps(taps: ArrayLike, name: str = "taps") -> TapArray:
    """Copy `taps` to a read-only float64 or complex128 array, or an error that says what is wrong."""
    try:
        given = np.asarray(taps)
    except (ValueError, TypeError) as error:
        remedy = "Nested lists must have equal lengths."
        raise ArgumentError(name, "an array of numbers", f"{type(taps).__name__}", remedy) from error
    # NumPy's long double has another size on every platform, so it is refused on all of them.
    if given.dtype.kind not in "biufc" or given.dtype.char in "gG":
        remedy = "Convert first, for example with numpy.asarray(taps, dtype=float)."
        raise ArgumentTypeError(name, "numbers up to double precision", f"dtype {given.dtype}", remedy)
    if given.ndim == 0:
        remedy = "Multiply faltung.delta() by the number."
        raise ArgumentError(name, "an array with at least one axis", "a single number", remedy)
    if given.size == 0:
        raise ArgumentError(name, "at least one tap", f"shape {given.shape}", "The zero kernel is [0].")
    return freeze(np.array(given, dtype=complex if given.dtype.kind == "c" else float, order="C"), name)


def freeze(taps: TapArray, name: str = "taps") -> TapArray:
    """Make `taps` read-only after checking that all are finite."""
    finite = np.isfinite(taps)
    if not finite.all():
        place = tuple(int(i) for i in np.argwhere(~finite)[0])
        remedy = "A filter has finite taps; what is missing belongs to the input."
        raise ArgumentError(name, "finite numbers", f"{taps[place]} at index {place}", remedy)
    taps.flags.writeable = False
    return taps


def as_origin(origin: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return one index per axis; `None` means the middle, and the right one of two middles."""
    if origin is None:
        return tuple(size // 2 for size in shape)
    indices = list(origin) if is_sequence(origin) else [origin]
    expected = f"{len(shape)} integer{'s' if len(shape) > 1 else ''}, one per axis"
    if not all(isinstance(index, numbers.Integral) and not isinstance(index, bool) for index in indices):
        raise ArgumentTypeError("origin", expected, repr(origin))
    if len(indices) != len(shape):
        raise ArgumentError("origin", expected, repr(origin))
    return tuple(int(index) for index in indices)


def check_size(shape: tuple[int, ...]) -> None:
    """Refuse to allocate an array of taps that no machine would like."""
    if math.prod(shape) > MOST_TAPS:
        received = " x ".join(map(str, shape))
        remedy = "Keep the expression: convolve with it, or with its parts one after the other."
        raise ArgumentError("taps", f"at most {MOST_TAPS} taps to multiply out", received, remedy)


def convolve_taps(first: TapArray, second: TapArray) -> TapArray:
    """Full convolution by shifted sums: one multiply and one add a term, so equal terms cancel to zero."""
    small, large = sorted((first, second), key=np.size)
    shape = [m + n - 1 for m, n in zip(small.shape, large.shape, strict=True)]
    total = np.zeros(shape, dtype=np.result_type(small, large))
    for index in np.argwhere(small).tolist():
        window = tuple(slice(i, i + size) for i, size in zip(index, large.shape, strict=True))
        total[window] += small[tuple(index)] * large
    return total


def outer_taps(factors: Iterable[TapArray]) -> TapArray:
    """Outer product of one-dimensional arrays, the first along the first axis."""
    return np.array(reduce(np.multiply.outer, factors))


def add_taps(
    terms: Iterable[tuple[TapArray, tuple[int, ...]]],
    shape: tuple[int, ...],
    origin: tuple[int, ...],
    dtype: DTypeLike,
) -> TapArray:
    """Sum of (taps, origin) pairs, aligned at lag zero, inside a given support."""
    total = np.zeros(shape, dtype)
    for taps, own in terms:
        starts = [outer - inner for outer, inner in zip(origin, own, strict=True)]
        window = tuple(slice(i, i + size) for i, size in zip(starts, taps.shape, strict=True))
        total[window] += taps
    return total


def numerical_rank(taps: TapArray, tol: float | None) -> int:
    """Largest rank among the unfoldings of `taps`; singular values up to tol x the largest count as zero."""
    return max(_matrix_rank(_unfold(taps, axis), tol) for axis in range(taps.ndim))


def _unfold(taps: TapArray, axis: int) -> TapArray:
    return np.moveaxis(taps, axis, 0).reshape(taps.shape[axis], -1)


def _matrix_rank(matrix: TapArray, tol: float | None) -> int:
    values = np.linalg.svd(matrix, compute_uv=False)
    relative = np.finfo(float).eps * max(matrix.shape) if tol is None else tol
    return int(np.count_nonzero(values > relative * values[0]))


def largest_difference(
    first: TapArray, first_origin: tuple[int, ...], second: TapArray, second_origin: tuple[int, ...]
) -> float:
    """Maximum over all lags of |first - second|, both zero outside their support."""
    lags = list(zip(first.shape, first_origin, second.shape, second_origin, strict=True))
    low = [max(-i, -j) for _, i, _, j in lags]
    high = [max(start, min(m - i, n - j)) for start, (m, i, n, j) in zip(low, lags, strict=True)]
    # Supports may lie far apart, so their union is never allocated: the overlap is compared, and what
    # sticks out on either side is compared with zero.
    in_first = tuple(slice(a + i, b + i) for a, b, i in zip(low, high, first_origin, strict=True))
    in_second = tuple(slice(a + j, b + j) for a, b, j in zip(low, high, second_origin, strict=True))
    if any(a == b for a, b in zip(low, high, strict=True)):
        return max(float(np.abs(first).max()), float(np.abs(second).max()))
    overlap = float(np.abs(first[in_first] - second[in_second]).max())
    return max(overlap, _largest_outside(first, in_first), _largest_outside(second, in_second))


def _largest_outside(taps: TapArray, window: tuple[slice, ...]) -> float:
    sizes = np.abs(taps)
    sizes[window] = 0.0
    return float(sizes.max())
