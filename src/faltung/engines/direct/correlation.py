"""Machine code for dense and sparse taps: one block of a valid correlation, register block by register block.

The outputs of a slice are covered by register blocks of ``rows`` x ``vectors`` registers. The last strip moves up and
the last blocks of a strip move left, so that they end with the array; some outputs are then computed twice, with the
same result. With 2 rows and 2 vectors of 4 lanes, on 3 x 15 outputs::

    rows 0 and 1    aaaabbbbcccc        a, b: a block of 2 vectors;  c: a single vector
                    aaaabbbbcccc
                               dddd     d: the last vector, which moves left
                               dddd
    rows 1 and 2    the same again: the last strip, which moves up

A two-dimensional kernel is one panel (see `registers`); a volume has a panel for each of its slices; scattered taps
are panels of one tap.
"""

from __future__ import annotations

from dataclasses import dataclass

from faltung.engines.guard import Guard
from faltung.engines.registers import Footprint, Registers
from faltung.jit.ir import CACHE_LINE, Function, Value
from faltung.jit.samples import Sample, broadcast, store

__all__ = ["PARAMETERS", "Correlation", "emit"]

PARAMETERS = {
    "source": "ptr noalias readonly",  # the sample under the first tap of the first output
    "target": "ptr noalias",  # the first output
    "taps": "ptr noalias readonly",  # coefficients, panel after panel, in the number computed with; then the divisor
    "panels": "ptr noalias readonly",  # byte offset of each panel in the source
    "source_slices": "ptr noalias readonly",  # byte offset of each two-dimensional slice in the source
    "target_slices": "ptr noalias readonly",  # and in the target
    "slices": "i64",  # number of slices, and their size
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
        Whether to return 1 if an output is not finite: a panel contains zero taps, which must not be multiplied by
        infinities, or terms may overflow.
    streamed : bool
        Whether to write past the cache, where the alignment of the target allows it for whole vectors.
    """

    footprint: Footprint
    target: Sample
    lanes: int
    block: tuple[int, int]
    guarded: bool
    streamed: bool


def emit(correlation: Correlation, name: str = "correlate", internal: bool = False) -> Function:
    """Write the function for one description, with the parameters `PARAMETERS`."""
    f = Function(name, PARAMETERS, internal)
    guard = Guard(f, correlation.footprint.number, correlation.lanes) if correlation.guarded else None
    writer = _SliceWriter(f, correlation, guard)

    def one_slice(index: Value, _: list[Value]) -> list[Value]:
        writer.source = f.at("%source", f.entry("%source_slices", index))
        writer.target = f.at("%target", f.entry("%target_slices", index))
        writer.slice()
        return []

    f.loop(0, "%slices", 1, one_slice)
    if correlation.streamed:
        f.fence()
    f.do(f"ret i32 {guard.give_back('0') if guard else '0'}")
    return f


class _SliceWriter:
    """Writes the loops over one two-dimensional slice."""

    def __init__(self, f: Function, correlation: Correlation, guard: Guard | None) -> None:
        self.f = f
        self.correlation = correlation
        self.guard = guard
        self.source = "%source"
        self.target = "%target"

    def slice(self) -> None:
        """Emit strips of the planned height, or of one row if there are fewer rows than that."""
        rows, vectors = self.correlation.block
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
        """Emit wide blocks, then single vectors, of which the last moves left; single samples if no vector fits.

        Streamed rows begin with one vector that need not be aligned; the blocks after it are aligned in the target::

            cache lines of the target   |        |        |        |
            first vector                   [xxxx]
            aligned blocks                       [xxxxxxxx|xxxxxxxx]
            last vector                                     [xxxx]
        """
        f, correlation = self.f, self.correlation
        lanes, wide = correlation.lanes, vectors * correlation.lanes

        def blocks(
            start: Value | int, step: int, stop: Value, last: Value, lanes: int, vectors: int, streamed: bool = False
        ) -> None:
            def block(column: Value, _: list[Value]) -> list[Value]:
                column = f.smaller(column, last)
                source_place = f.at(source, f.multiply(column, correlation.footprint.source.bytes))
                target_place = f.at(target, f.multiply(column, correlation.target.bytes))
                self.block(rows, vectors, lanes, source_place, target_place, streamed)
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
            # `short` bytes remain up to the first column at which a whole vector can be streamed.
            address = f.value(f"ptrtoint ptr {target} to i64")
            short = f.value(f"and i64 {f.subtract('0', address)}, {lanes * correlation.target.bytes - 1}")
            blocks(0, lanes, "1", "0", lanes, 1)
            from_column(f.value(f"udiv i64 {short}, {correlation.target.bytes}"), True)

        def in_vectors() -> None:
            if not correlation.streamed:
                from_column(0, False)
                return
            address = f.value(f"ptrtoint ptr {target} to i64")
            odd_stride = f.value(f"and i64 %target_stride, {lanes * correlation.target.bytes - 1}")
            odd_address = f.value(f"and i64 {address}, {correlation.target.bytes - 1}")
            aligned = f.value(f"icmp eq i64 {f.value(f'or i64 {odd_stride}, {odd_address}')}, 0")
            long = f.value(f"icmp sge i64 %width, {wide + lanes}")
            f.either(f.value(f"and i1 {aligned}, {long}"), past_the_cache, lambda: from_column(0, False))

        fits = f.value(f"icmp sge i64 %width, {lanes}")
        f.either(fits, in_vectors, lambda: blocks(0, 1, "%width", "%width", 1, 1))

    def block(self, rows: int, vectors: int, lanes: int, source: Value, target: Value, streamed: bool) -> None:
        """Emit one register block: sum over all taps, then store."""
        f, correlation = self.f, self.correlation
        if lanes > 1:
            self.fetch_below(rows, vectors * lanes, source)
        block = (rows, vectors, lanes)
        sums = Registers(f, correlation.footprint, *block, "%taps", "%panels", "%source_stride").sums(source)
        if self.guard:
            self.guard.note(sums, lanes)
        divisor = self.divisor(lanes) if correlation.target.divided else ""
        for row in range(rows):
            for v in range(vectors):
                offset = v * lanes * correlation.target.bytes
                place = f.at(f.at(target, f.multiply("%target_stride", row)) if row else target, offset)
                value = sums[row * vectors + v]
                store(f, correlation.footprint.number, value, place, correlation.target, lanes, streamed, divisor)

    def fetch_below(self, rows: int, samples: int, source: Value) -> None:
        """Emit hints for the rows that the strip below reads and this one does not.

        A strip has so many rows that the processor does not foresee which lines are read next. If they are in no
        cache, they come from main memory while this strip is computed; where they are in one, a hint costs nothing.
        """
        f, footprint = self.f, self.correlation.footprint
        for row in range(rows):
            line = f.at(source, f.multiply("%source_stride", footprint.rows - 1 + rows + row))
            for start in range(0, samples * footprint.source.bytes, CACHE_LINE):
                f.prefetch(f.at(line, start))

    def divisor(self, lanes: int) -> Value:
        """Emit the number that sums are divided by, in all lanes; it follows the coefficients."""
        f, footprint = self.f, self.correlation.footprint
        size = 4 if footprint.number == "float" else 8
        return broadcast(f, f.at("%taps", footprint.coefficients * size), footprint.number, lanes)
