"""Machine code for dense and sparse taps: one block of a valid correlation, register block by register block.

The taps are cut into *panels*, dense blocks of rows x columns, each with a byte offset into the source::

    out[r, c] = sum over panels p, rows i, columns j of taps[p, i, j] * source[offset[p] + row r + i, column c + j]

A two-dimensional kernel is one panel; a volume has a panel for each of its slices; scattered taps are panels of one
tap. A register block holds ``rows`` x ``vectors`` accumulators. It walks down the source rows under it, so that each
vector loaded feeds every output row that uses it.
"""

from __future__ import annotations

from dataclasses import dataclass

from faltung.jit.ir import Function, Value, vector
from faltung.jit.samples import Sample, load, splat, store

__all__ = ["PARAMETERS", "Correlation", "emit"]

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
    panels, rows, columns : int
        Number of panels, and the shape of each.
    pattern : tuple of int or None
        Flat indices of the non-zero taps, to unroll over just these; None to loop over all of them.
    step : int
        Samples between neighbouring columns of taps.
    source, target : Sample
        What the arrays hold.
    number : str
        What is computed with, ``float`` or ``double``.
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

    panels: int
    rows: int
    columns: int
    pattern: tuple[int, ...] | None
    step: int
    source: Sample
    target: Sample
    number: str
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
                here = f.at(source, f.multiply(column, what.source.bytes))
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
        registers = _Registers(f, what, rows, vectors, lanes)
        sums = registers.unrolled(source) if what.pattern is not None else registers.looped(source)
        if what.guarded:
            self.guard(sums, lanes)
        for row in range(rows):
            for v in range(vectors):
                offset = v * lanes * what.target.bytes
                place = f.at(f.at(target, f.multiply("%target_stride", row)) if row else target, offset)
                store(f, what.number, sums[row * vectors + v], place, what.target, lanes, streamed)

    def guard(self, sums: list[Value], lanes: int) -> None:
        f, type_ = self.f, vector(self.what.number, lanes)
        # x - x is zero for every finite x and NaN for all others, and NaN survives the sum.
        total = f.value(f"fsub {type_} {sums[0]}, {sums[0]}")
        for value in sums[1:]:
            total = f.value(f"fadd {type_} {total}, {f.value(f'fsub {type_} {value}, {value}')}")
        bad = f.value(f"fcmp uno {type_} {total}, {total}")
        bits = f.value(f"bitcast {vector('i1', lanes)} {bad} to i{lanes}") if lanes > 1 else bad
        with f.when(f.value(f"icmp ne i{lanes} {bits}, 0")):
            f.do("store i32 1, ptr %status")


