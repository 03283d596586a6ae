"""Where are the samples that a tile needs? In the array itself, or gathered in scratch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from faltung.planning.problem import Problem
from faltung.run.gathering import Frame, Gatherer, address_of, offset
from faltung.run.tiling import Tile

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Source", "SourceBlock"]


class SourceBlock(NamedTuple):
    """The source block of a tile.

    Parameters
    ----------
    address : int
        Of the sample under the first tap of the first output.
    strides : tuple of int
        Bytes between neighbours along every axis but the last.
    in_array : bool
        Whether it is a part of the array, and not a copy in scratch.
    buffer : object
        Owns the memory.
    """

    address: int
    strides: tuple[int, ...]
    in_array: bool
    buffer: object


class Source:
    """The array of one call.

    Parameters
    ----------
    problem : Problem
        What is asked.
    x : ndarray
        The array.
    frame : Frame
        Its memory layout.
    gather : Gatherer
        Copies blocks into scratch, extended across the border.
    room : float
        How much more scratch there is behind a gathered block, as a multiple of its size.
    """

    def __init__(self, problem: Problem, x: NDArray[Any], frame: Frame, gather: Gatherer, room: float) -> None:
        self._x, self._frame, self._gather, self._room = x, frame, gather, room
        self._start, self._origins = address_of(x), problem.layout.origins
        #: Whether an engine can read the array as it is stored.
        self.readable = problem.readable and frame.packed

    def block(self, tile: Tile) -> SourceBlock:
        """Return the source block of a tile."""
        if tile.inside and self.readable:
            address = self._start + offset(tile, self._frame, self._origins)
            return SourceBlock(address, self._frame.strides, True, self._x)
        buffer, address, strides = self._gather(tile, self._frame, self._start, self._room)
        return SourceBlock(address, strides, False, buffer)
