"""Machine code for outer products: two passes over one tile, each along a column of lanes, stored transposed.

A pass filters down the rows of its source, as many output rows as a vector has lanes, and stores each square block of
outputs transposed. So the second pass goes across the columns with the same code, and its transposition puts
everything back in order. With 4 lanes, for one strip (a row of numbers is a vector)::

      source                between the passes              target
      x00 x01 x02 x03       y00 y10 y20 y30   column 0      z00 z01 z02 z03   row 0
      x10 x11 x12 x13       y01 y11 y21 y31   column 1      z10 z11 z12 z13   row 1
      x20 ...               y02 ...                         z20 ...
      down the rows:        across the columns:
      y0* = sum t[i] x[i]*  z*0 = sum u[j] y*[j]

Every load is a whole vector, and for kernels of any size each one is used for many sums.

Between the passes, samples are stored by strips of as many rows as a vector has lanes: for each position of a row one
vector with the strip's samples at that position. A sum of outer products has such a set for each of its terms, and
the second pass adds them up in registers.
"""

from __future__ import annotations

from collections.abc import Callable

from faltung.engines.guard import Guard
from faltung.engines.passes.paired import TOGETHER, Paired, emit_large
from faltung.engines.passes.pass_description import PARAMETERS, Passes
from faltung.engines.passes.windows import fill_sums, register_sums
from faltung.engines.registers import Footprint, Registers
from faltung.engines.spread import Apart, emit_spread
from faltung.jit.ir import CACHE_LINE, Function, Value, vector
from faltung.jit.samples import Sample, aligned_column, load, splat, store, store_rows
from faltung.jit.transpose import transpose

__all__ = ["emit"]


def emit(passes: Passes) -> Function:
    """Write the function for one description, with the parameters `PARAMETERS`."""
    f = Function("passes", PARAMETERS)
    f.do("%status = alloca i32")
    f.do("store i32 0, ptr %status")
    guard = Guard(f, passes.number, passes.lanes) if passes.guarded or passes.doubted else None
    writer = _PassWriter(f, passes, guard)

    def one_slice(index: Value, _: list[Value]) -> list[Value]:
        source = f.at("%source", f.entry("%source_slices", index))
        target = f.at("%target", f.entry("%target_slices", index))
        writer.slice(source, target)
        return []

    f.loop(0, "%slices", 1, one_slice)
    if passes.streamed:
        f.fence()
    status = f.value("load i32, ptr %status")
    if guard:
        status = guard.give_back(status)
    if passes.doubted:
        status = _confirmed(f, passes, status)
    f.do(f"ret i32 {status}")
    return f


def _confirmed(f: Function, passes: Passes, status: Value) -> Value:
    """Emit the status, if it is not 0, once more: it is 0 if no sample is so large that a sum overflowed."""

    def look() -> list[Value]:
        def one_slice(index: Value, found: list[Value]) -> list[Value]:
            start = f.at("%source", f.entry("%source_slices", index))
            sizes = "%extended_height", "%extended_width", "%source_stride"
            large = emit_large(f, start, *sizes, passes.source, passes.number, passes.lanes)
            return [f.value(f"or i32 {found[0]}, {f.value(f'zext i1 {large} to i32')}")]

        return f.loop(0, "%slices", 1, one_slice, [("i32", "0")])

    return f.either(f.value(f"icmp ne i32 {status}, 0"), look, lambda: ["0"], ["i32"])[0]


