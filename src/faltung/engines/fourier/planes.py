"""Machine code that loads samples into planes and stores results from them, tile after tile.

An *item* is one tile of one channel. Two items share a complex transform, one as its real and one as its imaginary
part. The rest of the plane, beyond the samples of an item, is zero::

    item    s s s s s       plane    s s s s s 0 0 0
            s s s s s                s s s s s 0 0 0
                                     0 0 0 0 0 0 0 0

A table says what is read and written for each item; nothing outside of that is touched.
"""

from __future__ import annotations

from collections.abc import Callable

from faltung.engines.fourier.butterfly import call, for_range
from faltung.engines.fourier.survey import RANGE, Survey, in_vectors
from faltung.engines.fourier.transform import FILTER, PAIR, TILE
from faltung.jit.ir import Function, Value, vector
from faltung.jit.samples import Sample, broadcast, load, splat, store

__all__ = [
    "APART",
    "BANK",
    "BLOCK",
    "COMMON",
    "INFINITE",
    "ITEM",
    "LOAD",
    "PAIRS",
    "STORE",
    "bank",
    "load_plane",
    "pairs",
    "store_plane",
]

#: Entries of the table of an item: byte offsets, and how many slabs, rows and columns are read and written. If rows
#: are one long line, they hold `source_length` and `target_length` samples together, and the last may be shorter.
ITEM = (
    "source",
    "source_slabs",
    "source_rows",
    "source_columns",
    "source_length",
    "target",
    "target_slabs",
    "target_rows",
    "target_columns",
    "target_length",
)
#: Slabs, rows and columns of a cell (see `survey`).
CELL = ("cell_slabs", "cell_rows", "cell_columns")
#: Entries of the table of a block: bytes from slab to slab and from row to row, and the columns from one row to the
#: next in a long line (0 if the rows are not one line).
BLOCK = ("source_slab", "source_row", "target_slab", "target_row", "line", *CELL)

#: The numbers of a kernel: what results are multiplied by; the least result if no sample is negative, and if one is;
#: what results are divided by, if they are.
NUMBERS = ("scale", "least", "least of all", "divisor")

#: The status of a transform: a result is not finite, or samples are so far apart that small ones may be lost.
INFINITE, APART = 1, 2

LOAD = {
    "source": "ptr",
    "plane": "ptr",
    "tile": "ptr",
    "block": "ptr",
    "item": "ptr",
    "range": "ptr",  # results: the largest sample, and the least of the largest samples of all cells (see `survey`)
    "cells": "ptr",  # scratch for a number for each column
}
STORE = {
    "plane": "ptr",
    "target": "ptr",
    "tile": "ptr",
    "block": "ptr",
    "item": "ptr",
    "scale": "ptr",  # the first of the `NUMBERS` of a kernel
    "least": "ptr",  # the number that no result is below
}
COMMON = {
    "plane": "ptr",
    "buffer": "ptr",
    "spectra": "ptr",
    "cells": "ptr",
    "spectrum": "ptr",
    "tile": "ptr",
    "block": "ptr",
    "items": "ptr",  # `PAIR`, and `ITEM` twice, for each complex transform
    "count": "i64",  # number of these transforms
    "numbers": "ptr",  # `NUMBERS` for each kernel
    "load": "ptr",  # the functions that `load_plane` and `store_plane` write
    "store": "ptr",
    "status": "ptr",  # for each transform: 0, `INFINITE` or `APART`
}
PAIRS = {"source": "ptr", "target": "ptr", **COMMON}
BANK = {"source": "ptr", "targets": "ptr", "kernels": "i64", "spectrum_bytes": "i64", **COMMON}


