"""How are outputs cut into tiles? Into blocks that fit into the cache, at the border or across it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from faltung.engines.catalogue import EXACT
from faltung.ground.bounded import Bounded
from faltung.ground.lazy import lazy
from faltung.planning.computed_axes import Layout
from faltung.planning.planner import Plan

__all__ = ["Tile", "Tiles", "tile_in_time", "tiles_across", "tiles_beside"]

#: Least width of a strip along the border, so that vectors fit into it.
STRIP = 16
#: Samples of the array from the first to the last output of a strip along the border: if the memory of the result is
#: new, the system clears all of it when the strip is filled, which nothing interrupts.
SPANNED = 1 << 24
#: Samples and predicted seconds up to which a problem is cut into tiles across the border.
SMALL, QUICK = 1 << 17, 1e-4
#: Most tiles that are kept from call to call.
KEPT = 1024
#: Bytes of a tile, and of a part of an axis, approximately.
_PART_BYTES = 512
#: Most predicted seconds of a tile: an interrupt (Ctrl-C) is noticed between tiles.
LONGEST = 0.05


class Tile(NamedTuple):
    """Outputs that are computed at once, in positions of the array along slices, row and column.

    Parameters
    ----------
    start, shape : tuple of int
        Position of the first output, and number of outputs along each axis.
    inside : bool
        Whether the whole source block is inside the array.
    """

    start: tuple[int, ...]
    shape: tuple[int, ...]
    inside: bool


class _Part(NamedTuple):
    """A part of an axis: its first output, their number, and whether all that they read is inside the array."""

    start: int
    size: int
    inside: bool


class Tiles:
    """All tiles of an array: made one after the other where there are many, since there may be millions.

    Parameters
    ----------
    boxes : list of list of list of _Part
        Boxes of outputs; for each axis of a box the parts into which it is cut.
    """

    def __init__(self, boxes: list[list[list[_Part]]]) -> None:
        self._boxes = boxes
        self._count = sum(math.prod(map(len, box)) for box in boxes)

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Bytes that the tiles take, approximately; parts of an axis are shared by all of them."""
        parts = sum(len(axis) for box in self._boxes for axis in box)
        return _PART_BYTES * (2 + parts + (self._count if self._count <= KEPT else 0))

    def __getitem__(self, number: int) -> Tile:
        """Return the tile that comes after `number` others."""
        if self._count <= KEPT:
            return self._kept[number]
        for box in self._boxes:
            count = math.prod(map(len, box))
            if number < count:
                places = np.unravel_index(number, [*map(len, box)])
                return _tile(axis[place] for axis, place in zip(box, places, strict=True))
            number -= count
        raise IndexError(number)

    def __iter__(self) -> Iterator[Tile]:
        return iter(self._kept) if self._count <= KEPT else self._made()

    @lazy
    def _kept(self) -> tuple[Tile, ...]:
        return tuple(self._made())

    def _made(self) -> Iterator[Tile]:
        for box in self._boxes:
            yield from map(_tile, itertools.product(*box))

    @lazy
    def some_inside(self) -> bool:
        """Whether the source block of any tile is inside the array."""
        return any(all(any(part.inside for part in axis) for axis in box) for box in self._boxes)

    @lazy
    def all_inside(self) -> bool:
        """Whether the source blocks of all tiles are inside the array."""
        return all(_is_inside(box) for box in self._boxes)


def _tile(parts: Iterable[_Part]) -> Tile:
    starts, sizes, inside = zip(*parts, strict=True)
    return Tile(starts, sizes, all(inside))


def _is_inside(box: list[list[_Part]]) -> bool:
    return all(part.inside for axis in box for part in axis)


def tile_in_time(plan: Plan) -> tuple[int, ...]:
    """Return the shape of tiles: the planned one, or less if that takes too long, as for a very large kernel."""
    shape, layout = list(plan.tile), plan.problem.layout
    if plan.engines != (EXACT.name,):
        return plan.tile  # other engines take long only for many outputs, and a smaller tile would hardly be faster
    outputs = math.prod(stop - start for start, stop in layout.regions)
    most = LONGEST * outputs / max(plan.seconds, LONGEST)
    for axis in range(len(shape)):
        size = math.prod(shape)
        if size > most:
            shape[axis] = max(1, int(shape[axis] * most / size))
    return tuple(shape)


