"""Which transform for which job? Overlap-save: a transform of n points yields n - k + 1 outputs under k taps.

Neighbouring tiles overlap by k - 1 samples::

    tile 0    [- - - - - n - - - - -]
    tile 1                   [- - - - - n - - - - -]
    outputs   0 0 0 0 0 0 0 0|1 1 1 1 1 1 1 1|            n - k + 1 of each tile

Larger transforms lose less to the overlap, smaller ones stay in the cache. The choice is pure: it takes extents and
kernel sizes, and returns a frozen `Tiling`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import Any

import numpy as np

from faltung.engines.rows import tile_count
from faltung.ground.lazy import lazy

__all__ = ["LINE_BYTES", "Tiling", "block_shape", "choose_tiling", "evenly", "transforms"]

#: Bytes of a cache line, and of the longest vector.
LINE_BYTES = 64
#: Rows come in groups of as many as a vector has lanes, and columns in whole vectors, of at most 16 lanes.
LANES = 16
#: Sizes of a transform.
SIZES: list[int] = sorted(2**a * 3**b for a in range(2, 26) for b in range(5))
#: Points of the largest plane for one kernel, unless that is no more than so many times the kernel; bytes for many.
LARGEST_PLANE, TIMES_KERNEL, LARGEST_BY_MANY = 1 << 25, 10, 4_000_000
#: Tilings whose cost is compared in all detail: those of the least cost without blocks and pairs.
COMPARED = 64

# The following values are estimates that are tuned.
#: Cost of loading, transposing, multiplying and storing a point, in stages of radix 2.
OVERHEAD = 6.0
#: Cost of the factors between the rows and columns of a long line, in the same unit.
TWISTING = 3.0
#: Bytes of a plane that stays in the second-level cache, and the slowdown for each doubling beyond that.
CACHED, SLOWER = 1 << 19, 0.05
#: The same for planes that leave it by far: their memory is fresh for each block, too.
FAR, SLOWER_BY_FAR = 1 << 21, 0.15
#: The same if the spectra of many kernels go through that cache, too.
CACHED_BY_MANY, SLOWER_BY_MANY = 1 << 17, 0.17
#: Points in the planes of a block from which handing it to a thread costs little; blocks are smaller only where there
#: would be fewer than so many. Threads take turns in Python between blocks, for longer than a short block takes.
BLOCK_POINTS, BLOCKS = 1 << 17, 4
#: Points in the planes of a block of two whole rows of tiles: its source is gathered in scratch.
MOST_POINTS = 1 << 20


@dataclass(frozen=True)
class Tiling:
    """Transforms of one size, and how they cover the outputs.

    Parameters
    ----------
    plane : tuple of int
        Slabs, rows and columns of the complex array in which a tile is transformed.
    axes : tuple of int or None
        The axes of the job for slabs, rows and columns; None if there is none.
    kind : str
        ``"full"`` if all axes of the plane are transformed, ``"rows"`` if each row is a signal by itself,
        ``"line"`` if all rows together are one long line along the last axis.
    outputs : tuple of int
        Outputs of a whole tile, along each axis of the job.
    """

    plane: tuple[int, int, int]
    axes: tuple[int | None, int | None, int]
    kind: str
    outputs: tuple[int, ...]

    @lazy
    def points(self) -> int:
        """Points of the plane."""
        return math.prod(self.plane)

    @lazy
    def size(self) -> int:
        """Points of one transform."""
        return self.plane[2] if self.kind == "rows" else self.points

    def bytes(self, itemsize: int) -> int:
        """Bytes of the plane: an odd number of cache lines from row to row and from slab to slab.

        Rows a power of two apart would all be kept in the same few places of the cache.
        """
        slabs, rows, _ = self.plane
        return slabs * (rows * self.row_bytes(itemsize) + LINE_BYTES)

    def row_bytes(self, itemsize: int) -> int:
        """Bytes from row to row."""
        return 2 * self.plane[2] * itemsize + LINE_BYTES

    def far(self, itemsize: int) -> float:
        """Return the factor by which a transform takes longer because the plane leaves the cache by far."""
        return float(_far(self.points, itemsize))

    def counts(self, extents: tuple[int, ...]) -> tuple[int, ...]:
        """Tiles that cover so many outputs, along each axis."""
        return tuple(-(-extent // size) for extent, size in zip(extents, self.outputs, strict=True))

    def cost(self, extents: tuple[int, ...], step: int, itemsize: int, many: bool) -> float:
        """Return the time of so many outputs, under many kernels or one, in an arbitrary unit."""
        pairs = transforms(self, extents, step)
        blocks = tile_count(extents, block_shape(self, extents, step))
        # With few blocks, of an odd number, one of two workers waits for the other; a part of that counts.
        waiting = 0.75 + 0.5 * -(-blocks // 2) / max(blocks, 1)
        stages = math.log2(self.size) + OVERHEAD + (TWISTING if self.kind == "line" else 0)
        slowdown = float(_slowdown(self.points, itemsize, many))
        return waiting * pairs * self.points * stages * slowdown


@lru_cache(maxsize=256)
def choose_tiling(
    extents: tuple[int, ...], kernel: tuple[int, ...], step: int, itemsize: int, many: bool = False
) -> Tiling | None:
    """Return the cheapest tiling with a plane of a bounded size, or None if the kernels fit into none of them."""
    most = LARGEST_BY_MANY if many else 2 * itemsize * max(LARGEST_PLANE, TIMES_KERNEL * math.prod(kernel))
    tilings: list[Tiling] = []
    for kind, axes, options in _kinds(extents, kernel):
        for sizes in _cheapest(options, itemsize, many, most):
            planes, valid = zip(*sizes, strict=True)
            outputs = [1] * len(extents)
            for axis, count in zip(axes, valid, strict=True):
                if axis is not None:
                    outputs[axis] = count
            plane = (1, planes[1], planes[2])
            if kind == "line":
                rows = _near_root(planes[2])
                plane = (1, rows, planes[2] // rows)
            tilings.append(Tiling((planes[0], *plane[1:]), axes, kind, tuple(outputs)))
    bounded = (tiling for tiling in tilings if tiling.bytes(itemsize) <= most)
    return min(bounded, key=lambda tiling: tiling.cost(extents, step, itemsize, many), default=None)


#: Sizes of a transform along an axis, each with its outputs and the number of tiles that cover the extent.
_Sizes = list[tuple[int, int, int]]
_ALONE: _Sizes = [(1, 1, 1)]


def _kinds(
    extents: tuple[int, ...], kernel: tuple[int, ...]
) -> Iterator[tuple[str, tuple[int | None, int | None, int], list[_Sizes]]]:
    """Yield kinds of tilings for a kernel over the last axis and up to two others, with sizes of slabs to columns."""
    *others, last = [axis for axis, size in enumerate(kernel) if size > 1]
    columns = _sizes(extents[last], kernel[last], LANES)
    if not others:
        rows = min(64, -(-extents[last - 1] // LANES) * LANES)
        count = -(-extents[last - 1] // rows)
        yield "rows", (None, last - 1, last), [_ALONE, [(rows, rows, count)], columns]
        yield "line", (None, None, last), [_ALONE, _ALONE, _sizes(extents[last], kernel[last], LANES * LANES)]
        return
    row = others[-1]
    slab = others[0] if len(others) > 1 else None
    slabs = _ALONE if slab is None else _sizes(extents[slab], kernel[slab], 1)
    yield "full", (slab, row, last), [slabs, _sizes(extents[row], kernel[row], LANES), columns]


def _cheapest(options: list[_Sizes], itemsize: int, many: bool, most: int) -> Iterator[tuple[tuple[int, int], ...]]:
    """Yield sizes with their outputs, of at most so many bytes: those of the least cost without blocks and pairs."""
    points, tiles = (
        reduce(np.multiply.outer, [np.array([size[k] for size in sizes], float) for sizes in options]) for k in (0, 2)
    )
    stages = np.log2(points) + OVERHEAD
    cost = points * tiles * stages * _slowdown(points, itemsize, many)
    cost[2 * itemsize * points > most] = math.inf
    for index in np.argsort(cost, axis=None)[:COMPARED].tolist():
        places = np.unravel_index(index, cost.shape)
        yield tuple(sizes[place][:2] for sizes, place in zip(options, places, strict=True))


def _slowdown(points: Any, itemsize: int, many: bool) -> Any:
    """Return the factor by which transforms of so many points take longer because they leave the cache."""
    cached, slower = (CACHED_BY_MANY, SLOWER_BY_MANY) if many else (CACHED, SLOWER)
    return (1 + slower * _doublings(points, itemsize, cached)) * _far(points, itemsize)


def _far(points: Any, itemsize: int) -> Any:
    return 1 + SLOWER_BY_FAR * _doublings(points, itemsize, FAR)


def _doublings(points: Any, itemsize: int, size: int) -> Any:
    """Return how many times a plane of so many points is twice as large as a size in bytes."""
    return np.maximum(0.0, np.log2(2 * itemsize * points / size))


def _sizes(extent: int, kernel: int, multiple: int) -> _Sizes:
    """Return sizes of a transform: the smallest for each number of tiles that cover the extent."""
    smallest: dict[int, tuple[int, int, int]] = {}
    for size in SIZES:
        if size >= kernel and size % multiple == 0:
            valid = size - kernel + 1
            count = -(-extent // valid)
            smallest.setdefault(count, (size, min(valid, extent), count))
    return list(smallest.values())


def _near_root(points: int) -> int:
    """Return the largest number of rows, at most the root, for which rows and columns fill vectors."""
    rows = [size for size in SIZES if size % LANES == 0 and points % (size * LANES) == 0]
    return max(size for size in rows if size * size <= points)


def evenly(extent: int, most: int) -> list[tuple[int, int]]:
    """Return starts and lengths of as few tiles as possible, all of nearly the same length."""
    count = -(-extent // most)
    edges = [extent * k // count for k in range(count + 1)]
    return [(start, stop - start) for start, stop in itertools.pairwise(edges)]


def block_shape(tiling: Tiling, extents: tuple[int, ...], step: int) -> tuple[int, ...]:
    """Return the outputs of a block: tiles in pairs, enough for a thread, and few enough for all threads to share."""
    counts = tiling.counts(extents)
    tiles = [1] * len(counts)
    if step % 2:
        even = [axis for axis, count in enumerate(counts) if count % 2 == 0]
        several = [axis for axis, count in enumerate(counts) if count > 1]
        if even:
            tiles[even[-1]] = 2
        elif len(several) > 1 and 2 * counts[several[-1]] * tiling.points <= MOST_POINTS:
            tiles[several[-1]] = counts[several[-1]]
            tiles[several[-2]] = 2
        elif several:
            tiles[several[-1]] = 2
    for axis in reversed(range(len(counts))):
        while (
            tiles[axis] * 2 <= counts[axis]
            and math.prod(tiles) * tiling.points < BLOCK_POINTS
            and math.prod(counts) >= 2 * BLOCKS * math.prod(tiles)
        ):
            tiles[axis] *= 2
    return tuple(
        max(1, -(-extent * tile // count)) for extent, tile, count in zip(extents, tiles, counts, strict=True)
    )


def transforms(tiling: Tiling, extents: tuple[int, ...], step: int) -> int:
    """Return the complex transforms, forwards or backwards, of all blocks: tiles pair only inside a block."""
    block = block_shape(tiling, extents, step)
    # Along each axis there are whole blocks, and what is left behind them.
    both = ([(size, extent // size), (extent % size, 1)] for size, extent in zip(block, extents, strict=True))
    parts = [[(size, number) for size, number in axis if size and number] for axis in both]
    total = 0
    for blocks in itertools.product(*parts):
        tiles = math.prod(tiling.counts(tuple(size for size, _ in blocks)))
        total += math.prod(number for _, number in blocks) * -(-tiles * step // 2)
    return total
