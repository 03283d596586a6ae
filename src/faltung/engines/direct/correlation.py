"""Machine code for dense and sparse taps: one block of a valid correlation, register block by register block.

A two-dimensional kernel is one panel (see `registers`); a volume has a panel for each of its slices; scattered taps
are panels of one tap.
"""

from __future__ import annotations

from dataclasses import dataclass

from faltung.engines.registers import Footprint, Registers
from faltung.jit.ir import Function, Value, vector
from faltung.jit.samples import Sample, store

__all__ = ["PARAMETERS", "Correlation", "emit", "guard"]

PARAMETERS = {
    "source": "ptr noalias readonly",  # the sample under the first tap of the first output
    "target": "ptr noalias",  # the first output
    "taps": "ptr noalias readonly",  # coefficients, panel after panel, in the number computed with
    "panels": "ptr noalias readonly",  # byte offset of each panel in the source
    "source_slices": "ptr noalias readonly",  # byte offset of each two-dimensional slice in the source
    "target_slices": "ptr noalias readonly",  # and in the target
    "slices": "i64",
    "height": "i64",
    "width": "i64",
    "source_stride": "i64",  # bytes from row to row
    "target_stride": "i64",
}


@dataclass(frozen=True)
class Correlation:
    """What is fixed when the code is compiled: everything but coefficients, sizes and strides.

    Parameters
    ----------
    footprint : Footprint
        The taps, and what the source holds.
    target : Sample
        What the target holds.
    lanes : int
        Samples in a vector register.
    block : tuple of int
        Output rows and vectors of a register block.
    guarded : bool
        Whether to return 1 where an output is not finite (a panel contains zero taps, which must not multiply
        infinities).
    streamed : bool
        Whether to write past the cache where the target is so aligned that whole vectors can be.
    """

    footprint: Footprint
    target: Sample
    lanes: int
    block: tuple[int, int]
    guarded: bool
    streamed: bool


def emit(what: Correlation, name: str = "correlate", internal: bool = False) -> Function:
    """Write the function for one description, with the parameters `PARAMETERS`."""
    f = Function(name, PARAMETERS, internal)
    f.do("%status = alloca i32")
    f.do("store i32 0, ptr %status")
    body = _Body(f, what)

    def one_slice(index: Value, _: list[Value]) -> list[Value]:
        body.source = f.at("%source", f.entry("%source_slices", index))
        body.target = f.at("%target", f.entry("%target_slices", index))
        body.slice()
        return []

    f.loop(0, "%slices", 1, one_slice)
    if what.streamed:
        f.do("fence seq_cst")  # whoever is told that the block is done must also see it
    f.do(f"ret i32 {f.value('load i32, ptr %status')}")
    return f