class _Registers:
    """Writer of the sum over all taps for ``rows`` x ``vectors`` accumulators.

    For each output the taps are added in one order, panel by panel and row by row, wherever the output lies in a
    block: that is why neither tiles nor workers change a bit of the result.
    """

    def __init__(self, f: Function, what: Correlation, rows: int, vectors: int, lanes: int) -> None:
        self.f = f
        self.what = what
        self.rows = rows
        self.vectors = vectors
        self.lanes = lanes
        self.type = vector(what.number, lanes)
        self.bytes = 4 if what.number == "float" else 8

    def unrolled(self, source: Value) -> list[Value]:
        """Sum over the non-zero taps, each written out."""
        what, f = self.what, self.f
        assert what.pattern is not None
        slot = {tap: place for place, tap in enumerate(what.pattern)}
        size = what.rows * what.columns
        sums: list[Value | None] = [None] * (self.rows * self.vectors)
        for panel in range(what.panels):
            if not any(tap // size == panel for tap in what.pattern):
                continue
            start = f.at(source, f.entry("%panels", str(panel)))
            for source_row in range(self.rows + what.rows - 1):
                line = f.at(start, f.multiply("%source_stride", source_row)) if source_row else start
                for column in range(what.columns):
                    users = []
                    for row in range(self.rows):
                        tap = panel * size + (source_row - row) * what.columns + column
                        if 0 <= source_row - row < what.rows and tap in slot:
                            users.append((row, slot[tap]))
                    if users:
                        self._feed(sums, users, self._samples(line, column), "%taps")
        return [value for value in sums if value is not None]  # a pattern has a tap, so every sum has begun

    def looped(self, source: Value) -> list[Value]:
        """Sum over all taps of all panels in loops: panels, then source rows, then columns."""
        what, f, rows = self.what, self.f, self.rows
        types = [self.type] * (rows * self.vectors)
        panel_bytes = what.rows * what.columns * self.bytes
        zero = "0.0" if self.lanes == 1 else "zeroinitializer"

        def one_panel(panel: Value, sums: list[Value]) -> list[Value]:
            start = f.at(source, f.entry("%panels", panel))
            taps = f.at("%taps", f.multiply(panel, panel_bytes))
            # Source rows at the top and the bottom of the block meet only some of its outputs; all between meet all.
            for source_row in range(min(rows, what.rows) - 1):
                sums = self._row(sums, start, taps, source_row)
            if what.rows >= rows:

                def full(source_row: Value, sums: list[Value]) -> list[Value]:
                    return self._row(sums, start, taps, source_row)

                sums = f.loop(rows - 1, what.rows, 1, full, list(zip(types, sums, strict=True)))
            else:
                for source_row in range(what.rows - 1, rows):
                    sums = self._row(sums, start, taps, source_row)
            for source_row in range(max(rows, what.rows), rows + what.rows - 1):
                sums = self._row(sums, start, taps, source_row)
            return sums

        carried = [(type_, zero) for type_ in types]
        if what.panels == 1:
            return one_panel("0", [value for _, value in carried])
        return f.loop(0, what.panels, 1, one_panel, carried)

    def _row(self, sums: list[Value], start: Value, taps: Value, source_row: Value | int) -> list[Value]:
        """Sum over the columns of one source row, for the output rows that it meets."""
        what, f = self.what, self.f
        row_bytes = what.columns * self.bytes
        if isinstance(source_row, int):
            users = [row for row in range(self.rows) if 0 <= source_row - row < what.rows]
            source_row = str(source_row)
        else:
            users = list(range(self.rows))
        line = f.at(start, f.multiply("%source_stride", source_row))
        # The tap that output row 0 would use; row r uses the one r tap rows before it.
        row_taps = f.at(taps, f.multiply(source_row, row_bytes))
        chosen = [row * self.vectors + v for row in users for v in range(self.vectors)]

        def one_column(column: Value, part: list[Value]) -> list[Value]:
            here = f.at(line, f.multiply(column, what.step * what.source.bytes))
            tap = f.at(row_taps, f.multiply(column, self.bytes))
            local: list[Value | None] = list(part)
            feeds = [(k, -row * what.columns) for k, row in enumerate(users)]
            self._feed(local, feeds, self._samples(here, 0), tap)
            return [value for value in local if value is not None]

        carried = [(self.type, sums[k]) for k in chosen]
        results = f.loop(0, what.columns, 1, one_column, carried)
        sums = list(sums)
        for k, value in zip(chosen, results, strict=True):
            sums[k] = value
        return sums

    def _samples(self, line: Value, column: int) -> list[Value]:
        f, what = self.f, self.what
        first = column * what.step * what.source.bytes
        width = self.lanes * what.source.bytes
        return [
            load(f, f.at(line, first + v * width), what.source, what.number, self.lanes) for v in range(self.vectors)
        ]

    def _feed(
        self, sums: list[Value | None], users: list[tuple[int, int]], samples: list[Value], taps: Value
    ) -> None:
        """Add ``tap * sample`` to the accumulators of each user, a pair of output row and tap index."""
        f = self.f
        for row, index in users:
            place = f.at(taps, index * self.bytes)
            scalar = f.value(f"load {self.what.number}, ptr {place}, align {self.bytes}, !invariant.load !0")
            tap = splat(f, scalar, self.what.number, self.lanes)
            for v, x in enumerate(samples):
                k = row * self.vectors + v
                before = sums[k]
                if before is None:
                    sums[k] = f.value(f"fmul {self.type} {x}, {tap}")
                else:
                    suffix = self.type if self.lanes == 1 else f"v{self.lanes}{self.what.number}"
                    suffix = suffix.replace("float", "f32").replace("double", "f64")
                    arguments = [(self.type, x), (self.type, tap), (self.type, before)]
                    sums[k] = f.call(f"llvm.fmuladd.{suffix}", self.type, *arguments)
