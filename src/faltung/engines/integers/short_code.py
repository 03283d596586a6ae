"""Machine code for two passes of a few whole taps, whose sums have 16 bits: boxes, binomials, differences.

The taps are part of the code, so that a tap of one takes no multiplication, and vectors hold twice as many sums as of
32 bits. Sums over windows of ones are made of sums over two, four, eight ... samples, which neighbouring windows
share. Down the rows these are sums of vectors. Across the columns a vector is moved on by some lanes, out of the next
one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from faltung.engines.integers.ending import Ending, store_bytes
from faltung.engines.integers.pair_products import fixed, lane_shift
from faltung.engines.integers.strips import PARAMETERS, along, emit_strips
from faltung.jit.ir import Function, Value

__all__ = ["ShortCode", "emit_short"]

#: Vectors of outputs of the second pass that are computed at once.
VECTORS = 4


@dataclass(frozen=True)
class ShortCode:
    """What is fixed when the code is compiled.

    Parameters
    ----------
    down, across : tuple of int
        The taps of both passes.
    step : int
        Samples from one position of a row to the next.
    lanes : int
        Lanes of 16 bits in a vector.
    block : int
        Rows of outputs that are computed at once.
    start, shift : int
        What sums begin with, and by how many digits they are moved at the end.
    divisor : int
        What they are divided by if it is no power of two; 1 otherwise.
    positive : bool
        Whether no sum is negative.
    """

    down: tuple[int, ...]
    across: tuple[int, ...]
    step: int
    lanes: int
    block: int
    start: int
    shift: int
    divisor: int
    positive: bool


def emit_short(code: ShortCode) -> Function:
    """Write the function for one description, with the parameters `PARAMETERS`; it reads no table of taps."""
    f = Function("integers", PARAMETERS)
    emit_strips(f, code.block, _Shorts(f, code).strip)
    return f


class _Shorts:
    """Writes both passes over a strip."""

    def __init__(self, f: Function, code: ShortCode) -> None:
        self.f, self.code, self.lanes = f, code, code.lanes
        self.kind = fixed("i16", code.lanes)
        final = "divide" if code.divisor > 1 else "shift" if code.shift else "none"
        self.ending = Ending("i16", code.lanes, final, code.divisor, code.positive)

    def strip(self, rows: int, source: Value, target: Value) -> None:
        """Emit a pass down the rows into scratch, then one across the columns for each row."""
        f = self.f
        row_bytes = f.multiply("%pitch", 2)

        def down(column: Value) -> None:
            start = f.at(source, column)
            known: dict[int, Value] = {}

            def sample(row: int) -> Value:
                if row not in known:
                    place = f.at(start, f.multiply("%source_stride", row)) if row else start
                    bytes_ = f.value(f"load {fixed('i8', self.lanes)}, ptr {place}, align 1")
                    known[row] = f.value(f"zext {fixed('i8', self.lanes)} {bytes_} to {self.kind}")
                return known[row]

            sums = _TapSums(self, self.code.down, sample, lambda value_at, by, at: value_at(at + by))
            for row in range(rows):
                place = f.at(f.at("%between", f.multiply(row_bytes, row)), f.multiply(column, 2))
                f.do(f"store {self.kind} {sums.at(row)}, ptr {place}, align 1")

        def across(row: Value, _: list[Value]) -> list[Value]:
            self.go_across(
                f.at("%between", f.multiply(row, row_bytes)), f.at(target, f.multiply(row, "%target_stride"))
            )
            return []

        along(f, "%extended", self.lanes, down)
        f.loop(0, rows, 1, across)

    def go_across(self, samples: Value, target: Value) -> None:
        """Emit the second pass over one row, several vectors at once where there are so many."""
        f, code, lanes = self.f, self.code, self.lanes

        def blocks(vectors: int) -> None:
            def outputs(column: Value) -> None:
                start = f.at(samples, f.multiply(column, 2))
                known: dict[int, Value] = {}

                def sample(index: int) -> Value:
                    if index not in known:
                        place = f.at(start, 2 * lanes * index)
                        known[index] = f.value(f"load {self.kind}, ptr {place}, align 1")
                    return known[index]

                def moved(value_at: Callable[[int], Value], by: int, at: int) -> Value:
                    whole, part = divmod(by * code.step, lanes)
                    first = value_at(at + whole)
                    return lane_shift(f, first, value_at(at + whole + 1), lanes, part, "i16") if part else first

                sums = _TapSums(self, code.across, sample, moved)
                for v in range(vectors):
                    total = sums.at(v)
                    if code.start:
                        total = f.value(f"add {self.kind} {total}, {self.ending.all(code.start)}")
                    place = f.at(f.at(target, column), v * lanes)
                    store_bytes(f, total, place, self.ending, self.ending.all(code.shift))

            along(f, "%width", vectors * lanes, outputs)

        wide = f.value(f"icmp sge i64 %width, {VECTORS * lanes}")
        f.either(wide, lambda: blocks(VECTORS), lambda: blocks(1))


class _TapSums:
    """Writes sums of one pass.

    `sample` emits the vector at an index. `moved` emits, of vectors that are given by their index, the one that
    begins some taps behind an index.
    """

    def __init__(
        self,
        writer: _Shorts,
        taps: tuple[int, ...],
        sample: Callable[[int], Value],
        moved: Callable[[Callable[[int], Value], int, int], Value],
    ) -> None:
        self.f, self.kind, self.all = writer.f, writer.kind, writer.ending.all
        self.taps, self.sample, self.moved = taps, sample, moved
        self.known: dict[tuple[int, int], Value] = {}

    def at(self, index: int) -> Value:
        """Emit the sums over all taps from an index on."""
        return self.window(index) if set(self.taps) == {1} else self.weighed(index)

    def weighed(self, index: int) -> Value:
        """Emit the sum of products with all taps that are not zero."""
        total = ""
        for by, tap in enumerate(self.taps):
            if tap:
                value = self.moved(self.sample, by, index)
                if tap != 1:
                    value = self.f.value(f"mul {self.kind} {value}, {self.all(tap)}")
                total = self.f.value(f"add {self.kind} {total}, {value}") if total else value
        return total

    def window(self, index: int) -> Value:
        """Emit the sum over a window: one part for each binary digit of its width."""
        total, start, rest = "", 0, len(self.taps)
        while rest:
            length = 1 << (rest.bit_length() - 1)
            part = self.moved(lambda at, length=length: self.power(at, length), start, index)  # type: ignore[misc]
            total = self.f.value(f"add {self.kind} {total}, {part}") if total else part
            start, rest = start + length, rest - length
        return total

    def power(self, index: int, length: int) -> Value:
        """Emit the sum over `length` samples, a power of two, from an index on."""
        if length == 1:
            return self.sample(index)
        if (index, length) not in self.known:
            half = length // 2
            parts = self.power(index, half), self.moved(lambda at: self.power(at, half), half, index)
            self.known[index, length] = self.f.value(f"add {self.kind} {parts[0]}, {parts[1]}")
        return self.known[index, length]
