"""How does the plan of a kernel run? Every tile, on every worker.

A tile whose source block is inside the array reads it there. If the tile reaches across the border, or if the engine
cannot read the samples as they are stored, the source block is gathered in scratch first. Borders, strides, byte
orders and half floats need nothing else.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.engines.calls.array_call import ArrayCall
from faltung.ground.lazy import lazy
from faltung.ground.threads import share, worker_count
from faltung.planning.planner import Plan
from faltung.run.filling import Fill, Plain, WeighedAlong, WeighedApart
from faltung.run.gathering import Strides, address_of, source_gatherer, strides_of
from faltung.run.missing import Mask, Missing
from faltung.run.one_call import OneCall
from faltung.run.output import Output
from faltung.run.prepared import Prepared
from faltung.run.source import Source
from faltung.run.tiling import Tile, Tiles, tile_in_time, tiles_across, tiles_beside
from faltung.run.wide_range import mend

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["KernelRunner"]

#: Predicted seconds on one core up to which the work is done before a second thread wakes up.
_ALONE = 2e-4
#: Most strides of arrays that are kept from call to call.
_MOST_STRIDES = 64


class KernelRunner:
    """Runs the plan of a kernel with its machine code, and tables that stay the same from call to call.

    Parameters
    ----------
    plan : Plan
        The plan.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._problem = plan.problem
        self._strides: dict[tuple[Any, ...], Strides] = {}
        self._gather = source_gatherer(self._problem)
        #: Tiles for arrays that the engine can read as they are stored.
        self._tiles = tiles_beside(plan)
        self.prepared = Prepared(plan)
        self.one_call = OneCall(plan, self.prepared, self._gather, self._tiles)

    @property
    def ready(self) -> ArrayCall | None:
        """The call for arrays that it checks itself, if they are small."""
        return None if self.one_call.passing else self.one_call.ready

    @lazy
    def _missing(self) -> Missing:
        return Missing(self._problem)

    @lazy
    def _gathered_tiles(self) -> Tiles:
        """Tiles for arrays of which every source block has to be gathered."""
        return tiles_across(self._problem.layout, tile_in_time(self._plan))

    def run(self, x: NDArray[Any], out: NDArray[Any], workers: int | None, valid: NDArray[Any] | None) -> None:
        """Fill `out`, tile by tile; `valid` is False where a sample is missing."""
        tiles: Tiles | list[Tile] = self._tiles
        if x.flags.c_contiguous and out.flags.c_contiguous:
            tiles = self.one_call.fill(x, out, workers)
            if not tiles:
                return
        self._fill(tiles, x, out, workers, valid)

    def again(self, x: NDArray[Any], out: NDArray[Any], wrong: NDArray[np.bool_]) -> None:
        """Fill the tiles of which the call that is ready said that they have to be done again."""
        self._fill(self.one_call.again(np.flatnonzero(wrong).tolist()), x, out, None, None)

    def _fill(
        self,
        tiles: Tiles | list[Tile],
        x: NDArray[Any],
        out: NDArray[Any],
        workers: int | None,
        valid: NDArray[Any] | None,
    ) -> None:
        """Fill tiles one by one."""
        room = self._missing.room if self._problem.normalised else 0.0
        source = Source(self._problem, x, self._strides_of(x), self._gather, room)
        target = Output(self._problem, out, self._strides_of(out))
        tiles = tiles if source.readable else self._gathered_tiles
        # The code is compiled here: later, every thread would begin by compiling it.
        plain = self._in_place if source.readable else self._gathered
        fill: Fill = self._weighed(plain, valid) if self._problem.normalised else plain

        def work(tile: Tile, _alive: object = (x, valid)) -> None:  # a helper may outlive an interrupted call
            fill(tile, source.block(tile), target)

        if len(tiles) == 1:
            work(*tiles)
        else:
            alone = workers is None and self._plan.seconds < _ALONE
            share(work, tiles, 1 if alone else worker_count(workers))
        if self._problem.combined:
            mend(self._plan, x, out, workers, valid)

    @lazy
    def _in_place(self) -> Plain:
        """Fills tiles of an array that the engine can read as it is stored."""
        tiles = self._tiles
        in_place = self.prepared.in_place if tiles.some_inside else []
        return Plain(in_place, [] if tiles.all_inside else self.prepared.from_scratch)

    @lazy
    def _gathered(self) -> Plain:
        """Fills tiles whose source blocks are all gathered."""
        return Plain([], self.prepared.from_scratch)

    def _weighed(self, plain: Plain, valid: NDArray[Any] | None) -> Fill:
        """Return what fills tiles of samples that may be missing."""
        mask = None if valid is None else self._mask(valid)
        if self.prepared.weighing:
            return WeighedAlong(self.prepared, self._missing, mask)
        return WeighedApart(self.prepared, self._missing, mask, plain)

    def _strides_of(self, array: NDArray[Any]) -> Strides:
        """Return the strides of an array in the axes of the layout, from those of recent arrays if possible."""
        key = (array.strides, array.shape, array.dtype)
        strides = self._strides.get(key)
        if strides is None:
            if len(self._strides) >= _MOST_STRIDES:
                self._strides.clear()
            strides = self._strides[key] = strides_of(array, self._problem.layout)
        return strides

    def _mask(self, valid: NDArray[Any]) -> Mask:
        flags = valid.view(self._problem.weight) if valid.dtype.kind == "b" else valid
        strides = self._strides_of(flags)
        if self._problem.dtype.kind == "c":  # a flag counts for both parts of a sample
            channels = np.repeat(strides.channels, 2)
            strides = replace(strides, channels=channels, packed=False, key=channels.tobytes())
        return Mask(strides, address_of(flags))
