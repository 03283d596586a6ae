"""How far apart are the samples of a layer? Machine code finds it on the way, before tiles are computed.

At each position, the largest magnitude of all channels of a group is taken. An item is some rows of an image; it
joins into the board the largest and the smallest of these magnitudes, and whether a sample is negative. NaN is left
out.
"""

from __future__ import annotations

from faltung.engines.channels.gathered_planes import first_lanes, load_some
from faltung.engines.winograd.tile_writer import TileWriter
from faltung.jit.ir import Value, vector
from faltung.jit.samples import splat

__all__ = ["emit_sizes"]

#: Infinity, and zero, as LLVM writes them.
_INFINITY, _ZERO = "0x7FF0000000000000", "0.0"


def emit_sizes(writer: TileWriter, number: Value) -> None:
    """Emit one item: its number counts the stretches of rows of all images."""
    _SampleSizes(writer).item(number)


class _SampleSizes:
    def __init__(self, writer: TileWriter) -> None:
        self.writer, self.f, self.board = writer, writer.f, writer.board
        self.number, self.lanes, self.size = writer.code.number, writer.code.lanes, writer.size
        self.type_ = vector(self.number, self.lanes)
        self.zero, self.infinity = (splat(self.f, x, self.number, self.lanes) for x in (_ZERO, _INFINITY))

    def item(self, number: Value) -> None:
        f, board = self.f, self.board
        image, stretch = f.divide(number, board["stretches"])
        first = f.multiply(stretch, board["stretch"])
        after = f.smaller(f.add(first, board["stretch"]), board["source_rows"])
        start = f.at(board["source"], f.multiply(image, board["source_image"]))
        across = self._planes if self.writer.code.planes[0] else self._pixels

        def one_row(row: Value, found: list[Value]) -> list[Value]:
            line = f.at(start, f.multiply(row, board["source_row"]))

            def one_group(group: Value, found: list[Value]) -> list[Value]:
                channel = f.multiply(f.multiply(group, board["ins"]), board["source_channel"])
                return across(f.at(line, channel), found)

            return f.loop(0, board["groups"], 1, one_group, self._carried(*found))

        found = f.loop(first, after, 1, one_row, self._carried(self.zero, self.infinity, self.zero))
        self._join(*found)

    def _carried(self, high: Value, low: Value, least: Value) -> list[tuple[str, Value]]:
        """Name what loops carry: the largest and smallest magnitude in each lane, and the least sample."""
        return [(self.type_, high), (self.type_, low), (self.type_, least)]

    def _pixels(self, line: Value, found: list[Value]) -> list[Value]:
        """Emit a row whose channels are contiguous: vectors of channels, one pixel after the other."""
        f, board = self.f, self.board

        def one(column: Value, found: list[Value]) -> list[Value]:
            pixel = f.at(line, f.multiply(column, board["source_column"]))

            def some(channel: Value, carried: list[Value]) -> list[Value]:
                samples = self._load(f.at(pixel, f.multiply(channel, self.size)), f.subtract(board["ins"], channel))
                return self._larger(carried, samples)

            largest, least = f.loop(0, board["ins"], self.lanes, some, self._largest(found[2]))
            everywhere = splat(f, self._reduced("fmax", largest), self.number, self.lanes)
            return [self._most(found[0], everywhere), self._most(found[1], everywhere, "olt"), least]

        return f.loop(0, board["source_columns"], 1, one, self._carried(*found))

    def _planes(self, line: Value, found: list[Value]) -> list[Value]:
        """Emit a row of every channel: vectors of columns, one channel after the other."""
        f, board = self.f, self.board

        def some(column: Value, found: list[Value]) -> list[Value]:
            left = f.subtract(board["source_columns"], column)
            start = f.at(line, f.multiply(column, self.size))

            def one(channel: Value, carried: list[Value]) -> list[Value]:
                plane = f.at(start, f.multiply(channel, board["source_channel"]))
                return self._larger(carried, self._load(plane, left))

            largest, least = f.loop(0, board["ins"], 1, one, self._largest(found[2]))
            there = first_lanes(f, left, self.lanes)
            lowest = f.value(
                f"select {vector('i1', self.lanes)} {there}, {self.type_} {largest}, {self.type_} {self.infinity}"
            )
            return [self._most(found[0], largest), self._most(found[1], lowest, "olt"), least]

        return f.loop(0, board["source_columns"], self.lanes, some, self._carried(*found))

    def _largest(self, least: Value) -> list[tuple[str, Value]]:
        return [(self.type_, self.zero), (self.type_, least)]

    def _larger(self, carried: list[Value], samples: Value) -> list[Value]:
        kind = f"llvm.fabs.v{self.lanes}f{8 * self.size}"
        magnitudes = self.f.call(kind, self.type_, (self.type_, samples))
        return [self._most(carried[0], magnitudes), self._most(carried[1], samples, "olt")]

    def _load(self, place: Value, count: Value) -> Value:
        """Emit the load of as many samples as there are, and of zeros behind them."""
        mask = first_lanes(self.f, count, self.lanes)
        return load_some(self.f, self.number, place, mask, self.zero, self.lanes)

    def _most(self, most: Value, values: Value, order: str = "ogt") -> Value:
        """Emit the larger numbers of two vectors; those of the first one where the other has NaN."""
        f = self.f
        beyond = f.value(f"fcmp {order} {self.type_} {values}, {most}")
        return f.value(f"select {vector('i1', self.lanes)} {beyond}, {self.type_} {values}, {self.type_} {most}")

    def _reduced(self, how: str, values: Value) -> Value:
        name = f"llvm.vector.reduce.{how}.v{self.lanes}f{8 * self.size}"
        return self.f.call(name, self.number, (self.type_, values))

    def _join(self, high: Value, low: Value, least: Value) -> None:
        """Emit the joining of what was found into the board; magnitudes are in the order of their bits."""
        f = self.f
        place = f.value(f"inttoptr i64 {self.board['sizes']} to ptr")
        below = f.value(f"fcmp olt {self.number} {self._reduced('fmin', least)}, {_ZERO}")
        found = {
            "umax": self._bits(self._reduced("fmax", high)),
            "umin": self._bits(self._reduced("fmin", low)),
            "or": f.value(f"zext i1 {below} to i64"),
        }
        for number, (how, value) in enumerate(found.items()):
            f.value(f"atomicrmw {how} ptr {f.at(place, 8 * number)}, i64 {value} monotonic")

    def _bits(self, value: Value) -> Value:
        if self.size == 8:
            return self.f.value(f"bitcast double {value} to i64")
        return self.f.value(f"zext i32 {self.f.value(f'bitcast float {value} to i32')} to i64")
