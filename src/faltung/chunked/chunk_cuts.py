"""Where is a result cut into chunks? Where the array is, but into no chunks that are much shorter than the kernel.

An output belongs to the chunk of the array that has its position; those before the first sample belong to the first
chunk, and those behind the last sample to the last one. Beside its own samples, a chunk of outputs needs some of its
neighbours: as many as the kernel has taps, less one. This is its *halo*. If chunks are shorter than the halo, most of
what each of them reads is read for others too. So the outputs of neighbouring chunks are computed together, until
they are as long as the halo, or until the samples of a chunk take as much memory as they may.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from faltung.chunked.output_blocks import OutputBlocks
from faltung.planning.question import Question

__all__ = ["Chunks", "Piece", "chunk_edges", "pieces_along", "result_chunks"]

Chunks: TypeAlias = tuple[tuple[int, ...], ...]
"""For each axis the lengths of its chunks."""


class Piece(NamedTuple):
    """A part of a chunk along an axis: the number of the chunk, start and stop in it."""

    chunk: int
    start: int
    stop: int


def chunk_edges(lengths: Sequence[int]) -> list[int]:
    """Return where chunks begin along an axis, and where the last one ends."""
    return [0, *itertools.accumulate(lengths)]


def pieces_along(edges: Sequence[int], ranges: Sequence[tuple[int, int]]) -> list[Piece]:
    """Return the parts of chunks that make up ranges of an axis.

    Parameters
    ----------
    edges : sequence of int
        Where the chunks begin, and where the last one ends.
    ranges : sequence of (int, int)
        Start and stop of each range.

    Examples
    --------
    >>> pieces_along([0, 4, 8, 10], [(7, 10), (0, 2)])
    [Piece(chunk=1, start=3, stop=4), Piece(chunk=2, start=0, stop=2), Piece(chunk=0, start=0, stop=2)]
    """
    pieces = []
    for start, stop in ranges:
        for chunk in range(bisect_right(edges, start) - 1, bisect_left(edges, stop)):
            low, high = max(start, edges[chunk]), min(stop, edges[chunk + 1])
            if low < high:
                pieces.append(Piece(chunk, low - edges[chunk], high - edges[chunk]))
    return pieces


def result_chunks(blocks: OutputBlocks, chunks: Chunks, most_bytes: int) -> Chunks:
    """Return the lengths of the chunks of the result along each of its axes.

    Parameters
    ----------
    blocks : OutputBlocks
        The blocks of the question.
    chunks : tuple of tuple of int
        Lengths of the chunks of the array along each axis.
    most_bytes : int
        Bytes that neither samples nor outputs of a chunk should exceed, where chunks are put together or channels out
        are taken apart.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.planning.question import Options, question_of
    >>> asked = question_of((30, 100), np.dtype("f4"), np.ones((3, 15)), Options(True, stride=(2, 1)))
    >>> result_chunks(OutputBlocks(asked), ((5, 5, 20), (10,) * 10), 1 << 27)
    ((3, 2, 10), (20, 20, 20, 20, 20))
    """
    question = blocks.question
    spatial = {axis: k for k, axis in enumerate(question.axes)}
    cuts = [_cuts(question, k, chunks[axis]) for axis, k in spatial.items()]
    shortest = _shortest(blocks, chunks, cuts, most_bytes)
    merged = [_merged(cut, least) for cut, least in zip(cuts, shortest, strict=True)]
    result: list[tuple[int, ...]] = []
    for axis, length in zip(blocks.axes, blocks.result_shape, strict=True):
        if axis is None or axis == question.channel_axis:
            result.append(())
        elif axis in spatial:
            result.append(_lengths(merged[spatial[axis]]))
        else:
            result.append(chunks[axis] or (length,))
    channels = [place for place, lengths in enumerate(result) if not lengths]
    for place in channels:
        bytes_ = math.prod(max(lengths) for lengths in result if lengths) * question.result.itemsize
        result[place] = _channels(question, max(1, most_bytes // max(bytes_, 1)))
    return tuple(result)


def _cuts(question: Question, k: int, lengths: Sequence[int]) -> list[int]:
    """Return the first outputs of the chunks along an axis of the kernel, and the number of outputs."""
    (start, stop), step = question.regions[k], question.stride[k]
    outputs = -(-(stop - start) // step)
    edges = [edge * question.up[k] for edge in chunk_edges(lengths)[1:-1]]
    inner = [min(max(-(-(edge - start) // step), 0), outputs) for edge in edges]
    return sorted({0, *inner, outputs}) if outputs else [0, 0]


def _shortest(blocks: OutputBlocks, chunks: Chunks, cuts: list[list[int]], most_bytes: int) -> list[int]:
    """Return for each axis of the kernel how many outputs a chunk should have at least."""
    question = blocks.question
    halos = [-(-(high - low) // up) for (low, high), up in zip(blocks.support, question.up, strict=True)]
    longest = [
        -(-max(_lengths(cut)) * step // up) for cut, step, up in zip(cuts, question.stride, question.up, strict=True)
    ]
    wanted = [max(halo, length) for halo, length in zip(halos, longest, strict=True)]
    others = [max(lengths) for axis, lengths in enumerate(chunks) if axis not in question.axes]
    item = max(question.dtype.itemsize, question.result.itemsize) * math.prod(others)
    # A halo may take more memory than that by itself. Twice the memory is then worth far fewer samples read in all.
    most = max(most_bytes, 2 * math.prod(map(int.__add__, longest, halos)) * item)
    while math.prod(map(int.__add__, wanted, halos)) * item > most:
        k = max(range(len(wanted)), key=lambda k: wanted[k] / longest[k] if longest[k] else 0)
        if wanted[k] <= longest[k]:
            break
        wanted[k] = max(wanted[k] // 2, longest[k])
    steps = zip(question.stride, question.up, strict=True)
    return [
        -(-want * up // step) if halo > length else 1
        for want, (step, up), halo, length in zip(wanted, steps, halos, longest, strict=True)
    ]


def _merged(cut: list[int], least: int) -> list[int]:
    """Leave out cuts, so that there are at least so many outputs between two of them."""
    kept = [cut[0]]
    for place in cut[1:-1]:
        if place - kept[-1] >= least and cut[-1] - place >= least:
            kept.append(place)
    return [*kept, cut[-1]]


def _lengths(cut: Sequence[int]) -> tuple[int, ...]:
    return tuple(stop - start for start, stop in itertools.pairwise(cut))


def _channels(question: Question, most: int) -> tuple[int, ...]:
    """Return how the channels out of a bank are cut: into whole groups, if there are several."""
    outs = question.bank.out_channels
    group = outs // question.groups if question.groups > 1 else 1
    most = max(most // group * group, group)
    return tuple(min(most, outs - first) for first in range(0, outs, most))
