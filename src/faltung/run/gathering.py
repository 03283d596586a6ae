"""How are the samples of a tile gathered? By tables of byte offsets, which extend the array across its border."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.engines.calls.gather_code import INNER, gather_function
from faltung.ground import scratch
from faltung.ground.bounded import Bounded
from faltung.ground.extended import FILL, byte_offsets
from faltung.ground.lazy import lazy
from faltung.jit.target import host
from faltung.planning.computed_axes import Layout
from faltung.planning.problem import Problem
from faltung.run.tiling import Tile

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Gatherer",
    "Gathering",
    "Strides",
    "address_of",
    "contiguous_strides",
    "offset",
    "source_gatherer",
    "strides_of",
]

#: Bytes of tables that are kept from call to call.
KEPT = 1 << 22
#: Most tables that are kept for plans of the same layout, most bytes of them, and most of one array: there may be
#: millions of tiles, and those of a large array take far longer than their tables.
MOST_SHARED, SHARED, OF_ONE = 512, 1 << 22, 16


@dataclass(frozen=True)
class Strides:
    """The strides of an array in the axes of a layout.

    Parameters
    ----------
    outer : tuple of int
        Bytes between neighbouring samples along every axis but the last: slices and row.
    column : int
        Bytes between neighbouring positions along the last axis, that of the columns.
    channels : ndarray
        Byte offset of each channel at a position.
    packed : bool
        Whether the samples of a row are contiguous.
    key : bytes
        The offsets of the channels, which can be hashed.
    """

    outer: tuple[int, ...]
    column: int
    channels: NDArray[np.int64]
    packed: bool
    key: bytes


class _Kept:
    """The tables that are kept from call to call, for arrays with the same strides."""

    def __init__(self, strides: tuple[Any, ...]) -> None:
        self.strides = strides
        self.gatherings: dict[tuple[Any, ...], Gathering] = {}
        self.bytes = 0


@dataclass(frozen=True)
class Gathering:
    """The tables by which the source block of a tile is gathered in scratch.

    Parameters
    ----------
    size : int
        Bytes of scratch.
    strides : tuple of int
        Strides of the block in scratch.
    arguments : tuple of int
        Arguments of the gather function, from the fill value on.
    tables : tuple of ndarray
        The arrays that the arguments point to.
    """

    size: int
    strides: tuple[int, ...]
    arguments: tuple[int, ...]
    tables: tuple[NDArray[Any], ...]

    @property
    def bytes(self) -> int:
        """Bytes of the tables."""
        return sum(table.nbytes for table in self.tables)


def _bytes_of(gathering: Gathering) -> int:
    return gathering.bytes + 1024


#: Tables by everything that they depend on: kernels come and go, and those of one size gather in the same way.
_shared: Bounded[tuple[Any, ...], Gathering] = Bounded(MOST_SHARED, SHARED)


class Gatherer:
    """Collects the source blocks of tiles in scratch, extended across the border.

    Parameters
    ----------
    layout : Layout
        The axes, with their modes, and the support of the kernel.
    fill : ndarray
        The constant of the mode ``constant`` for every channel of a position, in the dtype of the gathered block.
    stored : dtype
        The dtype of the array.
    name : str
        Name of the scratch.
    """

    def __init__(self, layout: Layout, fill: NDArray[Any], stored: np.dtype[Any], name: str) -> None:
        self._layout = layout
        self._fill = fill
        self._stored = stored
        self._name = name
        self._kept = _Kept(())

    @lazy
    def code(self) -> Any:
        """The machine code that gathers."""
        return gather_function(self._stored, self._fill.dtype, host())

    def __call__(
        self, tile: Tile, source: Strides, address: int, room: float = 0.0
    ) -> tuple[Any, int, tuple[int, ...]]:
        """Gather the source block of a tile; return the scratch that holds it, its address and its strides.

        Behind the block there is `room` for more, as a multiple of its size.
        """
        gathering = self.gathering(tile, source)
        buffer, block = scratch.take(self._name, int(gathering.size * (1 + room)))
        self.code(address, block, *gathering.arguments)
        return buffer, block, gathering.strides

    def gathering(self, tile: Tile, source: Strides) -> Gathering:
        """Return the tables for the source block of a tile."""
        strides = (source.outer, source.column, source.key)
        kept = self._kept
        if kept.strides != strides:
            kept = self._kept = _Kept(strides)
        key = (tile.start, tile.shape)
        gathering = kept.gatherings.get(key)
        if gathering is None:
            gathering = (
                self._of_layout(tile, source) if len(kept.gatherings) < OF_ONE else self._gathering(tile, source)
            )
            size = gathering.bytes
            # Tiles come in the same order in every call: old tables in place of new ones would not be used again.
            if kept.bytes + size <= KEPT:
                kept.gatherings[key] = gathering
                kept.bytes += size
        return gathering

    def _of_layout(self, tile: Tile, source: Strides) -> Gathering:
        """Return the tables, from another plan of the same layout if there was one."""
        constant = self._fill.dtype, self._fill.tobytes()
        place = source.outer, source.column, source.key, tile.start, tile.shape
        key = (self._layout, self._stored, constant, place)
        return _shared.get_or_make(key, lambda: self._gathering(tile, source), _bytes_of)

    def _gathering(self, tile: Tile, source: Strides) -> Gathering:
        """Find the offset of every row and of every sample in a row, or `FILL` beyond the border."""
        along = [self._offsets(axis, tile, stride) for axis, stride in enumerate(source.outer)]
        rows: NDArray[np.int64] = np.zeros((), np.int64)
        for offsets in along:
            outside = np.logical_or.outer(rows == FILL, offsets == FILL)
            rows = np.where(outside, FILL, np.add.outer(rows, offsets))
        rows = np.ascontiguousarray(rows)
        columns, count, inner = self._columns(tile, source)
        strides = [count * self._fill.itemsize]
        for offsets in reversed(along[1:]):
            strides.insert(0, strides[0] * len(offsets))
        return Gathering(
            size=strides[0] * len(along[0]),
            strides=tuple(strides),
            arguments=(
                self._fill.ctypes.data,
                self._layout.step,
                rows.ctypes.data,
                rows.size,
                columns.ctypes.data,
                count,
                *inner,
            ),
            tables=(self._fill, rows, columns),
        )

    def _columns(self, tile: Tile, source: Strides) -> tuple[NDArray[np.int64], int, tuple[int, int, int]]:
        """Find the offsets of the samples in a row, their number, and the span of those that are contiguous."""
        layout = self._layout
        first = tile.start[-1] - layout.origins[-1]
        count = tile.shape[-1] + layout.sizes[-1] - 1
        begin, end = (min(max(edge - first, 0), count) for edge in (0, layout.lengths[-1]))
        if not source.packed or (end - begin) * layout.step < INNER:
            begin = end = 0
        outer = first + np.concatenate([np.arange(begin), np.arange(end, count)])
        offsets = byte_offsets(layout.modes[-1], layout.lengths[-1], outer, source.column)
        columns = np.where(offsets[:, np.newaxis] == FILL, FILL, np.add.outer(offsets, source.channels))
        inner = (begin * layout.step, end * layout.step, (first + begin) * source.column)
        return np.ascontiguousarray(columns), count * layout.step, inner

    def _offsets(self, axis: int, tile: Tile, stride: int) -> NDArray[np.int64]:
        """Byte offsets along an axis of the positions that a tile reads."""
        layout = self._layout
        first = tile.start[axis] - layout.origins[axis]
        positions = np.arange(first, first + tile.shape[axis] + layout.sizes[axis] - 1, dtype=np.int64)
        return byte_offsets(layout.modes[axis], layout.lengths[axis], positions, stride)


def offset(tile: Tile, strides: Strides, origin: tuple[int, ...]) -> int:
    """Return the bytes from the first sample of an array, which is at position `origin`, to the first of a tile."""
    if tile.start == origin:
        return 0
    steps = (*strides.outer, strides.column)
    return sum([(start - first) * step for start, first, step in zip(tile.start, origin, steps, strict=True)])


def strides_of(array: NDArray[Any], layout: Layout) -> Strides:
    """Return the strides of an array in the axes of a layout."""
    return _strides(array.shape, array.strides, array.dtype, layout.column)


def contiguous_strides(shape: tuple[int, ...], dtype: np.dtype[Any], layout: Layout) -> Strides:
    """Return the strides of a contiguous array in the axes of a layout."""
    strides = [dtype.itemsize]
    for length in reversed(shape[1:]):
        strides.insert(0, strides[0] * length)
    return _strides(shape, tuple(strides), dtype, layout.column)


@lru_cache(maxsize=1024)
def _strides(shape: tuple[int, ...], strides: tuple[int, ...], dtype: np.dtype[Any], column: int) -> Strides:
    offsets: NDArray[Any] = np.zeros((), np.int64)
    trailing = list(zip(shape, strides, strict=True))[column + 1 :]
    item = dtype.itemsize
    if dtype.kind == "c":
        item //= 2
        trailing.append((2, item))
    for size, stride in trailing:
        offsets = np.add.outer(offsets, stride * np.arange(size, dtype=np.int64))
    channels = np.ascontiguousarray(offsets).ravel()
    step = strides[column]
    contiguous = np.array_equal(channels, item * np.arange(channels.size))
    packed = contiguous and step == item * channels.size
    return Strides(strides[:column] if column else (0,), step, channels, packed, channels.tobytes())


def source_gatherer(problem: Problem) -> Gatherer:
    """Return what gathers the samples of the array of a problem."""
    parts = 2 if problem.dtype.kind == "c" else 1
    fill = _fill(repr(complex(problem.cval)), parts, problem.extended, problem.layout.step // parts)
    return Gatherer(problem.layout, fill, problem.stored, "source")


@lru_cache(maxsize=256)
def _fill(constant: str, parts: int, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
    """Return the constant beyond the border for `count` channels; as a text, 0.0 differs from -0.0."""
    value = complex(constant)
    with np.errstate(over="ignore", invalid="ignore"):
        sample = np.array([value.real, value.imag][:parts]).astype(dtype)
    return np.tile(sample, count)


def address_of(array: NDArray[Any]) -> int:
    """Return the address of the first sample."""
    try:
        # Three times as fast as asking the array, which counts for small images.
        return ctypes.addressof(ctypes.c_char.from_buffer(array))  # type: ignore[arg-type]
    except (TypeError, ValueError, BufferError):  # read-only, or not contiguous
        return array.ctypes.data
