"""Machine code that changes the rate of planes: a pass down the rows, a pass across the columns, or both.

Output n of a pass reads samples from ``first[n]`` on, with the taps of its phase. Any rate is that: for outputs two
samples apart, ``first`` goes in steps of two; for three outputs a sample, it stays where it is for some of them. One
function serves all threads; each takes tiles from a shared counter::

    read the tile in place; if it reaches beyond the border, gather it into scratch first
    for each strip of as many rows of outputs as a vector has lanes:
        pass down the rows, one vector of columns after the other; each square block is stored transposed
        pass across the columns, as many outputs at a time as a vector has lanes; each block is transposed, and stored

So lanes are columns in the first pass, and rows in the second, and every load is a whole vector, whatever the rate.
With a pass down the rows alone, blocks are stored as they are. With one across the columns alone, the first pass does
no more than transpose. A plane of few rows is *folded*: the lanes are stretches of one row, one behind the other,
that begin at the same phase.

The results may be added to those of another array, or subtracted from them, as they are stored: such an array is read
once, and its sum with the filtered one never is in memory by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from faltung.engines.calls.gather_code import emit as emit_gather
from faltung.engines.channels.channel_code import take_items
from faltung.engines.channels.gathered_planes import gather_planes
from faltung.engines.guard import Guard
from faltung.engines.polyphase.rate_stores import RateDescription, RateStores
from faltung.engines.polyphase.rate_sums import RateSums
from faltung.ground.extended import FILL
from faltung.jit.compile import compile_function, compiled_once, ctypes_of
from faltung.jit.ir import Function, Value, module, vector
from faltung.jit.samples import Sample, aligned_column, load
from faltung.jit.target import Target
from faltung.jit.transpose import transpose

__all__ = ["COLUMN_FIELDS", "RATE_FIELDS", "rates_function"]

#: Entries of the board that the function is called with: each a 64-bit integer.
RATE_FIELDS = (
    *("claims", "items", "scratch", "room"),
    *("source", "source_image", "target", "target_image", "target_row"),
    *("height", "width", "row_tiles", "column_tiles", "tile_height", "tile_width"),  # outputs
    *("down_first", "down_taps", "across_first", "across_taps"),
    *("lane_source", "lane_target", "lane_width"),  # folded: bytes from lane to lane, and outputs of each
    *("between", "stage", "fill"),  # where samples between the passes, and outputs of a strip, are in scratch
    *("beside", "factor"),  # bytes from an output to the number that it is added to, and 1 or -1 that it is times
    # A tile is `samples` wide. Where it is read in place: bytes of its first row; for its columns, bytes of the first
    # one that is in the array, its place in the tile and how many there are, and the range of its copies.
    *("samples", "row_starts", "column_starts", "copies", "source_row"),
    *("depth", "slice_offsets", "row_offsets", "row_tables", "no_rows", "rows"),
    *("column_offsets", "columns", "inner", "looked_up"),
)
_POINTERS = frozenset(
    (
        *("claims", "scratch", "source", "target", "down_first", "down_taps", "across_first", "across_taps", "fill"),
        *("factor", "slice_offsets", "row_offsets", "row_tables", "no_rows", "column_offsets", "inner"),
        *("row_starts", "column_starts", "copies"),
    )
)
#: Entries of a column of tiles in the table of those that are read in place.
COLUMN_FIELDS = 5


@compiled_once
def rates_function(rates: RateDescription, target: Target) -> Callable[[int], int]:
    """Compile (or look up) the function for one description; it is called with the address of a board."""
    number = Sample("f", 4 if rates.number == "float" else 8)
    gather = [] if rates.gathered else [emit_gather(rates.source, number, 1, internal=True)]
    text = module(*gather, _RateWriter(rates).function())
    return compile_function(text, "rates", ctypes_of({"board": "ptr"}), target)


class _TileSamples(NamedTuple):
    """Where the samples of a tile are.

    Parameters
    ----------
    base, pitch : Value
        Their address, and bytes from row to row.
    first, number : Value
        Which columns are there.
    begin, end : Value
        The range of entries that say which others are copies of these.
    """

    base: Value
    pitch: Value
    first: Value
    number: Value
    begin: Value
    end: Value


class _RateWriter:
    """Writes the function for one description."""

    def __init__(self, rates: RateDescription) -> None:
        self.rates, self.lanes = rates, rates.lanes
        self.f = f = Function("rates", {"board": "ptr noalias readonly"})
        self.board: dict[str, Value] = {}
        for place, name in enumerate(RATE_FIELDS):
            value = f.entry("%board", str(place))
            self.board[name] = f.value(f"inttoptr i64 {value} to ptr") if name in _POINTERS else value
        self.sample = Sample("f", 4 if rates.number == "float" else 8)
        self.size, self.type = self.sample.bytes, vector(rates.number, rates.lanes)
        self.position = self.lanes * self.size  # bytes of one vector between the passes
        self.guard = Guard(f, rates.number, rates.lanes)
        self.adder = RateSums(f, self.board, rates.number, rates.lanes)
        self.stores = RateStores(f, self.board, rates)

    def function(self) -> Function:
        """Return the function."""
        take_items(self.f, self.board, self.item, self.guard)
        return self.f

    def item(self, number: Value) -> None:
        """Emit one tile."""
        f, board = self.f, self.board
        rest, column = f.divide(number, board["column_tiles"])
        image, row = f.divide(rest, board["row_tiles"])
        start = f.at(board["source"], f.multiply(image, board["source_image"]))
        tile = self.samples(start, row, column)
        top, left = f.multiply(row, board["tile_height"]), f.multiply(column, board["tile_width"])
        height = f.smaller(board["tile_height"], f.subtract(board["height"], top))
        width = f.smaller(board["tile_width"], f.subtract(board["width"], left))
        corner = f.at(board["target"], f.multiply(image, board["target_image"]))
        corner = f.at(corner, f.multiply(top, board["target_row"]))
        corner = f.at(corner, f.multiply(left, self.size))
        self.strips(tile, corner, height, width)

    def samples(self, start: Value, row: Value, column: Value) -> _TileSamples:
        """Emit the gathering of a tile whose rows reach beyond the border; others are read in place.

        Columns beyond the border are copies of others, which are made between the passes.
        """
        f, board, rates = self.f, self.board, self.rates
        down = f.entry(board["row_starts"], row)
        along, first, count, begin, end = (
            f.entry(board["column_starts"], f.add(f.multiply(column, COLUMN_FIELDS), k)) for k in range(COLUMN_FIELDS)
        )
        pitch = f.add(board["lane_source"], "0") if rates.folded else f.multiply(board["columns"], self.size)

        def in_place() -> list[Value]:
            own = board["lane_source" if rates.folded else "source_row"]
            place = f.at(f.at(start, down), along)
            columns = ["0", board["samples"]] if rates.folded else [first, count]  # of each lane
            return [place, own, *columns, begin, end]

        def gathered() -> list[Value]:
            gather_planes(f, board, rates.number, rates.gathered, start, board["scratch"], "0", row, column)
            return [board["scratch"], pitch, "0", board["samples"], "0", "0"]

        if not rates.gathered:
            return _TileSamples(*gathered())
        inside = f.value(f"icmp ne i64 {down}, {FILL}"), f.value(f"icmp ne i64 {along}, {FILL}")
        types = ("ptr", *["i64"] * 5)
        return _TileSamples(*f.either(f.value(f"and i1 {inside[0]}, {inside[1]}"), in_place, gathered, types))

    def strips(self, tile: _TileSamples, corner: Value, height: Value, width: Value) -> None:
        """Emit both passes, strip by strip."""
        f, board, lanes = self.f, self.board, self.lanes
        between = f.at(board["scratch"], board["between"])
        step = board["lane_target"] if self.rates.folded else board["target_row"]

        def strip(row: Value, _: list[Value]) -> list[Value]:
            left = f.subtract(height, row)
            place = f.at(corner, f.multiply(row, board["target_row"]))
            if self.rates.across is None:
                self.down_alone(tile, place, row, left, width)
                return []
            self.down(tile, between, row)
            self.across(between, place, left, width, step)
            return []

        f.loop(0, "1" if self.rates.folded else height, lanes, strip)

    def down_alone(self, tile: _TileSamples, place: Value, row: Value, rows: Value, width: Value) -> None:
        """Emit the pass down the rows of a strip, whose outputs are stored as they are."""
        f = self.f
        assert self.rates.down is not None
        down, pitch = self.rates.down, tile.pitch
        base = f.at(tile.base, self.adder.start_of(down, row, pitch))

        def stretch(x: Value, _: list[Value]) -> list[Value]:
            x = self.inside(x, width)
            source = f.at(base, f.multiply(x, self.size))
            sums = self.adder.sums(down, source, row, pitch, "down")
            self.guard.note(sums, self.lanes)
            self.stores.put(
                sums, f.at(place, f.multiply(x, self.size)), rows, f.subtract(width, x), self.board["target_row"]
            )
            return []

        f.loop(0, width, self.lanes, stretch)

    def down(self, tile: _TileSamples, between: Value, row: Value) -> None:
        """Emit the pass down the rows of a strip, or only its transposition, into the samples between the passes."""
        f, lanes, down = self.f, self.lanes, self.rates.down
        base, pitch = tile.base, tile.pitch
        first = f.at(between, f.multiply(tile.first, self.position))
        if down is not None:
            base = f.at(base, self.adder.start_of(down, row, pitch))
        elif not self.rates.folded:
            base = f.at(base, f.multiply(row, pitch))

        def stretch(x: Value, _: list[Value]) -> list[Value]:
            x = self.inside(x, tile.number)
            source = f.at(base, f.multiply(x, self.size))
            if down is None:
                places = [f.at(source, f.multiply(pitch, k)) if k else source for k in range(lanes)]
                values = [load(f, place, self.sample, self.rates.number, lanes) for place in places]
            else:
                values = self.adder.sums(down, source, row, pitch, "down")
            for k, value in enumerate(transpose(f, values, self.rates.number)):
                place = f.at(first, f.multiply(f.add(x, k), self.position))
                f.do(f"store {self.type} {value}, ptr {place}, align {self.size}")
            return []

        def copy(entry: Value, _: list[Value]) -> list[Value]:
            pair = f.at(self.board["copies"], f.multiply(entry, 16))
            place, other = f.at(between, f.entry(pair, "0")), f.entry(pair, "1")

            def same() -> list[Value]:
                return [f.value(f"load {self.type}, ptr {f.at(between, other)}, align {self.size}")]

            outside = f.value(f"icmp eq i64 {other}, {FILL}")
            (value,) = f.either(outside, lambda: ["zeroinitializer"], same, [self.type])
            f.do(f"store {self.type} {value}, ptr {place}, align {self.size}")
            return []

        f.loop(aligned_column(f, base, self.sample, lanes), tile.number, lanes, stretch)
        f.loop(tile.begin, tile.end, 1, copy)

    def inside(self, x: Value, width: Value) -> Value:
        """Emit the column at which a vector begins that ends inside a row, if the row is no shorter than a vector."""
        f = self.f
        return f.larger(f.smaller(x, f.subtract(width, self.lanes)), "0")

    def across(self, between: Value, place: Value, rows: Value, width: Value, step: Value) -> None:
        """Emit the pass across the columns of a strip, and store its outputs."""
        f, across, board = self.f, self.rates.across, self.board
        assert across is not None
        rates, stores = self.rates, self.stores
        if rates.staged and not rates.folded:
            stores.put_staged(lambda x: self.across_lines(between, x), place, rows, width, step)
            return
        most = f.smaller(width, board["lane_width"]) if rates.folded else width

        def group(x: Value, _: list[Value]) -> list[Value]:
            lines = self.across_lines(between, x)
            corner = f.at(place, f.multiply(x, self.size))
            if rates.folded:
                stores.put_folded(lines, corner, x, width, step)
            else:
                stores.put(lines, corner, rows, f.subtract(width, x), step)
            return []

        f.loop(0, most, self.lanes, group)

    def across_lines(self, between: Value, x: Value) -> list[Value]:
        """Emit the sums of a square block, a vector for each row."""
        across = self.rates.across
        assert across is not None
        source = self.f.at(between, self.adder.start_of(across, x, self.position))
        sums = self.adder.sums(across, source, x, self.position, "across")
        self.guard.note(sums, self.lanes)
        return transpose(self.f, sums, self.rates.number)
