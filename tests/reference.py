"""The definition as slow nested loops: the oracle for everything.

Written from the formulas alone, sample by sample in double precision, and without any code of the package.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def by_axis(mode: str | Sequence[str], count: int) -> Sequence[str]:
    """Return a mode for each axis."""
    return [mode] * count if isinstance(mode, str) else mode


def extended(x: NDArray, position: Sequence[int], mode: str | Sequence[str], cval: complex) -> complex:
    """Return the value of the extended array at any position of the grid; `mode` is for all axes, or for each."""
    inside = []
    for index, length, along in zip(position, x.shape, by_axis(mode, x.ndim), strict=True):
        if along == "constant":
            if not 0 <= index < length:
                return cval
        elif along == "nearest":
            index = 0 if index < 0 else length - 1 if index >= length else index
        elif along == "wrap":
            while index < 0:
                index += length
            while index >= length:
                index -= length
        elif along == "reflect":  # d c b a | a b c d | d c b a
            while not 0 <= index < length:
                index = -1 - index if index < 0 else 2 * length - 1 - index
        elif along == "mirror":  # d c b | a b c d | c b a
            while not 0 <= index < length:
                if length == 1:
                    index = 0
                else:
                    index = -index if index < 0 else 2 * (length - 1) - index
        else:
            raise ValueError(along)
        inside.append(index)
    return x[tuple(inside)]


def correlate(
    x: NDArray,
    taps: NDArray,
    origin: Sequence[int],
    mode: str | Sequence[str],
    cval: complex,
    region: Sequence[tuple[int, int]],
    sign: int = 1,
) -> NDArray:
    """``y[n] = sum over i of taps[i] * x[n + sign * (i - origin)]`` for all n in the region.

    Array and taps have as many axes. A sample under a tap of zero has no effect, whatever its value.
    """
    kind = np.result_type(x.dtype, taps.dtype, np.float64)
    out = np.zeros([stop - start for start, stop in region], kind)
    read = [(i, kind.type(taps[i])) for i in itertools.product(*map(range, taps.shape)) if taps[i] != 0]
    samples: dict[tuple[int, ...], complex] = {}  # each is looked up once
    for n in itertools.product(*(range(start, stop) for start, stop in region)):
        total = kind.type(0)
        for i, tap in read:
            place = tuple([p + sign * (j - o) for p, j, o in zip(n, i, origin, strict=True)])
            if place not in samples:
                samples[place] = kind.type(extended(x, place, mode, cval))
            total += samples[place] * tap
        out[tuple(p - start for p, (start, _) in zip(n, region, strict=True))] = total
    return out


def convolve(x, taps, origin, mode, cval, region) -> NDArray:
    """``y[n] = sum over i of taps[i] * x[n - (i - origin)]``."""
    return correlate(x, taps, origin, mode, cval, region, sign=-1)


def stored(values: NDArray, dtype: np.dtype) -> NDArray:
    """Return exact values as they are stored in a dtype: integers rounded half to even and saturated, NaN as 0."""
    dtype = np.dtype(dtype)
    if dtype.kind not in "iu":
        with np.errstate(over="ignore"):
            return values.astype(dtype)
    low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)

    def whole(value: float) -> int:
        if math.isnan(value):
            return 0
        return high if value >= high else low if value <= low else round(value)  # Python rounds half to even

    return np.array([whole(float(value)) for value in values.ravel()], dtype).reshape(values.shape)


def windows(
    x: NDArray, axes: Sequence[tuple[int, int, int, int, int]], mode: str | Sequence[str], cval: float
) -> NDArray:
    """Return the samples under taps, (images, channels, *outputs, *taps), of an array (images, channels, *spatial).

    For each spatial axis, `axes` has the number of taps, the position of the first tap of the first output, the
    number of outputs, stride and dilation.
    """
    samples = x.astype(np.float64)
    modes = by_axis(mode, len(axes))
    for k, (size, start, outputs, stride, dilation) in enumerate(axes):
        indices = np.arange(x.shape[2 + k])
        under_taps = np.array(
            [
                [extended(indices, (start + stride * n + dilation * j,), modes[k], -1) for j in range(size)]
                for n in range(outputs)
            ],
            int,
        ).reshape(outputs, size)
        samples = np.take(samples, under_taps, 2 + k)  # also beyond the border, where the constant is set next
        outside = (slice(None),) * (2 + k) + (under_taps < 0,)
        samples[outside] = cval
        samples = np.moveaxis(samples, 3 + k, -1)  # axes of taps come last
    return samples


def correlate_layer(
    x: NDArray,
    taps: NDArray,
    groups: int,
    axes: Sequence[tuple[int, int, int, int, int]],
    mode: str | Sequence[str],
    cval: float = 0.0,
    bias: NDArray | None = None,
) -> NDArray:
    """``y[b, o, n] = bias[o] + sum over i and j of taps[o, i, j] * x[b, i, start + stride * n + dilation * j]``.

    The channels i are those of the group of channel o; n and j have one number for each of `axes`.
    """
    outs, ins = taps.shape[0] // groups, taps.shape[1]
    under_taps = windows(x, axes, mode, cval)
    read = (1, *range(2 + len(axes), 2 + 2 * len(axes)))  # axes that are summed over: channels and taps
    y = np.zeros((x.shape[0], taps.shape[0], *(axis[2] for axis in axes)))
    for group in range(groups):
        own = slice(group * outs, (group + 1) * outs)
        samples = under_taps[:, group * ins : (group + 1) * ins]
        sums = np.tensordot(samples, taps[own].astype(np.float64), (read, range(1, taps.ndim)))
        y[:, own] = np.moveaxis(sums, -1, 1)
    return y if bias is None else y + bias.reshape(-1, *[1] * len(axes))


def gradient_of_taps(
    x: NDArray,
    g: NDArray,
    groups: int,
    axes: Sequence[tuple[int, int, int, int, int]],
    mode: str | Sequence[str],
    cval: float = 0.0,
) -> NDArray:
    """``v[o, i, j] = sum over b and n of g[b, o, n] * x[b, i, start + stride * n + dilation * j]``."""
    outs, ins = g.shape[1] // groups, x.shape[1] // groups
    under_taps = windows(x, axes, mode, cval)
    over = (0, *range(2, 2 + len(axes)))  # axes that are summed over: images and outputs
    v = np.zeros((g.shape[1], ins, *(axis[0] for axis in axes)))
    for group in range(groups):
        own = slice(group * outs, (group + 1) * outs)
        samples = under_taps[:, group * ins : (group + 1) * ins]
        v[own] = np.tensordot(g[:, own].astype(np.float64), samples, (over, over))
    return v
