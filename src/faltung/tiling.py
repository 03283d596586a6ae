"""Where are the tiles? The outputs of a plan, cut into blocks that fit into the cache."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from faltung.plan.planner import Plan
from faltung.plan.problem import Layout

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
    segments = [
        _segments(*layout.regions[axis], layout.origins[axis], layout.sizes[axis], layout.lengths[axis])
        for axis in range(len(layout.regions))
    ]
    return [tile for box in itertools.product(*segments) for tile in _cut(layout, plan.tile, box)]


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


def _segments(start: int, stop: int, origin: int, size: int, length: int) -> list[tuple[int, int]]:
    """Cut an axis of outputs into what reaches across the border and what lies inside."""
    first, last = max(start, origin), min(stop, length - size + 1 + origin)
    if first > start:
        first = max(first, min(start + STRIP, stop))
    if last < stop:
        last = min(last, max(stop - STRIP, start))
    if first >= last:
        return [(start, stop)]
    parts = [(start, first), (first, last), (last, stop)]
    return [part for part in parts if part[0] < part[1]]
