"""The Fourier engine: overlap-save tiles, transformed, multiplied by a spectrum, and transformed back.

Its cost hardly depends on the size of the kernel. Since taps are real, two items (tiles of one channel each) share a
complex transform, one as its real and one as its imaginary part. Where a result is not finite, non-finite samples or
an overflow on the way have spoiled both: then the items are computed again, with care (`engines/spoiled.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from faltung.engines.base import Block, BlockFunction, Job, Work
from faltung.engines.fourier.items import Item, Items, list_items
from faltung.engines.fourier.overlap import Tiling, block_shape, choose_tiling, transforms
from faltung.engines.fourier.planes import BANK, LOAD, PAIRS, STORE, bank, load_plane, pairs, store_plane
from faltung.engines.fourier.spectrum import Plane, aligned
from faltung.engines.fourier.spoiled import Spoiled
from faltung.engines.fourier.transform import analyse, filter_tile, parts, synthesise
from faltung.engines.repair import view
from faltung.ground import scratch
from faltung.jit.compile import address, compile_function, ctypes_of
from faltung.jit.ir import module
from faltung.jit.samples import Sample, sample
from faltung.jit.target import Target, host

__all__ = ["Fourier", "SpectraBank"]

#: Rounding error for each stage of radix 2, forwards and backwards together, in units of half the machine epsilon
#: times the sum of abs(taps) times the largest sample of the source block. The largest found is below one, for a wave
#: under a single tap. No smaller scale would do: the error of a large sample that only small taps touch is spread.
ROUNDINGS = 4.0


#: Calls of machine code that beginning and each block are worth: it is one, but with tables to go through.
BEGIN, BLOCK = 6.0, 4.0


class Fourier:
    """A product of spectra, tile by tile."""

    name = "fourier"
    exact = False

    def accepts(self, job: Job) -> str:
        """Return why not: the kernel must extend along the last axis, and fit into a transform."""
        if job.taps.shape[-1] == 1:
            return "the kernel does not extend along the axis whose samples lie side by side"
        if sum(size > 1 for size in job.taps.shape) > 3:
            return "the kernel extends along more than three axes"
        return "" if _tiling(job) else "the kernel is too long for a transform in the cache"

    def tile(self, job: Job) -> tuple[int, ...]:
        """Return a shape in which tiles come in pairs."""
        return block_shape(_accepted(job), job.extents, job.step)

    def gathers(self, job: Job) -> bool:
        """Return True: a strip along the border takes transforms as long as a block does."""
        return True

    def work(self, job: Job) -> Work:
        """Count the points of all transforms, times the binary logarithm of a transform's size."""
        tiling = _accepted(job)
        points = float(transforms(tiling, job.extents, job.step) * tiling.points)
        outputs = math.prod(job.extents) * job.step
        blocks = zip(job.extents, self.tile(job), strict=True)
        stages = math.log2(tiling.size)
        return Work(
            transformed=2 * points * stages,
            # Samples of both parts go into a plane and out of it, and where it is a single row through twiddles too.
            trips=(8 if tiling.kind == "line" else 4) * points,
            bytes=float(outputs * (job.source.itemsize + job.target.itemsize)),
            calls=BEGIN + BLOCK * math.prod(-(-extent // size) for extent, size in blocks),
            roundings=ROUNDINGS * stages,
            pointwise=False,
            scratch=float(tiling.bytes(job.taps.itemsize)),
        )

    def prepare(self, job: Job) -> BlockFunction:
        """Make the spectrum, and find the code, which is the same for all sizes."""
        return _Filtered(job, self.prepare)

    def prepare_bank(self, taps: Sequence[NDArray[np.floating]], job: Job) -> SpectraBank:
        """Make the spectra of several kernels, which share the transform of each tile.

        Parameters
        ----------
        taps : sequence of ndarray
            Kernels of the shape and dtype of the job's own taps, which play no other part.
        job : Job
            What the kernels have in common.
        """
        return SpectraBank(taps, job, self.prepare)


def _tiling(job: Job, many: bool = False) -> Tiling | None:
    # Repairs count in double precision, so that the kernel must fit into a plane of doubles too.
    if choose_tiling(job.extents, job.taps.shape, job.step, 8) is None:
        return None
    return choose_tiling(job.extents, job.taps.shape, job.step, job.taps.itemsize, many)


def _accepted(job: Job, many: bool = False) -> Tiling:
    tiling = _tiling(job, many)
    if tiling is None:
        raise ValueError("the engine does not accept this job")
    return tiling


class _Blocks:
    """What filters blocks: the plane, its code, and the items of each layout of blocks, which are kept.

    Parameters
    ----------
    job : Job
        What is asked for, by one kernel or by several of the same shape.
    code : callable
        The code for all items.
    together : int
        Items that share a transform.
    """

    def __init__(self, job: Job, code: Callable[..., int], together: int) -> None:
        number, target = _number(job), host()
        self._job = job
        self._code = code
        self._together = together
        self.plane = Plane(_accepted(job, many=together == 1), job.taps.dtype, target)
        self._transfer = (
            address(_loader(sample(job.source), number, job.step, target)),
            address(_storer(sample(job.target), number, job.step, target)),
        )
        self._kept: dict[Block, Items] = {}

    def numbers(self, taps: NDArray[np.floating], exponent: int) -> list[float]:
        """Scale of the results of taps that were divided by 2 to the `exponent`, and the least results."""
        return [2.0**exponent / self.plane.tiling.size, 0.0 if (taps >= 0).all() else -math.inf, -math.inf]

    def run(self, block: Block, addresses: tuple[int, ...], spectrum: int, numbers: int) -> list[Item]:
        """Filter a block; return the items that are spoiled."""
        items = self._items(block)
        sizes = {
            "plane": self.plane.bytes,
            "buffer": self.plane.buffer_bytes,
            "spectra": self.plane.spectrum_bytes if self._together == 1 else 0,
        }
        memory = [scratch.take(f"fourier {name}", size) for name, size in sizes.items()]
        status = np.zeros(len(items.transforms), np.int64)
        spoiled = self._code(
            *addresses,
            *(address for _, address in memory),
            spectrum,
            self.plane.table.ctypes.data,
            items.block.ctypes.data,
            items.table.ctypes.data,
            len(items.transforms),
            numbers,
            *self._transfer,
            status.ctypes.data,
        )
        return [item for k in np.flatnonzero(status) for item in items.transforms[k]] if spoiled else []

    def _items(self, block: Block) -> Items:
        found = self._kept.get(block)
        if found is None:
            if len(self._kept) > 256:
                self._kept.clear()
            found = self._kept[block] = list_items(self._job, self.plane, block, self._together)
        return found


class _Filtered:
    """Blocks filtered with one kernel."""

    def __init__(self, job: Job, prepare: Callable[[Job], BlockFunction]) -> None:
        self._blocks = _Blocks(job, _filter(_number(job), host()), together=2)
        self._repair = _Repair(job, self._blocks, prepare)
        exponent, spectrum = _spectrum(job.taps, self._blocks.plane)
        self._spectrum = self._blocks.plane.laid_out(spectrum)
        self._numbers = np.array(self._blocks.numbers(job.taps, exponent), job.taps.dtype)

    def __call__(self, source: int, target: int, block: Block) -> None:
        """Fill the block."""
        addresses = self._spectrum.ctypes.data, self._numbers.ctypes.data
        for item in self._blocks.run(block, (source, target), *addresses):
            self._repair(item, block, source, target)


class SpectraBank:
    """Blocks filtered with several kernels.

    Parameters
    ----------
    taps : sequence of ndarray
        The kernels.
    job : Job
        What they have in common.
    prepare : callable
        The engine's own, for repairs.
    """

    def __init__(
        self, taps: Sequence[NDArray[np.floating]], job: Job, prepare: Callable[[Job], BlockFunction]
    ) -> None:
        self._blocks = _Blocks(job, _bank(_number(job), host()), together=1)
        self._repairs = [_Repair(replace(job, taps=each, terms=()), self._blocks, prepare) for each in taps]
        spectra, numbers = [], []
        for each in taps:
            exponent, spectrum = _spectrum(each, self._blocks.plane)
            spectra.append(spectrum)
            numbers.append(self._blocks.numbers(each, exponent))
        if len(spectra) % 2:
            spectra.append(np.zeros_like(spectra[0]))
        pairs = zip(spectra[0::2], spectra[1::2], strict=True)
        self._spectra = aligned(np.stack([self._blocks.plane.laid_out(one + 1j * two) for one, two in pairs]))
        self._numbers = np.array(numbers, job.taps.dtype)
        #: Shape of the blocks with which it is at its best; items stand alone here, so that they need not pair.
        self.tile = block_shape(self._blocks.plane.tiling, job.extents, step=2)

    def __call__(self, source: int, targets: Sequence[int], block: Block) -> None:
        """Fill a block for each kernel."""
        places = np.array(targets, np.int64)
        addresses = (source, places.ctypes.data, len(places), self._spectra[0].nbytes)
        for item in self._blocks.run(block, addresses, self._spectra.ctypes.data, self._numbers.ctypes.data):
            for repair, target in zip(self._repairs, targets, strict=True):
                repair(item, block, source, target)


class _Repair:
    """Items of one kernel computed again."""

    def __init__(self, job: Job, blocks: _Blocks, prepare: Callable[[Job], BlockFunction]) -> None:
        self._job = job
        self._spoiled = Spoiled(job, blocks.plane.tiling.outputs, prepare)

    def __call__(self, item: Item, block: Block, source: int, target: int) -> None:
        job = self._job
        shape = tuple(size + taps - 1 for size, taps in zip(item.shape, job.taps.shape, strict=True))
        self._spoiled.repair(
            view(source + item.source, block.source_strides, shape, job.source, job.step),
            view(target + item.target, block.target_strides, item.shape, job.target, job.step),
        )


def _spectrum(taps: NDArray[np.floating], plane: Plane) -> tuple[int, NDArray[np.complex128]]:
    """Return the spectrum, and the exponent of the power of two that was taken out of the taps.

    Then their sum is about one, so that nothing over- or underflows and two kernels of a bank are of one magnitude.
    """
    exponent = int(np.clip(np.frexp(np.abs(taps).sum(dtype=np.float64))[1], -100, 100))
    shape = [1 if axis is None else taps.shape[axis] for axis in plane.tiling.axes]
    return exponent, plane.spectrum(np.ldexp(taps.astype(np.float64), -exponent).reshape(shape))


def _number(job: Job) -> str:
    return "float" if job.taps.dtype == np.float32 else "double"


@cache
def _filter(number: str, target: Target) -> Callable[..., int]:
    lanes = target.lanes(number)
    text = module(*parts(number, lanes), filter_tile(number, lanes), pairs(number))
    return compile_function(text, "pairs", ctypes_of(PAIRS), target)


@cache
def _bank(number: str, target: Target) -> Callable[..., int]:
    lanes = target.lanes(number)
    text = module(*parts(number, lanes), analyse(number, lanes), synthesise(number, lanes), bank(number))
    return compile_function(text, "bank", ctypes_of(BANK), target)


@cache
def _loader(source: Sample, number: str, step: int, target: Target) -> Callable[..., int]:
    text = module(load_plane(source, number, target.lanes(number), step))
    return compile_function(text, "load_plane", ctypes_of(LOAD), target)


@cache
def _storer(result: Sample, number: str, step: int, target: Target) -> Callable[..., int]:
    text = module(store_plane(result, number, target.lanes(number), step))
    return compile_function(text, "store_plane", ctypes_of(STORE), target)
