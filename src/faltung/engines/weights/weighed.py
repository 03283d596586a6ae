"""Machine code for dense taps where samples may be missing: values and weights are summed in the same registers.

Each sample is loaded once for both sums, over those m for which source[n + m] is there::

    value[n] = sum over m of taps[m] * source[n + m]        weight[n] = sum over m of abs(taps[m])

Nothing goes through scratch on its way, which takes longer than the arithmetic where taps are few.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from faltung.engines.base import Block, Job
from faltung.engines.direct.correlation import guard
from faltung.engines.rows import slice_offsets
from faltung.engines.weights.normalise import scaled
from faltung.jit.compile import compile_function, ctypes_of
from faltung.jit.ir import Function, Value, module, vector
from faltung.jit.samples import Sample, load, sample, splat, store
from faltung.jit.target import Target, host

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MOST_ROWS", "Weighed"]

#: Most rows of taps: the code has a loop for each, and is compiled in 0.15 s for as many.
MOST_ROWS = 16

_PARAMETERS = {
    "source": "ptr noalias readonly",  # the sample under the first tap of the first output
    "mask": "ptr noalias readonly",  # a byte for it, zero where it is missing; not read unless the code is for it
    "target": "ptr noalias",  # the first output
    "taps": "ptr noalias readonly",  # coefficients, their magnitudes, what those add up to
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
        What the blocks hold.
    number : str
        What is computed with, ``float`` or ``double``.
    rows, lanes : int
        Of a register block.
    skips_nan, masked : bool
        Whether NaN is missing, and whether there is a mask.
    guarded : bool
        Whether to return 1 where a value is not finite, since zero taps must not multiply infinities.
    streamed : bool
        Whether to write past the cache, wherever a whole vector can be.
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
    guarded: bool
    streamed: bool


@cache
def _compile(what: _Code, target: Target) -> Callable[..., int]:
    f = Function("weighed", _PARAMETERS)
    f.do("%status = alloca i32")
    f.do("store i32 0, ptr %status")
    writer = _Writer(f, what)

    def one_slice(index: Value, _: list[Value]) -> list[Value]:
        writer.slice(*(f.at(f"%{name}", f.entry(f"%{name}_slices", index)) for name in ("source", "mask", "target")))
        return []

    f.loop(0, "%slices", 1, one_slice)
    if what.streamed:
        f.do("fence seq_cst")  # whoever is told that the block is done must also see it
    f.do(f"ret i32 {f.value('load i32, ptr %status')}")
    return compile_function(module(f), "weighed", ctypes_of(_PARAMETERS), target)


class _Writer:
    """Writer of the loops over one two-dimensional slice."""

    def __init__(self, f: Function, what: _Code) -> None:
        self.f = f
        self.what = what
        self.bytes = 4 if what.number == "float" else 8

    def slice(self, source: Value, mask: Value, target: Value) -> None:
        """Emit blocks of rows and lanes; of one row where there are few, and of one sample where rows are short."""
        f, what = self.f, self.what

        def blocks(rows: int, lanes: int) -> Callable[[], None]:
            return lambda: self.blocks(rows, lanes, source, mask, target)

        tall = f.value(f"icmp sge i64 %height, {what.rows}")
        wide = f.value(f"icmp sge i64 %width, {what.lanes}")
        whole = f.value(f"and i1 {tall}, {wide}")
        f.either(whole, blocks(what.rows, what.lanes), lambda: f.either(wide, blocks(1, what.lanes), blocks(1, 1)))

    def blocks(self, rows: int, lanes: int, source: Value, mask: Value, target: Value) -> None:
        """Emit blocks row by row and from left to right; the last ones move back to end with the array."""
        f, what = self.f, self.what
        streamed = what.streamed and lanes > 1
        last_row, last_column = f.subtract("%height", rows), f.subtract("%width", lanes)

        def strip(row: Value, _: list[Value]) -> list[Value]:
            row = f.smaller(row, last_row)
            line = f.at(source, f.multiply(row, "%source_stride"))
            flags = f.at(mask, f.multiply(row, "%mask_stride"))
            there = f.at(target, f.multiply(row, "%target_stride"))
            first = "0"
            if streamed:  # the first block begins with the row; the others where a vector of the target does
                address = f.value(f"ptrtoint ptr {there} to i64")
                places = f.value(f"udiv i64 {f.subtract('-1', address)}, {what.target.bytes}")
                first = f.subtract(f.value(f"and i64 {places}, {lanes - 1}"), lanes - 1)

            def block(column: Value, _: list[Value]) -> list[Value]:
                column = f.call("llvm.smax.i64", "i64", ("i64", f.smaller(column, last_column)), ("i64", "0"))
                sums = self.sums(rows, lanes, f.at(line, f.multiply(column, what.source.bytes)), f.at(flags, column))
                if what.guarded:
                    guard(f, sums[::2], what.number, lanes)
                place = f.at(there, f.multiply(column, what.target.bytes))
                self.write(self.results(sums, lanes), lanes, place, streamed)
                return []

            f.loop(first, "%width", lanes, block)
            return []

        f.loop(0, "%height", rows, strip)

    def sums(self, rows: int, lanes: int, source: Value, mask: Value) -> list[Value]:
        """Emit the sums over all taps, of values and of weights in turn, row after row."""
        f, what = self.f, self.what
        panels, tap_rows, columns = what.shape

        def one_panel(panel: Value, sums: list[Value]) -> list[Value]:
            here = f.at(source, f.entry("%source_panels", panel))
            flags = f.at(mask, f.entry("%mask_panels", panel)) if what.masked else mask
            taps = f.at("%taps", f.multiply(panel, tap_rows * columns * self.bytes))
            for row in range(rows + tap_rows - 1):
                line = f.at(here, f.multiply("%source_stride", row))
                bits = f.at(flags, f.multiply("%mask_stride", row)) if what.masked else flags
                sums = self.row(sums, row, lanes, line, bits, taps)
            return sums

        zero = "0.0" if lanes == 1 else "zeroinitializer"
        return f.loop(0, panels, 1, one_panel, [(vector(what.number, lanes), zero)] * (2 * rows))

    def row(
        self, sums: list[Value], source_row: int, lanes: int, line: Value, flags: Value, taps: Value
    ) -> list[Value]:
        """Emit the sums over one source row, for the output rows that it meets."""
        f, what = self.f, self.what
        _, tap_rows, columns = what.shape
        kind = vector(what.number, lanes)
        suffix = "f32" if what.number == "float" else "f64"
        multiply_add = f"llvm.fmuladd.{suffix if lanes == 1 else f'v{lanes}{suffix}'}"
        users = [row for row in range(len(sums) // 2) if 0 <= source_row - row < tap_rows]
        chosen = [2 * row + k for row in users for k in range(2)]

        # A loop, though there are few columns: written out, so many masks and taps would not stay in registers.
        def one_column(column: Value, part: list[Value]) -> list[Value]:
            place = f.multiply(column, what.step)
            x, there = self.samples(lanes, f.at(line, f.multiply(place, what.source.bytes)), f.at(flags, place))
            tap = f.at(taps, f.multiply(column, self.bytes))
            following = []
            for row, value, weight in zip(users, part[::2], part[1::2], strict=True):
                index = (source_row - row) * columns
                coefficient = self.constant(tap, index, lanes)
                magnitude = self.constant(tap, index + what.shape[0] * tap_rows * columns, lanes)
                following.append(f.call(multiply_add, kind, (kind, x), (kind, coefficient), (kind, value)))
                more = f.value(f"fadd {kind} {weight}, {magnitude}")
                following.append(f.value(f"select {there}, {kind} {more}, {kind} {weight}"))
            return following

        found = f.loop(0, columns, 1, one_column, [(kind, sums[k]) for k in chosen])
        sums = list(sums)
        for k, value in zip(chosen, found, strict=True):
            sums[k] = value
        return sums

    def samples(self, lanes: int, source: Value, flags: Value) -> tuple[Value, Value]:
        """Load samples, zero where they are missing, and bits that are one where they are there."""
        f, what = self.f, self.what
        kind, bits = vector(what.number, lanes), vector("i1", lanes)
        x = load(f, source, what.source, what.number, lanes)
        there = splat(f, "true", "i1", lanes)
        if what.skips_nan and what.source.kind == "f":
            there = f.value(f"fcmp ord {kind} {x}, {x}")
        if what.masked:
            bytes_ = vector("i8", lanes)
            chosen = f.value(f"load {bytes_}, ptr {flags}, align 1")
            chosen = f.value(f"icmp ne {bytes_} {chosen}, {splat(f, '0', 'i8', lanes)}")
            there = f.value(f"and {bits} {there}, {chosen}")
        x = f.value(f"select {bits} {there}, {kind} {x}, {kind} {splat(f, '0.0', what.number, lanes)}")
        return x, f"{bits} {there}"

    def constant(self, taps: Value, index: int, lanes: int) -> Value:
        """Emit an entry of the taps, broadcast."""
        f, number = self.f, self.what.number
        place = f.at(taps, index * self.bytes)
        return splat(f, f.value(f"load {number}, ptr {place}, align {self.bytes}"), number, lanes)

    def results(self, sums: list[Value], lanes: int) -> list[Value]:
        """Emit the values divided by their share of the whole weight."""
        f, what = self.f, self.what
        total = self.constant("%taps", 2 * what.shape[0] * what.shape[1] * what.shape[2], lanes)
        none = splat(f, "0.0", what.number, lanes)
        return [
            scaled(f, what.number, lanes, value, weight, total, none)
            for value, weight in zip(sums[::2], sums[1::2], strict=True)
        ]

    def write(self, results: list[Value], lanes: int, target: Value, streamed: bool) -> None:
        """Store one vector for each row, past the cache where all of them are aligned."""
        f, what = self.f, self.what

        def rows(past_the_cache: bool) -> Callable[[], None]:
            def put() -> None:
                for row, result in enumerate(results):
                    place = f.at(target, f.multiply("%target_stride", row)) if row else target
                    store(f, what.number, result, place, what.target, lanes, past_the_cache)

            return put

        if not streamed:
            rows(False)()
            return
        address = f.value(f"ptrtoint ptr {target} to i64")
        odd = f.value(f"and i64 {f.value(f'or i64 {address}, %target_stride')}, {lanes * what.target.bytes - 1}")
        f.either(f.value(f"icmp eq i64 {odd}, 0"), rows(True), rows(False))


class Weighed:
    """Correlates the samples that are there with dense taps, and divides by their share of the whole weight.

    Parameters
    ----------
    job : Job
        What to compute.
    skips_nan, masked : bool
        Whether NaN is missing, and whether there is a mask.
    """

    def __init__(self, job: Job, skips_nan: bool, masked: bool) -> None:
        target, number = host(), "float" if job.taps.dtype == np.float32 else "double"
        *outer, rows, columns = job.taps.shape
        self._step = job.step
        self._corners = np.array([*np.ndindex(*outer)], np.int64).reshape(math.prod(outer), len(outer))
        what = _Code(
            shape=(len(self._corners), rows, columns),
            step=job.step,
            source=sample(job.source),
            target=sample(job.target),
            number=number,
            rows=target.registers // 4,  # half of the registers are sums
            lanes=target.lanes(number),
            skips_nan=skips_nan,
            masked=masked,
            guarded=job.source.kind == "f" and not job.taps.all(),
            streamed=job.streamed and job.target.kind == "f",
        )
        self._code = _compile(what, target)
        magnitudes = np.abs(job.taps).ravel()
        # Added in the order of the code, so that the quotient is exactly one where nothing is missing.
        total = np.add.accumulate(magnitudes)[-1:]
        self._taps = np.concatenate([job.taps.ravel(), magnitudes, total])
        self._tables = lru_cache(maxsize=64)(self._make_tables)

    def __call__(
        self, source: int, target: int, block: Block, mask: int = 0, mask_strides: tuple[int, ...] = ()
    ) -> bool:
        """Fill the block; return whether a zero tap was multiplied by an infinity."""
        arguments, _alive = self._tables(block, mask_strides)
        return bool(self._code(source, mask, target, self._taps.ctypes.data, *arguments))

    def _make_tables(
        self, block: Block, mask_strides: tuple[int, ...]
    ) -> tuple[tuple[int, ...], list[NDArray[np.int64]]]:
        source_strides, target_strides, shape = block
        mask_strides = mask_strides or (0,) * len(source_strides)
        both = (source_strides, mask_strides)
        tables = [self._corners @ np.array(strides[:-1], np.int64) for strides in both]
        tables += [slice_offsets(shape[:-2], strides[:-1]) for strides in (*both, target_strides)]
        sizes = (tables[-1].size, shape[-2], shape[-1] * self._step)
        rows = (source_strides[-1], mask_strides[-1], target_strides[-1])
        return (*(table.ctypes.data for table in tables), *sizes, *rows), tables
