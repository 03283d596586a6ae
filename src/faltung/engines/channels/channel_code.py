"""Machine code for a whole bank: every tile of every image, channels in and out blocked in registers.

One function serves all threads. Each thread takes the number of an item from a shared counter until none is left. An
item is one tile of one group of channels of one image::

    gather the tile of every channel in, extended across the border, into scratch
    for each block of channels out, each strip of rows, each stretch of columns:
        sum over channels in and taps in registers (`registers`), add the bias, store

Scratch holds the planes of the channels in, one after the other, and a register block is a sum over all of them::

    scratch                                          registers
    | channel 0, slice 0 | channel 0, slice 1 | ...    channel out 0:  row 0  [ v0 ][ v1 ]
    | channel 1, slice 0 | ...                                         row 1  [ v0 ][ v1 ]
                                                       channel out 1:  row 0  [ v0 ][ v1 ]  ...

Scratch holds unit strides only: if outputs or taps are several samples apart, rows and columns are gathered in the
order in which they are needed. For outputs two samples apart, the even columns come first, so that every tap is
multiplied by contiguous samples::

    array     0 1 2 3 4 5 6 7 8        scratch     0 2 4 6 8 | 1 3 5 7

Every tap that has no regular neighbour is a panel by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from faltung.engines.calls.gather_code import emit as emit_gather
from faltung.engines.guard import Guard
from faltung.engines.registers import Footprint, Registers
from faltung.ground.extended import FILL
from faltung.jit.compile import compile_function, compiled_once, ctypes_of
from faltung.jit.ir import Function, Value, module, vector
from faltung.jit.samples import Sample, divided, splat, store
from faltung.jit.target import Target

__all__ = [
    "FIELDS",
    "Channels",
    "channels_function",
    "fields",
    "first_lanes",
    "gather_planes",
    "load_some",
    "store_some",
    "take_items",
    "tile_of",
]

#: Entries of the board that the function is called with: each a 64-bit integer.
FIELDS = (
    *("claims", "items", "scratch", "room"),  # two counters and a status, all from zero; scratch for each thread
    *("source", "source_image", "source_channel"),  # address, and bytes between neighbours
    *("target", "target_image", "target_channel", "target_slice", "target_row", "target_column"),
    *("taps", "block_bytes", "panels", "bias", "divisors", "fill"),
    *("groups", "ins", "outs", "blocks"),  # channels of one group, and blocks of channels out
    *("slices", "height", "width"),  # outputs
    *("row_tiles", "column_tiles", "tile_height", "tile_width"),
    *("depth", "slice_offsets", "row_offsets", "row_tables", "no_rows", "rows"),
    *("column_offsets", "columns", "inner", "looked_up"),
)


@dataclass(frozen=True)
class Channels:
    """What is fixed when the code is compiled.

    Parameters
    ----------
    footprint : Footprint
        The taps of all channels in, for as many channels out as are computed at once.
    source, target : Sample
        The samples of the arrays.
    lanes : int
        Numbers in a vector register.
    gathered : int
        Samples that are gathered at once if they are contiguous numbers; else 0.
    block : tuple of int
        Output rows and vectors of a register block.
    packed : bool
        Whether the target holds the number computed with, and its rows are contiguous.
    streamed : bool
        Whether to write past the cache; every vector of the target must be aligned.
    divided : bool
        Whether sums are divided, by a number for each channel out, before they are stored.
    """

    footprint: Footprint
    source: Sample
    target: Sample
    lanes: int
    gathered: int
    block: tuple[int, int]
    packed: bool
    streamed: bool
    divided: bool = False


@compiled_once
def channels_function(code: Channels, target: Target) -> Callable[[int], int]:
    """Compile (or look up) the function for one description; it is called with the address of a board."""
    number = Sample("f", 4 if code.footprint.number == "float" else 8)
    gather = [] if code.gathered else [emit_gather(code.source, number, 1, internal=True)]
    text = module(*gather, _emit(code))
    return compile_function(text, "fill", ctypes_of({"board": "ptr"}), target)


def fields(f: Function, names: tuple[str, ...]) -> dict[str, Value]:
    """Emit loads of the entries of the board; addresses become pointers."""
    pointers = {
        *("claims", "scratch", "source", "other", "target", "taps", "panels", "bias", "divisors", "fill"),
        *("inner", "no_rows"),
        *("slice_offsets", "row_offsets", "row_tables", "column_offsets", "row_places", "column_places"),
    }
    values = {}
    for place, name in enumerate(names):
        value = f.entry("%board", str(place))
        pointer = name in pointers or name.removeprefix("other_") in pointers
        values[name] = f.value(f"inttoptr i64 {value} to ptr") if pointer else value
    return values


def take_items(
    f: Function, board: dict[str, Value], item: Callable[[Value], None], guard: Guard | None = None
) -> None:
    """Emit `item` for every item that this thread takes; ``scratch`` becomes the part of this thread."""
    slot = f.value(f"atomicrmw add ptr {f.at(board['claims'], 8)}, i64 1 monotonic")
    board["scratch"] = f.at(board["scratch"], f.multiply(slot, board["room"]))
    f.claimed(board["claims"], board["items"], item)
    if guard:
        status = f.value(f"zext i32 {guard.give_back('0')} to i64")
        f.value(f"atomicrmw or ptr {f.at(board['claims'], 16)}, i64 {status} monotonic")
    f.do("ret i32 0")


def tile_of(f: Function, board: dict[str, Value], item: Value) -> tuple[Value, Value, Value, Value]:
    """Split the number of an item into the rest, the slice, the row of tiles and the column of tiles."""
    item, column = f.divide(item, board["column_tiles"])
    item, row = f.divide(item, board["row_tiles"])
    item, slice_ = f.divide(item, board["slices"])
    return item, slice_, row, column


def gather_planes(
    f: Function,
    board: dict[str, Value],
    number: str,
    lanes: int,
    start: Value,
    place: Value,
    slice_: Value,
    row: Value,
    column: Value,
) -> None:
    """Emit the gathering of one channel of a tile: a plane for each slice of taps.

    With `lanes`, the samples of a row are contiguous numbers. They are moved as vectors, with the fill value outside
    the array; then, in modes other than ``constant``, the columns outside are looked up in a table::

        columns of the tile    0 1 2 | 3 4 5 6 7 8 9 ... 90 91 | 92 93
        by                     table   masked vectors            table
    """
    size = 4 if number == "float" else 8
    # Tiles inside the array share one table of columns and one of rows: what differs is added to the start.
    inner = f.at(board["inner"], f.multiply(column, 40))
    first, stop, shift, entry, across = (f.entry(inner, str(k)) for k in range(5))
    columns = f.at(board["column_offsets"], f.multiply(entry, 8))
    row_table = f.at(board["row_tables"], f.multiply(row, 16))
    some_rows = f.at(board["row_offsets"], f.multiply(f.entry(row_table, "0"), 8))
    start = f.at(start, f.add(across, f.entry(row_table, "1")))
    pitch = f.multiply(board["columns"], size)

    def plane(k: Value, _: list[Value]) -> list[Value]:
        offset = f.entry(board["slice_offsets"], f.add(f.multiply(slice_, board["depth"]), k))
        outside = f.value(f"icmp eq i64 {offset}, {FILL}")
        rows = f.value(f"select i1 {outside}, ptr {board['no_rows']}, ptr {some_rows}")
        source = f.at(start, f.value(f"select i1 {outside}, i64 0, i64 {offset}"))
        target = f.at(place, f.multiply(k, f.multiply(board["rows"], pitch)))
        if lanes:
            move_vectors(source, target, rows)
            with f.when(f.value(f"icmp ne i64 {board['looked_up']}, 0")):
                look_up_columns(source, target, rows)
        else:
            arguments = [f"ptr {source}", f"ptr {target}", f"ptr {board['fill']}", "i64 1", f"ptr {rows}"]
            arguments += [f"i64 {board['rows']}", f"ptr {columns}", f"i64 {board['columns']}"]
            arguments += [f"i64 {value}" for value in (first, stop, shift)]
            f.value(f"call i32 @gather({', '.join(arguments)})")
        return []

    def move_vectors(source: Value, target: Value, rows: Value) -> None:
        fill = splat(f, f.value(f"load {number}, ptr {board['fill']}, align {size}"), number, lanes)
        start = f.at(source, f.subtract(shift, f.multiply(first, size)))

        def stretch(x: Value, _: list[Value]) -> list[Value]:
            before, after = (first_lanes(f, f.subtract(edge, x), lanes) for edge in (first, stop))
            mask = f.value(f"xor {vector('i1', lanes)} {before}, {after}")

            def one_row(y: Value, _: list[Value]) -> list[Value]:
                offset = f.entry(rows, y)
                present = f.value(f"icmp ne i64 {offset}, {FILL}")
                offset = f.value(f"select i1 {present}, i64 {offset}, i64 0")
                all_ = splat(f, present, "i1", lanes)
                chosen = f.value(f"and {vector('i1', lanes)} {mask}, {all_}")
                place = f.at(f.at(start, offset), f.multiply(x, size))
                samples = load_some(f, number, place, chosen, fill, lanes)
                place = f.at(f.at(target, f.multiply(y, pitch)), f.multiply(x, size))
                f.do(f"store {vector(number, lanes)} {samples}, ptr {place}, align {size}")
                return []

            f.loop(0, board["rows"], 1, one_row)
            return []

        f.loop(0, board["columns"], lanes, stretch)

    def look_up_columns(source: Value, target: Value, rows: Value) -> None:
        between = f.subtract(stop, first)

        def one_row(y: Value, _: list[Value]) -> list[Value]:
            offset, line = f.entry(rows, y), f.at(target, f.multiply(y, pitch))
            with f.when(f.value(f"icmp ne i64 {offset}, {FILL}")):

                def one(k: Value, _: list[Value]) -> list[Value]:
                    late = f.value(f"icmp sge i64 {k}, {first}")
                    x = f.add(k, f.value(f"select i1 {late}, i64 {between}, i64 0"))
                    shift = f.entry(columns, k)
                    with f.when(f.value(f"icmp ne i64 {shift}, {FILL}")):
                        value = f.value(f"load {number}, ptr {f.at(source, f.add(offset, shift))}, align {size}")
                        f.do(f"store {number} {value}, ptr {f.at(line, f.multiply(x, size))}, align {size}")
                    return []

                f.loop(0, f.subtract(board["columns"], between), 1, one)
            return []

        f.loop(0, board["rows"], 1, one_row)

    f.loop(0, board["depth"], 1, plane)


def load_some(f: Function, number: str, place: Value, mask: Value, others: Value, lanes: int) -> Value:
    """Emit the load of the lanes that a mask names; the others are those of another vector."""
    """Emit the load of those numbers of a vector whose bit in the mask is set; the lanes between are `others`."""
    type_, bits = vector(number, lanes), vector("i1", lanes)
    name = f"llvm.masked.load.v{lanes}{'f32' if number == 'float' else 'f64'}.p0"
    f.declarations.setdefault(name, f"declare {type_} @{name}(ptr, i32 immarg, {bits}, {type_})")
    size = 4 if number == "float" else 8
    return f.value(f"call {type_} @{name}(ptr {place}, i32 {size}, {bits} {mask}, {type_} {others})")


def _emit(code: Channels) -> Function:
    f = Function("fill", {"board": "ptr noalias readonly"})
    board = fields(f, FIELDS)
    footprint, (rows, vectors), lanes = code.footprint, code.block, code.lanes
    guard = Guard(f, footprint.number, lanes)
    size = 4 if footprint.number == "float" else 8
    count = rows * footprint.outputs * vectors
    spilled = "" if code.packed else f.value(f"alloca [{count * lanes} x {footprint.number}], align 64")
    stride = f.multiply(board["columns"], size)
    wide = vectors * lanes

    def item(number: Value) -> None:
        rest, slice_, row, column = tile_of(f, board, number)
        image, group = f.divide(rest, board["groups"])
        planes = f.multiply(f.multiply(board["rows"], stride), board["depth"])
        first_in = f.multiply(group, board["ins"])

        def channel_in(channel: Value, _: list[Value]) -> list[Value]:
            start = f.at(board["source"], f.multiply(image, board["source_image"]))
            start = f.at(start, f.multiply(f.add(first_in, channel), board["source_channel"]))
            place = f.at(board["scratch"], f.multiply(channel, planes))
            gather_planes(f, board, footprint.number, code.gathered, start, place, slice_, row, column)
            return []

        f.loop(0, board["ins"], 1, channel_in)
        # The last row of tiles moves up to end with the array; the last column of tiles is cut off.
        top = f.smaller(f.multiply(row, board["tile_height"]), f.subtract(board["height"], board["tile_height"]))
        left = f.multiply(column, board["tile_width"])
        width = f.smaller(board["tile_width"], f.subtract(board["width"], left))
        corner = f.at(board["target"], f.multiply(image, board["target_image"]))
        corner = f.at(corner, f.multiply(slice_, board["target_slice"]))
        corner = f.at(corner, f.multiply(top, board["target_row"]))
        corner = f.at(corner, f.multiply(left, board["target_column"]))

        def channels_out(block: Value, _: list[Value]) -> list[Value]:
            number = f.add(f.multiply(group, board["blocks"]), block)
            taps = f.at(board["taps"], f.multiply(number, board["block_bytes"]))
            done = f.multiply(block, footprint.outputs)
            first_out = f.add(f.multiply(group, board["outs"]), done)
            left_out = f.subtract(board["outs"], done)
            last = f.subtract(board["tile_height"], rows)

            def strip(y: Value, _: list[Value]) -> list[Value]:
                y = f.smaller(y, last)
                line = f.at(board["scratch"], f.multiply(y, stride))

                def stretch(x: Value, _: list[Value]) -> list[Value]:
                    source = f.at(line, f.multiply(x, size))
                    sums = Registers(f, footprint, rows, vectors, lanes, taps, board["panels"], stride).sums(source)
                    place = f.at(corner, f.multiply(y, board["target_row"]))
                    place = f.at(place, f.multiply(x, board["target_column"]))
                    put(sums, place, first_out, left_out, f.subtract(width, x))
                    return []

                f.loop(0, width, wide, stretch)
                return []

            f.loop(0, board["tile_height"], rows, strip)
            return []

        f.loop(0, board["blocks"], 1, channels_out)

    def number_of(channel: Value, name: str) -> Value:
        place = f.at(board[name], f.multiply(channel, size))
        scalar = f.value(f"load {footprint.number}, ptr {place}, align {size}")
        return splat(f, scalar, footprint.number, lanes)

    def put(sums: list[Value], corner: Value, first: Value, channels: Value, width: Value) -> None:
        """Add the bias and store as many channels and columns of the block as the target has."""
        for o in range(footprint.outputs):
            with f.when(f.value(f"icmp slt i64 {o}, {channels}")):
                channel = f.add(first, o)
                bias = number_of(channel, "bias")
                corner_out = f.at(corner, f.multiply(channel, board["target_channel"]))
                chosen = [
                    sums[(row * footprint.outputs + o) * vectors + v] for row in range(rows) for v in range(vectors)
                ]
                type_ = vector(footprint.number, lanes)
                values = [f.value(f"fadd {type_} {value}, {bias}") for value in chosen]
                if code.divided:
                    divisor = number_of(channel, "divisors")
                    values = [divided(f, footprint.number, value, divisor, lanes) for value in values]
                guard.note(values, lanes)
                (put_packed if code.packed else put_singly)(values, corner_out, width)

    def put_packed(values: list[Value], corner: Value, width: Value) -> None:
        def whole() -> None:
            for k, value in enumerate(values):
                row, v = divmod(k, vectors)
                place = f.at(corner, f.multiply(board["target_row"], row)) if row else corner
                store(f, footprint.number, value, f.at(place, v * lanes * size), code.target, lanes, code.streamed)

        def part() -> None:
            for k, value in enumerate(values):
                row, v = divmod(k, vectors)
                place = f.at(corner, f.multiply(board["target_row"], row)) if row else corner
                store_some(
                    f, footprint.number, value, f.at(place, v * lanes * size), f.subtract(width, v * lanes), lanes
                )

        if code.streamed:
            whole()
        else:
            f.either(f.value(f"icmp sge i64 {width}, {wide}"), whole, part)

    def put_singly(values: list[Value], corner: Value, width: Value) -> None:
        for k, value in enumerate(values):
            place = f.at(spilled, k * lanes * size)
            f.do(f"store {vector(footprint.number, lanes)} {value}, ptr {place}, align {size}")
        stop = f.smaller(width, str(wide))

        def one_row(row: Value, _: list[Value]) -> list[Value]:
            start, line = f.multiply(row, wide), f.at(corner, f.multiply(row, board["target_row"]))

            def one(x: Value, _: list[Value]) -> list[Value]:
                place = f.at(spilled, f.multiply(f.add(start, x), size))
                value = f.value(f"load {footprint.number}, ptr {place}, align {size}")
                store(f, footprint.number, value, f.at(line, f.multiply(x, board["target_column"])), code.target, 1)
                return []

            f.loop(0, stop, 1, one)
            return []

        f.loop(0, rows, 1, one_row)

    take_items(f, board, item, guard)
    return f


def store_some(f: Function, number: str, value: Value, place: Value, count: Value, lanes: int) -> None:
    """Emit the store of the first `count` numbers of a vector: at most all of them, and none below one."""
    if lanes == 1:
        with f.when(f.value(f"icmp sge i64 {count}, 1")):
            f.do(f"store {number} {value}, ptr {place}, align 1")
        return
    type_, short = vector(number, lanes), "f32" if number == "float" else "f64"
    mask = first_lanes(f, count, lanes)
    name = f"llvm.masked.store.v{lanes}{short}.p0"
    bits = vector("i1", lanes)
    f.declarations.setdefault(name, f"declare void @{name}({type_}, ptr, i32 immarg, {bits})")
    f.do(f"call void @{name}({type_} {value}, ptr {place}, i32 1, {bits} {mask})")


def first_lanes(f: Function, count: Value, lanes: int) -> Value:
    """Emit a mask of the first `count` lanes."""
    wide = vector("i32", lanes)
    numbers = ", ".join(f"i32 {lane}" for lane in range(lanes))
    count = f.value(f"trunc i64 {count} to i32")
    return f.value(f"icmp slt {wide} <{numbers}>, {splat(f, count, 'i32', lanes)}")
