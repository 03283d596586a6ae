"""Machine code for a layer of 3 x 3 kernels in Winograd's tiles, block by block in the cache.

One function serves all threads. An item is a block of tiles of one group of channels, and a part of the channels
out::

    transform the samples of every tile and channel in:     V[point, tile, in]
    for each pass of channels out:
        for each point: M[point, tile, out] = V[point] U[point]   (`point_products`; U: the transformed taps)
        transform M back, add the bias, store

Tiles are numbered along rows, then from row to row, then from image to image, and a block is a range of numbers. If
a thread's next item is another part of the channels out of the same block, V is still there.
"""

from __future__ import annotations

from collections.abc import Callable

from faltung.engines.channels.channel_code import take_items
from faltung.engines.winograd import channels_first, channels_last
from faltung.engines.winograd.point_products import emit_product
from faltung.engines.winograd.tile_writer import TileCode, TileWriter
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
