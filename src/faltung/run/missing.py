"""How are missing samples left out? They are replaced by zeros, and get a weight of zero."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from faltung.engines.chain import packed
from faltung.engines.rows import slice_offsets
from faltung.engines.weights.blanking import NOWHERE, Blanking, blanking_function
from faltung.ground import scratch
from faltung.ground.lazy import lazy
from faltung.jit.target import host
from faltung.planning.problem import Problem
from faltung.run.gathering import Gatherer, Strides, offset
from faltung.run.source import SourceBlock
from faltung.run.tiling import Tile

__all__ = ["Mask", "Missing"]


class Mask(NamedTuple):
    """Weights of samples in memory: of a mask a byte for each sample, zero where it is missing."""

    strides: Strides
    address: int


class Missing:
    """Finds the missing samples of a source block.

    In scratch, the block is followed by the weight of each sample (1, or 0 where it is missing, or a number between)
    and, if that cannot be told from the weights, by 1 minus that weight.

    Parameters
    ----------
    problem : Problem
        The problem.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        # The constant beyond the border is not missing, unless the array stands alone.
        outside = NOWHERE[problem.missing.graded] if problem.missing.alone else 1
        fill = np.full(problem.layout.step, outside, problem.weight)
        self._gather = Gatherer(problem.layout, fill, problem.weight, "mask")
        self._counts_missing = problem.fills and not problem.companions
        self.room = (2 if self._counts_missing else 1) * problem.weight.itemsize / problem.extended.itemsize

    @lazy
    def _blankings(self) -> dict[bool, Any]:
        """Code that blanks the missing samples of blocks in the array (True) and in scratch (False)."""
        problem = self._problem
        parts = 2 if problem.dtype.kind == "c" else 1
        masked = problem.missing.masked or problem.missing.graded or problem.missing.alone
        rules = (problem.missing.skips_nan, masked, problem.missing.alone, self._counts_missing)
        sources = {True: problem.source, False: problem.extended}
        return {
            in_array: blanking_function(
                Blanking(source, problem.extended, problem.number, problem.weight, parts, *rules), host()
            )
            for in_array, source in sources.items()
        }

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
            The weights of the samples.
        """
        flags = self.flags(tile, mask)
        shape = self._shape(tile)
        rows, mask_rows = (slice_offsets(shape[:-1], strides) for strides in (source.strides, flags.strides))
        size = rows.size * copy.strides[-1]
        stride = copy.strides[-1] // self._problem.extended.itemsize
        weights = copy.address + size
        missing = weights + rows.size * stride * self._problem.weight.itemsize
        sizes = (rows.ctypes.data, mask_rows.ctypes.data, rows.size, shape[-1], stride)
        blank = self._blankings[source.in_array]
        return bool(blank(source.address, copy.address, flags.address, weights, missing, *sizes))

    def flags(self, tile: Tile, mask: Mask | None) -> SourceBlock:
        """Return the part of a mask that belongs to a tile: in the mask itself if possible, or gathered."""
        if mask is None:
            return SourceBlock(0, (0,) * (len(tile.shape) - 1), False, None)
        if tile.inside and mask.strides.packed:
            address = mask.address + offset(tile, mask.strides, self._problem.layout.origins)
            return SourceBlock(address, mask.strides.outer, True, None)
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
