"""How large is a block of passes, and how much is computed twice? Both follow from cache and vector sizes."""

from __future__ import annotations

import math

from faltung.engines.base import Job
from faltung.engines.rows import has_short_rows, tile_count
from faltung.jit.target import host

__all__ = [
    "calls_besides",
    "folded",
    "gathers",
    "halo",
    "lanes_for",
    "narrowed",
    "outer_axes",
    "strip_rows",
    "strips",
    "trips_between",
]

#: Bytes of a row, for each tap along it, from which on strips along the border are faster (see `has_short_rows`).
STRIP = 192
#: Calls of machine code that take as long as what Python does for a tile with passes along axes before rows, and the
#: trips through the cache that such a pass takes.
TOGETHER, OUTER = 4.0, 9.0
#: Samples of a block that is a single long row.
LONG = 1 << 16


def outer_axes(job: Job) -> int:
    """Count the axes before rows and columns that the kernel extends over."""
    return sum(size > 1 for size in job.taps.shape[:-2])


def strips(job: Job, rows: int, between: float) -> tuple[int, ...]:
    """Return the shape of a block of `rows` rows, so wide that one row takes `between` bytes between the passes."""
    room = max(int(between / (job.step * job.taps.dtype.itemsize)) - job.taps.shape[-1], 2 * job.taps.shape[-1], 64)
    if folded(job):
        room = max(room, LONG // job.step)  # a long row is cut into as many rows as a vector has lanes
    shape = [1] * (job.taps.ndim - 2) + [rows, room]
    if outer_axes(job):
        # The slices of a block share their halo along the axes before the rows.
        shape[-2] = min(2 * max(rows, job.taps.shape[-2]), job.extents[-2])
        shape[:-2] = [max(8, size) if size > 1 else 1 for size in job.taps.shape[:-2]]
    return tuple(min(length, extent) for length, extent in zip(shape, job.extents, strict=True))


def calls_besides(job: Job, tile: tuple[int, ...], terms: int) -> float:
    """Count the calls of machine code for axes before rows, and what Python does between them."""
    outer = outer_axes(job)
    return float(tile_count(job.extents, tile) * (TOGETHER + terms * outer)) if outer else 0.0


def trips_between(job: Job, terms: int) -> float:
    """Return how often an output goes through the cache between the passes, once for each term and axis at least."""
    return terms * (1 + outer_axes(job) * OUTER)


def gathers(job: Job, most: int) -> bool:
    """Return whether strips along the border would cost more than gathering whole blocks.

    They would if a kernel has more than `most` taps along an axis, since their halo is as wide, or if rows are short.
    """
    return bool(max(job.taps.shape) > most) or has_short_rows(job, STRIP)


def folded(job: Job) -> bool:
    """Return whether there is a single row, which is cut into several."""
    return job.extents[-2] == 1


def strip_rows(number: str) -> int:
    """Return the rows of a strip: as many as a vector has lanes."""
    return host().lanes(number)


def lanes_for(number: str, rows: int, samples: int) -> int:
    """Return the lanes of the vectors that a block is filled with: no more than it has rows, or samples in a row."""
    return min(strip_rows(number), 1 << (min(rows, samples).bit_length() - 1))


def narrowed(job: Job, tile: tuple[int, ...]) -> float:
    """Return the factor by which passes take longer if rows or columns of a tile are too few to fill vectors."""
    if folded(job):
        return 1.0
    rows, samples = tile[-2], tile[-1] * job.step
    lanes = lanes_for(job.number, max(rows, 1), max(samples, 1))
    if lanes == strip_rows(job.number):
        return 1.0
    covered = math.prod(-(-length // lanes) * lanes / max(length, 1) for length in (rows, samples))
    return strip_rows(job.number) / lanes * covered


def halo(job: Job, tile: tuple[int, ...]) -> float:
    """Return the factor by which passes before the last have more outputs: those of the halo, too."""
    # A single row is cut into as many rows as a vector has lanes, each with a halo of its own.
    width = tile[-1] / strip_rows(job.number) if folded(job) else tile[-1]
    return 1.0 + float(job.taps.shape[-1] - 1) / max(width, 1)
