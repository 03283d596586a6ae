"""Which memory does a tile read? The array itself, or scratch, where its source block was gathered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from faltung.planning.problem import Problem
from faltung.run.gathering import Gatherer, Strides, address_of, offset
from faltung.run.tiling import Tile

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Source", "SourceBlock"]


class SourceBlock(NamedTuple):
    """The source block of a tile.

    Parameters
    ----------
    address : int
        Address of the sample under the first tap of the first output.
    strides : tuple of int
        Bytes between neighbouring samples along every axis but the last.
    in_array : bool
        Whether it is a part of the array, and not a copy in scratch.
    buffer : object
        The owner of the memory.
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
        The problem.
    x : ndarray
        The array.
    strides : Strides
        Its strides.
    gather : Gatherer
        Copies blocks into scratch, extended across the border.
    room : float
        Scratch behind a gathered block, as a multiple of its size.
    """

    def __init__(self, problem: Problem, x: NDArray[Any], strides: Strides, gather: Gatherer, room: float) -> None:
        self._x, self._strides, self._gather, self._room = x, strides, gather, room
        self._start, self._origins = address_of(x), problem.layout.origins
        #: Whether an engine can read the array as it is stored.
        self.readable = problem.readable and strides.packed

    def block(self, tile: Tile) -> SourceBlock:
        """Return the source block of a tile."""
        if tile.inside and self.readable:
            address = self._start + offset(tile, self._strides, self._origins)
            return SourceBlock(address, self._strides.outer, True, self._x)
        buffer, address, strides = self._gather(tile, self._strides, self._start, self._room)
        return SourceBlock(address, strides, False, buffer)
