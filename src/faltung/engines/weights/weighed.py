"""Block functions that sum values and weights at the same time, where samples may be missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faltung.engines.base import Block, Job, Weighing
from faltung.engines.overflow import can_overflow
from faltung.engines.rows import KEPT, MOST_KEPT, slice_offsets
from faltung.engines.weights.weighed_code import WeighedSums, weighing_function
from faltung.ground.bounded import Bounded
from faltung.jit.samples import sample
from faltung.jit.target import host

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MOST_ROWS", "Weighed"]

#: Most rows of taps: the code has a loop for each row, and takes 0.15 s to compile for this many.
MOST_ROWS = 16
#: Most taps that are written out, times the rows of a register block.
UNROLLED = 450


class Weighed:
    """Correlates the samples that are present, and makes up for those that are missing.

    Parameters
    ----------
    job : Job
        What is computed.
    weighing : Weighing
        How missing samples are told, and what has too little weight.
    scattered : bool
        Whether to visit the non-zero taps one by one, so that no zero tap is multiplied by an infinity.
    """

    def __init__(self, job: Job, weighing: Weighing, scattered: bool = False) -> None:
        target, number = host(), job.number
        *outer, rows, columns = (*job.taps.shape[:-2], 1, 1) if scattered else job.taps.shape
        self._job = job
        self._mask_bytes = job.taps.itemsize if weighing.graded else 1
        self._corners = np.array([(*index, 0, 0) for index in np.ndindex(*outer)], np.int64)
        taps = job.taps
        if scattered:
            self._corners = np.argwhere(taps)
            taps = taps[tuple(self._corners.T)]
        fills = bool((taps > 0).any() and (taps < 0).any())
        row_count = target.registers // (8 if fills else 4)  # half of the registers are sums
        written_out = not scattered and np.count_nonzero(taps) * row_count <= UNROLLED
        code = WeighedSums(
            shape=(len(self._corners), rows, columns),
            signs=tuple(np.sign(taps).astype(int).ravel().tolist()) if written_out else None,
            step=job.step,
            source=sample(job.source),
            target=sample(job.target),
            number=number,
            rows=row_count,
            lanes=target.lanes(number),
            skips_nan=weighing.skips_nan,
            masked=weighing.masked,
            graded=weighing.graded,
            multiplied=weighing.multiplied,
            fills=fills,
            # Written out, a mean may not be a number, or overflow, because its parts do.
            guarded=job.source.kind == "f" and ((fills if written_out else not taps.all()) or can_overflow(job)),
            streamed=job.streamed and job.target.kind == "f",
        )
        self._code = weighing_function(code, target)
        magnitudes = np.abs(taps).ravel()
        # Added in the order of the code, so that the quotient is exactly one where nothing is missing.
        totals = [
            np.add.accumulate([taps.dtype.type(0), *magnitudes[of_sign]])[-1]
            for of_sign in (taps.ravel() > 0, taps.ravel() < 0)
        ]
        least = np.add.accumulate(magnitudes)[-1] * taps.dtype.type(weighing.least)
        self._taps = np.array([*taps.ravel(), *magnitudes, *totals, least], taps.dtype)
        self._taps_address = self._taps.ctypes.data
        self._kept: Bounded[tuple[Block, tuple[int, ...]], tuple[tuple[int, ...], list[NDArray[np.int64]]]]
        self._kept = Bounded(MOST_KEPT, KEPT)

    def __call__(
        self, source: int, target: int, block: Block, mask: int = 0, mask_strides: tuple[int, ...] = ()
    ) -> bool:
        """Fill the block; return whether it must be computed again: something in it is infinite."""
        kept = self._kept.get((block, mask_strides))
        if kept is None:
            kept = self._tables(block, mask_strides)
            self._kept.put((block, mask_strides), kept, sum(table.nbytes for table in kept[1]))
        return bool(self._code(source, mask, target, self._taps_address, *kept[0]))

    def _tables(self, block: Block, mask_strides: tuple[int, ...]) -> tuple[tuple[int, ...], list[NDArray[np.int64]]]:
        source_strides, target_strides, shape = block
        mask_strides = mask_strides or (0,) * len(source_strides)
        both = ((source_strides, self._job.source.itemsize), (mask_strides, self._mask_bytes))
        tables = [
            self._corners @ np.array([*strides, self._job.step * itemsize], np.int64) for strides, itemsize in both
        ]
        tables += [
            slice_offsets(shape[:-2], strides[:-1]) for strides in (source_strides, mask_strides, target_strides)
        ]
        sizes = (tables[-1].size, shape[-2], shape[-1] * self._job.step)
        rows = (source_strides[-1], mask_strides[-1], target_strides[-1])
        return (*(table.ctypes.data for table in tables), *sizes, *rows), tables
