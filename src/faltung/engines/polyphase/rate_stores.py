"""Machine code that stores the outputs of a filter that changes the rate: block by block, or row by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from faltung.engines.channels.gathered_planes import first_lanes, load_some, store_some
from faltung.engines.polyphase.rate_sums import RatePass
from faltung.jit.ir import Function, Value, vector
from faltung.jit.samples import Sample, broadcast, load, multiply_add, store

__all__ = ["RateDescription", "RateStores", "staged_bytes"]

#: Outputs of each row of a strip that are gathered before they are stored; and bytes that these rows in scratch are
#: farther apart, so that they are no power of two apart.
_STAGED, _APART = 256, 64


@dataclass(frozen=True)
class RateDescription:
    """What is fixed when the code is compiled.

    Parameters
    ----------
    down, across : RatePass or None
        The passes.
    folded : bool
        Whether lanes are stretches of one row.
    source : Sample
        The samples of the array; the target has the number computed with.
    number : str
        The number computed with, ``float`` or ``double``.
    lanes : int
        Numbers in a vector register.
    gathered : int
        Samples that are gathered at once if they are contiguous numbers; else 0.
    streamed : bool
        Whether to write past the cache; every vector of the target must be whole and aligned.
    beside : bool
        Whether outputs are added to the numbers of another array of the strides of the target.
    staged : bool
        Whether the outputs of a strip are gathered in scratch before they are stored, row by row.
    """

    down: RatePass | None
    across: RatePass | None
    folded: bool
    source: Sample
    number: str
    lanes: int
    gathered: int
    streamed: bool
    beside: bool = False
    staged: bool = False


def staged_bytes(lanes: int, size: int) -> int:
    """Return the bytes of the outputs of a strip that are gathered, for numbers of so many bytes."""
    return lanes * (_STAGED * size + _APART)


class RateStores:
    """Writes the stores of blocks of outputs.

    Parameters
    ----------
    f : Function
        The function that is written.
    board : dict
        Entries of its board: ``scratch``, ``stage``, ``beside``, ``factor`` and ``lane_width``.
    rates : RateDescription
        What is fixed when the code is compiled.
    """

    def __init__(self, f: Function, board: dict[str, Value], rates: RateDescription) -> None:
        self.f, self.board, self.rates, self.lanes = f, board, rates, rates.lanes
        self.sample = Sample("f", 4 if rates.number == "float" else 8)
        self.size, self.type = self.sample.bytes, vector(rates.number, rates.lanes)
        self.factor = ""
        if rates.beside:
            self.factor = broadcast(f, board["factor"], rates.number, rates.lanes)

    def put(self, lines: list[Value], place: Value, rows: Value, width: Value, step: Value) -> None:
        """Emit stores of a square block, of which the target has so many rows and columns."""
        f, lanes = self.f, self.lanes
        places = [f.at(place, f.multiply(step, k)) if k else place for k in range(lanes)]

        def whole() -> None:
            for line, there in zip(lines, places, strict=True):
                self.put_line(line, there, streamed=self.rates.streamed)

        def part() -> None:
            for k, (line, there) in enumerate(zip(lines, places, strict=True)):
                with f.when(f.value(f"icmp slt i64 {k}, {rows}")):
                    self.put_line(line, there, width)

        least = f.smaller(rows, width)
        f.either(f.value(f"icmp sge i64 {least}, {lanes}"), whole, part)

    def put_folded(self, lines: list[Value], place: Value, x: Value, width: Value, step: Value) -> None:
        """Emit stores of a block whose lines are stretches of one row, which ends in one of them."""
        f, lanes, own = self.f, self.lanes, self.board["lane_width"]
        places = [f.at(place, f.multiply(step, k)) if k else place for k in range(lanes)]

        def whole() -> None:
            for line, there in zip(lines, places, strict=True):
                self.put_line(line, there)

        def part() -> None:
            for k, (line, there) in enumerate(zip(lines, places, strict=True)):
                end = f.smaller(own, f.subtract(width, f.multiply(own, k)))
                self.put_line(line, there, f.subtract(end, x))

        full = f.value(f"icmp sge i64 {width}, {f.multiply(own, lanes)}")
        inside = f.value(f"icmp sle i64 {f.add(x, lanes)}, {own}")
        f.either(f.value(f"and i1 {full}, {inside}"), whole, part)

    def put_line(self, line: Value, place: Value, width: Value = "", streamed: bool = False) -> None:
        """Emit the store of a vector, or of so many of its numbers, which are added to those of the other array."""
        f, number, lanes = self.f, self.rates.number, self.lanes
        if self.factor:
            other = f.at(place, self.board["beside"])
            if width:
                mask = first_lanes(f, width, lanes)
                known = load_some(f, number, other, mask, "zeroinitializer", lanes)
            else:
                known = load(f, other, self.sample, number, lanes)
            line = multiply_add(f, number, lanes, line, self.factor, known)
        if width:
            store_some(f, number, line, place, width, lanes)
        else:
            store(f, number, line, place, self.sample, lanes, streamed)

    def put_staged(
        self, lines_at: Callable[[Value], list[Value]], place: Value, rows: Value, width: Value, step: Value
    ) -> None:
        """Emit blocks whose outputs are gathered in scratch, and stored row by row.

        Rows may be a power of two apart. Then the first-level cache has no room for a line of each of them.
        """
        f, lanes, pitch = self.f, self.lanes, _STAGED * self.size + _APART
        stage = f.at(self.board["scratch"], self.board["stage"])

        def part(first: Value, _: list[Value]) -> list[Value]:
            count = f.smaller(f.subtract(width, first), str(_STAGED))
            whole = f.value(f"and i64 {count}, {-lanes}")

            def block(x: Value, _: list[Value]) -> list[Value]:
                column = f.at(stage, f.multiply(x, self.size))
                for k, line in enumerate(lines_at(f.add(first, x))):
                    f.do(f"store {self.type} {line}, ptr {f.at(column, k * pitch)}, align {self.size}")
                return []

            def row(k: Value, _: list[Value]) -> list[Value]:
                source = f.at(stage, f.multiply(k, pitch))
                target = f.at(f.at(place, f.multiply(k, step)), f.multiply(first, self.size))

                def one(x: Value, width: Value = "") -> list[Value]:
                    along = f.multiply(x, self.size)
                    line = load(f, f.at(source, along), self.sample, self.rates.number, lanes)
                    self.put_line(line, f.at(target, along), width)
                    return []

                f.loop(0, whole, lanes, lambda x, _: one(x))
                with f.when(f.value(f"icmp slt i64 {whole}, {count}")):
                    one(whole, f.subtract(count, whole))
                return []

            f.loop(0, count, lanes, block)
            f.loop(0, f.smaller(rows, str(lanes)), 1, row)
            return []

        f.loop(0, width, _STAGED, part)
