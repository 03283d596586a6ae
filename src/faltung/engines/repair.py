"""How does fast code stay exact? Blocks in which something went wrong are computed again.

Code that also multiplies zero taps, or that adds terms which cancel, turns an infinity into NaN where the definition
does not. Such code says if an output of a block is not finite; only then is the block computed again, over the
non-zero taps alone. The same is done if samples are so far apart that the small ones drown (see `spread`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.engines.base import Block, BlockFunction, Call, Division, Job, call_of
from faltung.engines.spread import Spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Checked", "Repaired", "stored", "view"]


class Repaired:
    """A fast block function, and an exact one for the blocks that must be computed again.

    Parameters
    ----------
    fast : BlockFunction
        Returns whether its outputs are wrong.
    make_exact : callable
        Prepares the exact one, when it is needed for the first time.
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
    """A block function that fills blocks only if their samples are not too far apart; returns whether they are.

    Parameters
    ----------
    run : BlockFunction
        Fills the block.
    job : Job
        What it computes.
    """

    def __init__(self, run: BlockFunction, job: Job) -> None:
        self._run = run
        self._far = Spread(job)

    def __call__(self, source: int, target: int, block: Block) -> bool:
        """Fill the block, unless it has to be computed in another way."""
        if self._far(source, block):
            return True
        self._run(source, target, block)
        return False


def view(
    address: int, strides: tuple[int, ...], shape: tuple[int, ...], dtype: np.dtype[Any], step: int = 1
) -> NDArray[Any]:
    """Return an array over the memory of a block that begins at an address; samples of a row are `step` apart."""
    return np.asarray(_Memory(address, (*strides, step * dtype.itemsize), shape, dtype))


class _Memory:
    """Memory that NumPy accepts as an array."""

    def __init__(self, address: int, strides: tuple[int, ...], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.__array_interface__ = {
            "version": 3,
            "data": (address, False),
            "shape": tuple(shape),
            "strides": strides,
            "typestr": dtype.str,
        }


def stored(
    values: NDArray[np.floating], dtype: np.dtype[Any], division: Division | None = None, truncated: bool = False
) -> NDArray[Any]:
    """Convert as `faltung.jit.samples.store` does: half to even, saturated, and NaN becomes zero in an integer."""
    if division is not None:
        values = (np.rint(values) if division.nearest else values) / values.dtype.type(division.by)
    with np.errstate(over="ignore"):
        if dtype.kind == "f":
            return values.astype(dtype)
    limits = np.iinfo(dtype)
    if truncated:
        return _truncated(values, dtype)
    rounded = np.rint(values)
    inside = (rounded > float(limits.min)) & (rounded < float(limits.max))
    result = np.zeros(values.shape, dtype)
    result[inside] = rounded[inside].astype(dtype)
    result[rounded <= float(limits.min)] = limits.min
    result[rounded >= float(limits.max)] = limits.max
    return result


def _truncated(values: NDArray[np.floating], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Convert as C does, with the lowest bits of what is out of range."""
    size = np.abs(values.astype(np.float64))
    with np.errstate(invalid="ignore", over="ignore"):
        size += np.minimum(size * 2.0**-46, 0.25 if dtype.itemsize == 8 else np.inf)
        limit = 2.0**51 if dtype.itemsize < 8 else 2.0**63
        inside = size < limit
        truncated = np.copysign(np.where(inside, size, 0.0), values).astype(np.int64)
    whole: NDArray[Any] = truncated.astype(dtype)
    if dtype.itemsize < 8:
        return whole
    limits, large = np.iinfo(dtype), size >= limit
    whole[large & (values < 0)] = np.array(np.iinfo(np.int64).min, np.int64).astype(dtype)
    top = large & (values > 0)
    if dtype.kind == "i":
        whole[top] = limits.max
    else:
        below = top & (size < 2.0**64)
        whole[below] = size[below].astype(dtype)
        whole[top & ~below] = 0
    return whole
