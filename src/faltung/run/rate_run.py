"""How do passes that change the rate run? With a board of addresses, sizes and tables, which all threads read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.engines.polyphase.rate_code import RATE_FIELDS, rates_function
from faltung.engines.polyphase.rate_stores import RateDescription, staged_bytes
from faltung.ground.bounded import Bounded
from faltung.ground.threads import worker_count
from faltung.jit.compile import code_bytes
from faltung.jit.samples import sample
from faltung.jit.target import host
from faltung.planning.layer import Axis
from faltung.planning.machine import current
from faltung.planning.rate_passes import RatePasses
from faltung.run.gathering import address_of
from faltung.run.layer_run import STREAMED_BYTES, Board, in_threads, whole_lines
from faltung.run.rate_tiles import Span, described, repeated, tile_for
from faltung.run.tables import MemoryLayout, Tables, memory_layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faltung.planning.channel_plan import ChannelPlan
    from faltung.planning.phase_plan import PhasePlan

__all__ = ["RateCode", "RateRunner", "rate_runner"]

#: Most memory layouts whose machine code a runner keeps.
_MOST_CODES = 4
#: Predicted seconds on one core below which no other thread is woken: that takes as long as it saves.
_ALONE = 1e-4
#: A first-level cache as most are: bytes of a line, number of sets, and lines of a set.
_LINE, _SETS, _WAYS = 64, 64, 8


class RateRunner:
    """Fills results with passes that change the rate.

    Parameters
    ----------
    passes : RatePasses
        The passes.
    """

    def __init__(self, passes: RatePasses) -> None:
        self._passes = passes
        self._codes: Bounded[tuple[MemoryLayout, MemoryLayout, int, bool], RateCode] = Bounded(_MOST_CODES)

    def run(self, x: NDArray[Any], out: NDArray[Any], workers: int | None) -> bool:
        """Fill `out`; return whether all of it is finite, as far as can be told."""
        source, target = self._planes(x), self._planes(out)
        in_place = np.may_share_memory(target, out) and target.strides[-1] == target.itemsize
        if not in_place:  # no single stride leads from plane to plane, or from column to column
            target = np.empty(target.shape, target.dtype)
        past = out.nbytes >= STREAMED_BYTES // 4 and not address_of(target) % host().vector_bytes
        key = memory_layout(source), memory_layout(target), len(source), past
        code = self._codes.get(key)
        if code is None:
            made = RateCode(self._passes, *key)
            code = self._codes.put(key, made, made.nbytes)
        finite = code(address_of(source), address_of(target), workers)
        if not in_place:
            ordered = self._ordered(out)
            ordered[...] = target.reshape(ordered.shape)
        return finite

    def _ordered(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a view with the axes of images, rows and columns in this order."""
        passes = self._passes
        return array.transpose(*passes.images, *([] if passes.row is None else [passes.row]), *passes.merged)

    def _planes(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return an array as (images, rows, columns), which may take a copy."""
        ordered, passes = self._ordered(array), self._passes
        rows = 1 if passes.row is None else array.shape[passes.row]
        columns = math.prod(array.shape[axis] for axis in passes.merged)
        return ordered.reshape(math.prod(array.shape[axis] for axis in passes.images), rows, columns)


def rate_runner(plan: ChannelPlan | PhasePlan) -> RateRunner | None:
    """Return what runs the passes of a plan; None if that is not its method."""
    passes = plan.passes if plan.method == "polyphase" else None
    return RateRunner(passes) if isinstance(passes, RatePasses) else None


class RateCode:
    """The machine code for one memory layout of source and target, and its tables.

    Parameters
    ----------
    passes : RatePasses
        The passes.
    source, target : MemoryLayout
        Of arrays with the axes (images, rows, columns).
    images : int
        Number of images.
    past : bool
        Whether to write past the cache, if all vectors are aligned.
    beside : bool, optional
        Whether outputs are added to the numbers of another array of the memory layout of the target.
    """

    def __init__(
        self,
        passes: RatePasses,
        source: MemoryLayout,
        target: MemoryLayout,
        images: int,
        past: bool,
        beside: bool = False,
    ) -> None:
        self._passes = passes
        self._lanes = host().lanes("float" if passes.number == np.float32 else "double")
        count = passes.rows.outputs
        foldable = all(
            count == 1 or images == 1 or one.strides[0] == count * one.strides[1] for one in (source, target)
        )
        self._tile = tile = tile_for(passes, self._lanes, foldable)
        if tile.folded:  # each row is an image
            rows = 1 if count > 1 else 0
            source, target = (
                one._replace(strides=(one.strides[rows], 0, one.strides[2])) for one in (source, target)
            )
            images *= count
        self._layouts, self._images = (source, target), images
        self._tables = self._made_tables()
        self._code = rates_function(self._description(past, beside), host())
        self._factors = {sign: np.array([sign], passes.number) for sign in (1, -1)}
        seconds = passes.seconds(images, current())
        self._alone = seconds < _ALONE
        self._board = Board(RATE_FIELDS, self._values(), seconds)

    @property
    def nbytes(self) -> int:
        """Bytes of the tables of samples, and of the machine code."""
        return self._tables.nbytes + code_bytes([self._code])

    def __call__(self, source: int, target: int, workers: int | None, base: int = 0, sign: int = 1) -> bool:
        """Fill the target; return whether all that comes from the filter is finite, as far as can be told.

        With the address of a `base`, the result is ``base + sign * result``.
        """
        count = 1 if workers is None and self._alone else worker_count(workers)
        values = {"source": source, "target": target}
        if base:
            values.update(beside=base - target, factor=address_of(self._factors[sign]))
        return not self._board.call(in_threads, self._code, count, **values)

    def _made_tables(self) -> Tables:
        """Make the tables of samples and of taps."""
        passes, tile, source = self._passes, self._tile, self._layouts[0]
        size = passes.number.itemsize
        read = tile.columns + tile.stretch * (self._lanes - 1)
        down, across = Span(passes.rows, tile.height, tile.rows), Span(passes.columns, tile.width, read)
        if tile.folded:
            down.outputs = 1
        place = 0 if tile.folded or not passes.columns.filters else self._lanes * size
        self._starts = down.starts(source.strides[1])
        self._columns, self._copies = across.copied(size, self._lanes, place, not passes.cval)
        self._fill = np.array([passes.cval]).astype(passes.number)
        self._down = repeated(passes.rows, tile.height, self._lanes)
        self._across = repeated(passes.columns, tile.own, self._lanes)
        layout = source._replace(strides=(source.strides[0], 0, 0, *source.strides[1:]))
        tops = np.arange(down.outputs)
        # A span stands for an axis.
        return Tables((Axis(1, 1), down, across), layout, (1, 1), tops, down.positions(1), passes.number)  # type: ignore[arg-type]

    def _description(self, past: bool, beside: bool) -> RateDescription:
        passes, tile, (source, target), lanes = self._passes, self._tile, self._layouts, self._lanes
        bytes_ = lanes * passes.number.itemsize
        whole = not (
            passes.columns.outputs % lanes or tile.width % lanes or any(s % bytes_ for s in target.strides[:2])
        )
        streamed = past and whole and not tile.folded
        return RateDescription(
            down=described(passes.rows, lanes),
            across=described(passes.columns, lanes),
            folded=tile.folded,
            source=sample(source.dtype),
            number="float" if passes.number == np.float32 else "double",
            lanes=lanes,
            gathered=self._tables.gathered,
            streamed=streamed,
            beside=beside,
            staged=not streamed and _collides(target.strides[1], lanes, 1 + beside),
        )

    def _values(self) -> dict[str, int]:
        """Return the entries of the board that stay the same from call to call."""
        passes, tile, (source, target), lanes = self._passes, self._tile, self._layouts, self._lanes
        tables, size = self._tables, passes.number.itemsize
        # Rows below the last one, and columns behind it, may be read as far as a vector reaches.
        gathered = whole_lines(tables.plane + lanes * (tables.columns + 4) * size)
        between = (tile.columns + 2 * lanes) * lanes * size if passes.columns.filters else 0
        staged = staged_bytes(lanes, size) if passes.columns.filters and not tile.folded else 0
        return {
            "items": self._images * tables.row_tiles * tables.column_tiles,
            "room": whole_lines(gathered + between + staged),
            "source_image": source.strides[0],
            "target_image": target.strides[0],
            "target_row": target.strides[1],
            "height": 1 if tile.folded else passes.rows.outputs,
            "width": passes.columns.outputs,
            "row_tiles": tables.row_tiles,
            "column_tiles": tables.column_tiles,
            "tile_height": tile.height,
            "tile_width": tile.width,
            "down_first": address_of(self._down[0]),
            "down_taps": address_of(self._down[1]),
            "across_first": address_of(self._across[0]),
            "across_taps": address_of(self._across[1]),
            "lane_source": tile.stretch * size,
            "lane_target": tile.own * size,
            "lane_width": tile.own,
            "between": gathered,
            "stage": gathered + between,
            "fill": address_of(self._fill),
            "samples": tile.columns,
            "source_row": source.strides[1],
            "row_starts": address_of(self._starts),
            "column_starts": address_of(self._columns),
            "copies": address_of(self._copies),
            **tables.entries(),
        }


def _collides(stride: int, rows: int, arrays: int) -> bool:
    """Whether the first-level cache has no room for one line of each of so many rows of some arrays."""
    sets = [k * stride // _LINE % _SETS for k in range(rows)]
    return max(map(sets.count, sets)) * arrays > _WAYS
