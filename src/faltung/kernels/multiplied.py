"""How are kernels multiplied out? Full convolutions of taps: over shifted copies, or by transforms of many.

Sums of shifted copies are exact where terms cancel. Their number is the product of the sizes, which for two large
kernels is a matter of minutes; transforms take a fraction of a second. They round relative to the largest taps, so
what is known of the result is put right afterwards: taps that no pair of taps reaches are zero, products of whole
numbers are whole numbers, and products of taps without a sign have none.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    TapArray = np.ndarray[Any, np.dtype[Any]]

__all__ = ["convolve_taps", "multiply_out", "smooth_length"]

#: Nanoseconds that shifted copies may take, whatever transforms would: those of a tap, and of each of its products.
_MOST_DIRECT, _EACH_COPY, _EACH_PRODUCT = 3e7, 5e3, 1.5
#: Nanoseconds of a transform, for each point and doubling of their number.
_EACH_POINT = 2.0
#: Bound of an error of transforms, relative to the product of the norms, below which whole numbers are certain.
_ROUNDED = 2.0**-46
#: The smallest tap that counts as one: those below it are zero in any precision.
_LEAST = float(np.finfo(np.float64).tiny)


def convolve_taps(first: TapArray, second: TapArray) -> TapArray:
    """Return the full convolution of two arrays of taps.

    By shifted copies of the larger array, terms that cancel exactly give exactly zero, and each tap has an error of a
    few roundings of its own terms. By transforms, the error is a few roundings of the norm of the first array times
    that of the second, which is at most 2^-46 of the product of the sums of their magnitudes; taps outside the
    support are zero, whole numbers and their multiples are exact, and there is no negative tap without a negative
    factor.

    Examples
    --------
    >>> convolve_taps(np.array([1.0, 1.0]), np.array([1.0, 0.0, -1.0]))
    array([ 1.,  1., -1., -1.])
    """
    small, large = sorted((first, second), key=np.size)
    copies = float(np.count_nonzero(small)) * (_EACH_COPY + _EACH_PRODUCT * large.size)
    if copies <= _MOST_DIRECT or copies <= _seconds_of_transforms(small, large):
        return _by_copies(small, large)
    return _by_transforms(small, large)


def multiply_out(factors: Iterable[tuple[bytes, TapArray]]) -> TapArray:
    """Return the convolution of arrays of taps: small ones first, and equal ones, which have the same key, squared.

    Examples
    --------
    >>> multiply_out([(b"mean", np.array([1.0, 1.0]))] * 4)
    array([1., 4., 6., 4., 1.])
    """
    # Keys say what arrays are, and not which objects: equal expressions have the same bits.
    given = [*factors]
    counts, arrays = Counter(key for key, _ in given), dict(given)
    powers = [_power(taps, counts[key]) for key, taps in arrays.items()]
    # Ties are broken by the place in the list, so that the order of the sums is always the same.
    heap = [(taps.size, place, taps) for place, taps in enumerate(powers)]
    heapq.heapify(heap)
    place = len(heap)
    while len(heap) > 1:
        first, second = heapq.heappop(heap)[2], heapq.heappop(heap)[2]
        product = convolve_taps(first, second)
        heapq.heappush(heap, (product.size, place, product))
        place += 1
    return heap[0][2]


def smooth_length(least: int) -> int:
    """Return the smallest length of at least `least` without a prime factor above 5: such transforms are fast.

    Examples
    --------
    >>> [smooth_length(length) for length in (1, 7, 256, 257)]
    [1, 8, 256, 270]
    """
    length = least
    while True:
        rest = length
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return length
        length += 1


def _power(taps: TapArray, count: int) -> TapArray:
    product = None
    while True:
        if count & 1:
            product = taps if product is None else convolve_taps(product, taps)
        count >>= 1
        if not count:
            assert product is not None
            return product
        taps = convolve_taps(taps, taps)


def _by_copies(small: TapArray, large: TapArray) -> TapArray:
    shape = [m + n - 1 for m, n in zip(small.shape, large.shape, strict=True)]
    total = np.zeros(shape, dtype=np.result_type(small, large))
    for index in np.argwhere(small).tolist():
        window = tuple(slice(i, i + size) for i, size in zip(index, large.shape, strict=True))
        total[window] += small[tuple(index)] * large
    return total


# ---- transforms


def _lengths(small: TapArray, large: TapArray) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the axes along which both have several taps, and the lengths of the transforms along them."""
    sizes = zip(small.shape, large.shape, strict=True)
    along = [(axis, m + n - 1) for axis, (m, n) in enumerate(sizes) if m > 1 and n > 1]
    return tuple(axis for axis, _ in along), tuple(smooth_length(length) for _, length in along)


