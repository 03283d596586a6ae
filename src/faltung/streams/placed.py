"""What becomes of samples that no transform may contain? Infinities, NaN and huge ones are filtered by themselves.

A transform would spread them over its whole window. So a stage reads zeros there, and the operator filters what is
left out: it knows which outputs they reach. The results wait until their outputs are due.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.front import convolve
from faltung.ground.lazy import lazy
from faltung.kernels import Bank, Kernel
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
    """Outputs of single samples under the later taps of a kernel, until they are due.

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
        self._size = taps.shape[-1] + 2 * MOST  # samples are placed before the outputs of their piece are taken
        self._sums = np.zeros((channels_out, self._size), result)
        self._until = 0

    def place(self, position: int, samples: NDArray[Any], bad: NDArray[np.bool_]) -> None:
        """Add the outputs of samples of shape (channels, n), where `bad`, that begin at a position."""
        for channel in np.flatnonzero(bad.any(axis=1)).tolist():
            first, *_, last = np.flatnonzero(bad[channel])[[0, -1]].tolist()
            part = np.where(bad[channel], samples[channel], 0)[first : last + 1]
            self._place(position + first, channel, part)

    def take(self, target: NDArray[Any], position: int) -> None:
        """Add to outputs of shape (channels out, n), that begin at a position, what is due, and forget it."""
        if position < self._until:
            target += self._sums[:, self._places(target.shape[1], position)]
            self.forget(target.shape[1], position)

    def forget(self, count: int, position: int) -> None:
        """Forget the outputs from a position on, which are due or were given before."""
        if position < self._until:
            self._sums[:, self._places(count, position)] = 0

    def rewind(self) -> None:
        """Forget everything."""
        self._sums[...] = 0
        self._until = 0

    def _place(self, position: int, channel: int, part: NDArray[Any]) -> None:
        outputs = convolve(part, self._kernel(channel), shape="full", workers=1)
        at = self._places(outputs.shape[-1], position + self._start)
        with np.errstate(all="ignore"):
            self._sums[channel if self._taps.ndim == 1 else slice(None), at] += outputs
        self._until = max(self._until, position + self._start + outputs.shape[-1])

    def _places(self, count: int, position: int) -> NDArray[np.int64]:
        """Return where the outputs from a position on are kept."""
        places: NDArray[np.int64] = (position + np.arange(count)) % self._size
        return places

    def _kernel(self, channel: int) -> Kernel | Bank:
        if channel not in self._kernels:
            shared = self._taps.ndim == 1
            self._kernels[channel] = Kernel(self._taps) if shared else Bank(self._taps[:, [channel]])
        return self._kernels[channel]

    @lazy
    def _kernels(self) -> dict[int, Kernel | Bank]:
        return {}
