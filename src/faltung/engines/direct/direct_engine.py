"""The direct engine: every non-zero tap times every sample, in machine code that is made for this shape of filter."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from faltung.engines.base import Block, BlockFunction, Call, Job, Weighing, WeighingFunction, Work
from faltung.engines.direct.correlation import PARAMETERS, Correlation, emit
from faltung.engines.integers.fixed_point import dense_taps
from faltung.engines.integers.integer_block import IntegerBlock, integer_tile, integer_work
from faltung.engines.overflow import Widened, can_overflow
from faltung.engines.registers import Footprint
from faltung.engines.repair import Repaired
from faltung.engines.rows import KEPT, MOST_KEPT, has_short_rows, slice_offsets
from faltung.engines.weights.weighed import MOST_ROWS, Weighed
from faltung.ground.bounded import Bounded
from faltung.jit.compile import compile_function, compiled_once, ctypes_of
from faltung.jit.ir import module
from faltung.jit.samples import Sample, sample
from faltung.jit.target import Target, host

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Arrangement", "Direct", "arrange"]

#: Most multiply-adds written out for one register block; beyond it, loops compile faster and run as fast.
UNROLLED = 450
#: Most taps for which a large result is written past the cache: with so few, writing takes most of the time.
STREAMED = 32
#: Outputs of the largest and of the smallest tile: reading its halo costs little beside it. Its longest row.
LARGEST, SMALLEST, WIDEST = 1 << 18, 1 << 15, 1 << 12
#: Tiles that are enough for threads to end at about the same time.
TILES = 8
#: Taps that are always written out, and the factor by which a multiply-add is slower where rows share no samples.
WRITTEN_OUT, SINGLE_ROW = 28, 1.6
#: Least share of non-zero taps for which a dense loop beats visiting the taps one by one.
DENSE = 0.4
#: Bytes of a row, for each tap along it, from which on strips along the border are faster (see `has_short_rows`).
STRIP = 384
#: Factors by which a multiply-add is slower in rows that are shorter than a vector, and under taps in several slices.
SCALAR, SLICES = 8.0, 1.5


class Direct:
    """Sum over the taps of a kernel of any shape, dense or sparse."""

    name = "direct"
    exact = True

    def accepts(self, job: Job) -> str:
        """Return an empty string: this engine can do every job."""
        return ""

    def tile(self, job: Job) -> tuple[int, ...]:
        """Return wide tiles: their rows are used again while they are in the cache, and a signal is a single row."""
        if dense_taps(job):
            return integer_tile(job)
        outputs = math.prod(job.extents) * job.step
        room = max(SMALLEST, min(LARGEST, outputs // TILES)) // job.step
        shape: list[int] = []
        for extent in reversed(job.extents):
            widest = WIDEST if not shape and math.prod(job.extents[:-1]) > 1 else room
            shape.append(max(1, min(extent, room, widest)))
            room //= shape[-1]
        return tuple(reversed(shape))

    def gathers(self, job: Job) -> bool:
        """Return whether rows are short: then strips along the border would cost more than gathering whole blocks."""
        return has_short_rows(job, STRIP)

    def work(self, job: Job) -> Work:
        """Count one multiply-add for each tap that is visited, and one pass through source and target."""
        numbers = dense_taps(job)
        if numbers:
            return integer_work(job, numbers)
        outputs = float(math.prod(job.extents) * job.step)
        taps = float(np.count_nonzero(job.taps))
        scattered = taps < DENSE * job.taps.size and taps > WRITTEN_OUT
        visited = taps if scattered or taps <= WRITTEN_OUT else float(job.taps.size)
        visited *= _slower(job)
        return Work(
            multiply_adds=0.0 if scattered else visited * outputs * (SINGLE_ROW if job.taps.shape[-2] == 1 else 1.0),
            scattered=visited * outputs if scattered else 0.0,
            trips=0.0 if job.source.kind == "f" else outputs,  # integers are converted whenever they are loaded
            bytes=(job.source.itemsize + job.target.itemsize) * outputs,
            roundings=taps + 1,
        )

    def prepare(self, job: Job) -> BlockFunction:
        """Compile for the pattern of non-zero taps."""
        numbers = dense_taps(job)
        if numbers:
            return IntegerBlock(job, numbers)
        target = host()
        arrangement = arrange(job, target)
        block = _Panels(arrangement, job, target)
        if not arrangement.correlation.guarded:
            return block
        zeros = arrangement.multiplies_zeros
        return Repaired(block, lambda: Widened(job, lambda one: _Panels(_exact(one, target), one, target), zeros))

    def weighs(self, job: Job) -> bool:
        """Return whether the taps are dense and in few rows, so that weights can be summed along with samples."""
        taps = int(np.count_nonzero(job.taps))
        return 0 < taps >= DENSE * job.taps.size and job.taps.shape[-2] <= MOST_ROWS

    def prepare_weighing(self, job: Job, weighing: Weighing) -> WeighingFunction:
        """Compile for the shape of the taps."""
        return Weighed(job, weighing)


def _slower(job: Job) -> float:
    """Return the factor by which a multiply-add is slower since rows are short, or taps are in several slices."""
    samples, lanes = job.extents[-1] * job.step, host().lanes(job.number)
    slices = SLICES if math.prod(job.taps.shape[:-2]) > 1 else 1.0
    if samples < lanes:
        return SCALAR * slices
    return -(-samples // (2 * lanes)) * 2 * lanes / samples * slices  # two vectors at a time


@dataclass(frozen=True, eq=False)
class Arrangement:
    """Taps cut into panels, and the code for them.

    Parameters
    ----------
    correlation : Correlation
        The description of the code.
    corners : ndarray, shape (panels, axes of the taps)
        Index of the first tap of each panel.
    taps : ndarray
        Coefficients in the order in which the code reads them.
    """

    correlation: Correlation
    corners: NDArray[np.int64]
    taps: NDArray[np.floating]

    @property
    def multiplies_zeros(self) -> bool:
        """Whether some taps that are read are zero."""
        return not self.taps.all()


def arrange(job: Job, target: Target) -> Arrangement:
    """Choose the code: few taps are written out, many are looped over, scattered ones are visited one by one."""
    *outer, rows, columns = job.taps.shape
    corners = _corners(tuple(outer))
    pattern = np.flatnonzero(job.taps)
    correlation = _describe(job, target, len(corners), rows, columns)
    if 0 < pattern.size * correlation.block[0] * correlation.block[1] <= UNROLLED:
        return Arrangement(_written_out(correlation, tuple(pattern.tolist())), corners, job.taps.ravel()[pattern])
    if pattern.size < DENSE * job.taps.size:
        return _scatter(job, target)
    guarded = correlation.guarded or (pattern.size < job.taps.size and job.source.kind == "f")
    return Arrangement(replace(correlation, guarded=guarded), corners, np.ascontiguousarray(job.taps).ravel())


@lru_cache(maxsize=256)
def _corners(outer: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the first tap of each plane of rows and columns."""
    return np.array([(*index, 0, 0) for index in np.ndindex(*outer)], dtype=np.int64)


