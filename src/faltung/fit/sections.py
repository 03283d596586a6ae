"""How is data read piece by piece? In sections that fit into memory, and tiles that fit into the cache.

With s taps along an axis, of which the one at lag zero has the index o, the window of the output at position n is
x[n + o - s + 1], ..., x[n + o]. So the source of a tile is longer than the tile by s - 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ArgumentError
from faltung.fit.pairs import Pair, Pairs, is_chunked, pick
from faltung.fit.tiles import tile_sides, tiled
from faltung.ground.arrays import computed_dtype
from faltung.ground.boundary import check_modes
from faltung.ground.extended import Region, extended_block
from faltung.ground.threads import share

__all__ = ["ImagePart", "ImageTiles", "Levels", "Section", "TileData", "Window", "images"]

_Result = TypeVar("_Result")

Levels: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]
"""A number for each channel in and for each channel out, which is subtracted from samples as they are read."""

#: The number of samples of a chunked array that are in memory at a time.
_HELD = 1 << 24


@dataclass(frozen=True)
class Window:
    """The samples of the input that an output depends on.

    Parameters
    ----------
    size : tuple of int
        Taps along each axis.
    modes : tuple of str, or None
        How the input continues beyond its border, along each axis; None if outputs whose window reaches beyond it are
        left out.
    cval : float
        The value beyond the border for ``constant``.
    """

    size: tuple[int, ...]
    modes: tuple[str, ...] | None
    cval: float

    @property
    def origin(self) -> tuple[int, ...]:
        """Index of the tap at lag zero, the default of `faltung.Kernel`."""
        return tuple(size // 2 for size in self.size)

    @property
    def extension(self) -> tuple[str, ...]:
        """The mode of each axis; if there is none, no window reaches beyond the border."""
        return self.modes or ("constant",) * len(self.size)

    def inputs(self, region: Region) -> Region:
        """Return the region of the input that the windows of outputs in a region cover."""
        axes = zip(region, self.size, self.origin, strict=True)
        return tuple((start + at - size + 1, stop + at) for (start, stop), size, at in axes)

    def outputs(self, lengths: Sequence[int]) -> Region:
        """Return the region that has outputs, for an image of these lengths; it may be empty."""
        if self.modes is not None:
            return tuple((0, length) for length in lengths)
        axes = zip(lengths, self.size, self.origin, strict=True)
        return tuple((size - 1 - at, length - at) for length, size, at in axes)


@dataclass(frozen=True)
class TileData:
    """All data of the outputs of a tile.

    Parameters
    ----------
    source : ndarray, shape (channels in, *(lengths + size - 1))
        The input that their windows cover, with zeros in place of samples that are not finite.
    target : ndarray, shape (channels out, *lengths)
        The target, with zeros at outputs that are not used.
    used : ndarray of bool, shape lengths, or None
        Which outputs are used; None for all.
    weights : ndarray, shape lengths, or None
        Weight of each output; None if all have the weight one.
    missing : int
        The number of outputs left out because their target, or a sample of their window, is not finite.
    """

    source: NDArray[np.float64]
    target: NDArray[np.float64]
    used: NDArray[np.bool_] | None
    weights: NDArray[np.float64] | None
    missing: int

    @property
    def positions(self) -> int:
        """The number of used outputs."""
        return math.prod(self.target.shape[1:]) if self.used is None else int(np.count_nonzero(self.used))


@dataclass(frozen=True)
class Section:
    """An image, or a part of one, whose samples are in memory.

    Parameters
    ----------
    window : Window
        The window of an output.
    source : ndarray, shape (channels in, *lengths)
        The input.
    target, mask, weights : ndarray, shape (channels, *lengths), or None
        Target, mask and weight of each output.
    first : tuple of int
        Position in the source of the first output that these three arrays have a value for.
    levels : Levels, optional
        What is subtracted from input and target. Sums of squares of what is left do not lose the digits that samples
        with a large mean and a small deviation have in common.
    """

    window: Window
    source: NDArray[Any]
    target: NDArray[Any]
    mask: NDArray[np.bool_] | None
    weights: NDArray[Any] | None
    first: tuple[int, ...]
    levels: Levels | None = None

    def means(self) -> Levels:
        """Return the means of input and target, channel by channel, at the outputs that are not left out."""
        lengths = self.target.shape[1:]
        spans = [slice(first, first + length) for first, length in zip(self.first, lengths, strict=True)]
        chosen = np.ones(lengths, bool) if self.mask is None else self.mask[0]
        return _means(_sliced(self.source, spans), chosen), _means(self.target, chosen)

    @property
    def region(self) -> Region:
        """The region that has outputs."""
        return self.window.outputs(self.source.shape[1:])

    def map_tiles(
        self, tiles: Sequence[Region], function: Callable[[TileData], _Result], workers: int
    ) -> list[_Result]:
        """Return the result of a function for the data of each tile, in the order of tiles; on several threads."""
        results: list[_Result | None] = [None] * len(tiles)

        def compute(index: int) -> None:
            with np.errstate(over="ignore", invalid="ignore"):  # each thread has its own error state
                results[index] = function(self.tile_data(tiles[index]))

        share(compute, range(len(tiles)), workers)
        return results  # type: ignore[return-value]  # every item has been set

    def inputs(self, region: Region) -> NDArray[np.float64]:
        """Return the input under the windows of a region, with zeros in place of samples that are not finite."""
        source = self._inputs(region)
        finite = np.isfinite(source)
        return source if finite.all() else np.where(finite, source, 0.0)

    def tile_data(self, tile: Region) -> TileData:
        """Return all data of the outputs of a tile."""
        source, target = self._inputs(tile), self._at(self.target, tile).astype(np.float64)
        if self.levels is not None:
            target -= _per_channel(self.levels[1], target.ndim)
        used = None if self.mask is None else self._at(self.mask, tile)[0]
        weights = None if self.weights is None else _check_weights(self._at(self.weights, tile)[0].astype(np.float64))
        missing = 0
        if not (np.isfinite(source).all() and np.isfinite(target).all()):
            finite = _finite_windows(source, self.window.size) & np.isfinite(target).all(axis=0)
            used = np.ones_like(finite) if used is None else used
            missing = int(np.count_nonzero(used & ~finite))
            used = used & finite
            source = np.where(np.isfinite(source), source, 0.0)
        if used is None or used.all():
            return TileData(source, target, None, weights, missing)
        return TileData(source, np.where(used, target, 0.0), used, weights, missing)

    def _inputs(self, region: Region) -> NDArray[np.float64]:
        channels, *lengths = self.source.shape
        inputs = self.window.inputs(region)
        read = partial(_sliced, self.source)
        window = self.window
        source = extended_block(read, channels, lengths, inputs, window.extension, window.cval, np.float64)
        return source if self.levels is None else source - _per_channel(self.levels[0], source.ndim)

    def _at(self, samples: NDArray[Any], region: Region) -> NDArray[Any]:
        bounds = zip(region, self.first, strict=True)
        return _sliced(samples, [slice(start - first, stop - first) for (start, stop), first in bounds])


class ImagePart(NamedTuple):
    """A part of an image that fits into memory.

    Parameters
    ----------
    tiles : list of Region
        The tiles that it has, in positions of the image.
    first : tuple of int
        Position in the image of the first sample of the section.
    read : callable
        Returns the section with all their data.
    """

    tiles: list[Region]
    first: tuple[int, ...]
    read: Callable[[], Section]


class ImageTiles(NamedTuple):
    """The tiles of an image, in its positions, and the parts in which they are read.

    The tiles do not depend on how the image is stored, so an array in chunks has the same as one in memory.
    """

    tiles: list[Region]
    parts: list[ImagePart]


def images(pairs: Pairs, mode: str | Sequence[str] | None, cval: float) -> Iterator[ImageTiles]:
    """Yield all images, always in the same order."""
    for pair in pairs:
        size = pairs.window(pair)
        window = Window(size, None if mode is None else check_modes(mode, len(size)), cval)
        region = window.outputs(pair.lengths)
        if any(start >= stop for start, stop in region):
            remedy = "Use a smaller size, or pass mode= to extend x beyond its border."
            expected = f"an array at least as long as the filter, {window.size}, along its axes"
            raise ArgumentError("x", expected, f"lengths {pair.lengths}", remedy)
        places = [*np.ndindex(pair.batch)]
        sides = tile_sides(region, size, len(pairs) * len(places))
        for image in places:
            yield ImageTiles(tiled(region, sides), _parts(pair, window, image, region, sides))


def _parts(
    pair: Pair, window: Window, image: tuple[int, ...], region: Region, sides: Sequence[int]
) -> list[ImagePart]:
    """Cut an image into groups of tiles that fit into memory; one in memory is a single group."""
    array = next((array for array in (pair.source, pair.target) if is_chunked(array)), None)
    if array is None:
        whole = partial(_section_in_memory, pair, window, image)
        return [ImagePart(tiled(region, sides), (0,) * len(sides), whole)]
    parts = []
    for part in tiled(region, _part_sides(array.chunks, pair, region, sides)):
        first = tuple(start for start, _ in window.inputs(part))
        parts.append(ImagePart(tiled(part, sides), first, partial(_read, pair, window, image, part)))
    return parts


def _part_sides(chunks: Any, pair: Pair, region: Region, sides: Sequence[int]) -> list[int]:
    """Return the sides of groups of tiles: as long as several chunks, as far as they fit into memory."""
    # dask lists the lengths of all chunks along an axis; other libraries have one length for all.
    longest = [np.max(chunks[axis]).item() for axis in pair.roles.spatial]
    lengths = [stop - start for start, stop in region]
    most = _HELD // max(pair.channels)
    while True:
        doubled = [min(2 * side, length) for side, length in zip(longest, lengths, strict=True)]
        can_grow = [axis for axis, side in enumerate(longest) if doubled[axis] > side]
        if not can_grow or 2 * math.prod(longest) > most:
            return [max(side // tile, 1) * tile for side, tile in zip(longest, sides, strict=True)]
        shortest = min(can_grow, key=lambda axis: longest[axis])
        longest[shortest] *= 2


def _section_in_memory(pair: Pair, window: Window, image: tuple[int, ...]) -> Section:
    full = [slice(None)] * len(window.size)
    arrays = (pair.source, pair.target, pair.mask, pair.weights)
    source, target, mask, weights = (
        None if array is None else pick(array, pair.roles, image, full) for array in arrays
    )
    return Section(window, source, target, mask, weights, (0,) * len(window.size))  # type: ignore[arg-type]


def _read(pair: Pair, window: Window, image: tuple[int, ...], region: Region) -> Section:
    """Read the data of outputs in a region. The source includes the samples beyond the border that they need."""
    read = partial(pick, pair.source, pair.roles, image)
    inputs = window.inputs(region)
    dtype = np.float64 if window.cval else computed_dtype(pair.source.dtype, "x")
    source = extended_block(read, pair.channels[1], pair.lengths, inputs, window.extension, window.cval, dtype)
    spans = [slice(start, stop) for start, stop in region]
    target, mask, weights = (
        None if array is None else pick(array, pair.roles, image, spans)
        for array in (pair.target, pair.mask, pair.weights)
    )
    inside = replace(window, modes=None)
    first = tuple(start for start, _ in inside.outputs(source.shape[1:]))
    return Section(inside, source, target, mask, weights, first)  # type: ignore[arg-type]


def _sliced(samples: NDArray[Any], spans: Sequence[slice]) -> NDArray[Any]:
    return samples[(slice(None), *spans)]


def _means(samples: NDArray[Any], chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the mean of the chosen samples of each channel that are finite, zero if there are none."""
    rows = (channel[chosen & np.isfinite(channel)].astype(np.float64) for channel in samples)
    return np.array([row.mean() if row.size else 0.0 for row in rows])


def _per_channel(numbers: NDArray[np.float64], ndim: int) -> NDArray[np.float64]:
    return numbers.reshape(-1, *[1] * (ndim - 1))


def _finite_windows(source: NDArray[np.float64], size: Sequence[int]) -> NDArray[np.bool_]:
    """Return for each output whether all samples of its window are finite."""
    finite = np.isfinite(source).all(axis=0)
    for axis, width in enumerate(size):
        finite = np.lib.stride_tricks.sliding_window_view(finite, width, axis).all(axis=-1)
    return np.asarray(finite)


def _check_weights(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    if not (weights >= 0).all() or np.isinf(weights).any():  # the comparison is False for NaN
        wrong = weights[~(weights >= 0) | np.isinf(weights)].flat[0]
        remedy = "Use mask= to leave outputs out."
        raise ArgumentError("weights", "finite numbers of at least zero", f"{wrong}", remedy)
    return weights
