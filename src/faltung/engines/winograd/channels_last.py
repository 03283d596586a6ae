"""Samples whose channels are contiguous are read and written in place: a vector holds channels of one pixel."""

from __future__ import annotations

from faltung.engines.channels.gathered_planes import first_lanes, load_some, store_some
from faltung.engines.winograd.minimal_filter import values_at_points
from faltung.engines.winograd.tile_writer import TileWriter
from faltung.engines.winograd.vector_numbers import VectorNumbers, in_two_axes
from faltung.ground.extended import FILL
from faltung.jit.ir import Value

__all__ = ["emit_outputs", "emit_values"]


def emit_values(writer: TileWriter, group: Value, first: Value, count: Value) -> None:
    """Emit the transform of the samples of `count` tiles, from tile `first` on, for all channels in of a group."""
    f, board, code, size = writer.f, writer.board, writer.code, writer.size
    points, numbers = writer.filter.points, VectorNumbers(writer.f, code.number, code.lanes)
    source = f.at(board["source"], f.multiply(f.multiply(group, board["ins"]), size))

    def one_tile(tile: Value, _: list[Value]) -> list[Value]:
        image, row, column = writer.place_of_tile(f.add(first, tile))
        start = f.at(source, f.multiply(image, board["source_image"]))
        rows, columns = (
            [f.entry(board[name], f.add(f.multiply(place, code.outputs), k)) for k in range(points)]
            for name, place in (("row_offsets", row), ("column_offsets", column))
        )
        outside = [[f.value(f"icmp eq i64 {offset}, {FILL}") for offset in offsets] for offsets in (rows, columns)]
        lines = [f.at(start, offset) for offset in rows]
        for i in range(points):
            for j in range(points):
                either = f.value(f"or i1 {outside[0][i]}, {outside[1][j]}")
                place = f.value(f"select i1 {either}, ptr {board['fill']}, ptr {f.at(lines[i], columns[j])}")
                f.do(f"store ptr {place}, ptr {f.at(writer.places, 8 * (i * points + j))}")

        def some_channels(channel: Value, _: list[Value]) -> list[Value]:
            shift = f.multiply(channel, size)
            mask = first_lanes(f, f.subtract(board["ins"], channel), code.lanes) if code.ragged[0] else ""

            def sample(k: int) -> Value:
                place = f.at(f.value(f"load ptr, ptr {f.at(writer.places, 8 * k)}"), shift)
                if mask:
                    return load_some(f, code.number, place, mask, "zeroinitializer", code.lanes)
                return f.value(f"load {numbers.type}, ptr {place}, align 1")

            samples = [[sample(i * points + j) for j in range(points)] for i in range(points)]
            place = writer.v_place(tile, channel)
            for values in in_two_axes(values_at_points, writer.filter, samples, numbers):
                for value in values:
                    f.do(f"store {numbers.type} {value}, ptr {place}, align {size}")
                    place = f.at(place, board["v_point"])
            return []

        f.loop(0, board["ins"], code.lanes, some_channels)
        return []

    f.loop(0, count, 1, one_tile)


def emit_outputs(writer: TileWriter, group: Value, panel: Value, panels: Value, first: Value, count: Value) -> None:
    """Emit the transform of the sums of `count` tiles and of some panels, from `panel` on, and store the outputs."""
    f, board, code, size = writer.f, writer.board, writer.code, writer.size
    outputs, vectors = code.outputs, code.block[1]
    first_out = f.multiply(panel, vectors * code.lanes)
    after = f.smaller(board["outs"], f.multiply(f.add(panel, panels), vectors * code.lanes))
    spare = f.at(board["scratch"], board["spare_place"])
    start = f.at(board["target"], f.multiply(f.multiply(group, board["outs"]), size))
    bias_of_group = f.at(board["bias"], f.multiply(f.multiply(group, board["outs"]), size))

    def one_tile(tile: Value, _: list[Value]) -> list[Value]:
        image, row, column = writer.place_of_tile(f.add(first, tile))
        top, left = f.multiply(row, outputs), f.multiply(column, outputs)
        corner = f.at(start, f.multiply(image, board["target_image"]))
        corner = f.at(corner, f.multiply(top, board["target_row"]))
        corner = f.at(corner, f.multiply(left, board["target_column"]))
        for i in range(outputs):
            line = f.at(corner, f.multiply(board["target_row"], i)) if i else corner
            for j in range(outputs):
                # What is behind the last row or column goes to memory that nobody reads.
                place = f.at(line, f.multiply(board["target_column"], j)) if j else line
                below = f.value(f"icmp sge i64 {f.add(top, i)}, {board['height']}")
                right = f.value(f"icmp sge i64 {f.add(left, j)}, {board['width']}")
                beyond = f.value(f"or i1 {below}, {right}")
                place = f.value(f"select i1 {beyond}, ptr {spare}, ptr {place}")
                f.do(f"store ptr {place}, ptr {f.at(writer.places, 8 * (i * outputs + j))}")

        def some_channels(out: Value, _: list[Value]) -> list[Value]:
            values = writer.outputs(f.subtract(out, first_out), tile, writer.bias(bias_of_group, out))
            shift = f.multiply(out, size)
            for k, value in enumerate(values):
                place = f.at(f.value(f"load ptr, ptr {f.at(writer.places, 8 * k)}"), shift)
                if code.ragged[1]:
                    store_some(f, code.number, value, place, f.subtract(board["outs"], out), code.lanes)
                else:
                    writer.store(value, place)
            return []

        f.loop(first_out, after, code.lanes, some_channels)
        return []

    f.loop(0, count, 1, one_tile)
