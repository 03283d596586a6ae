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
from faltung.engines.channels.gathered_planes import gather_planes, store_some
from faltung.engines.guard import Guard
from faltung.engines.registers import Footprint, Registers
from faltung.jit.compile import compile_function, compiled_once, ctypes_of
from faltung.jit.ir import Function, Value, module, vector
from faltung.jit.samples import Sample, divided, splat, store
from faltung.jit.target import Target

__all__ = ["FIELDS", "Channels", "channels_function", "fields", "take_items", "tile_of"]

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
