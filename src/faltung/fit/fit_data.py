"""Which data is a filter fitted to, and which is it judged by? The training tiles and the held-out tiles of pairs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.fit.pairs import Pairs, Reader, as_pairs
from faltung.fit.sections import Section, images
from faltung.fit.tiles import TileSplitter, moved
from faltung.ground.boundary import check_modes
from faltung.ground.checks import integer, is_sequence, real
from faltung.ground.extended import Region

__all__ = ["FitData", "SectionTiles", "fit_data"]

SectionTiles: TypeAlias = Iterator[tuple[Section, list[Region]]]
"""Sections, each with a list of tiles."""

_MOST_TAPS = 1 << 13
_LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True)
class FitData:
    """Pairs of input and target, and how their tiles are split.

    Parameters
    ----------
    pairs : Pairs
        The data.
    mode, cval
        How the input continues beyond its border.
    fraction : float
        Fraction of the tiles that is held out.
    seed : int
        Seed of the choice of held-out tiles.
    centred : bool
        Whether the means of the first section are subtracted from all samples.
    """

    pairs: Pairs
    mode: str | tuple[str, ...] | None
    cval: float
    fraction: float
    seed: int
    centred: bool

    def training(self) -> SectionTiles:
        """Yield the sections with the tiles that a filter is fitted to."""
        return self._chosen(0)

    def held_out(self) -> SectionTiles:
        """Yield the sections with the tiles that a filter is judged by."""
        return self._chosen(1) if self.fraction else iter(())

    def _chosen(self, which: int) -> SectionTiles:
        """Yield sections with their training tiles (0) or held-out tiles (1)."""
        splitter = TileSplitter(self.fraction, self.seed)
        levels = None
        for image in images(self.pairs, self.mode, self.cval):
            chosen = {*splitter.split(image.tiles)[which]}
            for part in image.parts:
                tiles = [moved(tile, part.first) for tile in part.tiles if tile in chosen]
                if not tiles and (levels is not None or not self.centred):
                    continue  # it is not even read
                section = part.read()
                if self.centred:
                    levels = section.means() if levels is None else levels
                    section = replace(section, levels=levels)
                _check_taps(section)
                yield section, tiles


def _check_taps(section: Section) -> None:
    taps = len(section.source) * math.prod(section.window.size)
    if taps > _MOST_TAPS:
        remedy = "Use a smaller size: memory grows with the square of the number of taps."
        raise ArgumentError("size", f"at most {_MOST_TAPS} taps for each channel out", f"{taps}", remedy)


def fit_data(
    x: Any,
    y: Any,
    size: Any,
    *,
    mode: Any,
    cval: Any,
    axes: Any,
    channel_axis: Any,
    mask: Any,
    weights: Any,
    held_out: Any,
    seed: Any,
    read: Reader | None,
    centred: bool,
) -> FitData:
    """Check the arguments that describe the data of a fit.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used. Arrays are checked later, when they are opened.
    """
    if read is not None and not callable(read):
        raise ArgumentTypeError("read", "a function that makes an array of an item of x or y", repr(read))
    return FitData(
        pairs=as_pairs(x, y, mask, weights, size, axes, channel_axis, read),
        mode=None if mode is None else _mode(mode),
        cval=real("cval", cval),
        fraction=real("held_out", held_out, 0.0, 0.5),
        seed=integer("seed", seed, 0, _LARGEST_SEED),
        centred=centred,
    )


def _mode(mode: Any) -> str | tuple[str, ...]:
    """Return one mode for all axes, or several: their number is compared with that of the axes later."""
    return check_modes(mode, len(mode)) if is_sequence(mode) else check_modes(mode, 1)[0]
