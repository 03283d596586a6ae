"""Which tiles are the outputs cut into? Most are fitted to, and some are held out to judge the filter by."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from faltung.ground.extended import Region

__all__ = ["TileSplitter", "moved", "tile_sides", "tiled"]

#: Length of the transforms of a tile along each axis, for one, two, and more axes.
_TRANSFORM_LENGTHS = (1 << 15, 1 << 8, 1 << 6)
#: The number of tiles that is aimed at in all images together, and the shortest side that is cut for that.
_TILES, _SHORTEST = 64, 8


def tiled(region: Region, sides: Sequence[int]) -> list[Region]:
    """Cut a region into tiles with these sides; the last tiles along an axis may be shorter.

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


def moved(tile: Region, first: Sequence[int]) -> Region:
    """Return a tile in positions that are counted from another first one.

    Examples
    --------
    >>> moved(((4, 6), (0, 3)), (3, -1))
    ((1, 3), (1, 4))
    """
    return tuple((start - at, stop - at) for (start, stop), at in zip(tile, first, strict=True))


def tile_sides(region: Region, size: Sequence[int], images: int) -> list[int]:
    """Choose the sides of tiles: long enough for fast transforms, but about 64 tiles in all images together.

    Parameters
    ----------
    region : sequence of (int, int)
        The outputs of an image.
    size : sequence of int
        Taps along each axis. The input of a tile is longer than the tile by these, so tiles are not much shorter.
    images : int
        The number of images.

    Examples
    --------
    >>> tile_sides(((0, 3000), (0, 4000)), (15, 15), 1)
    [242, 242]
    >>> tile_sides(((0, 100), (0, 100)), (15, 15), 1)
    [13, 13]
    """
    length = _TRANSFORM_LENGTHS[min(len(size), len(_TRANSFORM_LENGTHS)) - 1]
    lengths = [stop - start for start, stop in region]
    sides = [min(total, max(length - taps + 1, 3 * taps)) for total, taps in zip(lengths, size, strict=True)]
    enough = math.ceil(_TILES / images)
    while math.prod(math.ceil(total / side) for total, side in zip(lengths, sides, strict=True)) < enough:
        longest = max(range(len(sides)), key=sides.__getitem__)
        if sides[longest] <= _SHORTEST:
            break
        sides[longest] = math.ceil(sides[longest] / 2)
    return sides


class TileSplitter:
    """Splits the tiles of one image after the other, in the same way in every pass over the data.

    Parameters
    ----------
    fraction : float
        Fraction of all tiles that is held out, from 0 to 0.5.
    seed : int
        Seed of the choice.
    """

    def __init__(self, fraction: float, seed: int) -> None:
        self._fraction, self._seed = fraction, seed
        self._images = self._tiles = 0

    def split(self, tiles: Sequence[Region]) -> tuple[list[Region], list[Region]]:
        """Return the training tiles and the held-out tiles of the next image.

        Examples
        --------
        >>> training, held_out = TileSplitter(0.25, seed=0).split(tiled(((0, 8),), [1]))
        >>> len(training), len(held_out)
        (6, 2)
        """
        before, self._tiles = self._tiles, self._tiles + len(tiles)
        # Rounding the running total, not the image, is right also if each image has one tile.
        count = round(self._fraction * self._tiles) - round(self._fraction * before)
        order = np.random.default_rng([self._seed, self._images]).permutation(len(tiles))
        self._images += 1
        chosen = {*order[:count].tolist()}
        return (
            [tile for number, tile in enumerate(tiles) if number not in chosen],
            [tile for number, tile in enumerate(tiles) if number in chosen],
        )
