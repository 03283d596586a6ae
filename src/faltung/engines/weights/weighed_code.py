"""Machine code for samples that may be missing: values and weights are summed at the same time.

Each sample is loaded once for all sums, which go over those m for which source[n + m] is present::

    value[n] = sum over m of taps[m] * source[n + m]        weight[n] = sum over m of abs(taps[m])

and, for taps of both signs, a sum of abs(taps[m]) * source[n + m], and one of taps[m] over all other m (see
`normalise`). If samples have weights between 0 and 1, each is multiplied by its own, and so is its tap.
Nothing goes through scratch: with few taps, that would take longer than the arithmetic.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

from faltung.engines.guard import Guard
from faltung.engines.weights.normalise import filled, scaled
from faltung.jit.compile import compile_function, compiled_once, ctypes_of
from faltung.jit.ir import Function, Value, module, vector
from faltung.jit.samples import Sample, aligned_column, load, multiply_add, splat, store_rows
from faltung.jit.target import Target

__all__ = ["WeighedSums", "weighing_function"]

_PARAMETERS = {
    "source": "ptr noalias readonly",  # the sample under the first tap of the first output
    "mask": "ptr noalias readonly",  # the weight of each sample, or a byte, zero if it is missing
    "target": "ptr noalias",  # the first output
    # Coefficients, their magnitudes, sums of the positive and of the negative ones, and the largest weight of NaN.
    "taps": "ptr noalias readonly",
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
class WeighedSums:
    """What is fixed when the code is compiled.

    Parameters
    ----------
    shape : tuple of int
        Panels, and rows and columns of each.
    signs : tuple of int, optional
        If the taps are written out: the sign of each, or 0 for one that is left out.
    step : int
        Samples between neighbouring columns of taps.
    source, target : Sample
        The samples of the blocks.
    number : str
        The number computed with, ``float`` or ``double``.
    rows, lanes : int
        Rows of a register block, and lanes of its vectors.
    skips_nan, masked, graded : bool
        Whether NaN is missing, whether there is a mask, and whether it holds weights, as the number computed with.
    multiplied : bool
        Whether samples were multiplied by their weights before.
    fills : bool
        Whether missing samples count as the mean of the others, since the taps have both signs.
    guarded : bool
        Whether to return 1 if a value is not finite: zero taps must not be multiplied by infinities, and terms may
        overflow.
    streamed : bool
        Whether to write past the cache, for all whole vectors that are aligned.
    """

    shape: tuple[int, int, int]
    signs: tuple[int, ...] | None
    step: int
    source: Sample
    target: Sample
    number: str
    rows: int
    lanes: int
    skips_nan: bool
    masked: bool
    graded: bool
    multiplied: bool
    fills: bool
    guarded: bool
    streamed: bool


@compiled_once
def weighing_function(code: WeighedSums, target: Target) -> Callable[..., int]:
    """Compile (or look up) the function for one description.

    Parameters
    ----------
    code : WeighedSums
        The description.
    target : Target
        The processor.
    """
    f = Function("weighed", _PARAMETERS)
    guard = Guard(f, code.number, code.lanes) if code.guarded else None
    writer = _WeighingWriter(f, code, guard)

    def one_slice(index: Value, _: list[Value]) -> list[Value]:
        writer.slice(*(f.at(f"%{name}", f.entry(f"%{name}_slices", index)) for name in ("source", "mask", "target")))
        return []

    f.loop(0, "%slices", 1, one_slice)
    if code.streamed:
        f.fence()
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

    With weights w, x is multiplied by w, and the last two are weight += w abs(tap), missing += (1 - w) tap.

    If the taps are written out, each goes into the weight of its own sign alone, and those of the rarer sign into a
    value of their own; twice that makes a mean of the value. The other sums follow, too, for half of the work.
    """

    def __init__(self, f: Function, code: WeighedSums, guard: Guard | None) -> None:
        self.f = f
        self.code = code
        self.guard = guard
        self.bytes = 4 if code.number == "float" else 8
        self.count = 4 if code.fills else 2  # sums for each row
        self.behind = 2 * math.prod(code.shape)

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
            # If streamed, all blocks but the first and the last begin with an aligned vector.
            first = aligned_column(f, target_line, code.target, lanes) if streamed else "0"

            def block(column: Value, _: list[Value]) -> list[Value]:
                column = f.larger(f.smaller(column, last_column), "0")
                place = f.at(line, f.multiply(column, code.source.bytes))
                sums = self.sums(rows, lanes, place, f.at(flags, self.in_mask(column)))
                if self.guard:
                    # A mean that is not a number follows from a value and a part of it that are infinite.
                    first = 2 if code.signs is not None and code.fills else 0
                    self.guard.note(sums[first :: self.count], lanes)
                place = f.at(target_line, f.multiply(column, code.target.bytes))
                results = self.results(sums, lanes)
                store_rows(f, code.number, results, place, "%target_stride", code.target, lanes, streamed)
                return []

            f.loop(first, "%width", lanes, block)
            return []

        f.loop(0, "%height", rows, strip)

    def sums(self, rows: int, lanes: int, source: Value, mask: Value) -> list[Value]:
        """Emit the sums over all taps, row after row: of values, of weights, of means, and of missing taps."""
        f, code = self.f, self.code
        panels, tap_rows, columns = code.shape
        zero = "0.0" if lanes == 1 else "zeroinitializer"
        if code.signs is not None:
            return self.written_out(rows, lanes, source, mask, code.signs)

        def one_panel(panel: Value, sums: list[Value]) -> list[Value]:
            corner = f.at(source, f.entry("%source_panels", panel))
            flags = f.at(mask, f.entry("%mask_panels", panel)) if code.masked else mask
            taps = f.at("%taps", f.multiply(panel, tap_rows * columns * self.bytes))
            for row in range(rows + tap_rows - 1):
                line = f.at(corner, f.multiply("%source_stride", row))
                bits = f.at(flags, f.multiply("%mask_stride", row)) if code.masked else flags
                sums = self.row(sums, row, lanes, line, bits, taps)
            return sums

        return f.loop(0, panels, 1, one_panel, [(vector(code.number, lanes), zero)] * (self.count * rows))

    def written_out(self, rows: int, lanes: int, source: Value, mask: Value, signs: tuple[int, ...]) -> list[Value]:
        """Emit the sums over all taps one by one, row after row.

        For taps of both signs they are value, value of the rarer sign, and the weight of either sign.
        """
        f, code = self.f, self.code
        _, tap_rows, columns = code.shape
        sums = ["0.0" if lanes == 1 else "zeroinitializer"] * (self.count * rows)
        for panel, source_row, column in itertools.product(
            *map(range, (code.shape[0], rows + tap_rows - 1, columns))
        ):
            users = []
            for row in range(rows):
                index = (panel * tap_rows + source_row - row) * columns + column
                if 0 <= source_row - row < tap_rows and signs[index]:
                    users.append((row, index))
            if not users:
                continue
            line = f.at(f.at(source, f.entry("%source_panels", str(panel))), f.multiply("%source_stride", source_row))
            flags = mask
            if code.masked:
                flags = f.at(f.at(mask, f.entry("%mask_panels", str(panel))), f.multiply("%mask_stride", source_row))
            place = column * code.step
            sample = f.at(line, place * code.source.bytes)
            x, there = self.samples(lanes, sample, f.at(flags, place * (self.bytes if code.graded else 1)))
            for row, index in users:
                coefficient = self.constant("%taps", index, lanes)
                magnitude = self.constant("%taps", index + len(signs), lanes)
                at = self.count * row
                products = [(at, coefficient)]
                weighed = at + 1
                if code.fills:
                    weighed = at + (2 if signs[index] > 0 else 3)
                    products += [(at + 1, magnitude)] if signs[index] == self.rarer else []
                for k, factor in products:
                    sums[k] = multiply_add(f, code.number, lanes, x, factor, sums[k])
                sums[weighed] = self.added(sums[weighed], magnitude, there, lanes, present=True)
        return self.of_both_signs(sums, lanes) if code.fills else sums

    @property
    def rarer(self) -> int:
        """The sign that fewer taps have."""
        signs = self.code.signs or ()
        return 1 if signs.count(1) < signs.count(-1) else -1

    def of_both_signs(self, sums: list[Value], lanes: int) -> list[Value]:
        """Emit values, weights, means and missing taps from the sums of each sign."""
        f, kind = self.f, vector(self.code.number, lanes)
        positive, negative = self.totals(lanes)
        results = []
        for value, part, weight, other_weight in _in_rows(sums, 4):
            results.append(value)
            results.append(f.value(f"fadd {kind} {weight}, {other_weight}"))
            twice = f.value(f"fadd {kind} {part}, {part}")
            operands = f"{twice}, {value}" if self.rarer > 0 else f"{value}, {twice}"
            results.append(f.value(f"{'fsub' if self.rarer > 0 else 'fadd'} {kind} {operands}"))
            missing = f.value(f"fsub {kind} {positive}, {weight}")
            other = f.value(f"fsub {kind} {negative}, {other_weight}")
            results.append(f.value(f"fsub {kind} {missing}, {other}"))
        return results

    def row(
        self, sums: list[Value], source_row: int, lanes: int, line: Value, flags: Value, taps: Value
    ) -> list[Value]:
        """Emit the sums over one source row, for the output rows that it belongs to."""
        f, code = self.f, self.code
        _, tap_rows, columns = code.shape
        kind, count = vector(code.number, lanes), self.count
        users = [row for row in range(len(sums) // count) if 0 <= source_row - row < tap_rows]
        chosen = [count * row + k for row in users for k in range(count)]

        # A loop even over few columns: written out, so many masks and taps would not stay in registers.
        def one_column(column: Value, part: list[Value]) -> list[Value]:
            place = f.multiply(column, code.step)
            sample = f.at(line, f.multiply(place, code.source.bytes))
            x, there = self.samples(lanes, sample, f.at(flags, self.in_mask(place)))
            tap = f.at(taps, f.multiply(column, self.bytes))
            following = []
            for row, (value, weight, *others) in zip(users, _in_rows(part, count), strict=True):
                index = (source_row - row) * columns
                coefficient = self.constant(tap, index, lanes)
                magnitude = self.constant(tap, index + code.shape[0] * tap_rows * columns, lanes)
                following.append(multiply_add(f, code.number, lanes, x, coefficient, value))
                following.append(self.added(weight, magnitude, there, lanes, present=True))
                if others:
                    mean, missing = others
                    following.append(multiply_add(f, code.number, lanes, x, magnitude, mean))
                    following.append(self.added(missing, coefficient, there, lanes, present=False))
            return following

        totals = f.loop(0, columns, 1, one_column, [(kind, sums[k]) for k in chosen])
        sums = list(sums)
        for k, value in zip(chosen, totals, strict=True):
            sums[k] = value
        return sums

    def in_mask(self, samples: Value) -> Value:
        """Emit the bytes of so many samples in the mask."""
        return self.f.multiply(samples, self.bytes) if self.code.graded else samples

    def added(self, total: Value, tap: Value, there: Value, lanes: int, present: bool) -> Value:
        """Emit a sum of taps over the samples that are present, or over the others."""
        f, kind = self.f, vector(self.code.number, lanes)
        if self.code.graded:
            share = there if present else f.value(f"fsub {kind} {splat(f, '1.0', self.code.number, lanes)}, {there}")
            return multiply_add(f, self.code.number, lanes, share, tap, total)
        more = f.value(f"fadd {kind} {total}, {tap}")
        yes, no = (more, total) if present else (total, more)
        return f.value(f"select {vector('i1', lanes)} {there}, {kind} {yes}, {kind} {no}")

    def samples(self, lanes: int, source: Value, mask: Value) -> tuple[Value, Value]:
        """Emit loads of samples, zero where they are missing, and of their weights, or bits: one if it is present."""
        f, code = self.f, self.code
        kind, bits = vector(code.number, lanes), vector("i1", lanes)
        zero = splat(f, "0.0", code.number, lanes)
        x, weight = load(f, source, code.source, code.number, lanes), ""
        present = splat(f, "true", "i1", lanes)
        if code.skips_nan and code.source.kind == "f":
            present = f.value(f"fcmp ord {kind} {x}, {x}")
        if code.graded:
            weight = f.value(f"load {kind}, ptr {mask}, align 1")
            present = f.value(f"and {bits} {present}, {f.value(f'fcmp ogt {kind} {weight}, {zero}')}")
            weight = f.value(f"select {bits} {present}, {kind} {weight}, {kind} {zero}")
            x = x if code.multiplied else f.value(f"fmul {kind} {x}, {weight}")
        elif code.masked:
            bytes_ = vector("i8", lanes)
            chosen = f.value(f"load {bytes_}, ptr {mask}, align 1")
            chosen = f.value(f"icmp ne {bytes_} {chosen}, {splat(f, '0', 'i8', lanes)}")
            present = f.value(f"and {bits} {present}, {chosen}")
        x = f.value(f"select {bits} {present}, {kind} {x}, {kind} {zero}")
        return x, weight or present

    def constant(self, taps: Value, index: int, lanes: int) -> Value:
        """Emit an entry of the taps, broadcast."""
        f, number = self.f, self.code.number
        place = f.at(taps, index * self.bytes)
        return splat(f, f.value(f"load {number}, ptr {place}, align {self.bytes}"), number, lanes)

    def results(self, sums: list[Value], lanes: int) -> list[Value]:
        """Emit the outputs."""
        f, code = self.f, self.code
        least = self.constant("%taps", self.behind + 2, lanes)
        rows = _in_rows(sums, self.count)
        if code.fills:
            return [filled(f, code.number, lanes, row, least) for row in rows]
        positive, negative = self.totals(lanes)
        total = f.value(f"fadd {vector(code.number, lanes)} {positive}, {negative}")
        return [scaled(f, code.number, lanes, row, total, least) for row in rows]

    def totals(self, lanes: int) -> list[Value]:
        """Emit the sums of the positive taps, and of the magnitudes of the negative ones."""
        return [self.constant("%taps", self.behind + k, lanes) for k in range(2)]


def _in_rows(sums: list[Value], count: int) -> list[list[Value]]:
    """Return the sums of each row."""
    return [sums[k : k + count] for k in range(0, len(sums), count)]
