"""How much of what a strided layer keeps is an alias? From its taps and its stride alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["alias_share"]

#: Frequencies along each axis, by the number of axes.
_FREQUENCIES = {1: 512, 2: 64, 3: 16}


def alias_share(taps: NDArray[Any], stride: tuple[int, ...], dilation: tuple[int, ...]) -> float:
    r"""Return the share of the energy of strided outputs that comes from above the new Nyquist one.

    The input is white noise, so all frequencies count alike. A layer that keeps every s-th output along n axes, and
    has one tap, has the share ``1 - 1 / s**n``; one with an ideal low-pass filter has none.

    Parameters
    ----------
    taps : ndarray, shape (channels out, channels in, \*spatial)
        The taps.
    stride, dilation : tuple of int
        For each spatial axis.

    Returns
    -------
    float
        From 0 to 1.

    References
    ----------
    R. Zhang, "Making convolutional networks shift-invariant again", ICML 2019, has the reason to look at it.

    Examples
    --------
    >>> round(alias_share(np.ones((1, 1, 1)), (2,), (1,)), 3), round(alias_share(np.ones((1, 1, 2)), (2,), (1,)), 2)
    (0.5, 0.18)
    """
    axes = len(stride)
    length = _FREQUENCIES[axes]
    while length < max((size - 1) * gap + 1 for size, gap in zip(taps.shape[2:], dilation, strict=True)):
        length *= 2
    spread = np.zeros((math.prod(taps.shape[:2]), *[length] * axes))
    places = (slice(None, size * gap, gap) for size, gap in zip(taps.shape[2:], dilation, strict=True))
    spread[(slice(None), *places)] = taps.reshape(-1, *taps.shape[2:])
    energy = np.zeros([length] * axes)
    for one in spread:
        energy += np.abs(np.fft.fftn(one)) ** 2
    total = energy.sum()
    kept = _kept_share(length, stride)
    return float(1 - (energy * kept).sum() / total) if total else 0.0


def _kept_share(length: int, stride: tuple[int, ...]) -> NDArray[np.float64]:
    """Return for each frequency 1 if a strided output can show it, 0 if it is an alias there, 1/2 on the edge."""
    kept = np.ones([1] * len(stride))
    for axis, step in enumerate(stride):
        gap = np.abs(np.fft.fftfreq(length)) - 0.5 / step
        one = np.where(np.isclose(gap, 0), 0.5 if step > 1 else 1.0, gap < 0)
        shape = [1] * len(stride)
        shape[axis] = length
        kept = kept * one.reshape(shape)
    return kept
