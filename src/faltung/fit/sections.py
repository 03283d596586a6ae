"""How are pairs of images gone through? In sections that fit into memory, and tiles that fit into the cache.

With s taps along an axis, of which the one at lag zero has index o, the output at position n sees the window
x[n + o - s + 1], ..., x[n + o]. A block of outputs therefore needs a block of inputs that is s - 1 longer.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ArgumentError
from faltung.fit.pairs import Pair, Pairs, is_chunked, pick
from faltung.fit.tiles import tiled
from faltung.ground.arrays import computed_dtype
from faltung.ground.extended import Region, extended_block
from faltung.ground.threads import share

__all__ = ["Block", "Section", "Window", "sections"]

_Result = TypeVar("_Result")

#: Samples of a chunked array that are held in memory at a time.
_HELD = 1 << 24


@dataclass(frozen=True)
class Window:
    """What an output sees of the input.

    Parameters
    ----------
    size : tuple of int
        Taps along each axis.
    mode : str or None
        How the input goes on beyond its border; None if only outputs that do not see beyond it count.
    cval : float
        What lies outside for ``constant``.
    """

    size: tuple[int, ...]
    mode: str | None
    cval: float

    @property
    def origin(self) -> tuple[int, ...]:
        """Index of the tap at lag zero: that of `faltung.Kernel`."""
        return tuple(size // 2 for size in self.size)

    def inputs(self, region: Region) -> Region:
        """Positions of the input that outputs in a region see."""
        axes = zip(region, self.size, self.origin, strict=True)
        return tuple((start + at - size + 1, stop + at) for (start, stop), size, at in axes)

    def outputs(self, lengths: Sequence[int]) -> Region:
        """Positions that have an output, for an image of these lengths; there may be none."""
        if self.mode is not None:
            return tuple((0, length) for length in lengths)
        axes = zip(lengths, self.size, self.origin, strict=True)
        return tuple((size - 1 - at, length - at) for length, size, at in axes)


@dataclass(frozen=True)
class Block:
    """Outputs in a region.

    Parameters
    ----------
    source : ndarray, shape (channels in, *(lengths + size - 1))
        The input that they see, with zeros in place of what is not finite.
    target : ndarray, shape (channels out, *lengths)
        What they should be, with zeros where they take no part.
    kept : ndarray of bool, shape lengths, or None
        Which of them take part; None for all.
    weights : ndarray, shape lengths, or None
        What each weighs; None for one.
    missing : int
        How many take no part because something that they see or should be is not finite.
    """

    source: NDArray[np.float64]
    target: NDArray[np.float64]
    kept: NDArray[np.bool_] | None
    weights: NDArray[np.float64] | None
    missing: int

    @property
    def positions(self) -> int:
        """How many outputs take part."""
        return math.prod(self.target.shape[1:]) if self.kept is None else int(np.count_nonzero(self.kept))


@dataclass(frozen=True)
class Section:
    """An image whose samples are at hand.

    Parameters
    ----------
    window : Window
        What each output sees.
    source : ndarray, shape (channels in, *lengths)
        The input.
    target, mask, weights : ndarray, shape (channels, *lengths), or None
        What belongs to each output.
    first : tuple of int
        Position of the first of those.
    """

    window: Window
    source: NDArray[Any]
    target: NDArray[Any]
    mask: NDArray[np.bool_] | None
    weights: NDArray[Any] | None
    first: tuple[int, ...]

    @property
    def region(self) -> Region:
        """Positions that have an output."""
        return self.window.outputs(self.source.shape[1:])

    def work_on(self, tiles: Sequence[Region], work: Callable[[Block], _Result], workers: int) -> list[_Result]:
        """Return what `work` makes of the block of each tile, in the order of tiles, computed on several threads."""
        found: list[_Result | None] = [None] * len(tiles)

        def one(number: int) -> None:
            with np.errstate(over="ignore", invalid="ignore"):  # the state of another thread does not hold here
                found[number] = work(self.block(tiles[number]))

        share(one, range(len(tiles)), workers)
        return found  # type: ignore[return-value]  # all of them have been worked on

    def inputs(self, region: Region) -> NDArray[np.float64]:
        """Return the input that outputs in a region see, with zeros in place of what is not finite."""
        block = self._inputs(region)
        finite = np.isfinite(block)
        return block if finite.all() else np.where(finite, block, 0.0)

    def block(self, region: Region) -> Block:
        """Return all that belongs to outputs in a region."""
        source, target = self._inputs(region), self._at(self.target, region).astype(np.float64)
        kept = None if self.mask is None else self._at(self.mask, region)[0]
        weights = None if self.weights is None else _checked(self._at(self.weights, region)[0].astype(np.float64))
        missing = 0
        if not (np.isfinite(source).all() and np.isfinite(target).all()):
            there = _finite_windows(source, self.window.size) & np.isfinite(target).all(axis=0)
            kept = np.ones_like(there) if kept is None else kept
            missing = int(np.count_nonzero(kept & ~there))
            kept = kept & there
            source = np.where(np.isfinite(source), source, 0.0)
        if kept is None or kept.all():
            return Block(source, target, None, weights, missing)
        return Block(source, np.where(kept, target, 0.0), kept, weights, missing)

    def _inputs(self, region: Region) -> NDArray[np.float64]:
        channels, *lengths = self.source.shape
        mode = self.window.mode or "constant"  # without a mode nothing outside is asked for
        inputs = self.window.inputs(region)
        read = partial(_sliced, self.source)
        return extended_block(read, channels, lengths, inputs, mode, self.window.cval, np.float64)

    def _at(self, samples: NDArray[Any], region: Region) -> NDArray[Any]:
        bounds = zip(region, self.first, strict=True)
        return _sliced(samples, [slice(start - at, stop - at) for (start, stop), at in bounds])


def sections(pairs: Pairs, mode: str | None, cval: float) -> Iterator[tuple[Section, int]]:
    """Yield everything that a filter is fitted to, in an order that is always the same.

    Yields
    ------
    section : Section
    count : int
        About how many sections there are in all.
    """
    for pair in pairs:
        window = Window(pairs.window(pair), mode, cval)
        region = window.outputs(pair.lengths)
        if any(start >= stop for start, stop in region):
            remedy = "Use a smaller size, or say with mode= how x goes on beyond its border."
            expected = f"an array at least as long as the filter, {window.size}, along its axes"
            raise ArgumentError("x", expected, f"lengths {pair.lengths}", remedy)
        images = [*np.ndindex(pair.batch)]
        chunks = _chunks(pair, region)
        for image, part in itertools.product(images, chunks):
            section = _whole(pair, window, image) if part is None else _part(pair, window, image, part)
            yield section, len(pairs) * len(images) * len(chunks)


def _chunks(pair: Pair, region: Region) -> Sequence[Region | None]:
    """Cut the outputs along chunks, as many together as may be held; None stands for an image in memory."""
    array = next((array for array in (pair.source, pair.target) if is_chunked(array)), None)
    if array is None:
        return [None]
    # dask lists the lengths of all chunks along an axis, others give one for all.
    sides = [np.max(array.chunks[axis]).item() for axis in pair.layout.spatial]
    lengths = [stop - start for start, stop in region]
    most = _HELD // max(pair.channels)
    while True:
        grown = [min(2 * side, length) for side, length in zip(sides, lengths, strict=True)]
        growing = [axis for axis, side in enumerate(sides) if grown[axis] > side]
        if not growing or 2 * math.prod(sides) > most:
            return tiled(region, sides)
        shortest = min(growing, key=lambda axis: sides[axis])
        sides[shortest] *= 2


def _whole(pair: Pair, window: Window, image: tuple[int, ...]) -> Section:
    full = [slice(None)] * len(window.size)
    arrays = (pair.source, pair.target, pair.mask, pair.weights)
    source, target, mask, weights = (
        None if array is None else pick(array, pair.layout, image, full) for array in arrays
    )
    return Section(window, source, target, mask, weights, (0,) * len(window.size))  # type: ignore[arg-type]


def _part(pair: Pair, window: Window, image: tuple[int, ...], region: Region) -> Section:
    """Read what outputs in a region need: an image without a border of its own."""
    read = partial(pick, pair.source, pair.layout, image)
    mode = window.mode or "constant"
    inputs = window.inputs(region)
    dtype = np.float64 if window.cval else computed_dtype(pair.source.dtype, "x")
    source = extended_block(read, pair.channels[1], pair.lengths, inputs, mode, window.cval, dtype)
    spans = [slice(start, stop) for start, stop in region]
    target, mask, weights = (
        None if array is None else pick(array, pair.layout, image, spans)
        for array in (pair.target, pair.mask, pair.weights)
    )
    alone = replace(window, mode=None)
    first = tuple(start for start, _ in alone.outputs(source.shape[1:]))
    return Section(alone, source, target, mask, weights, first)  # type: ignore[arg-type]


def _sliced(samples: NDArray[Any], spans: Sequence[slice]) -> NDArray[Any]:
    return samples[(slice(None), *spans)]


def _finite_windows(source: NDArray[np.float64], size: Sequence[int]) -> NDArray[np.bool_]:
    """Whether all that an output sees is finite."""
    finite = np.isfinite(source).all(axis=0)
    for axis, width in enumerate(size):
        finite = np.lib.stride_tricks.sliding_window_view(finite, width, axis).all(axis=-1)
    return np.asarray(finite)


def _checked(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    if not (weights >= 0).all() or np.isinf(weights).any():  # a NaN is not at least zero either
        wrong = weights[~(weights >= 0) | np.isinf(weights)].flat[0]
        raise ArgumentError("weights", "finite numbers of at least zero", f"{wrong}")
    return weights
