"""Sums over taps that are the same from both ends: the samples of a pair are added first, and multiplied once.

Many processors add and multiply in different units, so that an addition besides takes no time. Fewer roundings are
made, too.

Two samples may add up to an infinity, from half the largest number on. Hardly any array has such samples; so they are
looked for only if an output is not finite (see `emit_large`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faltung.engines.registers import Footprint
from faltung.jit.ir import Function, Value, vector
from faltung.jit.samples import Sample, broadcast, load, multiply_add, splat, store
from faltung.jit.target import host

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["TOGETHER", "UNROLLED", "Paired", "emit_large", "mirrored_sign", "products"]

#: Fewest taps that are summed in pairs, in vectors of so many bytes: where they are fewer, or vectors are shorter,
#: multiplications take little of the time.
FEWEST, VECTOR = 7, 64
#: Most pairs that are summed at once, for whose rows there are registers.
AT_ONCE = 4
#: Time of a tap that is summed in pairs over that of a multiply-add, and multiply-adds that take as long as the rest.
PAIR, BESIDE = 0.62, 2.5
#: Most taps whose pairs are all summed at once, so that each row is loaded once.
TOGETHER = 2 * AT_ONCE + 3
#: Most multiply-adds that are written out for a block of a pass: only there, zero taps take no time.
UNROLLED = 450
#: Most groups of pairs that are written out; more of them are a loop.
WRITTEN_OUT = 3


def mirrored_sign(panels: Sequence[NDArray[np.floating]]) -> int:
    """Return 1 if the taps of each panel are the same from both ends, -1 if their signs differ.

    It is 0 if neither holds, if a tap is zero that is not the middle one, or if pairs are not worth it.
    """
    size = panels[0].size
    if size < FEWEST or host().vector_bytes < VECTOR:
        return 0
    for sign in (1, -1):
        taps_left = size - size % 2 if sign < 0 else size
        if all(np.array_equal(taps, sign * taps[::-1]) and np.count_nonzero(taps) == taps_left for taps in panels):
            return sign
    return 0


def products(taps: NDArray[np.floating]) -> float:
    """Return how many multiply-adds take as long as the sum over some taps.

    Examples
    --------
    >>> products(np.array([1.0, 2.0, 3.0]))
    3.0
    """
    count = float(np.count_nonzero(taps))
    if mirrored_sign([taps]):
        return BESIDE + PAIR * count
    return count if count * host().lanes("float") <= UNROLLED else float(taps.size)


class Paired:
    """Writes the sum over all taps of a footprint that is mirrored; parameters as of `Registers`, for single vectors.

    Some pairs are summed for all outputs before the next ones. Their rows move through registers, from output to
    output: those above the middle, and those below it. With 2 outputs (A, B), 5 taps and both pairs at once::

        source row     0      1      2      3      4      5
        A              t0     t1    (t2)    t1     t0            A += t0 (row 0 + row 4);  A += t1 (row 1 + row 3)
        B                     t0     t1    (t2)    t1     t0     B += t0 (row 1 + row 5);  B += t1 (row 2 + row 4)

    Where there are several groups of pairs, rows are loaded several times, so they are copied to `copies` first, if
    that is given: rows that are a power of two apart would push each other out of the cache.

    The sums wait in memory, at `room`: so registers are left for the rows, and each sum is complete before the next.
    """

    def __init__(
        self,
        f: Function,
        footprint: Footprint,
        rows: int,
        lanes: int,
        taps: Value,
        offsets: Value,
        stride: Value | int,
        room: Value,
        copies: Value = "",
    ) -> None:
        self.f, self.footprint, self.rows, self.lanes = f, footprint, rows, lanes
        self.taps, self.offsets, self.stride, self.room = taps, offsets, str(stride), room
        self.source, self.copies = footprint.source, copies if footprint.rows > TOGETHER else ""
        self.type, self.number = vector(footprint.number, lanes), footprint.number
        self.sample = Sample("f", 4 if footprint.number == "float" else 8)

    def sums(self, source: Value) -> list[Value]:
        """Emit the sum for outputs whose first tap is at `source`; return the sums, row after row."""
        f, footprint = self.f, self.footprint
        for panel in range(footprint.panels):
            start = f.at(source, f.entry(self.offsets, str(panel)))
            if self.copies:
                self._copy(start)
                start, self.stride, self.source = self.copies, str(self.lanes * self.sample.bytes), self.sample
            self._panel(start, f.at(self.taps, panel * footprint.rows * self.sample.bytes), not panel)
        return [load(f, self._sum(row), self.sample, self.number, self.lanes) for row in range(self.rows)]

    def _copy(self, start: Value) -> None:
        """Emit copies of all rows, which are loaded several times."""
        f = self.f

        def one(row: Value, _: list[Value]) -> list[Value]:
            value = load(f, self._row(start, row), self.source, self.number, self.lanes)
            place = f.at(self.copies, f.multiply(row, self.lanes * self.sample.bytes))
            store(f, self.number, value, place, self.sample, self.lanes)
            return []

        f.loop(0, self.rows + self.footprint.rows - 1, 1, one)

    def _panel(self, start: Value, taps: Value, begin: bool) -> None:
        """Emit the sum over all pairs of a column of taps, the outermost first, and over the tap in the middle."""
        f, size = self.f, self.footprint.rows
        half = size // 2

        def group(pair: Value, pairs: int, begin: bool, middle: bool) -> None:
            below = self._row(start, f.subtract(str(size - pairs), pair))
            first = f.at(taps, f.multiply(pair, self.sample.bytes))
            self._group((self._row(start, pair), below), first, pairs, begin, middle)

        def following(pair: Value, _: list[Value]) -> list[Value]:
            group(pair, AT_ONCE, False, False)
            return []

        if size <= TOGETHER:
            self._group((start, ""), taps, half, begin, True)
            return
        pair, groups = 0, -(-half // AT_ONCE)
        if groups > WRITTEN_OUT:
            pair = half % AT_ONCE or AT_ONCE
            group("0", pair, begin, False)
            f.loop(pair, half - AT_ONCE, AT_ONCE, following)
            pair, groups, begin = half - AT_ONCE, 1, False
        for rest in range(groups, 0, -1):
            pairs = -(-(half - pair) // rest)
            group(str(pair), pairs, begin and not pair, rest == 1)
            pair += pairs

    def _group(self, starts: tuple[Value, Value], taps: Value, pairs: int, begin: bool, middle: bool) -> None:
        """Emit the sum over some pairs, whose first rows are at `starts`, and over the tap after them.

        Without the second address, these are all pairs, and they share rows.
        """
        f, size = self.f, self.footprint.rows
        how = "fadd" if self.footprint.mirrored > 0 else "fsub"
        above, below = starts
        known: dict[tuple[Value, int], Value] = {}

        def samples(start: Value, row: int) -> Value:
            if (start, row) not in known:
                known[start, row] = load(f, self._row(start, row), self.source, self.number, self.lanes)
            return known[start, row]

        middle = middle and size % 2 == 1 and self.footprint.mirrored > 0
        coefficients = [self._tap(taps, pair) for pair in range(pairs + middle)]
        for row in range(self.rows):
            f.keep_order()  # else all rows are loaded first
            total = "" if begin else load(f, self._sum(row), self.sample, self.number, self.lanes)
            for pair in range(pairs):
                lower = samples(below, row + pairs - 1 - pair) if below else samples(above, row + size - 1 - pair)
                both = f.value(f"{how} {self.type} {samples(above, row + pair)}, {lower}")
                total = self._added(total, both, coefficients[pair])
            if middle:
                total = self._added(total, samples(above, row + pairs), coefficients[pairs])
            store(f, self.number, total, self._sum(row), self.sample, self.lanes)

    def _sum(self, row: int) -> Value:
        return self.f.at(self.room, row * self.lanes * self.sample.bytes)

    def _row(self, start: Value, row: Value | int) -> Value:
        return self.f.at(start, self.f.multiply(self.stride, row)) if row else start

    def _tap(self, taps: Value, index: int) -> Value:
        return broadcast(self.f, self.f.at(taps, index * self.sample.bytes), self.number, self.lanes)

    def _added(self, total: Value, value: Value, tap: Value) -> Value:
        """Emit ``total + value * tap``."""
        if not total:
            return self.f.value(f"fmul {self.type} {value}, {tap}")
        return multiply_add(self.f, self.number, self.lanes, value, tap, total)


def emit_large(
    f: Function, start: Value, height: Value, width: Value, stride: Value, kind: Sample, number: str, lanes: int
) -> Value:
    """Emit whether a finite sample is at least half a power of two that is infinite, an ``i1``.

    Parameters
    ----------
    f : Function
        The function that is written.
    start, height, width, stride : Value
        Address of the samples, their rows and samples of a row, at least as many as the lanes, and bytes from row to
        row.
    kind : Sample
        The samples.
    number, lanes
        Number and lanes of a vector.
    """
    bits, fraction, highest = (32, 23, 254) if number == "float" else (64, 52, 2046)
    integer, flag = vector(f"i{bits}", lanes), vector("i1", lanes)
    last = f.subtract(width, lanes)

    def constant(value: int) -> Value:
        return splat(f, str(value), f"i{bits}", lanes)

    def one_row(row: Value, found: list[Value]) -> list[Value]:
        place = f.at(start, f.multiply(row, stride))

        def one_vector(column: Value, found: list[Value]) -> list[Value]:
            samples = load(f, f.at(place, f.multiply(f.smaller(column, last), kind.bytes)), kind, number, lanes)
            raw = f.value(f"bitcast {vector(number, lanes)} {samples} to {integer}")
            exponent = f.value(
                f"lshr {integer} {f.value(f'shl {integer} {raw}, {constant(1)}')}, {constant(fraction + 1)}"
            )
            is_large = f.value(f"icmp eq {integer} {exponent}, {constant(highest)}")
            return [f.value(f"or {flag} {found[0]}, {is_large}")]

        return f.loop(0, width, lanes, one_vector, [(flag, found[0])])

    none = "false" if lanes == 1 else "zeroinitializer"
    (found,) = f.loop(0, height, 1, one_row, [(flag, none)])
    if lanes == 1:
        return found
    return f.value(f"icmp ne i{lanes} {f.value(f'bitcast {flag} {found} to i{lanes}')}, 0")
