"""What an engine is: given a source block with its halo, fill the destination block.

An engine sees a `Task`, which holds what stays the same from block to block, and prepares a `BlockFunction` for it.
All engines compute the same thing, a valid correlation of float or integer samples with real taps::

    target[n] = sum over m of taps[m] * source[n + m]

The last axis may carry interleaved channels: then `step` samples lie between neighbours on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BlockFunction", "Engine", "Task", "Work"]


@dataclass(frozen=True, eq=False)
class Task:
    """What an engine is asked to compute, block after block.

    Parameters
    ----------
    taps : ndarray
        Real taps of at least two axes, in the number computed with (float32 or float64).
    factors : tuple of ndarray or None
        One-dimensional factors of which the taps are the outer product, one for each axis, if they are one.
    step : int
        Samples from one position of the last axis to the next: the number of interleaved channels.
    source, target : dtype
        What the blocks hold, in the processor's byte order; the samples of a row lie side by side.
    streamed : bool
        Whether the result is larger than the cache, so that it had better be written past it.
    """

    taps: NDArray[np.floating]
    factors: tuple[NDArray[np.float64], ...] | None
    step: int
    source: np.dtype
    target: np.dtype
    streamed: bool


@dataclass(frozen=True)
class Work:
    """What an engine must do for one output sample: a property of the task, not of a machine.

    Parameters
    ----------
    multiply_adds : float
        Multiplications with the addition that follows.
    bytes : float
        Bytes that must come from or go to main memory.
    trips : int
        How often a sample goes through the cache.
    roundings : float
        Bound of the rounding error, in units of half the machine epsilon times the sum of abs(tap) * abs(sample).
    """

    multiply_adds: float
    bytes: float
    trips: int
    roundings: float


class BlockFunction(Protocol):
    """Fills destination blocks."""

    def __call__(
        self,
        source: int,
        source_strides: tuple[int, ...],
        target: int,
        target_strides: tuple[int, ...],
        shape: tuple[int, ...],
    ) -> object:
        """Fill one block.

        Parameters
        ----------
        source, target : int
            Addresses of the first sample of the source block (under the first tap) and of the destination.
        source_strides, target_strides : tuple of int
            Bytes between neighbours on every axis but the last.
        shape : tuple of int
            Shape of the destination block; the last axis counts positions, each of `step` samples.
        """


class Engine(Protocol):
    """One way to compute a valid correlation."""

    @property
    def name(self) -> str:
        """What ``method=`` calls it."""

    @property
    def tile_samples(self) -> int:
        """Most samples of a tile with which it is at its best."""

    def accepts(self, task: Task) -> str:
        """Return why the task cannot be done this way, or an empty string if it can."""

    def work(self, task: Task) -> Work:
        """Return what must be done for one output sample."""

    def prepare(self, task: Task) -> BlockFunction:
        """Make (or find) the machine code and everything else that does not depend on a block."""
