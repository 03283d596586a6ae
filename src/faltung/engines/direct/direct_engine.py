"""The direct engine: every non-zero tap times every sample, in machine code made for just that shape of filter."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from faltung.engines.base import Block, BlockFunction, Call, Job, WeighingFunction, Work
from faltung.engines.direct.correlation import PARAMETERS, Correlation, emit
from faltung.engines.registers import Footprint
from faltung.engines.repair import Repaired
from faltung.engines.rows import SHORT, slice_offsets
from faltung.engines.weights.weighed import MOST_ROWS, Weighed
from faltung.jit.compile import compile_function, ctypes_of
from faltung.jit.ir import module
from faltung.jit.samples import sample
from faltung.jit.target import Target, host

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Arrangement", "Direct", "arrange"]

#: Most multiply-adds written out for one register block; beyond it, loops compile faster and run as fast.
UNROLLED = 450
#: Most taps for which writing is what takes the time, and so the cache is passed by.
STREAMED = 32
#: Outputs of a tile, enough to make the hand-over to a thread cheap, and the longest row of one.
TILE, WIDEST = 1 << 18, 1 << 12
#: Taps that are always written out, and what a multiply-add costs more where no sample feeds several rows.
WRITTEN_OUT, SINGLE_ROW = 28, 1.6
#: Least share of non-zero taps for which a dense loop beats visiting the taps one by one.
DENSE = 0.4
#: What a multiply-add costs more in rows that are shorter than a vector.
SCALAR = 8.0


class Direct:
    """Sum over the taps of a kernel of any shape, dense or sparse."""

    name = "direct"
    exact = True

    def accepts(self, job: Job) -> str:
        """Return an empty string: there is no job this engine cannot do."""
        return ""

    def tile(self, job: Job) -> tuple[int, ...]:
        """Return wide tiles: rows are reused while they are in the cache, and a signal is one row."""
        room = TILE // job.step
        shape: list[int] = []
        for extent in reversed(job.extents):
            widest = WIDEST if not shape and math.prod(job.extents[:-1]) > 1 else room
            shape.append(max(1, min(extent, room, widest)))
            room //= shape[-1]
        return tuple(reversed(shape))

    def gathers(self, job: Job) -> bool:
        """Return whether rows are short: strips along the border would cost more than to gather whole blocks."""
        return job.extents[-1] * job.step < SHORT

    def work(self, job: Job) -> Work:
        """Count one multiply-add for each tap that is visited, and one pass through source and target."""
        outputs = float(math.prod(job.extents) * job.step)
        taps = float(np.count_nonzero(job.taps))
        scattered = taps < DENSE * job.taps.size and taps > WRITTEN_OUT
        visited = taps if scattered or taps <= WRITTEN_OUT else float(job.taps.size)
        if job.extents[-1] * job.step < host().lanes("float" if job.taps.dtype == np.float32 else "double"):
            visited *= SCALAR
        return Work(
            multiply_adds=0.0 if scattered else visited * outputs * (SINGLE_ROW if job.taps.shape[-2] == 1 else 1.0),
            scattered=visited * outputs if scattered else 0.0,
            trips=0.0 if job.source.kind == "f" else outputs,  # integers are converted whenever they are loaded
            bytes=(job.source.itemsize + job.target.itemsize) * outputs,
            roundings=taps + 1,
        )

    def prepare(self, job: Job) -> BlockFunction:
        """Compile for the pattern of non-zero taps."""
        target = host()
        arrangement = arrange(job, target)
        block = _Panels(arrangement, job, target)
        if not arrangement.what.guarded:
            return block
        return Repaired(block, lambda: _Panels(_scatter(job, target), job, target))

    def weighs(self, job: Job) -> bool:
        """Return whether the taps are dense and in few rows, so that weights can be summed along with samples."""
        taps = int(np.count_nonzero(job.taps))
        return 0 < taps >= DENSE * job.taps.size and job.taps.shape[-2] <= MOST_ROWS

    def prepare_weighing(self, job: Job, skips_nan: bool, masked: bool) -> WeighingFunction:
        """Compile for the shape of the taps."""
        return Weighed(job, skips_nan, masked)


@dataclass(frozen=True, eq=False)
class Arrangement:
    """Taps as panels, and the code that goes with them.

    Parameters
    ----------
    what : Correlation
        The code.
    corners : ndarray, shape (panels, axes of the taps)
        Index of the first tap of each panel.
    taps : ndarray
        Coefficients in the order in which the code reads them.
    """

    what: Correlation
    corners: NDArray[np.int64]
    taps: NDArray[np.floating]


def arrange(job: Job, target: Target) -> Arrangement:
    """Choose the code: taps written out if they are few, looped over if they are many, one by one if scattered."""
    *outer, rows, columns = job.taps.shape
    corners = np.array([(*index, 0, 0) for index in np.ndindex(*outer)], dtype=np.int64)
    pattern = np.flatnonzero(job.taps)
    what = _describe(job, target, len(corners), rows, columns)
    if 0 < pattern.size * what.block[0] * what.block[1] <= UNROLLED:
        written_out = replace(what.footprint, pattern=tuple(pattern.tolist()))
        return Arrangement(replace(what, footprint=written_out), corners, job.taps.ravel()[pattern])
    if pattern.size < DENSE * job.taps.size:
        return _scatter(job, target)
    what = replace(what, guarded=pattern.size < job.taps.size and job.source.kind == "f")
    return Arrangement(what, corners, np.ascontiguousarray(job.taps).ravel())


def _scatter(job: Job, target: Target) -> Arrangement:
    """Make each non-zero tap a panel of its own."""
    places = np.argwhere(job.taps)
    return Arrangement(_describe(job, target, len(places), 1, 1), places, job.taps[tuple(places.T)])


def _describe(job: Job, target: Target, panels: int, rows: int, columns: int) -> Correlation:
    number = "float" if job.taps.dtype == np.float32 else "double"
    few = bool(np.count_nonzero(job.taps) <= STREAMED)
    return Correlation(
        footprint=Footprint(panels, rows, columns, None, job.step, sample(job.source), number),
        target=sample(job.target),
        lanes=target.lanes(number),
        block=_register_block(rows, job.source, target),
        guarded=False,
        streamed=job.streamed and job.target.kind == "f" and few,
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


@cache
def _compile(what: Correlation, target: Target) -> Callable[..., int]:
    return compile_function(module(emit(what)), "correlate", ctypes_of(PARAMETERS), target)


class _Panels:
    """Compiled code with its taps; the offset tables of each block layout are made once and kept."""

    def __init__(self, arrangement: Arrangement, job: Job, target: Target) -> None:
        self._code = _compile(arrangement.what, target)
        self._final = not arrangement.what.guarded
        self._job = job
        self._corners = arrangement.corners
        self._taps = arrangement.taps
        self._taps_address = arrangement.taps.ctypes.data
        self._tables: dict[Block, tuple[object, tuple[int, ...]]] = {}

    def __call__(self, source: int, target: int, block: Block) -> bool:
        """Fill the block; return whether an output was not finite, where the code looks for that."""
        found = self._tables.get(block)
        if found is None:
            if len(self._tables) > 256:
                self._tables.clear()
            found = self._tables[block] = self._arguments(block)
        return bool(self._code(source, target, self._taps_address, *found[1]))

    def call(self, block: Block) -> Call:
        """Return the call for blocks of one layout."""
        tables, arguments = self._arguments(block)
        names = [name for name in PARAMETERS if name not in ("source", "target", "taps")]
        values = {"taps": self._taps_address, **dict(zip(names, arguments, strict=True))}
        return Call(self._code, PARAMETERS, values, {}, (tables, self), self._final)

    def _arguments(self, block: Block) -> tuple[object, tuple[int, ...]]:
        source_strides, target_strides, shape = block
        strides = np.array([*source_strides, self._job.step * self._job.source.itemsize], dtype=np.int64)
        panels = self._corners @ strides
        slices = [slice_offsets(shape[:-2], each[:-1]) for each in (source_strides, target_strides)]
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
        return (panels, slices), arguments  # the tables live as long as their addresses
