"""Where does a tile find its samples? In the array, or in scratch where they are gathered across the border."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung import scratch
from faltung.boundary import OUTSIDE, index_map
from faltung.engines.gather import FILL, gather_function
from faltung.jit.target import host
from faltung.lazy import lazy
from faltung.plan.problem import Layout, Problem
from faltung.tiling import Tile

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Frame", "Gatherer", "Gathering", "address_of", "frame_in_order", "frame_of", "offset", "source_gatherer"]

#: Most tiles whose tables are kept from call to call.
MOST_TABLES = 1024
#: Bytes of the largest table that is kept.
LARGEST_TABLE = 1 << 16


@dataclass(frozen=True)
class Frame:
    """How an array lies in memory, in the axes of a layout.

    Parameters
    ----------
    strides : tuple of int
        Bytes between neighbours along slices and row.
    column : int
        The same along the column axis.
    channels : ndarray
        Byte offset of each channel.
    packed : bool
        Whether the samples of a row lie side by side.
    key : bytes
        The offsets of the channels, for use in a key.
    """

    strides: tuple[int, ...]
    column: int
    channels: NDArray[np.int64]
    packed: bool
    key: bytes


@dataclass(frozen=True)
class Gathering:
    """How the source block of a tile is collected in scratch.

    Parameters
    ----------
    size : int
        Bytes of scratch.
    strides : tuple of int
        Of the block there.
    arguments : tuple of int
        Of the gather function, from the fill value on.
    tables : tuple of ndarray
        Keeps alive what the arguments point to.
    """

    size: int
    strides: tuple[int, ...]
    arguments: tuple[int, ...]
    tables: tuple[NDArray[Any], ...]


class Gatherer:
    """Collects the source blocks of tiles in scratch, extended across the border.

    Parameters
    ----------
    layout : Layout
        The axes, and the support of the kernel.
    mode : str
        What lies outside.
    fill : ndarray
        One position of what stands there for ``constant``, in the dtype that is gathered into.
    stored : dtype
        What the array holds.
    name : str
        Of the scratch.
    """

    def __init__(self, layout: Layout, mode: str, fill: NDArray[Any], stored: np.dtype[Any], name: str) -> None:
        self._layout = layout
        self._mode = mode
        self._fill = fill
        self._stored = stored
        self._name = name
        self._found: dict[tuple[Any, ...], Gathering] = {}
        self._rows: dict[tuple[Any, ...], tuple[NDArray[np.int64], tuple[int, int]]] = {}

    @lazy
    def code(self) -> Any:
        """The machine code that gathers."""
        return gather_function(self._stored, self._fill.dtype, host())

    def __call__(
        self, tile: Tile, source: Frame, address: int, room: float = 0.0
    ) -> tuple[Any, int, tuple[int, ...]]:
        """Gather the source block of a tile: the scratch it is in, its address and its strides.

        Behind the block there is `room` for more, as a multiple of its size.
        """
        found = self.gathering(tile, source)
        buffer, block = scratch.take(self._name, int(found.size * (1 + room)))
        self.code(address, block, *found.arguments)
        return buffer, block, found.strides

    def gathering(self, tile: Tile, source: Frame) -> Gathering:
        """Return how the source block of a tile is gathered."""
        key = (tile.start, tile.shape, source.strides, source.column, source.key)
        found = self._found.get(key)
        if found is None:
            found = self._gathering(tile, source)
            _keep(self._found, key, found, found.tables[0].nbytes)
        return found

    def _gathering(self, tile: Tile, source: Frame) -> Gathering:
        """Find the offset of every row and of every sample in a row, or `FILL` outside the array."""
        maps = [self._positions(axis, tile) for axis in range(len(tile.shape) - 1)]
        rows = np.zeros((), np.int64)
        outside = np.zeros((), bool)
        for positions, stride in zip(maps, source.strides, strict=True):
            rows = np.add.outer(rows, positions * stride)
            outside = np.logical_or.outer(outside, positions == OUTSIDE)
        rows[outside] = FILL
        rows = np.ascontiguousarray(rows)
        columns, inner = self._columns(tile, source)
        strides = [columns.size * self._fill.itemsize]
        for positions in reversed(maps[1:]):
            strides.insert(0, strides[0] * len(positions))
        return Gathering(
            size=strides[0] * len(maps[0]),
            strides=tuple(strides),
            arguments=(
                self._fill.ctypes.data,
                self._layout.step,
                rows.ctypes.data,
                rows.size,
                columns.ctypes.data,
                columns.size,
                *inner,
            ),
            tables=(rows, columns),
        )

    def _columns(self, tile: Tile, source: Frame) -> tuple[NDArray[np.int64], tuple[int, int]]:
        """Find the offset of every sample in a row, and which lie side by side; tiles below share the table."""
        key = (tile.start[-1], tile.shape[-1], source.column, source.key)
        found = self._rows.get(key)
        if found is None:
            layout, positions = self._layout, self._positions(len(tile.shape) - 1, tile)
            columns = np.add.outer(positions * source.column, source.channels)
            columns[positions == OUTSIDE] = FILL
            first = tile.start[-1] - layout.origins[-1]
            edges = (0, layout.lengths[-1]) if source.packed else (0, 0)
            begin, end = (layout.step * min(max(edge - first, 0), len(positions)) for edge in edges)
            found = np.ascontiguousarray(columns), (begin, end) if source.packed else (0, 0)
            _keep(self._rows, key, found, columns.nbytes)
        return found

    def _positions(self, axis: int, tile: Tile) -> NDArray[np.int64]:
        """Positions of the array that a tile reads along an axis."""
        first = tile.start[axis] - self._layout.origins[axis]
        last = first + tile.shape[axis] + self._layout.sizes[axis] - 1
        return index_map(self._mode, self._layout.lengths[axis], first, last)


def _keep(tables: dict[Any, Any], key: object, table: object, size: int) -> None:
    """Keep a table for the next call, unless it is large; many tables make room for new ones."""
    if size <= LARGEST_TABLE:
        if len(tables) >= MOST_TABLES:
            tables.clear()
        tables[key] = table


def offset(tile: Tile, frame: Frame, origin: tuple[int, ...]) -> int:
    """Bytes from the first sample of an array to that of a tile whose start counts from `origin`."""
    if tile.start == origin:
        return 0
    strides = (*frame.strides, frame.column)
    return sum([(s - o) * stride for s, o, stride in zip(tile.start, origin, strides, strict=True)])


def frame_of(array: NDArray[Any], layout: Layout) -> Frame:
    """Return how an array lies in memory."""
    return _frame(array.shape, array.strides, array.dtype, layout)


def frame_in_order(shape: tuple[int, ...], dtype: np.dtype[Any], layout: Layout) -> Frame:
    """Return how an array lies in memory whose samples lie side by side in the order of its axes."""
    strides = [dtype.itemsize]
    for length in reversed(shape[1:]):
        strides.insert(0, strides[0] * length)
    return _frame(shape, tuple(strides), dtype, layout)


def _frame(shape: tuple[int, ...], strides: tuple[int, ...], dtype: np.dtype[Any], layout: Layout) -> Frame:
    offsets: NDArray[Any] = np.zeros((), np.int64)
    trailing = list(zip(shape, strides, strict=True))[layout.column + 1 :]
    item = dtype.itemsize
    if dtype.kind == "c":
        item //= 2
        trailing.append((2, item))
    for size, stride in trailing:
        offsets = np.add.outer(offsets, stride * np.arange(size, dtype=np.int64))
    channels = np.ascontiguousarray(offsets).ravel()
    column = strides[layout.column]
    side_by_side = np.array_equal(channels, item * np.arange(channels.size))
    packed = side_by_side and column == item * channels.size
    return Frame(strides[: layout.column] if layout.column else (0,), column, channels, packed, channels.tobytes())


def source_gatherer(problem: Problem) -> Gatherer:
    """Gather the samples of the array that a problem is about."""
    parts = [problem.cval.real, problem.cval.imag][: 2 if problem.dtype.kind == "c" else 1]
    with np.errstate(over="ignore"):
        sample = np.array(parts).astype(problem.extended)
    fill = np.tile(sample, problem.layout.step // len(parts))
    return Gatherer(problem.layout, problem.mode, fill, problem.stored, "source")


def address_of(array: NDArray[Any]) -> int:
    """Address of the first sample."""
    try:
        # Three times as fast as asking the array, which small images notice.
        return ctypes.addressof(ctypes.c_char.from_buffer(array))  # type: ignore[arg-type]
    except (TypeError, ValueError, BufferError):  # read-only, or not contiguous
        return array.ctypes.data
