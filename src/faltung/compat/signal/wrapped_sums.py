"""What is the convolution of integers in integers? Exact sums that wrap, as sums of machine integers do."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Convolve", "largest", "wrapped_convolution"]

Convolve: TypeAlias = Callable[[NDArray[Any], NDArray[Any], complex, np.dtype[Any], float], NDArray[Any]]
"""Convolves arrays, with a value beyond the border, in a dtype; the last argument is `whole` of a region."""

_SINGLE, _DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
#: Bits of integers that single and double precision hold exactly.
_BITS_SINGLE, _BITS_DOUBLE = 24, 53


def wrapped_convolution(
    x: NDArray[Any], k: NDArray[Any], cval: int, terms: int, result: np.dtype[Any], convolve: Convolve
) -> NDArray[Any]:
    """Return the convolution of integers or booleans in the dtype `result`, exact modulo its range.

    Parameters
    ----------
    x, k : ndarray
        Two arrays of integers or booleans.
    cval : int
        The value of `x` beyond its border.
    terms : int
        Most products that one output adds up.
    result : dtype
        An integer dtype; or bool, for "any of both".
    convolve : callable
        Convolves the arrays. If their sums are too large for double precision, it is called with parts of their
        digits.

    Examples
    --------
    >>> def one(x, k, cval, number, whole):
    ...     return np.convolve(x.astype(number), k.astype(number))
    >>> x = np.array([200, 100], "uint8")
    >>> wrapped_convolution(x, x, 0, 2, np.dtype("uint8"), one)
    array([64, 64, 16], dtype=uint8)
    """
    if x.dtype.kind == "b" or k.dtype.kind == "b":
        x, k = (array.astype(np.uint8) if array.dtype.kind == "b" else array for array in (x, k))
    bound = terms * max(largest(x), abs(cval)) * largest(k)
    if bound < 1 << _BITS_DOUBLE:
        narrow = bound < 1 << _BITS_SINGLE and max(x.itemsize, k.itemsize) <= 2
        sums = np.rint(convolve(x, k, cval, _SINGLE if narrow else _DOUBLE, float(bound)))
        return sums > 0 if result.kind == "b" else sums.astype(np.int64).astype(result)
    return _by_digits(x, k, cval, terms, 8 * result.itemsize, convolve).astype(result)


def largest(array: NDArray[Any]) -> int:
    """Return the largest magnitude of integers; 0 if there are none.

    Examples
    --------
    >>> largest(np.array([-128, 3], "int8"))
    128
    """
    return max(int(array.max()), -int(array.min())) if array.size else 0


def _by_digits(
    x: NDArray[Any], k: NDArray[Any], cval: int, terms: int, bits: int, convolve: Convolve
) -> NDArray[np.uint64]:
    """Add up the convolutions of all pairs of digits whose place is below 2**bits."""
    digit = (_BITS_DOUBLE - 1 - math.ceil(math.log2(max(terms, 1)))) // 2
    whole = float(terms << 2 * digit)
    total: Any = np.uint64(0)
    ours, theirs = [*_digits(x, cval, digit, bits)], [*_digits(k, 0, digit, bits)]
    for (i, (part, beyond)), (j, (taps, _)) in itertools.product(enumerate(ours), enumerate(theirs)):
        if digit * (i + j) < bits and (part.any() or beyond) and taps.any():
            sums = np.rint(convolve(part, taps, beyond, _DOUBLE, whole)).astype(np.uint64)
            total = total + (sums << np.uint64(digit * (i + j)))
    return np.asarray(total)


def _digits(array: NDArray[Any], beyond: int, digit: int, bits: int) -> Iterator[tuple[NDArray[Any], int]]:
    """Return the digits of an array and of a number, modulo 2**64, the lowest first."""
    unsigned = array.astype(np.int64).view(np.uint64) if array.dtype.kind == "i" else array.astype(np.uint64)
    mask = (1 << digit) - 1
    for low in range(0, bits, digit):
        yield (unsigned >> np.uint64(low)) & np.uint64(mask), ((beyond % (1 << 64)) >> low) & mask