def _seconds_of_transforms(small: TapArray, large: TapArray) -> float:
    """Return the nanoseconds of the transforms: of both arrays, of their supports, and back."""
    axes, lengths = _lengths(small, large)
    others = math.prod(size for axis, size in enumerate(large.shape) if axis not in axes)
    points = float(math.prod(lengths)) * others
    return float(6.0 * _EACH_POINT * points * math.log2(points + 1))


def _by_transforms(small: TapArray, large: TapArray) -> TapArray:
    (first, first_power), (second, second_power) = _scaled(small), _scaled(large)
    norms = float(np.linalg.norm(first)) * float(np.linalg.norm(second))
    real = not (np.iscomplexobj(small) or np.iscomplexobj(large))
    if real and norms * _ROUNDED < 0.25 and _whole(first) and _whole(second):
        product = _transformed(first, second)
        np.rint(product, out=product)
    else:
        touched = _touched(small, large)
        product = _transformed(first, second)
        if real and small.min() >= 0 and large.min() >= 0:
            np.maximum(product, _LEAST, out=product)
        product[~touched] = 0.0
    return _times(_times(product, first_power), second_power)


def _transformed(first: TapArray, second: TapArray) -> TapArray:
    axes, lengths = _lengths(first, second)
    if not axes:  # an outer product
        return np.asarray(first * second)
    shape = tuple(m + n - 1 for m, n in zip(first.shape, second.shape, strict=True))
    real = not (np.iscomplexobj(first) or np.iscomplexobj(second))
    forward, back = (np.fft.rfftn, np.fft.irfftn) if real else (np.fft.fftn, np.fft.ifftn)
    spectrum = forward(first, lengths, axes)
    spectrum = spectrum * (spectrum if second is first else forward(second, lengths, axes))
    product: TapArray = back(spectrum, lengths, axes)
    return np.ascontiguousarray(product[tuple(slice(0, size) for size in shape)])


def _touched(small: TapArray, large: TapArray) -> NDArray[np.bool_]:
    """Return where at least one product of two taps contributes, that is not zero."""
    one, other = ((taps != 0).astype(np.float64) for taps in (small, large))
    if one.all() and other.all():
        return np.ones([m + n - 1 for m, n in zip(small.shape, large.shape, strict=True)], bool)
    pairs = _transformed(one, one if np.array_equal(one, other) else other)
    return np.asarray(pairs > 0.5)


def _scaled(taps: TapArray) -> tuple[TapArray, tuple[float, int]]:
    """Return taps that are whole numbers or of magnitudes about one, and the factor and power of two left out."""
    sizes = np.abs(taps)
    largest = float(sizes.max())
    if not largest or not math.isfinite(largest):
        return taps, (1.0, 0)
    least = float(sizes[sizes > 0].min())
    if not np.iscomplexobj(taps) and largest < 2.0**40 * least:
        whole = taps / least
        if _whole(whole) and (whole * least == taps).all():
            return whole, (least, 0)
    power = math.frexp(largest)[1]
    return _times(taps, (1.0, -power)), (1.0, power)


def _whole(taps: TapArray) -> bool:
    return bool((taps == np.rint(taps)).all())


def _times(taps: TapArray, factor: tuple[float, int]) -> TapArray:
    scalar, power = factor
    if np.iscomplexobj(taps):
        return np.asarray(np.ldexp(taps.real, power) + 1j * np.ldexp(taps.imag, power))
    return np.ldexp(taps * scalar, power) if power or scalar != 1.0 else taps
