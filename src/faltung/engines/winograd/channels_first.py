"""Samples whose rows are contiguous are transposed in registers, piece by piece: pixels become vectors of channels.

The tiles of a block that are in one row of tiles are a run. For as many channels as a vector has lanes, the rows that
a run reads are transposed into a buffer, and transformed there; outputs take the same way back::

    array       channel 0: row  [ x0 x1 x2 ... ]        buffer    row   x0 [ c0 c1 c2 ... ]
                channel 1: row  [ x0 x1 x2 ... ]   ->                   x1 [ c0 c1 c2 ... ]
"""

from __future__ import annotations

from collections.abc import Callable

from faltung.engines.channels.gathered_planes import first_lanes, load_some, store_some
from faltung.engines.winograd.minimal_filter import values_at_points
from faltung.engines.winograd.tile_writer import TileWriter
from faltung.engines.winograd.vector_numbers import VectorNumbers, in_two_axes
from faltung.ground.extended import FILL
from faltung.jit.ir import Value, vector
from faltung.jit.samples import splat
from faltung.jit.transpose import transpose

__all__ = ["emit_outputs", "emit_values"]

Run = Callable[[Value, Value, Value, Value, Value], None]
"""Emits what is done with a run: image, row and first column of tiles, their number, the place of the first one."""


def _each_run(writer: TileWriter, first: Value, count: Value, body: Run) -> None:
    """Emit `body` for every run of the `count` tiles from tile `first` on."""
    f, board = writer.f, writer.board
    stop = f.add(first, count)
    lines, _ = f.divide(f.add(f.subtract(stop, "1"), board["tile_columns"]), board["tile_columns"])
    line, _ = f.divide(first, board["tile_columns"])

    def one(line: Value, _: list[Value]) -> list[Value]:
        begin = f.multiply(line, board["tile_columns"])
        start = f.larger(begin, first)
        end = f.smaller(f.add(begin, board["tile_columns"]), stop)
        image, row = f.divide(line, board["tile_rows"])
        body(image, row, f.subtract(start, begin), f.subtract(end, start), f.subtract(start, first))
        return []

    f.loop(line, lines, 1, one)


def emit_values(writer: TileWriter, group: Value, first: Value, count: Value) -> None:
    """Emit the transform of the samples of `count` tiles, from tile `first` on, for all channels in of a group."""
    f, board, code, size = writer.f, writer.board, writer.code, writer.size
    points, numbers = writer.filter.points, VectorNumbers(writer.f, code.number, code.lanes)
    buffer = f.at(board["scratch"], board["buffer_place"])
    of_group = f.at(board["source"], f.multiply(f.multiply(group, board["ins"]), board["source_channel"]))

    def run(image: Value, row: Value, column: Value, tiles: Value, place: Value) -> None:
        start = f.at(of_group, f.multiply(image, board["source_image"]))
        columns = f.add(f.multiply(tiles, code.outputs), points - code.outputs)

        def some_channels(channel: Value, _: list[Value]) -> list[Value]:
            top, left = f.multiply(row, code.outputs), f.multiply(column, code.outputs)
            _gather(writer, start, channel, top, left, columns)

            def one_tile(tile: Value, _: list[Value]) -> list[Value]:
                corner = f.at(buffer, f.multiply(tile, code.outputs * writer.vector_bytes))
                samples = []
                for _row in range(points):
                    line = [f.at(corner, j * writer.vector_bytes) for j in range(points)]
                    samples.append([f.value(f"load {numbers.type}, ptr {at}, align {size}") for at in line])
                    corner = f.at(corner, board["buffer_row"])
                target = writer.v_place(f.add(place, tile), channel)
                for values in in_two_axes(values_at_points, writer.filter, samples, numbers):
                    for value in values:
                        f.do(f"store {numbers.type} {value}, ptr {target}, align {size}")
                        target = f.at(target, board["v_point"])
                return []

            f.loop(0, tiles, 1, one_tile)
            return []

        f.loop(0, board["ins"], code.lanes, some_channels)

    _each_run(writer, first, count, run)


