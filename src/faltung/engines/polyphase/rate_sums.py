"""Machine code for sums where the rate changes: each output has its own samples, and the taps of its phase."""

from __future__ import annotations

from dataclasses import dataclass

from faltung.jit.ir import Function, Value, vector
from faltung.jit.samples import broadcast, multiply_add

__all__ = ["RatePass", "RateSums"]

#: Outputs that are computed together where each looks up its samples: their pointers stay in registers.
_TOGETHER = 8
#: Most rows that are fetched ahead.
_AHEAD = 64


@dataclass(frozen=True)
class RatePass:
    """The outputs of one pass.

    Parameters
    ----------
    taps : int
        Taps of a phase; those of shorter ones end with zeros.
    pattern : tuple of (int, int)
        If all blocks of as many outputs as a vector has lanes are alike: for each output of a block the first sample,
        from that of the block, and the number of the phase. Empty if outputs look both up.
    advance : int
        Samples from block to block, if they are alike.
    """

    taps: int
    pattern: tuple[tuple[int, int], ...] = ()
    advance: int = 0


class RateSums:
    """Writes the sums of as many outputs as a vector has lanes.

    Parameters
    ----------
    f : Function
        The function that is written.
    board : dict
        Entries of its board: ``down_first``, ``down_taps``, ``across_first`` and ``across_taps``.
    number : str
        The number computed with, ``float`` or ``double``.
    lanes : int
        Numbers in a vector register.
    """

    def __init__(self, f: Function, board: dict[str, Value], number: str, lanes: int) -> None:
        self.f, self.board, self.number, self.lanes = f, board, number, lanes
        self.size, self.type = 4 if number == "float" else 8, vector(number, lanes)

    def start_of(self, one: RatePass, output: Value, pitch: Value | int) -> Value:
        """Emit the distance in bytes to the first sample of a block of outputs; of none if each looks up its own."""
        f = self.f
        if not one.pattern:
            return "0"
        block = f.value(f"udiv i64 {output}, {self.lanes}")
        return f.multiply(f.multiply(block, one.advance), pitch)

    def sums(self, one: RatePass, source: Value, output: Value, pitch: Value | int, name: str) -> list[Value]:
        """Emit the sums of as many outputs as a vector has lanes, from samples that are `pitch` bytes apart."""
        f, taps = self.f, self.board[f"{name}_taps"]
        if one.pattern:
            return self.written_out(one, source, pitch, taps)
        found = []
        together = min(_TOGETHER, self.lanes)
        for first in range(0, self.lanes, together):
            outputs = [f.add(output, first + k) for k in range(together)]
            firsts = [f.entry(self.board[f"{name}_first"], n) for n in outputs]
            starts = [f.at(source, f.multiply(n, pitch)) for n in firsts]
            rows = [f.at(taps, f.multiply(n, one.taps * self.size)) for n in outputs]

            def one_tap(
                tap: Value, sums: list[Value], starts: list[Value] = starts, rows: list[Value] = rows
            ) -> list[Value]:
                there, along = f.multiply(tap, pitch), f.multiply(tap, self.size)
                return [
                    self.added(total, f.at(start, there), f.at(row, along))
                    for total, start, row in zip(sums, starts, rows, strict=True)
                ]

            found += f.loop(0, one.taps, 1, one_tap, [(self.type, "zeroinitializer")] * together)
        return found

    def written_out(self, one: RatePass, source: Value, pitch: Value | int, taps: Value) -> list[Value]:
        """Emit the sums of a block in which all is known: each sample is loaded once."""
        f = self.f
        known: dict[int, Value] = {}
        found: list[Value] = []
        for first, phase in one.pattern:
            total = ""
            for tap in range(one.taps):
                place = first + tap
                if place not in known:
                    there = f.at(source, f.multiply(pitch, place) if isinstance(pitch, str) else pitch * place)
                    known[place] = f.value(f"load {self.type}, ptr {there}, align {self.size}")
                coefficient = self.coefficient(f.at(taps, (phase * one.taps + tap) * self.size))
                if not total:
                    total = f.value(f"fmul {self.type} {known[place]}, {coefficient}")
                else:
                    total = self.multiply_add(known[place], coefficient, total)
            found.append(total)
        if isinstance(pitch, str) and one.advance <= _AHEAD:  # rows of the next strip, which are far apart in memory
            for place in range(max(known) + 1, max(known) + 1 + one.advance):
                f.prefetch(f.at(source, f.multiply(pitch, place)))
        return found

    def added(self, total: Value, sample: Value, tap: Value) -> Value:
        """Emit ``total + sample * tap``."""
        value = self.f.value(f"load {self.type}, ptr {sample}, align {self.size}")
        return self.multiply_add(value, self.coefficient(tap), total)

    def coefficient(self, place: Value) -> Value:
        """Emit the load of a tap into all lanes."""
        return broadcast(self.f, place, self.number, self.lanes)

    def multiply_add(self, a: Value, b: Value, total: Value) -> Value:
        """Emit ``a * b + total``."""
        return multiply_add(self.f, self.number, self.lanes, a, b, total)
