"""How does a plan run in one call of machine code? All tiles are in a list, from which every thread takes the next.

Python has no part in it between the first tile and the last one. A small image gains most; but the tiles of a large
one, too, would each wait for the interpreter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from faltung.engines.base import Block, call_of
from faltung.engines.calls.joined import Gathered, Joined
from faltung.engines.calls.team import Calls, TileCall, team
from faltung.ground.lazy import lazy
from faltung.ground.threads import worker_count
from faltung.planning.planner import Plan
from faltung.run.gathering import Gatherer, Strides, address_of, contiguous_strides, offset
from faltung.run.prepared import Prepared
from faltung.run.tiling import LONGEST, Tile, Tiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["OneCall"]

#: Predicted seconds on one core up to which the work is done before a thread that is awake can help.
_ALONE_AWAKE = 1e-4
#: Predicted seconds on one core from which a thread is woken, however often it waited in vain.
_LONG = 4e-4
#: Most tiles that are listed.
_MOST_TILES = 1024


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

    @lazy
    def single(self) -> Joined | None:
        """The call for a single tile; None if there are more tiles, or if one call cannot do everything."""
        if len(self._tiles) != 1 or not self._able:
            return None
        (tile,) = self._tiles
        return None if tile.inside else self._gathered(tile)

    @lazy
    def calls(self) -> Calls | None:
        """The calls for several tiles, if they can all be made and take no longer than an interrupt may wait."""
        tiles, seconds = self._tiles, self._plan.seconds
        if not 1 < len(tiles) <= _MOST_TILES or seconds > LONGEST or not self._able:
            return None
        # The last one is begun first: as in the loop over tiles, strips along the border come before the others.
        order, inside = [*tiles][::-1], dict[tuple[int, ...], TileCall | None]()
        parts = []
        for tile in order:
            if tile.inside and tile.shape not in inside:
                inside[tile.shape] = self._in_place(tile)
            part = inside[tile.shape] if tile.inside else self._gathered(tile)
            if part is None or not part.fits:
                return None
            parts.append(part)
        layout = self._plan.problem.layout
        targets = [offset(tile, self._target, layout.first) for tile in order]
        sources = [offset(tile, self._source, layout.origins) if tile.inside else 0 for tile in order]
        return Calls(parts, targets, sources, seconds >= _LONG)

    def fill(self, x: NDArray[Any], out: NDArray[Any], workers: int | None) -> Tiles | list[Tile]:
        """Fill the result; return the tiles that have to be done, or done again, one by one."""
        single, calls = self.single, self.calls
        if single is not None:
            return self._tiles if single(address_of(x), address_of(out)) else []
        if calls is None:
            return self._tiles
        alone = workers is None and self._plan.seconds < _ALONE_AWAKE
        helpers = 0 if alone else min(worker_count(workers), calls.count) - 1
        wrong = team(helpers)(calls, address_of(x), address_of(out))
        if wrong is None:
            return self._tiles
        if wrong:
            order = [*self._tiles][::-1]
            return [order[number] for number in wrong]
        return []

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
