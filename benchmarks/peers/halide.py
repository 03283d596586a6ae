"""Halide: filters compiled for the taps of the cell, with a schedule by hand for each kind.

Dense taps: each tile of rows is computed by one core, in vectors, several rows in registers. Outer products: the pass
down the columns is computed for a row of a strip, while it is in the cache, and then the pass along it. Taps are
constants of the code: the best case for Halide, which then leaves out zeros, too.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import halide as hl
import numpy as np
from numpy.typing import NDArray

from cells import Cell, Run
from peers.calls import filling

_MOST_TAPS = 15 * 15  # more are unrolled for minutes
_VECTOR, _ROWS, _STRIP = 16, 4, 64

Taps = NDArray[np.float64]


def runs(cell: Cell, image: NDArray[Any]) -> dict[str, Run]:
    if len(cell.shape) != 2 or len(cell.kernels) > 1 or len(cell.spatial) != 2:
        return {}
    source = _extended(cell, image)
    contenders: dict[str, Run] = {}
    if cell.taps[0].size <= _MOST_TAPS and not cell.terms:
        contenders["Halide dense"] = _compiled(cell, _dense(source, cell.taps[0]))
    if len(cell.terms) == 1:
        contenders["Halide separable"] = _compiled(cell, _separable(source, *cell.terms[0]))
    return contenders


_X, _Y = hl.Var("x"), hl.Var("y")


def _extended(cell: Cell, image: NDArray[Any]) -> Any:
    """Return the array as float32, continued by its reflection."""
    buffer = hl.Buffer(image)
    extended = hl.BoundaryConditions.mirror_image(buffer)
    source = hl.Func("source")
    source[_X, _Y] = hl.f32(extended[_X, _Y])
    return source


def _sum(terms: list[Any]) -> Any:
    return reduce(lambda one, other: one + other, terms)


def _dense(source: Any, taps: Taps) -> Any:
    rows, columns = taps.shape
    terms = [
        source[_X + columns // 2 - column, _Y + rows // 2 - row] * hl.f32(float(taps[row, column]))
        for row, column in zip(*np.nonzero(taps), strict=True)
    ]
    result = hl.Func("dense")
    result[_X, _Y] = _sum(terms)
    return result


def _separable(source: Any, column: Taps, row: Taps) -> Any:
    down, across = hl.Func("down"), hl.Func("across")
    down[_X, _Y] = _sum(
        [source[_X, _Y + column.size // 2 - at] * hl.f32(float(tap)) for at, tap in enumerate(column) if tap]
    )
    across[_X, _Y] = _sum(
        [down[_X + row.size // 2 - at, _Y] * hl.f32(float(tap)) for at, tap in enumerate(row) if tap]
    )
    return _Stages(across, down)


class _Stages:
    """A pass along the rows, and the pass down the columns that it reads."""

    def __init__(self, across: Any, down: Any) -> None:
        self.across, self.down = across, down


def _compiled(cell: Cell, made: Any) -> Run:
    last = made.across if isinstance(made, _Stages) else made
    stored = hl.Func("stored")
    value = last[_X, _Y]
    stored[_X, _Y] = hl.u8(hl.clamp(hl.round(value), 0.0, 255.0)) if cell.dtype == "uint8" else value
    strip, inner, rows = hl.Var("strip"), hl.Var("inner"), hl.Var("rows")
    height = cell.shape[0]
    stored.split(_Y, strip, rows, min(_STRIP, height)).parallel(strip).vectorize(_X, _VECTOR)
    if isinstance(made, _Stages):
        made.down.compute_at(stored, rows).vectorize(_X, _VECTOR)
    else:
        stored.split(rows, rows, inner, min(_ROWS, height)).reorder(inner, _X, rows).unroll(inner)
    out = np.empty(cell.shape, cell.dtype)
    target = hl.Buffer(out)
    stored.compile_jit()
    return filling(out, lambda: stored.realize(target))
