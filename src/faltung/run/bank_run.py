"""How does the plan of a bank run? Kernels one by one, or every tile once for all kernels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.engines.base import Block, BlockFunction, Job
from faltung.engines.catalogue import BY_PASSES, BY_SPECTRA, EXACT
from faltung.engines.chain import packed
from faltung.engines.repair import view
from faltung.ground import scratch
from faltung.ground.lazy import lazy
from faltung.ground.threads import share, worker_count
from faltung.planning.bank_plan import BankPlan
from faltung.run.gathering import Gatherer, address_of, offset, source_gatherer, strides_of
from faltung.run.output import Output
from faltung.run.tiling import Tile, Tiles, tiles_across

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BankRunner"]


class BankRunner:
    """Runs the plan of a bank."""

    ready = None

    def __init__(self, plan: BankPlan) -> None:
        self._plan = plan
        self._layout = plan.problem.layout

    @lazy
    def _fill(self) -> _SharedTransform | _SharedFilters | None:
        """What fills a tile for all kernels; None where each kernel is applied by itself."""
        if self._plan.method == "apart":
            return None
        return _SharedTransform(self._plan) if self._plan.method == "fourier" else _SharedFilters(self._plan)

    @lazy
    def _gather(self) -> Gatherer:
        return source_gatherer(self._plan.problem)

    @lazy
    def _tiles(self) -> Tiles:
        assert self._fill is not None
        return tiles_across(self._layout, self._fill.tile)

    def run(self, x: NDArray[Any], out: NDArray[Any], workers: int | None, valid: NDArray[Any] | None) -> None:
        """Fill `out`, whose first axis is that of the kernels."""
        fill = self._fill
        if fill is None:
            for part, place in zip(self._plan.plans, out, strict=True):
                part.runner.run(x, place, workers, valid)
            return
        target = strides_of(out[0], self._layout)
        gather, first = self._gather, self._layout.first
        source, start = strides_of(x, self._layout), address_of(x)
        targets = [address_of(part) for part in out]

        # Where the samples of a row are not contiguous, outputs take the way through scratch.
        scattered: Iterable[NDArray[Any]] = () if target.packed else out
        outputs = [Output(self._plan.problem, part, strides_of(part, self._layout)) for part in scattered]

        def work(tile: Tile, _alive: object = x) -> None:
            _buffer, address, strides = gather(tile, source, start)
            if outputs:
                results = outputs[0].room_for(tile, len(outputs))
                block = Block(strides, results.strides[1:-1], tile.shape)
                fill(address, [result.ctypes.data for result in results], block)
                for output, result in zip(outputs, results, strict=True):
                    output.store([result], tile)
                return
            start_of_tile = offset(tile, target, first)
            fill(address, [place + start_of_tile for place in targets], Block(strides, target.outer, tile.shape))

        share(work, self._tiles, worker_count(workers))


class _SharedTransform:
    """Blocks of all kernels from one transform of their source."""

    def __init__(self, plan: BankPlan) -> None:
        taps = [np.ascontiguousarray(kernel, plan.problem.number) for kernel in plan.taps]
        self._bank = BY_SPECTRA.prepare_bank(taps, plan.job(plan.problem.extended))
        self.tile: tuple[int, ...] = self._bank.tile

    def __call__(self, source: int, targets: list[int], block: Block) -> None:
        """Fill one block for each kernel."""
        self._bank(source, targets, block)


class _SharedFilters:
    """Blocks of all kernels as linear combinations of the same separable filters."""

    def __init__(self, plan: BankPlan) -> None:
        assert plan.basis is not None
        self._job = plan.job(plan.problem.extended)
        filters = plan.filters(plan.problem.extended)
        self._filters = [BY_PASSES.prepare(job) for job in filters]
        self._sums = [self._sum(weights) for weights in plan.basis.weights]
        self._taps = plan.taps
        self._exact: list[BlockFunction] = []
        self.tile: tuple[int, ...] = plan.filter_tile(filters)

    def _sum(self, weights: NDArray[np.float64]) -> BlockFunction:
        number = self._job.taps.dtype
        taps = weights.astype(number).reshape(-1, *[1] * self._job.taps.ndim)
        job = Job(
            taps=taps,
            terms=(),
            faithful=True,
            step=self._job.step,
            source=number,
            target=self._job.target,
            extents=(1, *self._job.extents),
            streamed=self._job.streamed,
        )
        return EXACT.prepare(job)

    def __call__(self, source: int, targets: list[int], block: Block) -> None:
        """Fill one block for each kernel."""
        number, step = self._job.taps.dtype, self._job.step
        source_strides, target_strides, shape = block
        strides, size = packed(shape, step * number.itemsize)
        buffer, planes = scratch.take("filters", size * len(self._filters))
        filtered = Block(source_strides, strides, shape)
        for k, run in enumerate(self._filters):
            run(source, planes + k * size, filtered)
        samples = view(planes, (size, *strides), (len(self._filters), *shape[:-1], shape[-1] * step), number)
        if self._job.source.kind == "f" and not np.isfinite(samples).all():
            # Shared filters also read samples that no non-zero tap of a kernel reads.
            for run, target in zip(self._directly(), targets, strict=True):
                run(source, target, block)
            return
        summed = Block((size, *strides), (0, *target_strides), (1, *shape))
        for run, target in zip(self._sums, targets, strict=True):
            run(planes, target, summed)
        del buffer

    def _directly(self) -> list[BlockFunction]:
        if not self._exact:
            kernels = (np.ascontiguousarray(kernel, self._job.taps.dtype) for kernel in self._taps)
            self._exact = [EXACT.prepare(replace(self._job, taps=taps)) for taps in kernels]
        return self._exact
