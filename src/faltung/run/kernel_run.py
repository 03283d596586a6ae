"""Run the plan of a kernel: every tile, on every worker.

A tile whose source block is inside the array reads it there. A tile that reaches across the border, or whose samples
the engine cannot read as they are stored, has its source block gathered in scratch first. There is nothing more to
borders, strides, byte orders and half floats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.ground.lazy import lazy
from faltung.ground.threads import share, worker_count
from faltung.planning.planner import Plan
from faltung.run.gathering import Frame, Gatherer, address_of, frame_of, source_gatherer
from faltung.run.missing import Mask, Missing
from faltung.run.prepared import Prepared
from faltung.run.small import Small
from faltung.run.source import Source, SourceBlock
from faltung.run.target import Target
from faltung.run.tiling import Tile, tiles_across, tiles_beside
from faltung.run.weighing import WeighedAlong, WeighedApart

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["KernelRunner"]

#: Predicted seconds of one core in which the work is done before a second thread would have woken up.
_ALONE = 2e-4
#: Most memory layouts of arrays that are kept from call to call.
_MOST_FRAMES = 64

Fill = Callable[[Tile, SourceBlock, Target], object]
"""Fills the outputs of a tile from its source block."""


class KernelRunner:
    """Runs a plan: holds its machine code, and the tables that stay the same from call to call.

    Parameters
    ----------
    plan : Plan
        What runs.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._problem = plan.problem
        self._frames: dict[tuple[Any, ...], Frame] = {}
        self.prepared = Prepared(plan)

    @lazy
    def _gather(self) -> Gatherer:
        return source_gatherer(self._problem)

    @lazy
    def _missing(self) -> Missing:
        return Missing(self._problem)

    @lazy
    def _tiles(self) -> list[Tile]:
        """Tiles of an array that the engine can read as it is stored."""
        return tiles_beside(self._plan)

    @lazy
    def _gathered_tiles(self) -> list[Tile]:
        """Tiles of an array of which every source block must be gathered."""
        return tiles_across(self._problem.layout, self._plan.tile)

    @lazy
    def small(self) -> Small:
        """What fills the result of a small array by one call."""
        return Small(self._plan, self.prepared, self._gather, self._tiles)

    def reads_first(self, x: NDArray[Any], out: NDArray[Any]) -> bool:
        """Whether all samples are read before the first output is written, so that `out` may be `x`."""
        single = self.small.single
        return single is not None and single.final and x.flags.c_contiguous and out.flags.c_contiguous

    def run(self, x: NDArray[Any], out: NDArray[Any], workers: int | None, valid: NDArray[np.bool_] | None) -> None:
        """Fill `out`, tile by tile; `valid` is False where a sample is missing."""
        if self.small.fill(x, out, workers):
            return
        room = self._missing.room if self._problem.weighted else 0.0
        source = Source(self._problem, x, self._frame(x), self._gather, room)
        target = Target(self._problem, out, self._frame(out))
        tiles = self._tiles if source.readable else self._gathered_tiles
        fill = self._filling(source, tiles, valid)

        def work(tile: Tile, _alive: object = (x, valid)) -> None:  # a helper may outlive an interrupted call
            fill(tile, source.block(tile), target)

        alone = workers is None and (len(tiles) == 1 or self._plan.seconds < _ALONE)
        share(work, tiles, 1 if alone else worker_count(workers))

    def _filling(self, source: Source, tiles: list[Tile], valid: NDArray[np.bool_] | None) -> Fill:
        """Choose how tiles are filled, and make the code for it: later, every thread would begin by making it."""
        prepared = self.prepared
        mask = None if valid is None else self._mask(valid)
        if prepared.weighing:
            return WeighedAlong(prepared, self._missing, mask)
        inside = [source.readable and tile.inside for tile in tiles]
        in_array = prepared.in_place if any(inside) else []
        in_scratch = [] if all(inside) else prepared.from_scratch
        if self._problem.weighted:
            return WeighedApart(prepared, self._missing, mask, in_array, in_scratch)

        def fill(tile: Tile, block: SourceBlock, target: Target) -> object:
            return target.fill(tile, in_array if block.in_array else in_scratch, block)

        return fill

    def _frame(self, array: NDArray[Any]) -> Frame:
        """Memory layout of an array in the axes of the layout."""
        key = (array.strides, array.shape, array.dtype)
        frame = self._frames.get(key)
        if frame is None:
            if len(self._frames) >= _MOST_FRAMES:
                self._frames.clear()
            frame = self._frames[key] = frame_of(array, self._problem.layout)
        return frame

    def _mask(self, valid: NDArray[np.bool_]) -> Mask:
        flags = valid.view(np.uint8)
        frame = self._frame(flags)
        if self._problem.dtype.kind == "c":  # a flag counts for both parts of a sample
            channels = np.repeat(frame.channels, 2)
            frame = replace(frame, channels=channels, packed=False, key=channels.tobytes())
        return Mask(frame, address_of(flags))