def tiles_across(layout: Layout, most: tuple[int, ...]) -> Tiles:
    """Cut all outputs into tiles of about the same size, which may reach across the border."""
    return _tiles(layout, most, True)


def tiles_beside(plan: Plan) -> Tiles:
    """Cut into tiles that stop at the border, and strips along it, if that is faster than gathering whole tiles."""
    layout = plan.problem.layout
    tile = tile_in_time(plan)
    outputs = math.prod(stop - start for start, stop in layout.regions) * layout.step
    return _tiles(layout, tile, plan.gathers or (outputs <= SMALL and plan.seconds <= QUICK))


#: Tiles of recent layouts.
_recent: Bounded[tuple[Layout, tuple[int, ...], bool], Tiles] = Bounded(64, 1 << 22)


def _tiles(layout: Layout, tile: tuple[int, ...], across: bool) -> Tiles:
    """Return the tiles, which do not depend on taps."""
    return _recent.get_or_make((layout, tile, across), lambda: _cut_all(layout, tile, across), attrgetter("nbytes"))


def _cut_all(layout: Layout, tile: tuple[int, ...], across: bool) -> Tiles:
    if across:
        return Tiles([_cut(layout, tile, layout.regions)])
    boxes = [_cut(layout, _as_many(tile, box, layout), box) for box in _boxes(layout, 0, ())]
    return Tiles(sorted(boxes, key=_is_inside))  # strips take longest: no thread waits for the last one


def _boxes(layout: Layout, axis: int, above: tuple[tuple[int, int], ...]) -> Iterator[tuple[tuple[int, int], ...]]:
    """Cut strips off both ends of one axis after the other, so that strips are long and few."""
    if axis == len(layout.regions):
        yield above
        return
    segments = _segments(layout.regions[axis], layout.origins[axis], layout.sizes[axis], layout.lengths[axis])
    for segment, inside in segments:
        if inside:
            yield from _boxes(layout, axis + 1, (*above, segment))
        else:
            yield (*above, segment, *layout.regions[axis + 1 :])


def _as_many(most: tuple[int, ...], box: Sequence[tuple[int, int]], layout: Layout) -> tuple[int, ...]:
    """Return the shape of tiles with about as many outputs, for a box that is narrower than the planned tiles."""
    room, shape = math.prod(most), list(most)
    beside = layout.step  # samples from one position along an axis to the next
    for axis in reversed(range(len(box))):
        start, stop = box[axis]
        narrower = all(shape[k] < most[k] for k in range(axis + 1, len(box)))
        longest = min(room, max(most[axis], SPANNED // beside)) if narrower and axis < len(box) - 1 else most[axis]
        shape[axis] = max(1, min(stop - start, longest))
        room = max(room // shape[axis], 1)
        beside *= max(layout.lengths[axis], 1)
    return tuple(shape)


def _cut(layout: Layout, most: tuple[int, ...], box: Sequence[tuple[int, int]]) -> list[list[_Part]]:
    """Cut each axis of a box of outputs into parts of about the same size, none larger than planned."""
    axes = zip(box, most, layout.origins, layout.sizes, layout.lengths, strict=True)
    return [
        [
            _Part(first, last - first, first >= origin and last - 1 - origin + size <= length)
            for first, last in _even(start, stop, longest)
        ]
        for (start, stop), longest, origin, size, length in axes
    ]


def _even(start: int, stop: int, most: int) -> list[tuple[int, int]]:
    """Cut an interval into parts of at most `most`, of about the same length; multiples of eight if possible."""
    count = max(1, -(-(stop - start) // most))
    length = -(-(stop - start) // count)
    length = min(-(-length // 8) * 8, max(most, 1))
    return [(first, min(first + length, stop)) for first in range(start, stop, length)]


def _segments(region: tuple[int, int], origin: int, size: int, length: int) -> list[tuple[tuple[int, int], bool]]:
    """Cut an axis of outputs into segments that reach across the border, and one inside."""
    start, stop = region
    first, last = max(start, origin), min(stop, length - size + 1 + origin)
    if first > start:
        first = max(first, min(start + STRIP, stop))
    if last < stop:
        last = min(last, max(stop - STRIP, start))
    if first >= last:
        return [(region, False)]
    parts = [((start, first), False), ((first, last), True), ((last, stop), False)]
    return [(part, inside) for part, inside in parts if part[0] < part[1]]