def load_plane(source: Sample, number: str, lanes: int, step: int) -> Function:
    """Write ``load_plane``: samples into the real or imaginary part of a plane; return 1 if one is negative."""
    f = Function("load_plane", LOAD)
    rows = _Rows(f, "source")
    bytes_ = 4 if number == "float" else 8
    negative = _Flag(f)
    survey = None
    if source.kind == "f" or source.bytes > 2:  # a single has more digits than smaller integers need
        survey = Survey(f, number, lanes, [rows[name] for name in CELL], rows["columns"])
    f.do(f"%together = alloca {vector(source.type, lanes)}")

    def put(place: Value, value: Value, count: int) -> None:
        f.do(f"store {vector(number, count)} {value}, ptr {place}, align {bytes_}")

    def one_row(plane: Value, array: Value, count: Value, slab: Value, row: Value) -> None:
        if survey:
            survey.begin_row(slab, row, rows["source_rows"], rows["source_columns"])

        def samples(column: Value, width: int) -> None:
            place = f.at(array, f.multiply(column, step * source.bytes))
            if step > 1 and width > 1:
                _copy(f, source, width, place, step, "%together", 1)
                place = "%together"
            value = load(f, place, source, number, width)
            if source.kind != "u":
                negative.note(f"fcmp olt {vector(number, width)} {value}, {splat(f, '0.0', number, width)}", width)
            put(f.at(plane, f.multiply(column, bytes_)), value, width)
            if survey:
                survey.note(column, value, width)

        in_vectors(f, count, lanes, samples)
        if survey:
            survey.end_row(count, rows["source_columns"])

        def zero(column: Value, _: list[Value]) -> list[Value]:
            put(f.at(plane, f.multiply(column, bytes_)), "0.0", 1)
            return []

        def zeros(column: Value, _: list[Value]) -> list[Value]:
            put(f.at(plane, f.multiply(column, bytes_)), "zeroinitializer", lanes)
            return []

        whole = f.value(f"and i64 {f.add(count, lanes - 1)}, {-lanes}")
        f.loop(count, whole, 1, zero)
        f.loop(whole, rows["columns"], lanes, zeros)

    rows.loop(rows["slabs"], rows["rows"], one_row)
    if survey:
        survey.give_back()
    else:
        f.do(f"store {vector(number, 2)} zeroinitializer, ptr %range, align {bytes_}")
    negative.give_back()
    return f


def store_plane(target: Sample, number: str, lanes: int, step: int) -> Function:
    """Write ``store_plane``: results out of a part of a plane; return 1 if one is not finite."""
    f = Function("store_plane", STORE)
    rows = _Rows(f, "target")
    bytes_ = 4 if number == "float" else 8
    infinite = _Flag(f)
    f.do(f"%together = alloca {vector(target.type, lanes)}")

    def one_row(plane: Value, array: Value, count: Value, *_: Value) -> None:
        def results(column: Value, width: int) -> None:
            type_ = vector(number, width)
            scale, least = (broadcast(f, f"%{name}", number, width) for name in ("scale", "least"))
            place = f.at(plane, f.multiply(column, bytes_))
            value = f.value(f"load {type_}, ptr {place}, align {bytes_}")
            value = f.value(f"fmul {type_} {value}, {scale}")
            # x - x is zero for every finite x, and NaN for all others.
            rest = f.value(f"fsub {type_} {value}, {value}")
            infinite.note(f"fcmp uno {type_} {rest}, {rest}", width)
            low = f.value(f"fcmp olt {type_} {value}, {least}")
            value = f.value(f"select {vector('i1', width)} {low}, {type_} {least}, {type_} {value}")
            place = f.at(array, f.multiply(column, step * target.bytes))
            apart = step > 1 and width > 1
            divisor = ""
            if target.divided:
                divisor = broadcast(f, f.at("%scale", NUMBERS.index("divisor") * bytes_), number, width)
            store(f, number, value, "%together" if apart else place, target, width, divisor=divisor)
            if apart:
                _copy(f, target, width, "%together", 1, place, step)

        in_vectors(f, count, lanes, results)

    rows.loop(rows["target_slabs"], rows["target_rows"], one_row)
    infinite.give_back()
    return f


def pairs(number: str) -> Function:
    """Write ``pairs``: one kernel over items two by two; return 1 if a result is not finite."""
    f = Function("pairs", PAIRS)
    block = _TransformWriter(f, number)

    def one_pair(index: Value) -> None:
        first, second = block.load_both(index)
        block.transform("filter_tile", index, "%spectrum")
        status = block.store("%plane", "%target", block.item(index, 0), "%numbers", first)
        other = block.store(block.imaginary, "%target", block.item(index, 1), "%numbers", second)
        block.note(index, f.value(f"or i32 {status}, {other}"))

    for_range(f, "%count", one_pair)
    block.give_back()
    return f


