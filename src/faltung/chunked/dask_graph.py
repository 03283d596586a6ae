"""Which tasks make a filtered dask array? For each chunk of it one that filters, and one that cuts what others need.

A chunk of the result needs its own chunk of the array, and a little of the neighbours. A task for each chunk of the
array cuts these *edges*, all at once, so that neighbours need not wait for whole chunks, keep or move them. So there
are two tasks for each chunk, whatever the number of axes, and no padded copy of the array.

What runs is planned once for all chunks of one kind, where the graph is made, and is an entry of its own in it.
So every worker runs the same plan, and the result does not depend on who runs which chunk.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from dask._task_spec import DataNode, Task, TaskRef
from dask.base import tokenize

from faltung.chunked.chunk_cuts import Chunks, Piece, chunk_edges, pieces_along
from faltung.chunked.output_blocks import BlockRun, OutputBlocks, Spans
from faltung.errors import ArgumentError
from faltung.ground.arrays import as_array
from faltung.ground.extended import Region

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ChunkedInput", "filtering_tasks"]

#: Share of a chunk up to which a part of it is an edge; of larger parts the whole chunk is needed.
_EDGE = 0.25


class _BlockPart(NamedTuple):
    """A part of the samples of a block: which argument of the task holds it, and where.

    Parameters
    ----------
    place : int
        The argument.
    edge : int or None
        The number of the edge, if the argument is the edges of a chunk.
    bounds : tuple of (int, int)
        Start and stop along each axis, if it is a chunk.
    """

    place: int
    edge: int | None
    bounds: Region


class _Gathering(NamedTuple):
    """How the samples of a block are put together.

    Parameters
    ----------
    name : str
        The argument of the user that they are a part of.
    dtype : dtype
        Their dtype.
    lengths : tuple of tuple of int
        Lengths of the parts along each axis.
    parts : tuple of _BlockPart
        The parts, the last axis first.
    """

    name: str
    dtype: np.dtype[Any]
    lengths: tuple[tuple[int, ...], ...]
    parts: tuple[_BlockPart, ...]

    def __call__(self, arguments: Sequence[Any]) -> NDArray[Any]:
        """Return the samples."""
        if len(self.parts) == 1:
            return self._part(self.parts[0], arguments, tuple(sum(along) for along in self.lengths))
        edges = [chunk_edges(along) for along in self.lengths]
        samples = np.empty([along[-1] for along in edges], self.dtype)
        boxes = itertools.product(*(itertools.pairwise(along) for along in edges))
        for part, box in zip(self.parts, boxes, strict=True):
            shape = tuple(stop - start for start, stop in box)
            samples[tuple(slice(*bounds) for bounds in box)] = self._part(part, arguments, shape)
        return samples

    def _part(self, part: _BlockPart, arguments: Sequence[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        held = arguments[part.place]
        if part.edge is None:
            held = as_array(held, self.name)[tuple(slice(*bounds) for bounds in part.bounds)]
        else:
            held = as_array(held[part.edge], self.name)
        if held.shape != shape or held.dtype != self.dtype:
            expected = f"chunks of the lengths and the dtype that it names, here {shape} of {self.dtype}"
            remedy = "Make it with the right chunks, dtype= and meta=, for example in map_blocks."
            raise ArgumentError(self.name, expected, f"{held.shape} of {held.dtype}", remedy)
        return held


class ChunkedInput:
    """A dask array that blocks take parts of.

    Parameters
    ----------
    name : str
        The argument of the user.
    array : dask.array.Array
        The array.
    shape : tuple of int
        The shape that it is broadcast to.
    token : str
        What makes the names of tasks unique.
    """

    def __init__(self, name: str, array: Any, shape: tuple[int, ...], token: str) -> None:
        self._argument, self._name, self._dtype = name, array.name, array.dtype
        self._cutting = f"edges-{tokenize(token, name)}"
        self._chunks: Chunks = array.chunks
        self._edges = [chunk_edges(lengths) for lengths in array.chunks]
        self._shape, self._whole = array.shape, shape
        self._cut: dict[tuple[int, ...], dict[Region, int]] = {}

    def gathering(self, spans: Spans, references: dict[Any, int]) -> _Gathering:
        """Return how a block puts its samples together; what it refers to is added to the references."""
        spans = spans[len(self._whole) - len(self._shape) :]
        whole = self._whole[len(self._whole) - len(self._shape) :]
        along = [
            pieces_along(edges, ranges if length == wanted else ((0, 1),))
            for edges, ranges, length, wanted in zip(self._edges, spans, self._shape, whole, strict=True)
        ]
        parts = tuple(self._part(pieces, references) for pieces in itertools.product(*along))
        lengths = tuple(tuple(piece.stop - piece.start for piece in pieces) for pieces in along)
        return _Gathering(self._argument, self._dtype, lengths, parts)

    def _part(self, pieces: tuple[Piece, ...], references: dict[Any, int]) -> _BlockPart:
        chunk = tuple(piece.chunk for piece in pieces)
        bounds = tuple((piece.start, piece.stop) for piece in pieces)
        size = math.prod(stop - start for start, stop in bounds)
        if size > _EDGE * math.prod(lengths[at] for lengths, at in zip(self._chunks, chunk, strict=True)):
            return _BlockPart(references.setdefault((self._name, *chunk), len(references)), None, bounds)
        edges = self._cut.setdefault(chunk, {})
        edge = edges.setdefault(bounds, len(edges))
        return _BlockPart(references.setdefault((self._cutting, *chunk), len(references)), edge, ())

    def tasks(self) -> dict[Any, Any]:
        """Return the tasks that cut edges, after all blocks have said which they need."""
        return {
            (key := (self._cutting, *chunk)): Task(key, _edges_of, TaskRef((self._name, *chunk)), tuple(edges))
            for chunk, edges in self._cut.items()
        }


def filtering_tasks(
    blocks: OutputBlocks,
    chunks: Chunks,
    name: str,
    x: ChunkedInput,
    valid: ChunkedInput | None,
    workers: int,
) -> dict[Any, Any]:
    """Return the tasks of a filtered array.

    Parameters
    ----------
    blocks : OutputBlocks
        The blocks of the question.
    chunks : tuple of tuple of int
        Lengths of the chunks of the result.
    name : str
        Name of the result.
    x, valid : ChunkedInput
        The samples, and their mask or weights.
    workers : int
        Number of threads for each task.
    """
    tasks: dict[Any, Any] = {}
    runs: dict[int, Any] = {}
    along = [[*enumerate(itertools.pairwise(chunk_edges(lengths)))] for lengths in chunks]
    for numbered in itertools.product(*along):
        key = (name, *(number for number, _ in numbered))
        block = blocks.block([bounds for _, bounds in numbered])
        run = runs.setdefault(id(block.run), f"plan-{name}-{len(runs)}")
        if run not in tasks:
            tasks[run] = DataNode(run, block.run)
        references: dict[Any, int] = {}
        samples = x.gathering(block.spans, references)
        flags = None if valid is None else valid.gathering(block.spans, references)
        held = map(TaskRef, references)
        tasks[key] = Task(key, _filter_block, TaskRef(run), workers, samples, flags, *held)
    for source in (x, valid):
        tasks |= {} if source is None else source.tasks()
    return tasks


def _filter_block(
    run: BlockRun, workers: int, samples: _Gathering, flags: _Gathering | None, *arguments: Any
) -> NDArray[Any]:
    """Return a chunk of the result."""
    x = samples(arguments)
    return run(x, None if flags is None else np.broadcast_to(flags(arguments), x.shape), workers)


def _edges_of(chunk: Any, edges: tuple[Region, ...]) -> list[Any]:
    """Return copies of parts of a chunk, so that it need not be kept for them."""
    return [chunk[tuple(slice(*bounds) for bounds in edge)].copy() for edge in edges]
