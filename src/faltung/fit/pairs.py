"""Which inputs and targets belong together? Pairs of arrays, of chunked arrays, or of files in lists."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.arrays import as_array, computed_dtype
from faltung.ground.checks import integer, is_sequence, per_axis

__all__ = ["AxisRoles", "Pair", "Pairs", "Reader", "as_pairs", "is_chunked", "pick"]

Reader: TypeAlias = Callable[[Any], Any]
"""Makes an array of an item of a list, such as the path of a file."""

_LONGEST = 1 << 31


@dataclass(frozen=True)
class AxisRoles:
    """The role of each axis of an array.

    Parameters
    ----------
    spatial : tuple of int
        The axis for each axis of the filter.
    channel : int or None
        The axis of channels.
    batch : tuple of int
        All other axes, along which images share the filter.
    """

    spatial: tuple[int, ...]
    channel: int | None
    batch: tuple[int, ...]


@dataclass(frozen=True)
class Pair:
    """An input and a target of the same positions, with a mask and weights.

    Parameters
    ----------
    source, target : array
        NumPy arrays or chunked arrays with the same axes; only the number of channels may differ.
    mask, weights : array or None
        The same axes, with one channel.
    roles : AxisRoles
        The role of each axis.
    """

    source: Any
    target: Any
    mask: Any
    weights: Any
    roles: AxisRoles

    @property
    def lengths(self) -> tuple[int, ...]:
        """Samples along each spatial axis."""
        return tuple(self.source.shape[axis] for axis in self.roles.spatial)

    @property
    def batch(self) -> tuple[int, ...]:
        """The number of images along each batch axis."""
        return tuple(self.source.shape[axis] for axis in self.roles.batch)

    @property
    def channels(self) -> tuple[int, int]:
        """The number of channels of the target and of the source."""
        axis = self.roles.channel
        return (1, 1) if axis is None else (self.target.shape[axis], self.source.shape[axis])


@dataclass(frozen=True)
class Pairs:
    """A list of pairs that are opened one after the other; it can be iterated over more than once.

    Parameters
    ----------
    items : sequence
        Source, target, mask and weights of each pair, as the caller passed them.
    read : callable or None
        Makes arrays of sources and targets.
    size : int or sequence of int
        Taps of the filter along all axes, or along each.
    axes, channel_axis
        The spatial axes and the axis of channels, as the caller passed them.
    """

    items: Sequence[tuple[Any, Any, Any, Any]]
    read: Reader | None
    size: int | Sequence[int]
    axes: int | Sequence[int] | None
    channel_axis: int | None

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Pair]:
        first: Pair | None = None
        for place, item in enumerate(self.items):
            pair = self._open(*item)
            first = first or pair
            self._check_like_first(place, pair, first)
            yield pair

    def _check_like_first(self, place: int, pair: Pair, first: Pair) -> None:
        """Refuse a pair that cannot share the filter of the first one."""
        for name, here, there in (
            ("axes of the filter", len(pair.roles.spatial), len(first.roles.spatial)),
            ("channels in x", pair.channels[1], first.channels[1]),
            ("channels in y", pair.channels[0], first.channels[0]),
        ):
            if here != there:
                remedy = "Pass axes= or size with a number for each axis." if name.startswith("axes") else ""
                expected = f"items with as many {name} as the first, {there}"
                raise ArgumentError("x", expected, f"{here} in item {place}, of shape {pair.source.shape}", remedy)

    def window(self, pair: Pair) -> tuple[int, ...]:
        """Return the taps of the filter along each axis."""
        return per_axis("size", self.size, len(pair.roles.spatial), lambda name, n: integer(name, n, 1, _LONGEST))

    def _open(self, x: Any, y: Any, mask: Any, weights: Any) -> Pair:
        source, target = (_as_samples(item, name, self.read) for item, name in ((x, "x"), (y, "y")))
        roles = self._roles(source.ndim)
        equal_axes = [axis for axis in range(source.ndim) if axis != roles.channel]
        if target.ndim != source.ndim or any(source.shape[axis] != target.shape[axis] for axis in equal_axes):
            but = "" if roles.channel is None else ", except for channels"
            remedy = "Crop both so that samples at the same position belong together."
            raise ArgumentError("y", f"an array of the shape of x, {source.shape}{but}", f"{target.shape}", remedy)
        if 0 in (*source.shape, *target.shape):
            received = f"shape {source.shape} and y of shape {target.shape}"
            raise ArgumentError("x", "an array with samples", received, "Leave empty arrays out.")
        shape = tuple(1 if axis == roles.channel else length for axis, length in enumerate(source.shape))
        return Pair(source, target, _as_mask(mask, shape, roles), _as_weights(weights, shape, roles), roles)

    def _roles(self, ndim: int) -> AxisRoles:
        channel = None if self.channel_axis is None else _axis("channel_axis", self.channel_axis, ndim)
        others = [axis for axis in range(ndim) if axis != channel]
        if self.axes is not None:
            chosen = self.axes if is_sequence(self.axes) else (self.axes,)
            spatial = tuple(_axis("axes", axis, ndim) for axis in chosen)  # type: ignore[union-attr]
            if not spatial or len({*spatial}) < len(spatial) or channel in spatial:
                expected = "at least one axis, each of them once, and not the axis of channels"
                received = f"{self.axes!r} with channel_axis={self.channel_axis}"
                raise ArgumentError("axes", expected, received)
        else:
            count = len(self.size) if is_sequence(self.size) else len(others)  # type: ignore[arg-type]
            if not 1 <= count <= len(others):
                besides = "" if channel is None else " besides channels"
                remedy = "Pass size with one number for each axis."
                expected = f"an array with at least {max(count, 1)} axes{besides}"
                raise ArgumentError("x", expected, f"one with {len(others)}", remedy)
            spatial = tuple(others[-count:])
        return AxisRoles(spatial, channel, tuple(axis for axis in others if axis not in spatial))


def as_pairs(
    x: Any, y: Any, mask: Any, weights: Any, size: Any, axes: Any, channel_axis: Any, read: Reader | None
) -> Pairs:
    """Check the arguments of a caller, as far as this is possible without opening arrays and files.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        Lists have different lengths, or only one of x and y is a list.
    """
    if not _is_list(x, read):
        if _is_list(y, read):
            raise ArgumentTypeError("y", "one array, like x", f"a list of {len(y)}", "Pass x as a list too.")
        return Pairs([(x, y, mask, weights)], read, size, axes, channel_axis)
    columns = {"x": _listed(x), "y": _listed(y), "mask": mask, "weights": weights}
    count = len(columns["x"])
    for name in ("mask", "weights"):
        if columns[name] is None:
            columns[name] = [None] * count
    for name, column in columns.items():
        if not isinstance(column, (list, tuple)) or len(column) != count:
            received = f"{len(column)}" if isinstance(column, (list, tuple)) else type(column).__name__
            remedy = "Pass an item for each item of x."
            raise ArgumentError(name, f"a list as long as x, which has {count}", received, remedy)
    if not count:
        raise ArgumentError("x", "at least one array or file", "none")
    return Pairs([*zip(*columns.values(), strict=True)], read, size, axes, channel_axis)


def _checked(array: Any, name: str) -> Any:
    """Return an array in chunks if its parts can be read, or any other one as a NumPy array."""
    if not is_chunked(array):
        return as_array(array, name)
    if type(array).__module__.partition(".")[0] == "dask":
        from faltung.chunked.dask_input import check_dask  # dask is loaded, as this is one of its arrays

        check_dask(name, array)
    return array


def is_chunked(array: Any) -> bool:
    """Whether an array is stored in chunks, like those of dask, zarr and h5py, and read a part at a time."""
    return not isinstance(array, np.ndarray) and bool(getattr(array, "chunks", None))


def pick(array: Any, roles: AxisRoles, image: Sequence[int], spans: Sequence[slice]) -> NDArray[Any]:
    """Return samples (channels, *spatial) of one image of an array; a view if the array is in memory.

    Parameters
    ----------
    array : array
        NumPy array or chunked array.
    roles : AxisRoles
        The role of each axis.
    image : sequence of int
        Index of the image along each batch axis.
    spans : sequence of slice
        Positions along each spatial axis.

    Examples
    --------
    >>> colour = np.zeros((7, 4, 5, 3))
    >>> pick(colour, AxisRoles((1, 2), 3, (0,)), [6], [slice(None), slice(0, 2)]).shape
    (3, 4, 2)
    """
    index: list[Any] = [slice(None)] * array.ndim
    for axis, item in (*zip(roles.batch, image, strict=True), *zip(roles.spatial, spans, strict=True)):
        index[axis] = item
    part = np.asarray(array[tuple(index)])
    remaining = [axis for axis in range(array.ndim) if axis not in roles.batch]
    order = [remaining.index(axis) for axis in roles.spatial]
    if roles.channel is None:
        return part.transpose(order)[np.newaxis]
    return part.transpose([remaining.index(roles.channel), *order])


def _is_list(x: Any, read: Reader | None) -> bool:
    if isinstance(x, (str, os.PathLike)):
        return True
    if not isinstance(x, (list, tuple)):
        return False
    # Nested lists of numbers are one array.
    return read is not None or any(isinstance(item, (str, os.PathLike)) or hasattr(item, "shape") for item in x)


def _listed(x: Any) -> Any:
    return [x] if isinstance(x, (str, os.PathLike)) else x


def _as_samples(item: Any, name: str, read: Reader | None) -> Any:
    if read is not None:
        item = read(item)
    elif isinstance(item, (str, os.PathLike)):
        remedy = "Pass read=numpy.load, read=tifffile.imread, or a similar function."
        raise ArgumentTypeError("read", f"a function that makes an array of the files of {name}", "None", remedy)
    array = _checked(item, name)
    if computed_dtype(np.dtype(array.dtype), name).kind == "c":
        remedy = "Pass real and imaginary parts as channels."
        raise ArgumentTypeError(name, "an array of real numbers", f"dtype {array.dtype}", remedy)
    return array


def _as_mask(mask: Any, shape: tuple[int, ...], roles: AxisRoles) -> Any:
    if mask is None:
        return None
    array = _checked(mask, "mask")
    if np.dtype(array.dtype).kind != "b":
        expected = "an array of booleans, False at outputs that are left out"
        raise ArgumentTypeError("mask", expected, f"dtype {array.dtype}", "Pass numbers as weights=.")
    return _with_axes_of_pair(array, "mask", shape, roles)


def _as_weights(weights: Any, shape: tuple[int, ...], roles: AxisRoles) -> Any:
    if weights is None:
        return None
    array = _checked(weights, "weights")
    if computed_dtype(np.dtype(array.dtype), "weights").kind == "c":
        raise ArgumentTypeError("weights", "an array of real numbers", f"dtype {array.dtype}", "Pass abs(weights).")
    return _with_axes_of_pair(array, "weights", shape, roles)


def _with_axes_of_pair(array: Any, name: str, shape: tuple[int, ...], roles: AxisRoles) -> Any:
    """Return an array of positions with the axes of the pair; the axis of channels has length 1."""
    positions = tuple(length for axis, length in enumerate(shape) if axis != roles.channel)
    if is_chunked(array):
        if roles.channel is not None or array.shape != positions:
            expected = f"an array in memory, or one in chunks of shape {positions} without channels"
            raise ArgumentError(name, expected, f"shape {array.shape}", "Pass it as a NumPy array.")
        return array
    try:
        full = np.broadcast_to(array, positions)
    except ValueError:
        expected = f"shape {positions}, that of x without channels, or one that broadcasts to it"
        raise ArgumentError(name, expected, f"shape {array.shape}") from None
    return full if roles.channel is None else np.expand_dims(full, roles.channel)


def _axis(name: str, axis: Any, ndim: int) -> int:
    return integer(name, axis, -ndim, ndim - 1) % ndim
