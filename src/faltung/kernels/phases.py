"""Which taps does an output read, if there are zeros between samples? Those of its phase.

Sample k is at position ``up * k``, and output t at ``start + stride * t``. Of the taps, every `up`-th one is on a
sample and no other counts, so outputs repeat: output ``count * i + p`` has the taps of phase p, ``step * i`` samples
behind those of output p. That is a correlation with a stride of `step`, in which nothing is multiplied by zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Phase", "PhaseBank", "Phases", "joint_taps", "phase_banks", "phases_along"]

#: Most bytes of the outputs of one bank at one position. All its taps have one support, so that distant phases make
#: many zeros; but each bank reads the whole signal.
_MOST_BYTES = 384


class Phase(NamedTuple):
    """The taps of one phase along an axis: ``taps[first::every]``.

    Parameters
    ----------
    first, every : int
        The first of its taps, and taps from one to the next.
    size : int
        How many there are; may be 0.
    sample : int
        The sample under the first one in the first output.
    dilation : int
        Samples from one tap to the next.
    """

    first: int
    every: int
    size: int
    sample: int
    dilation: int


class Phases(NamedTuple):
    """All phases along an axis, and the samples between neighbouring outputs of one of them."""

    phases: tuple[Phase, ...]
    step: int

    def outputs(self, phase: int, count: int) -> int:
        """Return how many of `count` outputs have a phase."""
        return max(0, -(-(count - phase) // len(self.phases)))


def phases_along(size: int, origin: int, start: int, up: int, stride: int, dilation: int = 1) -> Phases:
    """Return the phases of a correlation along an axis.

    Parameters
    ----------
    size, origin : int
        Number of taps, and the index of that at lag zero.
    start : int
        Position of the first output.
    up, stride, dilation : int
        Positions between neighbouring samples, outputs and taps.

    Examples
    --------
    >>> for phase in phases_along(3, 1, 0, 2, 1).phases:
    ...     print(phase)
    Phase(first=1, every=2, size=1, sample=0, dilation=1)
    Phase(first=0, every=2, size=2, sample=0, dilation=1)
    """
    shared, common = math.gcd(up, stride), math.gcd(up, dilation)
    every = up // common
    inverse = pow(dilation // common, -1, every) if every > 1 else 0
    found = []
    for number in range(up // shared):
        place = start + stride * number - dilation * origin  # of the first tap
        first, none = (-place // common * inverse % every, False) if place % common == 0 else (0, True)
        count = 0 if none else len(range(first, size, every))
        found.append(Phase(first, every, count, (place + dilation * first) // up, dilation // common))
    return Phases(tuple(found), stride // shared)


def joint_taps(phases: Sequence[Phase]) -> tuple[NDArray[np.int64], int]:
    """Return the tap of each phase at each sample of a support that all of them share, and its first sample.

    Parameters
    ----------
    phases : sequence of Phase
        Some phases of one axis.

    Returns
    -------
    taps : ndarray, shape (phases, support)
        Indices of taps; -1 where a phase has none.
    sample : int
        The sample under the first column.

    Examples
    --------
    >>> taps, sample = joint_taps(phases_along(5, 2, 0, 2, 1).phases)
    >>> taps.tolist(), sample
    ([[0, 2, 4], [-1, 1, 3]], -1)
    """
    low = min(phase.sample for phase in phases)
    high = max(phase.sample + phase.dilation * max(phase.size - 1, 0) for phase in phases)
    taps = np.full((len(phases), high - low + 1), -1, np.int64)
    for row, phase in zip(taps, phases, strict=True):
        places = phase.sample - low + phase.dilation * np.arange(phase.size)
        row[places] = phase.first + phase.every * np.arange(phase.size)
    return taps, low


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
