"""Machine code for a layer of 3 x 3 kernels in Winograd's tiles, block by block in the cache.

One function serves all threads. An item is a block of tiles of one group of channels, and a part of the channels
out::

    transform the samples of every tile and channel in:     V[point, tile, in]
    for each pass of channels out:
        for each point: M[point, tile, out] = V[point] U[point]   (`point_products`; U: the transformed taps)
        transform M back, add the bias, store

Tiles are numbered along rows, then from row to row, then from image to image, and a block is a range of numbers. If
a thread's next item is another part of the channels out of the same block, V is still there.

The first items compare the taps with those that were transformed. If they differ, the status says so, and the tiles
are left out. The next items find out how far apart the samples are (`sample_sizes`).
"""

from __future__ import annotations

from collections.abc import Callable

from faltung.engines.channels.channel_code import take_items
from faltung.engines.winograd import channels_first, channels_last
from faltung.engines.winograd.point_products import emit_product
from faltung.engines.winograd.sample_sizes import emit_sizes
from faltung.engines.winograd.tile_writer import CHANGED, CHECKED, TileCode, TileWriter
from faltung.jit.compile import compile_function, compiled_once, ctypes_of
from faltung.jit.ir import Function, Value, module
from faltung.jit.target import Target

__all__ = ["tile_function"]


@compiled_once
def tile_function(code: TileCode, target: Target) -> Callable[[int], int]:
    """Compile (or look up) the function for one description; it is called with the address of a board."""
    return compile_function(module(_emit(code)), "fill", ctypes_of({"board": "ptr"}), target)


def _emit(code: TileCode) -> Function:
    writer = TileWriter(code)
    f, board = writer.f, writer.board
    kept = f.value("alloca i64")
    f.do(f"store i64 -1, ptr {kept}")
    read = (channels_first if code.planes[0] else channels_last).emit_values
    write = (channels_first if code.planes[1] else channels_last).emit_outputs

    def item(number: Value) -> None:
        checked = f.value(f"icmp slt i64 {number}, {board['checks']}")
        f.either(checked, lambda: _check(writer, number), lambda: of_samples(f.subtract(number, board["checks"])))

    def of_samples(number: Value) -> None:
        surveyed = f.value(f"icmp slt i64 {number}, {board['surveys']}")
        rest = f.subtract(number, board["surveys"])
        f.either(surveyed, lambda: emit_sizes(writer, number), lambda: unless_changed(rest))

    def unless_changed(number: Value) -> None:
        status = f.value(f"load atomic i64, ptr {f.at(board['claims'], 16)} monotonic, align 8")
        with f.when(f.value(f"icmp ult i64 {status}, {CHANGED}")):
            block_of_tiles(number)

    def block_of_tiles(number: Value) -> None:
        rest, part = f.divide(number, board["parts"])
        block, group = f.divide(rest, board["groups"])
        first = f.multiply(block, board["block"])
        count = f.smaller(board["block"], f.subtract(board["tiles"], first))
        before = f.value(f"load i64, ptr {kept}")
        with f.when(f.value(f"icmp ne i64 {before}, {rest}")):
            read(writer, group, first, count)
            f.do(f"store i64 {rest}, ptr {kept}")
        begin = f.multiply(part, board["part_panels"])
        end = f.smaller(f.add(begin, board["part_panels"]), board["all_panels"])

        def one_pass(panel: Value, _: list[Value]) -> list[Value]:
            panels = f.smaller(board["pass_panels"], f.subtract(end, panel))
            _products(writer, f.add(f.multiply(group, board["all_panels"]), panel), panels, count)
            write(writer, group, panel, panels, first, count)
            return []

        f.loop(begin, end, board["pass_panels"], one_pass)

    take_items(f, board, item, writer.guard)
    return f


def _check(writer: TileWriter, number: Value) -> None:
    """Emit the comparison of some bytes of the taps."""
    f, board, wide = writer.f, writer.board, "<8 x i64>"
    start = f.multiply(number, CHECKED)
    stop = f.smaller(f.add(start, CHECKED), board["raw_bytes"])
    raw, copy = (f.value(f"inttoptr i64 {board[name]} to ptr") for name in ("raw", "raw_copy"))
    count = f.subtract(stop, start)
    whole = f.add(start, f.value(f"and i64 {count}, -64"))

    def different(type_: str, k: Value, before: Value) -> Value:
        a, b = (f.value(f"load {type_}, ptr {f.at(taps, k)}, align 1") for taps in (raw, copy))
        return f.value(f"or {type_} {before}, {f.value(f'xor {type_} {a}, {b}')}")

    (vectors,) = f.loop(
        start, whole, 64, lambda k, carried: [different(wide, k, carried[0])], [(wide, "zeroinitializer")]
    )
    (rest,) = f.loop(whole, stop, 4, lambda k, carried: [different("i32", k, carried[0])], [("i32", "0")])
    some = f.value(f"icmp ne {wide} {vectors}, zeroinitializer")
    some = f.value(f"icmp ne i8 {f.value(f'bitcast <8 x i1> {some} to i8')}, 0")
    changed = f.value(f"or i1 {some}, {f.value(f'icmp ne i32 {rest}, 0')}")
    bit = f.value(f"select i1 {changed}, i64 {CHANGED}, i64 0")
    f.value(f"atomicrmw or ptr {f.at(board['claims'], 16)}, i64 {bit} monotonic")


def _products(writer: TileWriter, first: Value, panels: Value, count: Value) -> None:
    """Emit the products of all points for some panels, of which the first has this number in U."""
    f, board, code = writer.f, writer.board, writer.code
    tiles, vectors = code.block

    def one_point(point: Value, _: list[Value]) -> list[Value]:
        v = f.at(board["scratch"], f.multiply(point, board["v_point"]))
        u = f.at(board["taps"], f.multiply(point, board["point_bytes"]))
        m = f.at(writer.m_place("0", "0", "0"), f.multiply(point, board["m_point"]))

        def one_panel(panel: Value, _: list[Value]) -> list[Value]:
            u_panel = f.at(u, f.multiply(f.add(first, panel), board["panel_bytes"]))
            m_panel = f.at(m, f.multiply(panel, board["m_panel"]))

            def some_tiles(tile: Value, _: list[Value]) -> list[Value]:
                v_tile = f.at(v, f.multiply(tile, code.depth * writer.size))
                m_tile = f.at(m_panel, f.multiply(tile, vectors * writer.vector_bytes))
                emit_product(
                    f,
                    code.number,
                    code.lanes,
                    code.block,
                    code.depth,
                    board["ins"],
                    v_tile,
                    board["v_block"],
                    u_panel,
                    m_tile,
                )
                return []

            f.loop(0, count, tiles, some_tiles)
            return []

        f.loop(0, panels, 1, one_panel)
        return []

    f.loop(0, writer.filter.points**2, 1, one_point)
