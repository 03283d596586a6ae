"""How do windows correlate, summed over a block of outputs? By lags, for which transforms give all sums at once.

The input of a block of outputs n is E; what an output sees is E[n + a], for all taps a of a window. For a lag d,

    S[d] = sum over n of E[n + max(-d, 0)] E[n + max(d, 0)]

is the product of two taps that are d apart and of which, along each axis, one is the first. As a correlation of E
with itself, one factor is confined to the block of outputs along the axes where d >= 0, and the other along the rest.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Spectra", "smooth_length"]


class Spectra:
    """Transforms of the input of a block, and the sums that follow from them.

    Parameters
    ----------
    source : ndarray, shape (channels in, *(lengths + size - 1))
        The input E.
    size : sequence of int
        Taps of a window along each axis.

    Examples
    --------
    >>> spectra = Spectra(np.array([[1.0, 2.0, 3.0]]), [2])
    >>> spectra.lag_sums().round(12)  # 2*1 + 3*2, 1*1 + 2*2, 1*2 + 2*3
    array([[[8., 5., 8.]]])
    >>> spectra.moment(np.array([[1.0, 1.0]])).round(12)
    array([[[3., 5.]]])
    """

    def __init__(self, source: NDArray[np.float64], size: Sequence[int]) -> None:
        self._size = size
        self._lengths = [smooth_length(length) for length in source.shape[1:]]
        outputs = [length - taps + 1 for length, taps in zip(source.shape[1:], size, strict=True)]
        # By whether E is confined to the outputs, for each axis.
        self._parts: dict[tuple[bool, ...], NDArray[Any]] = {(): source}
        for axis in range(len(size), 0, -1):
            transform = np.fft.rfft if axis == len(size) else np.fft.fft
            confined = (*[slice(None)] * axis, slice(outputs[axis - 1]))
            self._parts = {
                (within, *others): transform(part[confined] if within else part, self._lengths[axis - 1], axis)
                for others, part in self._parts.items()
                for within in (False, True)
            }

    def lag_sums(self) -> NDArray[np.float64]:
        """Return S for lags from ``1 - size`` to ``size - 1``, shape (channels in, channels in, *(2 * size - 1))."""
        channels = len(next(iter(self._parts.values())))
        sums = np.empty((channels, channels, *(2 * taps - 1 for taps in self._size)))
        # A lag and its opposite are the same sum with the factors exchanged, so half of the orthants will do.
        for forward in itertools.product((True,), *[(True, False)] * (len(self._size) - 1)):
            backward = tuple(not along for along in forward)
            orthant = self._correlations(self._parts[forward], self._parts[backward], forward)
            for signs, part in ((forward, orthant), (backward, orthant.swapaxes(0, 1))):
                pairs = zip(signs, self._size, strict=True)
                place = (slice(taps - 1, None, 1 if along else -1) for along, taps in pairs)
                sums[(slice(None), slice(None), *place)] = part
        return sums

    def moment(self, target: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sums over n of target[i, n] E[j, n + a], shape (channels out, channels in, *size)."""
        answers = np.fft.rfftn(target, self._lengths, range(1, target.ndim))
        everywhere = self._parts[(False,) * len(self._size)]
        return self._correlations(answers, everywhere, (True,) * len(self._size))

    def _correlations(
        self, first: NDArray[np.complex128], second: NDArray[np.complex128], forward: Sequence[bool]
    ) -> NDArray[np.float64]:
        """Sum first[i, n] second[j, n + d] over n, for lags d of 0, 1, ... or 0, -1, ... along each axis."""
        part: NDArray[Any] = first.conj()[:, np.newaxis] * second
        for axis, (taps, length, along) in enumerate(zip(self._size, self._lengths, forward, strict=True), 2):
            inverse = np.fft.irfft if axis == part.ndim - 1 else np.fft.ifft
            lags = np.arange(taps) if along else -np.arange(taps) % length
            part = inverse(part, length, axis).take(lags, axis)
        return part


def smooth_length(least: int) -> int:
    """Return the smallest length from `least` on that has no prime factor above 5, as fast transforms want it.

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
