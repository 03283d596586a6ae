"""How is a tile with missing samples filled? Weights are summed along with the samples, or apart from them."""

from __future__ import annotations

from functools import partial

from faltung.run.missing import Mask, Missing
from faltung.run.prepared import Functions, Prepared
from faltung.run.source import SourceBlock
from faltung.run.target import Target
from faltung.run.tiling import Tile

__all__ = ["WeighedAlong", "WeighedApart"]


class WeighedApart:
    """Correlates samples and weights one after the other in tiles that miss a sample, and fills others as usual.

    Parameters
    ----------
    prepared : Prepared
        The block functions of the plan.
    missing : Missing
        Finds the missing samples.
    mask : Mask, optional
        Which samples are valid.
    in_array, in_scratch : list of BlockFunction
        What fills a tile without missing samples.
    """

    def __init__(
        self, prepared: Prepared, missing: Missing, mask: Mask | None, in_array: Functions, in_scratch: Functions
    ) -> None:
        self._normalised = prepared.normalised
        self._missing, self._mask = missing, mask
        self._in_array, self._in_scratch = in_array, in_scratch

    def __call__(self, tile: Tile, block: SourceBlock, target: Target) -> None:
        """Fill a tile."""
        copy = self._missing.scratch(tile) if block.in_array else block
        if self._missing.take_out(tile, block, copy, self._mask):
            target.fill(tile, self._normalised, copy)
        else:
            target.fill(tile, self._in_array if block.in_array else self._in_scratch, block)


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

    def __call__(self, tile: Tile, block: SourceBlock, target: Target) -> None:
        """Fill a tile."""
        flags = self._missing.flags(tile, self._mask)
        weigh = partial(self._weighing[block.in_array], mask=flags.address, mask_strides=flags.strides)
        if target.fill(tile, [weigh], block):
            # A zero tap was multiplied by an infinity: sums over the non-zero taps alone are right.
            copy = self._missing.scratch(tile) if block.in_array else block
            self._missing.take_out(tile, block, copy, self._mask)
            target.fill(tile, self._prepared.normalised, copy)
