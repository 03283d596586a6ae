"""How are sums of samples and of their weights put together? In blocks whose missing samples became zeros."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from faltung.engines.base import Block, BlockFunction, Job, Weighing
from faltung.engines.rows import slice_offsets
from faltung.engines.weights.normalise import Join, join_function
from faltung.engines.weights.weighed import Weighed
from faltung.ground import scratch
from faltung.ground.lazy import lazy
from faltung.jit.target import host
from faltung.planning.problem import Problem

__all__ = ["Normalised", "Part", "WeighedBehind"]


class Part(NamedTuple):
    """A correlation of a part of a block.

    Parameters
    ----------
    run : BlockFunction
        What correlates.
    plane : int
        What it correlates: 0 for samples, 1 for their weights, 2 for what is missing of the weights.
    place : int
        The place of the result among all sums.
    corner : tuple of int, optional
        Index of its first tap among those of the kernel.
    """

    run: BlockFunction
    plane: int
    place: int
    corner: tuple[int, ...] = ()


class Normalised:
    """A block function that correlates samples and weights, and makes up for the samples that are missing.

    Parameters
    ----------
    problem : Problem
        The problem.
    sums : str
        Which sums there are, as for `faltung.engines.weights.normalise.Join`.
    parts : sequence of Part
        What computes them.
    constants : sequence of float
        Those of the code that puts them together.
    make_exact : callable, optional
        Makes what computes a block again if a weight is doubted, or a mean is not finite.
    """

    def __init__(
        self,
        problem: Problem,
        sums: str,
        parts: Sequence[Part],
        constants: Sequence[float],
        make_exact: Callable[[], BlockFunction] | None = None,
    ) -> None:
        self._problem, self._parts = problem, parts
        self._constants = np.array(constants, problem.number)
        self._make_exact = make_exact
        join = Join(problem.number, problem.written, sums, make_exact is not None, problem.streamed)
        self._join = join_function(join, host())

    @lazy
    def _exact(self) -> BlockFunction:
        assert self._make_exact is not None
        return self._make_exact()

    def __call__(self, source: int, target: int, block: Block) -> None:
        """Fill the block."""
        problem = self._problem
        _, target_strides, shape = block
        width = shape[-1] * problem.layout.step
        strides = _contiguous(shape[1:-1], width * problem.number.itemsize)
        size = strides[0] * shape[0]
        buffer, sums = scratch.take("normalised", len(self._parts) * size)
        planes = _planes(problem, source, block)
        for part in self._parts:
            address, steps, itemsize = planes[part.plane]
            if part.corner:
                last = problem.layout.step * itemsize
                address += sum(map(int.__mul__, part.corner, (*steps, last)))
            part.run(address, sums + part.place * size, Block(steps, strides, shape))
        rows = slice_offsets(shape[:-1], target_strides)
        constants = self._constants.ctypes.data
        wrong = self._join(sums, size, constants, target, rows.ctypes.data, rows.size, width)
        del buffer
        if wrong:
            self._exact(source, target, block)


class WeighedBehind:
    """A block function that sums samples along with the weights behind them, tap by tap.

    Parameters
    ----------
    problem : Problem
        The problem.
    job : Job
        What is computed.
    least : float
        Share of the whole weight up to which an output is NaN.
    """

    def __init__(self, problem: Problem, job: Job, least: float) -> None:
        self._problem = problem
        self._weigh = Weighed(
            job, Weighing(False, True, problem.missing.graded, least, multiplied=True), scattered=True
        )

    def __call__(self, source: int, target: int, block: Block) -> None:
        """Fill the block."""
        _, (mask, strides, _), _ = _planes(self._problem, source, block)
        self._weigh(source, target, block, mask, strides)


def _planes(problem: Problem, source: int, block: Block) -> list[tuple[int, tuple[int, ...], int]]:
    """Return address, strides and bytes of a sample of a block, and of the weights behind it."""
    source_strides, _, shape = block
    samples = source_strides[0] * (shape[0] + problem.layout.sizes[0] - 1)
    bytes_, weight_bytes = problem.extended.itemsize, problem.weight.itemsize
    behind, weights = source + samples, samples // bytes_ * weight_bytes
    strides = tuple([stride // bytes_ * weight_bytes for stride in source_strides])
    return [
        (source, source_strides, bytes_),
        (behind, strides, weight_bytes),
        (behind + weights, strides, weight_bytes),
    ]


@lru_cache(maxsize=256)
def _contiguous(lengths: tuple[int, ...], row: int) -> tuple[int, ...]:
    return tuple(row * math.prod(lengths[k:]) for k in range(len(lengths) + 1))
