"""What will run for a statistic of the samples under a kernel? Sums of samples and of their squares, tile by tile."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from faltung.ground.lazy import lazy
from faltung.planning.channel_plan import ChannelPlan
from faltung.planning.missing_rule import NOTHING_MISSING
from faltung.planning.planned import Candidate, Planned
from faltung.planning.report import Row, bytes_text, shape_text, time_text
from faltung.planning.statistic import STATISTICS, Statistic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from faltung.kernels import Kernel
    from faltung.planning.problem import Problem
    from faltung.planning.question import Question

__all__ = ["StatisticPlan", "make_statistic_plan", "sums_over"]

#: Samples of a tile: its sums, in double precision, stay in the second-level cache.
_TOGETHER = 1 << 16
#: Longest row of a tile, along any axis but the first one.
_LONGEST = 512


@dataclass(frozen=True, eq=False)
class StatisticPlan(Planned):
    """The plan of a statistic of the second moment, such as the local variance.

    Parameters
    ----------
    question : Question
        The question that it answers.
    sums : Planned
        The plan of the sums over an inner tile, in double precision.
    """

    question: Question
    sums: Planned

    @property
    def problem(self) -> Problem:
        """The problem of the sums over the whole array."""
        return self.question.problem

    @property
    def statistic(self) -> Statistic:
        """What is computed."""
        return STATISTICS[self.question.statistic]

    @lazy
    def result_shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        return ChannelPlan(self.question).result_shape

    @lazy
    def tile(self) -> tuple[int, ...]:
        """Items of the batch, and outputs along each axis of the kernel, of a tile that stays in the cache."""
        shape = self.result_shape
        lengths = [shape[axis] for axis in self.question.axes]
        rest, tile = _TOGETHER, [1] * len(lengths)
        for k in reversed(range(len(lengths))):
            most = min(rest, _LONGEST) if k else rest
            tile[k] = max(1, min(lengths[k], most))
            rest = max(1, rest // tile[k])
        batch = [length for axis, length in enumerate(shape) if axis not in self.question.axes]
        return (min(batch[-1], rest) if batch else 1, *tile)

    @lazy
    def candidates(self) -> tuple[Candidate, ...]:
        """The methods of the sums."""
        tiles = math.prod(self.result_shape) / max(math.prod(self.sums.result_shape), 1)
        return tuple(replace(one, seconds=2 * tiles * one.seconds) for one in self.sums.candidates)

    @property
    def pointwise(self) -> bool:
        """Whether the error is relative to what is under each output."""
        return self.sums.pointwise

    @lazy
    def error(self) -> float:
        """Bound of the rounding error of a variance, relative to the largest squared distance in a tile."""
        return 4.0 * self.sums.error + 8.0 * float(np.finfo(np.float64).eps)

    @lazy
    def memory(self) -> int:
        """Bytes of scratch for each worker, approximately."""
        number = 16 if self.problem.dtype.kind == "c" else 8
        arrays = 9 if self.problem.weighted else 6
        return int(arrays * number * math.prod(self.sums.problem.shape)) + self.sums.memory

    @property
    def kept_bytes(self) -> int:
        """Bytes that a plan keeps from call to call, approximately."""
        return self._bytes_for(1) + self.sums.kept_bytes

    def rows(self) -> list[Row]:
        """Return what the plan prints, as pairs of a word and a text."""
        problem = self.problem
        return [
            problem.kernel_row,
            problem.input_row,
            ("output", f"{shape_text(self.result_shape)} {problem.result}, the {self.question.statistic}"),
            ("sums", f"{self.sums.method}, of samples less their mean over a tile, in {self.sums.problem.number}"),
            ("tile", shape_text(self.sums.problem.shape)),
            ("time", f"{time_text(self.seconds)} predicted, on one core"),
            ("memory", f"{bytes_text(self.memory)} of scratch a worker"),
            ("error", f"at most {self.error:.1e} of the largest squared distance of two samples of a tile"),
        ]


def make_statistic_plan(question: Question, plan_for: Callable[[Question], Planned]) -> StatisticPlan:
    """Return the plan of a statistic, with the plan of its sums that `plan_for` returns."""
    plan = StatisticPlan(question, plan_for(sums_over(question, (1,) * len(question.axes), 1)))
    items, *tile = plan.tile
    return replace(plan, sums=plan_for(sums_over(question, tile, items)))


def sums_over(question: Question, tile: Sequence[int], items: int, kernel: Kernel | None = None) -> Question:
    """Return the question of the sums over a tile of outputs of several items, from the samples under them."""
    correlated = question.problem.correlated
    places = [*zip(tile, question.stride, correlated.shape, correlated.origin, strict=True)]
    number = np.dtype("c16" if question.dtype.kind == "c" else "f8")
    return replace(
        question,
        kernel=question.kernel if kernel is None else kernel,
        shape=(items, *((outputs - 1) * step + size for outputs, step, size, _ in places)),
        dtype=number,
        axes=tuple(range(1, len(places) + 1)),
        regions=tuple((at, at + (outputs - 1) * step + 1) for outputs, step, _, at in places),
        modes=("constant",) * len(places),
        cval=0.0,
        result=number,
        missing=NOTHING_MISSING,
        statistic="",
    )
