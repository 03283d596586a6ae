"""Machine code for sums of bytes in whole numbers: dense taps, or a pass down the rows and one across the columns.

Rows are taken two by two: lane by lane a *pair* holds the samples of both at one column. Outputs are computed for an
even number of rows at once, so that the pairs are the same for all of them, and only the taps differ::

    rows of the source     0 1 | 2 3 | 4 5        pairs
    taps of output row 0   a b | c . |            (a b) (c 0)
    taps of output row 1   . a | b c |            (0 a) (b c)

The pass across the columns has pairs of samples that are a position apart. What lies between the passes has 16 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from faltung.engines.integers.ending import Ending, store_bytes, store_highest
from faltung.engines.integers.mirrored_rows import MirroredRows, lead
from faltung.engines.integers.pair_products import (
    fixed,
    joined,
    lane_shift,
    pair_product,
    pairs_of_bytes,
    splat_word,
)
from faltung.engines.integers.strips import PARAMETERS, along, emit_strips
from faltung.jit.ir import Function, Value

__all__ = ["HEAD", "IntegerCode", "emit"]

#: Words before the taps: what each sum of the first and of the second pass begins with, and their shifts.
HEAD = 4
#: Vectors of outputs of the second pass that are computed at once: as many as one vector has bytes for.
VECTORS = 4
#: Of so many vectors that begin between two others, one is read from memory, and the rest are made of both.
READ = 3


@dataclass(frozen=True)
class IntegerCode:
    """What is fixed when the code is compiled.

    Parameters
    ----------
    rows, columns : int
        Taps down the rows and across the columns.
    apart : bool
        Whether these are two passes; if not, taps are dense.
    step : int
        Samples from one position of a row to the next.
    lanes : int
        Lanes of 32 bits in a vector.
    block : int
        Rows of outputs that are computed at once, an even number.
    final : {'shift', 'divide', 'none'}
        What becomes of sums: they are divided by a power of two, by `divisor`, or not at all.
    divisor : int
        What they are divided by, rounded half to even.
    positive : bool
        Whether no sum is negative.
    lift : int
        By how many digits sums of the second pass are moved to have the result as their highest byte; -1: not at all.
    mirrored : int
        1 if taps down the rows are the same from both ends, -1 if their signs differ; 0 if that is not used.
    instruction : str
        The instruction for a product of pairs, or an empty string.
    """

    rows: int
    columns: int
    apart: bool
    step: int
    lanes: int
    block: int
    final: str
    divisor: int
    positive: bool
    lift: int
    mirrored: int
    instruction: str

    @property
    def words(self) -> tuple[int, int]:
        """Pairs of taps down a column, for even and for odd rows of outputs."""
        size = lead(self.rows) if self.mirrored else self.rows
        return (size + 1) // 2, size // 2 + 1


def emit(code: IntegerCode) -> Function:
    """Write the function for one description, with the parameters `PARAMETERS`."""
    f = Function("integers", PARAMETERS)
    emit_strips(f, code.block, _Pairs(f, code).strip)
    return f


class _Pairs:
    """Writes sums of pairs for one strip."""

    def __init__(self, f: Function, code: IntegerCode) -> None:
        self.f, self.code, self.lanes = f, code, code.lanes
        self.word = fixed("i32", code.lanes)
        self.ending = Ending("i32", code.lanes, code.final, code.divisor, code.positive)

    def strip(self, rows: int, source: Value, target: Value) -> None:
        """Emit the sums for some rows of outputs."""
        (self.passes if self.code.apart else self.dense)(rows, source, target)

    # ---- sums of pairs of rows

    def words(self, index: int) -> Value:
        """Emit a word of the head in all lanes."""
        return splat_word(self.f, self.f.at("%taps", 4 * index), self.lanes)

    def pair_count(self, rows: int) -> int:
        """Return the number of pairs of rows under some rows of outputs."""
        return (rows + self.code.rows) // 2

    def add_column(self, totals: list[Value], pair: Callable[[int], Value], taps: Value) -> list[Value]:
        """Add one column of taps times its pairs to the sums of all rows of a block."""
        f, totals = self.f, list(totals)
        even, odd = self.code.words
        for p in range(self.pair_count(len(totals))):
            pairs = pair(p)
            if self.code.apart:
                f.keep_order()  # else all taps are read first, and have to wait in memory
            for row in range(len(totals)):
                k, count = p - row // 2, odd if row % 2 else even
                if 0 <= k < count:
                    place = f.at(taps, 4 * (k + (even if row % 2 else 0)))
                    both = splat_word(f, place, self.lanes, anew=self.code.apart)
                    totals[row] = pair_product(f, totals[row], pairs, both, self.lanes, self.code.instruction)
        return totals

    def pair_at(self, source: Value, rows: int, p: int) -> Value:
        """Emit a pair of rows; the last one may have no second row."""
        f = self.f
        upper = f.at(source, f.multiply("%source_stride", 2 * p)) if p else source
        lower = f.at(source, f.multiply("%source_stride", 2 * p + 1)) if 2 * p < rows + self.code.rows - 2 else ""
        return pairs_of_bytes(f, upper, lower, self.lanes)

    # ---- dense taps

    def dense(self, rows: int, source: Value, target: Value) -> None:
        """Emit pairs of all rows under a strip, then the sums over them."""
        f, code, lanes = self.f, self.code, self.lanes
        row_bytes = f.multiply("%pitch", 4)

        def make_pairs(column: Value) -> None:
            for p in range(self.pair_count(rows)):
                place = f.at("%between", f.add(f.multiply(row_bytes, p), f.multiply(column, 4)))
                pairs = self.pair_at(f.at(source, column), rows, p)
                f.do(f"store {self.word} {pairs}, ptr {place}, align 1")

        def outputs(column: Value) -> None:
            start = f.at("%between", f.multiply(column, 4))
            column_words = sum(code.words)

            def one_column(index: Value, totals: list[Value]) -> list[Value]:
                line = f.at(start, f.multiply(index, 4 * code.step))

                def pair(p: int) -> Value:
                    place = f.at(line, f.multiply(row_bytes, p)) if p else line
                    return f.value(f"load {self.word}, ptr {place}, align 1")

                return self.add_column(
                    totals, pair, f.at("%taps", f.add(f.multiply(index, 4 * column_words), 4 * HEAD))
                )

            first = self.words(1)
            totals = f.loop(0, code.columns, 1, one_column, [(self.word, first)] * rows)
            for row, total in enumerate(totals):
                place = f.at(f.at(target, f.multiply("%target_stride", row)) if row else target, column)
                self.write(total, place)

        along(f, "%extended", lanes, make_pairs)
        along(f, "%width", lanes, outputs)

    # ---- passes

    def passes(self, rows: int, source: Value, target: Value) -> None:
        """Emit a pass down the rows into scratch, then one across the columns for each row."""
        f, code, lanes = self.f, self.code, self.lanes
        row_bytes = f.multiply("%pitch", 2)
        line = f.at("%between", f.multiply(row_bytes, code.block))

        def down(column: Value) -> None:
            start = f.at(source, column)
            shift = self.words(2)
            for row, total in enumerate(self.down_sums(start, rows)):
                place = f.at(f.at("%between", f.multiply(row_bytes, row)), f.multiply(column, 2))
                short = f.value(
                    f"trunc {self.word} {f.value(f'ashr {self.word} {total}, {shift}')} to {fixed('i16', lanes)}"
                )
                f.do(f"store {fixed('i16', lanes)} {short}, ptr {place}, align 1")

        def across(row: Value, _: list[Value]) -> list[Value]:
            samples = f.at("%between", f.multiply(row, row_bytes))

            def join(column: Value, _: list[Value]) -> list[Value]:
                start = f.at(samples, f.multiply(column, 2))
                pairs = joined(f, start, f.at(start, 2 * code.step), lanes)
                f.do(f"store {self.word} {pairs}, ptr {f.at(line, f.multiply(column, 4))}, align 1")
                return []

            f.loop(0, "%extended", lanes, join)
            self.go_across(line, f.at(target, f.multiply(row, "%target_stride")), VECTORS if rows > 1 else 1)
            return []

        along(f, "%extended", lanes, down)
        f.loop(0, rows, 1, across)

    def down_sums(self, start: Value, rows: int) -> Iterable[Value]:
        """Emit the sums of the first pass for some rows of outputs."""
        f, code, first, taps = self.f, self.code, self.words(0), self.f.at("%taps", 4 * HEAD)
        if code.mirrored:
            mirrored = MirroredRows(f, code.rows, code.mirrored, self.lanes, code.instruction, taps)
            return mirrored.sums(start, rows, first)
        return self.add_column([first] * rows, lambda p: self.pair_at(start, rows, p), taps)

    def go_across(self, line: Value, target: Value, several: int) -> None:
        """Emit the second pass over one row, several vectors at once where there are so many."""
        f, lanes = self.f, self.lanes

        def blocks(vectors: int) -> None:
            def outputs(column: Value) -> None:
                start = f.at(line, f.multiply(column, 4))
                totals, place = self.across_sums(start, vectors), f.at(target, column)
                if vectors == VECTORS and self.code.lift >= 0:
                    store_highest(f, totals, place, self.ending, self.code.lift)
                    return
                for v, total in enumerate(totals):
                    self.write(total, f.at(place, v * lanes))

            along(f, "%width", vectors * lanes, outputs)

        if several == 1:
            blocks(1)
            return
        wide = f.value(f"icmp sge i64 %width, {several * lanes}")
        f.either(wide, lambda: blocks(several), lambda: blocks(1))

    def across_sums(self, start: Value, vectors: int) -> list[Value]:
        """Emit the sums of some vectors of outputs, over pairs of neighbouring positions."""
        f, code, lanes = self.f, self.code, self.lanes
        count, first = (code.columns + 1) // 2, HEAD + sum(code.words)
        known: dict[int, Value] = {}

        def vector_at(index: int) -> Value:
            if index not in known:
                known[index] = f.value(f"load {self.word}, ptr {f.at(start, 4 * lanes * index)}, align 1")
            return known[index]

        totals = [self.words(1)] * vectors
        for k in range(count):
            taps = splat_word(f, f.at("%taps", 4 * (first + k)), lanes)
            by = 2 * code.step * k
            for v in range(vectors):
                whole, part = divmod(by, lanes)
                if part and k % READ == 1:
                    pairs = f.value(f"load {self.word}, ptr {f.at(start, 4 * (v * lanes + by))}, align 1")
                else:
                    pairs = vector_at(v + whole)
                    pairs = lane_shift(f, pairs, vector_at(v + whole + 1), lanes, part) if part else pairs
                totals[v] = pair_product(f, totals[v], pairs, taps, lanes, self.code.instruction)
        return totals

    def write(self, total: Value, place: Value) -> None:
        """Emit the store of the bytes nearest to some sums."""
        store_bytes(self.f, total, place, self.ending, self.words(3) if self.code.final == "shift" else "")
