"""The separable engine: one-dimensional passes over one tile while it is in the cache.

A kernel that is an outer product f1[m1] f2[m2] ... is applied as a pass along each axis, so that it costs the sum of
its sides and not their product. Rows go last: all passes before them read along whole vectors.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung import scratch
from faltung.engines.base import BlockFunction, Task, Work
from faltung.engines.direct import Direct
from faltung.kernels.rewrite import SLACK

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Separable"]


class Separable:
    """One pass for each axis of an outer product."""

    name = "separable"
    tile_samples = 1 << 16  # the result of a pass must still be in the second-level cache for the next

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    def accepts(self, task: Task) -> str:
        """Return why not: the kernel must be an outer product over at least two axes."""
        if task.factors is None:
            return "the kernel is not an outer product"
        return "" if len(_long(task)) > 1 else "the kernel extends along one axis only"

    def work(self, task: Task) -> Work:
        """Count a multiply-add for each non-zero tap of each factor; a pass also goes through the cache."""
        factors = _long(task).values()
        taps = float(sum(np.count_nonzero(factor) for factor in factors))
        return Work(
            multiply_adds=taps,
            bytes=float(task.source.itemsize + task.target.itemsize),
            passes=len(factors),
            # Each pass rounds its taps and sums, and the factors may be a few roundings away from the taps.
            roundings=taps + len(factors) + 2 * SLACK,
        )

    def prepare(self, task: Task) -> BlockFunction:
        """Prepare a pass of the direct engine for each axis."""
        number = task.taps.dtype
        passes = []
        factors = _long(task)
        for place, (axis, factor) in enumerate(factors.items()):
            shape = [1] * task.taps.ndim
            shape[axis] = factor.size
            first, last = place == 0, place == len(factors) - 1
            source, target = task.source if first else number, task.target if last else number
            taps = factor.astype(number).reshape(shape)
            step = Task(taps, None, task.step, source, target, task.streamed and last)
            passes.append((axis, factor.size, self._direct.prepare(step)))
        return _Passes(passes, task)


def _long(task: Task) -> dict[int, NDArray[np.float64]]:
    """Factors by axis. Factors of one tap are multiplied into the last of the others."""
    assert task.factors is not None
    long = {axis: factor for axis, factor in enumerate(task.factors) if factor.size > 1}
    scale = math.prod(float(factor[0]) for factor in task.factors if factor.size == 1)
    if long and scale != 1.0:
        last = max(long)
        long[last] = long[last] * scale
    return long


class _Passes:
    """The passes of one block, each from scratch to scratch but for the first and the last."""

    def __init__(self, passes: list[tuple[int, int, BlockFunction]], task: Task) -> None:
        self._passes = passes
        self._halo = [length - 1 for length in task.taps.shape]
        self._item = task.taps.dtype.itemsize
        self._step = task.step

    def __call__(
        self,
        source: int,
        source_strides: tuple[int, ...],
        target: int,
        target_strides: tuple[int, ...],
        shape: tuple[int, ...],
    ) -> None:
        """Fill the block."""
        extended = [length + halo for length, halo in zip(shape, self._halo, strict=True)]
        place, strides = source, source_strides
        buffers: list[Any] = []
        for number, (axis, size, run) in enumerate(self._passes):
            extended[axis] -= size - 1
            if number == len(self._passes) - 1:
                run(place, strides, target, target_strides, shape)
                return
            # A line more than needed, so that rows a power of two apart do not meet in the same lines of the cache.
            row = (-(-extended[-1] * self._step * self._item // 64) + 1) * 64
            inner = [row]
            for length in reversed(extended[1:-1]):
                inner.insert(0, inner[0] * length)
            buffer, address = scratch.take(f"pass {number % 2}", inner[0] * extended[0])
            buffers.append(buffer)
            run(place, strides, address, tuple(inner), tuple(extended))
            place, strides = address, tuple(inner)
