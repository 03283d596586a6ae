"""Transposition in registers: rows become columns, for as many vectors as a vector has lanes."""

from __future__ import annotations

from faltung.jit.ir import Function, Value, vector

__all__ = ["transpose"]


def transpose(f: Function, rows: list[Value], number: str) -> list[Value]:
    """Emit the transposition of a square matrix, given its rows as vectors; return its columns.

    Square blocks of half the size change places across the diagonal, then blocks of a quarter of the size within each
    of them, down to single numbers (Eklundh's algorithm). With 4 lanes::

        00 01 02 03        00 01 20 21        00 10 20 30
        10 11 12 13   ->   10 11 30 31   ->   01 11 21 31
        20 21 22 23        02 03 22 23        02 12 22 32
        30 31 32 33        12 13 32 33        03 13 23 33
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
