"""How are the later taps of a kernel applied with an even load? In blocks, whose work is spread over the next block.

A stage has a block length L, and the taps from lag 2 L on, in partitions of L taps. When a block of samples is
complete, its outputs begin L samples later, and the transforms and products for them are done bit by bit meanwhile::

    samples    | block b     | block b + 1              | block b + 2      |
    work       |             | transform, add, restore  |                  |
    outputs    |             |                          | those of block b |
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.engines.fourier.partitions import Partitions
from faltung.engines.fourier.spectrum import aligned
from faltung.ground.lazy import lazy
from faltung.streams.history import History
from faltung.streams.wiring import Wiring

__all__ = ["Stage"]

#: The cost of a transform of n points, in products of n points; and the points of the products of one call.
TRANSFORM, POINTS_AT_ONCE = 6.0, 1 << 13


class Stage:
    """A part of the taps, in partitions of one length.

    Parameters
    ----------
    wiring : Wiring
        Lines and taps of the whole kernel.
    length : int
        Taps of a partition.
    stop : int
        End of the taps of this stage, which begin at ``2 * length``.
    channels_out : int
        Number of channels out.
    number, result : dtype
        What is computed with, and the dtype of outputs.
    limit : float
        Samples that are above it, or NaN, are left out: they are placed one by one.
    """

    def __init__(
        self,
        wiring: Wiring,
        length: int,
        stop: int,
        channels_out: int,
        number: np.dtype[np.floating],
        result: np.dtype[Any],
        limit: float,
    ) -> None:
        self.length = length
        self._wiring, self._stop, self._limit, self._number = wiring, stop, limit, number
        self._count = -(-(stop - 2 * length) // length)
        self._partitions = Partitions(length, number)
        size = self._partitions.size
        self._windows = aligned(np.zeros((len(wiring.lines_in), self._count, size), number))
        self._sums = aligned(np.zeros((len(wiring.lines_out), size), number))
        self._now: NDArray[Any]
        self._next: NDArray[Any]
        self._now, self._next = np.zeros((2, channels_out, length), result)
        self._spectra = [[self._cut(one.taps) for one in connections] for connections in wiring.connections]
        self._window_at, self._sum_at = self._windows.ctypes.data, self._sums.ctypes.data
        self._bytes = self._sums[0].nbytes
        # Addresses of the windows of a line, from a block back to earlier ones, beginning anywhere in the ring.
        self._back = -np.arange(2 * self._count) % self._count * self._bytes + self._window_at
        self._factors = [[self._table(one) for one in spectra] for spectra in self._spectra]
        self._at_once = max(1, POINTS_AT_ONCE // (2 * length))
        products = sum(map(len, wiring.connections)) * self._count
        self._total = products + TRANSFORM * (len(wiring.lines_in) + len(wiring.lines_out))
        self._done: float = self._total
        self._steps: Iterator[float] = iter(())

    @property
    def reach(self) -> int:
        """Samples of the history that it needs, to begin anywhere."""
        return (self._count + 4) * self.length

    def add(self, target: NDArray[Any], start: int) -> None:
        """Add to the outputs of shape (channels out, n) those of this stage; they begin at a position in a block."""
        at = start % self.length
        target += self._now[:, at : at + target.shape[1]]

    def advance(self, history: History, quiet: bool) -> None:
        """Do as much work as belongs to the samples of the history that came; `quiet` if none is above the limit."""
        inside = history.position % self.length
        share = (inside or self.length) / self.length * self._total
        while self._done < share:
            self._done += next(self._steps)
        if not inside:
            self._now, self._next = self._next, self._now
            self._begin(history.position // self.length - 1, history, quiet)

    def rewind(self, history: History, quiet: bool) -> None:
        """Begin at the position of the history, with the outputs of what is in it."""
        for array in (self._windows, self._now, self._next):
            array[...] = 0
        block = history.position // self.length
        self._done, self._steps = self._total, iter(())
        if not block:
            return
        for other in range(max(0, block - 1 - self._count), block - 1):
            self._transform(other, history, quiet)
        for step in (self._work(block - 2, None, history, quiet), self._work(block - 1, history, history, quiet)):
            self._now, self._next = self._next, self._now
            for _ in step:
                pass
        # The work for the block to come may be done before its time.

    def _begin(self, block: int, history: History, quiet: bool) -> None:
        self._done, self._steps = 0.0, self._work(block, history, history, quiet)

    def _work(self, block: int, window: History | None, history: History, quiet: bool) -> Iterator[float]:
        """Do all that follows a block of samples, step by step; yield the cost of each step."""
        if window is not None:
            for line in range(len(self._wiring.lines_in)):
                self._transform_line(line, block, history, quiet)
                yield TRANSFORM
        self._sums[...] = 0
        first = -block % self._count
        windows = self._back[first : first + self._count]
        for out, connections in enumerate(self._wiring.connections):
            total = self._sum_at + out * self._bytes
            for one, (factors, address) in zip(connections, self._factors[out], strict=True):
                np.add(windows, one.line * self._count * self._bytes, out=factors[:, 0])
                for start in range(0, self._count, self._at_once):
                    count = min(self._at_once, self._count - start)
                    self._partitions.add_products(total, address + start * factors.strides[0], count)
                    yield float(count)
            self._restore(out, total)
            yield TRANSFORM

    def _transform(self, block: int, history: History, quiet: bool) -> None:
        for line in range(len(self._wiring.lines_in)):
            self._transform_line(line, block, history, quiet)

    def _transform_line(self, line: int, block: int, history: History, quiet: bool) -> None:
        """Transform the window of two blocks that ends with a block of samples."""
        real, imaginary = self._wiring.lines_in[line]
        before = history.position - (block + 1) * self.length
        window = history.last(2 * self.length, before)
        parts: list[NDArray[Any] | None] = [window[real].real, None]
        if imaginary is not None:
            parts[1] = window[imaginary].imag if imaginary == real else window[imaginary]
        if not quiet:
            both = [real] if imaginary is None else [real, imaginary]
            bad = [~(np.abs(window[channel]) <= self._limit) for channel in both]
            parts = [part if part is None else np.where(bad[-1 if k else 0], 0, part) for k, part in enumerate(parts)]
        slot = line * self._count + block % self._count
        self._partitions.transform(parts[0], parts[1], self._window_at + slot * self._bytes)  # type: ignore[arg-type]

    def _restore(self, line: int, total: int) -> None:
        parts = self._partitions.restore(total)
        channel, other = self._wiring.lines_out[line]
        if other == channel:
            self._next[channel].real, self._next[channel].imag = parts
            return
        self._next[channel] = parts[0]
        if other is not None:
            self._next[other] = parts[1]

    def _cut(self, taps: NDArray[Any]) -> NDArray[np.floating]:
        """Return the spectra of the partitions of a kernel; equal kernels share them."""
        key = id(taps)
        if key not in self._cuts:
            whole = np.zeros(self._count * self.length, taps.dtype)
            part = taps[2 * self.length : self._stop]
            whole[: len(part)] = part
            spectra = [self._partitions.spectrum(one) for one in whole.reshape(self._count, -1)]
            self._cuts[key] = aligned(np.stack(spectra))
        return self._cuts[key]

    def _table(self, spectra: NDArray[np.floating]) -> tuple[NDArray[np.int64], int]:
        """Return a table of the factors of all products of a connection, and its address."""
        factors = np.empty((self._count, 2), np.int64)
        factors[:, 1] = spectra.ctypes.data + np.arange(self._count) * self._bytes
        return factors, factors.ctypes.data

    @lazy
    def _cuts(self) -> dict[int, NDArray[np.floating]]:
        return {}
