"""Transposition in registers: as many vectors as a vector has lanes, rows to columns."""

from __future__ import annotations

from faltung.jit.ir import Function, Value, vector

__all__ = ["transpose"]


def transpose(f: Function, rows: list[Value], number: str) -> list[Value]:
    """Columns of a square matrix of which each of `rows` is a vector.

    Blocks of half the size change places across the diagonal, then blocks of a quarter in each of them, down to
    single numbers (Eklundh's algorithm)::

        a b    a c      of square blocks a, b, c, d
        c d -> b d
    """
    lanes = len(rows)
    type_ = vector(number, lanes)
    rows, half = list(rows), lanes // 2
    while half:
        upper = [lane if not lane & half else lanes + lane - half for lane in range(lanes)]
        lower = [lane + half if not lane & half else lanes + lane for lane in range(lanes)]
        for k in range(lanes):
            if not k & half:
                pair = rows[k], rows[k + half]
                rows[k], rows[k + half] = (_shuffle(f, type_, pair, mask) for mask in (upper, lower))
        half //= 2
    return rows


def _shuffle(f: Function, type_: str, pair: tuple[Value, Value], mask: list[int]) -> Value:
    lanes = ", ".join(f"i32 {lane}" for lane in mask)
    return f.value(f"shufflevector {type_} {pair[0]}, {type_} {pair[1]}, <{len(mask)} x i32> <{lanes}>")
