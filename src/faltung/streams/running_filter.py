"""How does a kernel of any length run along a signal? Its head at once, its stages with an even load."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.kernels import Bank, Kernel
from faltung.streams.head import MOST, Head
from faltung.streams.history import History
from faltung.streams.partitioning import stage_lengths
from faltung.streams.placed import Placed, limit_of
from faltung.streams.stage import Stage
from faltung.streams.wiring import wire, written_out

__all__ = ["NUMBER", "RunningFilter"]

#: What stages compute with, for results of any precision: see docs/decisions.
NUMBER: np.dtype[np.floating] = np.dtype(np.float64)


class RunningFilter:
    """One kernel on a signal at the same rate.

    Parameters
    ----------
    kernel : Kernel or Bank
        The kernel.
    channels, groups : int
        Channels of the samples, and their groups.
    block : int
        Samples of a push, for which the load is even.
    dtype : dtype
        Dtype of the samples in the history.
    accuracy : {'norm', 'pointwise'}
        As for `faltung.convolve`.
    """

    def __init__(
        self, kernel: Kernel | Bank, channels: int, groups: int, block: int, dtype: np.dtype[Any], accuracy: str
    ) -> None:
        count = kernel.shape[0]
        lengths = () if accuracy == "pointwise" else stage_lengths(count, block)
        self._stages: list[Stage] = []
        self._placed: Placed | None = None
        self._limit = limit_of(NUMBER, dtype)
        first = kernel
        if lengths:
            taps, start = kernel.taps, 2 * lengths[0]
            complex_in = dtype.kind == "c"
            result = np.result_type(dtype, np.complex64) if taps.dtype.kind == "c" else dtype
            wiring = wire(taps, channels, groups, complex_in)
            out = taps.shape[0] if taps.ndim == 3 else channels
            stops = [*(2 * length for length in lengths[1:]), count]
            self._stages = [
                Stage(wiring, length, stop, out, NUMBER, result, self._limit)
                for length, stop in zip(lengths, stops, strict=True)
            ]
            first = Kernel(taps[:start]) if taps.ndim == 1 else Bank(taps[..., :start])
            self._placed = Placed(written_out(taps, groups), start, out, result)
        self._head = Head(first, channels, groups, dtype, accuracy)
        #: Samples of a piece: no piece crosses the end of a block.
        self.unit = lengths[0] if lengths else MOST
        self.taps = count
        self._loud_until = 0

    def give(self, history: History, new: int, target: NDArray[Any], first: int) -> None:
        """Fill the target with the last outputs of the `new` samples of the history; `first` is not used."""
        position, count = history.position, target.shape[1]
        if self._stages:
            self._note(history, new)
        if count:
            self._head.give(history, target)
            for stage in self._stages:
                stage.add(target, position - count)
            if self._placed is not None:
                self._placed.take(target, position - count)
        for stage in self._stages:
            stage.advance(history, position > self._loud_until)

    @property
    def reach(self) -> int:
        """Samples of the history that it needs."""
        return max([self._head.reach, *(stage.reach for stage in self._stages)])

    def rewind(self, history: History) -> None:
        """Begin at the position of the history, with the outputs of what is in it."""
        if self._placed is None:
            return
        self._placed.rewind()
        self._loud_until = 0
        kept = min(history.size, history.position)
        for start in range(0, kept, MOST):
            new = min(MOST, kept - start)
            before = kept - start - new
            self._note(history, new, before)
            self._placed.forget(new, history.position - before - new)
        for stage in self._stages:
            stage.rewind(history, history.position > self._loud_until)

    def _note(self, history: History, new: int, before: int = 0) -> None:
        """Look for samples that must not be transformed among `new` ones, which end some samples before the last."""
        samples = history.last(new, before)
        if np.abs(samples).max() <= self._limit:  # false for NaN
            return
        bad = ~(np.abs(samples) <= self._limit)
        assert self._placed is not None
        position = history.position - before
        self._placed.place(position - new, samples, bad)
        self._loud_until = position + history.size
