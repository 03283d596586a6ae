"""Are samples so far apart that a transform loses small ones? A survey of a tile, made while it is loaded.

The rounding error of a transform is relative to the largest sample of the tile. An output suffers if all samples
under the kernel are far smaller. So the tile is cut into *cells*, half as large as the kernel: wherever it is, it
covers one of them. If each cell has a sample that is not far smaller than the largest one, no output suffers. With a
kernel of 3 by 7 taps, cells have 2 rows of 4 columns::

    row 0   | a a a a b b b b c |
    row 1   | a a a a b b b b c |
    row 2   | d d d d e e e e f |

What remains at the ends of rows, as of the other axes, is no whole cell. The survey takes a few instructions for each
vector. It may raise a false alarm, but it never misses a loss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from faltung.jit.ir import Function, Value, vector
from faltung.jit.samples import splat

__all__ = ["RANGE", "Survey", "box_of_taps", "cell", "in_vectors"]

#: Largest sample of a tile over the largest under the kernel, up to which results of the transform are kept: it
#: leaves half of the digits of a single.
RANGE = 4096.0
#: Columns of a cell for which it pays to look for the largest of them.
NARROW = 4


def box_of_taps(taps: NDArray[np.floating]) -> tuple[int, ...]:
    """Return the shape of a large box of taps none of which is zero, anywhere in the kernel."""
    if taps.all():
        return taps.shape
    full, shape = taps != 0, [1] * taps.ndim
    growing = [*range(taps.ndim)] if full.any() else []
    while growing:
        for axis in [*growing]:
            along, more = full.swapaxes(0, axis), shape[axis]
            # Two boxes that overlap, or are next to each other, make a longer one.
            while more and not (longer := along[:-more] & along[more:]).any():
                more //= 2
            if more:
                full, shape[axis] = longer.swapaxes(0, axis), shape[axis] + more
            else:
                growing.remove(axis)
    return tuple(shape)


def cell(slabs: int, rows: int, columns: int, line: int = 0) -> tuple[int, int, int]:
    """Return slabs, rows and columns of the largest cell such that a box of this size covers one wherever it is.

    If rows of `line` columns are one long line, the kernel goes on in the next row.
    """
    if not line:
        narrow = columns + 1 < 2 * NARROW
        return (slabs + 1) // 2, (rows + 1) // 2, 1 if narrow else (columns + 1) // 2
    # Between two whole cells there may be the remainder of a row, or nothing if cells are whole rows.
    tall = (columns + 1) // (2 * line)
    return (1, tall, line) if tall else (1, 1, min((columns + 2) // 3, line))


class Survey:
    """Writes the survey of a tile, row by row.

    Parameters
    ----------
    f : Function
        The function that loads the tile; it has parameters ``cells`` and ``range``.
    number : str
        The number computed with.
    lanes : int
        Numbers in a vector.
    size : sequence of Value
        Slabs, rows and columns of a cell.
    columns : Value
        Columns of the plane.
    """

    def __init__(self, f: Function, number: str, lanes: int, size: Sequence[Value], columns: Value) -> None:
        self._f, self._number, self._lanes = f, number, lanes
        self._bytes = 4 if number == "float" else 8
        self._slabs, self._rows, self._columns = size
        several = f.value(f"icmp ugt i64 {self._slabs}, 1")
        self._row_bytes = f.value(f"select i1 {several}, i64 {f.multiply(columns, self._bytes)}, i64 0")
        # Vectors in a cell: the last one moves left, and of a cell narrower than a vector only the first lanes count.
        rest = f.subtract(self._columns, lanes)
        self._last = f.larger(rest, "0")
        lane = ", ".join(f"i64 {k}" for k in range(lanes))
        wide = splat(f, self._columns, "i64", lanes)
        self._inside = f.value(f"icmp slt <{lanes} x i64> <{lane}>, {wide}")
        for name, value in (("largest", "0.0"), ("quiet", "0x7FF0000000000000")):
            f.do(f"%{name} = alloca {number}")
            f.do(f"store {number} {value}, ptr %{name}")
        for name in ("slab", "row", "offset"):  # of the current row in its cell, and of its cell in the scratch
            f.do(f"%cell.{name} = alloca i64")
            f.do(f"store i64 0, ptr %cell.{name}")

    def begin_row(self, slab: Value, row: Value, rows: Value, columns: Value) -> None:
        """Emit the beginning of a row of a slab with so many rows and columns of samples."""
        f = self._f
        # Counting is faster than to divide for each row.
        with f.when(f.value(f"icmp eq i64 {row}, 0")):
            first = f.value(f"icmp eq i64 {slab}, 0")
            self._set("slab", f.value(f"select i1 {first}, i64 0, i64 {self._next('slab', self._slabs)}"))
            self._set("row", "0")
            self._set("offset", "0")
        slab_of_cell, row_of_cell, offset = (f.value(f"load i64, ptr %cell.{k}") for k in ("slab", "row", "offset"))
        self._place = f.at("%cells", offset)
        with f.when(f.value(f"icmp eq i64 {f.value(f'or i64 {slab_of_cell}, {row_of_cell}')}, 0")):
            in_vectors(f, columns, self._lanes, lambda column, width: self._store(self._zero(width), column, width))
        following = self._next("row", self._rows)
        last_row = f.value(f"icmp eq i64 {following}, 0")
        last_slab = f.value(f"icmp eq i64 {f.add(slab_of_cell, 1)}, {self._slabs}")
        self._ends = f.value(f"and i1 {last_row}, {last_slab}")
        last = f.value(f"icmp eq i64 {f.add(row, 1)}, {rows}")
        self._closes = f.value(f"or i1 {last_row}, {last}")
        self._set("row", following)
        self._set("offset", f.add(offset, f.value(f"select i1 {last_row}, i64 {self._row_bytes}, i64 0")))

    def note(self, column: Value, samples: Value, width: int) -> None:
        """Emit the survey of some samples of the row."""
        f, integer, suffix = self._f, f"i{8 * self._bytes}", f"{f'v{width}' if width > 1 else ''}i{8 * self._bytes}"
        type_ = vector(integer, width)
        # The magnitudes of floats are ordered like their bits without the sign, and a NaN is larger than all.
        bits = f.value(f"bitcast {vector(self._number, width)} {samples} to {type_}")
        magnitude = splat(f, str((1 << (8 * self._bytes - 1)) - 1), integer, width)
        size = f.value(f"and {type_} {bits}, {magnitude}")
        place = f.at(self._place, f.multiply(column, self._bytes))
        before = f.value(f"load {type_}, ptr {place}, align {self._bytes}")
        size = f.call(f"llvm.smax.{suffix}", type_, (type_, size), (type_, before))
        f.do(f"store {type_} {size}, ptr {place}, align {self._bytes}")

    def end_row(self, count: Value, columns: Value) -> None:
        """Emit the end of a row of `count` samples: at the last row of cells, these are looked at."""
        f = self._f
        with f.when(self._closes):
            self._over("largest", "ogt", columns)
        with f.when(self._ends):
            single = f.value(f"icmp eq i64 {self._columns}, 1")
            f.either(single, lambda: self._over("quiet", "olt", count), lambda: self._cells(count))

    def give_back(self) -> None:
        """Emit the store of the results: the largest sample, and the least of the largest samples of all cells."""
        for k, name in enumerate(("largest", "quiet")):
            place = self._f.at("%range", k * self._bytes)
            self._f.do(f"store {self._number} {self._value(name)}, ptr {place}, align {self._bytes}")

    def _over(self, name: str, comparison: str, count: Value) -> None:
        """Emit the extreme of all columns."""
        f, lanes, number = self._f, self._lanes, self._number
        first = splat(f, self._value(name), number, lanes)

        def vectors(column: Value, extreme: list[Value]) -> list[Value]:
            sizes = self._load(self._place, f.smaller(column, f.subtract(count, lanes)), lanes)
            return [self._chosen(comparison, sizes, extreme[0], lanes)]

        def singly(column: Value, extreme: list[Value]) -> list[Value]:
            return [self._chosen(comparison, self._load(self._place, column, 1), extreme[0], 1)]

        fits = f.value(f"icmp sge i64 {count}, {lanes}")
        wide = f.value(f"select i1 {fits}, i64 {count}, i64 0")
        (several,) = f.loop(0, wide, lanes, vectors, [(vector(number, lanes), first)])
        reduced = self._reduced("fmax" if comparison == "ogt" else "fmin", several)
        (extreme,) = f.loop(wide, count, 1, singly, [(number, reduced)])
        f.do(f"store {number} {extreme}, ptr %{name}")

    def _cells(self, count: Value) -> None:
        """Emit the least of the largest samples of the whole cells."""
        f, lanes, number = self._f, self._lanes, self._number
        type_, zero = vector(number, lanes), self._zero(lanes)

        def one_cell(start: Value, quiet: list[Value]) -> list[Value]:
            first = f.at(self._place, f.multiply(start, self._bytes))

            def one_vector(column: Value, largest: list[Value]) -> list[Value]:
                sizes = self._load(first, f.smaller(column, self._last), lanes)
                sizes = f.value(f"select <{lanes} x i1> {self._inside}, {type_} {sizes}, {type_} {zero}")
                return [self._chosen("ogt", sizes, largest[0], lanes)]

            (largest,) = f.loop(0, self._columns, lanes, one_vector, [(type_, zero)])
            return [self._chosen("olt", self._reduced("fmax", largest), quiet[0], 1)]

        stop = f.add(f.subtract(count, self._columns), 1)
        (quiet,) = f.loop(0, stop, self._columns, one_cell, [(number, self._value("quiet"))])
        f.do(f"store {number} {quiet}, ptr %quiet")

    def _next(self, name: str, count: Value) -> Value:
        """Return the number that follows in a cell of so many: zero after the last one."""
        following = self._f.add(self._f.value(f"load i64, ptr %cell.{name}"), 1)
        past = self._f.value(f"icmp eq i64 {following}, {count}")
        return self._f.value(f"select i1 {past}, i64 0, i64 {following}")

    def _set(self, name: str, value: Value) -> None:
        self._f.do(f"store i64 {value}, ptr %cell.{name}")

    def _chosen(self, comparison: str, a: Value, b: Value, width: int) -> Value:
        """Return `a` where it compares with `b`, and `b` elsewhere."""
        f, type_ = self._f, vector(self._number, width)
        first = f.value(f"fcmp {comparison} {type_} {a}, {b}")
        return f.value(f"select {vector('i1', width)} {first}, {type_} {a}, {type_} {b}")

    def _value(self, name: str) -> Value:
        return self._f.value(f"load {self._number}, ptr %{name}")

    def _store(self, sizes: Value, column: Value, width: int) -> None:
        place = self._f.at(self._place, self._f.multiply(column, self._bytes))
        self._f.do(f"store {vector(self._number, width)} {sizes}, ptr {place}, align {self._bytes}")

    def _load(self, row: Value, column: Value, width: int) -> Value:
        place = self._f.at(row, self._f.multiply(column, self._bytes))
        return self._f.value(f"load {vector(self._number, width)}, ptr {place}, align {self._bytes}")

    def _reduced(self, reduction: str, values: Value) -> Value:
        name, type_ = f"llvm.vector.reduce.{reduction}.{self._suffix(self._lanes)}", vector(self._number, self._lanes)
        self._f.declarations.setdefault(name, f"declare {self._number} @{name}({type_})")
        return self._f.value(f"call nnan {self._number} @{name}({type_} {values})")  # a NaN is noted elsewhere

    def _zero(self, width: int) -> Value:
        return "0.0" if width == 1 else "zeroinitializer"

    def _suffix(self, width: int) -> str:
        return f"{f'v{width}' if width > 1 else ''}f{8 * self._bytes}"


def in_vectors(f: Function, count: Value, lanes: int, body: Callable[[Value, int], None]) -> None:
    """Emit ``body(column, width)`` over columns in vectors, of which the last moves left; singly if none fits."""

    def over(stop: Value, last: Value, width: int) -> None:
        def once(column: Value, _: list[Value]) -> list[Value]:
            body(f.smaller(column, last), width)
            return []

        f.loop(0, stop, width, once)

    if lanes > 1:
        fits = f.value(f"icmp sge i64 {count}, {lanes}")
        wide = f.value(f"select i1 {fits}, i64 {count}, i64 0")
        over(wide, f.subtract(count, lanes), lanes)
        count = f.subtract(count, wide)
    over(count, count, 1)
