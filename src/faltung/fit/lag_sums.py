"""How are the samples of a window correlated? Sums over a block of outputs, for all lags at once, by transforms.

The input of a block of outputs n is E; the window of an output covers E[n + a], for all its taps a. For a lag d,

    S[d] = sum over n of E[n + max(-d, 0)] E[n + max(d, 0)]

is the product of two taps at distance d, one of which is the first tap along each axis. It is a correlation of E with
itself: along the axes where d >= 0 one factor is cropped to the lengths of the block, along the others the other one.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.kernels.multiplied import smooth_length

__all__ = ["Spectra", "window_sums"]


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
        # The keys say for each axis whether E is cropped to the lengths of the block.
        self._spectra: dict[tuple[bool, ...], NDArray[Any]] = {(): source}
        for axis in range(len(size), 0, -1):
            transform = np.fft.rfft if axis == len(size) else np.fft.fft
            crop = (*[slice(None)] * axis, slice(outputs[axis - 1]))
            self._spectra = {
                (cropped, *others): transform(part[crop] if cropped else part, self._lengths[axis - 1], axis)
                for others, part in self._spectra.items()
                for cropped in (False, True)
            }

    def lag_sums(self) -> NDArray[np.float64]:
        """Return S for lags from ``1 - size`` to ``size - 1``, shape (channels in, channels in, *(2 * size - 1))."""
        channels = len(next(iter(self._spectra.values())))
        sums = np.empty((channels, channels, *(2 * taps - 1 for taps in self._size)))
        # The sums for a lag and for its negative differ only in the order of the factors: half of the orthants do.
        for forward in itertools.product((True,), *[(True, False)] * (len(self._size) - 1)):
            backward = tuple(not along for along in forward)
            orthant = self._correlations(self._spectra[forward], self._spectra[backward], forward)
            for signs, part in ((forward, orthant), (backward, orthant.swapaxes(0, 1))):
                pairs = zip(signs, self._size, strict=True)
                lags = (slice(taps - 1, None, 1 if along else -1) for along, taps in pairs)
                sums[(slice(None), slice(None), *lags)] = part
        return sums

    def moment(self, target: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sums over n of target[i, n] E[j, n + a], shape (channels out, channels in, *size)."""
        spectrum = np.fft.rfftn(target, self._lengths, range(1, target.ndim))
        uncropped = self._spectra[(False,) * len(self._size)]
        return self._correlations(spectrum, uncropped, (True,) * len(self._size))

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


def window_sums(source: NDArray[np.float64], size: Sequence[int]) -> NDArray[np.float64]:
    """Return the sums over n of E[j, n + a], shape (channels in, *size).

    Examples
    --------
    >>> window_sums(np.array([[1.0, 2.0, 3.0]]), [2])  # 1 + 2, 2 + 3
    array([[3., 5.]])
    """
    for axis, taps in enumerate(size, 1):
        outputs = source.shape[axis] - taps + 1
        before = [(0, 0)] * source.ndim
        before[axis] = (1, 0)
        sums = np.moveaxis(np.pad(np.cumsum(source, axis), before), axis, 0)
        source = np.moveaxis(sums[outputs : outputs + taps] - sums[:taps], 0, axis)
    return source