def _gather(writer: TileWriter, start: Value, channel: Value, top: Value, left: Value, columns: Value) -> None:
    """Emit the transposition of rows of samples into the buffer, with the fill value outside of the array.

    In modes other than ``constant``, columns outside are then looked up in a table.
    """
    f, board, code, size = writer.f, writer.board, writer.code, writer.size
    lanes, type_ = code.lanes, vector(code.number, code.lanes)
    last = f.subtract(board["ins"], 1)
    channels = [f.add(channel, n) for n in range(lanes)]
    if code.ragged[0]:  # behind the last channel is the last one again, and nobody reads it
        channels = [f.smaller(one, last) for one in channels]
    planes = [f.at(start, f.multiply(one, board["source_channel"])) for one in channels]
    fill = splat(f, f.value(f"load {code.number}, ptr {board['fill']}, align {size}"), code.number, lanes)
    position = f.add(left, board["first_column"])
    # Columns of the run that are in the array: from `begin` on, before `end`.
    begin, end = (
        f.smaller(f.larger(edge, "0"), columns)
        for edge in (f.subtract("0", position), f.subtract(board["columns"], position))
    )
    buffer = f.at(board["scratch"], board["buffer_place"])

    def one_row(y: Value, _: list[Value]) -> list[Value]:
        offset = f.entry(board["row_offsets"], f.add(top, y))
        present = f.value(f"icmp ne i64 {offset}, {FILL}")
        offset = f.value(f"select i1 {present}, i64 {offset}, i64 0")
        line = f.at(buffer, f.multiply(y, board["buffer_row"]))

        def stretch(x: Value, _: list[Value]) -> list[Value]:
            before, after = (first_lanes(f, f.subtract(edge, x), lanes) for edge in (begin, end))
            mask = f.value(f"xor {vector('i1', lanes)} {before}, {after}")
            mask = f.value(f"and {vector('i1', lanes)} {mask}, {splat(f, present, 'i1', lanes)}")
            shift = f.add(offset, f.multiply(f.add(position, x), size))
            rows = [load_some(f, code.number, f.at(plane, shift), mask, fill, lanes) for plane in planes]
            target = f.at(line, f.multiply(x, writer.vector_bytes))
            for n, value in enumerate(transpose(f, rows, code.number)):
                f.do(f"store {type_} {value}, ptr {f.at(target, n * writer.vector_bytes)}, align {size}")
            return []

        f.loop(0, columns, lanes, stretch)
        looked_up = f.value(f"icmp ne i64 {board['looked_up']}, 0")
        with f.when(f.value(f"and i1 {present}, {looked_up}")):
            _look_up(writer, planes, offset, line, left, (begin, end, columns))
        return []

    f.loop(0, writer.filter.points, 1, one_row)


def _look_up(
    writer: TileWriter,
    planes: list[Value],
    offset: Value,
    line: Value,
    left: Value,
    edges: tuple[Value, Value, Value],
) -> None:
    """Emit the look-up of the columns of a row that are outside of the array."""
    f, board, code = writer.f, writer.board, writer.code
    begin, end, columns = edges
    between = f.subtract(end, begin)

    def one(k: Value, _: list[Value]) -> list[Value]:
        late = f.value(f"icmp sge i64 {k}, {begin}")
        x = f.add(k, f.value(f"select i1 {late}, i64 {between}, i64 0"))
        shift = f.entry(board["column_offsets"], f.add(left, x))
        with f.when(f.value(f"icmp ne i64 {shift}, {FILL}")):
            target = f.at(line, f.multiply(x, writer.vector_bytes))
            for n, plane in enumerate(planes):
                place = f.at(plane, f.add(offset, shift))
                value = f.value(f"load {code.number}, ptr {place}, align 1")
                f.do(f"store {code.number} {value}, ptr {f.at(target, n * writer.size)}, align {writer.size}")
        return []

    f.loop(0, f.subtract(columns, between), 1, one)


