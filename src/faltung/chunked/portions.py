"""In which portions is a result computed and written? In whole units of the file, as large as the memory allows.

A *unit* is what a file is written in: a shard, or else a chunk. Two writers never meet in one. A *portion* is a box
of neighbouring units that are written together. It is computed in *pieces*, if it is too large for one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from faltung.ground.extended import Region

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MOST_UNITS", "Portion", "Portions", "box_of_bytes", "pieces_of", "slices_of", "unit_counts"]


#: Units of a portion: each of them has a name, and maybe a file.
MOST_UNITS = 2**16


class Portion(NamedTuple):
    """A box of the result that is written at once.

    Parameters
    ----------
    region : tuple of (int, int)
        Start and stop on each axis of the result.
    units : tuple of tuple of int
        The units that it consists of.
    """

    region: Region
    units: tuple[tuple[int, ...], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return tuple(stop - start for start, stop in self.region)


class Portions:
    """All portions of a result, in the order in which they are computed.

    Parameters
    ----------
    shape : tuple of int
        Shape of the result.
    unit : tuple of int
        Shape of a unit.
    box : tuple of int
        Shape of a portion: a multiple of the unit on each axis.

    Examples
    --------
    >>> portions = Portions((5, 4), (2, 2), (4, 2))
    >>> portions.counts
    (3, 2)
    >>> [portion.region for portion in portions.left(np.zeros((3, 2), bool))]
    [((0, 4), (0, 2)), ((0, 4), (2, 4)), ((4, 5), (0, 2)), ((4, 5), (2, 4))]
    """

    def __init__(self, shape: Sequence[int], unit: Sequence[int], box: Sequence[int]) -> None:
        self.shape, self.unit, self.box = tuple(shape), tuple(unit), tuple(box)

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of units along each axis."""
        return unit_counts(self.shape, self.unit)

    def left(self, done: NDArray[np.bool_]) -> Iterator[Portion]:
        """Yield what is not done: whole portions, or single units of those that are done in part."""
        steps = [size // part for size, part in zip(self.box, self.unit, strict=True)]
        for first in _places(self.counts, steps):
            spans = [(at, min(at + step, count)) for at, step, count in zip(first, steps, self.counts, strict=True)]
            state = done[tuple(slice(*span) for span in spans)]
            if not state.any():
                yield self._portion(spans)
            elif not state.all():
                for unit in np.argwhere(~state).tolist():
                    yield self._portion([(low + at, low + at + 1) for (low, _), at in zip(spans, unit, strict=True)])

    def _portion(self, spans: Sequence[tuple[int, int]]) -> Portion:
        region = tuple(
            (start * size, min(stop * size, length))
            for (start, stop), size, length in zip(spans, self.unit, self.shape, strict=True)
        )
        return Portion(region, tuple(itertools.product(*(range(*span) for span in spans))))


def unit_counts(shape: Sequence[int], unit: Sequence[int]) -> tuple[int, ...]:
    """Return the number of units along each axis.

    Examples
    --------
    >>> unit_counts((5, 4), (2, 2))
    (3, 2)
    """
    return tuple(-(-length // size) for length, size in zip(shape, unit, strict=True))


def _places(counts: Sequence[int], steps: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield the first units of all portions; `itertools.product` would keep those of each axis in memory."""
    if not counts:
        yield ()
        return
    for first in range(0, counts[0], steps[0]):
        for rest in _places(counts[1:], steps[1:]):
            yield (first, *rest)


def box_of_bytes(unit: Sequence[int], shape: Sequence[int], itemsize: int, most: float) -> tuple[int, ...]:
    """Return a multiple of a unit, about as long on all axes, of at most so many bytes, but at least one unit.

    It has at most `MOST_UNITS` units.

    Examples
    --------
    >>> box_of_bytes((100, 100), (1000, 250), 4, 400_000)
    (400, 300)
    """
    box = list(unit)
    grows = [length > size for length, size in zip(shape, box, strict=True)]
    while any(grows):
        axis = min((axis for axis, can in enumerate(grows) if can), key=lambda axis: box[axis])
        longer = [*box[:axis], box[axis] + unit[axis], *box[axis + 1 :]]
        held = math.prod(map(min, longer, shape)) * itemsize
        units = math.prod(size // part for size, part in zip(longer, unit, strict=True))
        if held > most or units > MOST_UNITS:
            grows[axis] = False
            continue
        box = longer
        grows[axis] = box[axis] < shape[axis]
    return tuple(box)


def pieces_of(region: Region, most: Sequence[int]) -> Iterator[Region]:
    """Yield parts of a region that are at most so long on each axis, of about equal lengths.

    Examples
    --------
    >>> [*pieces_of(((0, 5), (2, 4)), (3, 9))]
    [((0, 3), (2, 4)), ((3, 5), (2, 4))]
    """
    axes: list[list[tuple[int, int]]] = []
    for (start, stop), length in zip(region, most, strict=True):
        count = max(1, -(-(stop - start) // length))
        edges = [start - (start - stop) * at // count for at in range(count + 1)]
        axes.append([*itertools.pairwise(edges)])
    yield from itertools.product(*axes)


def slices_of(region: Sequence[tuple[int, int]], origin: Sequence[tuple[int, int]] | None = None) -> Any:
    """Return a region as slices: of the whole array, or of the part of it that begins where `origin` does."""
    starts = [0] * len(region) if origin is None else [start for start, _ in origin]
    return tuple(slice(low - at, high - at) for (low, high), at in zip(region, starts, strict=True))
