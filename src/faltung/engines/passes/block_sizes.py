"""How large a block of passes is at its best, and how much of it is computed for its neighbours."""

from __future__ import annotations

import numpy as np

from faltung.engines.base import Job
from faltung.jit.target import host

__all__ = ["folded", "halo", "outer_axes", "strip_rows", "strips"]

#: Samples of a block that is a single row.
LONG = 1 << 16


def outer_axes(job: Job) -> int:
    """Count the axes before rows and columns that the kernel extends over."""
    return sum(size > 1 for size in job.taps.shape[:-2])


def strips(job: Job, rows: int, between: float) -> tuple[int, ...]:
    """Return the shape of a block of some rows, as wide as `between` bytes for one allow."""
    room = max(
        int(between / (job.step * job.taps.dtype.itemsize)) - job.taps.shape[-1], 2 * job.taps.shape[-1], 64
    )
    if folded(job):
        room = max(room, LONG // job.step)  # a long row is cut into as many as there are lanes
    shape = [1] * (job.taps.ndim - 2) + [rows, room]
    if outer_axes(job):
        # Slices of a block share the halo along the axes before the rows.
        shape[-2] = min(2 * max(rows, job.taps.shape[-2]), job.extents[-2])
        shape[:-2] = [max(8, size) if size > 1 else 1 for size in job.taps.shape[:-2]]
    return tuple(min(length, extent) for length, extent in zip(shape, job.extents, strict=True))


def folded(job: Job) -> bool:
    """Return whether there is a single row, of which passes make several."""
    return job.extents[-2] == 1


def strip_rows(number: np.dtype[np.floating]) -> int:
    """Return the rows that passes go through together: as many as a vector has lanes."""
    return host().lanes("float" if number == np.float32 else "double")


def halo(job: Job, tile: tuple[int, ...]) -> float:
    """Return the outputs of the passes before the last over those of the last: a tile also needs those beside it."""
    # A single row is cut into as many as there are lanes, each with a halo of its own.
    width = tile[-1] / strip_rows(job.taps.dtype) if folded(job) else tile[-1]
    return 1.0 + float(job.taps.shape[-1] - 1) / max(width, 1)
