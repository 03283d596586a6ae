"""How do a block of inputs and its windows correlate? By sums over lags, which transforms compute all at once.

The least-squares filter of a region T of outputs needs, for all taps a and b of a window,

    G[a, b] = sum over n in T of E[n + a] E[n + b].

Along the diagonals of constant b - a little changes: a step along an axis moves the region by one sample, so that

    G[a + e, b + e] = G[a, b] + (the same sum over the line behind the end of T) - (that over its first line).

This is the displacement structure of the covariance method. What begins a diagonal has, along each axis, a = 0 or
b = 0. For a lag d = b - a it is the sum over n in T of E[n + max(-d, 0)] E[n + max(d, 0)]: a correlation of E with
itself in which one factor is confined to T along the axes where d >= 0, and the other along the rest.

References
----------
S. L. Marple, "A new autoregressive spectrum analysis algorithm", IEEE Trans. ASSP 28, 1980; for the structure,
T. Kailath, S.-Y. Kung, M. Morf, "Displacement ranks of matrices and linear equations", J. Math. Anal. Appl. 68, 1979.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["gram_of", "lag_sums", "smooth_length"]


def lag_sums(
    source: NDArray[np.float64], target: NDArray[np.float64], size: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sums that begin the diagonals of G, and the correlation of the target with the windows.

    Parameters
    ----------
    source : ndarray, shape (channels in, *(lengths + size - 1))
        The input E.
    target : ndarray, shape (channels out, *lengths)
        The target Y of the outputs.
    size : sequence of int
        Taps of a window along each axis.

    Returns
    -------
    begin : ndarray, shape (channels in, channels in, *(2 * size - 1))
        Of lags from ``1 - size`` to ``size - 1``.
    moment : ndarray, shape (channels out, channels in, *size)
        The sums over n in T of Y[n] E[n + a].

    Examples
    --------
    >>> begin, moment = lag_sums(np.array([[1.0, 2.0, 3.0]]), np.array([[1.0, 1.0]]), [2])
    >>> begin.round(12)  # 2*1 + 3*2, 1*1 + 2*2, 1*2 + 2*3
    array([[[8., 5., 8.]]])
    >>> moment.round(12)
    array([[[3., 5.]]])
    """
    lengths = [smooth_length(length) for length in source.shape[1:]]
    spectra = _spectra(source, target.shape[1:], lengths)
    channels = len(source)
    begin = np.empty((channels, channels, *(2 * taps - 1 for taps in size)))
    # A lag and its opposite are the same sum with the factors exchanged, so half of the orthants will do.
    for forward in itertools.product((True,), *[(True, False)] * (len(size) - 1)):
        backward = tuple(not along for along in forward)
        sums = _correlations(spectra[forward], spectra[backward], lengths, size, forward)
        for signs, part in ((forward, sums), (backward, sums.swapaxes(0, 1))):
            place = [slice(taps - 1, None, 1 if along else -1) for along, taps in zip(signs, size, strict=True)]
            begin[(slice(None), slice(None), *place)] = part
    answers = np.fft.rfftn(target, lengths, range(1, target.ndim))
    forward = (True,) * len(size)
    return begin, _correlations(answers, spectra[(False,) * len(size)], lengths, size, forward)


def gram_of(begin: NDArray[np.float64], steps: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return G from what its diagonals begin with and how they go on.

    Parameters
    ----------
    begin : ndarray, shape (channels, channels, *(2 * size - 1))
        As `lag_sums` returns it, or a sum of such.
    steps : sequence of ndarray
        For each axis the sum over the lines behind the ends less that over the first lines, as a matrix of all taps
        but the last ones along that axis.

    Returns
    -------
    ndarray, shape (channels, *size, channels, *size)

    Examples
    --------
    Three samples and two taps have one step, from 1*1 + 2*2 to 2*2 + 3*3:

    >>> gram_of(np.array([[[8.0, 5.0, 8.0]]]), [np.array([[8.0]])]).reshape(2, 2)
    array([[ 5.,  8.],
           [ 8., 13.]])
    """
    channels, size = len(begin), [(length + 1) // 2 for length in begin.shape[2:]]
    ndim = len(size)
    lags = []
    for axis, taps in enumerate(size):
        lag = np.arange(taps) - np.arange(taps)[:, np.newaxis] + taps - 1
        lags.append(lag.reshape([taps if place % ndim == axis else 1 for place in range(2 * ndim)]))
    toeplitz = begin[(slice(None), slice(None), *lags)]
    gram = np.ascontiguousarray(np.moveaxis(toeplitz, 1, 1 + ndim))
    for axis, step in enumerate(steps):
        shape = [taps - (place == axis) for place, taps in enumerate(size)]
        # The taps a and b along this axis come first; a diagonal goes from (a, b) to (a + 1, b + 1).
        both = (1 + axis, 2 + ndim + axis)
        along = np.moveaxis(gram, both, (0, 1))
        difference = np.moveaxis(step.reshape(channels, *shape, channels, *shape), both, (0, 1))
        for tap in range(1, size[axis]):
            along[tap, 1:] = along[tap - 1, :-1] + difference[tap - 1]
    return gram


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


def _spectra(
    source: NDArray[np.float64], outputs: Sequence[int], lengths: Sequence[int]
) -> dict[tuple[bool, ...], NDArray[np.complex128]]:
    """Transform the input, confined to the outputs along each choice of axes."""
    spectra: dict[tuple[bool, ...], NDArray[Any]] = {(): source}
    for axis in range(source.ndim - 1, 0, -1):
        transform = np.fft.rfft if axis == source.ndim - 1 else np.fft.fft
        confined = (*[slice(None)] * axis, slice(outputs[axis - 1]))
        spectra = {
            (within, *others): transform(part[confined] if within else part, lengths[axis - 1], axis)
            for others, part in spectra.items()
            for within in (False, True)
        }
    return spectra


def _correlations(
    first: NDArray[np.complex128],
    second: NDArray[np.complex128],
    lengths: Sequence[int],
    size: Sequence[int],
    forward: Sequence[bool],
) -> NDArray[np.float64]:
    """Sum first[i, n] second[j, n + d] over n, for lags d of 0, 1, ... or 0, -1, ... along each axis."""
    part: NDArray[Any] = first.conj()[:, np.newaxis] * second
    *others, last = range(len(size))
    for axis in (*others, last):
        lags = np.arange(size[axis]) if forward[axis] else -np.arange(size[axis]) % lengths[axis]
        inverse = np.fft.irfft if axis == last else np.fft.ifft
        part = inverse(part, lengths[axis], 2 + axis).take(lags, 2 + axis)
    return part