@lru_cache(maxsize=1024)
def _written_out(correlation: Correlation, pattern: tuple[int, ...]) -> Correlation:
    return replace(correlation, footprint=replace(correlation.footprint, pattern=pattern))


def _exact(job: Job, target: Target) -> Arrangement:
    """Read the non-zero taps alone, whatever comes out."""
    arrangement = arrange(job, target)
    if arrangement.multiplies_zeros:
        arrangement = _scatter(job, target)
    return replace(arrangement, correlation=replace(arrangement.correlation, guarded=False))


def _scatter(job: Job, target: Target) -> Arrangement:
    """Make each non-zero tap a panel of its own."""
    places = np.argwhere(job.taps)
    return Arrangement(_describe(job, target, len(places), 1, 1), places, job.taps[tuple(places.T)])


def _describe(job: Job, target: Target, panels: int, rows: int, columns: int) -> Correlation:
    streamed = job.streamed and job.target.kind == "f" and bool(np.count_nonzero(job.taps) <= STREAMED)
    shape = (panels, rows, columns)
    return _described(shape, job.step, job.source, job.stored, job.number, can_overflow(job), streamed, target)


@lru_cache(maxsize=1024)
def _described(
    shape: tuple[int, int, int],
    step: int,
    source: np.dtype,
    stored: Sample,
    number: str,
    guarded: bool,
    streamed: bool,
    target: Target,
) -> Correlation:
    return Correlation(
        footprint=Footprint(*shape, None, step, sample(source), number),
        target=stored,
        lanes=target.lanes(number),
        block=_register_block(shape[1], source, target),
        guarded=guarded,
        streamed=streamed,
    )


