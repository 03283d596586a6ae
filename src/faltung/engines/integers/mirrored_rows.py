"""Sums down the rows over taps that are the same from both ends: samples with the same tap are added first.

Two bytes add up to nine digits, so a product of pairs of 16 bits takes four samples and not two. Of each row of pairs
one row is even, its low half, and one is odd. Each pair above the middle has the even row first, each one below it
the odd row, so that a pair is right for the outputs of all rows, and only two new ones are read for every two rows of
outputs. With taps ``a b c b a``::

    pairs of rows          (0 1) (2 3) .. above;  (2 1) (4 3) (6 5) .. below
    output row 0           (a b) ((0 1) + (4 3)) + (c/2 0) ((2 3) + (2 1))
    output row 1           (0 a) ((0 1) + (6 5)) + (b c/2) ((2 3) + (4 3))

The sample in the middle is added to itself, so its tap is halved. If signs differ, samples are subtracted.
"""

from __future__ import annotations

from collections.abc import Iterator

from faltung.engines.integers.pair_products import fixed, pair_product, pairs_of_bytes, splat_word
from faltung.jit.ir import Function, Value

__all__ = ["MirroredRows", "lead"]


def lead(size: int) -> int:
    """Return how many of some taps are kept: those from one end to the middle."""
    return size // 2 + 1


class MirroredRows:
    """Writes the sums for some rows of outputs; an odd number of taps.

    Parameters
    ----------
    f : Function
        The function that is written.
    size, sign : int
        Number of the taps; 1 if they are the same from both ends, -1 if their signs differ.
    lanes : int
        Lanes of 32 bits in a vector.
    instruction : str
        The instruction for a product of pairs, or an empty string.
    taps : Value
        Address of the pairs of taps: those for even rows, then those for odd rows.
    """

    def __init__(self, f: Function, size: int, sign: int, lanes: int, instruction: str, taps: Value) -> None:
        self.f, self.size, self.lanes, self.instruction, self.taps = f, size, lanes, instruction, taps
        self.how = "add" if sign > 0 else "sub"

    def sums(self, source: Value, rows: int, start: Value) -> Iterator[Value]:
        """Emit the sum for one row of outputs after the other; `start` is what each begins with."""
        known: dict[int, Value] = {}
        last = rows + self.size - 2

        def place(row: int) -> Value:
            return self.f.at(source, self.f.multiply("%source_stride", row)) if row <= last else ""

        def pair(row: int) -> Value:
            """Emit the pair that has a row and the next one; of both, the even row is the low half."""
            if row not in known:
                known[row] = pairs_of_bytes(self.f, place(row + row % 2), place(row + 1 - row % 2), self.lanes)
            return known[row]

        half = self.size // 2
        for top in range(0, rows, 2):
            self.f.keep_order()  # else all pairs are read first, and taps wait for many rows
            totals = [start] * min(2, rows - top)
            for k in range((half + 1) // 2 + 1):
                for odd in range(len(totals)):
                    first = 2 * k - odd
                    if first <= half:
                        above, below = pair(top + 2 * k), pair(top + odd + self.size - 2 - first)
                        totals[odd] = self._added(totals[odd], above, below, (half // 2 + 1) * odd + k)
            yield from totals

    def _added(self, total: Value, above: Value, below: Value, word: int) -> Value:
        """Emit ``total + taps * (above + below)``; the taps are read where they are used, there are so many."""
        f, kind, lane = self.f, fixed("i16", 2 * self.lanes), fixed("i32", self.lanes)
        halves = [f.value(f"bitcast {lane} {pair} to {kind}") for pair in (above, below)]
        both = f.value(f"bitcast {kind} {f.value(f'{self.how} {kind} {halves[0]}, {halves[1]}')} to {lane}")
        taps = splat_word(f, f.at(self.taps, 4 * word), self.lanes, anew=True)
        return pair_product(f, total, both, taps, self.lanes, self.instruction)
