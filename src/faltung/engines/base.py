"""What is an engine? The whole contract: given a source block with its halo, fill the target block.

An engine gets a `Job`, which holds what stays the same from block to block, and prepares a `BlockFunction` for it.
All engines compute the same thing, a valid correlation of float or integer samples with real taps::

    target[n] = sum over m of taps[m] * source[n + m]

The last axis may carry interleaved channels: then neighbours along it are `step` samples apart.

Every engine has the members of `Engine`, and every block function those of `BlockFunction`. The other protocols are
optional members: of engines, `WeighingEngine` and `BankEngine`; of block functions, `JoinableFunction`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import numpy as np

from faltung.jit.samples import Sample, sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "BankEngine",
    "BankFunction",
    "Block",
    "BlockFunction",
    "Call",
    "Division",
    "Engine",
    "Job",
    "JoinableFunction",
    "Line",
    "Terms",
    "Weighing",
    "WeighingEngine",
    "WeighingFunction",
    "Work",
    "call_of",
]


@dataclass(frozen=True, eq=False)
class Line:
    """A one-dimensional factor of a kernel, and the window sums that it contains.

    Parameters
    ----------
    taps : ndarray
        All its taps, in double precision.
    widths : tuple of int
        Widths of windows of ones: convolved with each other and with `rest`, they give the taps.
    rest : ndarray
        What remains besides them; `taps` itself if there are no windows.
    """

    taps: NDArray[np.float64]
    widths: tuple[int, ...]
    rest: NDArray[np.float64]

    @property
    def window(self) -> int:
        """Width of the window of ones if it is a multiple of a single one, or 0."""
        return self.widths[0] if len(self.widths) == 1 and self.rest.size == 1 else 0


Terms = tuple[tuple[Line, ...], ...]
"""A sum of outer products: for each term one factor for each axis."""


@dataclass(frozen=True)
class Division:
    """What becomes of sums of whole numbers when they are stored.

    Parameters
    ----------
    by : float
        The whole number that they are divided by.
    nearest : bool
        Whether sums may have rounding errors, so that they are rounded to the nearest whole number first.
    floats : bool
        Whether sums are divided also where they are stored as floats.
    """

    by: float
    nearest: bool = False
    floats: bool = False


@dataclass(frozen=True, eq=False)
class Job:
    """What an engine computes, block after block.

    Parameters
    ----------
    taps : ndarray
        Real taps of at least two axes, in the number computed with (float32 or float64).
    terms : tuple of tuple of Line
        Outer products that add up to the taps, with one factor for each axis; empty if none are known.
    faithful : bool
        Whether the sum of the terms has a small error relative to each tap, and not only relative to the largest.
    step : int
        Samples from one position of the last axis to the next: the number of interleaved channels.
    source, target : dtype
        The dtypes of the blocks, in the byte order of the processor; samples of a row are contiguous.
    extents : tuple of int
        Shape of the whole output, of which a block is a part; the last axis counts positions.
    streamed : bool
        Whether the result is larger than the cache and should be written past it.
    division : Division, optional
        If taps and samples are whole numbers: what becomes of their sums if the target holds integers.
    truncated : bool
        Whether integers are made of sums as C converts them, and not by rounding.
    fixed_point : bool
        Whether bytes may be computed with taps of 16 bits (see `integers`).
    """

    taps: NDArray[np.floating]
    terms: Terms
    faithful: bool
    step: int
    source: np.dtype
    target: np.dtype
    extents: tuple[int, ...]
    streamed: bool
    division: Division | None = None
    truncated: bool = False
    fixed_point: bool = False

    @property
    def number(self) -> str:
        """The number computed with, as LLVM calls it: ``float`` or ``double``."""
        return "float" if self.taps.dtype == np.float32 else "double"

    @property
    def divided(self) -> Division | None:
        """What becomes of sums when they are stored."""
        division = self.division
        return division if self.target.kind in "iu" or (division is not None and division.floats) else None

    @property
    def stored(self) -> Sample:
        """What the target holds, for the code that stores."""
        memory, division = sample(self.target), self.divided
        if self.truncated and memory.kind != "f":
            memory = replace(memory, truncated=True)
        return replace(memory, divided=True, nearest=division.nearest) if division else memory


@dataclass(frozen=True)
class Work:
    """The work of an engine for a whole job: a property of the job, not of a machine.

    Parameters
    ----------
    multiply_adds : float
        Multiplications with an addition, in register blocks over dense or written-out taps.
    scattered : float
        The same over taps that are visited one by one.
    passed : float
        The same in passes along one axis.
    summed : float
        Samples that go through a running sum.
    transformed : float
        Complex samples that go through a Fourier transform, times the binary logarithm of its size.
    trips : float
        Samples that go through the cache once more than necessary.
    bytes : float
        Bytes that are read from or written to main memory.
    calls : float
        Calls of machine code from Python.
    roundings : float
        Bound of the rounding error, in units of half the machine epsilon times the scale (see `pointwise`).
    pointwise : bool
        Whether the scale is the sum of abs(tap) * abs(sample) under each output. Otherwise it is the sum of all
        abs(tap) times the largest abs(sample) in the block.
    whole : bool
        Whether sums of whole numbers are exact as long as they can be told apart.
    levels : float
        Bound of an additional error in grey levels, of bytes that are computed in fixed point.
    scratch : float
        Bytes that each worker needs besides the block.
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
    whole: bool = True
    levels: float = 0.0
    scratch: float = 0.0


