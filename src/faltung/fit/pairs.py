"""What is a filter fitted to? Pairs of an input and a target: arrays, chunked arrays, or lists of files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.arrays import as_array, computed_dtype
from faltung.ground.checks import axis_index, integer, is_sequence, per_axis

__all__ = ["Layout", "Pair", "Pairs", "Reader", "as_pairs", "is_chunked", "pick"]

Reader: TypeAlias = Callable[[Any], Any]
"""Makes an array of an item of a list, such as the path of a file."""

_LONGEST = 1 << 31


@dataclass(frozen=True)
class Layout:
    """What the axes of an array are.

    Parameters
    ----------
    spatial : tuple of int
        The axis for each axis of the kernel.
    channel : int or None
        The axis of channels.
    batch : tuple of int
        All others: along them lie images that share the filter.
    """

    spatial: tuple[int, ...]
    channel: int | None
    batch: tuple[int, ...]


@dataclass(frozen=True)
class Pair:
    """An input and a target of the same positions, and what each position weighs.

    Parameters
    ----------
    source, target : array
        With the same axes; only the number of channels may differ. NumPy's, or chunked.
    mask, weights : array or None
        With the same axes too, and one channel.
    layout : Layout
        What the axes are.
    """

    source: Any
    target: Any
    mask: Any
    weights: Any
    layout: Layout

    @property
    def lengths(self) -> tuple[int, ...]:
        """Samples along each spatial axis."""
        return tuple(self.source.shape[axis] for axis in self.layout.spatial)

    @property
    def batch(self) -> tuple[int, ...]:
        """How many images there are along each axis of the batch."""
        return tuple(self.source.shape[axis] for axis in self.layout.batch)

    @property
    def channels(self) -> tuple[int, int]:
        """Channels of the target and of the source."""
        axis = self.layout.channel
        return (1, 1) if axis is None else (self.target.shape[axis], self.source.shape[axis])


@dataclass(frozen=True)
class Pairs:
    """A list of pairs, each opened when its turn comes; it can be gone through more than once.

    Parameters
    ----------
    items : sequence
        Source, target, mask and weights of each pair, as they were given.
    read : callable or None
        Makes arrays of the first two.
    size : int or sequence of int
        Support of the filter.
    axes, channel_axis
        Which axes are spatial, and which has the channels, as the caller says.
    """

    items: Sequence[tuple[Any, Any, Any, Any]]
    read: Reader | None
    size: int | Sequence[int]
    axes: int | Sequence[int] | None
    channel_axis: int | None

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Pair]:
        return (self._open(*item) for item in self.items)

    def window(self, pair: Pair) -> tuple[int, ...]:
        """Taps of the filter along each axis."""
        return per_axis("size", self.size, len(pair.layout.spatial), lambda name, n: integer(name, n, 1, _LONGEST))

    def _open(self, x: Any, y: Any, mask: Any, weights: Any) -> Pair:
        source, target = (_as_samples(item, name, self.read) for item, name in ((x, "x"), (y, "y")))
        layout = self._layout(source.ndim)
        alike = [axis for axis in range(source.ndim) if axis != layout.channel]
        if target.ndim != source.ndim or any(source.shape[axis] != target.shape[axis] for axis in alike):
            but = "" if layout.channel is None else ", but for channels"
            remedy = "Every sample of y belongs to the sample of x at the same place."
            raise ArgumentError("y", f"an array of the shape of x, {source.shape}{but}", f"{target.shape}", remedy)
        if 0 in (*source.shape, *target.shape):
            raise ArgumentError("x", "an array with samples", f"shape {source.shape}")
        shape = tuple(1 if axis == layout.channel else length for axis, length in enumerate(source.shape))
        return Pair(source, target, _as_mask(mask, shape, layout), _as_weights(weights, shape, layout), layout)

    def _layout(self, ndim: int) -> Layout:
        channel = None if self.channel_axis is None else _axis("channel_axis", self.channel_axis, ndim)
        others = [axis for axis in range(ndim) if axis != channel]
        if self.axes is not None:
            chosen = self.axes if is_sequence(self.axes) else (self.axes,)
            spatial = tuple(_axis("axes", axis, ndim) for axis in chosen)  # type: ignore[union-attr]
            if not spatial or len({*spatial}) < len(spatial) or channel in spatial:
                received = f"{self.axes!r} beside channel_axis={self.channel_axis}"
                raise ArgumentError("axes", "at least one axis, all of them different and none of channels", received)
        else:
            count = len(self.size) if is_sequence(self.size) else len(others)  # type: ignore[arg-type]
            if not 1 <= count <= len(others):
                expected = f"an array with at least {max(count, 1)} axes{' beside channels' * (channel is not None)}"
                raise ArgumentError("x", expected, f"one with {len(others)}", "Give size one number for each axis.")
            spatial = tuple(others[-count:])
        return Layout(spatial, channel, tuple(axis for axis in others if axis not in spatial))


def as_pairs(
    x: Any, y: Any, mask: Any, weights: Any, size: Any, axes: Any, channel_axis: Any, read: Reader | None
) -> Pairs:
    """Check what a caller gave, as far as can be done without opening it.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        Lists of different lengths, or files without a function that reads them.
    """
    if not _is_list(x, read):
        if _is_list(y, read):
            raise ArgumentTypeError("y", "one array, as x is", f"a list of {len(y)}")
        return Pairs([(x, y, mask, weights)], read, size, axes, channel_axis)
    columns = {"x": _listed(x), "y": _listed(y), "mask": mask, "weights": weights}
    count = len(columns["x"])
    for name in ("mask", "weights"):
        if columns[name] is None:
            columns[name] = [None] * count
    for name, column in columns.items():
        if not isinstance(column, (list, tuple)) or len(column) != count:
            received = f"{len(column)}" if isinstance(column, (list, tuple)) else type(column).__name__
            raise ArgumentError(name, f"a list as long as x, which has {count}", received)
    if not count:
        raise ArgumentError("x", "at least one array or file", "none")
    return Pairs([*zip(*columns.values(), strict=True)], read, size, axes, channel_axis)


def is_chunked(array: Any) -> bool:
    """Whether an array is stored in chunks, as those of dask, zarr and h5py are, and is read a part at a time."""
    return not isinstance(array, np.ndarray) and bool(getattr(array, "chunks", None))


def pick(array: Any, layout: Layout, image: Sequence[int], spans: Sequence[slice]) -> NDArray[Any]:
    """Return samples (channels, *spatial) of one image of an array: a view, if the array is in memory.

    Examples
    --------
    >>> colour = np.zeros((7, 4, 5, 3))
    >>> pick(colour, Layout((1, 2), 3, (0,)), [6], [slice(None), slice(0, 2)]).shape
    (3, 4, 2)
    """
    index: list[Any] = [slice(None)] * array.ndim
    for axis, place in (*zip(layout.batch, image, strict=True), *zip(layout.spatial, spans, strict=True)):
        index[axis] = place
    part = np.asarray(array[tuple(index)])
    kept = [axis for axis in range(array.ndim) if axis not in layout.batch]
    order = [kept.index(axis) for axis in layout.spatial]
    if layout.channel is None:
        return part.transpose(order)[np.newaxis]
    return part.transpose([kept.index(layout.channel), *order])


def _is_list(x: Any, read: Reader | None) -> bool:
    if isinstance(x, (str, os.PathLike)):
        return True
    if not isinstance(x, (list, tuple)):
        return False
    # Nested lists of numbers are an array, as everywhere.
    return read is not None or any(isinstance(item, (str, os.PathLike)) or hasattr(item, "shape") for item in x)


def _listed(x: Any) -> Any:
    return [x] if isinstance(x, (str, os.PathLike)) else x


def _as_samples(item: Any, name: str, read: Reader | None) -> Any:
    if read is not None:
        item = read(item)
    elif isinstance(item, (str, os.PathLike)):
        remedy = "Pass read=numpy.load, read=tifffile.imread, or the like."
        raise ArgumentTypeError("read", f"a function that makes an array of the files of {name}", "None", remedy)
    array = item if is_chunked(item) else as_array(item, name)
    if computed_dtype(np.dtype(array.dtype), name).kind == "c":
        remedy = "Fit real and imaginary parts as channels."
        raise ArgumentTypeError(name, "an array of real numbers", f"dtype {array.dtype}", remedy)
    return array


def _as_mask(mask: Any, shape: tuple[int, ...], layout: Layout) -> Any:
    if mask is None:
        return None
    given = mask if is_chunked(mask) else as_array(mask, "mask")
    if np.dtype(given.dtype).kind != "b":
        expected = "an array of booleans, False at positions that take no part"
        raise ArgumentTypeError("mask", expected, f"{given.dtype}", "Pass numbers as weights=.")
    return _at_positions(given, "mask", shape, layout)


def _as_weights(weights: Any, shape: tuple[int, ...], layout: Layout) -> Any:
    if weights is None:
        return None
    given = weights if is_chunked(weights) else as_array(weights, "weights")
    if computed_dtype(np.dtype(given.dtype), "weights").kind == "c":
        raise ArgumentTypeError("weights", "an array of real numbers", f"dtype {given.dtype}")
    return _at_positions(given, "weights", shape, layout)


def _at_positions(array: Any, name: str, shape: tuple[int, ...], layout: Layout) -> Any:
    """Give an array of positions the axes of the pair, that of channels having length 1."""
    positions = tuple(length for axis, length in enumerate(shape) if axis != layout.channel)
    if is_chunked(array):
        if layout.channel is not None or array.shape != positions:
            raise ArgumentError(name, f"an array in memory, or chunks of shape {positions}", f"shape {array.shape}")
        return array
    try:
        full = np.broadcast_to(array, positions)
    except ValueError:
        expected = f"shape {positions}, that of x without channels, or one that broadcasts to it"
        raise ArgumentError(name, expected, f"{array.shape}") from None
    return full if layout.channel is None else np.expand_dims(full, layout.channel)


def _axis(name: str, axis: Any, ndim: int) -> int:
    try:
        return axis_index(axis, ndim)
    except (ArgumentError, ArgumentTypeError) as error:
        raise type(error)(name, f"axes from {-ndim} to {ndim - 1}", repr(axis)) from None
