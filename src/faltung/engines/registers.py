"""Sums in registers: a block of ``rows`` x ``outputs`` x ``vectors`` accumulators that walks over the taps.

The taps are cut into *panels*, dense blocks of rows x columns, each with a byte offset into the source::

    out[r, c] = sum over panels p, rows i, columns j of taps[p, i, j] * source[offset[p] + row r + i, column c + j]

The block walks down the source rows under it, so that each vector loaded feeds every output row that uses it, and
every channel out where several are made at once: ``taps`` then holds one coefficient for each of them. For each
output the taps are added in one order, panel by panel and row by row, wherever the output lies in a block: that is
why neither tiles nor workers change a bit of the result.
"""

from __future__ import annotations

from dataclasses import dataclass

from faltung.jit.ir import Function, Value, vector
from faltung.jit.samples import Sample, load, splat

__all__ = ["Footprint", "Registers"]


@dataclass(frozen=True)
class Footprint:
    """Taps as the code sees them: all that is fixed but their coefficients.

    Parameters
    ----------
    panels, rows, columns : int
        Number of panels, and the shape of each.
    pattern : tuple of int or None
        Flat indices of the non-zero taps, to unroll over just these; None to loop over all of them.
    step : int
        Samples between neighbouring columns of taps.
    source : Sample
        What the source holds.
    number : str
        What is computed with, ``float`` or ``double``.
    outputs : int
        Channels out that are made at once.
    """

    panels: int
    rows: int
    columns: int
    pattern: tuple[int, ...] | None
    step: int
    source: Sample
    number: str
    outputs: int = 1


