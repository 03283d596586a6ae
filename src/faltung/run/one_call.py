"""How does a plan run in one call of machine code? All tiles are in a list, from which every thread takes the next.

Python has no part in it between the first tile and the last one. A small image gains most; but the tiles of a large
one, too, would each wait for the interpreter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from faltung.engines.base import Block, call_of
from faltung.engines.calls.array_call import ArrayCall, array_call
from faltung.engines.calls.joined import Gathered
from faltung.engines.calls.team import Calls, TileCall, most_helpers, team
from faltung.ground.lazy import lazy
from faltung.planning.planner import Plan
from faltung.run.gathering import Gatherer, Strides, address_of, contiguous_strides, offset
from faltung.run.prepared import Prepared
from faltung.run.tiling import LONGEST, Tile, Tiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["OneCall"]

#: Predicted seconds on one core up to which the work is done before a thread that is awake can help.
_ALONE_AWAKE = 1e-4
#: Predicted seconds on one core from which a thread is woken by every call, however often it waited in vain.
_LONG = 4e-4
#: Most tiles that are listed.
_MOST_TILES = 1024
#: Most calls that go tile by tile after one in which most tiles had to be done again.
_MOST_PASSED = 63


class OneCall:
    """Fills the result by one call of machine code; array and result are contiguous.

    Parameters
    ----------
    plan : Plan
        The plan.
    prepared : Prepared
        Its block functions.
    gather : Gatherer
        Collects source blocks.
    tiles : Tiles
        All tiles of the result.
    """

    def __init__(self, plan: Plan, prepared: Prepared, gather: Gatherer, tiles: Tiles) -> None:
        self._plan, self._prepared, self._gather, self._tiles = plan, prepared, gather, tiles
        self._passes = self._passed = 0

    @lazy
    def single(self) -> TileCall | None:
        """The call for a single tile; None if there are more tiles, or if one call cannot do everything."""
        if len(self._tiles) != 1 or not self._able:
            return None
        (tile,) = self._tiles
        call = None if tile.inside else self._gathered(tile)
        return call if call is not None and call.fits else None

    @lazy
    def calls(self) -> Calls | None:
        """The calls for several tiles, if they can all be made and take no longer than an interrupt may wait."""
        tiles, seconds = self._tiles, self._plan.seconds
        if not 1 < len(tiles) <= _MOST_TILES or seconds > LONGEST or not self._able:
            return None
        inside: dict[tuple[int, ...], TileCall | None] = {}
        layout, parts, sources, targets = self._plan.problem.layout, [], [], []
        for tile in self._order:
            if tile.inside and tile.shape not in inside:
                inside[tile.shape] = self._in_place(tile)
            call = inside[tile.shape] if tile.inside else self._gathered(tile)
            if call is None or not call.fits:
                return None
            parts.append(call)
            sources.append(offset(tile, self._source, layout.origins) if tile.inside else 0)
            targets.append(offset(tile, self._target, layout.first))
        return Calls(parts, targets, sources, seconds >= _LONG)

    @lazy
    def ready(self) -> ArrayCall | None:
        """The call that checks both arrays itself, if there is one."""
        single, problem, seconds = self.single, self._plan.problem, self._plan.seconds
        calls = Calls([single], [0]) if single is not None else self.calls
        if calls is None:
            return None
        arrays = (problem.shape, problem.dtype), (problem.result_shape, problem.result)
        shared = single is None and seconds >= _ALONE_AWAKE
        return array_call(*arrays, calls, single is not None and single.final, seconds, shared)

    @property
    def passing(self) -> bool:
        """Whether the next image goes tile by tile: of one before, most tiles had to be done again."""
        return self._passed < self._passes

    @property
    def _order(self) -> list[Tile]:
        """All tiles; the last one is begun first: as in the loop, strips along the border come before the others."""
        return [*self._tiles][::-1]

    def fill(self, x: NDArray[Any], out: NDArray[Any], workers: int | None) -> Tiles | list[Tile]:
        """Fill the result; return the tiles that have to be done, or done again, one by one."""
        single, calls = self.single, self.calls
        if single is not None:
            return self._tiles if single(address_of(x), address_of(out)) else []
        if calls is None:
            return self._tiles
        if self.passing:
            self._passed += 1
            return self._tiles
        alone = workers is None and self._plan.seconds < _ALONE_AWAKE
        wrong = team(0 if alone else most_helpers(workers))(calls, address_of(x), address_of(out))
        if wrong is None:
            return self._tiles
        return self.again(wrong)

    def again(self, wrong: Sequence[int]) -> list[Tile]:
        """Return the tiles of the calls with these numbers, which have to be done again one by one."""
        count = len(self._tiles)
        # Samples like these would have most tiles done twice.
        self._passes = min(2 * self._passes + 1, _MOST_PASSED) if 2 * len(wrong) > count else 0
        self._passed = 0
        order = self._order if wrong else []
        return [order[number] for number in wrong]

    @lazy
    def _able(self) -> bool:
        """Whether blocks can be read as they are stored, and written into the result."""
        problem = self._plan.problem
        return problem.readable and problem.direct and not problem.weighted

    @lazy
    def _source(self) -> Strides:
        problem = self._plan.problem
        return contiguous_strides(problem.shape, problem.dtype, problem.layout)

    @lazy
    def _target(self) -> Strides:
        problem = self._plan.problem
        return contiguous_strides(problem.result_shape, problem.result, problem.layout)

    def _gathered(self, tile: Tile) -> TileCall | None:
        """Gather and filter a tile in one call."""
        gathering = self._gather.gathering(tile, self._source)
        block = Block(gathering.strides, self._target.outer, tile.shape)
        call = call_of(self._prepared.from_scratch[0], block)
        gathered = Gathered(self._gather.code, gathering.arguments, gathering.size, gathering)
        return None if call is None else TileCall(call, gathered)

    def _in_place(self, tile: Tile) -> TileCall | None:
        """Filter a tile whose source block is a part of the array."""
        call = call_of(self._prepared.in_place[0], Block(self._source.outer, self._target.outer, tile.shape))
        return None if call is None else TileCall(call)
