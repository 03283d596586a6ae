"""Where are the tiles? The outputs of a plan, cut into blocks that fit into the cache."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from faltung.planning.planner import Plan
from faltung.planning.problem import Layout

__all__ = ["Tile", "tiles_across", "tiles_beside"]

#: Outputs that a strip along the border has at least across, so that vectors fit into it.
STRIP = 16
#: A problem of at most so many samples and predicted seconds is one tile.
SMALL, QUICK = 1 << 17, 1e-4


@dataclass(frozen=True)
class Tile:
    """A destination block, in positions of the array along slices, row and column.

    Parameters
    ----------
    start, shape : tuple of int
        Its first output, and how many there are along each axis.
    inside : bool
        Whether the whole source block lies in the array.
    """

    start: tuple[int, ...]
    shape: tuple[int, ...]
    inside: bool


def tiles_across(layout: Layout, most: tuple[int, ...]) -> list[Tile]:
    """Cut all outputs into tiles of about the same size, whether or not they reach across the border."""
    return _cut(layout, most, layout.regions)


def tiles_beside(plan: Plan) -> list[Tile]:
    """Cut into tiles that stop at the border, and strips along it, where that beats gathering whole tiles there."""
    layout = plan.problem.layout
    outputs = math.prod(stop - start for start, stop in layout.regions) * layout.step
    if plan.gathers or (outputs <= SMALL and plan.candidates[0].seconds <= QUICK):
        return tiles_across(layout, plan.tile)
    tiles = [tile for box in _boxes(layout, 0, ()) for tile in _cut(layout, _as_many(plan.tile, box), box)]
    return sorted(tiles, key=lambda tile: tile.inside)  # strips take longest: nobody should wait for the last one


def _boxes(layout: Layout, axis: int, above: tuple[tuple[int, int], ...]) -> Iterator[tuple[tuple[int, int], ...]]:
    """Cut strips off both ends of one axis after the other: they are as long as may be, and few."""
    if axis == len(layout.regions):
        yield above
        return
    segments = _segments(layout.regions[axis], layout.origins[axis], layout.sizes[axis], layout.lengths[axis])
    for segment, inside in segments:
        if inside:
            yield from _boxes(layout, axis + 1, (*above, segment))
        else:
            yield (*above, segment, *layout.regions[axis + 1 :])


def _as_many(most: tuple[int, ...], box: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Shape of tiles with about as many outputs, for a box that is narrower than they are."""
    room, shape = math.prod(most), list(most)
    for axis in reversed(range(len(box))):
        start, stop = box[axis]
        narrower = all(shape[k] < most[k] for k in range(axis + 1, len(box)))
        shape[axis] = max(1, min(stop - start, room if narrower and axis < len(box) - 1 else most[axis]))
        room = max(room // shape[axis], 1)
    return tuple(shape)


def _cut(layout: Layout, most: tuple[int, ...], box: Sequence[tuple[int, int]]) -> list[Tile]:
    """Cut a box of outputs into tiles of about the same size, none larger than planned."""
    cuts = [_even(start, stop, length) for (start, stop), length in zip(box, most, strict=True)]
    return [
        Tile(
            tuple(start for start, _ in parts),
            tuple(stop - start for start, stop in parts),
            all(
                start >= origin and stop - 1 - origin + size <= length
                for (start, stop), origin, size, length in zip(
                    parts, layout.origins, layout.sizes, layout.lengths, strict=True
                )
            ),
        )
        for parts in itertools.product(*cuts)
    ]


def _even(start: int, stop: int, most: int) -> list[tuple[int, int]]:
    """Cut an interval into parts of at most `most`, all about as long; multiples of eight where that is possible."""
    count = max(1, -(-(stop - start) // most))
    length = -(-(stop - start) // count)
    length = min(-(-length // 8) * 8, max(most, 1))
    return [(at, min(at + length, stop)) for at in range(start, stop, length)]


def _segments(region: tuple[int, int], origin: int, size: int, length: int) -> list[tuple[tuple[int, int], bool]]:
    """Cut an axis of outputs into what reaches across the border and what lies inside."""
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
