"""The separable engine: one-dimensional passes over one tile while it is in the cache.

A kernel that is an outer product f1[m1] f2[m2] ... is applied as a pass along each axis, so that it costs the sum of
its sides and not their product. The two passes over rows and columns of a slice are one function of machine code,
which goes from strip to strip; the strip between the passes never leaves the cache.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from faltung import scratch
from faltung.engines.base import BlockFunction, Task, Work
from faltung.engines.correlation import PARAMETERS, Correlation, emit
from faltung.engines.direct import Arrangement, Direct, arrange, slice_offsets
from faltung.jit.compile import compile_function, ctypes_of
from faltung.jit.ir import Function, Value, module
from faltung.jit.target import Target, host
from faltung.kernels.rewrite import SLACK

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Separable"]

#: Output rows of a strip: several register blocks, few enough for the cache at any width of a tile.
STRIP = 16


class Separable:
    """One pass for each axis of an outer product."""

    name = "separable"
    tile_samples = 1 << 18

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
            trips=len(factors),
            # Each pass rounds its taps and sums, and the factors may be a few roundings away from the taps.
            roundings=taps + len(factors) + 2 * SLACK,
        )

    def prepare(self, task: Task) -> BlockFunction:
        """Prepare a pass for each axis, the last two as one function where they are rows and columns."""
        factors = _long(task)
        number, ndim, axes = task.taps.dtype, task.taps.ndim, list(factors)
        passes = {}
        for axis in axes:
            taps = factors[axis].astype(number).reshape([-1 if k == axis else 1 for k in range(ndim)])
            source = task.source if axis == axes[0] else number
            target = task.target if axis == axes[-1] else number
            passes[axis] = Task(taps, None, task.step, source, target, task.streamed and axis == axes[-1])
        if axes[-2:] == [ndim - 2, ndim - 1]:
            columns, rows = arrange(passes[ndim - 2], host()), arrange(passes[ndim - 1], host())
            if not (columns.what.guarded or rows.what.guarded):
                strips = _Strips(columns, rows, task.step * number.itemsize)
                return _Passes([(axis, self._direct.prepare(passes[axis])) for axis in axes[:-2]], strips, task)
        prepared = [(axis, self._direct.prepare(part)) for axis, part in passes.items()]
        return _Passes(prepared[:-1], prepared[-1][1], task)


def _long(task: Task) -> dict[int, NDArray[np.float64]]:
    """Factors by axis. Factors of one tap are multiplied into the last of the others."""
    assert task.factors is not None
    long = {axis: factor for axis, factor in enumerate(task.factors) if factor.size > 1}
    scale = math.prod(float(factor[0]) for factor in task.factors if factor.size == 1)
    if not long:
        return long
    last = max(long)
    for axis in long:
        if axis != last:
            # No sum on the way is larger than the samples, so none overflows; a power of two rounds nothing.
            power = 2.0 ** math.ceil(math.log2(float(np.abs(long[axis]).sum())))
            long[axis], scale = long[axis] / power, scale * power
    long[last] = long[last] * scale
    return long


def _line(size: int) -> int:
    # A cache line more than needed, so that rows a power of two long do not all meet in the same few lines.
    return (-(-size // 64) + 1) * 64


class _Passes:
    """The passes of one block: some from scratch to scratch, and the last to the target."""

    def __init__(self, passes: list[tuple[int, BlockFunction]], last: BlockFunction, task: Task) -> None:
        self._passes = passes
        self._last = last
        self._sizes = task.taps.shape
        self._bytes = task.step * task.taps.dtype.itemsize

    def __call__(
        self,
        source: int,
        source_strides: tuple[int, ...],
        target: int,
        target_strides: tuple[int, ...],
        shape: tuple[int, ...],
    ) -> None:
        """Fill the block."""
        extended = [length + size - 1 for length, size in zip(shape, self._sizes, strict=True)]
        buffers = []
        for number, (axis, run) in enumerate(self._passes):
            extended[axis] = shape[axis]
            strides = [_line(extended[-1] * self._bytes)]
            for length in reversed(extended[1:-1]):
                strides.insert(0, strides[0] * length)
            buffer, address = scratch.take(f"pass {number % 2}", strides[0] * extended[0])
            buffers.append(buffer)
            run(source, source_strides, address, tuple(strides), tuple(extended))
            source, source_strides = address, tuple(strides)
        self._last(source, source_strides, target, target_strides, shape)


_STRIP_PARAMETERS = {
    "source": "ptr noalias readonly",
    "target": "ptr noalias",
    "column_taps": "ptr noalias readonly",
    "row_taps": "ptr noalias readonly",
    "zero": "ptr noalias readonly",  # a table of one offset, which is zero
    "strip": "ptr noalias",  # scratch for the rows between the passes
    "strip_stride": "i64",
    "source_slices": "ptr noalias readonly",
    "target_slices": "ptr noalias readonly",
    "slices": "i64",
    "height": "i64",
    "width": "i64",
    "extended_width": "i64",  # samples of a row before the pass along rows
    "source_stride": "i64",
    "target_stride": "i64",
}


@cache
def _compile(columns: Correlation, rows: Correlation, target: Target) -> Callable[..., int]:
    first, second = emit(columns, "along_columns", internal=True), emit(rows, "along_rows", internal=True)
    f = Function("separable", _STRIP_PARAMETERS)

    def call(name: str, values: dict[str, Value]) -> None:
        kinds = {key: kind.split()[0] for key, kind in PARAMETERS.items()}
        single = {"panels": "%zero", "source_slices": "%zero", "target_slices": "%zero", "slices": "1"}
        given = {**single, **values}
        f.value(f"call i32 @{name}({', '.join(f'{kinds[key]} {given[key]}' for key in PARAMETERS)})")

    def one_slice(index: Value, _: list[Value]) -> list[Value]:
        source = f.at("%source", f.entry("%source_slices", index))
        target = f.at("%target", f.entry("%target_slices", index))

        def one_strip(row: Value, _: list[Value]) -> list[Value]:
            height = f.smaller(f.subtract("%height", row), str(STRIP))
            call(
                "along_columns",
                {
                    "source": f.at(source, f.multiply(row, "%source_stride")),
                    "target": "%strip",
                    "taps": "%column_taps",
                    "height": height,
                    "width": "%extended_width",
                    "source_stride": "%source_stride",
                    "target_stride": "%strip_stride",
                },
            )
            call(
                "along_rows",
                {
                    "source": "%strip",
                    "target": f.at(target, f.multiply(row, "%target_stride")),
                    "taps": "%row_taps",
                    "height": height,
                    "width": "%width",
                    "source_stride": "%strip_stride",
                    "target_stride": "%target_stride",
                },
            )
            return []

        f.loop(0, "%height", STRIP, one_strip)
        return []

    f.loop(0, "%slices", 1, one_slice)
    f.do("ret i32 0")
    return compile_function(module(first, second, f), "separable", ctypes_of(_STRIP_PARAMETERS), target)


class _Strips:
    """Both passes over the rows and columns of slices, in one function."""

    def __init__(self, columns: Arrangement, rows: Arrangement, position: int) -> None:
        self._code = _compile(columns.what, rows.what, host())
        self._taps = (columns.taps, rows.taps)
        self._position = position  # bytes of one position of a row between the passes
        self._halo = rows.what.columns - 1
        self._step = rows.what.step
        self._zero = np.zeros(1, np.int64)

    def __call__(
        self,
        source: int,
        source_strides: tuple[int, ...],
        target: int,
        target_strides: tuple[int, ...],
        shape: tuple[int, ...],
    ) -> None:
        """Fill the block."""
        extended = shape[-1] + self._halo
        stride = _line(extended * self._position)
        _buffer, strip = scratch.take("strip", stride * STRIP)
        slices = [slice_offsets(shape[:-2], each[:-1]) for each in (source_strides, target_strides)]
        self._code(
            source,
            target,
            *(taps.ctypes.data for taps in self._taps),
            self._zero.ctypes.data,
            strip,
            stride,
            *(table.ctypes.data for table in slices),
            slices[0].size,
            shape[-2],
            shape[-1] * self._step,
            extended * self._step,
            source_strides[-1],
            target_strides[-1],
        )