def bank(number: str) -> Function:
    """Write ``bank``: several kernels, two by two, over items one by one.

    The spectrum of two kernels is the first one's plus i times the second one's: the real and the imaginary part of
    the transform back are the results of the first and of the second. `targets` holds the addresses of the results.
    """
    f = Function("bank", BANK)
    block = _TransformWriter(f, number)
    numbers_bytes = len(NUMBERS) * (4 if number == "float" else 8)

    def one_item(index: Value) -> None:
        negative, _ = block.load_both(index)
        block.transform("analyse", index, "%spectrum")

        def two_kernels(pair: Value) -> None:
            spectrum = f.at("%spectrum", f.multiply(pair, "%spectrum_bytes"))
            block.transform("synthesise", index, spectrum)
            for part, plane in enumerate(("%plane", block.imaginary)):
                kernel = f.add(f.multiply(pair, 2), part)
                with f.when(f.value(f"icmp slt i64 {kernel}, %kernels")):
                    target = f.value(f"inttoptr i64 {f.entry('%targets', kernel)} to ptr")
                    numbers = f.at("%numbers", f.multiply(kernel, numbers_bytes))
                    block.note(index, block.store(plane, target, block.item(index, 0), numbers, negative))

        for_range(f, f.value(f"udiv i64 {f.add('%kernels', 1)}, 2"), two_kernels)

    for_range(f, "%count", one_item)
    block.give_back()
    return f


class _Rows:
    """Writes loops over the rows of a plane and of an array at the same time."""

    def __init__(self, f: Function, side: str) -> None:
        self._f = f
        self._side = side

    def __getitem__(self, name: str) -> Value:
        """Emit the load of an entry of the tables."""
        table, names = next(pair for pair in (("%tile", TILE), ("%block", BLOCK), ("%item", ITEM)) if name in pair[1])
        return self._f.entry(table, str(names.index(name)))

    def loop(self, slabs: Value, rows: Value, body: Callable[[Value, Value, Value, Value, Value], None]) -> None:
        """Emit a loop; its body gets the addresses of a row in plane and array, its samples, slab and row."""
        f, side = self._f, self._side
        start = f.at(f"%{side}", self[side])

        def one_slab(slab: Value) -> None:
            plane = f.at("%plane", f.multiply(slab, self["slab_stride"]))
            array = f.at(start, f.multiply(slab, self[f"{side}_slab"]))
            slab_inside = f.value(f"icmp slt i64 {slab}, {self[f'{side}_slabs']}")

            def one_row(row: Value) -> None:
                row_inside = f.value(f"icmp slt i64 {row}, {self[f'{side}_rows']}")
                inside = f.value(f"and i1 {slab_inside}, {row_inside}")
                rest = f.subtract(self[f"{side}_length"], f.multiply(row, self["line"]))
                count = f.value(f"select i1 {inside}, i64 {f.smaller(self[f'{side}_columns'], rest)}, i64 0")
                body(
                    f.at(plane, f.multiply(row, self["row_stride"])),
                    f.at(array, f.multiply(row, self[f"{side}_row"])),
                    count,
                    slab,
                    row,
                )

            for_range(f, rows, one_row)

        for_range(f, slabs, one_slab)


class _Flag:
    """Writes a flag that is set where a comparison holds in any lane, and that the function returns."""

    def __init__(self, f: Function) -> None:
        self._f = f
        f.do("%flag = alloca i32")
        f.do("store i32 0, ptr %flag")

    def note(self, comparison: str, width: int) -> None:
        f = self._f
        bits = f.value(comparison)
        if width > 1:
            bits = f.value(f"icmp ne i{width} {f.value(f'bitcast <{width} x i1> {bits} to i{width}')}, 0")
        with f.when(bits):
            f.do("store i32 1, ptr %flag")

    def give_back(self) -> None:
        self._f.do(f"ret i32 {self._f.value('load i32, ptr %flag')}")


