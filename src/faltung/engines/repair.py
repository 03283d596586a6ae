"""What makes a fast way exact: blocks in which it went wrong are computed again.

Code that also multiplies zero taps, or that adds up terms which cancel, turns an infinity into NaN where the
definition does not. Such code says when a block has an output that is not finite; only then is the block computed
once more, over the non-zero taps alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.engines.base import Block, BlockFunction, Call, Job, call_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Checked", "Repaired", "view"]


class Repaired:
    """A fast block function that returns whether an output was not finite, and an exact one for those blocks.

    Parameters
    ----------
    fast : BlockFunction
        Tried first.
    make_exact : callable
        Makes the other where it is needed for the first time.
    """

    def __init__(self, fast: BlockFunction, make_exact: Callable[[], BlockFunction]) -> None:
        self._fast = fast
        self._make_exact = make_exact
        self._exact: BlockFunction | None = None

    def call(self, block: Block) -> Call | None:
        """Return the call of the fast one; it is not final."""
        return call_of(self._fast, block)

    def __call__(self, source: int, target: int, block: Block) -> None:
        """Fill the block."""
        if self._fast(source, target, block):
            if self._exact is None:
                self._exact = self._make_exact()
            self._exact(source, target, block)


class Checked:
    """A block function that returns whether an output was not finite, by looking at all of them.

    Parameters
    ----------
    run : BlockFunction
        Fills the block.
    job : Job
        What it computes.
    """

    def __init__(self, run: BlockFunction, job: Job) -> None:
        self._run = run
        self._job = job

    def __call__(self, source: int, target: int, block: Block) -> bool:
        """Fill the block."""
        self._run(source, target, block)
        source_strides, target_strides, shape = block
        job = self._job
        # An integer target does not tell; then the source does, and a finite result is computed twice.
        there = job.target.kind == "f"
        if not there:
            shape = tuple(length + size - 1 for length, size in zip(shape, job.taps.shape, strict=True))
        address, strides = (target, target_strides) if there else (source, source_strides)
        samples = view(address, strides, (*shape[:-1], shape[-1] * job.step), job.target if there else job.source)
        return not np.isfinite(samples).all()


def view(
    address: int, strides: tuple[int, ...], shape: tuple[int, ...], dtype: np.dtype[Any], step: int = 1
) -> NDArray[Any]:
    """Return an array over a block given the address of its first sample; neighbours in a row are `step` apart."""
    return np.asarray(_Memory(address, (*strides, step * dtype.itemsize), shape, dtype))


class _Memory:
    """Memory that NumPy takes for an array."""

    def __init__(self, address: int, strides: tuple[int, ...], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.__array_interface__ = {
            "version": 3,
            "data": (address, False),
            "shape": tuple(shape),
            "strides": strides,
            "typestr": dtype.str,
        }
