"""The Fourier engine: overlap-save tiles, transformed, multiplied by a spectrum, and transformed back.

Its cost hardly depends on the size of the kernel. Since taps are real, two items (tiles of one channel each) share a
complex transform, one as its real and one as its imaginary part. Where a result is not finite, non-finite samples or
an overflow on the way have spoiled both: then the items are computed again, with care (`engines/spoiled.py`).
"""

from __future__ import annotations

import ctypes
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from faltung import scratch
from faltung.engines.base import BlockFunction, Task, Work
from faltung.engines.overlap import Tiling, block_shape, choose_tiling, spread, transforms
from faltung.engines.planes import BANK, BLOCK, ITEM, LOAD, PAIRS, STORE, bank, load_plane, pairs, store_plane
from faltung.engines.spectrum import LINE_BYTES, Plane
from faltung.engines.spoiled import Box, Spoiled
from faltung.engines.transform import PAIR, analyse, filter_tile, parts, synthesise
from faltung.jit.compile import compile_function, ctypes_of
from faltung.jit.ir import module
from faltung.jit.samples import Sample, sample
from faltung.jit.target import Target, host

__all__ = ["Fourier"]

#: Rounding error of a transform forwards and backwards, in units of half the machine epsilon, for each stage of radix 2.
ROUNDINGS = 4.0


class Fourier:
    """A product of spectra, tile by tile."""

    name = "fourier"

    def accepts(self, task: Task) -> str:
        """Return why not: the kernel must extend along the last axis, and fit into a transform."""
        if task.taps.shape[-1] == 1:
            return "the kernel does not extend along the axis whose samples lie side by side"
        if sum(size > 1 for size in task.taps.shape) > 3:
            return "the kernel extends along more than three axes"
        return "" if _tiling(task) else "the kernel is too long for a transform in the cache"

    def tile(self, task: Task) -> tuple[int, ...]:
        """Return a shape in which tiles come in pairs."""
        return block_shape(_accepted(task), task.extents, task.step)

    def work(self, task: Task) -> Work:
        """Count the points of all transforms, times the binary logarithm of a transform's size."""
        tiling = _accepted(task)
        points = float(transforms(tiling, task.extents, task.step) * tiling.points)
        outputs = math.prod(task.extents) * task.step
        blocks = math.prod(
            -(-extent // size) for extent, size in zip(task.extents, self.tile(task), strict=True)
        )
        stages = math.log2(tiling.size)
        return Work(
            transformed=2 * points * stages,
            trips=4 * points,  # samples of both parts on their way to a plane, and from there
            bytes=float(outputs * (task.source.itemsize + task.target.itemsize)),
            calls=float(blocks),
            roundings=ROUNDINGS * stages,
            pointwise=False,
            scratch=float(Plane(tiling, task.taps.dtype, host()).bytes),
        )

    def prepare(self, task: Task) -> BlockFunction:
        """Make the spectrum, and code that serves all sizes."""
        return _Filtered(task, self.prepare)

    def prepare_bank(self, taps: Sequence[NDArray[np.floating]], task: Task) -> Bank:
        """Make the spectra of several kernels, whose outputs then cost one transform forwards.

        Parameters
        ----------
        taps : sequence of ndarray
            Kernels of the shape and dtype of the task's own, which plays no other part.
        task : Task
            What is the same for all of them.
        """
        return Bank(taps, task, self.prepare)
