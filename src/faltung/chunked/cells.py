"""How is a compressed array read by regions? In cells of whole chunks, which are kept while neighbours may need them.

Blocks of outputs overlap in what they read. A chunk that was unpacked for one of them is unpacked for the next one,
too, unless it is kept. Where there is no space for a whole cell, its rim is kept: it is all that its neighbours need.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from faltung.chunked.memory_budget import fresh
from faltung.chunked.portions import box_of_bytes, slices_of
from faltung.ground.extended import Region

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CELL_BYTES", "Cells"]

#: Bytes that are unpacked at once, if a chunk is not larger.
CELL_BYTES = 4 << 20
#: What is kept has this share of rims, at the most.
_RIMS = 3

Index = tuple[int, ...]


class Cells:
    """Reads regions of an array through a cache of unpacked cells.

    Parameters
    ----------
    read : callable
        Returns the samples in a slice for each axis.
    shape, dtype
        Of the array.
    chunk : tuple of int
        What is unpacked as a whole.
    rim : tuple of int
        Samples at each end of a cell that the outputs beside the cell need.
    most_bytes : int
        Bytes of the cells that are kept.
    threads : int
        Cells that are unpacked at the same time.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(24.0).reshape(4, 6)
    >>> cells = Cells(lambda index: x[index], x.shape, x.dtype, (2, 3), (1, 1), 1 << 20)
    >>> cells((slice(1, 3), slice(2, 4)))
    array([[ 8.,  9.],
           [14., 15.]])
    >>> cells.unpacked
    192
    >>> cells.close()
    """

    def __init__(
        self,
        read: Callable[[tuple[slice, ...]], NDArray[Any]],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        chunk: Sequence[int],
        rim: Sequence[int],
        most_bytes: int,
        threads: int = 2,
    ) -> None:
        self._read, self._shape, self._dtype, self._most = read, shape, dtype, most_bytes
        chunk = [max(1, min(size, length)) for size, length in zip(chunk, shape, strict=True)]
        self._cell = box_of_bytes(chunk, shape, dtype.itemsize, CELL_BYTES)
        self._rim = rim
        # Cells, and the rims of others; the least recently used first.
        self._whole: dict[Index, NDArray[Any]] = {}
        self._rims: dict[Index, dict[Region, NDArray[Any]]] = {}
        self._bytes = self._whole_bytes = 0
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(threads, "faltung-unpack")
        #: Bytes that were unpacked so far.
        self.unpacked = 0

    def __call__(self, index: tuple[slice, ...]) -> NDArray[Any]:
        """Return the samples in a slice for each axis."""
        region = [(part.start, part.stop) for part in index]
        samples = fresh([stop - start for start, stop in region], self._dtype)
        ranges = [range(low // size, -(-high // size)) for (low, high), size in zip(region, self._cell, strict=True)]

        def fill(cell: Index) -> None:
            for part, block in self._parts(cell, region):
                inner = [(max(a, b), min(c, d)) for (a, c), (b, d) in zip(part, region, strict=True)]
                samples[slices_of(inner, region)] = block[slices_of(inner, part)]

        for _ in self._pool.map(fill, itertools.product(*ranges)):
            pass
        return samples

    def close(self) -> None:
        """End the threads, and drop what is kept."""
        self._pool.shutdown(cancel_futures=True)
        self._whole.clear()
        self._rims.clear()

    def _parts(self, cell: Index, region: Sequence[tuple[int, int]]) -> list[tuple[Region, NDArray[Any]]]:
        """Return the parts of a cell that a region touches, from what is kept, or unpacked now."""
        whole = tuple(
            (at * size, min((at + 1) * size, length))
            for at, size, length in zip(cell, self._cell, self._shape, strict=True)
        )
        with self._lock:
            if (samples := self._whole.pop(cell, None)) is not None:
                self._whole[cell] = samples  # now the most recently used
                return [(whole, samples)]
            rim = self._rims.get(cell, {})
            wanted = [part for part in _parts_of(whole, self._rim) if _touch(part, region)]
            if all(part in rim for part in wanted):
                self._rims[cell] = self._rims.pop(cell)
                return [(part, rim[part]) for part in wanted]
        samples = self._read(slices_of(whole))
        with self._lock:
            self.unpacked += samples.nbytes
            self._whole[cell] = samples
            self._bytes += samples.nbytes
            self._whole_bytes += samples.nbytes
            self._drop()
        return [(whole, samples)]

    def _drop(self) -> None:
        """Keep of the cells that were not used lately their rims, and then not even these."""
        while self._bytes > self._most and (self._whole or self._rims):
            rims = self._bytes - self._whole_bytes
            if not self._whole or rims > self._most // _RIMS:
                self._bytes -= _bytes_of(self._rims.pop(next(iter(self._rims))))
                continue
            cell = next(iter(self._whole))
            samples = self._whole.pop(cell)
            whole = tuple(
                (at * size, at * size + length)
                for at, size, length in zip(cell, self._cell, samples.shape, strict=True)
            )
            rim = _rim_of(samples, whole, self._rim)
            self._whole_bytes -= samples.nbytes
            self._bytes += _bytes_of(rim) - _bytes_of(self._rims.pop(cell, {})) - samples.nbytes
            self._rims[cell] = rim


def _rim_of(samples: NDArray[Any], whole: Region, width: Sequence[int]) -> dict[Region, NDArray[Any]]:
    """Return copies of the parts at the rim of a cell; none if it is all rim.

    They are in memory of their own: between the cells, which come and go, they would leave holes that nothing fills.
    """
    parts = [part for part in _parts_of(whole, width) if _at_rim(part, whole)]
    views = {part: samples[slices_of(part, whole)] for part in parts}
    if len(parts) == 1:
        return {}
    space = fresh([sum(view.size for view in views.values())], samples.dtype)
    rim, at = {}, 0
    for part, view in views.items():
        rim[part] = space[at : at + view.size].reshape(view.shape)
        rim[part][...] = view
        at += view.size
    return rim


def _bytes_of(rim: dict[Region, NDArray[Any]]) -> int:
    return sum(part.nbytes for part in rim.values())


def _parts_of(whole: Region, rim: Sequence[int]) -> list[Region]:
    """Return the inside of a region and the parts around it, which are as wide as the rim."""
    axes = []
    for (start, stop), width in zip(whole, rim, strict=True):
        cut = 0 < 2 * width < stop - start
        edges = [start, start + width, stop - width, stop] if cut else [start, stop]
        axes.append([*itertools.pairwise(edges)])
    return [*itertools.product(*axes)]


def _touch(part: Region, region: Sequence[tuple[int, int]]) -> bool:
    return all(low < stop and start < high for (start, stop), (low, high) in zip(part, region, strict=True))


def _at_rim(part: Region, whole: Region) -> bool:
    return any(start == low or stop == high for (start, stop), (low, high) in zip(part, whole, strict=True))