class Block(NamedTuple):
    """The memory layout of a block in the source and in the target, and the number of its outputs.

    It is a tuple, so that making one and looking it up in a table takes a fraction of a microsecond.

    Parameters
    ----------
    source_strides, target_strides : tuple of int
        Bytes between neighbours along every axis but the last. Along the last, samples are contiguous.
    shape : tuple of int
        Outputs along each axis; the last axis counts positions, each of `step` samples.
    """

    source_strides: tuple[int, ...]
    target_strides: tuple[int, ...]
    shape: tuple[int, ...]


# ---- block functions


class BlockFunction(Protocol):
    """Fills target blocks; it may be called from several threads at once."""

    def __call__(self, source: int, target: int, block: Block) -> object:
        """Fill one block.

        Parameters
        ----------
        source, target : int
            Addresses of the first sample of the source block (under the first tap) and of the first output.
        block : Block
            The memory layout of both, and the shape of the target.

        Returns
        -------
        object
            True (or anything that counts as true) if an output is not finite although it might have to be: a zero
            tap was multiplied by an infinity, or terms overflowed. Then the outputs are wrong, and the
            block must be computed again over the non-zero taps alone. What `Engine.prepare` returns never asks for
            that: it repairs its blocks itself (see `repair`).
        """


class JoinableFunction(BlockFunction, Protocol):
    """A block function that can be made a part of a larger call of machine code (see `calls`)."""

    def call(self, block: Block) -> Call | None:
        """Return the call that fills blocks of this layout, or None if it takes more than a single call."""


@dataclass(frozen=True, eq=False)
class Call:
    """A call of the machine code of a block function, with everything but the addresses of the blocks.

    Parameters
    ----------
    code : callable
        The compiled function; it returns what the block function returns.
    parameters : mapping
        Its parameters by name, with their LLVM types.
    values : mapping
        Its arguments, except ``source``, ``target`` and those in `scratch`.
    scratch : mapping
        For each parameter that points to scratch: the bytes it needs there.
    keep : object
        Owns the memory whose addresses are among the values.
    final : bool
        Whether the block never has to be computed again.
    """

    code: Callable[..., int]
    parameters: Mapping[str, str]
    values: Mapping[str, int]
    scratch: Mapping[str, int]
    keep: object
    final: bool


def call_of(function: BlockFunction, block: Block) -> Call | None:
    """Return the call that fills blocks of this layout, or None if the function has none."""
    call: Callable[[Block], Call | None] | None = getattr(function, "call", None)
    return call(block) if call is not None else None


class Weighing(NamedTuple):
    """How samples that are missing are told from the others, and when too few are present.

    Parameters
    ----------
    skips_nan, masked, graded : bool
        Whether NaN is missing; whether a mask excludes samples; and whether it holds weights between 0 and 1, as the
        number computed with, in place of a byte for each sample.
    least : float
        Share of the whole weight up to which an output is NaN.
    multiplied : bool
        Whether samples were multiplied by their weights before.
    """

    skips_nan: bool
    masked: bool
    graded: bool
    least: float
    multiplied: bool = False


class WeighingFunction(Protocol):
    """Fills target blocks with the normalised correlation of the samples that are present."""

    def __call__(
        self, source: int, target: int, block: Block, mask: int = 0, mask_strides: tuple[int, ...] = ()
    ) -> object:
        """Fill one block; parameters and result as of `BlockFunction`, and the mask of the source block.

        Parameters
        ----------
        mask : int
            Address of the first entry of the mask: one for each sample, zero where it is missing. It is not read if
            the function was prepared without a mask.
        mask_strides : tuple of int
            Bytes between neighbours along every axis but the last.
        """


class BankFunction(Protocol):
    """Fills a target block for each kernel of a bank, from one source block."""

    @property
    def tile(self) -> tuple[int, ...]:
        """Shape of the blocks for which it is fastest."""

    def __call__(self, source: int, targets: Sequence[int], block: Block) -> object:
        """Fill the blocks; parameters as of `BlockFunction`, with an address for each kernel."""


# ---- engines


class Engine(Protocol):
    """One way to compute a valid correlation."""

    @property
    def name(self) -> str:
        """What ``method=`` calls it."""

    @property
    def exact(self) -> bool:
        """Whether it accepts every job and computes over the non-zero taps alone: other engines repair with it."""

    def tile(self, job: Job) -> tuple[int, ...]:
        """Return the shape of the output blocks for which it is fastest; the planner cuts tiles of this shape."""

    def gathers(self, job: Job) -> bool:
        """Return whether blocks reach across the border, because a strip along it would cost as much as a block."""

    def accepts(self, job: Job) -> str:
        """Return why the job cannot be done this way, or an empty string if it can."""

    def work(self, job: Job) -> Work:
        """Return the work for all outputs."""

    def prepare(self, job: Job) -> BlockFunction:
        """Make (or look up) the machine code and everything else that does not depend on a block."""


@runtime_checkable
class WeighingEngine(Engine, Protocol):
    """An engine that can also sum the weights of the samples, in the same pass over them."""

    def weighs(self, job: Job) -> bool:
        """Return whether that is a good way to do this job."""

    def prepare_weighing(self, job: Job, weighing: Weighing) -> WeighingFunction:
        """Prepare it, for samples that are missing where they are NaN or where a mask excludes them."""


class BankEngine(Engine, Protocol):
    """An engine that can also share work among several kernels of the same shape."""

    def shares(self, job: Job) -> str:
        """Return why kernels cannot share work, or an empty string if they can; parameters as of `prepare_bank`."""

    def prepare_bank(self, taps: Sequence[NDArray[np.floating]], job: Job) -> BankFunction:
        """Prepare all kernels together.

        Parameters
        ----------
        taps : sequence of ndarray
            Kernels of the shape and dtype of the job's own taps, which are not used.
        job : Job
            What the kernels have in common.
        """
