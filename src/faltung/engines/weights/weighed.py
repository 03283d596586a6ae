"""Machine code for dense taps where samples may be missing: values and weights are summed at the same time.

Each sample is loaded once for all sums, which go over those m for which source[n + m] is present::

    value[n] = sum over m of taps[m] * source[n + m]        weight[n] = sum over m of abs(taps[m])

and, for taps of both signs, a sum of abs(taps[m]) * source[n + m], and one of taps[m] over all other m (see
`normalise`).
Nothing goes through scratch: with few taps, that would take longer than the arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from faltung.engines.base import Block, Job
from faltung.engines.guard import Guard
from faltung.engines.overflow import can_overflow
from faltung.engines.rows import KEPT, MOST_KEPT, slice_offsets
from faltung.engines.weights.normalise import filled, scaled
from faltung.ground.bounded import Bounded
from faltung.jit.compile import compile_function, compiled_once, ctypes_of
from faltung.jit.ir import Function, Value, module, vector
from faltung.jit.samples import Sample, load, sample, splat, store
from faltung.jit.target import Target, host

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MOST_ROWS", "Weighed"]

#: Most rows of taps: the code has a loop for each row, and takes 0.15 s to compile for this many.
MOST_ROWS = 16

_PARAMETERS = {
    "source": "ptr noalias readonly",  # the sample under the first tap of the first output
    "mask": "ptr noalias readonly",  # a byte for each sample, zero if it is missing; read only if the code is masked
    "target": "ptr noalias",  # the first output
    "taps": "ptr noalias readonly",  # coefficients, their magnitudes, the sum of these, and the largest weight of NaN
    "source_panels": "ptr noalias readonly",  # byte offset of each two-dimensional slice of the taps in the source
    "mask_panels": "ptr noalias readonly",
    "source_slices": "ptr noalias readonly",  # byte offset of each two-dimensional slice of the block in the source
    "mask_slices": "ptr noalias readonly",
    "target_slices": "ptr noalias readonly",
    "slices": "i64",
    "height": "i64",
    "width": "i64",
    "source_stride": "i64",  # bytes from row to row
    "mask_stride": "i64",
    "target_stride": "i64",
}


@dataclass(frozen=True)
class _Code:
    """What is fixed when the code is compiled.

    Parameters
    ----------
    shape : tuple of int
        Panels, and rows and columns of each.
    step : int
        Samples between neighbouring columns of taps.
    source, target : Sample
        The samples of the blocks.
    number : str
        The number computed with, ``float`` or ``double``.
    rows, lanes : int
        Rows of a register block, and lanes of its vectors.
    skips_nan, masked : bool
        Whether NaN is missing, and whether there is a mask.
    fills : bool
        Whether missing samples count as the mean of the others, since the taps have both signs.
    guarded : bool
        Whether to return 1 if a value is not finite: zero taps must not be multiplied by infinities, and terms may
        overflow.
    streamed : bool
        Whether to write past the cache, for all whole vectors that are aligned.
    """

    shape: tuple[int, int, int]
    step: int
    source: Sample
    target: Sample
    number: str
    rows: int
    lanes: int
    skips_nan: bool
    masked: bool
    fills: bool
    guarded: bool
    streamed: bool


@compiled_once
def _compile(code: _Code, target: Target) -> Callable[..., int]:
    f = Function("weighed", _PARAMETERS)
    guard = Guard(f, code.number, code.lanes) if code.guarded else None
    writer = _WeighingWriter(f, code, guard)

    def one_slice(index: Value, _: list[Value]) -> list[Value]:
        writer.slice(*(f.at(f"%{name}", f.entry(f"%{name}_slices", index)) for name in ("source", "mask", "target")))
        return []

    f.loop(0, "%slices", 1, one_slice)
    if code.streamed:
        f.do("fence seq_cst")  # a thread that learns that the block is done must also see its outputs
    f.do(f"ret i32 {guard.give_back('0') if guard else '0'}")
    return compile_function(module(f), "weighed", ctypes_of(_PARAMETERS), target)


class _WeighingWriter:
    """Writes the loops over one two-dimensional slice.

    A register block holds two sums for each of its rows, of values and of weights; for taps of both signs two more,
    of means and of the taps on missing samples. Output row r needs the source rows r, r + 1, ... (see `registers`).
    For every tap::

        x    present samples, and 0 where one is missing          value   += tap * x        mean += abs(tap) * x
        p    all bits one where a sample is present, else zero    weight  += abs(tap) where p
                                                                  missing += tap where not p
    """

    def __init__(self, f: Function, code: _Code, guard: Guard | None) -> None:
        self.f = f
        self.code = code
        self.guard = guard
        self.bytes = 4 if code.number == "float" else 8
        self.count = 4 if code.fills else 2  # sums for each row

    def slice(self, source: Value, mask: Value, target: Value) -> None:
        """Emit blocks of rows and lanes; of one row if there are few rows, and of one sample if rows are short."""
        f, code = self.f, self.code

        def blocks(rows: int, lanes: int) -> Callable[[], None]:
            return lambda: self.blocks(rows, lanes, source, mask, target)

        tall = f.value(f"icmp sge i64 %height, {code.rows}")
        wide = f.value(f"icmp sge i64 %width, {code.lanes}")
        whole = f.value(f"and i1 {tall}, {wide}")
        f.either(whole, blocks(code.rows, code.lanes), lambda: f.either(wide, blocks(1, code.lanes), blocks(1, 1)))

    def blocks(self, rows: int, lanes: int, source: Value, mask: Value, target: Value) -> None:
        """Emit blocks row by row and from left to right; the last ones move back to end with the array."""
        f, code = self.f, self.code
        streamed = code.streamed and lanes > 1
        last_row, last_column = f.subtract("%height", rows), f.subtract("%width", lanes)

        def strip(row: Value, _: list[Value]) -> list[Value]:
            row = f.smaller(row, last_row)
            line = f.at(source, f.multiply(row, "%source_stride"))
            flags = f.at(mask, f.multiply(row, "%mask_stride"))
            target_line = f.at(target, f.multiply(row, "%target_stride"))
            first = "0"
            if streamed:  # all blocks but the first and the last begin with an aligned vector
                address = f.value(f"ptrtoint ptr {target_line} to i64")
                places = f.value(f"udiv i64 {f.subtract('-1', address)}, {code.target.bytes}")
                first = f.subtract(f.value(f"and i64 {places}, {lanes - 1}"), lanes - 1)

            def block(column: Value, _: list[Value]) -> list[Value]:
                column = f.call("llvm.smax.i64", "i64", ("i64", f.smaller(column, last_column)), ("i64", "0"))
                sums = self.sums(rows, lanes, f.at(line, f.multiply(column, code.source.bytes)), f.at(flags, column))
                if self.guard:
                    self.guard.note(sums[:: self.count], lanes)
                place = f.at(target_line, f.multiply(column, code.target.bytes))
                self.write(self.results(sums, lanes), lanes, place, streamed)
                return []

            f.loop(first, "%width", lanes, block)
            return []

        f.loop(0, "%height", rows, strip)

    def sums(self, rows: int, lanes: int, source: Value, mask: Value) -> list[Value]:
        """Emit the sums over all taps, row after row: of values, of weights, of means, and of missing taps."""
        f, code = self.f, self.code
        panels, tap_rows, columns = code.shape

        def one_panel(panel: Value, sums: list[Value]) -> list[Value]:
            corner = f.at(source, f.entry("%source_panels", panel))
            flags = f.at(mask, f.entry("%mask_panels", panel)) if code.masked else mask
            taps = f.at("%taps", f.multiply(panel, tap_rows * columns * self.bytes))
            for row in range(rows + tap_rows - 1):
                line = f.at(corner, f.multiply("%source_stride", row))
                bits = f.at(flags, f.multiply("%mask_stride", row)) if code.masked else flags
                sums = self.row(sums, row, lanes, line, bits, taps)
            return sums

        zero = "0.0" if lanes == 1 else "zeroinitializer"
        return f.loop(0, panels, 1, one_panel, [(vector(code.number, lanes), zero)] * (self.count * rows))

    def row(
        self, sums: list[Value], source_row: int, lanes: int, line: Value, flags: Value, taps: Value
    ) -> list[Value]:
        """Emit the sums over one source row, for the output rows that it belongs to."""
        f, code = self.f, self.code
        _, tap_rows, columns = code.shape
        kind = vector(code.number, lanes)
        suffix = "f32" if code.number == "float" else "f64"
        multiply_add = f"llvm.fmuladd.{suffix if lanes == 1 else f'v{lanes}{suffix}'}"
        count = self.count
        users = [row for row in range(len(sums) // count) if 0 <= source_row - row < tap_rows]
        chosen = [count * row + k for row in users for k in range(count)]

        # A loop even over few columns: written out, so many masks and taps would not stay in registers.
        def one_column(column: Value, part: list[Value]) -> list[Value]:
            place = f.multiply(column, code.step)
            x, present = self.samples(lanes, f.at(line, f.multiply(place, code.source.bytes)), f.at(flags, place))
            tap = f.at(taps, f.multiply(column, self.bytes))
            following = []
            for row, (value, weight, *others) in zip(users, _in_rows(part, count), strict=True):
                index = (source_row - row) * columns
                coefficient = self.constant(tap, index, lanes)
                magnitude = self.constant(tap, index + code.shape[0] * tap_rows * columns, lanes)
                following.append(f.call(multiply_add, kind, (kind, x), (kind, coefficient), (kind, value)))
                more = f.value(f"fadd {kind} {weight}, {magnitude}")
                following.append(f.value(f"select {present}, {kind} {more}, {kind} {weight}"))
                if others:
                    mean, missing = others
                    following.append(f.call(multiply_add, kind, (kind, x), (kind, magnitude), (kind, mean)))
                    more = f.value(f"fadd {kind} {missing}, {coefficient}")
                    following.append(f.value(f"select {present}, {kind} {missing}, {kind} {more}"))
            return following

        totals = f.loop(0, columns, 1, one_column, [(kind, sums[k]) for k in chosen])
        sums = list(sums)
        for k, value in zip(chosen, totals, strict=True):
            sums[k] = value
        return sums

    def samples(self, lanes: int, source: Value, flags: Value) -> tuple[Value, Value]:
        """Emit loads of samples, zero where they are missing, and of bits that are one where they are present."""
        f, code = self.f, self.code
        kind, bits = vector(code.number, lanes), vector("i1", lanes)
        x = load(f, source, code.source, code.number, lanes)
        present = splat(f, "true", "i1", lanes)
        if code.skips_nan and code.source.kind == "f":
            present = f.value(f"fcmp ord {kind} {x}, {x}")
        if code.masked:
            bytes_ = vector("i8", lanes)
            chosen = f.value(f"load {bytes_}, ptr {flags}, align 1")
            chosen = f.value(f"icmp ne {bytes_} {chosen}, {splat(f, '0', 'i8', lanes)}")
            present = f.value(f"and {bits} {present}, {chosen}")
        x = f.value(f"select {bits} {present}, {kind} {x}, {kind} {splat(f, '0.0', code.number, lanes)}")
        return x, f"{bits} {present}"

    def constant(self, taps: Value, index: int, lanes: int) -> Value:
        """Emit an entry of the taps, broadcast."""
        f, number = self.f, self.code.number
        place = f.at(taps, index * self.bytes)
        return splat(f, f.value(f"load {number}, ptr {place}, align {self.bytes}"), number, lanes)

    def results(self, sums: list[Value], lanes: int) -> list[Value]:
        """Emit the outputs."""
        f, code = self.f, self.code
        behind = 2 * code.shape[0] * code.shape[1] * code.shape[2]
        total, least = (self.constant("%taps", behind + k, lanes) for k in range(2))
        rows = _in_rows(sums, self.count)
        if code.fills:
            return [filled(f, code.number, lanes, row, least) for row in rows]
        return [scaled(f, code.number, lanes, row, total, least) for row in rows]

    def write(self, results: list[Value], lanes: int, target: Value, streamed: bool) -> None:
        """Emit the store of one vector for each row, past the cache if all of them are aligned."""
        f, code = self.f, self.code

        def rows(past_the_cache: bool) -> Callable[[], None]:
            def put() -> None:
                for row, result in enumerate(results):
                    place = f.at(target, f.multiply("%target_stride", row)) if row else target
                    store(f, code.number, result, place, code.target, lanes, past_the_cache)

            return put

        if not streamed:
            rows(False)()
            return
        address = f.value(f"ptrtoint ptr {target} to i64")
        either = f.value(f"or i64 {address}, %target_stride")
        misaligned = f.value(f"and i64 {either}, {lanes * code.target.bytes - 1}")
        f.either(f.value(f"icmp eq i64 {misaligned}, 0"), rows(True), rows(False))


def _in_rows(sums: list[Value], count: int) -> list[list[Value]]:
    """Return the sums of each row."""
    return [sums[k : k + count] for k in range(0, len(sums), count)]


class Weighed:
    """Correlates the samples that are present with dense taps, and divides by their share of the whole weight.

    Parameters
    ----------
    job : Job
        What is computed.
    skips_nan, masked : bool
        Whether NaN is missing, and whether there is a mask.
    least : float
        Share of the whole weight up to which an output is NaN.
    """

    def __init__(self, job: Job, skips_nan: bool, masked: bool, least: float) -> None:
        target, number = host(), "float" if job.taps.dtype == np.float32 else "double"
        *outer, rows, columns = job.taps.shape
        self._step = job.step
        self._corners = np.array([*np.ndindex(*outer)], np.int64).reshape(math.prod(outer), len(outer))
        fills = bool((job.taps > 0).any() and (job.taps < 0).any())
        code = _Code(
            shape=(len(self._corners), rows, columns),
            step=job.step,
            source=sample(job.source),
            target=sample(job.target),
            number=number,
            rows=target.registers // (8 if fills else 4),  # half of the registers are sums
            lanes=target.lanes(number),
            skips_nan=skips_nan,
            masked=masked,
            fills=fills,
            guarded=job.source.kind == "f" and (not job.taps.all() or can_overflow(job)),
            streamed=job.streamed and job.target.kind == "f",
        )
        self._code = _compile(code, target)
        magnitudes = np.abs(job.taps).ravel()
        # Added in the order of the code, so that the quotient is exactly one where nothing is missing.
        total = np.add.accumulate(magnitudes)[-1:]
        self._taps = np.concatenate([job.taps.ravel(), magnitudes, total, total * job.taps.dtype.type(least)])
        self._taps_address = self._taps.ctypes.data
        self._kept: Bounded[tuple[Block, tuple[int, ...]], tuple[tuple[int, ...], list[NDArray[np.int64]]]]
        self._kept = Bounded(MOST_KEPT, KEPT)

    def __call__(
        self, source: int, target: int, block: Block, mask: int = 0, mask_strides: tuple[int, ...] = ()
    ) -> bool:
        """Fill the block; return whether a zero tap was multiplied by an infinity."""
        kept = self._kept.get((block, mask_strides))
        if kept is None:
            kept = self._tables(block, mask_strides)
            self._kept.put((block, mask_strides), kept, sum(table.nbytes for table in kept[1]))
        return bool(self._code(source, mask, target, self._taps_address, *kept[0]))

    def _tables(self, block: Block, mask_strides: tuple[int, ...]) -> tuple[tuple[int, ...], list[NDArray[np.int64]]]:
        source_strides, target_strides, shape = block
        mask_strides = mask_strides or (0,) * len(source_strides)
        both = (source_strides, mask_strides)
        tables = [self._corners @ np.array(strides[:-1], np.int64) for strides in both]
        tables += [slice_offsets(shape[:-2], strides[:-1]) for strides in (*both, target_strides)]
        sizes = (tables[-1].size, shape[-2], shape[-1] * self._step)
        rows = (source_strides[-1], mask_strides[-1], target_strides[-1])
        return (*(table.ctypes.data for table in tables), *sizes, *rows), tables
