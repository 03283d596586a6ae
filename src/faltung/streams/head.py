"""What gives the first taps of a kernel, without delay? A plan of the operator over the last samples.

The outputs for n new samples under h taps are the valid part of the last n + h - 1 samples. Plans are made for powers
of two of new samples; where fewer came, some outputs are computed a second time and not given.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.kernels import Bank, Kernel
from faltung.planning.kept import plan_of
from faltung.planning.planned import Planned
from faltung.planning.question import Options
from faltung.streams.history import History

__all__ = ["MOST", "Head"]

#: Fewest and most outputs of a plan.
FEWEST, MOST = 16, 1 << 14


class Head:
    """Outputs at the rate of the samples.

    Parameters
    ----------
    kernel : Kernel or Bank
        The first taps of the kernel, or all of them.
    channels, groups : int
        Channels of the samples, and their groups.
    dtype : dtype
        Dtype of the samples in the history.
    accuracy : {'norm', 'pointwise'}
        As for `faltung.convolve`.
    """

    def __init__(
        self, kernel: Kernel | Bank, channels: int, groups: int, dtype: np.dtype[Any], accuracy: str
    ) -> None:
        self._kernel = kernel
        self._halo = kernel.shape[0] - 1
        self._channels, self._dtype = channels, dtype
        bank = isinstance(kernel, Bank)
        where = {"channel_axis": 0, "groups": groups} if bank else {"axes": -1}
        self._options = Options(True, shape="valid", accuracy=accuracy, **where)  # type: ignore[arg-type]
        self._plans: dict[int, Planned] = {}
        self._out: dict[int, NDArray[Any]] = {}

    @property
    def reach(self) -> int:
        """Samples of the history that it needs."""
        return self._halo + MOST

    def give(self, history: History, target: NDArray[Any]) -> None:
        """Fill the target, of shape (channels out, n) with n at most `MOST`: the outputs of the last n samples."""
        count = target.shape[1]
        several = max(FEWEST, 1 << (count - 1).bit_length())
        plan = self._plans.get(several)
        if plan is None:
            plan = plan_of((self._channels, self._halo + several), self._dtype, self._kernel, self._options)
            self._plans[several] = plan
        results = plan(np.ascontiguousarray(history.last(self._halo + several)), workers=1)
        target[...] = results[:, several - count :]
