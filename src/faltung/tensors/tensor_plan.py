"""What would run for a tensor? A plan that is called with tensors, on the plan of an array, a filter or a layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.lazy import lazy
from faltung.kernels import Kernel
from faltung.planning.channel_plan import ChannelPlan
from faltung.planning.kept import forget, plan_problem
from faltung.planning.machine import current
from faltung.planning.missing_rule import check_given, one_of
from faltung.planning.phase_plan import PhasePlan, make_phase_plan
from faltung.planning.planned import Candidate, Planned
from faltung.planning.problem import Problem
from faltung.planning.question import Options, Question
from faltung.planning.report import Row
from faltung.run.race import fastest
from faltung.tensors.asked import Asked, ask, check_beside, check_tensor, correlated
from faltung.tensors.device_plan import filter_plan
from faltung.tensors.dtypes import numpy_dtype
from faltung.tensors.layer_plan import plan_layer
from faltung.tensors.tensor_filter import description, filter, layer_way

__all__ = ["TensorPlan", "plan"]


@dataclass(frozen=True, eq=False)
class TensorPlan(Planned):
    """The plan of a filter for tensors of one shape, dtype and device; it is called with such a tensor.

    Parameters
    ----------
    kernel : Kernel, Bank or Tensor
        The filter.
    options : Options
        All other arguments.
    shape, dtype, device
        Of the tensor.
    inner : Planned
        What is computed of a real tensor: the plan of an array, of a filter on a device, or of a layer.

    Examples
    --------
    >>> import faltung as fa
    >>> run = fa.plan(torch.zeros(480, 640), fa.gaussian(1.0))
    >>> run.method, run(torch.ones(480, 640)).shape
    ('separable', torch.Size([480, 640]))
    """

    kernel: Any
    options: Options
    shape: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    inner: Planned

    @property
    def problem(self) -> Any:
        """What is asked of a real tensor."""
        return self.inner.problem

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """Everything that was considered, the chosen one first."""
        return self.inner.candidates

    @property
    def error(self) -> float:
        """Bound of the rounding error of an output, relative to what `pointwise` says."""
        number, result = (torch.finfo(dtype).eps for dtype in (self.asked.number, self.asked.result))
        stored = result / 2 if result > number else 0.0
        return (1 + self.inner.error) * (1 + stored) - 1

    @property
    def pointwise(self) -> bool:
        """Whether `error` is relative to the sum of abs(tap) * abs(sample) under each output."""
        return self.inner.pointwise

    @property
    def memory(self) -> int:
        """Bytes of scratch for each worker, approximately."""
        return self.inner.memory

    @property
    def result_shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        return ChannelPlan(self.asked.question).result_shape

    @lazy
    def asked(self) -> Asked:
        """What is asked."""
        return ask(self.shape, self.dtype, self.kernel, self.options)

    @property
    def identity(self) -> tuple[Any, ...]:
        """What makes two plans equal."""
        kernel = self.kernel
        if isinstance(kernel, torch.Tensor):
            kernel = (kernel.dtype, kernel.device, kernel.tolist())
        return kernel, self.options.key, self.options.dtype_name, self.shape, self.dtype, self.device, self.inner

    def rows(self) -> list[Row]:
        """Return what the plan prints, as pairs of a word and a text."""
        return self.inner.rows()

    @property
    def rejected(self) -> tuple[Candidate, ...]:
        """The candidates that are printed below the rows."""
        return self.inner.rejected

    def __call__(
        self, x: Any, out: Any = None, workers: int | None = None, mask: Any = None, weights: Any = None
    ) -> torch.Tensor:
        """Run the plan on a tensor of the planned shape, dtype and device; parameters as for other plans."""
        expected = (
            f"a tensor of shape {self.shape}, dtype {self.dtype} on {self.device}, for which this plan was made"
        )
        remedy = "Make a plan for this tensor, or use convolve."
        if not isinstance(x, torch.Tensor):
            raise ArgumentTypeError("x", expected, f"a {type(x).__name__}", remedy)
        if (tuple(x.shape), x.dtype, x.device) != (self.shape, self.dtype, self.device):
            raise ArgumentError("x", expected, description(x), remedy)
        for name, value, planned in (("mask", mask, self.options.masked), ("weights", weights, self.options.graded)):
            check_given(name, value, planned, "a tensor")
        return filter(x, self.kernel, self.options, out, one_of(mask, weights), workers)


def plan(x: Any, kernel: Any, options: Options, effort: str) -> TensorPlan:
    """Return what would run for a tensor."""
    check_tensor(x, "Use torch.zeros(shape) for the shape of a tensor.")
    if isinstance(kernel, torch.Tensor):
        check_beside(x, kernel, "kernel")
    asked = ask(tuple(x.shape), x.dtype, kernel, options)
    inner = _inner_plan(asked, x.device, effort)
    return TensorPlan(asked.kernel, options, tuple(x.shape), x.dtype, x.device, inner)


def _inner_plan(asked: Asked, device: torch.device, effort: str) -> Any:
    """Return the plan for a real tensor: the real part of the samples, and of the question."""
    question, kernel = asked.question, asked.kernel
    if question.spread:
        phases = PhasePlan(question).phases
        parts = tuple(_part_plan(phase.question, asked, device, effort) for phase in phases)
        return make_phase_plan(question, current(), parts)
    on_array = isinstance(kernel, Kernel) and device.type == "cpu"
    if effort == "measure" and not on_array:
        remedy = "Leave the choice to the predicted times, or name a method."
        raise ArgumentError(
            "effort", "'estimate' for banks, for taps that are a tensor, and on devices", "'measure'", remedy
        )
    if not isinstance(kernel, Kernel):
        assert asked.plan is not None
        layer = asked.plan.layer
        way = layer_way(layer, question.method, question.accuracy, device, asked.number)
        return plan_layer(layer, asked.number, device, False, way)
    # As the operator computes it: at all positions, before outputs are left out.
    taps = correlated(kernel, question)
    number = numpy_dtype(asked.number)
    problem = Problem(
        *(question.shape, number, taps, False, question.axes, question.modes, question.cval.real),
        *(question.regions, number, question.accuracy),
    )
    if on_array:
        if effort == "measure" and question.method == "auto":
            fastest(problem)
            forget()
        return plan_problem(problem, question.method)
    place = (problem.shape, problem.axes, problem.regions, problem.modes, float(problem.cval.real))
    return filter_plan(taps, *place, question.method, question.accuracy, asked.number, device)


def _part_plan(question: Question, asked: Asked, device: torch.device, effort: str) -> Any:
    """Return the plan of a phase of a question with zeros between samples."""
    kernel = asked.kernel if isinstance(asked.kernel, torch.Tensor) else question.kernel
    plan = None if asked.plan is None else ChannelPlan(question)
    return _inner_plan(asked._replace(question=question, plan=plan, kernel=kernel), device, effort)
