"""Arithmetic on taps: plain arrays with the index of lag zero, without expressions."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ArgumentError, ArgumentTypeError, FaltungError
from faltung.ground.checks import is_integer, is_sequence

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

__all__ = [
    "MOST_TAPS",
    "TapArray",
    "add_taps",
    "as_origin",
    "as_taps",
    "check_size",
    "flipped",
    "freeze",
    "largest_difference",
    "numerical_rank",
    "outer_taps",
]

TapArray = np.ndarray[Any, np.dtype[Any]]
"""An array of float64 or complex128; NumPy has no useful type for that union."""

MOST_TAPS = 2**26
"""The largest array of taps that an expression is multiplied out to (512 MiB of float64)."""


def as_taps(taps: ArrayLike, name: str = "taps") -> TapArray:
    """Return a read-only copy of `taps` in float64 or complex128; the errors speak of the argument `name`."""
    try:
        given = np.asarray(taps)
    except FaltungError:  # of an object that knows better why it is no array
        raise
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
        remedy = "Taps must be finite; mark missing samples in the input instead."
        raise ArgumentError(name, "finite numbers", f"{taps[place]} at index {place}", remedy)
    taps.flags.writeable = False
    return taps


def flipped(taps: TapArray) -> TapArray:
    """Return taps, which were checked before, in reversed order along each axis; they are read-only."""
    result = np.ascontiguousarray(np.flip(taps))
    result.flags.writeable = False
    return result


def as_origin(origin: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return one index for each axis; None means the middle, which is ``size // 2``."""
    if origin is None:
        return tuple(size // 2 for size in shape)
    indices = list(origin) if is_sequence(origin) else [origin]
    expected = f"{len(shape)} integer{'s' if len(shape) > 1 else ''}, one per axis"
    if not all(map(is_integer, indices)):
        raise ArgumentTypeError("origin", expected, repr(origin))
    if len(indices) != len(shape):
        raise ArgumentError("origin", expected, repr(origin))
    return tuple(int(index) for index in indices)


def check_size(shape: tuple[int, ...]) -> None:
    """Raise an error for an array of taps that is too large to allocate."""
    if math.prod(shape) > MOST_TAPS:
        received = " x ".join(map(str, shape))
        remedy = "Convolve with the expression itself, or with its parts one after the other."
        raise ArgumentError("taps", f"at most {MOST_TAPS} taps to multiply out", received, remedy)


def outer_taps(factors: Iterable[TapArray]) -> TapArray:
    """Return the outer product of one-dimensional arrays, the first along the first axis."""
    return np.array(reduce(np.multiply.outer, factors))


def add_taps(
    terms: Iterable[tuple[TapArray, tuple[int, ...]]],
    shape: tuple[int, ...],
    origin: tuple[int, ...],
    dtype: DTypeLike,
) -> TapArray:
    """Return the sum of pairs of taps and origin, aligned at lag zero, on a support that holds all of them."""
    total = np.zeros(shape, dtype)
    for taps, inside in terms:
        starts = [outer - inner for outer, inner in zip(origin, inside, strict=True)]
        window = tuple(slice(i, i + size) for i, size in zip(starts, taps.shape, strict=True))
        total[window] += taps
    return total


@np.errstate(all="ignore")
def numerical_rank(taps: TapArray, tol: float | None) -> int:
    """Return the largest rank of the unfoldings of `taps` along each axis.

    Singular values up to `tol` times the largest count as zero.
    """
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
    """Return the maximum over all lags of |first - second|; both are zero outside their support."""
    lags = list(zip(first.shape, first_origin, second.shape, second_origin, strict=True))
    low = [max(-i, -j) for _, i, _, j in lags]
    high = [max(start, min(m - i, n - j)) for start, (m, i, n, j) in zip(low, lags, strict=True)]
    # Supports may be far apart, so their union is never allocated: taps where they overlap are compared with each
    # other, and all other taps with zero.
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
