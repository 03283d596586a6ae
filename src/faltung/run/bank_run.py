"""Run a bank: every tile once, for all kernels."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.engines.base import Block, BlockFunction, Task
from faltung.engines.catalogue import BY_PASSES, BY_SPECTRA, EXACT
from faltung.engines.chain import packed
from faltung.engines.repair import view
from faltung.errors import ArgumentError
from faltung.ground import scratch
from faltung.ground.arrays import as_array
from faltung.ground.threads import share, worker_count
from faltung.planning.bank_plan import BankPlan
from faltung.run.gathering import address_of, frame_of, source_gatherer
from faltung.run.kernel_run import check_out, execute
from faltung.run.tiling import Tile, tiles_across

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["execute_bank"]


def execute_bank(
    plan: BankPlan, x: Any, out: Any = None, workers: int | None = None, mask: Any = None
) -> NDArray[Any]:
    """Carry out the plan of a bank; parameters as for calling one."""
    problem, shape = plan.together, plan.result_shape
    x = as_array(x, "x")
    if x.shape != problem.shape or x.dtype != problem.dtype:
        expected = f"shape {problem.shape} and dtype {problem.dtype}, for which this plan was made"
        raise ArgumentError("x", expected, f"shape {x.shape} and dtype {x.dtype}", "Make a plan for this array.")
    result = np.empty(shape, problem.result) if out is None else check_out(out, shape, problem.result)
    overlap = out is not None and np.may_share_memory(x, result)
    target = np.empty_like(result) if overlap else result
    if target.size and (plan.method == "apart" or not _Program.can_write(plan, target)):
        for part, place in zip(plan.plans, target, strict=True):
            execute(part, x, place, workers, mask)
    elif target.size:
        _program(plan).run(x, target, workers)
    if overlap:
        result[...] = target
    return result


class _Program:
    """The plan of a bank whose kernels share work, with its machine code."""

    def __init__(self, plan: BankPlan) -> None:
        self._layout = plan.together.layout
        self._gather = source_gatherer(plan.together)
        self._fill: _Transforms | _Filters = _Transforms(plan) if plan.method == "fourier" else _Filters(plan)
        self._tiles = tiles_across(self._layout, self._fill.tile)

    @staticmethod
    def can_write(plan: BankPlan, out: NDArray[Any]) -> bool:
        """Whether results can be written to where they belong."""
        return frame_of(out[0], plan.together.layout).packed

    def run(self, x: NDArray[Any], out: NDArray[Any], workers: int | None) -> None:
        """Fill `out`, tile by tile."""
        source, target = frame_of(x, self._layout), frame_of(out[0], self._layout)
        first = tuple(start for start, _ in self._layout.regions)
        start = address_of(x)
        starts = [address_of(part) for part in out]

        def fill(tile: Tile, _alive: object = x) -> None:
            _buffer, address, strides = self._gather(tile, source, start)
            at = sum(
                (position - origin) * stride
                for position, origin, stride in zip(tile.start, first, (*target.strides, target.column), strict=True)
            )
            self._fill(address, [place + at for place in starts], Block(strides, target.strides, tile.shape))

        share(fill, self._tiles, worker_count(workers))


_program = lru_cache(maxsize=32)(_Program)

BankPlan.execute = staticmethod(execute_bank)


class _Transforms:
    """Blocks of all kernels from one transform of their source."""

    def __init__(self, plan: BankPlan) -> None:
        taps = [np.ascontiguousarray(each, plan.together.number) for each in plan.taps]
        self._bank = BY_SPECTRA.prepare_bank(taps, plan.task(plan.together.extended))
        self.tile: tuple[int, ...] = self._bank.tile

    def __call__(self, source: int, targets: list[int], block: Block) -> None:
        """Fill one block for each kernel."""
        self._bank(source, targets, block)


class _Filters:
    """Blocks of all kernels as linear combinations of the same separable filters."""

    def __init__(self, plan: BankPlan) -> None:
        assert plan.basis is not None
        self._task = plan.task(plan.together.extended)
        filters = plan.filters(plan.together.extended)
        self._filters = [BY_PASSES.prepare(task) for task in filters]
        self._sums = [self._sum(weights) for weights in plan.basis.weights]
        self._taps = plan.taps
        self._exact: list[BlockFunction] = []
        rows, columns = BY_PASSES.tile(filters[0])[-2:]
        # What all filters leave of a tile stays in the cache.
        columns = min(columns, max(128, (1 << 19) // (rows * len(filters) * self._task.step)))
        self.tile: tuple[int, ...] = (*[1] * (self._task.taps.ndim - 2), rows, columns)

    def _sum(self, weights: NDArray[np.float64]) -> BlockFunction:
        number = self._task.taps.dtype
        taps = weights.astype(number).reshape(-1, *[1] * self._task.taps.ndim)
        extents = (1, *self._task.extents)
        return EXACT.prepare(
            Task(taps, (), True, self._task.step, number, self._task.target, extents, self._task.streamed)
        )

    def __call__(self, source: int, targets: list[int], block: Block) -> None:
        """Fill one block for each kernel."""
        number, step = self._task.taps.dtype, self._task.step
        source_strides, target_strides, shape = block
        strides, size = packed(shape, step * number.itemsize)
        buffer, planes = scratch.take("filters", size * len(self._filters))
        filtered = Block(source_strides, strides, shape)
        for k, run in enumerate(self._filters):
            run(source, planes + k * size, filtered)
        samples = view(planes, (size, *strides), (len(self._filters), *shape[:-1], shape[-1] * step), number)
        if self._task.source.kind == "f" and not np.isfinite(samples).all():
            # Filters reach further than the non-zero taps of a kernel.
            for run, target in zip(self._directly(), targets, strict=True):
                run(source, target, block)
            return
        summed = Block((size, *strides), (0, *target_strides), (1, *shape))
        for run, target in zip(self._sums, targets, strict=True):
            run(planes, target, summed)
        del buffer

    def _directly(self) -> list[BlockFunction]:
        if not self._exact:
            taps = (np.ascontiguousarray(each, self._task.taps.dtype) for each in self._taps)
            self._exact = [EXACT.prepare(replace(self._task, taps=each)) for each in taps]
        return self._exact
