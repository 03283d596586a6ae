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

__all__ = ["BlockFunction", "Engine", "Line", "Task", "Terms", "Work"]


@dataclass(frozen=True, eq=False)
class Line:
    """A one-dimensional factor of a kernel, and the window sums that it contains.

    Parameters
    ----------
    taps : ndarray
        All its taps, in double precision.
    widths : tuple of int
        Widths of the windows of ones that it is a product (a full convolution) of, with `rest`.
    rest : ndarray
        What remains; `taps` itself where there are no windows.
    """

    taps: NDArray[np.float64]
    widths: tuple[int, ...]
    rest: NDArray[np.float64]

    @property
    def window(self) -> int:
        """Width of the single window of ones that it is a multiple of, or 0."""
        return self.widths[0] if len(self.widths) == 1 and self.rest.size == 1 else 0


Terms = tuple[tuple[Line, ...], ...]
"""A sum of outer products: for each term one factor for each axis."""


@dataclass(frozen=True, eq=False)
class Task:
    """What an engine is asked to compute, block after block.

    Parameters
    ----------
    taps : ndarray
        Real taps of at least two axes, in the number computed with (float32 or float64).
    terms : tuple of tuple of Line
        Outer products that add up to the taps, each one factor for each axis; empty where none are known.
    faithful : bool
        Whether the terms add up to each tap to a few of its own roundings, and not only to a few of the largest.
    step : int
        Samples from one position of the last axis to the next: the number of interleaved channels.
    source, target : dtype
        What the blocks hold, in the processor's byte order; the samples of a row lie side by side.
    extents : tuple of int
        Shape of the whole output, of which a block is a part; the last axis counts positions.
    streamed : bool
        Whether the result is larger than the cache, so that it had better be written past it.
    """

    taps: NDArray[np.floating]
    terms: Terms
    faithful: bool
    step: int
    source: np.dtype
    target: np.dtype
    extents: tuple[int, ...]
    streamed: bool


@dataclass(frozen=True)
class Work:
    """What an engine must do for a whole task: a property of the task, not of a machine.

    Parameters
    ----------
    multiply_adds : float
        Multiplications with the addition that follows, by register blocks over dense or written-out taps.
    scattered : float
        The same over taps that are visited one by one.
    passed : float
        The same in passes along one axis.
    summed : float
        Samples that go through a running sum.
    transformed : float
        Complex samples that go through a Fourier transform, each times the binary logarithm of the transform's size.
    trips : float
        Samples that go through the cache once more than they must.
    bytes : float
        Bytes that must come from or go to main memory.
    calls : float
        Calls of machine code from Python.
    roundings : float
        Bound of the rounding error, in units of half the machine epsilon times the scale that `pointwise` tells.
    pointwise : bool
        Whether the scale is the sum of abs(tap) * abs(sample) under each output. Otherwise it is the sum of all
        abs(tap) times the largest abs(sample) in the block.
    scratch : float
        Bytes that each worker needs beside the block.
    """

    multiply_adds: float = 0.0
    scattered: float = 0.0
    passed: float = 0.0
    summed: float = 0.0
    transformed: float = 0.0
    trips: float = 0.0
    bytes: float = 0.0
    calls: float = 0.0
    roundings: float = 0.0
    pointwise: bool = True
    scratch: float = 0.0


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

    def tile(self, task: Task) -> tuple[int, ...]:
        """Return the shape of the output blocks with which it is at its best; the planner cuts along it."""

    def gathers(self, task: Task) -> bool:
        """Return whether blocks reach across the border, because a strip along it would cost as much as a block."""

    def accepts(self, task: Task) -> str:
        """Return why the task cannot be done this way, or an empty string if it can."""

    def work(self, task: Task) -> Work:
        """Return what must be done for all outputs."""

    def prepare(self, task: Task) -> BlockFunction:
        """Make (or find) the machine code and everything else that does not depend on a block."""
