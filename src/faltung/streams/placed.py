"""What becomes of samples that no transform may contain? Infinities, NaN and huge ones are multiplied tap by tap.

A transform would spread them over its whole window. So a stage reads zeros there, and their products with the taps
that are not zero are added to the outputs that these taps reach, as the definition says.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.streams.head import MOST

__all__ = ["Placed", "limit_of"]


def limit_of(number: np.dtype[np.floating], samples: np.dtype[Any]) -> float:
    """Return the magnitude up to which samples are transformed: a sum of many of them does not overflow.

    Examples
    --------
    >>> limit_of(np.dtype("float64"), np.dtype("float64"))
    1e+280
    """
    return min(1e25 if number.itemsize == 4 else 1e280, float(np.finfo(samples).max))


class Placed:
    """Products of single samples with the later taps of a kernel, until their outputs are due.

    Parameters
    ----------
    taps : ndarray
        The taps of a kernel, or of a bank in which groups are written out: (channels out, channels, taps).
    start : int
        The lag from which on it counts.
    channels_out : int
        Number of channels out.
    result : dtype
        Dtype of the outputs.
    """

    def __init__(self, taps: NDArray[Any], start: int, channels_out: int, result: np.dtype[Any]) -> None:
        self._taps, self._start = taps[..., start:], start
        self._size = taps.shape[-1] + MOST  # samples are placed before the outputs of their piece are taken
        wide = np.dtype(np.complex128 if result.kind == "c" else np.float64)
        self._sums = np.zeros((channels_out, self._size), wide)
        self._until = 0

    def place(self, position: int, samples: NDArray[Any], bad: NDArray[np.bool_]) -> None:
        """Add the products of samples of shape (channels, n), where `bad`, that begin at a position."""
        for channel, at in np.argwhere(bad).tolist():
            self._place(position + at, channel, complex(samples[channel, at]))

    def take(self, target: NDArray[Any], position: int) -> None:
        """Add to outputs of shape (channels out, n), that begin at a position, what is due, and forget it."""
        if position >= self._until:
            return
        at = (position + np.arange(target.shape[1])) % self._size
        with np.errstate(all="ignore"):
            target += self._sums[:, at].astype(target.dtype)
        self._sums[:, at] = 0

    def rewind(self) -> None:
        """Forget everything."""
        self._sums[...] = 0
        self._until = 0

    def _place(self, position: int, channel: int, value: complex) -> None:
        at = (position + self._start + np.arange(self._taps.shape[-1])) % self._size
        shared = self._taps.ndim == 1
        with np.errstate(all="ignore"):
            if shared:
                self._sums[channel, at] += self._products(value, self._taps)
            else:
                self._sums[:, at] += self._products(value, self._taps[:, channel])
        self._until = max(self._until, position + self._start + self._taps.shape[-1])

    def _products(self, value: complex, taps: NDArray[Any]) -> NDArray[Any]:
        """Return the products, part by part: zero times infinity counts as nothing where the zero is the tap's."""

        def product(part: float, of: NDArray[np.floating]) -> NDArray[np.floating]:
            return np.where(of != 0, part * of, 0)

        real = product(value.real, taps.real) - product(value.imag, taps.imag)
        if self._sums.dtype.kind != "c":
            return real
        return _complex(real, product(value.real, taps.imag) + product(value.imag, taps.real))


def _complex(real: NDArray[np.floating], imaginary: NDArray[np.floating]) -> NDArray[np.complexfloating]:
    # real + 1j * imaginary would multiply infinities by zero
    both = np.empty(real.shape, np.complex128)
    both.real, both.imag = real, imaginary
    return both
