"""How is the rate changed? Zeros between samples, a kernel, and some of its outputs, without computing any other.

Output j is ``y[j] = sum over r of taps[phase + up r] x[sample - r]``, where ``sample, phase = divmod(down j, up)``.
These repeat after U outputs and D samples, with ``U / D = up / down`` in lowest terms. So the outputs are those of a
bank of U kernels, each a phase of the taps, with stride D: a plan of the operator.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.kernels import Bank, Kernel
from faltung.planning.kept import plan_of
from faltung.planning.planned import Planned
from faltung.planning.question import Options
from faltung.streams.history import History

__all__ = ["Polyphase"]

#: Outputs of the largest plan, approximately.
MOST_OUTPUTS = 1 << 14


class Polyphase:
    """One kernel on a signal whose rate it changes.

    Parameters
    ----------
    kernel : Kernel
        The kernel, at ``up`` times the rate of the samples.
    channels : int
        Channels of the samples.
    up, down : int
        The factors.
    offset : int
        The first output is that of this lag.
    dtype : dtype
        Dtype of the samples in the history.
    accuracy : {'norm', 'pointwise'}
        As for `faltung.convolve`.
    """

    def __init__(
        self, kernel: Kernel, channels: int, up: int, down: int, offset: int, dtype: np.dtype[Any], accuracy: str
    ) -> None:
        divisor = math.gcd(up, down)
        self._outputs, self._samples = up // divisor, down // divisor
        samples, phases = np.divmod(np.arange(self._outputs) * down + offset, up)
        self._first = int(samples[0])
        count = -(-len(kernel.taps) // up)
        behind = samples - self._first
        self._halo = count - 1
        self._support = count + int(behind[-1])
        bank = np.zeros((self._outputs, 1, self._support), kernel.taps.dtype)
        for output, (late, phase) in enumerate(zip(behind.tolist(), phases.tolist(), strict=True)):
            taps = kernel.taps[phase::up]
            bank[output, 0, self._halo + late + 1 - len(taps) : self._halo + late + 1] = taps[::-1]
        self._bank = Bank(bank) if self._outputs > 1 else Kernel(bank[0, 0])
        self._channels, self._dtype = channels, dtype
        where = {"channel_axis": 1} if self._outputs > 1 else {"axes": -1}
        options = {"shape": "valid", "stride": self._samples, "accuracy": accuracy, **where}
        self._options = Options(False, **options)  # type: ignore[arg-type]
        self._plans: dict[int, Planned] = {}
        self.taps = kernel.shape[0]
        #: Samples of a piece.
        self.unit = max(1, MOST_OUTPUTS // self._outputs) * self._samples

    def give(self, history: History, new: int, target: NDArray[Any], first: int) -> None:
        """Fill the target of shape (channels, n) with the outputs from the first one on; `new` is not used."""
        count = target.shape[1]
        if not count:
            return
        group, skipped = divmod(first, self._outputs)
        groups = -(-(skipped + count) // self._outputs)
        several = 1 << (groups - 1).bit_length()
        start = group * self._samples + self._first - self._halo
        length = self._support + (several - 1) * self._samples
        window = np.zeros((self._channels, 1, length), self._dtype)
        held = min(history.position, start + length) - start
        window[:, 0, :held] = history.last(held, max(0, history.position - start - length))
        results = self._plan(several)(window if self._outputs > 1 else window[:, 0], workers=1)
        outputs = results.swapaxes(1, -1).reshape(self._channels, -1) if self._outputs > 1 else results
        target[...] = outputs[:, skipped : skipped + count]

    def rewind(self, history: History) -> None:
        """Do nothing: everything is in the history."""

    @property
    def reach(self) -> int:
        """Samples of the history that it needs."""
        return self._halo + 2 * self.unit + 2 * self._support

    def _plan(self, several: int) -> Planned:
        plan = self._plans.get(several)
        if plan is None:
            length = self._support + (several - 1) * self._samples
            shape = (self._channels, 1, length) if self._outputs > 1 else (self._channels, length)
            plan = plan_of(shape, self._dtype, self._bank, self._options)
            self._plans[several] = plan
        return plan
