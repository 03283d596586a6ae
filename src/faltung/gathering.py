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
MOST_TABLES = 64
#: Bytes of the largest tables that are kept.
LARGEST_TABLES = 1 << 16


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
    """

    strides: tuple[int, ...]
    column: int
    channels: NDArray[np.int64]
    packed: bool


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

    @lazy
    def code(self) -> Any:
        """The machine code that gathers."""
        return gather_function(self._stored, self._fill.dtype, host())

    def __call__(
        self, tile: Tile, source: Frame, address: int, room: float = 0.0
    ) -> tuple[Any, int, tuple[int, ...], int]:
        """Gather the source block of a tile: the scratch it is in, its address, its strides and its size in bytes.

        Behind the block there is `room` for more, as a multiple of its size.
        """
        found = self.gathering(tile, source)
        buffer, block = scratch.take(self._name, int(found.size * (1 + room)))
        self.code(address, block, *found.arguments)
        return buffer, block, found.strides, found.size

    def gathering(self, tile: Tile, source: Frame) -> Gathering:
        """Return how the source block of a tile is gathered."""
        key = (tile.start, tile.shape, source.strides, source.column)
        found = self._found.get(key)
        if found is None:
            if len(self._found) >= MOST_TABLES:
                self._found.clear()
            found = self._gathering(tile, source)
            if sum(table.nbytes for table in found.tables) <= LARGEST_TABLES:
                self._found[key] = found
        return found

    def _gathering(self, tile: Tile, source: Frame) -> Gathering:
        """Find the offset of every row and of every sample in a row, or `FILL` outside the array."""
        layout = self._layout
        maps, first = [], 0
        for axis, (start, size) in enumerate(zip(tile.start, tile.shape, strict=True)):
            first = start - layout.origins[axis]
            last = first + size + layout.sizes[axis] - 1
            maps.append(index_map(self._mode, layout.lengths[axis], first, last))
        rows = np.zeros((), np.int64)
        outside = np.zeros((), bool)
        for positions, stride in zip(maps[:-1], source.strides, strict=True):
            rows = np.add.outer(rows, positions * stride)
            outside = np.logical_or.outer(outside, positions == OUTSIDE)
        rows[outside] = FILL
        columns = np.add.outer(maps[-1] * source.column, source.channels)
        columns[maps[-1] == OUTSIDE] = FILL
        inner = [0, 0]
        if source.packed:
            inner = [layout.step * min(max(edge - first, 0), len(maps[-1])) for edge in (0, layout.lengths[-1])]
        rows, columns = np.ascontiguousarray(rows), np.ascontiguousarray(columns)
        strides = [columns.size * self._fill.itemsize]
        for positions in reversed(maps[1:-1]):
            strides.insert(0, strides[0] * len(positions))
        return Gathering(
            size=strides[0] * len(maps[0]),
            strides=tuple(strides),
            arguments=(
                self._fill.ctypes.data,
                layout.step,
                rows.ctypes.data,
                rows.size,
                columns.ctypes.data,
                columns.size,
                *inner,
            ),
            tables=(rows, columns),
        )


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
    return Frame(strides[: layout.column] if layout.column else (0,), column, channels, packed)


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
