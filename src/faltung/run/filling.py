"""How is a tile computed? By the engine alone, or with weights of samples that may be missing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from faltung.run.missing import Mask, Missing
from faltung.run.output import Output
from faltung.run.prepared import Functions, Prepared
from faltung.run.source import SourceBlock
from faltung.run.tiling import Tile

__all__ = ["Fill", "Plain", "WeighedAlong", "WeighedApart"]

Fill = Callable[[Tile, SourceBlock, Output], object]
"""Fills the outputs of a tile from its source block."""


class Plain:
    """Fills tiles without missing samples.

    Parameters
    ----------
    in_place, from_scratch : list of BlockFunction
        For source blocks in the array, and for those that were gathered.
    """

    def __init__(self, in_place: Functions, from_scratch: Functions) -> None:
        self._in_place, self._from_scratch = in_place, from_scratch

    def __call__(self, tile: Tile, block: SourceBlock, target: Output) -> None:
        """Fill a tile."""
        target.fill(tile, self._in_place if block.in_array else self._from_scratch, block)


class WeighedApart:
    """Correlates samples and weights one after the other if a sample of the tile is missing.

    Parameters
    ----------
    prepared : Prepared
        The block functions of the plan.
    missing : Missing
        Finds the missing samples.
    mask : Mask, optional
        Which samples are valid.
    plain : Plain
        Fills a tile without missing samples.
    """

    def __init__(self, prepared: Prepared, missing: Missing, mask: Mask | None, plain: Plain) -> None:
        self._normalised, self._plain = prepared.normalised, plain
        self._missing, self._mask = missing, mask

    def __call__(self, tile: Tile, block: SourceBlock, target: Output) -> None:
        """Fill a tile."""
        copy = self._missing.scratch(tile) if block.in_array else block
        if self._missing.take_out(tile, block, copy, self._mask):
            target.fill(tile, self._normalised, copy)
        else:
            self._plain(tile, block, target)


class WeighedAlong:
    """Sums samples and weights in the same registers.

    Parameters
    ----------
    prepared : Prepared
        The block functions of the plan.
    missing : Missing
        Finds the missing samples.
    mask : Mask, optional
        Which samples are valid.
    """

    def __init__(self, prepared: Prepared, missing: Missing, mask: Mask | None) -> None:
        self._prepared, self._weighing = prepared, prepared.weighing
        self._missing, self._mask = missing, mask

    def __call__(self, tile: Tile, block: SourceBlock, target: Output) -> None:
        """Fill a tile."""
        flags = self._missing.flags(tile, self._mask)
        weigh = partial(self._weighing[block.in_array], mask=flags.address, mask_strides=flags.strides)
        if target.fill(tile, [weigh], block):
            # A zero tap was multiplied by an infinity: compute sums over the non-zero taps alone.
            copy = self._missing.scratch(tile) if block.in_array else block
            self._missing.take_out(tile, block, copy, self._mask)
            target.fill(tile, self._prepared.normalised, copy)
