"""How are outputs cut into tiles? Into blocks that fit into the cache, at the border or across it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from faltung.planning.planner import Plan
from faltung.planning.problem import Layout

__all__ = ["Tile", "tiles_across", "tiles_beside"]

#: Least width of a strip along the border, so that vectors fit into it.
STRIP = 16
#: Samples and predicted seconds up to which a problem is cut into tiles across the border.
SMALL, QUICK = 1 << 17, 1e-4


@dataclass(frozen=True)
class Tile:
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


def tiles_across(layout: Layout, most: tuple[int, ...]) -> list[Tile]:
    """Cut all outputs into tiles of about the same size, which may reach across the border."""
    return _cut(layout, most, layout.regions)


def tiles_beside(plan: Plan) -> list[Tile]:
    """Cut into tiles that stop at the border, and strips along it, if that is faster than gathering whole tiles."""
    layout = plan.problem.layout
    outputs = math.prod(stop - start for start, stop in layout.regions) * layout.step
    if plan.gathers or (outputs <= SMALL and plan.candidates[0].seconds <= QUICK):
        return tiles_across(layout, plan.tile)
    tiles = [tile for box in _boxes(layout, 0, ()) for tile in _cut(layout, _as_many(plan.tile, box), box)]
    return sorted(tiles, key=lambda tile: tile.inside)  # strips take longest: no thread waits for the last one


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


def _as_many(most: tuple[int, ...], box: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Return the shape of tiles with about as many outputs, for a box that is narrower than the planned tiles."""
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
