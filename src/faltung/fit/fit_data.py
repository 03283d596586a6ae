"""What is a filter fitted to, and what is it judged by? The training tiles and the held-out tiles of pairs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.fit.pairs import Pairs, Reader, as_pairs
from faltung.fit.sections import Section, sections
from faltung.fit.tiles import HoldOut, tile_sides, tiled
from faltung.ground.boundary import check_mode
from faltung.ground.checks import integer, real
from faltung.ground.extended import Region

__all__ = ["FitData", "Work", "fit_data"]

Work = Iterator[tuple[Section, list[Region]]]
"""Sections, and tiles of each."""

_MOST_TAPS = 1 << 13
_LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True)
class FitData:
    """Pairs, and how they are split.

    Parameters
    ----------
    pairs : Pairs
        The data.
    mode, cval
        How the input goes on beyond its border.
    fraction : float
        How many of the tiles are held out.
    seed : int
        Of the choice of those.
    """

    pairs: Pairs
    mode: str | None
    cval: float
    fraction: float
    seed: int

    def training(self) -> Work:
        """Go through the data, with the tiles that a filter is fitted to."""
        return ((section, training) for section, training, _ in self._split())

    def held_out(self) -> Work:
        """Go through the data, with the tiles that a filter is judged by."""
        return ((section, held_out) for section, _, held_out in self._split()) if self.fraction else iter(())

    def _split(self) -> Iterator[tuple[Section, list[Region], list[Region]]]:
        choice = HoldOut(self.fraction, self.seed)
        for section, count in sections(self.pairs, self.mode, self.cval):
            taps = len(section.source) * math.prod(section.window.size)
            if taps > _MOST_TAPS:
                remedy = "The normal equations hold the square of that in memory."
                raise ArgumentError("size", f"at most {_MOST_TAPS} taps for each channel out", f"{taps}", remedy)
            sides = tile_sides(section.region, section.window.size, count)
            yield (section, *choice.split(tiled(section.region, sides)))


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
) -> FitData:
    """Check what a caller gave.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used. What is wrong with an array is said when it is opened.
    """
    if read is not None and not callable(read):
        raise ArgumentTypeError("read", "a function that makes an array of an item of x or y", repr(read))
    return FitData(
        pairs=as_pairs(x, y, mask, weights, size, axes, channel_axis, read),
        mode=None if mode is None else check_mode(mode),
        cval=real("cval", cval),
        fraction=real("held_out", held_out, 0.0, 0.5),
        seed=integer("seed", seed, 0, _LARGEST_SEED),
    )