def _copy(f: Function, sample: Sample, count: int, source: Value, step: int, target: Value, target_step: int) -> None:
    """Emit copies of single samples between interleaved channels and contiguous memory."""
    for k in range(count):
        value = f.value(f"load {sample.type}, ptr {f.at(source, k * step * sample.bytes)}, align 1")
        f.do(f"store {sample.type} {value}, ptr {f.at(target, k * target_step * sample.bytes)}, align 1")


class _TransformWriter:
    """Writes the steps from samples to results for one complex transform."""

    def __init__(self, f: Function, number: str) -> None:
        self._f = f
        self._number = number
        self._bytes = 4 if number == "float" else 8
        for part in range(2):
            f.do(f"%range{part} = alloca [2 x {number}], align 16")
        self.imaginary = f.at("%plane", f.entry("%tile", str(TILE.index("imaginary"))))
        f.do("%any = alloca i32")
        f.do("store i32 0, ptr %any")

    def pair(self, index: Value) -> Value:
        """Emit the address of the table of a transform."""
        return self._f.at("%items", self._f.multiply(index, 8 * (len(PAIR) + 2 * len(ITEM))))

    def item(self, index: Value, part: int) -> Value:
        """Emit the address of the table of its first or second item."""
        return self._f.at(self.pair(index), 8 * (len(PAIR) + part * len(ITEM)))

    def load_both(self, index: Value) -> tuple[Value, Value]:
        """Emit the loads of both items; return for each whether one of its samples is negative.

        The transform is noted if samples are so far apart that small ones may be lost beside large ones.
        """
        values = {**_TABLES, "source": "%source", "cells": "%cells"}
        first, second = (
            call(
                self._f,
                "%load",
                LOAD,
                {**values, "plane": plane, "item": self.item(index, part), "range": f"%range{part}"},
            )
            for part, plane in enumerate(("%plane", self.imaginary))
        )
        f, number = self._f, self._number
        (large, quiet), (other_large, other_quiet) = (
            [
                f.value(f"load {number}, ptr {f.at(f'%range{part}', k * self._bytes)}, align {self._bytes}")
                for k in range(2)
            ]
            for part in range(2)
        )
        larger, quieter = (
            f.value(f"fcmp ogt {number} {large}, {other_large}"),
            f.value(f"fcmp olt {number} {quiet}, {other_quiet}"),
        )
        large = f.value(f"select i1 {larger}, {number} {large}, {number} {other_large}")
        quiet = f.value(f"select i1 {quieter}, {number} {quiet}, {number} {other_quiet}")
        apart = f.value(f"fcmp olt {number} {f.value(f'fmul {number} {quiet}, {RANGE}')}, {large}")
        self.note(index, f.value(f"zext i1 {apart} to i32"), APART)
        return first, second

    def transform(self, name: str, index: Value, spectrum: Value) -> None:
        """Emit the call of one of the functions for a tile."""
        scratch = {"plane": "%plane", "spectra": "%spectra", "buffer": "%buffer"}
        call(self._f, name, FILTER, {**scratch, "spectrum": spectrum, "tile": "%tile", "pair": self.pair(index)})

    def store(self, plane: Value, target: Value, item: Value, numbers: Value, negative: Value) -> Value:
        """Emit the store of an item; return whether a result is not finite."""
        f = self._f
        least = f.at(numbers, f.multiply(f.add(f.value(f"zext i32 {negative} to i64"), 1), self._bytes))
        values = {"plane": plane, "target": target, "item": item, "scale": numbers, "least": least}
        return call(f, "%store", STORE, {**_TABLES, **values})

    def note(self, index: Value, status: Value, code: int = INFINITE) -> None:
        """Emit a note for a transform if `status` is not zero."""
        f = self._f
        with f.when(f.value(f"icmp ne i32 {status}, 0")):
            f.do(f"store i64 {code}, ptr {f.at('%status', f.multiply(index, 8))}")
            f.do("store i32 1, ptr %any")

    def give_back(self) -> None:
        self._f.do(f"ret i32 {self._f.value('load i32, ptr %any')}")


_TABLES = {"tile": "%tile", "block": "%block"}
