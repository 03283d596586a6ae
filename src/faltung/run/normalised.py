"""How are sums of samples and of their weights put together? In blocks whose missing samples became zeros."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from faltung.engines.base import Block, BlockFunction, WeighingFunction
from faltung.engines.repair import view
from faltung.engines.rows import slice_offsets
from faltung.engines.weights.normalise import Join, join_function
from faltung.ground import scratch
from faltung.ground.lazy import lazy
from faltung.jit.target import host
from faltung.planning.problem import Problem

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Normalised", "Part", "WeighedBehind"]

#: Rows and columns of the cells that are computed again.
CELL = (8, 32)


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
    make_weighed : callable, optional
        Makes what does so for a part of a block: it sums samples along with their weights.
    """

    def __init__(
        self,
        problem: Problem,
        sums: str,
        parts: Sequence[Part],
        constants: Sequence[float],
        make_exact: Callable[[], BlockFunction] | None = None,
        make_weighed: Callable[[], WeighingFunction] | None = None,
    ) -> None:
        self._problem, self._parts, self._sums = problem, parts, sums
        self._constants = np.array(constants, problem.number)
        self._make_exact, self._make_weighed = make_exact, make_weighed
        doubts = make_exact is not None or make_weighed is not None
        join = Join(problem.number, problem.written, sums, doubts, problem.streamed)
        self._join = join_function(join, host())

    @lazy
    def _exact(self) -> BlockFunction:
        assert self._make_exact is not None
        return self._make_exact()

    @lazy
    def _weighed(self) -> WeighingFunction:
        assert self._make_weighed is not None
        return self._make_weighed()

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
        if wrong and self._make_weighed is not None:
            self._again(source, target, block, self._doubtful(sums, size, shape))
        elif wrong:
            self._exact(source, target, block)
        del buffer

    def _doubtful(self, sums: int, size: int, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """Return the indices of cells in which a weight is doubted, or a mean is not finite."""
        number, step = self._problem.number, self._problem.layout.step
        whole = (len(self._parts), *shape[:-1], shape[-1] * step)
        strides = (size, *_contiguous(shape[1:-1], whole[-1] * number.itemsize))
        planes = view(sums, strides, whole, number)
        weights, means = planes[1], planes[2:3]
        if self._sums == "companion":
            own, other = self._constants[-2:]
            with np.errstate(all="ignore"):
                weights, means = own * planes[1] + other * planes[3], (own * planes[0] + other * planes[2])[None]
        doubtful = ~(weights > self._constants[2]) | ~np.isfinite(means).all(axis=0)
        for axis, size in ((-2, CELL[0]), (-1, CELL[1] * step)):
            doubtful = np.logical_or.reduceat(doubtful, np.arange(0, doubtful.shape[axis], size), axis=axis)
        return np.argwhere(doubtful)

    def _again(self, source: int, target: int, block: Block, cells: NDArray[np.int64]) -> None:
        """Compute some cells of a block again; those without any sample are not computed."""
        problem, (source_strides, target_strides, shape) = self._problem, block
        step, halo = problem.layout.step, [size - 1 for size in problem.layout.sizes]
        _, (weights, weight_strides, weight_bytes), _ = _planes(problem, source, block)
        strides = (
            (*source_strides, step * problem.extended.itemsize),
            (*target_strides, step * problem.written.itemsize),
            (*weight_strides, step * weight_bytes),
        )
        most = (*(1,) * (len(shape) - 2), *CELL)
        for cell in cells.tolist():
            start = [index * length for index, length in zip(cell, most, strict=True)]
            size = tuple(min(length, n - first) for length, n, first in zip(most, shape, start, strict=True))
            places = [sum(map(int.__mul__, start, steps)) for steps in strides]
            extended = [length + more for length, more in zip(size, halo, strict=True)]
            extended[-1] *= step
            there = view(weights + places[2], weight_strides, tuple(extended), problem.weight)
            outputs = Block(source_strides, target_strides, size)
            if there.any():
                self._weighed(source + places[0], target + places[1], outputs, weights + places[2], weight_strides)
                continue
            result = view(target + places[1], target_strides, (*size[:-1], size[-1] * step), problem.written)
            result[...] = np.nan if problem.written.kind == "f" else 0


class WeighedBehind:
    """A block function that sums samples along with the weights behind them, tap by tap.

    Parameters
    ----------
    problem : Problem
        The problem.
    weighed : WeighingFunction
        What sums them.
    """

    def __init__(self, problem: Problem, weighed: WeighingFunction) -> None:
        self._problem, self._weighed = problem, weighed

    def __call__(self, source: int, target: int, block: Block) -> None:
        """Fill the block."""
        _, (mask, strides, _), _ = _planes(self._problem, source, block)
        self._weighed(source, target, block, mask, strides)


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