def emit_outputs(writer: TileWriter, group: Value, panel: Value, panels: Value, first: Value, count: Value) -> None:
    """Emit the transform of the sums of `count` tiles and of some panels, from `panel` on, and store the outputs."""
    f, board, code, size = writer.f, writer.board, writer.code, writer.size
    outputs, vectors = code.outputs, code.block[1]
    numbers = VectorNumbers(f, code.number, code.lanes)
    first_out = f.multiply(panel, vectors * code.lanes)
    after = f.smaller(board["outs"], f.multiply(f.add(panel, panels), vectors * code.lanes))
    buffer = f.at(board["scratch"], board["buffer_place"])
    channels = f.multiply(group, board["outs"])
    start = f.at(board["target"], f.multiply(channels, board["target_channel"]))
    bias_of_group = f.at(board["bias"], f.multiply(channels, size))

    def run(image: Value, row: Value, column: Value, tiles: Value, place: Value) -> None:
        top, left = f.multiply(row, outputs), f.multiply(column, outputs)
        corner = f.at(start, f.multiply(image, board["target_image"]))
        corner = f.at(corner, f.multiply(top, board["target_row"]))
        corner = f.at(corner, f.multiply(left, size))
        rows = f.smaller(f.subtract(board["height"], top), str(outputs))
        columns = f.smaller(f.subtract(board["width"], left), f.multiply(tiles, outputs))

        def some_channels(out: Value, _: list[Value]) -> list[Value]:
            bias = writer.bias(bias_of_group, out)

            def one_tile(tile: Value, _: list[Value]) -> list[Value]:
                values = writer.outputs(f.subtract(out, first_out), f.add(place, tile), bias)
                target = f.at(buffer, f.multiply(tile, outputs * writer.vector_bytes))
                for i in range(outputs):
                    for j in range(outputs):
                        at = f.at(target, j * writer.vector_bytes)
                        f.do(f"store {numbers.type} {values[i * outputs + j]}, ptr {at}, align {size}")
                    target = f.at(target, board["buffer_row"])
                return []

            f.loop(0, tiles, 1, one_tile)
            _scatter(writer, f.at(corner, f.multiply(out, board["target_channel"])), out, rows, columns)
            return []

        f.loop(first_out, after, code.lanes, some_channels)

    _each_run(writer, first, count, run)


def _scatter(writer: TileWriter, corner: Value, out: Value, rows: Value, columns: Value) -> None:
    """Emit the transposition of rows of outputs from the buffer to the planes of as many channels as a vector has."""
    f, board, code, size = writer.f, writer.board, writer.code, writer.size
    lanes, type_ = code.lanes, vector(code.number, code.lanes)
    planes = [corner]
    for _ in range(lanes - 1):
        planes.append(f.at(planes[-1], board["target_channel"]))
    buffer = f.at(board["scratch"], board["buffer_place"])

    def one_row(y: Value, _: list[Value]) -> list[Value]:
        line = f.at(buffer, f.multiply(y, board["buffer_row"]))
        below = f.multiply(y, board["target_row"])

        def stretch(x: Value, _: list[Value]) -> list[Value]:
            source = f.at(line, f.multiply(x, writer.vector_bytes))
            pixels = [
                f.value(f"load {type_}, ptr {f.at(source, n * writer.vector_bytes)}, align {size}")
                for n in range(lanes)
            ]
            found = transpose(f, pixels, code.number)
            left = f.subtract(columns, x)
            shift = f.add(below, f.multiply(x, size))

            def put(whole: bool) -> None:
                for n, (plane, value) in enumerate(zip(planes, found, strict=True)):
                    place = f.at(plane, shift)
                    with writer.when_there_is(f.add(out, n)):
                        if whole:
                            writer.store(value, place)
                        else:
                            store_some(f, code.number, value, place, left, lanes)

            f.either(f.value(f"icmp sge i64 {left}, {lanes}"), lambda: put(True), lambda: put(False))
            return []

        f.loop(0, columns, lanes, stretch)
        return []

    f.loop(0, rows, 1, one_row)
