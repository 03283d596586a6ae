"""The direct engine: every non-zero tap times every sample, in machine code made for just that shape of filter."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from faltung.engines.base import BlockFunction, Task, Work
from faltung.engines.correlation import PARAMETERS, Correlation, emit
from faltung.jit.compile import compile_function
from faltung.jit.samples import sample
from faltung.jit.target import Target, host

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Direct"]

#: Most multiply-adds written out for one register block; beyond it, loops compile faster and run as fast.
UNROLLED = 450
#: Most taps for which writing is what takes the time, and so the cache is passed by.
STREAMED = 32
#: Least share of non-zero taps for which a dense loop beats visiting the taps one by one.
DENSE = 0.4


class Direct:
    """Sum over the taps of a kernel of any shape, dense or sparse."""

    name = "direct"
    tile_samples = 1 << 18  # enough to make the hand-over to a thread cheap

    def accepts(self, task: Task) -> str:
        """Return an empty string: there is no task this engine cannot do."""
        return ""

    def work(self, task: Task) -> Work:
        """Count one multiply-add for each non-zero tap, and one pass through source and target."""
        taps = float(np.count_nonzero(task.taps))
        return Work(
            multiply_adds=taps,
            bytes=float(task.source.itemsize + task.target.itemsize),
            passes=1,
            roundings=taps + 1,
        )

    def prepare(self, task: Task) -> BlockFunction:
        """Compile for the pattern of non-zero taps: written out if they are few, in loops if they are many."""
        target = host()
        number = "float" if task.taps.dtype == np.float32 else "double"
        panels, rows, columns = _panel_shape(task.taps)
        pattern = np.flatnonzero(task.taps)
        block = _register_block(rows, task.source, target)

        def code(
            panels: int, rows: int, columns: int, chosen: tuple[int, ...] | None, guarded: bool = False
        ) -> _Code:
            return _compile(
                Correlation(
                    panels,
                    rows,
                    columns,
                    chosen,
                    task.step,
                    sample(task.source),
                    sample(task.target),
                    number,
                    target.lanes(number),
                    (min(block[0], rows), block[1] if rows > 1 else 2 * block[1]),
                    guarded,
                    task.streamed and task.target.kind == "f" and len(pattern) <= STREAMED,
                ),
                target,
            )

        def scattered() -> _Panels:
            # Each non-zero tap is a panel of its own.
            places = np.array(np.unravel_index(pattern, task.taps.shape)).T
            return _Panels(code(len(places), 1, 1, None), task, places, task.taps.ravel()[pattern])

        origins = np.array(list(np.ndindex(task.taps.shape[:-2])), dtype=np.int64).reshape(panels, -1)
        corners = np.concatenate([origins, np.zeros((panels, 2), np.int64)], axis=1)
        if 0 < len(pattern) * block[0] * block[1] <= UNROLLED:
            chosen = tuple(int(tap) for tap in pattern)
            return _Panels(code(panels, rows, columns, chosen), task, corners, task.taps.ravel()[pattern])
        if len(pattern) < DENSE * task.taps.size:
            return scattered()
        guarded = len(pattern) < task.taps.size and task.source.kind == "f"
        dense = _Panels(
            code(panels, rows, columns, None, guarded), task, corners, np.ascontiguousarray(task.taps).ravel()
        )
        return _Guarded(dense, scattered) if guarded else dense


def _panel_shape(taps: NDArray[np.floating]) -> tuple[int, int, int]:
    rows, columns = taps.shape[-2:]
    return taps.size // (rows * columns), rows, columns


def _register_block(rows: int, source: np.dtype, target: Target) -> tuple[int, int]:
    # As many accumulators as leave room for samples and taps. Integers are converted each time they are loaded, so
    # for them more rows share each load.
    if source.kind == "f":
        return (min(4, rows), 4 if target.registers == 32 else 2)
    return (min(8 if target.registers == 32 else 4, rows), 1 if rows > 1 else 4)


@cache
def _compile(what: Correlation, target: Target) -> _Code:
    kinds = [ctypes.c_void_p if "ptr" in kind else ctypes.c_int64 for kind in PARAMETERS.values()]
    return compile_function(emit(what), "correlate", kinds, target)


_Code = Callable[..., int]


class _Panels:
    """Compiled code with its taps; the offset tables of each block layout are made once and kept."""

    def __init__(self, code: _Code, task: Task, corners: NDArray[np.int64], taps: NDArray[np.floating]) -> None:
        self._code = code
        self._task = task
        self._corners = corners
        self._taps = taps
        self._taps_address = taps.ctypes.data
        self._tables: dict[tuple[tuple[int, ...], ...], tuple[object, tuple[int, ...]]] = {}

    def __call__(
        self,
        source: int,
        source_strides: tuple[int, ...],
        target: int,
        target_strides: tuple[int, ...],
        shape: tuple[int, ...],
    ) -> bool:
        """Fill the block; return whether an output was not finite, where the code looks for that."""
        layout = (source_strides, target_strides, shape)
        found = self._tables.get(layout)
        if found is None:
            if len(self._tables) > 256:
                self._tables.clear()
            found = self._tables[layout] = self._arguments(*layout)
        return bool(self._code(source, target, self._taps_address, *found[1]))

    def _arguments(
        self, source_strides: tuple[int, ...], target_strides: tuple[int, ...], shape: tuple[int, ...]
    ) -> tuple[object, tuple[int, ...]]:
        strides = np.array([*source_strides, self._task.step * self._task.source.itemsize], dtype=np.int64)
        panels = self._corners @ strides
        slices = [_offsets(shape[:-2], strides[:-1]) for strides in (source_strides, target_strides)]
        arguments = (
            panels.ctypes.data,
            slices[0].ctypes.data,
            slices[1].ctypes.data,
            slices[0].size,
            shape[-2],
            shape[-1] * self._task.step,
            source_strides[-1],
            target_strides[-1],
        )
        return (panels, slices), arguments  # the tables live as long as their addresses


def _offsets(shape: tuple[int, ...], strides: tuple[int, ...]) -> NDArray[np.int64]:
    """Byte offset of every element of an array with that shape and those strides."""
    table = np.zeros((), dtype=np.int64)
    for size, stride in zip(shape, strides, strict=True):
        table = np.add.outer(table, stride * np.arange(size, dtype=np.int64))
    return np.ascontiguousarray(table)


class _Guarded:
    """A dense loop that also multiplies the zero taps, and what repairs the blocks in which that did harm.

    Zero times infinity is not a number. The dense code says when a block has an output that is not finite; only then
    is the block computed again over the non-zero taps alone.
    """

    def __init__(self, dense: _Panels, exact: Callable[[], _Panels]) -> None:
        self._dense = dense
        self._make_exact = exact
        self._exact: _Panels | None = None

    def __call__(
        self,
        source: int,
        source_strides: tuple[int, ...],
        target: int,
        target_strides: tuple[int, ...],
        shape: tuple[int, ...],
    ) -> None:
        if self._dense(source, source_strides, target, target_strides, shape):
            if self._exact is None:
                self._exact = self._make_exact()
            self._exact(source, source_strides, target, target_strides, shape)
