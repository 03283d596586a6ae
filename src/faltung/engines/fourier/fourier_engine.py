"""The Fourier engine: overlap-save tiles, transformed, multiplied by a spectrum, and transformed back.

Its cost hardly depends on the size of the kernel. Since taps are real, two items (tiles of one channel each) share a
complex transform, one as its real and one as its imaginary part. Samples that are not finite, or an overflow, spoil
both; so may a sample that is far larger than others. Then both are computed again (see `survey` and `spoiled`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from faltung.engines.base import Block, BlockFunction, Call, Job, Work
from faltung.engines.fourier.items import Item, Items, list_items
from faltung.engines.fourier.large import SLOWER, LargeFiltered, LargeTiling, choose_large
from faltung.engines.fourier.overlap import Tiling, block_shape, choose_tiling, transforms
from faltung.engines.fourier.planes import (
    APART,
    BANK,
    COMMON,
    LOAD,
    PAIRS,
    STORE,
    bank,
    load_plane,
    pairs,
    store_plane,
)
from faltung.engines.fourier.spectrum import Plane, aligned, plane_of
from faltung.engines.fourier.spoiled import Spoiled
from faltung.engines.fourier.survey import box_of_taps
from faltung.engines.fourier.transform import analyse, filter_tile, parts, synthesise
from faltung.engines.repair import view
from faltung.engines.rows import KEPT, MOST_KEPT
from faltung.engines.spread import can_spread
from faltung.ground import scratch
from faltung.ground.bounded import Bounded
from faltung.jit.compile import address, compile_function, compiled_once, ctypes_of
from faltung.jit.ir import module
from faltung.jit.samples import Sample, sample
from faltung.jit.target import Target, host

__all__ = ["Fourier", "SpectraBank"]

#: Rounding error for each stage of radix 2, forwards and backwards together, in units of half the machine epsilon
#: times the sum of abs(taps) times the largest sample of the source block. The largest error measured is below one,
#: for a wave under a single tap. No smaller scale is possible: the error of a large sample is spread over the tile.
ROUNDINGS = 4.0
#: Largest exponent of a power of two that is taken out of taps: its inverse over the points is a normal number, too.
MOST_SCALED = 100
#: Factor by which transforms of several slabs take longer.
SLABS = 1.4
#: Trips through the cache that an output takes to be looked at again, under a kernel with less than this share of
#: taps that are not zero: cells are single samples then, so that one small sample raises an alarm (see `survey`).
ALARM, SPARSE = 50.0, 0.5
#: Calls of machine code that take as long as one large transform with all its steps in NumPy.
LARGE = 60.0


class Fourier:
    """A product of spectra, tile by tile."""

    name = "fourier"
    exact = False

    def accepts(self, job: Job) -> str:
        """Return why not: the kernel must extend along an axis."""
        return "" if job.taps.size > 1 else "the kernel is a single tap"

    def tile(self, job: Job) -> tuple[int, ...]:
        """Return a shape that is made of pairs of tiles, or one tile in large transforms."""
        tiling = _tiling(job)
        return tiling.outputs if isinstance(tiling, LargeTiling) else block_shape(tiling, job.extents, job.step)

    def gathers(self, job: Job) -> bool:
        """Return True: a strip along the border needs transforms as large as those of a block."""
        return True

    def work(self, job: Job) -> Work:
        """Count the points of all transforms, times the binary logarithm of their size."""
        tiling = _tiling(job)
        moved = float(math.prod(job.extents) * job.step * (job.source.itemsize + job.target.itemsize))
        if isinstance(tiling, LargeTiling):
            stages = math.log2(2 * tiling.size)
            tiles = tiling.tiles(job.extents) * job.step
            return Work(
                transformed=SLOWER[job.taps.itemsize] * tiles * tiling.points * stages,
                bytes=moved,
                calls=LARGE * tiles,
                roundings=ROUNDINGS * stages,
                pointwise=False,
                whole=False,
                scratch=4.0 * tiling.points * job.taps.itemsize,
            )
        points = float(transforms(tiling, job.extents, job.step) * tiling.points)
        stages = math.log2(tiling.size)
        return Work(
            transformed=2 * points * stages * tiling.far(job.taps.itemsize) * (SLABS if tiling.plane[0] > 1 else 1.0),
            # Samples go into a plane and out of it, both parts; a long line is multiplied by twists, too.
            trips=(8 if tiling.kind == "line" else 4) * points + _alarms(job),
            bytes=moved,
            roundings=ROUNDINGS * stages,
            pointwise=False,
            whole=False,
            # The plane, and the spectrum, which all workers share.
            scratch=float(tiling.bytes(job.taps.itemsize) + 2 * tiling.points * job.taps.itemsize),
        )

    def prepare(self, job: Job) -> BlockFunction:
        """Compute the spectrum; the code is the same for all sizes."""
        if isinstance(_tiling(job), LargeTiling):
            return LargeFiltered(job, _bare)
        return _Filtered(job, _Repair)

    def shares(self, job: Job) -> str:
        """Return why not: the kernels of a bank must extend along the last axis and fit into a transform."""
        return "" if _in_cache(job, many=True) else "the kernels do not fit into a transform in the cache"

    def prepare_bank(self, taps: Sequence[NDArray[np.floating]], job: Job) -> SpectraBank:
        """Compute the spectra of several kernels, which share the transform of each tile.

        Parameters
        ----------
        taps : sequence of ndarray
            Kernels of the shape and dtype of the job's own taps, which are not used.
        job : Job
            What the kernels have in common.
        """
        return SpectraBank(taps, job)


def _alarms(job: Job) -> float:
    """Return the trips of outputs that are looked at again; integers of few bits are never too far apart."""
    sparse = np.count_nonzero(job.taps) < SPARSE * job.taps.size
    return ALARM * math.prod(job.extents) * job.step if sparse and can_spread(job.source) else 0.0


def _in_cache(job: Job, many: bool = False) -> Tiling | None:
    """Return the tiling with transforms in the cache; None if the kernel does not fit into any."""
    extended = sum(size > 1 for size in job.taps.shape)
    if job.taps.shape[-1] == 1 or extended > 3:
        return None
    return choose_tiling(job.extents, job.taps.shape, job.step, job.taps.itemsize, many)


def _tiling(job: Job) -> Tiling | LargeTiling:
    """Return the tiling for one kernel."""
    return _in_cache(job) or choose_large(job.extents, job.taps.shape, job.step)


def _bare(job: Job) -> BlockFunction:
    """Prepare a block function that repairs nothing."""
    return LargeFiltered(job) if isinstance(_tiling(job), LargeTiling) else _Filtered(job)


class _Blocks:
    """Filters blocks: holds the plane, its code, and the items of each layout of blocks.

    Parameters
    ----------
    job : Job
        What is computed, for one kernel or for several of the same shape.
    code : callable
        The compiled function for all items.
    kernels : sequence of ndarray
        The taps.
    together : int
        Items that share a transform.
    """

    def __init__(
        self, job: Job, code: Callable[..., int], kernels: Sequence[NDArray[np.floating]], together: int
    ) -> None:
        number, target = job.number, host()
        self._job = job
        self._code = code
        self._together = together
        self._box = tuple(map(min, zip(*map(box_of_taps, kernels), strict=True)))
        tiling = _in_cache(job, many=together == 1)
        if tiling is None:
            raise ValueError("the kernel does not fit into a transform in the cache")
        self.plane = plane_of(tiling, job.taps.dtype, target)
        # The machine code calls these two by their addresses.
        self._transfer = (
            _loader(sample(job.source), number, job.step, target),
            _storer(job.stored, number, job.step, target),
        )
        self._transfer_addresses = [address(function) for function in self._transfer]
        self._items_of: Bounded[Block, Items] = Bounded(MOST_KEPT, KEPT)

    def numbers(self, taps: NDArray[np.floating], exponent: int) -> list[float]:
        """Return the `NUMBERS` of a kernel whose taps were divided by 2 to the `exponent`."""
        least, divisor = 0.0 if (taps >= 0).all() else -math.inf, self._job.divided.by if self._job.divided else 1.0
        return [2.0**exponent / self.plane.tiling.size, least, -math.inf, divisor]

    def run(
        self, block: Block, addresses: tuple[int, ...], spectrum: int, numbers: int
    ) -> list[tuple[tuple[Item, ...], bool]]:
        """Filter a block; return the transforms to look at again, and whether all their results are finite."""
        items = self._items(block)
        memory = {name: scratch.take(f"fourier {name}", size) for name, size in self._sizes(items).items()}
        status = np.zeros(len(items.transforms), np.int64)
        values = self._values(items, spectrum, numbers) | {name: place for name, (_, place) in memory.items()}
        values["status"] = status.ctypes.data
        spoiled = self._code(*addresses, *(values[name] for name in COMMON))
        return [(items.transforms[k], bool(status[k] == APART)) for k in np.flatnonzero(status)] if spoiled else []

    def call(self, block: Block, spectrum: int, numbers: int, keep: object) -> Call:
        """Return the call that filters blocks with one kernel, and only says whether there is something to repair."""
        items = self._items(block)
        sizes = self._sizes(items) | {"status": 8 * len(items.transforms)}
        return Call(self._code, PAIRS, self._values(items, spectrum, numbers), sizes, (items, self, keep), False)

    def _sizes(self, items: Items) -> dict[str, int]:
        """Return the bytes of each piece of scratch."""
        return {
            "plane": self.plane.bytes,
            "buffer": self.plane.buffer_bytes,
            "spectra": self.plane.spectrum_bytes if self._together == 1 else 0,
            "cells": items.cell_bytes,
        }

    def _values(self, items: Items, spectrum: int, numbers: int) -> dict[str, int]:
        """Return the arguments that stay the same from call to call."""
        load, store = self._transfer_addresses
        return {
            "spectrum": spectrum,
            "tile": self.plane.table.ctypes.data,
            "block": items.block.ctypes.data,
            "items": items.table.ctypes.data,
            "count": len(items.transforms),
            "numbers": numbers,
            "load": load,
            "store": store,
        }

    def _items(self, block: Block) -> Items:
        items = self._items_of.get(block)
        if items is None:
            items = list_items(self._job, self.plane, block, self._together, self._box)
            # Its items in Python take about four times as much as the table that the code reads.
            self._items_of.put(block, items, 5 * items.table.nbytes)
        return items


class _Filtered:
    """Blocks filtered with one kernel; nothing is repaired for a repair."""

    def __init__(self, job: Job, repair: Callable[[Job, _Blocks], _Repair] | None = None) -> None:
        self._blocks = _Blocks(job, _filter(job.number, host()), [job.taps], together=2)
        self._repair = repair(job, self._blocks) if repair else None
        exponent, spectrum = _spectrum(job.taps, self._blocks.plane)
        self._spectrum = self._blocks.plane.laid_out(spectrum)
        self._numbers = np.array(self._blocks.numbers(job.taps, exponent), job.taps.dtype)
        self._addresses = self._spectrum.ctypes.data, self._numbers.ctypes.data

    def call(self, block: Block) -> Call:
        """Return the call that fills blocks of this layout."""
        return self._blocks.call(block, *self._addresses, keep=self)

    def __call__(self, source: int, target: int, block: Block) -> None:
        """Fill the block."""
        again = self._blocks.run(block, (source, target), *self._addresses)
        if self._repair is not None:
            for items, finite in again:
                self._repair(items, finite, block, source, target)


class SpectraBank:
    """Blocks filtered with several kernels.

    Two kernels share a transform back, and so the rounding errors of each other. They are scaled to about one size
    first. Kernels that cannot be, because all their taps are zero or their sum is out of reach, share nothing.

    Parameters
    ----------
    taps : sequence of ndarray
        The kernels.
    job : Job
        What they have in common.
    """

    def __init__(self, taps: Sequence[NDArray[np.floating]], job: Job) -> None:
        self._job = job
        self._zero = [k for k, kernel in enumerate(taps) if not kernel.any()]
        self._alone = {
            k: _Filtered(replace(job, taps=kernel, terms=()), _Repair)
            for k, kernel in enumerate(taps)
            if kernel.any() and abs(_exponent(kernel)) > MOST_SCALED
        }
        self._shared = [k for k in range(len(taps)) if k not in self._alone and k not in self._zero]
        kernels = [taps[k] for k in self._shared]
        self._blocks = _Blocks(job, _bank(job.number, host()), kernels or taps, together=1)
        self._repairs = [_Repair(replace(job, taps=kernel, terms=()), self._blocks) for kernel in kernels]
        spectra, numbers = [], []
        for kernel in kernels:
            exponent, spectrum = _spectrum(kernel, self._blocks.plane)
            spectra.append(spectrum)
            numbers.append(self._blocks.numbers(kernel, exponent))
        if len(spectra) % 2:
            spectra.append(np.zeros_like(spectra[0]))
        pairs = zip(spectra[0::2], spectra[1::2], strict=True)
        laid_out = [self._blocks.plane.laid_out(one + 1j * two) for one, two in pairs]
        self._spectra = aligned(np.stack(laid_out)) if laid_out else None
        self._numbers = np.array(numbers, job.taps.dtype)
        #: Shape of the blocks for which it is fastest; every item has a transform of its own here.
        self.tile = block_shape(self._blocks.plane.tiling, job.extents, step=2)

    def __call__(self, source: int, targets: Sequence[int], block: Block) -> None:
        """Fill a block for each kernel."""
        job = self._job
        for k in self._zero:
            shape = (*block.shape[:-1], block.shape[-1] * job.step)
            view(targets[k], block.target_strides, shape, job.target)[...] = 0
        for k, run in self._alone.items():
            run(source, targets[k], block)
        shared, spectra = [targets[k] for k in self._shared], self._spectra
        if spectra is None:
            return
        table = np.array(shared, np.int64)
        addresses = (source, table.ctypes.data, len(shared), spectra[0].nbytes)
        for items, finite in self._blocks.run(block, addresses, spectra.ctypes.data, self._numbers.ctypes.data):
            for repair, target in zip(self._repairs, shared, strict=True):
                repair(items, finite, block, source, target)


class _Repair:
    """Items of one kernel computed again."""

    def __init__(self, job: Job, blocks: _Blocks) -> None:
        self._job = job
        self._spoiled = Spoiled(job, blocks.plane.tiling.outputs, _bare)

    def __call__(self, items: Sequence[Item], finite: bool, block: Block, source: int, target: int) -> None:
        job = self._job
        both = []
        for item in items:
            shape = tuple(size + taps - 1 for size, taps in zip(item.shape, job.taps.shape, strict=True))
            samples = view(source + item.source, block.source_strides, shape, job.source, job.step)
            both.append((samples, view(target + item.target, block.target_strides, item.shape, job.target, job.step)))
        if finite:
            self._spoiled.mend(both)
            return
        for samples, results in both:
            self._spoiled.repair(samples, results)


def _spectrum(taps: NDArray[np.floating], plane: Plane) -> tuple[int, NDArray[np.complex128]]:
    """Return the spectrum, and the exponent of the power of two that was taken out of the taps.

    Then their sum is about one, so that nothing over- or underflows and two kernels of a bank are of one magnitude.
    """
    exponent = int(np.clip(_exponent(taps), -MOST_SCALED, MOST_SCALED))
    shape = [1 if axis is None else taps.shape[axis] for axis in plane.tiling.axes]
    return exponent, plane.spectrum(np.ldexp(taps.astype(np.float64), -exponent).reshape(shape))


def _exponent(taps: NDArray[np.floating]) -> int:
    """Return the exponent of a power of two above the sum of the magnitudes."""
    return int(np.frexp(np.abs(taps).sum(dtype=np.float64))[1])


@compiled_once
def _filter(number: str, target: Target) -> Callable[..., int]:
    lanes = target.lanes(number)
    text = module(*parts(number, lanes), filter_tile(number, lanes), pairs(number))
    return compile_function(text, "pairs", ctypes_of(PAIRS), target)


@compiled_once
def _bank(number: str, target: Target) -> Callable[..., int]:
    lanes = target.lanes(number)
    text = module(*parts(number, lanes), analyse(number, lanes), synthesise(number, lanes), bank(number))
    return compile_function(text, "bank", ctypes_of(BANK), target)


@compiled_once
def _loader(source: Sample, number: str, step: int, target: Target) -> Callable[..., int]:
    text = module(load_plane(source, number, target.lanes(number), step))
    return compile_function(text, "load_plane", ctypes_of(LOAD), target)


@compiled_once
def _storer(result: Sample, number: str, step: int, target: Target) -> Callable[..., int]:
    text = module(store_plane(result, number, target.lanes(number), step))
    return compile_function(text, "store_plane", ctypes_of(STORE), target)