def _register_block(rows: int, source: np.dtype, target: Target) -> tuple[int, int]:
    # As many accumulators as leave room for samples and taps. Integers are converted each time they are loaded, so
    # for them more rows share each load.
    many = target.registers == 32
    if rows == 1:
        return 1, 8 if many else 4
    if source.kind == "f":
        return min(4, rows), 4 if many else 2
    return min(8 if many else 4, rows), 1


@compiled_once
def _compile(correlation: Correlation, target: Target) -> Callable[..., int]:
    return compile_function(module(emit(correlation)), "correlate", ctypes_of(PARAMETERS), target)


class _Panels:
    """Compiled code with its taps; the tables of offsets for each layout of blocks are made once and kept."""

    def __init__(self, arrangement: Arrangement, job: Job, target: Target) -> None:
        self._code = _compile(arrangement.correlation, target)
        self._final = not arrangement.correlation.guarded
        self._job = job
        self._corners = arrangement.corners
        self._taps = arrangement.taps
        if job.divided:
            self._taps = np.append(self._taps, np.array([job.divided.by], job.taps.dtype))
        self._taps_address = self._taps.ctypes.data
        self._kept: Bounded[Block, tuple[tuple[NDArray[np.int64], ...], tuple[int, ...]]] = Bounded(MOST_KEPT, KEPT)

    def __call__(self, source: int, target: int, block: Block) -> bool:
        """Fill the block; return whether an output is not finite, if the code is guarded."""
        kept = self._kept.get(block)
        if kept is None:
            kept = self._tables(block)
            self._kept.put(block, kept, sum(table.nbytes for table in kept[0]))
        return bool(self._code(source, target, self._taps_address, *kept[1]))

    def call(self, block: Block) -> Call:
        """Return the call for blocks of one layout."""
        tables, arguments = self._tables(block)
        names = [name for name in PARAMETERS if name not in ("source", "target", "taps")]
        values = {"taps": self._taps_address, **dict(zip(names, arguments, strict=True))}
        return Call(self._code, PARAMETERS, values, {}, (tables, self), self._final)

    def _tables(self, block: Block) -> tuple[tuple[NDArray[np.int64], ...], tuple[int, ...]]:
        """Return tables of offsets for blocks of one layout, and the arguments of the code that point to them."""
        source_strides, target_strides, shape = block
        every_stride = [*source_strides, self._job.step * self._job.source.itemsize]
        panels = self._corners @ np.array(every_stride, np.int64)
        slices = [slice_offsets(shape[:-2], strides[:-1]) for strides in (source_strides, target_strides)]
        arguments = (
            panels.ctypes.data,
            slices[0].ctypes.data,
            slices[1].ctypes.data,
            slices[0].size,
            shape[-2],
            shape[-1] * self._job.step,
            source_strides[-1],
            target_strides[-1],
        )
        return (panels, *slices), arguments
