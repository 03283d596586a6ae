"""What does a block of a layer of single channels read, and where does it lie? Rows of a table, masked at edges.

A block holds rows x places of outputs in registers. The lanes of a vector are what is contiguous in memory: columns
of one channel, or channels of one column. A place is then as many columns as there are lanes, or one column::

    lanes are columns     place 0 [ x, x + 1, ... ] place 1 [ x + 16, ... ]     of channel c
    lanes are channels    place 0 [ c, c + 1, ... ] of column x, place 1 [ c, c + 1, ... ] of column x + 1

Rows of samples come from a table of byte offsets, so they may continue beyond the border in any way; a row that is
not there is skipped. Inside the array vectors are loaded as they are. At its edges, where lanes are columns, those
outside are masked; where lanes are channels, columns come from a table too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import reduce

from faltung.engines.channels.channel_code import fields
from faltung.engines.channels.gathered_planes import first_lanes, load_some
from faltung.ground.extended import FILL
from faltung.jit.ir import Function, Value, vector
from faltung.jit.samples import multiply_add

__all__ = ["FIELDS", "Depthwise", "SamplesOfBlocks", "SingleBlock"]

#: Entries of the board that the function is called with: each a 64-bit integer.
FIELDS = (
    *("claims", "items", "scratch", "room"),
    *("source", "source_image", "source_channel", "source_column"),  # address, and bytes between neighbours
    *("other", "other_image", "other_channel", "other_slice", "other_row", "other_column"),  # outputs, or g
    *("taps", "taps_channel", "taps_tap", "bias", "fill"),  # fill: zeros, for what is absent
    *("target", "target_chunk", "target_channel", "target_tap"),  # numbers of the gradient
    *("channels", "run", "runs"),  # in all, of an item, and items for all
    *(
        "images",
        "slices",
        "height",
        "width",
        "length",
        "first",
    ),  # outputs; columns of samples, the first that is read
    *("tiles", "tile_height", "chunks"),
    *("depth", "slice_offsets", "row_offsets", "column_offsets"),
)


@dataclass(frozen=True)
class Depthwise:
    """What is fixed when the code is compiled.

    Parameters
    ----------
    gradient : bool
        Whether the gradient with respect to the taps is computed; else outputs are.
    across : bool
        Whether the lanes of a vector are channels; else they are columns.
    number : str
        The number computed with, which the arrays hold, ``float`` or ``double``.
    lanes : int
        Numbers in a vector register.
    block : tuple of int
        Rows and places of outputs of a block.
    size, stride, dilation : tuple of int
        Of the kernel, rows and columns; the stride of columns is at most 2 where lanes are columns.
    part : int
        Rows of taps whose gradients are summed at once.
    held : bool
        Whether all taps of a slice are kept in registers.
    streamed : bool
        Whether to write past the cache; every vector of the target must be aligned.
    """

    gradient: bool
    across: bool
    number: str
    lanes: int
    block: tuple[int, int]
    size: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    part: int = 0
    held: bool = True
    streamed: bool = False

    @property
    def pitch(self) -> int:
        """Columns of samples between places."""
        return self.stride[1] * (1 if self.across else self.lanes)

    @property
    def width(self) -> int:
        """Columns of outputs of a block."""
        return self.block[1] * (1 if self.across else self.lanes)


@dataclass
class SingleBlock:
    """Where a block is, and what of it is there."""

    source: Value  # addresses: of the image or the channel
    other: Value
    row: Value
    column: Value  # of samples
    left: Value  # columns of outputs that follow
    inside: Value = ""  # whether all of it is
    channel: Value = ""
    edge: bool = False
    # At an edge: whether each output is there, and which of its lanes; the lanes of samples at a position, or the
    # offset of their column and whether it is there.
    outputs: dict[tuple[int, int], Value] = field(default_factory=dict)
    output_lanes: dict[int, Value] = field(default_factory=dict)
    sample_lanes: dict[int, Value] = field(default_factory=dict)
    columns: dict[int, tuple[Value, Value]] = field(default_factory=dict)


class SamplesOfBlocks:
    """Writes where a block is, and goes over the samples under it; the base of what is computed from them.

    Parameters
    ----------
    code : Depthwise
        What is fixed when the code is compiled.
    """

    def __init__(self, code: Depthwise) -> None:
        self.code = code
        self.f = Function("depthwise", {"board": "ptr noalias readonly"})
        self.board = fields(self.f, FIELDS)
        self.size = 4 if code.number == "float" else 8
        self.type = vector(code.number, code.lanes)
        self.short = "f32" if code.number == "float" else "f64"

    # ---- where a block is

    def _block(self, arrays: tuple[Value, Value], row: Value, last: Value, column: Value) -> SingleBlock:
        """Emit where a block is, and what is there of it: all that does not depend on the channel."""
        f, board, code = self.f, self.board, self.code
        other = f.at(arrays[1], f.multiply(row, board["other_row"]))
        other = f.at(other, f.multiply(column, board["other_column"]))
        begin = f.add(f.multiply(column, code.stride[1]), board["first"])
        at = SingleBlock(arrays[0], other, row, begin, f.subtract(board["width"], column))
        at.inside = self._all(
            f"icmp sge i64 {begin}, 0",
            f"icmp sle i64 {f.add(begin, self._reach())}, {board['length']}",
            f"icmp sle i64 {code.width}, {at.left}",
            f"icmp sle i64 {f.add(row, code.block[0])}, {last}",
        )
        rows = [f.value(f"icmp slt i64 {f.add(row, r)}, {last}") for r in range(code.block[0])]
        for b in range(code.block[1]):
            there = f.value(f"icmp slt i64 {b}, {at.left}") if code.across else "true"
            at.outputs.update({(r, b): f.value(f"and i1 {row}, {there}") for r, row in enumerate(rows)})
        if code.across:
            entry = f.multiply(column, code.stride[1])
            at.columns = {
                p: self._known(f.entry(board["column_offsets"], f.add(entry, p))) for p in self._positions()
            }
        return at

    def _all(self, *tests: str) -> Value:
        f = self.f
        return reduce(lambda a, b: f.value(f"and i1 {a}, {b}"), [f.value(test) for test in tests])

    def _of_block(
        self, at: SingleBlock, channel: Value, body: Callable[[SingleBlock], list[Value]], types: list[str]
    ) -> list[Value]:
        """Emit a body twice, for blocks inside the array and for those at its edges, and the choice between them."""
        f, board, code = self.f, self.board, self.code
        at = replace(
            at,
            source=f.at(at.source, f.multiply(channel, board["source_channel"])),
            other=f.at(at.other, f.multiply(channel, board["other_channel"])),
            channel=channel,
        )
        inside = at.inside
        if code.across:
            whole = f.value(f"icmp sle i64 {f.add(channel, code.lanes)}, {board['channels']}")
            inside = f.value(f"and i1 {inside}, {whole}")
        return f.either(inside, lambda: body(at), lambda: body(self._masked(at)), types)

    def _reach(self) -> int:
        """Columns of samples that a block reads."""
        step, last = self.code.stride[1], max(self._positions())
        return last + 1 if self.code.across else last // step * step + step * self.code.lanes

    def _masked(self, at: SingleBlock) -> SingleBlock:
        """Emit which lanes of a block at an edge are there."""
        f, board, code = self.f, self.board, self.code
        positions, places = self._positions(), range(code.block[1])
        if code.across:
            tail = first_lanes(f, f.subtract(board["channels"], at.channel), code.lanes)
            lanes, of_outputs = dict.fromkeys(positions, tail), dict.fromkeys(places, tail)
        else:
            wide, lanes = code.lanes * code.stride[1], {}
            for p in sorted({p - p % code.stride[1] for p in positions}):
                begin = f.add(at.column, p)
                edges = (f.subtract(edge, begin) for edge in ("0", board["length"]))
                before, after = (first_lanes(f, edge, wide) for edge in edges)
                lanes[p] = f.value(f"xor {vector('i1', wide)} {before}, {after}")
            of_outputs = {b: first_lanes(f, f.subtract(at.left, b * code.lanes), code.lanes) for b in places}
        return replace(at, edge=True, sample_lanes=lanes, output_lanes=of_outputs)

    def _known(self, offset: Value) -> tuple[Value, Value]:
        """Return an offset of a table, or 0 if nothing is there, and whether something is."""
        present = self.f.value(f"icmp ne i64 {offset}, {FILL}")
        return self.f.value(f"select i1 {present}, i64 {offset}, i64 0"), present

    # ---- samples

    def _positions(self) -> list[int]:
        """Columns of the samples under a block, counted from the first; of each vector the first one."""
        return sorted({self._position(b, j) for b in range(self.code.block[1]) for j in range(self.code.size[1])})

    def _position(self, place: int, tap: int) -> int:
        return place * self.code.pitch + self.code.dilation[1] * tap

    def _users(self, p: int) -> list[tuple[int, int]]:
        """Pairs of a place and a column of taps that read the sample at a position."""
        places, columns = range(self.code.block[1]), range(self.code.size[1])
        return [(b, j) for b in places for j in columns if self._position(b, j) == p]

    def _load(self, place: Value, lanes: int, mask: Value = "") -> Value:
        if mask:
            return load_some(self.f, self.code.number, place, mask, "zeroinitializer", lanes)
        return self.f.value(f"load {vector(self.code.number, lanes)}, ptr {place}, align {self.size}")

    def _or_zeros(self, present: Value, place: Value) -> Value:
        return self.f.value(f"select i1 {present}, ptr {place}, ptr {self.board['fill']}")

    def _sample(self, at: SingleBlock, line: Value, p: int, wide: dict[int, Value]) -> Value:
        """Emit the samples at a position of a row; `wide` are vectors of it that hold those of several positions."""
        f, board, code = self.f, self.board, self.code
        if code.across and not at.edge:
            return self._load(f.at(line, f.multiply(f.add(at.column, p), board["source_column"])), code.lanes)
        if code.across:
            offset, present = at.columns[p]
            return self._load(self._or_zeros(present, f.at(line, offset)), code.lanes, at.sample_lanes[p])
        step = code.stride[1]
        begin, phase, lanes = p - p % step, p % step, code.lanes * step
        if begin not in wide:
            place = f.at(f.at(line, f.multiply(at.column, self.size)), begin * self.size)
            wide[begin] = self._load(place, lanes, at.sample_lanes.get(begin, ""))
        if step == 1:
            return wide[begin]
        type_, chosen = vector(code.number, lanes), ", ".join(f"i32 {phase + step * n}" for n in range(code.lanes))
        return f.value(f"shufflevector {type_} {wide[begin]}, {type_} poison, <{code.lanes} x i32> <{chosen}>")

    def _under(
        self,
        at: SingleBlock,
        start: Value,
        first: Value | int,
        rows: int,
        sums: list[Value],
        add: Callable[[list[Value], int, int, int, int, Value], None],
    ) -> list[Value]:
        """Emit `add` for each sample under a block and each output and tap that it belongs to.

        Parameters
        ----------
        at : SingleBlock
            The block.
        start : Value
            Address of the slice of the source.
        first, rows : Value or int, int
            First row of taps, and their number.
        sums : list of Value
            Sums; their new values are returned.
        add : callable
            Adds to a list of sums a product: of row and place of an output, row and column of a tap, and a sample.
        """
        f, code = self.f, self.code
        users: dict[int, list[tuple[int, int]]] = {}
        for r in range(code.block[0]):
            for i in range(rows):
                users.setdefault(r * code.stride[0] + i * code.dilation[0], []).append((r, i))
        entry = f.add(f.multiply(at.row, code.stride[0]), f.multiply(str(first), code.dilation[0]))

        def row(q: int, offset: Value, before: list[Value]) -> list[Value]:
            sums, wide = list(before), dict[int, Value]()
            line = f.at(start, offset)
            for p in self._positions():
                sample = self._sample(at, line, p, wide)
                for r, i in users[q]:
                    for b, j in self._users(p):
                        add(sums, r, b, i, j, sample)
            return sums

        def kept(q: int, before: list[Value]) -> list[Value]:
            offset = f.entry(self.board["row_offsets"], f.add(entry, q))
            there = f.value(f"icmp ne i64 {offset}, {FILL}")
            return f.either(there, lambda: row(q, offset, before), lambda: before, [self.type] * len(before))

        return reduce(lambda before, q: kept(q, before), sorted(users), sums)

    def _slice(self, slice_: Value, k: Value) -> tuple[Value, Value]:
        """Emit the offset of the slice of samples under a slice of taps, and whether it is there."""
        f, board = self.f, self.board
        return self._known(f.entry(board["slice_offsets"], f.add(f.multiply(slice_, board["depth"]), k)))

    def _product(self, a: Value, b: Value, total: Value) -> Value:
        return multiply_add(self.f, self.code.number, self.code.lanes, a, b, total)

    def _place(self, at: SingleBlock, r: int, b: int) -> Value:
        """Emit the address of an output, or of its gradient."""
        f, board, code = self.f, self.board, self.code
        step = f.multiply(board["other_column"], b * (1 if code.across else code.lanes))
        return f.at(f.at(at.other, f.multiply(board["other_row"], r)), step)
