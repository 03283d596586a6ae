"""Machine code for outer products: two passes over one tile, each along a column of lanes, stored transposed.

A pass filters down the rows of its source, as many output rows as a vector has lanes, and stores each square block of
outputs transposed. The second pass therefore goes across the columns with the very same code, and its transposition
puts everything back in place. Every load is whole, and for kernels of any size each one feeds many sums.

What lies between the passes is kept by strips of as many rows as a vector has lanes: for each position of a row one
vector with the strip's samples of that position. A sum of outer products has such a set for each of its terms,
and the second pass adds them up in registers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from faltung.engines.direct.correlation import guard
from faltung.engines.passes.windows import fill_sums, register_sums
from faltung.engines.registers import Footprint, Registers
from faltung.jit.ir import Function, Value, vector
from faltung.jit.samples import Sample, load, splat, store
from faltung.jit.transpose import transpose

__all__ = ["PARAMETERS", "Passes", "emit"]

PARAMETERS = {
    "source": "ptr noalias readonly",
    "target": "ptr noalias",
    "taps": "ptr noalias readonly",  # coefficients: of the first pass of each term, then of the second of all
    "factors": "ptr noalias readonly",  # what a running sum is multiplied by: in the first pass, and in the second
    "windows": "ptr noalias readonly",  # width of the running sum of the first pass, and of the second
    "between": "ptr noalias",  # scratch for what lies between the passes
    "sums": "ptr noalias",  # scratch for running sums
    "starts": "ptr noalias readonly",  # byte offset in the source at which each term begins
    "panels": "ptr noalias readonly",  # byte offset between the passes at which each term begins
    "term_bytes": "i64",  # bytes between the passes from term to term
    "source_slices": "ptr noalias readonly",
    "target_slices": "ptr noalias readonly",
    "slices": "i64",
    "height": "i64",
    "width": "i64",  # samples of a row, at least as many as a vector has lanes; as is the height
    "extended_width": "i64",  # samples of a row before the second pass
    "source_stride": "i64",
    "target_stride": "i64",
}


@dataclass(frozen=True)
class Passes:
    """What is fixed when the code is compiled.

    Parameters
    ----------
    down : tuple of Footprint or int
        For each term the taps of the first pass, a column. For a single term that is a window of ones its width,
        if it is narrow, or 0 for a running sum over any width.
    across : tuple of Footprint or int
        The taps of the second pass: of terms in turn that have the same number of them, one panel a term. Or a
        window.
    step : int
        Samples from one position of a row to the next.
    source, target : Sample
        What the blocks hold.
    number : str
        What is computed with, ``float`` or ``double``.
    lanes : int
        Samples in a vector register.
    guarded : bool
        Whether to return 1 where an output is not finite.
    streamed : bool
        Whether to write past the cache, wherever a whole vector can be.
    """

    down: tuple[Footprint, ...] | int
    across: tuple[Footprint, ...] | int
    step: int
    source: Sample
    target: Sample
    number: str
    lanes: int
    guarded: bool
    streamed: bool


def emit(what: Passes) -> Function:
    """Write the function for one description, with the parameters `PARAMETERS`."""
    f = Function("passes", PARAMETERS)
    f.do("%status = alloca i32")
    f.do("store i32 0, ptr %status")
    writer = _Writer(f, what)

    def one_slice(index: Value, _: list[Value]) -> list[Value]:
        source = f.at("%source", f.entry("%source_slices", index))
        target = f.at("%target", f.entry("%target_slices", index))
        writer.slice(source, target)
        return []

    f.loop(0, "%slices", 1, one_slice)
    if what.streamed:
        f.do("fence seq_cst")  # whoever is told that the block is done must also see it
    f.do(f"ret i32 {f.value('load i32, ptr %status')}")
    return f


class _Writer:
    """Writer of both passes over one slice."""

    def __init__(self, f: Function, what: Passes) -> None:
        self.f = f
        self.what = what
        self.lanes = what.lanes
        self.sample = Sample("f", 4 if what.number == "float" else 8)  # between the passes
        self.position = what.lanes * self.sample.bytes  # bytes of one vector there
        self.strip = f.multiply("%extended_width", self.position)

    def slice(self, source: Value, target: Value) -> None:
        """Emit the passes strip by strip; a running sum goes down all strips before the second pass begins."""
        f, lanes = self.f, self.lanes
        last = f.subtract("%height", lanes)
        if self.what.down == 0:
            self.sum_down(source)

        def one_strip(row: Value, _: list[Value]) -> list[Value]:
            place = "%between"
            if self.what.down == 0:
                place = f.at(place, f.multiply(f.value(f"udiv i64 {row}, {lanes}"), self.strip))
            row = f.smaller(row, last)
            if self.what.down != 0:
                self.filter_down(f.at(source, f.multiply(row, "%source_stride")))
            self.go_across(place, f.at(target, f.multiply(row, "%target_stride")))
            return []

        f.loop(0, "%height", lanes, one_strip)

    def filter_down(self, source: Value) -> None:
        """Emit the first pass of every term over one strip."""
        f, what = self.f, self.what
        if isinstance(what.down, int):
            self.columns(source, "%between", self.window_down)
            return
        first_tap = 0
        for term, footprint in enumerate(what.down):
            place = f.at("%between", f.multiply("%term_bytes", term)) if term else "%between"
            taps = f.at("%taps", first_tap * self.sample.bytes)
            offsets = f.at("%starts", 8 * term)
            registers = Registers(f, footprint, self.lanes, 1, self.lanes, taps, offsets, "%source_stride")

            self.columns(source, place, registers.sums)
            first_tap += _coefficients(footprint)

    def columns(self, source: Value, place: Value, sums: Callable[[Value], list[Value]]) -> None:
        """Emit one pass over a strip, a column of lanes after the other."""
        f, what = self.f, self.what
        last = f.subtract("%extended_width", self.lanes)

        def one_column(column: Value, _: list[Value]) -> list[Value]:
            column = self.between_ends(column, last)
            found = sums(f.at(source, f.multiply(column, what.source.bytes)))
            self.put(found, f.at(place, f.multiply(column, self.position)), self.position)
            return []

        f.loop(self.first_column(source, what.source), "%extended_width", self.lanes, one_column)

    def window_down(self, source: Value) -> list[Value]:
        """Emit sums over a narrow window, of samples scaled so that none overflows."""
        f, what, scale = self.f, self.what, self.factor(0)
        assert isinstance(what.down, int)

        def sample(row: int) -> Value:
            place = f.at(source, f.multiply("%source_stride", row)) if row else source
            value = load(f, place, what.source, what.number, self.lanes)
            return f.value(f"fmul {vector(what.number, self.lanes)} {value}, {scale}")

        return register_sums(f, sample, self.lanes, what.down, 1, what.number, self.lanes)

    def sum_down(self, source: Value) -> None:
        """Emit the first pass as a running sum, a column of lanes after the other."""
        f, what = self.f, self.what
        last = f.subtract("%extended_width", self.lanes)
        width = f.entry("%windows", "0")
        scale = self.factor(0)

        def one_column(column: Value, _: list[Value]) -> list[Value]:
            column = self.between_ends(column, last)
            start = f.at(source, f.multiply(column, what.source.bytes))

            def sample(row: Value) -> Value:
                # Scaled by a power of two before they are added, so that no sum overflows.
                value = load(f, f.at(start, f.multiply(row, "%source_stride")), what.source, what.number, self.lanes)
                return f.value(f"fmul {vector(what.number, self.lanes)} {value}, {scale}")

            fill_sums(f, sample, "%sums", "%height", width, what.number, self.lanes)
            below = f.subtract("%height", self.lanes)

            def one_group(row: Value, _: list[Value]) -> list[Value]:
                strip = f.multiply(f.value(f"udiv i64 {row}, {self.lanes}"), self.strip)
                place = f.at(f.at("%between", strip), f.multiply(column, self.position))
                self.put(self.collected(f.smaller(row, below)), place, self.position)
                return []

            f.loop(0, "%height", self.lanes, one_group)
            return []

        f.loop(self.first_column(source, what.source), "%extended_width", self.lanes, one_column)

    def first_column(self, row: Value, what: Sample) -> Value:
        """Emit where columns of lanes begin so that the second starts on a whole vector: a little before the row.

        Each cache line is then loaded once. Rows that are a power of two long share so few places of the
        first-level cache that no line would stay there to be loaded from again.
        """
        f = self.f
        address = f.value(f"ptrtoint ptr {row} to i64")
        places = f.value(f"udiv i64 {f.subtract('-1', address)}, {what.bytes}")
        return f.subtract(f.value(f"and i64 {places}, {self.lanes - 1}"), self.lanes - 1)

    def between_ends(self, column: Value, last: Value) -> Value:
        """Keep a column of lanes inside the row."""
        f = self.f
        return f.smaller(f.call("llvm.smax.i64", "i64", ("i64", column), ("i64", "0")), last)

    def go_across(self, between: Value, target: Value) -> None:
        """Emit the second pass over one strip, with groups of outputs placed so that whole vectors are written."""
        f, what, lanes = self.f, self.what, self.lanes
        if what.across == 0:
            width = f.entry("%windows", "1")
            for channel in range(what.step):
                self.sum_channel(between, width, channel)
        last = f.subtract("%width", lanes)
        # The first group begins with the row; the others where a vector of the target does, up to the row's end.
        first = self.first_column(target, what.target) if what.streamed else "0"

        def one_group(start: Value, _: list[Value]) -> list[Value]:
            start = self.between_ends(start, last)
            here = f.at(between, f.multiply(start, self.position))
            if isinstance(what.across, int):
                factor, kind = self.factor(1), vector(what.number, lanes)
                found = self.window_across(here) if what.across else self.collected(start)
                sums = [f.value(f"fmul {kind} {value}, {factor}") for value in found]
            else:
                sums = self.filtered(here)
            if what.guarded:
                guard(f, sums, what.number, lanes)
            self.write(sums, f.at(target, f.multiply(start, what.target.bytes)))
            return []

        f.loop(first, "%width", lanes, one_group)

    def filtered(self, source: Value) -> list[Value]:
        """Emit the sums over the terms for one group of outputs; channels interleave: each is a block of its own."""
        f, what, lanes = self.f, self.what, self.lanes
        assert not isinstance(what.across, int)
        first_tap = 0 if isinstance(what.down, int) else sum(map(_coefficients, what.down))
        first_panel = 0
        totals: list[Value] = []
        for footprint in what.across:
            taps = f.at("%taps", first_tap * self.sample.bytes)
            panels = f.at("%panels", first_panel * 8)
            sums = [""] * lanes
            for channel in range(min(what.step, lanes)):
                rows = range(channel, lanes, what.step)
                stride = what.step * self.position
                registers = Registers(f, footprint, len(rows), 1, lanes, taps, panels, stride)
                found = registers.sums(f.at(source, channel * self.position))
                for row, value in zip(rows, found, strict=True):
                    sums[row] = value
            kind = vector(what.number, lanes)
            totals = [f.value(f"fadd {kind} {a}, {b}") for a, b in zip(totals, sums, strict=True)] if totals else sums
            first_tap += _coefficients(footprint)
            first_panel += footprint.panels
        return totals

    def window_across(self, source: Value) -> list[Value]:
        """Emit sums over a narrow window."""
        f, what = self.f, self.what
        assert isinstance(what.across, int)

        def sample(position: int) -> Value:
            return load(f, f.at(source, position * self.position), self.sample, what.number, self.lanes)

        return register_sums(f, sample, self.lanes, what.across, what.step, what.number, self.lanes)

    def sum_channel(self, between: Value, width: Value, channel: int) -> None:
        """Emit the running sum over one channel of a strip."""
        f, what = self.f, self.what
        start, stride = f.at(between, channel * self.position), what.step * self.position
        count = f.value(f"udiv i64 {'%width'}, {what.step}")

        def sample(position: Value) -> Value:
            place = f.at(start, f.multiply(position, stride))
            return load(f, place, self.sample, what.number, self.lanes)

        place = f.at("%sums", channel * self.position)
        fill_sums(f, sample, place, count, width, what.number, self.lanes, stride)

    def collected(self, start: Value) -> list[Value]:
        """Load the running sums of one group of outputs."""
        f = self.f
        place = f.at("%sums", f.multiply(start, self.position))
        return [
            load(f, f.at(place, k * self.position), self.sample, self.what.number, self.lanes)
            for k in range(self.lanes)
        ]

    def put(self, sums: list[Value], place: Value, stride: int) -> None:
        """Store a square block transposed between the passes."""
        for k, column in enumerate(transpose(self.f, sums, self.what.number)):
            store(self.f, self.what.number, column, self.f.at(place, k * stride), self.sample, self.lanes)

    def write(self, sums: list[Value], place: Value) -> None:
        """Store a square block transposed into the target."""
        f, what = self.f, self.what
        rows = transpose(f, sums, what.number)

        def put(streamed: bool) -> Callable[[], None]:
            def rows_of_block() -> None:
                for k, row in enumerate(rows):
                    there = f.at(place, f.multiply("%target_stride", k)) if k else place
                    store(f, what.number, row, there, what.target, self.lanes, streamed)

            return rows_of_block

        if not what.streamed:
            put(False)()
            return
        address = f.value(f"ptrtoint ptr {place} to i64")
        odd = f.value(f"and i64 {f.value(f'or i64 {address}, %target_stride')}, {self.lanes * what.target.bytes - 1}")
        f.either(f.value(f"icmp eq i64 {odd}, 0"), put(True), put(False))

    def factor(self, index: int) -> Value:
        """Broadcast factor of a running sum."""
        f, number = self.f, self.what.number
        place = f.at("%factors", index * self.sample.bytes)
        scalar = f.value(f"load {number}, ptr {place}, align {self.sample.bytes}, !invariant.load !0")
        return splat(f, scalar, number, self.lanes)


def _coefficients(footprint: Footprint) -> int:
    if footprint.pattern is not None:
        return len(footprint.pattern)
    return footprint.panels * footprint.rows * footprint.columns
