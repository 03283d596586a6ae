"""How does a filter run from one file to another? Portion by portion, within the memory that is allowed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from faltung.chunked.cells import CELL_BYTES, Cells
from faltung.chunked.conveyor import Conveyor
from faltung.chunked.memory_budget import Demand, MemoryPlan, arranged, base_bytes
from faltung.chunked.missing_blocks import MissingBlocks, MissingRun
from faltung.chunked.output_blocks import BlockRun, OutputBlocks
from faltung.chunked.portions import Portion, Portions, slices_of
from faltung.ground.extended import Region
from faltung.ground.lazy import lazy
from faltung.planning.nodata import NOTHING_DECLARED, Nodata
from faltung.planning.question import Question

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Copies", "FileSource", "PortionStream", "Progress"]

Progress = Callable[[int, int], None]
"""Called with the number of outputs that are finished, and that of all outputs."""

#: Cells that are unpacked at the same time.
_UNPACKERS = 2
#: Bytes of an output in floats, and of a mark where it is missing.
_FLOATS = 9


@runtime_checkable
class FileSource(Protocol):
    """An array in a file, which is read by regions."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunk: tuple[int, ...]  # what is unpacked as a whole
    packed: bool  # whether reading a region twice costs more than memory

    def read(self, index: tuple[slice, ...]) -> NDArray[Any]:
        """Return the samples in a slice for each axis."""


class _Stream:
    """What a stream reads and computes: the `Reads` of a conveyor."""

    def __init__(
        self, blocks: OutputBlocks | MissingBlocks | Copies, read: Callable[[tuple[slice, ...]], NDArray[Any]]
    ) -> None:
        self.block, self.read = blocks.block, read


class _Copy(NamedTuple):
    """A block of outputs that are the samples themselves."""

    region: Region

    def gather(self, read: Callable[[tuple[slice, ...]], NDArray[Any]]) -> NDArray[Any]:
        return read(slices_of(self.region))

    @staticmethod
    def run(samples: NDArray[Any], valid: NDArray[Any] | None, workers: int | None) -> NDArray[Any]:
        return samples


class Copies:
    """The blocks of a copy."""

    def block(self, region: Region) -> _Copy:
        """Return the block of a region."""
        return _Copy(region)


@dataclass(frozen=True)
class PortionStream:
    """A question about an array in a file, and what its result is written to.

    Parameters
    ----------
    question : Question or None
        What is asked of the whole source; None for a copy of it.
    source : FileSource
        The array.
    shape : tuple of int
        Shape of the result; it may end before the outputs do.
    unit : tuple of int
        What is written as a whole.
    packed : int
        Bytes of the result that are packed at once.
    in_order : bool
        Whether outputs are written in the order of the file.
    nodata : Nodata
        The values of missing samples; if there are any, the question has a mask.
    """

    question: Question | None
    source: FileSource
    shape: tuple[int, ...]
    unit: tuple[int, ...]
    packed: int = 0
    in_order: bool = False
    nodata: Nodata = NOTHING_DECLARED

    @lazy
    def blocks(self) -> OutputBlocks | MissingBlocks | Copies:
        """The blocks of outputs."""
        if self.question is None:
            return Copies()
        return MissingBlocks(self.question, self.nodata) if self.nodata.values else OutputBlocks(self.question)

    @property
    def result(self) -> np.dtype[Any]:
        """Dtype of the outputs."""
        return self.source.dtype if self.question is None else self.question.result

    def demand(self) -> Demand:
        """Return what takes memory."""
        source, question = self.source, self.question
        halo, strides = [0] * len(self.shape), [1] * len(self.shape)
        if question is not None:
            support = OutputBlocks(question).support
            for axis, (low, high), step in zip(question.axes, support, question.stride, strict=True):
                halo[axis], strides[axis] = max(0, high - low + 1 - step), step
        # A mask has a byte for each sample; where missing outputs are integers, the same is computed in floats.
        masked = question is not None and bool(self.nodata.values)
        cell = max(CELL_BYTES, math.prod(map(min, source.chunk, source.shape)) * source.dtype.itemsize)
        return Demand(
            self.shape,
            self.unit,
            tuple(halo),
            tuple(strides),
            source.dtype.itemsize + masked,
            self.result.itemsize + (_FLOATS if masked and self.result.kind in "iu" else 0),
            self.packed,
            2 * _UNPACKERS * cell if source.packed else 0,
            self.in_order,
        )

    def arrangement(self, memory: int) -> MemoryPlan:
        """Return how so much memory is used, or raise an error if it does not suffice for a single unit."""
        # The code of the filter is made first, so that what it takes is known.
        first = tuple((0, min(length, size, 256)) for length, size in zip(self.shape, self.unit, strict=True))
        run = self.blocks.block(first).run
        for each in (run.run, run.floats) if isinstance(run, MissingRun) else (run,):
            if isinstance(each, BlockRun):
                _ = each.plan.runner
        return arranged(self.demand(), memory - base_bytes())

    def run(
        self,
        write: Callable[[Portion, NDArray[Any]], None],
        done: NDArray[np.bool_],
        memory: int,
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Compute what is not done, and write it.

        Parameters
        ----------
        write : callable
            Writes the outputs of a portion.
        done : ndarray of bool
            True for each unit that needs nothing.
        memory : int
            Bytes that the process may have.
        workers : int, optional
            Threads that compute.
        progress : callable, optional
            Called after each portion.

        Raises
        ------
        ArgumentError
            The memory does not suffice for a single unit.
        """
        if done.all() or 0 in self.shape:
            return
        plan = self.arrangement(memory)
        portions = Portions(self.shape, self.unit, plan.box)
        counter = _Counter(self.shape, sum(math.prod(each.shape) for each in portions.left(done)), progress)

        def write_and_count(portion: Portion, outputs: NDArray[Any]) -> None:
            write(portion, outputs)
            counter.add(portion)

        source = self.source
        rim = self.demand().halo
        cells = Cells(source.read, source.shape, source.dtype, source.chunk, rim, plan.cells, _UNPACKERS)
        reads = _Stream(self.blocks, cells if source.packed else source.read)
        conveyor = Conveyor(reads, plan.piece, self.result, write_and_count, workers, overlap=plan.overlap)
        try:
            conveyor.run(portions.left(done))
        finally:
            cells.close()


class _Counter:
    """Counts the outputs that are finished."""

    def __init__(self, shape: tuple[int, ...], left: int, progress: Progress | None) -> None:
        self._all, self._progress = math.prod(shape), progress
        self._finished = self._all - left
        self._tell()

    def add(self, portion: Portion) -> None:
        """Count a portion."""
        self._finished += math.prod(portion.shape)
        self._tell()

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self._finished, self._all)
