"""Sums in registers: a block of ``rows`` x ``outputs`` x ``vectors`` accumulators, added up over all taps.

The taps are cut into *panels*, dense blocks of rows x columns, each with a byte offset into the source::

    out[r, c] = sum over panels p, rows i, columns j of taps[p, i, j] * source[offset[p] + row r + i, column c + j]

The code goes down the source rows under the block, so that each vector is loaded once and used for every output row
that it belongs to. With 2 output rows (A, B) of 2 vectors, and a panel of 3 rows of taps (t0, t1, t2)::

    source row 0   [  v0  ][  v1  ]     A += t0 v
    source row 1   [  v0  ][  v1  ]     A += t1 v,  B += t0 v
    source row 2   [  v0  ][  v1  ]     A += t2 v,  B += t1 v
    source row 3   [  v0  ][  v1  ]                 B += t2 v

    accumulators    A0 A1 = output row 0, lanes are columns;  B0 B1 = output row 1

It is used for every channel out, too, if several are computed at once: ``taps`` then holds one coefficient for each
of them, one after the other. For each output the taps are added in the same order, panel by panel and row by row,
whatever the position of the output in its block. That is why neither tiles nor workers change a bit of the result.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass

from faltung.jit.ir import Function, Value, vector
from faltung.jit.samples import Sample, broadcast, load, multiply_add

__all__ = ["Footprint", "Registers"]


@dataclass(frozen=True)
class Footprint:
    """The taps as the code sees them: everything except their coefficients.

    Parameters
    ----------
    panels, rows, columns : int
        Number of panels, and the shape of each.
    pattern : tuple of int or None
        Flat indices of the non-zero taps if these are written out; None for loops over all taps.
    step : int
        Samples between neighbouring columns of taps.
    source : Sample
        The samples of the source.
    number : str
        The number computed with, ``float`` or ``double``.
    outputs : int
        Channels out that are computed at once.
    mirrored : int
        1 if the taps of each panel, a column, are the same from both ends, and -1 if their signs differ; otherwise 0.
        Such taps can be summed in pairs.
    """

    panels: int
    rows: int
    columns: int
    pattern: tuple[int, ...] | None
    step: int
    source: Sample
    number: str
    outputs: int = 1
    mirrored: int = 0

    @property
    def coefficients(self) -> int:
        """Number of coefficients that the code reads for an output."""
        return self.panels * self.rows * self.columns if self.pattern is None else len(self.pattern)


class Registers:
    """Writes the sum over all taps of a footprint.

    Parameters
    ----------
    f : Function
        The function that is written.
    footprint : Footprint
        The taps.
    rows, vectors, lanes : int
        Output rows and vectors of the block, and the lanes of a vector.
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
        footprint: Footprint,
        rows: int,
        vectors: int,
        lanes: int,
        taps: Value,
        offsets: Value,
        stride: Value | int,
    ) -> None:
        self.f = f
        self.footprint = footprint
        self.rows = rows
        self.vectors = vectors
        self.lanes = lanes
        self.taps = taps
        self.offsets = offsets
        self.stride = str(stride)
        self.type = vector(footprint.number, lanes)
        self.bytes = 4 if footprint.number == "float" else 8

    def sums(self, source: Value) -> list[Value]:
        """Emit the sum for outputs whose first tap is at `source`; return the accumulators, row after row."""
        pattern = self.footprint.pattern
        return self._looped(source) if pattern is None else self._unrolled(source, pattern)

    def _unrolled(self, source: Value, pattern: tuple[int, ...]) -> list[Value]:
        """Emit the sum over the non-zero taps, each written out."""
        footprint, f = self.footprint, self.f
        # For each place in the source: the output rows that it belongs to, and the coefficients.
        users: defaultdict[tuple[int, int, int], list[tuple[int, int]]] = defaultdict(list)
        for row, (index, tap) in itertools.product(range(self.rows), enumerate(pattern)):
            line, column = divmod(tap, footprint.columns)
            panel, tap_row = divmod(line, footprint.rows)
            users[panel, tap_row + row, column].append((row, index))
        sums: list[Value | None] = [None] * (self.rows * footprint.outputs * self.vectors)
        for panel, places in itertools.groupby(sorted(users), lambda place: place[0]):
            start = f.at(source, f.entry(self.offsets, str(panel)))
            for source_row, columns in itertools.groupby(places, lambda place: place[1]):
                begin = f.at(start, f.multiply(self.stride, source_row)) if source_row else start
                for *_, column in columns:
                    outputs = [self._outputs(*user) for user in users[panel, source_row, column]]
                    self._feed(sums, [*itertools.chain(*outputs)], self._samples(begin, column), self.taps)
        return [value for value in sums if value is not None]  # a pattern has at least one tap, so none is left out

    def _looped(self, source: Value) -> list[Value]:
        """Emit loops over all panels, then source rows, then columns."""
        footprint, f, rows = self.footprint, self.f, self.rows
        types = [self.type] * (rows * footprint.outputs * self.vectors)
        panel_bytes = footprint.rows * footprint.columns * footprint.outputs * self.bytes
        zero = "0.0" if self.lanes == 1 else "zeroinitializer"

        def one_panel(panel: Value, sums: list[Value]) -> list[Value]:
            start = f.at(source, f.entry(self.offsets, panel))
            taps = f.at(self.taps, f.multiply(panel, panel_bytes))
            # Source rows at the top and the bottom belong to some of the output rows, those between to all of them.
            for source_row in range(min(rows, footprint.rows) - 1):
                sums = self._row(sums, start, taps, source_row)
            if footprint.rows >= rows:

                def every_output_row(source_row: Value, sums: list[Value]) -> list[Value]:
                    return self._row(sums, start, taps, source_row)

                sums = f.loop(rows - 1, footprint.rows, 1, every_output_row, list(zip(types, sums, strict=True)))
            else:
                for source_row in range(footprint.rows - 1, rows):
                    sums = self._row(sums, start, taps, source_row)
            for source_row in range(max(rows, footprint.rows), rows + footprint.rows - 1):
                sums = self._row(sums, start, taps, source_row)
            return sums

        carried = [(type_, zero) for type_ in types]
        if footprint.panels == 1:
            return one_panel("0", [value for _, value in carried])
        return f.loop(0, footprint.panels, 1, one_panel, carried)

    def _row(self, sums: list[Value], start: Value, taps: Value, source_row: Value | int) -> list[Value]:
        """Emit the sum over the columns of one source row, for the output rows that it belongs to."""
        footprint, f = self.footprint, self.f
        tap_bytes = footprint.outputs * self.bytes
        if isinstance(source_row, int):
            users = [row for row in range(self.rows) if 0 <= source_row - row < footprint.rows]
            source_row = str(source_row)
        else:
            users = list(range(self.rows))
        line = f.at(start, f.multiply(source_row, self.stride))
        # The taps that output row 0 uses (or would use); output row r uses those r tap rows before.
        row_taps = f.at(taps, f.multiply(source_row, footprint.columns * tap_bytes))
        row_sums = footprint.outputs * self.vectors
        chosen = [row * row_sums + k for row in users for k in range(row_sums)]

        def one_column(column: Value, part: list[Value]) -> list[Value]:
            place = f.at(line, f.multiply(column, footprint.step * footprint.source.bytes))
            tap = f.at(row_taps, f.multiply(column, tap_bytes))
            following: list[Value | None] = list(part)
            feeds = [feed for k, row in enumerate(users) for feed in self._outputs(k, -row * footprint.columns)]
            self._feed(following, feeds, self._samples(place, 0), tap)
            return [value for value in following if value is not None]

        carried = [(self.type, sums[k]) for k in chosen]
        if footprint.columns == 1:
            results = one_column("0", [value for _, value in carried])
        else:
            results = f.loop(0, footprint.columns, 1, one_column, carried)
        sums = list(sums)
        for k, value in zip(chosen, results, strict=True):
            sums[k] = value
        return sums

    def _samples(self, line: Value, column: int) -> list[Value]:
        """Emit loads of the vectors of one row and column of the source."""
        f, footprint = self.f, self.footprint
        first = column * footprint.step * footprint.source.bytes
        width = self.lanes * footprint.source.bytes
        places = (f.at(line, first + v * width) for v in range(self.vectors))
        return [load(f, place, footprint.source, footprint.number, self.lanes) for place in places]

    def _outputs(self, row: int, tap: int) -> list[tuple[int, int]]:
        """Return pairs of a row of accumulators and a coefficient: those of one output row and one tap."""
        count = self.footprint.outputs
        return [(row * count + o, tap * count + o) for o in range(count)]

    def _feed(
        self, sums: list[Value | None], users: list[tuple[int, int]], samples: list[Value], taps: Value
    ) -> None:
        """Emit ``accumulator += tap * sample`` for each user, a pair of a row of accumulators and a coefficient."""
        f, number, lanes = self.f, self.footprint.number, self.lanes
        for row, index in users:
            tap = broadcast(f, f.at(taps, index * self.bytes), number, lanes)
            for v, x in enumerate(samples):
                k = row * self.vectors + v
                before = sums[k]
                if before is None:
                    sums[k] = f.value(f"fmul {self.type} {x}, {tap}")
                else:
                    sums[k] = multiply_add(f, number, lanes, x, tap, before)
