"""Where does a tile find its samples? In the array, or in scratch where they are gathered across the border."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.engines.calls.gather_code import INNER, gather_function
from faltung.ground import scratch
from faltung.ground.extended import FILL, byte_offsets
from faltung.ground.lazy import lazy
from faltung.jit.target import host
from faltung.planning.problem import Layout, Problem
from faltung.run.tiling import Tile

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Frame", "Gatherer", "Gathering", "address_of", "frame_in_order", "frame_of", "offset", "source_gatherer"]

#: Bytes of tables that are kept from call to call.
KEPT = 1 << 22


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
        self._kept = 0  # bytes of tables
        self._frame: tuple[Any, ...] = ()

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
        frame = (source.strides, source.column, source.key)
        key = (tile.start, tile.shape, frame)
        found = self._found.get(key)
        if found is None:
            if frame != self._frame:  # what is kept belongs to arrays that lie in memory in another way
                self._found, self._kept, self._frame = {}, 0, frame
            found = self._gathering(tile, source)
            size = sum(table.nbytes for table in found.tables)
            # Tiles come round in one order: to drop old tables for new ones would keep none that is used again.
            if self._kept + size <= KEPT:
                self._found[key] = found
                self._kept += size
        return found

    def _gathering(self, tile: Tile, source: Frame) -> Gathering:
        """Find the offset of every row and of every sample in a row, or `FILL` outside the array."""
        along = [self._offsets(axis, tile, stride) for axis, stride in enumerate(source.strides)]
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
            tables=(rows, columns),
        )

    def _columns(self, tile: Tile, source: Frame) -> tuple[NDArray[np.int64], int, tuple[int, int, int]]:
        """Find the offsets of the samples in a row, their number, and which lie side by side from where on."""
        layout = self._layout
        first = tile.start[-1] - layout.origins[-1]
        count = tile.shape[-1] + layout.sizes[-1] - 1
        begin, end = (min(max(edge - first, 0), count) for edge in (0, layout.lengths[-1]))
        if not source.packed or (end - begin) * layout.step < INNER:
            begin = end = 0
        outer = first + np.concatenate([np.arange(begin), np.arange(end, count)])
        offsets = byte_offsets(self._mode, layout.lengths[-1], outer, source.column)
        columns = np.where(offsets[:, np.newaxis] == FILL, FILL, np.add.outer(offsets, source.channels))
        inner = (begin * layout.step, end * layout.step, (first + begin) * source.column)
        return np.ascontiguousarray(columns), count * layout.step, inner

    def _offsets(self, axis: int, tile: Tile, stride: int) -> NDArray[np.int64]:
        """Byte offsets along an axis of the positions that a tile reads."""
        first = tile.start[axis] - self._layout.origins[axis]
        positions = np.arange(first, first + tile.shape[axis] + self._layout.sizes[axis] - 1, dtype=np.int64)
        return byte_offsets(self._mode, self._layout.lengths[axis], positions, stride)


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
