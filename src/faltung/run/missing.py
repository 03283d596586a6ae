"""How are missing samples left out? They are replaced by zeros, and get a weight of zero."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from faltung.engines.base import Block, BlockFunction
from faltung.engines.chain import packed
from faltung.engines.rows import slice_offsets
from faltung.engines.weights.normalise import join_function, split_function
from faltung.ground import scratch
from faltung.ground.lazy import lazy
from faltung.jit.target import host
from faltung.planning.problem import Problem
from faltung.run.gathering import Gatherer, Strides
from faltung.run.source import SourceBlock
from faltung.run.tiling import Tile

__all__ = ["Mask", "Missing", "Normalised"]


class Mask(NamedTuple):
    """A mask in memory: a byte for each sample, zero where it is missing."""

    strides: Strides
    address: int


class Missing:
    """Finds the missing samples of a source block.

    In scratch, the block is followed by a weight for each sample: 1, or 0 where it is missing.

    Parameters
    ----------
    problem : Problem
        The problem.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        fill = np.ones(problem.layout.step, np.uint8)  # the constant beyond the border is not missing
        self._gather = Gatherer(problem.layout, fill, np.dtype(np.uint8), "mask")
        self.room = 1 / problem.extended.itemsize  # a byte for each sample

    @lazy
    def _split(self) -> Any:
        problem = self._problem
        parts = 2 if problem.dtype.kind == "c" else 1
        return split_function(problem.extended, problem.number, parts, problem.skips_nan, problem.masked, host())

    def take_out(self, tile: Tile, source: SourceBlock, copy: SourceBlock, mask: Mask | None) -> bool:
        """Copy a source block, with zeros for missing samples and weights behind it; return whether any is missing.

        Parameters
        ----------
        tile : Tile
            The tile.
        source : SourceBlock
            Its source block, which may be the copy itself.
        copy : SourceBlock
            Scratch with room for the block and its weights.
        mask : Mask, optional
            Which samples are valid.
        """
        flags = self.flags(tile, mask)
        shape = self._shape(tile)
        rows = slice_offsets(shape[:-1], source.strides)
        weights = copy.address + rows.size * copy.strides[-1]
        stride = copy.strides[-1] // self._problem.extended.itemsize
        sizes = (rows.ctypes.data, rows.size, shape[-1], stride)
        return bool(self._split(source.address, copy.address, flags.address, weights, *sizes))

    def flags(self, tile: Tile, mask: Mask | None) -> SourceBlock:
        """Gather the part of a mask that belongs to a tile."""
        if mask is None:
            return SourceBlock(0, (0,) * (len(tile.shape) - 1), False, None)
        buffer, address, strides = self._gather(tile, mask.strides, mask.address)
        return SourceBlock(address, strides, False, buffer)

    def _shape(self, tile: Tile) -> tuple[int, ...]:
        """Shape of the source block of a tile, with the samples of a row as its last axis."""
        layout = self._problem.layout
        extended = [length + size - 1 for length, size in zip(tile.shape, layout.sizes, strict=True)]
        return (*extended[:-1], extended[-1] * layout.step)

    def scratch(self, tile: Tile) -> SourceBlock:
        """Return scratch for the source block of a tile and its weights."""
        strides, size = packed(self._shape(tile), self._problem.extended.itemsize)
        buffer, address = scratch.take("source", int(size * (1 + self.room)))
        return SourceBlock(address, strides, False, buffer)


class Normalised:
    """A block function that divides a correlation of samples by that of their weights.

    Parameters
    ----------
    problem : Problem
        The problem.
    values, weights : BlockFunction
        Correlate samples with the taps, and weights with the magnitudes of the taps.
    total : float
        The sum of all weights if no sample is missing.
    least : float
        Share of this sum up to which a weight is a rounding error.
    """

    def __init__(
        self, problem: Problem, values: BlockFunction, weights: BlockFunction, total: float, least: float
    ) -> None:
        self._values = values
        self._weights = weights
        self._number = problem.number
        self._step = problem.layout.step
        self._sizes = problem.layout.sizes
        self._bytes = problem.extended.itemsize
        self._constants = np.array([total, least * total], problem.number)
        self._join = join_function(problem.number, problem.written, problem.streamed, host())

    def __call__(self, source: int, target: int, block: Block) -> None:
        """Fill the block."""
        source_strides, target_strides, shape = block
        width = shape[-1] * self._step
        strides = _contiguous(shape[1:-1], width * self._number.itemsize)
        size = strides[0] * shape[0]
        buffer, place = scratch.take("normalised", 2 * size)
        behind = source + source_strides[0] * (shape[0] + self._sizes[0] - 1)
        weight_strides = tuple([stride // self._bytes for stride in source_strides])
        self._values(source, place, Block(source_strides, strides, shape))
        self._weights(behind, place + size, Block(weight_strides, strides, shape))
        rows = slice_offsets(shape[:-1], target_strides)
        constants = self._constants.ctypes.data
        self._join(place, place + size, constants, target, rows.ctypes.data, rows.size, width)
        del buffer


@lru_cache(maxsize=256)
def _contiguous(lengths: tuple[int, ...], row: int) -> tuple[int, ...]:
    return tuple(row * math.prod(lengths[k:]) for k in range(len(lengths) + 1))
