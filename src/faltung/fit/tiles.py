"""Where are the tiles? Regions that the sums are computed over, some of which are held out to judge the result by."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from faltung.ground.extended import Region

__all__ = ["HoldOut", "tile_sides", "tiled"]

#: Samples along each axis that the transforms of a tile have, for one, two, and more axes.
_TRANSFORMED = (1 << 15, 1 << 8, 1 << 6)
#: How many tiles there are at least where there is room for them, and how small they may be for that.
_MOST, _SHORTEST = 64, 8


def tiled(region: Region, sides: Sequence[int]) -> list[Region]:
    """Cut a region into tiles with these sides, the last ones shorter.

    Examples
    --------
    >>> tiled(((0, 5),), [2])
    [((0, 2),), ((2, 4),), ((4, 5),)]
    """
    cuts = [
        [(at, min(at + side, stop)) for at in range(start, stop, side)]
        for (start, stop), side in zip(region, sides, strict=True)
    ]
    return [*itertools.product(*cuts)]


def tile_sides(region: Region, size: Sequence[int], sections: int) -> list[int]:
    """Choose the sides of tiles: as suits the transforms, or smaller for some 64 tiles in all sections together.

    Parameters
    ----------
    region : sequence of (int, int)
        The outputs of a section.
    size : sequence of int
        Taps along each axis. Tiles are not much smaller, since each needs an input longer by that.
    sections : int
        How many sections there are.

    Examples
    --------
    >>> tile_sides(((0, 3000), (0, 4000)), (15, 15), 1)
    [242, 242]
    >>> tile_sides(((0, 100), (0, 100)), (15, 15), 1)
    [13, 13]
    """
    length = _TRANSFORMED[min(len(size), len(_TRANSFORMED)) - 1]
    lengths = [stop - start for start, stop in region]
    sides = [min(total, max(length - taps + 1, 3 * taps)) for total, taps in zip(lengths, size, strict=True)]
    enough = math.ceil(_MOST / sections)
    while math.prod(math.ceil(total / side) for total, side in zip(lengths, sides, strict=True)) < enough:
        longest = max(range(len(sides)), key=sides.__getitem__)
        if sides[longest] <= _SHORTEST:
            break
        sides[longest] = math.ceil(sides[longest] / 2)
    return sides


class HoldOut:
    """The same choice of tiles, as often as it is asked for in the same order.

    Parameters
    ----------
    fraction : float
        How many of all tiles are held out, from 0 to 0.5.
    seed : int
        Of the choice.
    """

    def __init__(self, fraction: float, seed: int) -> None:
        self._fraction, self._seed = fraction, seed
        self._sections = self._tiles = 0

    def split(self, tiles: Sequence[Region]) -> tuple[list[Region], list[Region]]:
        """Return the tiles of the next section that are kept, and those that are held out.

        Examples
        --------
        >>> kept, held_out = HoldOut(0.25, seed=0).split(tiled(((0, 8),), [1]))
        >>> len(kept), len(held_out)
        (6, 2)
        """
        before, self._tiles = self._tiles, self._tiles + len(tiles)
        # What rounding leaves over in one section is made up for in the next: there may be one tile in each.
        count = round(self._fraction * self._tiles) - round(self._fraction * before)
        order = np.random.default_rng([self._seed, self._sections]).permutation(len(tiles))
        self._sections += 1
        chosen = {*order[:count].tolist()}
        return (
            [tile for number, tile in enumerate(tiles) if number not in chosen],
            [tile for number, tile in enumerate(tiles) if number in chosen],
        )
