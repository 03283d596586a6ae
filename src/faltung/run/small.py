"""How does a plan run on a small array? All tiles are one call of machine code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from faltung.engines.base import Block, call_of
from faltung.engines.calls.array_call import ArrayCall, PlacedCall, array_call
from faltung.engines.calls.team import Calls, TileCall, team
from faltung.ground.lazy import lazy
from faltung.ground.threads import worker_count
from faltung.planning.planner import Plan
from faltung.run.gathering import Gatherer, address_of, contiguous_strides, offset
from faltung.run.prepared import Prepared
from faltung.run.tiling import Tile, Tiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Small"]

#: Predicted seconds on one core up to which the work is done before a thread that is awake can help.
_ALONE_AWAKE = 1e-4
#: Predicted seconds on one core up to which all tiles are one call, and threads stay awake for the next one.
_BRIEF = 2e-3


class Small:
    """Fills the result for a small array by one call of machine code; array and result are contiguous.

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
    def single(self) -> TileCall | None:
        """The call for a single tile; None if there are more tiles, or if one call cannot do everything."""
        return self._joined(*self._tiles) if len(self._tiles) == 1 else None

    @lazy
    def calls(self) -> Calls | None:
        """The calls for several tiles, if all together take little time."""
        parts = self._parts
        return Calls([part.call for part in parts], [part.target for part in parts]) if parts else None

    @lazy
    def ready(self) -> ArrayCall | None:
        """The call that checks both arrays itself; None if threads may help, or if there is none."""
        single, problem, seconds = self.single, self._plan.problem, self._plan.seconds
        parts = [PlacedCall(single, 0, 0)] if single is not None else self._parts if seconds < _ALONE_AWAKE else []
        if not parts:
            return None
        arrays = (problem.shape, problem.dtype), (problem.result_shape, problem.result)
        return array_call(*arrays, parts, single is not None and single.final, seconds)

    @lazy
    def _parts(self) -> list[PlacedCall]:
        """Every call of several, with the place of its tile; none if they cannot be made, or take long."""
        tiles = self._tiles
        if len(tiles) == 1 or self._plan.seconds > _BRIEF or tiles.some_inside:
            return []
        calls = [call for tile in tiles if (call := self._joined(tile)) and call.fits]
        if len(calls) < len(tiles):
            return []
        problem = self._plan.problem
        target = contiguous_strides(problem.result_shape, problem.result, problem.layout)
        first = problem.layout.first
        return [PlacedCall(call, 0, offset(tile, target, first)) for call, tile in zip(calls, tiles, strict=True)]

    def fill(self, x: NDArray[Any], out: NDArray[Any], workers: int | None) -> bool:
        """Fill the result; return False if that has to be done, or done again, by the loop over tiles."""
        single, calls = self.single, self.calls
        if single is not None:
            return not single(address_of(x), address_of(out))
        if calls is None:
            return False
        alone = workers is None and self._plan.seconds < _ALONE_AWAKE
        helpers = 0 if alone else min(worker_count(workers), calls.count) - 1
        return not team(helpers)(calls, address_of(x), address_of(out))

    def _joined(self, tile: Tile) -> TileCall | None:
        """Gather and filter a tile in one call."""
        problem = self._plan.problem
        if tile.inside or problem.weighted or not (problem.readable and problem.direct):
            return None
        source = contiguous_strides(problem.shape, problem.dtype, problem.layout)
        target = contiguous_strides(problem.result_shape, problem.result, problem.layout)
        gathering = self._gather.gathering(tile, source)
        call = call_of(self._prepared.from_scratch[0], Block(gathering.strides, target.outer, tile.shape))
        if call is None:
            return None
        return TileCall(self._gather.code, gathering.arguments, gathering.size, gathering, call)