class Registers:
    """Writer of the sum over all taps of a footprint.

    Parameters
    ----------
    f : Function
        Where to write.
    what : Footprint
        The taps.
    rows, vectors, lanes : int
        Accumulators, and the lanes of each.
    taps : Value
        Pointer to the coefficients.
    offsets : Value
        Pointer to the byte offsets of the panels.
    stride : Value or int
        Bytes from source row to source row.
    """

    def __init__(
        self,
        f: Function,
        what: Footprint,
        rows: int,
        vectors: int,
        lanes: int,
        taps: Value,
        offsets: Value,
        stride: Value | int,
    ) -> None:
        self.f = f
        self.what = what
        self.rows = rows
        self.vectors = vectors
        self.lanes = lanes
        self.taps = taps
        self.offsets = offsets
        self.stride = str(stride)
        self.type = vector(what.number, lanes)
        self.bytes = 4 if what.number == "float" else 8

    def sums(self, source: Value) -> list[Value]:
        """Accumulators, row after row, for outputs whose first tap meets the samples at `source`."""
        return self._looped(source) if self.what.pattern is None else self._unrolled(source, self.what.pattern)

    def _unrolled(self, source: Value, pattern: tuple[int, ...]) -> list[Value]:
        """Sum over the non-zero taps, each written out."""
        what, f = self.what, self.f
        slot = {tap: place for place, tap in enumerate(pattern)}
        size = what.rows * what.columns
        sums: list[Value | None] = [None] * (self.rows * what.outputs * self.vectors)
        for panel in range(what.panels):
            if not any(tap // size == panel for tap in pattern):
                continue
            start = f.at(source, f.entry(self.offsets, str(panel)))
            for source_row in range(self.rows + what.rows - 1):
                line = f.at(start, f.multiply(self.stride, source_row)) if source_row else start
                for column in range(what.columns):
                    users = []
                    for row in range(self.rows):
                        tap = panel * size + (source_row - row) * what.columns + column
                        if 0 <= source_row - row < what.rows and tap in slot:
                            users += self._outputs(row, slot[tap])
                    if users:
                        self._feed(sums, users, self._samples(line, column), self.taps)
        return [value for value in sums if value is not None]  # a pattern has a tap, so every sum has begun

    def _looped(self, source: Value) -> list[Value]:
        """Sum over all taps of all panels in loops: panels, then source rows, then columns."""
        what, f, rows = self.what, self.f, self.rows
        types = [self.type] * (rows * what.outputs * self.vectors)
        panel_bytes = what.rows * what.columns * what.outputs * self.bytes
        zero = "0.0" if self.lanes == 1 else "zeroinitializer"

        def one_panel(panel: Value, sums: list[Value]) -> list[Value]:
            start = f.at(source, f.entry(self.offsets, panel))
            taps = f.at(self.taps, f.multiply(panel, panel_bytes))
            # Source rows at the top and the bottom of the block meet only some of its outputs; all between meet all.
            for source_row in range(min(rows, what.rows) - 1):
                sums = self._row(sums, start, taps, source_row)
            if what.rows >= rows:

                def full(source_row: Value, sums: list[Value]) -> list[Value]:
                    return self._row(sums, start, taps, source_row)

                sums = f.loop(rows - 1, what.rows, 1, full, list(zip(types, sums, strict=True)))
            else:
                for source_row in range(what.rows - 1, rows):
                    sums = self._row(sums, start, taps, source_row)
            for source_row in range(max(rows, what.rows), rows + what.rows - 1):
                sums = self._row(sums, start, taps, source_row)
            return sums

        carried = [(type_, zero) for type_ in types]
        if what.panels == 1:
            return one_panel("0", [value for _, value in carried])
        return f.loop(0, what.panels, 1, one_panel, carried)

    def _row(self, sums: list[Value], start: Value, taps: Value, source_row: Value | int) -> list[Value]:
        """Sum over the columns of one source row, for the output rows that it meets."""
        what, f = self.what, self.f
        tap_bytes = what.outputs * self.bytes
        if isinstance(source_row, int):
            users = [row for row in range(self.rows) if 0 <= source_row - row < what.rows]
            source_row = str(source_row)
        else:
            users = list(range(self.rows))
        line = f.at(start, f.multiply(source_row, self.stride))
        # The tap that output row 0 would use; row r uses the one r tap rows before it.
        row_taps = f.at(taps, f.multiply(source_row, what.columns * tap_bytes))
        each = what.outputs * self.vectors
        chosen = [row * each + k for row in users for k in range(each)]

        def one_column(column: Value, part: list[Value]) -> list[Value]:
            here = f.at(line, f.multiply(column, what.step * what.source.bytes))
            tap = f.at(row_taps, f.multiply(column, tap_bytes))
            local: list[Value | None] = list(part)
            feeds = [feed for k, row in enumerate(users) for feed in self._outputs(k, -row * what.columns)]
            self._feed(local, feeds, self._samples(here, 0), tap)
            return [value for value in local if value is not None]

        carried = [(self.type, sums[k]) for k in chosen]
        if what.columns == 1:
            results = one_column("0", [value for _, value in carried])
        else:
            results = f.loop(0, what.columns, 1, one_column, carried)
        sums = list(sums)
        for k, value in zip(chosen, results, strict=True):
            sums[k] = value
        return sums

    def _samples(self, line: Value, column: int) -> list[Value]:
        f, what = self.f, self.what
        first = column * what.step * what.source.bytes
        width = self.lanes * what.source.bytes
        return [
            load(f, f.at(line, first + v * width), what.source, what.number, self.lanes) for v in range(self.vectors)
        ]

    def _outputs(self, row: int, tap: int) -> list[tuple[int, int]]:
        """Pairs of a row of accumulators and a coefficient: those of one output row and one tap."""
        count = self.what.outputs
        return [(row * count + o, tap * count + o) for o in range(count)]

    def _feed(
        self, sums: list[Value | None], users: list[tuple[int, int]], samples: list[Value], taps: Value
    ) -> None:
        """Add ``tap * sample`` to the accumulators of each user, a pair of row of accumulators and coefficient."""
        f, number = self.f, self.what.number
        suffix = {"float": "f32", "double": "f64"}[number]
        name = f"llvm.fmuladd.{suffix if self.lanes == 1 else f'v{self.lanes}{suffix}'}"
        for row, index in users:
            place = f.at(taps, index * self.bytes)
            scalar = f.value(f"load {number}, ptr {place}, align {self.bytes}, !invariant.load !0")
            tap = splat(f, scalar, number, self.lanes)
            for v, x in enumerate(samples):
                k = row * self.vectors + v
                before = sums[k]
                if before is None:
                    sums[k] = f.value(f"fmul {self.type} {x}, {tap}")
                else:
                    sums[k] = f.call(name, self.type, (self.type, x), (self.type, tap), (self.type, before))
