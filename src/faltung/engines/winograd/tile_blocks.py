"""How large are blocks of tiles? Products in registers, operands in the cache, and work for every thread."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from faltung.jit.target import Target

__all__ = ["TileBlocks", "TileWork", "tile_blocks"]

#: Bytes of values and sums at the points that stay in the second-level cache, beside the transformed taps.
ROOM = 800 * 1024
#: Most bytes of them, where there are so many channels that no block of tiles is small enough.
MOST = 2 << 20
#: Cycles of a broadcast, and of a load of a vector; a multiply-add takes one.
BROADCAST, LOAD = 0.5, 1.0
#: Independent multiply-adds that hide the latency of one.
LATENCY = 8
#: Tiles of a register block: few lengths, because each of them is compiled.
ROWS = (1, 2, 4, 5, 6, 7, 8, 10, 12, 14)
#: Cycles of the transform of a vector of samples, and of sums, at one point.
VALUES, SUMS = 8.0, 6.0
#: Bytes of transformed taps that arrive in a cycle.
STREAM = 12.0
#: Cycles of an item, whatever it does.
ITEM = 2000
#: How much longer products take whose operands are in the third-level cache.
FAR = 1.12
#: Items that threads wait for each other.
WAIT = 0.3


@dataclass(frozen=True)
class TileWork:
    """What there is to do.

    Parameters
    ----------
    tiles, groups, ins, outs : int
        Tiles of all images, groups of channels, and channels of a group.
    points : int
        Points of a tile.
    itemsize : int
        Bytes of a number.
    """

    tiles: int
    groups: int
    ins: int
    outs: int
    points: int
    itemsize: int


@dataclass(frozen=True)
class TileBlocks:
    """How it is divided.

    Parameters
    ----------
    registers : tuple of int
        Tiles, and vectors of channels out, of a register block.
    tiles : int
        Tiles of an item, a multiple of those of a register block.
    parts, part_panels : int
        Parts of the channels out of which an item computes one, and register blocks across each.
    pass_panels : int
        Register blocks across the channels out whose sums are kept at once.
    """

    registers: tuple[int, int]
    tiles: int
    parts: int
    part_panels: int
    pass_panels: int


@lru_cache(maxsize=1024)
def tile_blocks(work: TileWork, lanes: int, workers: int, target: Target) -> TileBlocks:
    """Choose the blocks that take the least time, by a rough model.

    Examples
    --------
    >>> from faltung.jit.target import Target
    >>> tile_blocks(TileWork(16, 1, 256, 256, 36, 4), 16, 2, Target("x86-64", 64, 32)).parts > 1
    True
    """
    return min(_choices(work, lanes, workers, target), key=lambda choice: _cycles(choice, work, lanes, workers))


def _choices(work: TileWork, lanes: int, workers: int, target: Target) -> Iterator[TileBlocks]:
    across = -(-work.outs // lanes)
    for vectors in [vectors for vectors in (1, 2, 4) if vectors <= across]:
        panels = -(-across // vectors)
        most = (target.registers - 1 - vectors) // vectors  # a vector of U for each, and one of V
        for rows in [rows for rows in ROWS if rows <= min(most, work.tiles)]:
            for tiles in _lengths(work, rows):
                for parts in sorted({min(parts, panels) for parts in (1, workers, 2 * workers)}):
                    part_panels = -(-panels // parts)
                    row = work.points * work.itemsize * tiles
                    left = (ROOM - row * work.ins) // (row * vectors * lanes)
                    pass_panels = max(1, min(part_panels, left))
                    if row * (work.ins + pass_panels * vectors * lanes) > MOST and tiles > rows:
                        continue
                    parts = -(-panels // part_panels)
                    yield TileBlocks((rows, vectors), tiles, parts, part_panels, pass_panels)


def _lengths(work: TileWork, rows: int) -> list[int]:
    """Return how many tiles an item may have: whole register blocks, and all items about as many."""
    most = min(-(-work.tiles // rows), -(-96 // rows))
    counts = {-(-work.tiles // (rows * times)) for times in range(1, most + 1)}
    return sorted({rows * -(-work.tiles // (rows * count)) for count in counts if count})


def _cycles(choice: TileBlocks, work: TileWork, lanes: int, workers: int) -> float:
    rows, vectors = choice.registers
    blocks = -(-work.tiles // choice.tiles)
    items = blocks * work.groups * choice.parts
    busy, loads = max(rows * vectors, LATENCY), BROADCAST * rows + LOAD * vectors
    step = max(busy, loads) + 0.1 * min(busy, loads)
    products = work.points * work.ins * choice.part_panels * (choice.tiles // rows) * step
    taps = work.points * work.ins * choice.part_panels * vectors * lanes * work.itemsize
    streamed = taps / STREAM if taps * choice.parts > ROOM // 2 else 0.0
    # The values of a block are computed once by each thread that has a part of it.
    values = VALUES * work.points * choice.tiles * -(-work.ins // lanes)
    values *= min(choice.parts, workers) / choice.parts
    sums = SUMS * work.points * choice.tiles * choice.part_panels * vectors
    row = work.points * work.itemsize * choice.tiles
    if row * (work.ins + choice.pass_panels * vectors * lanes) > ROOM:
        products, values, sums = FAR * products, 1.5 * values, 1.5 * sums
    item = ITEM + max(products, streamed) + 0.2 * min(products, streamed) + values + sums
    # Threads begin and end at different times: the longer an item, the longer one waits for the last.
    return (math.ceil(items / workers) + (WAIT if workers > 1 else 0.0)) * item
