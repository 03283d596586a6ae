"""Machine code for Fourier transforms: a tile is transformed, multiplied by a spectrum, and transformed back.

A *plane* holds complex numbers of shape (slabs, rows, columns), split into real and imaginary parts::

    row 0   | re re re ... re | im im im ... im | one cache line unused |
    row 1   | re re re ... re | im im im ... im | one cache line unused |

Transforms are made in place and never reorder: forwards by decimation in frequency, which leaves the frequencies of
an axis in the order of `frequencies`; backwards by decimation in time, which expects them in that order. The spectrum
of the kernel has the same order, so both are multiplied number by number.

Along slabs and rows, the transforms of several columns are made at once, a column in each lane. Along the columns, a
*group* of as many rows as a vector has lanes is transposed into a small buffer first, and the same code transforms it
there. With 4 lanes, for rows a, b, c, d::

    column 0   | re of a0 b0 c0 d0 | im of a0 b0 c0 d0 |
    column 1   | re of a1 b1 c1 d1 | im of a1 b1 c1 d1 |

All sizes share one object of machine code. Sizes, strides and twiddles are data (`TILE`, `STAGE`); only butterflies
are written out. The inverse transform is the forward one with real and imaginary parts exchanged. That costs nothing:
the address of one part is passed instead of the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from faltung.engines.fourier.butterfly import BUTTERFLY, MIDDLE, ComplexVectors, butterfly, call, for_range, middle
from faltung.jit.ir import Function, Value
from faltung.jit.transpose import transpose

__all__ = ["FILTER", "PAIR", "STAGE", "STAGES", "TILE", "analyse", "filter_tile", "parts", "restore", "synthesise"]

#: Kinds of stages that are written out: the stages of an axis refer to these by their index.
STAGES = (("inner", 8), ("inner", 4), ("inner", 3), ("last", 8), ("last", 4))
#: Columns of the table of the stages of an axis, a row for each, in the order of the forward transform.
STAGE = ("kind", "count", "blocks", "twiddles")
#: Entries of the table that describes a tile. Strides are in bytes, chunks in vectors.
TILE = (
    "slabs",
    "rows",
    "columns",
    "slab_stride",
    "row_stride",
    "imaginary",  # bytes from a real part to its imaginary part
    "slab_stages",
    "slab_stage_count",  # 0 where an axis is not transformed
    "slab_chunk",  # vectors that go through all stages of an axis together
    "row_stages",
    "row_stage_count",
    "row_chunk",
    "column_stages",
    "column_stage_count",
    "spectrum_slab",  # bytes of the spectrum from slab to slab
    "spectrum_group",  # and from group to group
    "twists",  # factors between the transforms of rows and columns of a long line, or 0
)
#: Entries of the table that says which part of a tile holds samples, and for which part results are wanted.
PAIR = ("rows_in", "vectors_in", "rows_out", "vectors_out", "groups")
#: Parameters of the functions for a tile; `analyse` writes the transform to `spectra`, `synthesise` reads it there.
FILTER = {"plane": "ptr", "spectra": "ptr", "buffer": "ptr", "spectrum": "ptr", "tile": "ptr", "pair": "ptr"}

_ALONG = {
    "points": "ptr",
    "imaginary": "i64",
    "stages": "ptr",
    "stage_count": "i64",
    "stride": "i64",  # bytes from point to point
    "vectors": "i64",  # contiguous vectors at each point
    "chunk": "i64",  # of these, how many go through all stages together
    "repeats": "i64",  # number of arrays
    "repeat_stride": "i64",
}
_TURN = {"rows": "ptr", "imaginary": "i64", "row_stride": "i64", "points": "ptr", "blocks": "i64"}
_MULTIPLY = {"points": "ptr", "imaginary": "i64", "table": "ptr", "results": "ptr", "count": "i64"}


def parts(number: str, lanes: int) -> list[Function]:
    """Write all functions that those for a tile call."""
    width = lanes * (4 if number == "float" else 8)
    return [
        *(butterfly(radix, kind, number, lanes) for radix in (8, 4, 3) for kind in ("forward", "backward")),
        *(butterfly(radix, "last", number, lanes) for radix in (8, 4)),
        *(middle(radix, number, lanes) for radix in (8, 4)),
        *(_along(direction, width) for direction in ("forward", "backward")),
        _turn("gather_rows", number, lanes),
        _turn("scatter_rows", number, lanes),
        _multiply(number, lanes),
    ]


def filter_tile(number: str, lanes: int) -> Function:
    """Write ``filter_tile``: transform the plane, multiply it by the spectrum, and transform it back."""
    f = Function("filter_tile", FILTER, internal=True)
    tile = _TileWriter(f, number, lanes)
    tile.forward()
    # The last stage forwards, the product, and the first stage backwards are one step.
    stages = f.subtract(tile["column_stage_count"], "1")

    def one_group(group: _Group) -> None:
        tile.gather_rows(group, "%buffer")
        tile.columns("forward", "%buffer", stages)
        tile.multiply_in_the_middle("%buffer", group)
        tile.columns("backward", "%buffer", stages)
        tile.scatter_rows(group, "%buffer")

    tile.groups(one_group)
    tile.backward()
    f.do("ret i32 0")
    return f


def analyse(number: str, lanes: int) -> Function:
    """Write ``analyse``: transform the plane into `spectra`."""
    f = Function("analyse", FILTER, internal=True)
    tile = _TileWriter(f, number, lanes)
    tile.forward()

    def one_group(group: _Group) -> None:
        transform = f.at("%spectra", group.offset)
        tile.gather_rows(group, transform)
        tile.columns("forward", transform, tile["column_stage_count"])

    tile.groups(one_group)
    f.do("ret i32 0")
    return f


def synthesise(number: str, lanes: int) -> Function:
    """Write ``synthesise``: multiply `spectra` by the spectrum, and transform the product back into the plane."""
    f = Function("synthesise", FILTER, internal=True)
    tile = _TileWriter(f, number, lanes)

    def one_group(group: _Group) -> None:
        tile.multiply(f.at("%spectra", group.offset), group.spectrum, "%buffer")
        tile.columns("backward", "%buffer", tile["column_stage_count"])
        tile.scatter_rows(group, "%buffer")

    tile.groups(one_group)
    tile.backward()
    f.do("ret i32 0")
    return f


def restore(number: str, lanes: int) -> Function:
    """Write ``restore``: transform `spectra` back into the plane; they are overwritten."""
    f = Function("restore", FILTER, internal=True)
    tile = _TileWriter(f, number, lanes)

    def one_group(group: _Group) -> None:
        transform = f.at("%spectra", group.offset)
        tile.columns("backward", transform, tile["column_stage_count"])
        tile.scatter_rows(group, transform)

    tile.groups(one_group)
    tile.backward()
    f.do("ret i32 0")
    return f


@dataclass(frozen=True)
class _Group:
    """As many rows as a vector has lanes."""

    rows: Value  # address of the first
    offset: Value  # bytes from the first group's transform to this one's
    spectrum: Value  # address of its spectrum


class _TileWriter:
    """Writes the steps of the functions for a tile."""

    def __init__(self, f: Function, number: str, lanes: int) -> None:
        self._f = f
        self._lanes = lanes
        self._width = lanes * (4 if number == "float" else 8)

    def __getitem__(self, name: str) -> Value:
        """Emit the load of an entry of the tables."""
        if name in TILE:
            return self._f.entry("%tile", str(TILE.index(name)))
        return self._f.entry("%pair", str(PAIR.index(name)))

    def forward(self) -> None:
        """Emit the transforms along slabs, then along rows."""
        self._slabs("forward", "in")
        self._rows("forward", "in")

    def backward(self) -> None:
        """Emit the transforms back along rows, then along slabs, where results are wanted."""
        self._rows("backward", "out")
        self._slabs("backward", "out")

    def _slabs(self, direction: str, part: str) -> None:
        self._along(
            direction,
            points="%plane",
            imaginary=self["imaginary"],
            stages=self._pointer("slab_stages"),
            stage_count=self["slab_stage_count"],
            stride=self["slab_stride"],
            vectors=self[f"vectors_{part}"],
            chunk=self["slab_chunk"],
            repeats=self[f"rows_{part}"],
            repeat_stride=self["row_stride"],
        )

    def _rows(self, direction: str, part: str) -> None:
        self._along(
            direction,
            points="%plane",
            imaginary=self["imaginary"],
            stages=self._pointer("row_stages"),
            stage_count=self["row_stage_count"],
            stride=self["row_stride"],
            vectors=self[f"vectors_{part}"],
            chunk=self["row_chunk"],
            repeats=self["slabs"],
            repeat_stride=self["slab_stride"],
        )

    def columns(self, direction: str, points: Value, stage_count: Value) -> None:
        """Emit the transforms along the columns of a group that `gather_rows` has transposed."""
        self._along(
            direction,
            points=points,
            imaginary=str(self._width),
            stages=self._pointer("column_stages"),
            stage_count=stage_count,
            stride=str(2 * self._width),
            vectors="1",
            chunk="1",
            repeats="1",
            repeat_stride="0",
        )

    def groups(self, body: Callable[[_Group], None]) -> None:
        """Emit a loop over the groups of all slabs."""
        f = self._f
        transform_bytes = f.multiply(self["columns"], 2 * self._width)
        slab_bytes = f.multiply(transform_bytes, self["groups"])

        def one_slab(slab: Value) -> None:
            first = f.at("%plane", f.multiply(slab, self["slab_stride"]))
            spectrum = f.at("%spectrum", f.multiply(slab, self["spectrum_slab"]))

            def one_group(index: Value) -> None:
                rows = f.at(first, f.multiply(f.multiply(index, self._lanes), self["row_stride"]))
                offset = f.add(f.multiply(slab, slab_bytes), f.multiply(index, transform_bytes))
                body(_Group(rows, offset, f.at(spectrum, f.multiply(index, self["spectrum_group"]))))

            for_range(f, self["groups"], one_group)

        for_range(f, self["slabs"], one_slab)

    def gather_rows(self, group: _Group, points: Value) -> None:
        """Emit the transposition of a group to `points`, and its twist if rows and columns are one long line."""
        blocks = self._f.value(f"udiv i64 {self['columns']}, {self._lanes}")
        self._turn("gather_rows", group, points, blocks)
        self._twist(group, points, str(self._width))

    def scatter_rows(self, group: _Group, points: Value) -> None:
        """Emit the reverse of `gather_rows`, for the columns where results are wanted."""
        self._twist(group, *self._exchanged(points, str(self._width)))
        self._turn("scatter_rows", group, points, self["vectors_out"])

    def multiply(self, points: Value, table: Value, results: Value) -> None:
        """Emit the product of the transform of a group with as many numbers of a table."""
        self._multiply(points, str(self._width), table, results)

    def multiply_in_the_middle(self, points: Value, group: _Group) -> None:
        """Emit the last stage forwards, the product with the spectrum, and the first stage backwards."""
        f = self._f
        stages = f.subtract(self["column_stage_count"], "1")
        last = f.at(self._pointer("column_stages"), f.multiply(stages, 8 * len(STAGE)))
        kind, blocks = (f.entry(last, str(STAGE.index(name))) for name in ("kind", "blocks"))
        values = {
            "points": points,
            "imaginary": str(self._width),
            "spectrum": group.spectrum,
            "blocks": blocks,
            "stride": str(2 * self._width),
        }
        for code, (place, radix) in enumerate(STAGES):
            if place == "last":
                with f.when(f.value(f"icmp eq i64 {kind}, {code}")):
                    call(f, f"middle{radix}", MIDDLE, values)

    def _along(self, direction: str, points: Value, imaginary: Value, **rest: Value) -> None:
        if direction == "backward":
            points, imaginary = self._exchanged(points, imaginary)
        call(self._f, f"along_{direction}", _ALONG, {"points": points, "imaginary": imaginary, **rest})

    def _turn(self, name: str, group: _Group, points: Value, blocks: Value) -> None:
        values = {"rows": group.rows, "imaginary": self["imaginary"], "row_stride": self["row_stride"]}
        call(self._f, name, _TURN, {**values, "points": points, "blocks": blocks})

    def _twist(self, group: _Group, points: Value, imaginary: Value) -> None:
        twists = self["twists"]
        with self._f.when(self._f.value(f"icmp ne i64 {twists}, 0")):
            table = self._f.at(self._f.value(f"inttoptr i64 {twists} to ptr"), group.offset)
            self._multiply(points, imaginary, table, points)

    def _multiply(self, points: Value, imaginary: Value, table: Value, results: Value) -> None:
        values = {"points": points, "imaginary": imaginary, "table": table, "results": results}
        call(self._f, "multiply", _MULTIPLY, {**values, "count": self["columns"]})

    def _exchanged(self, points: Value, imaginary: Value) -> tuple[Value, Value]:
        return self._f.at(points, imaginary), self._f.subtract("0", imaginary)

    def _pointer(self, name: str) -> Value:
        return self._f.value(f"inttoptr i64 {self[name]} to ptr")


def _along(direction: str, width: int) -> Function:
    """Write ``along_forward`` or ``along_backward``: all stages of a transform along one axis."""
    f = Function(f"along_{direction}", _ALONG, internal=True)

    def one_array(repeat: Value) -> None:
        array = f.at("%points", f.multiply(repeat, "%repeat_stride"))

        def one_chunk(index: Value) -> None:
            first = f.multiply(index, "%chunk")
            points = f.at(array, f.multiply(first, width))
            vectors = f.smaller("%chunk", f.subtract("%vectors", first))
            values = {"points": points, "imaginary": "%imaginary", "stride": "%stride", "vectors": vectors}
            for_range(f, "%stage_count", lambda stage: _one_stage(f, direction, stage, values))

        for_range(f, f.value(f"udiv i64 {f.add('%vectors', f.subtract('%chunk', '1'))}, %chunk"), one_chunk)

    for_range(f, "%repeats", one_array)
    f.do("ret i32 0")
    return f


def _one_stage(f: Function, direction: str, index: Value, values: dict[str, Value]) -> None:
    if direction == "backward":
        index = f.subtract(f.subtract("%stage_count", "1"), index)
    stage = f.at("%stages", f.multiply(index, 8 * len(STAGE)))
    kind, count, blocks, twiddles = (f.entry(stage, str(k)) for k in range(len(STAGE)))
    table = f.value(f"inttoptr i64 {twiddles} to ptr")
    for code, (place, radix) in enumerate(STAGES):
        with f.when(f.value(f"icmp eq i64 {kind}, {code}")):
            name = f"{direction if place == 'inner' else place}{radix}"
            call(f, name, BUTTERFLY, {**values, "count": count, "blocks": blocks, "twiddles": table})


def _turn(name: str, number: str, lanes: int) -> Function:
    """Write ``gather_rows`` or ``scatter_rows``: the transposition of a group, square block by square block."""
    f = Function(name, _TURN, internal=True)
    vectors = ComplexVectors(f, number, lanes)
    row_offsets = [f.multiply("%row_stride", k) for k in range(lanes)]

    def one_block(block: Value) -> None:
        column = f.at("%rows", f.multiply(block, vectors.width))
        first = f.at("%points", f.multiply(block, 2 * lanes * vectors.width))
        for part, imaginary in enumerate((None, "%imaginary")):
            start = column if imaginary is None else f.at(column, imaginary)
            rows = [f.at(start, offset) for offset in row_offsets]
            points = [f.at(first, (2 * k + part) * vectors.width) for k in range(lanes)]
            sources, results = (rows, points) if name == "gather_rows" else (points, rows)
            columns = transpose(f, [vectors.load_real(place) for place in sources], number)
            for value, place in zip(columns, results, strict=True):
                vectors.store_real(value, place)

    for_range(f, "%blocks", one_block)
    f.do("ret i32 0")
    return f


def _multiply(number: str, lanes: int) -> Function:
    """Write ``multiply``: the product of points with the numbers of a table."""
    f = Function("multiply", _MULTIPLY, internal=True)
    vectors = ComplexVectors(f, number, lanes)

    def one(index: Value) -> None:
        offset = f.multiply(index, 2 * vectors.width)
        point = vectors.load(f.at("%points", offset), "%imaginary")
        factor = vectors.load(f.at("%table", offset), vectors.width)
        vectors.store(vectors.times(point, factor), f.at("%results", offset), "%imaginary")

    for_range(f, "%count", one)
    f.do("ret i32 0")
    return f
