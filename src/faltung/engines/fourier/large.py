"""Kernels of any size: the same tiles in larger transforms, which NumPy makes out of the cache.

A transform in the cache is faster for each point, but a kernel that nearly fills it leaves few outputs. From there
on it is faster to transform millions of points at once. Kernels with more axes than a plane has, or a single column,
are filtered like this, too. Real samples have a transform of half the size, so no two tiles share one. Repairs are
those of all tiles (see `spoiled`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.engines.base import Block, BlockFunction, Job
from faltung.engines.fourier.overlap import evenly
from faltung.engines.fourier.spoiled import Spoiled, any_in_windows
from faltung.engines.fourier.survey import RANGE, box_of_taps
from faltung.engines.repair import stored, view
from faltung.engines.rows import tile_count
from faltung.engines.spread import can_spread
from faltung.ground.lazy import lazy

__all__ = ["SLOWER", "LargeFiltered", "LargeTiling", "choose_large"]

#: Time of a point and stage of NumPy's transforms, forwards and backwards together, in units of one in the cache of
#: the same number of bytes.
SLOWER = {4: 6.8, 8: 4.4}
#: Points of the largest transform, unless the kernel itself needs a larger one.
MOST_POINTS = 1 << 25
#: Most ways to cut tiles that are compared.
MOST_OPTIONS = 1 << 11
#: Bytes of lines that are transformed at a time.
CACHED_LINES = 1 << 18
#: Cells (see `survey`) along the kernel: here they may be small, so that a border of zeros raises no alarm.
CELLS = 8
#: Sizes that NumPy transforms fast.
FAST = sorted(
    2**a * 3**b * 5**c for a in range(28) for b in range(5) for c in range(4) if 2**a * 3**b * 5**c <= 1 << 27
)


@dataclass(frozen=True)
class LargeTiling:
    """Transforms of one size, and how they cover the outputs.

    Parameters
    ----------
    sizes : tuple of int
        Points of the transform along each axis of the job; 1 if the kernel does not extend along it.
    outputs : tuple of int
        Outputs of a whole tile, along each axis of the job.
    """

    sizes: tuple[int, ...]
    outputs: tuple[int, ...]

    @lazy
    def size(self) -> int:
        """Points of one transform."""
        return math.prod(self.sizes)

    @lazy
    def points(self) -> int:
        """Samples of a tile with its halo, extended to the sizes of its transforms."""
        return math.prod(
            max(size, count if size == 1 else 1) for size, count in zip(self.sizes, self.outputs, strict=True)
        )

    def tiles(self, extents: tuple[int, ...]) -> int:
        """Tiles that cover so many outputs."""
        return tile_count(extents, self.outputs)

    def cost(self, extents: tuple[int, ...], step: int, itemsize: int) -> float:
        """Return the time of so many outputs, in the unit of `faltung.engines.fourier.overlap.Tiling.cost`."""
        return SLOWER[itemsize] / 2 * self.tiles(extents) * step * self.points * math.log2(2 * self.size)


@lru_cache(maxsize=256)
def choose_large(extents: tuple[int, ...], kernel: tuple[int, ...], step: int) -> LargeTiling:
    """Return the cheapest tiling with transforms of a bounded size, or the smallest if all are larger."""
    options = [_sizes(extent, taps) for extent, taps in zip(extents, kernel, strict=True)]
    for axis, taps in enumerate(kernel):
        if taps == 1 and math.prod(map(len, options)) > MOST_OPTIONS:
            options[axis] = options[axis][-1:]  # of many axes, tiles are cut along the first
    tilings = []
    for chosen in itertools.product(*options):
        sizes, outputs = zip(*chosen, strict=True)
        tilings.append(LargeTiling(sizes, outputs))
    small = [tiling for tiling in tilings if tiling.points <= MOST_POINTS]
    if small:
        return min(small, key=lambda tiling: tiling.cost(extents, step, 4))
    return min(tilings, key=lambda tiling: tiling.points)


def _sizes(extent: int, taps: int) -> list[tuple[int, int]]:
    """Return sizes of a transform with their outputs, for one tile, two, three, four, six ... along an axis."""
    counts = [1, *(base << k for k in range(22) for base in (2, 3))]
    if taps == 1:
        return [(1, max(1, -(-extent // count))) for count in counts if count <= max(extent, 1)][:12]
    found: dict[int, tuple[int, int]] = {}
    for count in counts:
        outputs = -(-max(extent, 1) // count)
        size = next(fast for fast in FAST if fast >= outputs + taps - 1)
        found.setdefault(size, (size, min(size - taps + 1, max(extent, 1))))
        if outputs < taps // 4 or outputs == 1:
            break
    return list(found.values())


class LargeFiltered:
    """Blocks filtered with one kernel.

    Parameters
    ----------
    job : Job
        What is computed.
    prepare : callable, optional
        Prepares block functions that repair nothing, for repairs; if there is none, nothing is repaired.
    """

    def __init__(self, job: Job, prepare: Callable[[Job], BlockFunction] | None = None) -> None:
        self._job = job
        self._tiling = choose_large(job.extents, job.taps.shape, job.step)
        self._axes = [axis for axis, size in enumerate(job.taps.shape) if size > 1]
        self._spoiled = Spoiled(job, self._tiling.outputs, prepare) if prepare else None
        box = box_of_taps(job.taps)
        self._cell = tuple(max(1, size // CELLS) for size in box)
        # Whole cells that are under the kernel along each axis.
        self._covered = tuple((size + 1) // length - 1 for size, length in zip(box, self._cell, strict=True))
        self._positive = bool((job.taps >= 0).all())

    @lazy
    def _spectrum(self) -> NDArray[np.complexfloating[Any, Any]]:
        """The conjugate of the transform of the taps over `_scale`."""
        taps = np.ldexp(self._job.taps.astype(np.float64), -self._exponent)
        number = np.complex64 if self._job.taps.dtype == np.float32 else np.complex128
        spectrum: NDArray[np.complexfloating[Any, Any]] = self._forward(taps).conj().astype(number)
        return spectrum

    @lazy
    def _exponent(self) -> int:
        return int(np.clip(np.frexp(np.abs(self._job.taps).sum(dtype=np.float64))[1], -100, 100))

    def __call__(self, source: int, target: int, block: Block) -> None:
        """Fill the block, tile by tile."""
        job = self._job
        halo = [size - 1 for size in job.taps.shape]
        shape = tuple(size + more for size, more in zip(block.shape, halo, strict=True))
        tiles = [evenly(size, most) for size, most in zip(block.shape, self._tiling.outputs, strict=True)]
        for channel in range(job.step):
            place = source + channel * job.source.itemsize
            samples = view(place, block.source_strides, shape, job.source, job.step)
            place = target + channel * job.target.itemsize
            results = view(place, block.target_strides, block.shape, job.target, job.step)
            for tile in itertools.product(*tiles):
                outputs = tuple(slice(start, start + count) for start, count in tile)
                read = tuple(slice(part.start, part.stop + more) for part, more in zip(outputs, halo, strict=True))
                self._fill(samples[read], results[outputs])

    def _fill(self, samples: NDArray[Any], results: NDArray[Any]) -> None:
        numbers = samples.astype(self._job.taps.dtype, copy=False)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            spectrum = self._forward(numbers)
            spectrum *= self._spectrum
            filtered = self._backward(spectrum, results.shape)
            filtered *= 2.0**self._exponent
        finite = bool(np.isfinite(filtered).all())
        if self._positive and finite and not (numbers < 0).any():
            np.maximum(filtered, 0, out=filtered)
        results[...] = stored(filtered, results.dtype, self._job.divided, self._job.truncated)
        if self._spoiled is None:
            return
        if not finite:
            self._spoiled.repair(samples, results)
        elif can_spread(samples.dtype) and self._apart(numbers):
            self._spoiled.mend([(samples, results)])

    def _forward(self, samples: NDArray[np.floating]) -> NDArray[np.complexfloating[Any, Any]]:
        """Return the transform of some samples."""
        *others, last = self._axes
        shape, size = [*samples.shape], self._tiling.sizes[last]
        for axis in others:
            shape[axis] = self._tiling.sizes[axis]
        shape[last] = size // 2 + 1
        number = np.complex64 if samples.dtype == np.float32 else np.complex128
        spectrum: NDArray[np.complexfloating[Any, Any]] = np.empty(shape, number)
        inside = tuple(slice(None) if axis == last else slice(n) for axis, n in enumerate(samples.shape))
        _along(last, lambda lines: np.fft.rfft(lines, size), samples, spectrum[inside])
        for axis in others:
            spectrum[(*[slice(None)] * axis, slice(samples.shape[axis], None))] = 0
        for axis in others:
            _along(axis, np.fft.fft, spectrum, spectrum)
        return spectrum

    def _backward(
        self, spectrum: NDArray[np.complexfloating[Any, Any]], shape: tuple[int, ...]
    ) -> NDArray[np.floating]:
        """Return the first samples of the transform back, which overwrites the spectrum."""
        *others, last = self._axes
        for axis in others:
            results = spectrum[(*[slice(None)] * axis, slice(shape[axis]))]
            _along(axis, np.fft.ifft, spectrum, results)
            spectrum = results
        filtered = np.empty(shape, self._job.taps.dtype)
        _along(last, lambda lines: np.fft.irfft(lines, self._tiling.sizes[last]), spectrum, filtered)
        return filtered

    def _apart(self, samples: NDArray[np.floating]) -> bool:
        """Whether the kernel may cover only cells, wherever it is, without a sample within `RANGE` of the largest."""
        sizes = np.abs(samples)
        largest = sizes.max()
        for axis in reversed(range(sizes.ndim)):
            length = self._cell[axis]
            whole = sizes.shape[axis] // length * length
            sizes = sizes[(slice(None),) * axis + (slice(whole),)]
            sizes = np.maximum.reduceat(sizes, np.arange(0, whole, length), axis)
        return not any_in_windows(sizes >= largest / RANGE, self._covered).all()


def _along(
    axis: int, transform: Callable[[NDArray[Any]], NDArray[Any]], source: NDArray[Any], target: NDArray[Any]
) -> None:
    """Transform the lines along an axis, as many at a time as the cache holds, and keep the first of each."""
    source, target = np.moveaxis(source, axis, -1), np.moveaxis(target, axis, -1)
    count = max(1, CACHED_LINES // (source.itemsize * source.shape[-1]))
    for index in np.ndindex(source.shape[:-2]):
        lines, results = source[index], target[index]
        for start in range(0, len(lines), count):
            part = slice(start, start + count)
            results[part] = transform(np.ascontiguousarray(lines[part]))[:, : results.shape[-1]]
