"""The front door for tensors: `faltung.convolve` and `faltung.correlate` with tensors for samples or taps.

What is asked is checked and written down as for arrays. A kernel that is a value is a fixed linear map (`linear`);
taps that are a tensor, and banks over channels, are a layer (`operator`). Gradients flow through either.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.arrays import as_dtype
from faltung.ground.threads import worker_count
from faltung.kernels import Bank, Kernel
from faltung.kernels.dilated import dilated
from faltung.planning.channel_plan import ChannelPlan
from faltung.planning.kept import forget, plan_problem
from faltung.planning.planned import Candidate, Planned
from faltung.planning.problem import Problem
from faltung.planning.question import Options, Question, as_value, question_of
from faltung.planning.report import Row
from faltung.run.race import fastest
from faltung.tensors import operator
from faltung.tensors.device_plan import filter_plan
from faltung.tensors.extension import extend
from faltung.tensors.finite import mended
from faltung.tensors.fixed_filter import linear, note_kernel
from faltung.tensors.layer_plan import check_method, plan_layer

__all__ = ["TensorPlan", "filter", "plan"]


def filter(x: Any, kernel: Any, options: Options, out: Any, mask: Any, workers: int | None) -> torch.Tensor:
    """Filter a tensor; the arguments are those of `faltung.convolve`."""
    if not isinstance(x, torch.Tensor):
        remedy = "Use torch.from_numpy(x), or kernel.detach().numpy()."
        raise ArgumentTypeError("x", "a tensor, as the kernel is one", f"a {type(x).__name__}", remedy)
    if workers is not None:
        worker_count(workers)  # raises an error if it is no number of threads
    wanted = _result_dtype(options.dtype, x)
    y = _missing(_as_numbers(x), kernel, options._replace(dtype=None, masked=False), mask, workers)
    y = _stored(y, wanted)
    if out is None:
        return y
    if not isinstance(out, torch.Tensor) or out.shape != y.shape or out.dtype != y.dtype or out.device != y.device:
        expected = f"a tensor of shape {tuple(y.shape)}, dtype {y.dtype} on {y.device}"
        raise ArgumentError("out", expected, _described(out), "Omit out= to have one made.")
    return out.copy_(y)


def _described(out: Any) -> str:
    if isinstance(out, torch.Tensor):
        return f"shape {tuple(out.shape)}, dtype {out.dtype} on {out.device}"
    return f"a {type(out).__name__}"


# ---- dtypes


def _as_numbers(x: torch.Tensor) -> torch.Tensor:
    """Return samples that are computed with: integers as floats, wide enough as for arrays."""
    if x.is_floating_point() or x.is_complex():
        return x
    return x.to(torch.float32 if x.dtype.itemsize <= 2 else torch.float64)


def _result_dtype(dtype: Any, x: torch.Tensor) -> torch.dtype | None:
    if dtype is None or isinstance(dtype, torch.dtype):
        if dtype == torch.bool or (x.is_complex() and dtype is not None and not dtype.is_complex):
            expected = "a dtype that can hold the result"
            raise ArgumentError("dtype", expected, str(dtype), "Take .real, .imag or abs() of the result.")
        return dtype
    name = as_dtype(dtype, "dtype").name
    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype):
        raise ArgumentTypeError("dtype", "a dtype of torch", repr(dtype))
    return found


def _stored(y: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    """Convert a result; integers are rounded half to even and saturated, and NaN becomes 0."""
    if dtype is None or y.dtype == dtype:
        return y
    if dtype.is_floating_point or dtype.is_complex:
        return y.to(dtype)
    limits = torch.iinfo(dtype)
    rounded = torch.nan_to_num(y.round(), nan=0.0)
    # The largest float below the limit, where the limit itself is none.
    highest = float(limits.max) if dtype.itemsize <= 2 or (y.dtype == torch.float64 and dtype.itemsize < 8) else None
    if highest is not None:
        return rounded.clamp(float(limits.min), highest).to(dtype)
    whole = rounded.clamp(float(limits.min), math.nextafter(float(limits.max), 0.0)).to(torch.float64).to(dtype)
    return torch.where(rounded >= float(limits.max), limits.max, whole)


# ---- missing samples


def _missing(x: torch.Tensor, kernel: Any, options: Options, mask: Any, workers: int | None) -> torch.Tensor:
    """Filter; taps on missing samples drop out, and the others weigh as much more."""
    ignored = options.nan == "ignore"
    if mask is None and not ignored:
        return _parts(x, kernel, options, workers)
    there = torch.ones(x.shape, dtype=torch.bool, device=x.device)
    if ignored:
        there = ~torch.isnan(x)
    if mask is not None:
        given = mask if isinstance(mask, torch.Tensor) else torch.as_tensor(mask)
        if given.dtype != torch.bool:
            remedy = "Compare it with a number, for example weights > 0."
            expected = "a tensor of booleans, False where a sample is missing"
            raise ArgumentTypeError("mask", expected, f"{given.dtype}", remedy)
        try:
            there = there & torch.broadcast_to(given.to(x.device), x.shape)
        except RuntimeError:
            expected = f"a tensor of shape {tuple(x.shape)}, or one that broadcasts to it"
            raise ArgumentError("mask", expected, f"shape {tuple(given.shape)}") from None
    if isinstance(kernel, Bank) and kernel.in_channels > 1:
        expected = "a single channel in where samples may be missing"
        raise ArgumentError("kernel", expected, f"a bank with {kernel.in_channels}")
    options = options._replace(nan="propagate")
    y = _parts(torch.where(there, x, 0), kernel, options, workers)
    # A constant that stands beyond the border is never missing.
    size = _magnitude(kernel)
    real = y.real.dtype if y.is_complex() else y.dtype
    weights = _parts(there.to(real), size, options._replace(cval=1.0), workers)
    total = _parts(torch.ones_like(there, dtype=real), size, options._replace(mode="nearest"), workers)
    least = 32 * torch.finfo(weights.dtype).eps * total
    return torch.where(weights > least, y * (total / weights.clamp(min=torch.finfo(weights.dtype).tiny)), math.nan)


def _magnitude(kernel: Any) -> Any:
    if isinstance(kernel, torch.Tensor):
        return kernel.abs()
    if isinstance(kernel, Bank):
        return Bank(np.abs(kernel.taps), kernel.origin)
    kernel = kernel if isinstance(kernel, Kernel) else Kernel(kernel)
    return Kernel(np.abs(kernel.taps), kernel.origin)


# ---- complex numbers


def _parts(x: torch.Tensor, kernel: Any, options: Options, workers: int | None) -> torch.Tensor:
    """Filter real and imaginary parts by themselves."""
    if isinstance(kernel, torch.Tensor):
        complex_taps = kernel.is_complex()
    else:
        kernel = as_value(kernel, options.channel_axis is not None)
        complex_taps = kernel.dtype.kind == "c"
    if not x.is_complex() and not complex_taps:
        return _real(x, kernel, options, workers)
    cval = complex(options.cval)
    samples = [(x.real, cval.real), (x.imag, cval.imag)] if x.is_complex() else [(x, cval.real)]
    taps = [kernel.real, kernel.imag] if complex_taps else [kernel]
    found = [[_real(s, k, options._replace(cval=c), workers) for k in taps] for s, c in samples]
    if len(samples) == 1:
        return torch.complex(found[0][0], found[0][1])
    if len(taps) == 1:
        return torch.complex(found[0][0], found[1][0])
    return torch.complex(found[0][0] - found[1][1], found[0][1] + found[1][0])


# ---- real numbers


def _real(x: torch.Tensor, kernel: Any, options: Options, workers: int | None) -> torch.Tensor:
    if isinstance(kernel, Kernel):
        return _by_kernel(x, kernel, options, workers)
    return _by_bank(x, kernel, options, workers)


def _question(x: torch.Tensor, kernel: Any, options: Options) -> Question:
    """Return what is asked of a real tensor; taps that are a tensor are replaced by ones."""
    if isinstance(kernel, torch.Tensor):
        shape = tuple(kernel.shape)
        if options.channel_axis is not None and len(shape) < 3:
            expected = "taps of shape (channels out, channels in of a group, *spatial)"
            raise ArgumentError("kernel", expected, f"a tensor of shape {shape}")
        kernel = as_value(np.ones(shape), options.channel_axis is not None)
    number = np.dtype(np.float64 if x.dtype == torch.float64 else np.float32)
    return question_of(tuple(x.shape), number, kernel, options)


def _correlated(question: Question) -> Kernel:
    """Return the kernel that a tensor is correlated with, with the zeros of its dilation."""
    assert isinstance(question.kernel, Kernel)
    kernel = dilated(question.kernel, question.dilation)
    return kernel.flip() if question.reflected else kernel


def _by_kernel(x: torch.Tensor, kernel: Kernel, options: Options, workers: int | None) -> torch.Tensor:
    """Filter by a value: every channel, then every so many outputs."""
    question = _question(x, kernel, options)
    correlated = _correlated(question)
    key, taps = note_kernel(correlated)
    first, stop = ([region[k] for region in question.regions] for k in (0, 1))
    cval = float(question.cval.real)
    how = (question.mode, cval, question.method, question.accuracy, workers or 0, key)
    y = linear(x, taps, list(correlated.origin), list(question.axes), first, stop, *how)
    if any(step > 1 for step in question.stride):
        every = [slice(None)] * y.ndim
        for axis, step in zip(question.axes, question.stride, strict=True):
            every[axis] = slice(None, None, step)
        y = y[tuple(every)]
    return y


def _channel_plan(x: torch.Tensor, kernel: Any, options: Options) -> ChannelPlan:
    """Return what is asked of a bank, or of taps that are a tensor: a plan without a method."""
    plan = ChannelPlan(_question(x, kernel, options))
    if len(plan.layer.axes) > 3:
        expected = "at most three spatial axes for tensors with channels"
        raise ArgumentError("kernel", expected, f"{len(plan.layer.axes)}")
    return plan


def _way(x: torch.Tensor, options: Options) -> str:
    if options.method == "auto" and options.accuracy == "pointwise":
        return "direct" if x.device.type == "cpu" else "torch"
    return check_method(options.method)


def _by_bank(x: torch.Tensor, kernel: Any, options: Options, workers: int | None) -> torch.Tensor:
    """Filter by a layer: a bank, or taps that are a tensor."""
    plan = _channel_plan(x, kernel, options)
    layer = plan.layer
    if isinstance(kernel, torch.Tensor):
        weights = (kernel[None, None] if options.channel_axis is None else kernel).to(x)
        if options.reflected:
            weights = weights.flip([*range(2, weights.ndim)])
    else:
        weights = torch.from_numpy(np.array(plan.correlated.taps)).to(x)
    samples, order = _in_order(plan, x)
    mode, starts = layer.mode, [axis.start for axis in layer.axes]
    if mode == "constant" and layer.cval:
        stops = [axis.stop for axis in layer.axes]
        samples = extend(samples - layer.cval, starts, stops, "constant") + layer.cval
        starts = [0] * len(starts)
    stride, outputs, dilation = zip(*((axis.stride, axis.outputs, axis.dilation) for axis in layer.axes), strict=True)

    def through(method: str) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        geometry = (stride, starts, outputs, dilation, layer.groups, mode, method, workers or 0)
        return lambda x, w: operator.correlate(x, w, None, *geometry)

    apply = through(_way(x, options))
    y = apply(samples, weights)
    if isinstance(kernel, Bank) and not kernel.taps.all():
        y = mended(y, samples, weights, apply, through("torch"))
    return _in_place(plan, y, x, order)


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
        return self.inner.error

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
        meta = torch.empty(self.shape, dtype=self.dtype, device="meta")
        question = _question(meta, self.kernel, self.options._replace(dtype=None, cval=0.0))
        return ChannelPlan(question).result_shape

    def rows(self) -> list[Row]:
        """Return what the plan prints, as pairs of a word and a text."""
        return self.inner.rows()

    def __call__(self, x: Any, out: Any = None, workers: int | None = None, mask: Any = None) -> torch.Tensor:
        """Run the plan on a tensor of the planned shape, dtype and device; parameters as for other plans."""
        expected = (
            f"a tensor of shape {self.shape}, dtype {self.dtype} on {self.device}, for which this plan was made"
        )
        remedy = "Make a plan for this tensor, or use convolve."
        if not isinstance(x, torch.Tensor):
            raise ArgumentTypeError("x", expected, f"a {type(x).__name__}", remedy)
        if (tuple(x.shape), x.dtype, x.device) != (self.shape, self.dtype, self.device):
            raise ArgumentError("x", expected, _described(x), remedy)
        if self.options.masked and mask is None:
            raise ArgumentError("mask", "a tensor of booleans, because this plan was made with a mask", "None")
        if mask is not None and not self.options.masked:
            remedy = "Make a plan with mask=, or use convolve."
            raise ArgumentError(
                "mask", "None, because this plan was made without a mask", f"a {type(mask).__name__}", remedy
            )
        return filter(x, self.kernel, self.options, out, mask, workers)


def plan(x: Any, kernel: Any, options: Options, effort: str) -> TensorPlan:
    """Return what would run for a tensor."""
    if not isinstance(x, torch.Tensor):
        remedy = "Use torch.zeros(shape) for the shape of a tensor."
        raise ArgumentTypeError("x", "a tensor, as the kernel is one", f"a {type(x).__name__}", remedy)
    _result_dtype(options.dtype, x)
    if not isinstance(kernel, torch.Tensor):
        kernel = as_value(kernel, options.channel_axis is not None)
    inner = _inner_plan(_as_numbers(x), kernel, options._replace(dtype=None, masked=False), effort)
    return TensorPlan(kernel, options, tuple(x.shape), x.dtype, x.device, inner)


def _inner_plan(x: torch.Tensor, kernel: Any, options: Options, effort: str) -> Any:
    real, options = x.real if x.is_complex() else x, options._replace(cval=complex(options.cval).real)
    on_array = isinstance(kernel, Kernel) and x.device.type == "cpu"
    if effort == "measure" and not on_array:
        remedy = "Leave the choice to the predicted times, or name a method."
        raise ArgumentError(
            "effort", "'estimate' for banks, for taps that are a tensor, and on devices", "'measure'", remedy
        )
    if not isinstance(kernel, Kernel):
        layer = _channel_plan(real, kernel, options).layer
        return plan_layer(layer, real.dtype, real.device, False, _way(real, options))
    question = _question(real, kernel, options)
    # As the operator computes it: at all positions, before outputs are left out.
    correlated = _correlated(question)
    problem = Problem(
        *(question.shape, question.dtype, correlated, False, question.axes, question.mode, question.cval.real),
        *(question.regions, question.dtype, question.accuracy),
    )
    if on_array:
        if effort == "measure" and question.method == "auto":
            fastest(problem)
            forget()
        return plan_problem(problem, question.method)
    place = (problem.shape, problem.axes, problem.regions, problem.mode, float(problem.cval.real))
    return filter_plan(correlated, *place, question.method, question.accuracy, real.dtype, real.device)


def _in_order(plan: ChannelPlan, x: torch.Tensor) -> tuple[torch.Tensor, list[int]]:
    """Return a tensor as (images, channels, *spatial)."""
    spatial = [*plan.problem.axes]
    channel = [] if plan.channel_axis is None else [plan.channel_axis]
    order = [*plan.batch, *channel, *spatial]
    moved = x.permute(order)
    if not channel:
        moved = moved.unsqueeze(len(plan.batch))
    return moved.reshape(-1, *moved.shape[len(plan.batch) :]), order


def _in_place(plan: ChannelPlan, y: torch.Tensor, x: torch.Tensor, order: list[int]) -> torch.Tensor:
    """Put the axes of a result where those of the samples were."""
    y = y.reshape(*(x.shape[axis] for axis in plan.batch), *y.shape[1:])
    if plan.channel_axis is not None:
        return y.permute(np.argsort(order).tolist())
    y = y.movedim(len(plan.batch), 0)  # channels out come first
    y = y.permute([0, *(place + 1 for place in np.argsort(order).tolist())])
    return y if plan.new_axis else y.squeeze(0)
