"""What would run for a dask array? A plan that is called with one, and returns another; nothing is computed yet."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import dask
import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph
from dask.utils import parse_bytes

from faltung.chunked.chunk_cuts import Chunks, chunk_edges, result_chunks
from faltung.chunked.dask_graph import ChunkedInput, filtering_tasks
from faltung.chunked.dask_input import as_chunked_valid, check_dask
from faltung.chunked.output_blocks import BlockRun, OutputBlock, OutputBlocks
from faltung.errors import ArgumentError
from faltung.ground.lazy import lazy
from faltung.ground.threads import worker_count
from faltung.planning.kept import keep
from faltung.planning.missing_rule import one_of
from faltung.planning.planned import Candidate, Planned
from faltung.planning.problem import Problem
from faltung.planning.question import Question
from faltung.planning.report import Row, bytes_text, scale_text, shape_text, time_text
from faltung.run.race import fastest

__all__ = ["DaskPlan", "check_no_out", "kinds_of", "make_dask_plan"]


@dataclass(frozen=True, eq=False)
class DaskPlan(Planned):
    """The plan of a filter for dask arrays of one shape, dtype and chunks; it is called with such an array.

    Time and memory are those of a chunk, which one thread computes.

    Parameters
    ----------
    question : Question
        What is asked of the whole array.
    chunks : tuple of tuple of int
        Lengths of the chunks of the array along each axis.
    result_chunks : tuple of tuple of int
        Those of the result.

    Examples
    --------
    >>> import faltung as fa
    >>> x = da.ones((4000, 3000), chunks=1000, dtype="float32")
    >>> run = fa.plan(x, fa.gaussian(2.0))
    >>> run.method, run.tasks
    ('separable', 24)
    >>> run(x)
    dask.array<convolve, shape=(4000, 3000), dtype=float32, chunksize=(1000, 1000), chunktype=numpy.ndarray>
    """

    question: Question
    chunks: Chunks
    result_chunks: Chunks

    @property
    def problem(self) -> Problem:
        """What is asked of the whole array."""
        return self.question.problem

    @lazy
    def blocks(self) -> OutputBlocks:
        """The blocks that chunks of the result are."""
        return OutputBlocks(self.question)

    @lazy
    def kinds(self) -> tuple[tuple[OutputBlock, int], ...]:
        """A block of each kind, and how many there are; the kind of most outputs first."""
        return kinds_of(self.blocks, self.result_chunks)

    @property
    def runs(self) -> list[BlockRun]:
        """What runs for each kind."""
        return [block.run for block, _ in self.kinds]

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """All methods for the chunks of most outputs, the chosen one first."""
        return self.runs[0].plan.candidates

    @property
    def error(self) -> float:
        """Bound of the rounding error of an output of any chunk, relative to what `pointwise` says."""
        return max(run.plan.error for run in self.runs)

    @property
    def pointwise(self) -> bool:
        """Whether `error` is relative to the sum of abs(tap) * abs(sample) under each output."""
        return all(run.plan.pointwise for run in self.runs)

    @property
    def memory(self) -> int:
        """Bytes that a chunk takes while it is computed: its samples, its outputs and scratch, approximately."""
        return max(_bytes(block) for block, _ in self.kinds)

    @property
    def result_shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        return self.blocks.result_shape

    @property
    def tasks(self) -> int:
        """The largest number of tasks that are added to the graph."""
        chunks = math.prod(map(len, self.result_chunks))
        return chunks + (math.prod(map(len, self.chunks)) if chunks > 1 else 0)

    def rows(self) -> list[Row]:
        """Return what the plan prints, as pairs of a word and a text."""
        problem, block = self.problem, self.kinds[0][0]
        kernel, *rows = block.run.plan.rows()
        steps = [row for row in rows if row[0] not in ("input", "output", "tile", "time", "memory", "error")]
        seconds = sum(block.run.plan.seconds * number for block, number in self.kinds)
        one = time_text(block.run.plan.seconds)
        most = max((block.shape for block, _ in self.kinds), key=math.prod)
        return [
            kernel,
            problem.input_row,
            ("output", f"{shape_text(self.result_shape)} {problem.result}, computed in {problem.number}"),
            ("chunks", f"{_chunks_text(self.chunks)} in, {_chunks_text(self.result_chunks)} out"),
            *steps,
            ("tasks", f"at most {self.tasks}; {len(self.kinds)} kinds of chunks are planned"),
            ("reads", f"up to {shape_text(most)} samples a chunk, {self.amplification:.3g} times the input in all"),
            ("time", f"{one} predicted for a chunk, {time_text(seconds)} for all, on one core"),
            ("memory", f"{bytes_text(self.memory)} a chunk, with its samples and outputs"),
            ("error", f"at most {self.error:.1e} of {scale_text(self.pointwise)}"),
        ]

    @lazy
    def amplification(self) -> float:
        """Samples that all chunks read together, over those of the array."""
        read = sum(math.prod(block.shape) * number for block, number in self.kinds)
        return read / max(math.prod(self.question.shape), 1)

    def __call__(
        self, x: Any, out: Any = None, workers: int | None = None, mask: Any = None, weights: Any = None
    ) -> da.Array:
        """Return the result for a dask array of the planned shape, dtype and chunks; nothing is computed yet.

        Parameters
        ----------
        x : dask.array.Array
            The input.
        out : None
            The result is lazy, so it cannot be written into an array.
        workers : int, optional
            Number of threads of each task; 1 by default, since dask runs as many tasks at once as it has threads.
        mask, weights : dask.array.Array or array_like, optional
            As for other plans. The chunks of a dask array may be others than those of `x`.
        """
        check_no_out(out)
        check_dask("x", x)
        planned = (self.question.shape, self.question.dtype, self.chunks)
        if (x.shape, x.dtype, x.chunks) != planned:
            expected, received = (
                f"shape {shape}, dtype {dtype} and {_chunks_text(chunks)}"
                for shape, dtype, chunks in (planned, (x.shape, x.dtype, x.chunks))
            )
            remedy = "Make a plan for this array, or use convolve."
            raise ArgumentError("x", f"{expected}, for which this plan was made", received, remedy)
        rule = self.question.missing
        present, graded = (
            as_chunked_valid(name, given, planned, x)
            for name, given, planned in (("mask", mask, rule.masked), ("weights", weights, rule.graded))
        )
        return self._lazy(x, one_of(present, graded), 1 if workers is None else worker_count(workers))

    def _lazy(self, x: da.Array, valid: da.Array | None, workers: int) -> da.Array:
        """Return the array whose chunks are computed by tasks."""
        question, sources = self.question, [x] if valid is None else [x, valid]
        token = tokenize([source.name for source in sources], *question.key, self.result_chunks, workers)
        name = f"{'convolve' if question.reflected else 'correlate'}-{token}"
        samples, flags = ChunkedInput("x", x, x.shape, token), None
        if valid is not None:
            flags = ChunkedInput("weights" if question.missing.graded else "mask", valid, x.shape, token)
        tasks = filtering_tasks(self.blocks, self.result_chunks, name, samples, flags, workers)
        graph = HighLevelGraph.from_collections(name, tasks, dependencies=sources)
        meta = np.empty((0,) * len(self.result_chunks), question.result)
        return da.Array(graph, name, self.result_chunks, meta=meta)


def make_dask_plan(x: da.Array, question: Question, effort: str) -> DaskPlan:
    """Return the plan of a question for a dask array; with effort ``measure``, by running what might be fastest."""
    most = int(parse_bytes(dask.config.get("array.chunk-size")))
    chunks = result_chunks(OutputBlocks(question), x.chunks, most)
    plan = DaskPlan(question, x.chunks, chunks)
    if effort == "measure":  # the plans of all kinds are kept, and found again
        kinds_of(OutputBlocks(question, lambda asked: keep(asked, fastest(asked))), chunks)
    assert plan.kinds, "what has no plan is refused here, and not by a task"
    return plan


def kinds_of(blocks: OutputBlocks, chunks: Chunks) -> tuple[tuple[OutputBlock, int], ...]:
    """Return a block of each kind that chunks of a result are, and their number; the kind of most outputs first."""
    first = [(0, lengths[0]) for lengths in chunks]
    along = []
    for place, lengths in enumerate(chunks):
        found: dict[int, tuple[int, int]] = {}
        count: Counter[int] = Counter()
        for bounds in itertools.pairwise(chunk_edges(lengths)):
            block = blocks.block([*first[:place], bounds, *first[place + 1 :]])
            found.setdefault(id(block.run), bounds)
            count[id(block.run)] += 1
        along.append([(bounds, count[run]) for run, bounds in found.items()])
    kinds = []
    for ways in itertools.product(*along):
        number = math.prod(count for _, count in ways)
        outputs = number * math.prod(stop - start for (start, stop), _ in ways)
        kinds.append((outputs, blocks.block([bounds for bounds, _ in ways]), number))
    kinds.sort(key=lambda kind: -kind[0])
    return tuple((block, number) for _, block, number in kinds)


def check_no_out(out: Any) -> None:
    """Refuse an array for a result that is lazy."""
    if out is not None:
        remedy = "Omit it, and store the result: with .compute(), .store(out) or .to_zarr(path)."
        raise ArgumentError("out", "None for a dask array, whose result is lazy", f"a {type(out).__name__}", remedy)


def _bytes(block: OutputBlock) -> int:
    """Return the bytes of the samples of a block, of its outputs and of scratch, approximately."""
    plan = block.run.plan
    outputs = math.prod(plan.result_shape) * plan.problem.result.itemsize
    return int(math.prod(block.shape) * plan.problem.dtype.itemsize + outputs + plan.memory)


def _chunks_text(chunks: Chunks) -> str:
    """Return how many chunks there are, and how large."""
    sizes = [_lengths_text(lengths) for lengths in chunks]
    return f"{math.prod(map(len, chunks))} chunks of {shape_text(sizes)}"


def _lengths_text(lengths: tuple[int, ...]) -> str:
    """Return the length of chunks, of which the last may be shorter; or the least and the largest."""
    longest = max(lengths)
    return f"{longest}" if all(length == longest for length in lengths[:-1]) else f"{min(lengths)}-{longest}"
