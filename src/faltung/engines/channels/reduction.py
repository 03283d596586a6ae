"""Machine code for the gradient with respect to the taps: a sum over all positions, blocked in registers over taps.

    gradient[o, i, j] = sum over images, y and x of g[o, y, x] * source[y + i, x + j]

where g is the gradient with respect to the outputs. A block of accumulators belongs to some rows and columns of taps
and some channels out. The code goes over the gathered source row by row; each vector of it is multiplied by as many
rows of g as the block has rows of taps::

    acc[i, j, o] += source[r, x + j] * g[o, r - i, x]

    source, row r    [ x, x + 1, ... ]  columns shifted by j = 0, 1, 2
    g                row r      of channel o  -> acc[0, j, o]
                     row r - 1  of channel o  -> acc[1, j, o]

Each lane of an accumulator sums its own columns; in the end the lanes are added up.

Below the last row, behind the last column and between tiles, g is gathered as zeros, so no row is a special case. The
sums of a tile begin at zero and are added to totals in memory: rounding errors grow with the length of a tile and
with the number of tiles, not with their product. Every item has totals of its own, so the bits of the result do not
depend on the thread that takes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from faltung.engines.calls.gather_code import emit as emit_gather
from faltung.engines.channels.channel_code import fields, take_items, tile_of
from faltung.engines.channels.gathered_planes import gather_planes
from faltung.jit.compile import compile_function, compiled_once, ctypes_of
from faltung.jit.ir import Function, Value, module, vector
from faltung.jit.samples import Sample, multiply_add
from faltung.jit.target import Target

__all__ = ["FIELDS", "Reduction", "reduction_block", "reduction_function"]

#: Tables of a gathered array: those that `gather_planes` reads.
_TABLES = (
    "depth",
    "slice_offsets",
    "row_offsets",
    "row_tables",
    "no_rows",
    "rows",
    "column_offsets",
    "columns",
    "inner",
    "looked_up",
)

#: Entries of the board that the function is called with: each a 64-bit integer.
FIELDS = (
    *("claims", "items", "scratch", "room"),
    *("source", "source_image", "source_channel", "other", "other_image", "other_channel"),  # other: g
    *("target", "fill", "other_fill"),  # a number for each accumulator of each item
    *("groups", "ins", "outs", "blocks", "images", "chunks"),
    *("slices", "row_tiles", "column_tiles", "tile_height", "tile_width"),
    *("row_blocks", "row_places", "column_blocks", "column_places", "totals", "other_place"),
    *_TABLES,
    *("other_" + name for name in _TABLES),
)


@dataclass(frozen=True)
class Reduction:
    """What is fixed when the code is compiled.

    Parameters
    ----------
    rows, columns, outputs : int
        Accumulators: rows and columns of taps, and channels out.
    step : int
        Samples between neighbouring columns of taps.
    number : str
        The number computed with, which the arrays hold, ``float`` or ``double``.
    lanes : int
        Numbers in a vector register.
    gathered : tuple of int
        Numbers of the source, and of g, that are gathered at once if they are contiguous; else 0.
    """

    rows: int
    columns: int
    outputs: int
    step: int
    number: str
    lanes: int
    gathered: tuple[int, int]


@lru_cache(maxsize=1024)
def reduction_block(
    outs: int, rows: int, columns: int, height: int, vectors: int, registers: int
) -> tuple[int, int, int]:
    """Return rows and columns of taps and channels out of a block, for planes of `height` rows of so many vectors.

    Loads of the source cross cache lines and take twice as long as those of g. A block also goes over the rows of
    zeros above and below a tile, and its sums must be stored.

    Examples
    --------
    >>> reduction_block(1, 7, 7, 14, 1, registers=32), reduction_block(16, 3, 3, 128, 8, registers=32)
    ((2, 7, 1), (1, 3, 8))
    """
    room = 27 if registers == 32 else 12
    best, least = (1, 1, 1), float("inf")
    for down in range(1, min(rows, 8) + 1):
        for across in range(1, min(columns, 9) + 1):
            for outputs in range(1, min(outs, 8) + 1):
                sums = down * across * outputs
                if sums > room:
                    continue
                blocks = -(-rows // down) * -(-columns // across) * -(-outs // outputs)
                loads = 2.0 * across + down * outputs
                per_vector = max(sums, loads, 4) + 0.25 * min(sums, loads)
                cost = blocks * ((height + down - 1) * (vectors * per_vector + 3) + 3 * sums + 20)
                if cost < least:
                    best, least = (down, across, outputs), cost
    return best


@compiled_once
def reduction_function(reduction: Reduction, target: Target) -> Callable[[int], int]:
    """Compile (or look up) the function for one description; it is called with the address of a board."""
    number = Sample("f", 4 if reduction.number == "float" else 8)
    gather = [] if all(reduction.gathered) else [emit_gather(number, number, 1, internal=True)]
    return compile_function(module(*gather, _emit(reduction)), "reduce", ctypes_of({"board": "ptr"}), target)


def _emit(reduction: Reduction) -> Function:
    f = Function("reduce", {"board": "ptr noalias readonly"})
    board = fields(f, FIELDS)
    other = {name: board["other_" + name] for name in ("fill", *_TABLES)}
    size = 4 if reduction.number == "float" else 8
    type_ = vector(reduction.number, reduction.lanes)
    sums = reduction.rows * reduction.columns * reduction.outputs
    vector_bytes = reduction.lanes * size
    zero = "0.0" if reduction.lanes == 1 else "zeroinitializer"
    pitch, other_pitch = f.multiply(board["columns"], size), f.multiply(board["other_columns"], size)
    plane = f.multiply(board["rows"], pitch)
    other_plane = f.multiply(board["other_rows"], other_pitch)

    def item(number: Value) -> None:
        rest, chunk = f.divide(number, board["chunks"])
        rest, channel = f.divide(rest, board["ins"])
        group, block = f.divide(rest, board["blocks"])
        first_out = f.multiply(block, reduction.outputs)
        totals = f.at(board["scratch"], board["totals"])
        others = f.at(board["scratch"], board["other_place"])
        tap_blocks = f.multiply(f.multiply(board["depth"], board["row_blocks"]), board["column_blocks"])

        def clear(k: Value, _: list[Value]) -> list[Value]:
            f.do(f"store {type_} {zero}, ptr {f.at(totals, f.multiply(k, vector_bytes))}, align {size}")
            return []

        f.loop(0, f.multiply(tap_blocks, sums), 1, clear)
        planes = f.multiply(board["images"], board["slices"])
        units = f.multiply(planes, f.multiply(board["row_tiles"], board["column_tiles"]))
        first, _ = f.divide(f.multiply(chunk, units), board["chunks"])
        last, _ = f.divide(f.multiply(f.add(chunk, "1"), units), board["chunks"])

        def unit(number: Value, _: list[Value]) -> list[Value]:
            image, slice_, row, column = tile_of(f, board, number)
            start = f.at(board["source"], f.multiply(image, board["source_image"]))
            index = f.add(f.multiply(group, board["ins"]), channel)
            start = f.at(start, f.multiply(index, board["source_channel"]))
            place = board["scratch"]
            gather_planes(f, board, reduction.number, reduction.gathered[0], start, place, slice_, row, column)
            for o in range(reduction.outputs):
                # If there is no such channel, another one is summed, and the sums are not used.
                inside = f.smaller(f.add(first_out, o), f.subtract(board["outs"], 1))
                index = f.add(f.multiply(group, board["outs"]), inside)
                start = f.at(board["other"], f.multiply(image, board["other_image"]))
                start = f.at(start, f.multiply(index, board["other_channel"]))
                place = f.at(others, f.multiply(other_plane, o)) if o else others
                gather_planes(f, other, reduction.number, reduction.gathered[1], start, place, slice_, row, column)
            each_block(tile)
            return []

        def each_block(body: Callable[[Value, Value, Value, Value], None]) -> None:
            def slices(k: Value, _: list[Value]) -> list[Value]:
                def rows(i: Value, _: list[Value]) -> list[Value]:
                    def columns(j: Value, _: list[Value]) -> list[Value]:
                        index = f.add(f.multiply(k, board["row_blocks"]), i)
                        index = f.add(f.multiply(index, board["column_blocks"]), j)
                        body(k, i, j, f.multiply(index, sums))
                        return []

                    f.loop(0, board["column_blocks"], 1, columns)
                    return []

                f.loop(0, board["row_blocks"], 1, rows)
                return []

            f.loop(0, board["depth"], 1, slices)

        def tile(k: Value, i: Value, j: Value, index: Value) -> None:
            corner = f.at(board["scratch"], f.multiply(k, plane))
            corner = f.at(corner, f.entry(board["row_places"], i))
            corner = f.at(corner, f.entry(board["column_places"], j))
            # Row r of g is multiplied by row r + i of the source; above its first row are `rows - 1` rows of zeros.
            above = f.multiply(other_pitch, reduction.rows - 1)

            def one_row(r: Value, carried: list[Value]) -> list[Value]:
                line = f.at(corner, f.multiply(r, pitch))
                g_line = f.at(f.at(others, above), f.multiply(r, other_pitch))

                def stretch(x: Value, carried: list[Value]) -> list[Value]:
                    shift = f.multiply(x, size)
                    source_place, g_place = f.at(line, shift), f.at(g_line, shift)
                    g_vectors = []
                    for row in range(reduction.rows):
                        for o in range(reduction.outputs):
                            place = f.at(g_place, f.multiply(other_plane, o)) if o else g_place
                            place = f.at(place, f.multiply(other_pitch, -row)) if row else place
                            g_vectors.append(f.value(f"load {type_}, ptr {place}, align {size}"))
                    following: list[Value] = []
                    for tap in range(reduction.columns):
                        place = f.at(source_place, tap * reduction.step * size)
                        sample = f.value(f"load {type_}, ptr {place}, align {size}")
                        for g in g_vectors:
                            before = carried[len(following)]
                            following.append(multiply_add(f, reduction.number, reduction.lanes, sample, g, before))
                    return following

                types = list(zip([type_] * sums, carried, strict=True))
                return f.loop(0, board["tile_width"], reduction.lanes, stretch, types)

            rows = f.add(board["tile_height"], reduction.rows - 1)
            totals_of_tile = f.loop(0, rows, 1, one_row, [(type_, zero)] * sums)
            for n, value in enumerate(totals_of_tile):
                place = f.at(totals, f.multiply(f.add(index, n), vector_bytes))
                total = f.value(f"load {type_}, ptr {place}, align {size}")
                total = f.value(f"fadd {type_} {total}, {value}")
                f.do(f"store {type_} {total}, ptr {place}, align {size}")

        f.loop(first, last, 1, unit)
        result = f.at(board["target"], f.multiply(f.multiply(number, f.multiply(tap_blocks, sums)), size))

        def add_up(k: Value, _: list[Value]) -> list[Value]:
            value = f.value(f"load {type_}, ptr {f.at(totals, f.multiply(k, vector_bytes))}, align {size}")
            lanes = reduction.lanes
            while lanes > 1:  # the halves are added, and so on: a tree, whose rounding errors are small
                parts = []
                for begin in (0, lanes // 2):
                    mask = ", ".join(f"i32 {lane}" for lane in range(begin, begin + lanes // 2))
                    both = f"{vector(reduction.number, lanes)} {value}, {vector(reduction.number, lanes)} poison"
                    parts.append(f.value(f"shufflevector {both}, <{lanes // 2} x i32> <{mask}>"))
                lanes //= 2
                kind = vector(reduction.number, lanes) if lanes > 1 else f"<1 x {reduction.number}>"
                value = f.value(f"fadd {kind} {parts[0]}, {parts[1]}")
                if lanes == 1:
                    value = f.value(f"extractelement {kind} {value}, i32 0")
            f.do(f"store {reduction.number} {value}, ptr {f.at(result, f.multiply(k, size))}, align {size}")
            return []

        f.loop(0, f.multiply(tap_blocks, sums), 1, add_up)

    take_items(f, board, item)
    return f
