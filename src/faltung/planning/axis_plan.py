"""What will run for a separable kernel that is too large to be multiplied out? One filter along each axis, in turn.

The array of taps of such a kernel would take far more memory than the samples. The border needs no tile with a halo
around it: what continues an array along several axes continues it along each of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from faltung.ground.arrays import computed_number
from faltung.ground.lazy import lazy
from faltung.kernels import Kernel
from faltung.kernels.rewrite import outer_terms, simplify
from faltung.kernels.rules import times
from faltung.planning.planned import Candidate, Planned
from faltung.planning.report import Row, bytes_text, scale_text, shape_text, shortened, time_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from faltung.planning.problem import Problem
    from faltung.planning.question import Question

__all__ = ["AxisPlan", "lines_in_turn", "make_axis_plan"]

#: Most taps of a separable kernel that is multiplied out: above, neither a transform nor a repair needs its taps.
MOST_SEPARABLE = 1 << 20
#: How far above the smallest normal number products of taps are that are no zeros in the number computed with.
_SPARE = 2.0**30


@dataclass(frozen=True, eq=False)
class AxisPlan(Planned):
    """The plan of a large separable kernel.

    Parameters
    ----------
    question : Question
        The question that it answers.
    plans : tuple of Planned
        The plans of the filters along the axes, in the order in which they run.
    """

    question: Question
    plans: tuple[Planned, ...]

    @property
    def problem(self) -> Problem:
        """The problem that it solves."""
        return self.question.problem

    @lazy
    def result_shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        return self.plans[-1].result_shape

    @lazy
    def candidates(self) -> tuple[Candidate, ...]:
        """The only method."""
        engines = tuple(engine for plan in self.plans for engine in plan.candidates[0].engines)
        return (Candidate("separable", engines, sum(plan.seconds for plan in self.plans)),)

    @property
    def engine(self) -> str:
        """The engines of all steps, as text."""
        return " + ".join(self.candidates[0].engines)

    @property
    def pointwise(self) -> bool:
        """The scale that `error` is relative to."""
        return all(plan.pointwise for plan in self.plans)

    @lazy
    def error(self) -> float:
        """Bound of the rounding error of an output; each filter adds its own to those of the filters before."""
        return math.prod(1.0 + plan.error for plan in self.plans) - 1.0

    @lazy
    def memory(self) -> int:
        """Bytes of the largest array between two filters, and of scratch for each worker, approximately."""
        between = (math.prod(plan.result_shape) * plan.problem.result.itemsize for plan in self.plans[:-1])
        return int(2 * max(between) + max(plan.memory for plan in self.plans))

    @property
    def kept_bytes(self) -> int:
        """Bytes that a plan keeps from call to call, approximately."""
        return sum(plan.kept_bytes for plan in self.plans)

    def rows(self) -> list[Row]:
        """Return what the plan prints, as pairs of a word and a text."""
        problem = self.problem
        steps = [
            (f"step {number}", f"{plan.method}, {plan.problem.kernel.size} taps along axis {plan.problem.axes[0]}")
            for number, plan in enumerate(self.plans, 1)
        ]
        word, kernel = problem.kernel_row
        return [
            (word, shortened(kernel)),
            problem.input_row,
            ("output", f"{shape_text(self.result_shape)} {problem.result}"),
            *steps,
            ("time", f"{time_text(self.seconds)} predicted, on one core"),
            ("memory", f"{bytes_text(self.memory)} besides input and output"),
            ("error", f"at most {self.error:.1e} of {scale_text(self.pointwise)}"),
        ]


def lines_in_turn(question: Question) -> tuple[Kernel, ...] | None:
    """Return the one-dimensional kernels of a large separable kernel, one for each of its axes; None for any other.

    All but the last are scaled, so that no sum between two filters is larger than the samples. Without so many taps,
    or with samples that may be missing, a kernel is one array.
    """
    kernel = question.kernel
    if not isinstance(kernel, Kernel) or kernel.ndim == 1 or kernel.size <= MOST_SEPARABLE:
        return None
    if question.as_c or question.missing.applies or question.method not in ("auto", "separable"):
        return None
    terms = outer_terms(simplify(kernel).kernel)
    return _scaled(terms[0]) if terms is not None and len(terms) == 1 else None


def make_axis_plan(question: Question, lines: Sequence[Kernel], plan_for: Callable[[Question], Planned]) -> AxisPlan:
    """Return the plan of these lines, with the plans that `plan_for` returns for them."""
    plans: list[Planned] = []
    shape, dtype, cval = list(question.shape), question.dtype, question.cval
    number = _number(question, lines)
    places = zip(lines, question.axes, question.regions, question.modes, strict=True)
    for line, axis, region, mode in places:
        kind = "c" if "c" in (dtype.kind, line.dtype.kind) else "f"
        between = np.dtype(f"{kind}{number.itemsize * (2 if kind == 'c' else 1)}")
        result = question.result if len(plans) == len(lines) - 1 else between
        along = replace(
            question,
            shape=tuple(shape),
            dtype=dtype,
            kernel=line,
            axes=(axis,),
            regions=(region,),
            modes=(mode,),
            cval=cval,
            result=result,
            stride=(1,),
            dilation=(1,),
            method="auto",
        )
        plans.append(plan_for(along))
        shape[axis], dtype, cval = region[1] - region[0], result, cval * line.taps.sum().item()
    return AxisPlan(question, tuple(plans))


def _number(question: Question, lines: Sequence[Kernel]) -> np.dtype[Any]:
    """Return the number of what is between two filters.

    Sums of integers have to be exact for an integer result. In single precision, small products of taps are zero, so
    that samples under them have no effect; filters in turn do not know them.
    """
    exact = question.dtype.kind in "biu" and question.result.kind in "iu"
    least = math.prod(float(np.abs(line.taps[line.taps != 0]).min()) for line in lines)
    faint = least < _SPARE * float(np.finfo(np.float32).tiny)
    return np.dtype(np.float64) if exact or faint else computed_number(question.dtype, question.result)


def _scaled(lines: Sequence[Kernel]) -> tuple[Kernel, ...] | None:
    """Return lines whose magnitudes add up to at most one, but for the last; None where numbers are out of range."""
    sizes = [float(np.abs(line.taps).sum()) for line in lines]
    if not all(sizes):
        return None
    powers = [2.0 ** -math.ceil(math.log2(size)) for size in sizes[:-1]]
    carried = math.prod(1.0 / power for power in powers)
    return tuple(map(times, (*powers, carried), lines)) if math.isfinite(carried * sizes[-1]) else None
