"""Which banks change a sampling rate? Each phase of the taps is a kernel, and neighbouring phases are a bank.

With zeros between its samples, a signal is filtered at `up` times its rate, and each `down`-th output is kept. Output
``i * up + p`` needs only every `up`-th tap, the phase p, at the sample ``i * down``: that is a convolution with a
stride.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["PhaseBank", "phase_banks"]

#: Most bytes of the outputs of one bank at one position. All its taps have one support, so that distant phases make
#: many zeros; but each bank reads the whole signal.
_MOST_BYTES = 384


class PhaseBank(NamedTuple):
    """Some neighbouring phases of the taps.

    Parameters
    ----------
    first : int
        Number of the first phase.
    taps : ndarray
        Taps of shape (phases, 1, support): ``y[p] = sum over m of taps[p, 0, m] * x[i * down - lag - m]``.
    lag : int
        The lag of the first taps; negative where they read samples that come later.
    """

    first: int
    taps: NDArray[Any]
    lag: int


def phase_banks(taps: NDArray[Any], up: int, down: int, offset: int, itemsize: int) -> list[PhaseBank]:
    """Return the banks of ``y[t] = sum over k of taps[t * down + offset - k * up] * x[k]``, for t = 0, ..., up - 1.

    Parameters
    ----------
    taps : ndarray
        The taps at the higher rate.
    up, down : int
        The factors of the rate.
    offset : int
        The tap that the first sample has in the first output.
    itemsize : int
        Bytes of an output.

    Examples
    --------
    >>> (bank,) = phase_banks(np.array([1.0, 2.0, 1.0]), 2, 1, 1, 8)
    >>> bank.taps.tolist(), bank.lag
    ([[[0.0, 2.0]], [[1.0, 1.0]]], -1)
    """
    banks = -(-up * itemsize // _MOST_BYTES)
    size = -(-up // banks)
    return [_bank(taps, up, down, offset, range(first, min(first + size, up))) for first in range(0, up, size)]


def _bank(taps: NDArray[Any], up: int, down: int, offset: int, phases: range) -> PhaseBank:
    """Return the taps of some phases with one support."""
    aheads, firsts = np.divmod(np.array(phases) * down + offset, up)
    kernels = [taps[first::up] for first in firsts.tolist()]
    ahead = int(aheads[-1])  # the last phase reads the latest samples
    starts = (ahead - aheads).tolist()
    size = max(start + len(kernel) for start, kernel in zip(starts, kernels, strict=True))
    bank = np.zeros((len(kernels), 1, max(size, 1)), taps.dtype)
    for row, start, kernel in zip(bank, starts, kernels, strict=True):
        row[0, start : start + len(kernel)] = kernel
    return PhaseBank(phases[0], bank, -ahead)