class _Body:
    """Writer of the loops over one two-dimensional slice."""

    def __init__(self, f: Function, what: Correlation) -> None:
        self.f = f
        self.what = what
        self.source = "%source"
        self.target = "%target"

    def slice(self) -> None:
        rows, vectors = self.what.block
        if rows == 1:
            self.strips(1, vectors)
            return
        enough = self.f.value(f"icmp sge i64 %height, {rows}")
        self.f.either(enough, lambda: self.strips(rows, vectors), lambda: self.strips(1, 1))

    def strips(self, rows: int, vectors: int) -> None:
        """Emit strips of `rows` output rows from top to bottom; the last one moves up to end with the array."""
        f = self.f
        last = f.subtract("%height", rows)

        def strip(row: Value, _: list[Value]) -> list[Value]:
            row = f.smaller(row, last) if rows > 1 else row
            source = f.at(self.source, f.multiply(row, "%source_stride"))
            target = f.at(self.target, f.multiply(row, "%target_stride"))
            self.columns(rows, vectors, source, target)
            return []

        f.loop(0, "%height", rows, strip)

    def columns(self, rows: int, vectors: int, source: Value, target: Value) -> None:
        """Emit wide blocks, then single vectors of which the last moves left; scalars where no vector fits."""
        f, what = self.f, self.what
        lanes, wide = what.lanes, vectors * what.lanes

        def blocks(
            start: Value | int, step: int, stop: Value, last: Value, lanes: int, vectors: int, streamed: bool = False
        ) -> None:
            def block(column: Value, _: list[Value]) -> list[Value]:
                column = f.smaller(column, last)
                here = f.at(source, f.multiply(column, what.footprint.source.bytes))
                there = f.at(target, f.multiply(column, what.target.bytes))
                self.block(rows, vectors, lanes, here, there, streamed)
                return []

            f.loop(start, stop, step, block)

        def from_column(first: Value | int, streamed: bool) -> None:
            done = first
            if vectors > 1 or streamed:
                rest = f.value(f"urem i64 {f.subtract('%width', first)}, {wide}")
                done = f.subtract("%width", rest)
                blocks(first, wide, done, done, lanes, vectors, streamed)
            blocks(done, lanes, "%width", f.subtract("%width", lanes), lanes, 1)

        def past_the_cache() -> None:
            # Up to the first column whose address a whole vector can be streamed to.
            address = f.value(f"ptrtoint ptr {target} to i64")
            short = f.value(f"and i64 {f.subtract('0', address)}, {lanes * what.target.bytes - 1}")
            blocks(0, lanes, "1", "0", lanes, 1)
            from_column(f.value(f"udiv i64 {short}, {what.target.bytes}"), True)

        def whole() -> None:
            if not what.streamed:
                from_column(0, False)
                return
            address = f.value(f"ptrtoint ptr {target} to i64")
            odd_stride = f.value(f"and i64 %target_stride, {lanes * what.target.bytes - 1}")
            odd_address = f.value(f"and i64 {address}, {what.target.bytes - 1}")
            even = f.value(f"icmp eq i64 {f.value(f'or i64 {odd_stride}, {odd_address}')}, 0")
            long = f.value(f"icmp sge i64 %width, {wide + lanes}")
            f.either(f.value(f"and i1 {even}, {long}"), past_the_cache, lambda: from_column(0, False))

        fits = f.value(f"icmp sge i64 %width, {lanes}")
        f.either(fits, whole, lambda: blocks(0, 1, "%width", "%width", 1, 1))

    def block(self, rows: int, vectors: int, lanes: int, source: Value, target: Value, streamed: bool) -> None:
        """Emit one register block: sum over all taps, then store."""
        f, what = self.f, self.what
        block = (rows, vectors, lanes)
        sums = Registers(f, what.footprint, *block, "%taps", "%panels", "%source_stride").sums(source)
        if what.guarded:
            guard(f, sums, what.footprint.number, lanes)
        for row in range(rows):
            for v in range(vectors):
                offset = v * lanes * what.target.bytes
                place = f.at(f.at(target, f.multiply("%target_stride", row)) if row else target, offset)
                store(f, what.footprint.number, sums[row * vectors + v], place, what.target, lanes, streamed)


def guard(f: Function, sums: list[Value], number: str, lanes: int) -> None:
    """Set bit 0 of the status where a sum is not finite."""
    type_ = vector(number, lanes)
    # x - x is zero for every finite x and NaN for all others, and NaN survives the sum.
    total = f.value(f"fsub {type_} {sums[0]}, {sums[0]}")
    for value in sums[1:]:
        total = f.value(f"fadd {type_} {total}, {f.value(f'fsub {type_} {value}, {value}')}")
    bad = f.value(f"fcmp uno {type_} {total}, {total}")
    bits = f.value(f"bitcast {vector('i1', lanes)} {bad} to i{lanes}") if lanes > 1 else bad
    with f.when(f.value(f"icmp ne i{lanes} {bits}, 0")):
        f.do("store i32 1, ptr %status")
