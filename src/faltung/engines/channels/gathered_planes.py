"""Machine code that gathers the planes of a tile row by row, and loads and stores of some lanes of a vector."""

from __future__ import annotations

from faltung.ground.extended import FILL
from faltung.jit.ir import Function, Value, vector
from faltung.jit.samples import splat

__all__ = ["first_lanes", "gather_planes", "load_some", "store_some"]


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
        type_ = vector(number, lanes)

        def one_row(y: Value, _: list[Value]) -> list[Value]:
            offset, line = f.entry(rows, y), f.at(target, f.multiply(y, pitch))

            def put(x: Value, samples: Value) -> None:
                f.do(f"store {type_} {samples}, ptr {f.at(line, f.multiply(x, size))}, align {size}")

            def fill_at(x: Value, _: list[Value]) -> list[Value]:
                put(x, fill)
                return []

            def filled() -> None:
                f.loop(0, board["columns"], lanes, fill_at)

            def copied() -> None:
                row = f.at(start, offset)

                def stretch(x: Value, _: list[Value]) -> list[Value]:
                    place = f.at(row, f.multiply(x, size))
                    low, high = f"icmp sge i64 {x}, {first}", f"icmp sle i64 {f.add(x, lanes)}, {stop}"

                    def some() -> None:
                        before, after = (first_lanes(f, f.subtract(edge, x), lanes) for edge in (first, stop))
                        mask = f.value(f"xor {vector('i1', lanes)} {before}, {after}")
                        put(x, load_some(f, number, place, mask, fill, lanes))

                    inside = f.value(f"and i1 {f.value(low)}, {f.value(high)}")
                    whole = f"load {type_}, ptr {place}, align {size}"
                    f.either(inside, lambda: put(x, f.value(whole)), some)
                    return []

                f.loop(0, board["columns"], lanes, stretch)

            f.either(f.value(f"icmp eq i64 {offset}, {FILL}"), filled, copied)
            return []

        f.loop(0, board["rows"], 1, one_row)

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
    """Emit the load of those numbers of a vector whose bit in the mask is set; the lanes between are `others`."""
    type_, bits = vector(number, lanes), vector("i1", lanes)
    name = f"llvm.masked.load.v{lanes}{'f32' if number == 'float' else 'f64'}.p0"
    f.declarations.setdefault(name, f"declare {type_} @{name}(ptr, i32 immarg, {bits}, {type_})")
    size = 4 if number == "float" else 8
    return f.value(f"call {type_} @{name}(ptr {place}, i32 {size}, {bits} {mask}, {type_} {others})")


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
