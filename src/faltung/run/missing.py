"""What if samples are missing? They drop out, and the taps on the others weigh as much more."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from faltung.engines.base import Block, BlockFunction
from faltung.engines.chain import packed
from faltung.engines.rows import slice_offsets
from faltung.engines.weights.normalise import join_function, split_function
from faltung.ground import scratch
from faltung.ground.lazy import lazy
from faltung.jit.target import host
from faltung.planning.problem import Problem
from faltung.run.gathering import Frame, Gatherer
from faltung.run.tiling import Tile

__all__ = ["Missing", "Normalised"]


class Missing:
    """Finds the missing samples of a gathered block.

    Behind the block in scratch lie as many weights, one for each sample: 1, or 0 where it is missing.

    Parameters
    ----------
    problem : Problem
        What is asked.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        fill = np.ones(problem.layout.step, np.uint8)  # what stands outside is not missing
        self._gather = Gatherer(problem.layout, problem.mode, fill, np.dtype(np.uint8), "mask")
        self.room = 1 / problem.extended.itemsize  # a byte for each sample

    @lazy
    def _split(self) -> Any:
        problem = self._problem
        together = 2 if problem.dtype.kind == "c" else 1
        return split_function(problem.extended, problem.number, together, problem.skips_nan, problem.masked, host())

    def take_out(
        self,
        tile: Tile,
        source: int,
        strides: tuple[int, ...],
        block: int,
        block_strides: tuple[int, ...],
        mask: tuple[Frame, int] | None,
    ) -> bool:
        """Copy a block with zeros for what is missing, and weights behind it; return whether anything is.

        Parameters
        ----------
        tile : Tile
            Whose source it is.
        source, strides
            Where the samples are, which may be the block itself.
        block, block_strides
            The same of scratch, with room for the block and its weights.
        mask : tuple of Frame and int, optional
            How the mask lies in memory, and where.
        """
        _buffer, flags, _ = self.flags(tile, mask)
        shape = self.shape(tile)
        rows = slice_offsets(shape[:-1], strides)
        behind = block + rows.size * block_strides[-1]
        stride = block_strides[-1] // self._problem.extended.itemsize
        return bool(self._split(source, block, flags, behind, rows.ctypes.data, rows.size, shape[-1], stride))

    def flags(self, tile: Tile, mask: tuple[Frame, int] | None) -> tuple[object, int, tuple[int, ...]]:
        """Gather the part of a mask that belongs to a tile: the scratch it is in, its address and its strides."""
        return (None, 0, (0,) * (len(tile.shape) - 1)) if mask is None else self._gather(tile, *mask)

    def shape(self, tile: Tile) -> tuple[int, ...]:
        """Shape of the source block of a tile, with the samples of a row as its last axis."""
        layout = self._problem.layout
        extended = [length + size - 1 for length, size in zip(tile.shape, layout.sizes, strict=True)]
        return (*extended[:-1], extended[-1] * layout.step)

    def scratch(self, tile: Tile) -> tuple[object, int, tuple[int, ...]]:
        """Scratch for the block of a tile and its weights, its address, and the strides of the block."""
        shape = self.shape(tile)
        strides, size = packed(shape, self._problem.extended.itemsize)
        buffer, address = scratch.take("source", int(size * (1 + self.room)))
        return buffer, address, strides


class Normalised:
    """A block function that divides a correlation of samples by that of their weights.

    Parameters
    ----------
    problem : Problem
        What is asked.
    values, weights : BlockFunction
        Correlate samples with the taps, and weights with their magnitudes.
    total : float
        What the weights add up to where nothing is missing.
    least : float
        Share of that up to which a weight is taken for a rounding error.
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
        strides = _side_by_side(shape[1:-1], width * self._number.itemsize)
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
def _side_by_side(lengths: tuple[int, ...], row: int) -> tuple[int, ...]:
    return tuple(row * math.prod(lengths[k:]) for k in range(len(lengths) + 1))
