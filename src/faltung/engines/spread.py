"""Are samples too far apart? The rounding errors of large ones then drown small ones beside them.

Some engines have errors that are relative to the largest sample of a block: terms that cancel, products in turn. For
samples of about one size nobody can tell. One fill value among them, or a bright star, would ruin the outputs around
it. So such engines look at the exponents of the samples first: how many octaves is the largest above the mean?
Samples that are not finite, or so large that sums may overflow, count as too far apart as well. So nobody need look
at the outputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from faltung.engines.base import Block, Job
from faltung.engines.rows import slice_offsets
from faltung.jit.compile import compile_function, compiled_once, ctypes_of
from faltung.jit.ir import Function, Value, module, vector
from faltung.jit.samples import Sample, load, sample, splat
from faltung.jit.target import Target, host

__all__ = ["MOST_OCTAVES", "Apart", "Spread", "apart_for", "can_spread", "emit_spread"]

#: Octaves from the mean exponent of the samples to the largest one, up to which they are about of one size.
MOST_OCTAVES = 10
#: Most zeros for each sample that is not zero: an impulse among zeros is far from them.
MOST_ZEROS = 64
#: Rows from one that counts for the mean to the next: all rows count for the largest exponent.
SKIPPED = 4

PARAMETERS = {
    "source": "ptr noalias readonly",
    "slices": "ptr noalias readonly",  # byte offset of each two-dimensional slice
    "count": "i64",  # number of slices, and their size in samples
    "height": "i64",
    "width": "i64",
    "stride": "i64",  # bytes from row to row
}


def can_spread(source: np.dtype) -> bool:
    """Return whether samples of a dtype can be so far apart; those of 8 and 16 bits hardly can.

    Examples
    --------
    >>> can_spread(np.dtype("u1")), can_spread(np.dtype("f4"))
    (False, True)
    """
    return source.kind == "f" or source.itemsize > 2


@dataclass(frozen=True)
class Apart:
    """When samples are too far apart.

    Parameters
    ----------
    octaves : int
        Octaves from their mean exponent to the largest one.
    highest : int
        The exponent, as it is stored, from which on sums may overflow.
    """

    octaves: int
    highest: int


def apart_for(job: Job, octaves: int = MOST_OCTAVES) -> Apart:
    """Return when the samples of a job are too far apart."""
    stored = 255 if job.taps.dtype == np.float32 else 2047
    room = math.log2(float(np.abs(job.taps.astype(np.float64)).sum()) or 1.0) + 8.0  # terms are larger than their sum
    return Apart(octaves, max(1, min(stored, stored - 8 * math.ceil(room / 8.0))))


def emit_spread(
    f: Function,
    starts: Callable[[Value], Value],
    sizes: tuple[Value | int, ...],
    stride: Value,
    kind: Sample,
    number: str,
    lanes: int,
    limits: Apart,
) -> Value:
    """Emit whether the samples of some slices are too far apart, an ``i1``.

    Parameters
    ----------
    f : Function
        The function that is written.
    starts : callable
        Emits the address of a slice, given its index.
    sizes : tuple of Value or int
        Number of slices; rows, and samples of a row, which are at least the lanes.
    stride : Value
        Bytes from row to row.
    kind : Sample
        The samples.
    number, lanes
        Number and lanes of a vector.
    limits : Apart
        When they are too far apart.
    """
    slices, height, width = sizes
    bits, fraction = (32, 23) if number == "float" else (64, 52)
    integer, have, flag = vector(f"i{bits}", lanes), vector(number, lanes), vector("i1", lanes)
    suffix = f"i{bits}" if lanes == 1 else f"v{lanes}i{bits}"
    last = f.subtract(str(width), lanes)

    def constant(value: int) -> Value:
        return splat(f, str(value), f"i{bits}", lanes)

    def magnitude(row: Value, column: Value) -> Value:
        place = f.at(row, f.multiply(f.smaller(column, last), kind.bytes))
        raw = f.value(f"bitcast {have} {load(f, place, kind, number, lanes)} to {integer}")
        return f.value(f"shl {integer} {raw}, {constant(1)}")  # without the sign; it grows with the magnitude

    def largest_of(row: Value, column: Value, values: list[Value]) -> list[Value]:
        name = f"llvm.umax.{suffix}"
        return [f.call(name, integer, (integer, values[0]), (integer, magnitude(row, column)))]

    def sums_of(row: Value, column: Value, values: list[Value]) -> list[Value]:
        exponent = f.value(f"lshr {integer} {magnitude(row, column)}, {constant(fraction + 1)}")
        some = f.value(f"icmp ne {integer} {exponent}, {constant(0)}")
        one = f.value(f"zext {flag} {some} to {integer}")
        return [f.value(f"add {integer} {values[0]}, {exponent}"), f.value(f"add {integer} {values[1]}, {one}")]

    def over(body: Callable[[Value, Value, list[Value]], list[Value]], step: int, count: int) -> list[Value]:
        """Emit a reduction over every `step`-th row of all slices."""

        def one_slice(index: Value, values: list[Value]) -> list[Value]:
            start = starts(index)
            return f.loop(0, str(height), step, lambda row, inner: one_row(start, row, inner), carried(values))

        def one_row(start: Value, row: Value, values: list[Value]) -> list[Value]:
            place = f.at(start, f.multiply(row, stride))
            return f.loop(0, str(width), lanes, lambda column, inner: body(place, column, inner), carried(values))

        return f.loop(0, str(slices), 1, one_slice, carried(["0" if lanes == 1 else "zeroinitializer"] * count))

    def carried(values: list[Value]) -> list[tuple[str, Value]]:
        return [(integer, value) for value in values]

    def reduced(name: str, value: Value) -> Value:
        if lanes > 1:
            value = f.call(f"llvm.vector.reduce.{name}.{suffix}", f"i{bits}", (integer, value))
        return value if bits == 64 else f.value(f"zext i32 {value} to i64")

    largest = f.value(f"lshr i64 {reduced('umax', over(largest_of, 1, 1)[0])}, {fraction + 1}")
    total, count = (reduced("add", value) for value in over(sums_of, SKIPPED, 2))
    # The largest exponent less the mean of those that are not zero, times their number.
    apart = f.subtract(f.multiply(largest, count), total)
    far = f.value(f"icmp sgt i64 {apart}, {f.multiply(count, limits.octaves)}")
    rows = f.value(f"udiv i64 {height}, {SKIPPED}")
    samples = f.multiply(f.multiply(str(slices), rows), str(width))
    few = f.value(f"icmp slt i64 {f.multiply(count, MOST_ZEROS)}, {samples}")
    alone = f.value(f"and i1 {few}, {f.value(f'icmp ne i64 {largest}, 0')}")
    high = f.value(f"icmp uge i64 {largest}, {limits.highest}")
    return f.value(f"or i1 {high}, {f.value(f'or i1 {far}, {alone}')}")


@compiled_once
def _compile(kind: Sample, number: str, lanes: int, limits: Apart, target: Target) -> Callable[..., int]:
    f = Function("spread", PARAMETERS)
    sizes = ("%count", "%height", "%width")
    far = emit_spread(
        f, lambda index: f.at("%source", f.entry("%slices", index)), sizes, "%stride", kind, number, lanes, limits
    )
    f.do(f"ret i32 {f.value(f'zext i1 {far} to i32')}")
    return compile_function(module(f), "spread", ctypes_of(PARAMETERS), target)


class Spread:
    """Tells if the samples under a block are far apart.

    Parameters
    ----------
    job : Job
        What is computed for the block.
    octaves : int
        Most octaves from the mean exponent of the samples to the largest.
    """

    def __init__(self, job: Job, octaves: int = MOST_OCTAVES) -> None:
        self._job, self._limits = job, apart_for(job, octaves)

    def __call__(self, source: int, block: Block) -> bool:
        """Look at all samples of the source block of `block`."""
        job = self._job
        *outer, height, columns = (n + m - 1 for n, m in zip(block.shape, job.taps.shape, strict=True))
        width = columns * job.step
        if not width * height * math.prod(outer):
            return False
        lanes = min(host().lanes(job.number), 1 << (width.bit_length() - 1))
        code = _compile(sample(job.source), job.number, lanes, self._limits, host())
        slices = slice_offsets(tuple(outer), block.source_strides[:-1])
        return bool(code(source, slices.ctypes.data, slices.size, height, width, block.source_strides[-1]))
