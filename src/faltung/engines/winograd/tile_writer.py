"""What do the parts of the code for Winograd's tiles share? The board, the places in scratch, what is fixed."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from faltung.engines.channels.channel_code import fields
from faltung.engines.channels.gathered_planes import first_lanes, load_some
from faltung.engines.guard import Guard
from faltung.engines.winograd.minimal_filter import MinimalFilter, minimal_filter, sums_of_points
from faltung.engines.winograd.vector_numbers import VectorNumbers, in_two_axes
from faltung.jit.ir import Function, Value, vector

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CHANGED", "CHECKED", "DIGEST", "FIELDS", "TileCode", "TileWriter"]

#: The bit of the status that says that the taps are not those that were transformed.
CHANGED = 2
#: Bytes of taps of which one item makes a digest, and bytes of that.
CHECKED, DIGEST = 1 << 16, 256


#: Entries of the board that the function is called with: each a 64-bit integer.
FIELDS = (
    *("claims", "items", "scratch", "room"),
    *("source", "source_image", "source_channel"),  # address, and bytes between neighbours
    *("row_offsets", "column_offsets", "fill", "looked_up", "first_column", "columns"),  # of samples
    *("target", "target_image", "target_channel", "target_row", "target_column"),
    *("taps", "panel_bytes", "point_bytes", "bias"),  # a panel: channels out of a register block, at every point
    *("groups", "ins", "outs", "all_panels", "parts", "part_panels", "pass_panels"),
    *("tiles", "tile_rows", "tile_columns", "height", "width", "block"),  # height and width: outputs
    *("v_point", "v_block", "m_point", "m_panel"),  # bytes between points, blocks of channels in, and panels
    *("m_place", "buffer_place", "buffer_row", "spare_place"),  # in scratch
    *(
        "checks",
        "raw",
        "raw_bytes",
        "digests",
        "new_digests",
    ),  # taps, digests of those that were transformed, and theirs
    *("surveys", "stretches", "stretch", "sizes"),  # stretches of rows of all images, of an image; rows; the result
    *("source_row", "source_column", "source_rows", "source_columns"),
)


@dataclass(frozen=True)
class TileCode:
    """What is fixed when the code is compiled.

    Parameters
    ----------
    outputs : int
        Outputs of a tile along each axis.
    number : str
        The number computed with, which the arrays hold, ``float`` or ``double``.
    lanes : int
        Numbers of a vector.
    block : tuple of int
        Tiles, and vectors of channels out, of a register block.
    depth : int
        Channels in that are neighbours in V, a multiple of `lanes`.
    ragged : tuple of bool
        Whether the last vector of channels in, and of channels out, is not whole.
    planes : tuple of bool
        Whether the rows of the channels of source and target are contiguous; else the channels are.
    streamed : bool
        Whether to write past the cache; every vector of the target must be whole, and aligned.
    far : bool
        Whether the transformed taps are so many that they come from memory.
    """

    outputs: int
    number: str
    lanes: int
    block: tuple[int, int]
    depth: int
    ragged: tuple[bool, bool]
    planes: tuple[bool, bool]
    streamed: bool = False
    far: bool = False


class TileWriter:
    """What all parts of the function share while it is written."""

    def __init__(self, code: TileCode) -> None:
        self.code = code
        self.filter: MinimalFilter = minimal_filter(code.outputs)
        self.f = Function("fill", {"board": "ptr noalias readonly"})
        self.board = fields(self.f, FIELDS)
        self.size = 4 if code.number == "float" else 8
        self.vector_bytes = code.lanes * self.size
        self.guard = Guard(self.f, code.number, code.lanes)
        count = self.filter.points**2
        self.places = self.f.value(f"alloca [{count} x ptr]")

    def place_of_tile(self, number: Value) -> tuple[Value, Value, Value]:
        """Emit image, row of tiles and column of tiles."""
        rest, column = self.f.divide(number, self.board["tile_columns"])
        image, row = self.f.divide(rest, self.board["tile_rows"])
        return image, row, column

    def v_place(self, tile: Value, channel: Value) -> Value:
        """Emit the place in V of a vector of channels of a tile, at the first point."""
        f, depth = self.f, self.code.depth
        block, within = f.divide(channel, str(depth))
        place = f.at(self.board["scratch"], f.multiply(block, self.board["v_block"]))
        place = f.at(place, f.multiply(tile, depth * self.size))
        return f.at(place, f.multiply(within, self.size))

    def m_place(self, panel: Value, vector_: Value, tile: Value) -> Value:
        """Emit the place in M of a vector of a panel of this pass, at the first point."""
        f, board = self.f, self.board
        place = f.at(f.at(board["scratch"], board["m_place"]), f.multiply(panel, board["m_panel"]))
        place = f.at(place, f.multiply(tile, self.code.block[1] * self.vector_bytes))
        return f.at(place, f.multiply(vector_, self.vector_bytes))

    def bias(self, of_group: Value, out: Value) -> Value:
        """Emit the load of a vector of numbers of channels out, as many as there are."""
        f, code, place = self.f, self.code, self.f.at(of_group, self.f.multiply(out, self.size))
        if not code.ragged[1]:
            return f.value(f"load {vector(code.number, code.lanes)}, ptr {place}, align 1")
        mask = first_lanes(f, f.subtract(self.board["outs"], out), code.lanes)
        return load_some(f, code.number, place, mask, "zeroinitializer", code.lanes)

    def outputs(self, within: Value, tile: Value, bias: Value) -> list[Value]:
        """Emit the outputs of a tile, for a vector of channels out of this pass from channel `within` on."""
        f, code, points = self.f, self.code, self.filter.points
        numbers = VectorNumbers(f, code.number, code.lanes)
        rest, _ = f.divide(within, str(code.lanes))
        place = self.m_place(*f.divide(rest, str(code.block[1])), tile)
        sums = []
        for _ in range(points**2):
            sums.append(f.value(f"load {numbers.type}, ptr {place}, align {self.size}"))
            place = f.at(place, self.board["m_point"])
        rows = [sums[i * points : (i + 1) * points] for i in range(points)]
        found = in_two_axes(sums_of_points, self.filter, rows, numbers)
        values = [numbers.add(value, bias) for row in found for value in row]
        self.guard.note([*values], code.lanes)
        return values

    def store(self, value: Value, place: Value) -> None:
        """Emit the store of a whole vector of outputs."""
        how = f"align {self.vector_bytes}, !nontemporal !1" if self.code.streamed else "align 1"
        self.f.do(f"store {vector(self.code.number, self.code.lanes)} {value}, ptr {place}, {how}")

    @contextmanager
    def when_there_is(self, out: Value) -> Iterator[None]:
        """Emit what is done only if there is such a channel out."""
        if self.code.ragged[1]:
            with self.f.when(self.f.value(f"icmp slt i64 {out}, {self.board['outs']}")):
                yield
        else:
            yield
