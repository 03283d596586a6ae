"""The items of a block: which tile of which channel goes through which transform, and its position in memory."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faltung.engines.base import Block, Job
from faltung.engines.fourier.overlap import evenly
from faltung.engines.fourier.planes import BLOCK, ITEM
from faltung.engines.fourier.spectrum import Plane
from faltung.engines.fourier.survey import cell
from faltung.engines.fourier.transform import PAIR

__all__ = ["Item", "Items", "list_items"]


@dataclass(frozen=True)
class Item:
    """One tile of one channel: its outputs along each axis, and the byte offsets of its source and its target."""

    shape: tuple[int, ...]
    source: int
    target: int


@dataclass(frozen=True, eq=False)
class Items:
    """The items of a block, grouped by the transforms that they share, and the tables for the code."""

    transforms: list[tuple[Item, ...]]
    table: NDArray[np.int64]
    block: NDArray[np.int64]
    cell_bytes: int


def list_items(job: Job, plane: Plane, block: Block, together: int, box: tuple[int, ...]) -> Items:
    """Cut a block into items, of which `together` (1 or 2) share a transform; no kernel has zeros in `box`."""
    outputs = plane.tiling.outputs
    tiles = itertools.product(*(evenly(size, most) for size, most in zip(block.shape, outputs, strict=True)))
    items = [_item(job, block, tile, channel) for tile in tiles for channel in range(job.step)]
    transforms = [tuple(items[k : k + together]) for k in range(0, len(items), together)]
    table = np.zeros((len(transforms), len(PAIR) + 2 * len(ITEM)), np.int64)
    for row, sharing in zip(table, transforms, strict=True):
        entries = [_entries(job, plane, item) for item in sharing]
        row[: len(PAIR)] = _parts(plane, entries)
        for k, of_item in enumerate(entries):
            row[len(PAIR) + k * len(ITEM) :][: len(ITEM)] = [of_item[name] for name in ITEM]
    strides = _strides(job, plane, block, box)
    slabs, rows = (int(strides[BLOCK.index(name)]) for name in ("cell_slabs", "cell_rows"))
    # Cells in several slabs are kept from slab to slab.
    kept = -(-plane.tiling.plane[1] // rows) if slabs > 1 else 1
    cell_bytes = (kept * plane.tiling.plane[2] + plane.lanes) * plane.number.itemsize
    return Items(transforms, table, strides, cell_bytes)


def _item(job: Job, block: Block, tile: tuple[tuple[int, int], ...], channel: int) -> Item:
    *starts, column = (start for start, _ in tile)
    position = column * job.step + channel
    source, target = (
        sum(start * stride for start, stride in zip(starts, strides, strict=True)) + position * dtype.itemsize
        for strides, dtype in ((block.source_strides, job.source), (block.target_strides, job.target))
    )
    return Item(tuple(length for _, length in tile), source, target)


def _entries(job: Job, plane: Plane, item: Item) -> dict[str, int]:
    """Return the entries of `ITEM`."""
    entries = {"source": item.source, "target": item.target}
    slab, row, last = plane.tiling.axes
    for side, halo in (("source", 1), ("target", 0)):
        slabs, rows, columns = (
            1 if axis is None else item.shape[axis] + halo * (job.taps.shape[axis] - 1) for axis in (slab, row, last)
        )
        length = columns
        if plane.tiling.kind == "line":
            columns = min(length, plane.tiling.plane[2])
            rows = -(-length // plane.tiling.plane[2])
        counts = {"slabs": slabs, "rows": rows, "columns": columns, "length": length}
        entries.update({f"{side}_{name}": count for name, count in counts.items()})
    return entries


def _parts(plane: Plane, entries: list[dict[str, int]]) -> list[int]:
    """Return the entries of `PAIR`."""

    def most(name: str, unit: int = 1) -> int:
        return max(-(-of_item[name] // unit) for of_item in entries)

    lanes, alone = plane.lanes, plane.tiling.kind == "rows"
    parts = {
        "rows_in": most("source_rows"),
        "vectors_in": most("source_columns", lanes),
        "rows_out": most("target_rows"),
        "vectors_out": most("target_columns", lanes),
        "groups": most("source_rows", lanes) if alone else plane.tiling.plane[1] // lanes,
    }
    return [parts[name] for name in PAIR]


def _strides(job: Job, plane: Plane, block: Block, box: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the table `BLOCK`."""
    slab, row, last = plane.tiling.axes
    line = plane.tiling.plane[2] if plane.tiling.kind == "line" else 0
    slabs, rows, columns = cell(1 if slab is None else box[slab], 1 if row is None else box[row], box[last], line)
    entries = {"line": line, "cell_slabs": slabs, "cell_rows": rows, "cell_columns": columns}
    for side, strides, dtype in (
        ("source", block.source_strides, job.source),
        ("target", block.target_strides, job.target),
    ):
        entries[f"{side}_slab"] = 0 if slab is None else strides[slab]
        entries[f"{side}_row"] = line * job.step * dtype.itemsize if row is None else strides[row]
    return np.array([entries[name] for name in BLOCK], np.int64)
