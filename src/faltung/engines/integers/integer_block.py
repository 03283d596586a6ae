"""Block functions for sums of bytes: the machine code with its taps, and the tables of offsets for each block."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from faltung.engines.base import Block, Call, Job, Work
from faltung.engines.integers.fixed_point import BYTE, FixedPoint
from faltung.engines.integers.integer_code import HEAD, IntegerCode, emit
from faltung.engines.integers.mirrored_rows import lead
from faltung.engines.integers.pair_products import instruction_for
from faltung.engines.integers.short_code import ShortCode, emit_short
from faltung.engines.integers.strips import PARAMETERS
from faltung.engines.rows import KEPT, MOST_KEPT, slice_offsets
from faltung.ground import scratch
from faltung.ground.bounded import Bounded
from faltung.jit.compile import compile_function, compiled_once, ctypes_of
from faltung.jit.ir import module
from faltung.jit.target import Target, host

__all__ = ["IntegerBlock", "integer_tile", "integer_work"]

#: Samples of the longest vector; scratch is longer than a row by two of them, which are read and not used.
LONGEST = 32
#: Rows of a block, and the most samples of one of them.
ROWS, WIDEST = 128, 1 << 12


def integer_tile(job: Job) -> tuple[int, ...]:
    """Return the shape of blocks: whole rows if they are not very long, for samples beside a block are read twice."""
    shape = (*[1] * (job.taps.ndim - 2), ROWS, max(WIDEST // job.step, 2 * job.taps.shape[-1]))
    return tuple(min(length, extent) for length, extent in zip(shape, job.extents, strict=True))


def integer_work(job: Job, numbers: FixedPoint) -> Work:
    """Return the work for all outputs of a job."""
    outputs = float(math.prod(job.extents) * job.step)
    taps, trips = numbers.effort
    largest = BYTE * float(np.abs(job.taps).sum()) * float(np.finfo(job.taps.dtype).eps) / 2
    return Work(
        passed=taps * outputs,
        trips=trips * outputs,
        bytes=2 * outputs,
        roundings=numbers.off / largest,
        pointwise=not numbers.off,
        levels=numbers.off,
    )


@compiled_once
def _compile(code: IntegerCode | ShortCode, target: Target) -> Callable[..., int]:
    function = emit(code) if isinstance(code, IntegerCode) else emit_short(code)
    return compile_function(module(function), "integers", ctypes_of(PARAMETERS), target)


class IntegerBlock:
    """Fills blocks of bytes from blocks of bytes.

    Parameters
    ----------
    job : Job
        What is computed.
    numbers : FixedPoint
        The numbers that stand for its taps.
    """

    def __init__(self, job: Job, numbers: FixedPoint) -> None:
        self._job, self._numbers = job, numbers
        self._words = _words(numbers)
        self._address = self._words.ctypes.data
        self._codes: dict[int, Callable[..., int]] = {}
        self._kept: Bounded[Block, tuple[object, Callable[..., int], int, tuple[int, ...]]] = Bounded(MOST_KEPT, KEPT)
        self._lanes = host().lanes("float") * (2 if numbers.short else 1)
        self._code(self._lanes)  # the usual one is made now, and not by every thread

    def _code(self, lanes: int) -> Callable[..., int]:
        code = self._codes.get(lanes)
        if code is None:
            code = self._codes[lanes] = _compile(self._describe(lanes), host())
        return code

    def _describe(self, lanes: int) -> IntegerCode | ShortCode:
        numbers, block = self._numbers, host().registers // 2
        if numbers.short:
            return ShortCode(
                down=tuple(numbers.down[0].tolist()),
                across=tuple(numbers.across.tolist()),
                step=self._job.step,
                lanes=lanes,
                block=block,
                start=numbers.starts[1],
                shift=numbers.shifts[1],
                divisor=numbers.divisor,
                positive=numbers.positive,
            )
        apart = bool(numbers.across.size)
        columns, rows = numbers.down.shape
        final = "divide" if numbers.divisor > 1 else "shift" if numbers.shifts[1] else "none"
        return IntegerCode(
            rows=rows,
            columns=numbers.across.size if apart else columns,
            apart=apart,
            step=self._job.step,
            lanes=lanes,
            block=block,
            final=final,
            divisor=numbers.divisor,
            positive=numbers.positive,
            lift=numbers.lift,
            mirrored=numbers.mirrored,
            instruction=instruction_for(lanes, host()),
        )

    def __call__(self, source: int, target: int, block: Block) -> None:
        """Fill the block."""
        kept = self._kept.get(block)
        if kept is None:
            kept = self._tables(block)
            self._kept.put(block, kept, 64)
        _, code, size, arguments = kept
        buffer, between = scratch.take("between", size)
        code(source, target, self._address, between, *arguments)
        del buffer

    def call(self, block: Block) -> Call:
        """Return the call for blocks of one layout."""
        keep, code, size, arguments = self._tables(block)
        names = [name for name in PARAMETERS if name not in ("source", "target", "taps", "between")]
        values = {"taps": self._address, **dict(zip(names, arguments, strict=True))}
        return Call(code, PARAMETERS, values, {"between": size}, (keep, self), True)

    def _tables(self, block: Block) -> tuple[object, Callable[..., int], int, tuple[int, ...]]:
        """Return what repeats for blocks of one layout: tables, code, bytes of scratch, and arguments."""
        source_strides, target_strides, shape = block
        job, across = self._job, self._job.taps.shape[-1]
        width, extended = shape[-1] * job.step, (shape[-1] + across - 1) * job.step
        code = self._code(min(self._lanes, 1 << (width.bit_length() - 1)))
        pitch = -(-(extended + job.step + 2 * LONGEST) // LONGEST) * LONGEST
        if pitch % 2048 == 0:
            pitch += LONGEST  # rows a power of two apart would be kept in the same few places of the cache
        rows = host().registers // 2
        # Dense taps have pairs of rows between, passes have rows and one row of pairs.
        size = 2 * rows * pitch + 4 * pitch if self._numbers.across.size else 4 * pitch * (rows + job.taps.shape[-2])
        slices = [slice_offsets(shape[:-2], strides[:-1]) for strides in (source_strides, target_strides)]
        arguments = (
            slices[0].ctypes.data,
            slices[1].ctypes.data,
            slices[0].size,
            shape[-2],
            width,
            extended,
            pitch,
            source_strides[-1],
            target_strides[-1],
        )
        return slices, code, size + 8 * LONGEST, arguments


def _words(numbers: FixedPoint) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    """Return the head and the pairs of taps, for even and for odd rows of each column, then for the second pass."""
    head = [*numbers.starts, *numbers.shifts]
    assert len(head) == HEAD
    words = [word & 0xFFFFFFFF for word in head]
    for column in numbers.down.tolist():
        if numbers.mirrored:
            column = column[: lead(len(column))]
            column[-1] //= 2  # the sample in the middle is added to itself
        words += _paired(column) + _paired([0, *column])
    words += _paired(numbers.across.tolist())
    return np.array(words, np.uint32)


def _paired(taps: list[int]) -> list[int]:
    """Put taps two by two into words of 32 bits, the first of each pair into the low half."""
    taps = [*taps, 0] if len(taps) % 2 else taps
    return [(low & 0xFFFF) | (high & 0xFFFF) << 16 for low, high in zip(taps[::2], taps[1::2], strict=True)]
