"""Which outputs does a function compute, and in which order? Slice by slice, strip by strip, vector by vector."""

from __future__ import annotations

from collections.abc import Callable

from faltung.jit.ir import Function, Value

__all__ = ["PARAMETERS", "along", "emit_strips"]

PARAMETERS = {
    "source": "ptr noalias readonly",
    "target": "ptr noalias",
    "taps": "ptr noalias readonly",  # words: the head (see `HEAD`), then pairs of taps, each of 16 bits
    "between": "ptr noalias",  # scratch
    "source_slices": "ptr noalias readonly",  # byte offset of each two-dimensional slice
    "target_slices": "ptr noalias readonly",
    "slices": "i64",
    "height": "i64",
    "width": "i64",  # samples of a row, at least as many as a vector has lanes
    "extended": "i64",  # samples of a row of the source
    "pitch": "i64",  # samples of a row of scratch
    "source_stride": "i64",
    "target_stride": "i64",
}


def emit_strips(f: Function, block: int, strip: Callable[[int, Value, Value], None]) -> None:
    """Emit strips of `block` rows for every slice, or of one row where there are fewer rows than that.

    The last strip moves up to end with the block. `strip` emits one, given its rows and where source and target are.
    """

    def strips(rows: int, source: Value, target: Value) -> None:
        last = f.subtract("%height", rows)

        def one_strip(row: Value, _: list[Value]) -> list[Value]:
            row = f.smaller(row, last)
            places = f.at(source, f.multiply(row, "%source_stride")), f.at(target, f.multiply(row, "%target_stride"))
            strip(rows, *places)
            return []

        f.loop(0, "%height", rows, one_strip)

    def one_slice(index: Value, _: list[Value]) -> list[Value]:
        source = f.at("%source", f.entry("%source_slices", index))
        target = f.at("%target", f.entry("%target_slices", index))
        enough = f.value(f"icmp sge i64 %height, {block}")
        f.either(enough, lambda: strips(block, source, target), lambda: strips(1, source, target))
        return []

    f.loop(0, "%slices", 1, one_slice)
    f.do("ret i32 0")


def along(f: Function, count: Value, step: int, body: Callable[[Value], None]) -> None:
    """Emit `body` for every `step` samples of a row; the last ones move left to end with the row."""
    last = f.subtract(count, step)

    def one(column: Value, _: list[Value]) -> list[Value]:
        body(f.smaller(column, last))
        return []

    f.loop(0, count, step, one)
