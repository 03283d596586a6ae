"""The direct engine: every non-zero tap times every sample, in machine code that is made for this shape of filter."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from faltung.engines.base import Block, BlockFunction, Call, Task, WeighingFunction, Work
from faltung.engines.direct.correlation import PARAMETERS, Correlation, emit
from faltung.engines.registers import Footprint
from faltung.engines.repair import Repaired
from faltung.engines.rows import KEPT, MOST_KEPT, SHORT, slice_offsets
from faltung.engines.weights.weighed import MOST_ROWS, Weighed
from faltung.ground.bounded import Bounded
from faltung.jit.compile import compile_function, compiled_once, ctypes_of
from faltung.jit.ir import module
from faltung.jit.samples import sample
from faltung.jit.target import Target, host

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Arrangement", "Direct", "arrange"]

#: Most multiply-adds written out for one register block; beyond it, loops compile faster and run as fast.
UNROLLED = 450
#: Most taps for which a large result is written past the cache: with so few, writing takes most of the time.
STREAMED = 32
#: Outputs of a tile, so many that it does not matter what handing it to a thread costs; and its longest row.
TILE, WIDEST = 1 << 18, 1 << 12
#: Taps that are always written out, and the factor by which a multiply-add is slower where rows share no samples.
WRITTEN_OUT, SINGLE_ROW = 28, 1.6
#: Least share of non-zero taps for which a dense loop beats visiting the taps one by one.
DENSE = 0.4
#: Factor by which a multiply-add is slower in rows that are shorter than a vector.
SCALAR = 8.0


class Direct:
    """Sum over the taps of a kernel of any shape, dense or sparse."""

    name = "direct"
    exact = True

    def accepts(self, task: Task) -> str:
        """Return an empty string: this engine can do every task."""
        return ""

    def tile(self, task: Task) -> tuple[int, ...]:
        """Return wide tiles: their rows are used again while they are in the cache, and a signal is a single row."""
        room = TILE // task.step
        shape: list[int] = []
        for extent in reversed(task.extents):
            widest = WIDEST if not shape and math.prod(task.extents[:-1]) > 1 else room
            shape.append(max(1, min(extent, room, widest)))
            room //= shape[-1]
        return tuple(reversed(shape))

    def gathers(self, task: Task) -> bool:
        """Return whether rows are short: then strips along the border would cost more than gathering whole blocks."""
        return task.extents[-1] * task.step < SHORT

    def work(self, task: Task) -> Work:
        """Count one multiply-add for each tap that is visited, and one pass through source and target."""
        outputs = float(math.prod(task.extents) * task.step)
        taps = float(np.count_nonzero(task.taps))
        scattered = taps < DENSE * task.taps.size and taps > WRITTEN_OUT
        visited = taps if scattered or taps <= WRITTEN_OUT else float(task.taps.size)
        if task.extents[-1] * task.step < host().lanes("float" if task.taps.dtype == np.float32 else "double"):
            visited *= SCALAR
        return Work(
            multiply_adds=0.0 if scattered else visited * outputs * (SINGLE_ROW if task.taps.shape[-2] == 1 else 1.0),
            scattered=visited * outputs if scattered else 0.0,
            trips=0.0 if task.source.kind == "f" else outputs,  # integers are converted whenever they are loaded
            bytes=(task.source.itemsize + task.target.itemsize) * outputs,
            roundings=taps + 1,
        )

    def prepare(self, task: Task) -> BlockFunction:
        """Compile for the pattern of non-zero taps."""
        target = host()
        arrangement = arrange(task, target)
        block = _Panels(arrangement, task, target)
        if not arrangement.correlation.guarded:
            return block
        return Repaired(block, lambda: _Panels(_scatter(task, target), task, target))

    def weighs(self, task: Task) -> bool:
        """Return whether the taps are dense and in few rows, so that weights can be summed along with samples."""
        taps = int(np.count_nonzero(task.taps))
        return 0 < taps >= DENSE * task.taps.size and task.taps.shape[-2] <= MOST_ROWS

    def prepare_weighing(self, task: Task, skips_nan: bool, masked: bool) -> WeighingFunction:
        """Compile for the shape of the taps."""
        return Weighed(task, skips_nan, masked)


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


def arrange(task: Task, target: Target) -> Arrangement:
    """Choose the code: few taps are written out, many are looped over, scattered ones are visited one by one."""
    *outer, rows, columns = task.taps.shape
    corners = np.array([(*index, 0, 0) for index in np.ndindex(*outer)], dtype=np.int64)
    pattern = np.flatnonzero(task.taps)
    correlation = _describe(task, target, len(corners), rows, columns)
    if 0 < pattern.size * correlation.block[0] * correlation.block[1] <= UNROLLED:
        written_out = replace(correlation.footprint, pattern=tuple(pattern.tolist()))
        return Arrangement(replace(correlation, footprint=written_out), corners, task.taps.ravel()[pattern])
    if pattern.size < DENSE * task.taps.size:
        return _scatter(task, target)
    correlation = replace(correlation, guarded=pattern.size < task.taps.size and task.source.kind == "f")
    return Arrangement(correlation, corners, np.ascontiguousarray(task.taps).ravel())


def _scatter(task: Task, target: Target) -> Arrangement:
    """Make each non-zero tap a panel of its own."""
    places = np.argwhere(task.taps)
    return Arrangement(_describe(task, target, len(places), 1, 1), places, task.taps[tuple(places.T)])


def _describe(task: Task, target: Target, panels: int, rows: int, columns: int) -> Correlation:
    number = "float" if task.taps.dtype == np.float32 else "double"
    few = bool(np.count_nonzero(task.taps) <= STREAMED)
    return Correlation(
        footprint=Footprint(panels, rows, columns, None, task.step, sample(task.source), number),
        target=sample(task.target),
        lanes=target.lanes(number),
        block=_register_block(rows, task.source, target),
        guarded=False,
        streamed=task.streamed and task.target.kind == "f" and few,
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

    def __init__(self, arrangement: Arrangement, task: Task, target: Target) -> None:
        self._code = _compile(arrangement.correlation, target)
        self._final = not arrangement.correlation.guarded
        self._task = task
        self._corners = arrangement.corners
        self._taps = arrangement.taps
        self._taps_address = arrangement.taps.ctypes.data
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
        every_stride = [*source_strides, self._task.step * self._task.source.itemsize]
        panels = self._corners @ np.array(every_stride, np.int64)
        slices = [slice_offsets(shape[:-2], strides[:-1]) for strides in (source_strides, target_strides)]
        arguments = (
            panels.ctypes.data,
            slices[0].ctypes.data,
            slices[1].ctypes.data,
            slices[0].size,
            shape[-2],
            shape[-1] * self._task.step,
            source_strides[-1],
            target_strides[-1],
        )
        return (panels, *slices), arguments