class _PassWriter:
    """Writes both passes over one slice."""

    def __init__(self, f: Function, passes: Passes, guard: Guard | None) -> None:
        self.f = f
        self.passes = passes
        self.guard = guard
        self.lanes = passes.lanes
        self.sample = Sample("f", 4 if passes.number == "float" else 8)  # between the passes
        self.position = passes.lanes * self.sample.bytes  # bytes of one vector between the passes
        self.total = Sample("f", 4 if passes.sums == "float" else 8)  # of a running sum
        self.strip = f.multiply("%extended_width", self.position)
        #: Memory for as many vectors as a vector has lanes, on the stack.
        self.room = self.vectors(passes.lanes)
        longest = 0 if isinstance(passes.down, int) else max(taps.rows * abs(taps.mirrored) for taps in passes.down)
        #: Memory for the rows that are summed in pairs.
        self.copies = self.vectors(passes.lanes + longest - 1) if longest > TOGETHER else ""

    def vectors(self, count: int) -> Value:
        """Emit memory for some vectors, on the stack; the function must be at its beginning."""
        return self.f.value(f"alloca [{count} x {vector(self.passes.number, self.lanes)}], align 64")

    def slice(self, source: Value, target: Value) -> None:
        """Emit the passes strip by strip; a running sum goes down all strips before the second pass begins.

        The last strip moves up to end with the array.
        """
        f, lanes = self.f, self.lanes
        last = f.subtract("%height", lanes)
        if self.passes.apart is not None:
            self.look_at(source, self.passes.apart)
        if self.passes.down == 0:
            self.sum_down(source)

        def one_strip(row: Value, _: list[Value]) -> list[Value]:
            place = "%between"
            if self.passes.down == 0:
                place = f.at(place, f.multiply(f.value(f"udiv i64 {row}, {lanes}"), self.strip))
            row = f.smaller(row, last)
            if self.passes.down != 0:
                self.filter_down(f.at(source, f.multiply(row, "%source_stride")))
            self.go_across(place, f.at(target, f.multiply(row, "%target_stride")))
            return []

        f.loop(0, "%height", lanes, one_strip)

    def look_at(self, source: Value, apart: Apart) -> None:
        """Set the status if the samples of a slice are too far apart."""
        f, passes = self.f, self.passes
        sizes = (1, "%extended_height", "%extended_width")
        numbers = (passes.source, passes.number, self.lanes, apart)
        with f.when(emit_spread(f, lambda _: source, sizes, "%source_stride", *numbers)):
            f.do("store i32 1, ptr %status")

    def filter_down(self, source: Value) -> None:
        """Emit the first pass of every term over one strip."""
        f, passes = self.f, self.passes
        if isinstance(passes.down, int):
            self.columns(source, "%between", self.window_down)
            return
        first_tap = 0
        for term, footprint in enumerate(passes.down):
            place = f.at("%between", f.multiply("%term_bytes", term)) if term else "%between"
            taps = f.at("%taps", first_tap * self.sample.bytes)
            offsets = f.at("%starts", 8 * term)
            self.columns(
                source, place, self.summing(footprint, self.lanes, taps, offsets, "%source_stride", self.copies)
            )
            first_tap += footprint.coefficients

    def summing(
        self, footprint: Footprint, rows: int, taps: Value, offsets: Value, stride: Value | int, copies: Value = ""
    ) -> Callable[[Value], list[Value]]:
        """Return what emits the sums over all taps for some rows of outputs, given where the first tap is."""
        if footprint.mirrored:
            return Paired(self.f, footprint, rows, self.lanes, taps, offsets, stride, self.room, copies).sums
        return Registers(self.f, footprint, rows, 1, self.lanes, taps, offsets, stride).sums

    def columns(self, source: Value, place: Value, sums: Callable[[Value], list[Value]]) -> None:
        """Emit one pass over a strip, one column of lanes after the other."""
        f, passes = self.f, self.passes
        last = f.subtract("%extended_width", self.lanes)

        def one_column(column: Value, _: list[Value]) -> list[Value]:
            column = self.between_ends(column, last)
            totals = sums(f.at(source, f.multiply(column, passes.source.bytes)))
            self.put(totals, f.at(place, f.multiply(column, self.position)), self.position)
            return []

        f.loop(aligned_column(f, source, passes.source, self.lanes), "%extended_width", self.lanes, one_column)

    def window_down(self, source: Value) -> list[Value]:
        """Emit sums over a narrow window, of samples scaled so that no sum overflows."""
        f, passes = self.f, self.passes
        scale = self.factor(0, passes.number)
        assert isinstance(passes.down, int)

        def sample(row: int) -> Value:
            place = f.at(source, f.multiply("%source_stride", row)) if row else source
            value = load(f, place, passes.source, passes.number, self.lanes)
            return f.value(f"fmul {vector(passes.number, self.lanes)} {value}, {scale}")

        return register_sums(f, sample, self.lanes, passes.down, 1, passes.number, self.lanes)

    def sum_down(self, source: Value) -> None:
        """Emit the first pass as a running sum, one column of lanes after the other."""
        f, passes = self.f, self.passes
        last = f.subtract("%extended_width", self.lanes)
        width = f.entry("%windows", "0")
        scale = self.factor(0, passes.sums)

        def one_column(column: Value, _: list[Value]) -> list[Value]:
            column = self.between_ends(column, last)
            start = f.at(source, f.multiply(column, passes.source.bytes))

            def sample(row: Value) -> Value:
                # Scaled by a power of two before they are added, so that no sum overflows.
                place = f.at(start, f.multiply(row, "%source_stride"))
                # The processor does not foresee the next columns, of which every sample is in a row of its own.
                f.prefetch(f.at(place, 2 * CACHE_LINE))
                value = load(f, place, passes.source, passes.sums, self.lanes)
                return f.value(f"fmul {vector(passes.sums, self.lanes)} {value}, {scale}")

            fill_sums(f, sample, "%sums", "%height", width, passes.sums, self.lanes)
            below = f.subtract("%height", self.lanes)

            def one_group(row: Value, _: list[Value]) -> list[Value]:
                strip = f.multiply(f.value(f"udiv i64 {row}, {self.lanes}"), self.strip)
                place = f.at(f.at("%between", strip), f.multiply(column, self.position))
                self.put(self.collected(f.smaller(row, below), passes.number), place, self.position)
                return []

            f.loop(0, "%height", self.lanes, one_group)
            return []

        f.loop(aligned_column(f, source, passes.source, self.lanes), "%extended_width", self.lanes, one_column)

    def between_ends(self, column: Value, last: Value) -> Value:
        """Move a column of lanes into the row: the first one right, and the last one left.

        columns of lanes, aligned    |0000|1111|2222|3333|
        row                             xxxxxxxxxxxxxxx
        """
        f = self.f
        return f.smaller(f.larger(column, "0"), last)

    def go_across(self, between: Value, target: Value) -> None:
        """Emit the second pass over one strip, in groups of as many outputs as a vector has lanes."""
        f, passes, lanes = self.f, self.passes, self.lanes
        if passes.across == 0:
            width = f.entry("%windows", "1")
            for channel in range(passes.step):
                self.sum_channel(between, width, channel)
        last = f.subtract("%width", lanes)
        # If streamed, all groups but the first and the last begin with an aligned vector of the target.
        first = aligned_column(f, target, passes.target, self.lanes) if passes.streamed else "0"

        def one_group(start: Value, _: list[Value]) -> list[Value]:
            start = self.between_ends(start, last)
            source = f.at(between, f.multiply(start, self.position))
            if passes.across == 0:
                sums = self.rounded(self.times_factor(self.collected(start, passes.sums), passes.sums))
            elif isinstance(passes.across, int):
                sums = self.times_factor(self.window_across(source), passes.number)
            else:
                sums = self.filtered(source)
            if self.guard:
                self.guard.note(sums, lanes)
            self.write(sums, f.at(target, f.multiply(start, passes.target.bytes)))
            return []

        f.loop(first, "%width", lanes, one_group)

    def filtered(self, source: Value) -> list[Value]:
        """Emit the sums over all terms for one group of outputs.

        Channels are interleaved, and each has a register block of its own. With 2 channels and 4 lanes::

            outputs of the group     a0 b0 a1 b1
            register blocks          [a0 a1] and [b0 b1]
        """
        f, passes, lanes = self.f, self.passes, self.lanes
        assert not isinstance(passes.across, int)
        first_tap = 0 if isinstance(passes.down, int) else sum(footprint.coefficients for footprint in passes.down)
        first_panel = 0
        totals: list[Value] = []
        for footprint in passes.across:
            taps = f.at("%taps", first_tap * self.sample.bytes)
            panels = f.at("%panels", first_panel * 8)
            sums = [""] * lanes
            for channel in range(min(passes.step, lanes)):
                rows = range(channel, lanes, passes.step)
                stride = passes.step * self.position
                summed = self.summing(footprint, len(rows), taps, panels, stride)
                channel_sums = summed(f.at(source, channel * self.position))
                for row, value in zip(rows, channel_sums, strict=True):
                    sums[row] = value
            kind = vector(passes.number, lanes)
            totals = [f.value(f"fadd {kind} {a}, {b}") for a, b in zip(totals, sums, strict=True)] if totals else sums
            first_tap += footprint.coefficients
            first_panel += footprint.panels
        return totals

    def window_across(self, source: Value) -> list[Value]:
        """Emit sums over a narrow window."""
        f, passes = self.f, self.passes
        assert isinstance(passes.across, int)

        def sample(position: int) -> Value:
            return load(f, f.at(source, position * self.position), self.sample, passes.number, self.lanes)

        return register_sums(f, sample, self.lanes, passes.across, passes.step, passes.number, self.lanes)

    def sum_channel(self, between: Value, width: Value, channel: int) -> None:
        """Emit the running sum over one channel of a strip."""
        f, passes = self.f, self.passes
        start, stride = f.at(between, channel * self.position), passes.step * self.position
        count = f.value(f"udiv i64 {'%width'}, {passes.step}")

        def sample(position: Value) -> Value:
            place = f.at(start, f.multiply(position, stride))
            return load(f, place, self.sample, passes.sums, self.lanes)

        place = f.at("%sums", channel * self.lanes * self.total.bytes)
        fill_sums(f, sample, place, count, width, passes.sums, self.lanes, passes.step)

    def collected(self, start: Value, number: str) -> list[Value]:
        """Emit loads of the running sums of one group of outputs, as ``float`` or ``double``."""
        f, size = self.f, self.lanes * self.total.bytes
        place = f.at("%sums", f.multiply(start, size))
        return [load(f, f.at(place, k * size), self.total, number, self.lanes) for k in range(self.lanes)]

    def times_factor(self, totals: list[Value], number: str) -> list[Value]:
        """Emit products of sums over windows with the factor of the second pass, unless they are divided by it."""
        if self.passes.reduced:
            return totals
        factor, kind = self.factor(1, number), vector(number, self.lanes)
        return [self.f.value(f"fmul {kind} {value}, {factor}") for value in totals]

    def rounded(self, values: list[Value]) -> list[Value]:
        """Emit the rounding of running sums to the number computed with."""
        number, sums = (vector(number, self.lanes) for number in (self.passes.number, self.passes.sums))
        return values if number == sums else [self.f.value(f"fptrunc {sums} {value} to {number}") for value in values]

    def put(self, sums: list[Value], place: Value, stride: int) -> None:
        """Emit the store of a square block, transposed, between the passes."""
        for k, column in enumerate(transpose(self.f, sums, self.passes.number)):
            store(self.f, self.passes.number, column, self.f.at(place, k * stride), self.sample, self.lanes)

    def write(self, sums: list[Value], place: Value) -> None:
        """Emit the store of a square block, transposed, into the target."""
        f, passes = self.f, self.passes
        rows = transpose(f, sums, passes.number)
        divisor = self.factor(2, passes.number) if passes.target.divided else ""
        where = (place, "%target_stride", passes.target, self.lanes)
        store_rows(f, passes.number, rows, *where, passes.streamed, divisor)

    def factor(self, index: int, number: str) -> Value:
        """Emit the factor of a sum over windows in all lanes."""
        scalar = load(self.f, self.f.at("%factors", index * 8), Sample("f", 8), number, 1)
        return splat(self.f, scalar, number, self.lanes)
