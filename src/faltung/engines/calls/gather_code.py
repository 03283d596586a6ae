"""Machine code that gathers a block through tables of offsets: so the extended source of a tile comes into scratch.

The tables hold a byte offset into the source for each row and each column of the block. So reflections, strides of
any sign and byte orders need no code of their own. Samples are converted to what the engine reads. A row of the block
is copied in three parts; the inner columns are contiguous in the source::

    columns     0 1 2 | 3 4 5 6 7 8 9 ... 90 91 | 92 93
    by          table   vectors of samples        table

The last vector moves left, to end with the inner columns. An offset of `FILL` means a position outside the array,
whose value is the fill.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from faltung.ground.extended import FILL
from faltung.jit.compile import compile_function, compiled_once, ctypes_of
from faltung.jit.ir import Function, Value, module
from faltung.jit.samples import Sample, load, sample, store
from faltung.jit.target import Target

__all__ = ["INNER", "PARAMETERS", "emit", "gather_function"]

#: Fewest contiguous columns that are moved as vectors: no vector has more lanes.
INNER = 16

PARAMETERS = {
    "source": "ptr noalias readonly",
    "target": "ptr noalias",  # rows one after the other, without gaps
    "fill": "ptr noalias readonly",  # the value outside the array, for each channel, in the dtype of the target
    "channels": "i64",  # number of interleaved channels
    "row_offsets": "ptr noalias readonly",
    "rows": "i64",
    "column_offsets": "ptr noalias readonly",  # for all columns but the inner ones
    "columns": "i64",
    "inner_start": "i64",  # the inner columns, contiguous in the source: none, or at least `INNER`
    "inner_stop": "i64",
    "inner_offset": "i64",  # byte offset of the first of them
}


@compiled_once
def gather_function(source: np.dtype, target: np.dtype, processor: Target) -> Callable[..., int]:
    """Compile (or look up) the function that gathers `source` samples into `target` samples."""
    wide = "double" if 8 in (source.itemsize, target.itemsize) else "float"
    text = module(emit(sample(source), sample(target), processor.lanes(wide)))
    return compile_function(text, "gather", ctypes_of(PARAMETERS), processor)


def emit(source: Sample, target: Sample, lanes: int, internal: bool = False) -> Function:
    """Write the function that gathers, with the parameters `PARAMETERS`; there are `lanes` inner columns or none."""
    f = Function("gather", PARAMETERS, internal)
    number = "double" if target.bytes == 8 or source.bytes == 8 else "float"
    width = f.multiply("%columns", target.bytes)

    def move(start: Value, place: Value, count: int) -> None:
        if source == target:  # copied: a conversion would change 64-bit integers and the payload of a NaN
            kind = source.type if count == 1 else f"<{count} x {source.type}>"
            samples = f.value(f"load {kind}, ptr {start}, align 1")
            f.do(f"store {kind} {samples}, ptr {place}, align 1")
        else:
            store(f, number, load(f, start, source, number, count), place, target, count)

    def put_fill(column: Value, place: Value) -> None:
        channel = f.value(f"urem i64 {column}, %channels")
        fill = f.value(f"load {target.type}, ptr {f.at('%fill', f.multiply(channel, target.bytes))}, align 1")
        f.do(f"store {target.type} {fill}, ptr {place}, align 1")

    def row(index: Value, _: list[Value]) -> list[Value]:
        offset = f.entry("%row_offsets", index)
        row_place = f.at("%target", f.multiply(index, width))

        def place_of(column: Value) -> Value:
            return f.at(row_place, f.multiply(column, target.bytes))

        def fill_row() -> None:
            def one(column: Value, _: list[Value]) -> list[Value]:
                put_fill(column, place_of(column))
                return []

            f.loop(0, "%columns", 1, one)

        def copy_row() -> None:
            start = f.at("%source", offset)

            def one(entry: Value, column: Value) -> list[Value]:
                shift, place = f.entry("%column_offsets", entry), place_of(column)
                outside = f.value(f"icmp eq i64 {shift}, {FILL}")
                f.either(outside, lambda: put_fill(column, place), lambda: move(f.at(start, shift), place, 1))
                return []

            def vector_of_columns(column: Value, _: list[Value]) -> list[Value]:
                column = f.smaller(column, f.subtract("%inner_stop", lanes))
                shift = f.multiply(f.subtract(column, "%inner_start"), source.bytes)
                move(f.at(inner, shift), place_of(column), lanes)
                return []

            inner = f.at(start, "%inner_offset")
            count = f.subtract("%inner_stop", "%inner_start")
            f.loop(0, "%inner_start", 1, lambda column, _: one(column, column))
            f.loop("%inner_start", "%inner_stop", lanes, vector_of_columns)
            f.loop("%inner_stop", "%columns", 1, lambda column, _: one(f.subtract(column, count), column))

        f.either(f.value(f"icmp eq i64 {offset}, {FILL}"), fill_row, copy_row)
        return []

    f.loop(0, "%rows", 1, row)
    f.do("ret i32 0")
    return f
