"""How are the outputs of a tile written? Into the result itself, or through scratch, where they are converted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.engines.base import Block, BlockFunction
from faltung.ground import scratch
from faltung.planning.problem import Problem
from faltung.run.gathering import Strides, address_of, offset
from faltung.run.source import SourceBlock
from faltung.run.tiling import Tile

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Output"]


class Output:
    """The result of one call, as the target of its tiles.

    Parameters
    ----------
    problem : Problem
        The problem.
    out : ndarray
        The result.
    strides : Strides
        Its strides.
    """

    def __init__(self, problem: Problem, out: NDArray[Any], strides: Strides) -> None:
        self._problem, self._out, self._strides = problem, out, strides
        self._start = address_of(out)
        self._first = problem.layout.first
        self._writable = problem.direct and strides.packed

    def fill(self, tile: Tile, functions: Sequence[BlockFunction], source: SourceBlock) -> object:
        """Fill the outputs of a tile; return True if a function reports that they must be computed again."""
        if self._writable:
            place = self._start + offset(tile, self._strides, self._first)
            return functions[0](source.address, place, Block(source.strides, self._strides.outer, tile.shape))
        results, wrong = [], None
        for name, function in zip(("result", "imaginary result"), functions, strict=False):
            (result,) = self.room_for(tile, 1, name)
            block = Block(source.strides, result.strides[:-1], tile.shape)
            wrong = function(source.address, result.ctypes.data, block)
            results.append(result)
        self.store(results, tile)
        return wrong

    def room_for(self, tile: Tile, count: int, name: str = "results") -> NDArray[Any]:
        """Return scratch for so many arrays of the outputs of a tile."""
        written = self._problem.written
        *outer, columns = tile.shape
        shape = (count, *outer, columns * self._problem.layout.step)
        size = math.prod(shape) * written.itemsize
        return scratch.take(name, size)[0][:size].view(written).reshape(shape)

    def store(self, results: list[NDArray[Any]], tile: Tile) -> None:
        """Copy the outputs into the result, and convert them to its dtype."""
        window = [
            slice(start - first, start - first + size)
            for start, first, size in zip(tile.start, self._first, tile.shape, strict=True)
        ]
        place = self._out[tuple(window[len(window) - self._problem.layout.column - 1 :])]  # there may be no row axis
        with np.errstate(over="ignore", invalid="ignore"):
            total = self._combined(results)
            place[...] = total.reshape(place.shape)

    def _combined(self, results: list[NDArray[Any]]) -> NDArray[Any]:
        """Combine the contributions of real and imaginary taps."""
        complex_samples = self._problem.dtype.kind == "c"
        if complex_samples:
            results = [result.view(np.dtype(f"c{2 * result.itemsize}")) for result in results]
        total = results[0]
        if len(results) == 1:
            return total
        # By parts: a product with the imaginary unit would turn an infinity into NaN.
        if complex_samples:
            total.real -= results[1].imag
            total.imag += results[1].real
        else:
            total = np.empty(results[0].shape, np.result_type(total, np.complex64))
            total.real, total.imag = results
        return total
