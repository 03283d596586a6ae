"""The definition as a sum of shifted arrays: the oracle where nested loops would take too long.

One array operation for each tap that is not zero, in extended precision unless told otherwise, and without any code
of the package. `test_oracles.py` compares it with the nested loops of `reference.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


def positions(start: int, stop: int, length: int, mode: str) -> NDArray[np.int64]:
    """Return the index of the sample at each position from `start` up to `stop`; -1 is the constant."""
    at = np.arange(start, stop)
    if mode == "constant":
        return np.where((at >= 0) & (at < length), at, -1)
    if mode == "nearest":
        return at.clip(0, length - 1)
    if mode == "wrap":
        return at % length
    if mode == "reflect":
        at = at % (2 * length)
        return np.minimum(at, 2 * length - 1 - at)
    if mode == "mirror":
        at = at % max(2 * length - 2, 1)
        return np.minimum(at, 2 * length - 2 - at) if length > 1 else at
    raise ValueError(mode)


def extended(
    x: NDArray[Any], reach: Sequence[tuple[int, int]], mode: str | Sequence[str], cval: complex
) -> NDArray[Any]:
    """Return the extended array between two positions on each axis; `mode` is for all axes, or for each."""
    modes = [mode] * x.ndim if isinstance(mode, str) else mode
    outside: Any = np.zeros((), bool)
    for axis, (start, stop) in enumerate(reach):
        at = positions(start, stop, x.shape[axis], modes[axis])
        x = x.take(at, axis)
        outside = np.logical_or.outer(outside, at < 0)
    x[outside] = cval
    return x


def correlate(
    x: NDArray[Any],
    taps: NDArray[Any],
    origin: Sequence[int],
    mode: str | Sequence[str],
    cval: complex,
    region: Sequence[tuple[int, int]],
    sign: int = 1,
    precision: DTypeLike = np.longdouble,
) -> NDArray[Any]:
    """``y[n] = sum over i of taps[i] * x[n + sign * (i - origin)]`` for all n in the region.

    Array and taps have as many axes. A sample under a tap of zero has no effect, whatever its value. Real and
    imaginary parts of samples and taps are multiplied by themselves.
    """
    if sign < 0:
        taps, origin = np.flip(taps), [size - 1 - at for size, at in zip(taps.shape, origin, strict=True)]
    shape = [stop - start for start, stop in region]
    reach = [
        (start - at, stop - at + size - 1) for (start, stop), at, size in zip(region, origin, taps.shape, strict=True)
    ]
    is_complex = x.dtype.kind == "c" or taps.dtype.kind == "c"
    kind = np.result_type(precision, np.complex64) if is_complex else np.dtype(precision)
    total = np.zeros(shape, kind)
    if not total.size:
        return total
    x = x.astype(np.result_type(precision, np.complex64) if x.dtype.kind == "c" else precision)
    source = extended(x, reach, mode, cval)
    with np.errstate(all="ignore"):
        for place in map(tuple, np.argwhere(taps)):
            samples = source[tuple(slice(i, i + n) for i, n in zip(place, shape, strict=True))]
            _add(total, taps[place], samples)
    return total


def _add(total: NDArray[Any], tap: complex, samples: NDArray[Any]) -> None:
    number = total.real.dtype.type
    for part, turn in ((tap.real, 1), (tap.imag, 1j)):
        if part == 0:
            continue
        if total.dtype.kind != "c":
            total += number(part) * samples
        elif turn == 1:
            total.real += number(part) * samples.real
            total.imag += number(part) * samples.imag
        else:
            total.imag += number(part) * samples.real
            total.real -= number(part) * samples.imag


def convolve(
    x: NDArray[Any],
    taps: NDArray[Any],
    origin: Sequence[int],
    mode: str | Sequence[str],
    cval: complex,
    region: Sequence[tuple[int, int]],
    precision: DTypeLike = np.longdouble,
) -> NDArray[Any]:
    """``y[n] = sum over i of taps[i] * x[n - (i - origin)]``."""
    return correlate(x, taps, origin, mode, cval, region, -1, precision)


def along_axes(
    taps: NDArray[Any], origin: Sequence[int], axes: Sequence[int], ndim: int
) -> tuple[NDArray[Any], list[int]]:
    """Taps and origin with an axis for each axis of the array, given those that the kernel extends over."""
    sizes, origins = [1] * ndim, [0] * ndim
    for axis, size, at in zip(axes, taps.shape, origin, strict=True):
        sizes[axis], origins[axis] = size, at
    return taps.transpose(np.argsort(axes)).reshape(sizes), origins
