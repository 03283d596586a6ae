"""The front door for tensors: `faltung.convolve` and `faltung.correlate` with tensors for samples or taps.

What is asked is checked and written down as for arrays. A kernel that is a value is a fixed linear map (`linear`);
taps that are a tensor, and banks over channels, are a layer (`operator`). Gradients flow through either.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.arrays import as_dtype
from faltung.ground.threads import worker_count
from faltung.kernels import Bank, Kernel
from faltung.planning.channel_plan import ChannelPlan, spread
from faltung.planning.kept import bank_of, channel_plan, plan_of
from faltung.planning.problem import Problem
from faltung.planning.question import Asked, axes_of, problem_of, steps
from faltung.tensors import operator
from faltung.tensors.device_plan import filter_plan
from faltung.tensors.extension import extend
from faltung.tensors.finite import mended
from faltung.tensors.fixed_filter import linear, note_kernel
from faltung.tensors.layer_plan import check_method, plan_layer

__all__ = ["filter_tensor", "plan_tensor"]


def filter_tensor(x: Any, kernel: Any, asked: Asked, out: Any, mask: Any, workers: int | None = None) -> torch.Tensor:
    """Filter a tensor; the arguments are those of `faltung.convolve`."""
    if not isinstance(x, torch.Tensor):
        remedy = "Use torch.from_numpy(x), or kernel.detach().numpy()."
        raise ArgumentTypeError("x", "a tensor, as the kernel is one", f"a {type(x).__name__}", remedy)
    if workers is not None:
        worker_count(workers)  # raises an error if it is no number of threads
    wanted = _result_dtype(asked.dtype, x)
    asked = asked._replace(dtype=None, masked=False)
    samples = _as_numbers(x)
    y = _missing(samples, kernel, asked, mask, workers)
    y = _stored(y, wanted)
    if out is None:
        return y
    if not isinstance(out, torch.Tensor) or out.shape != y.shape or out.dtype != y.dtype or out.device != y.device:
        expected = f"a tensor of shape {tuple(y.shape)}, dtype {y.dtype} on {y.device}"
        raise ArgumentError("out", expected, _described(out), "Leave out= away to have one made.")
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


def _missing(x: torch.Tensor, kernel: Any, asked: Asked, mask: Any, workers: int | None) -> torch.Tensor:
    """Filter; taps on missing samples drop out, and the others weigh as much more."""
    ignored = asked.nan == "ignore"
    if mask is None and not ignored:
        return _parts(x, kernel, asked, workers)
    there = torch.ones(x.shape, dtype=torch.bool, device=x.device)
    if ignored:
        there = ~torch.isnan(x)
    if mask is not None:
        given = mask if isinstance(mask, torch.Tensor) else torch.as_tensor(mask)
        if given.dtype != torch.bool:
            remedy = "Compare it with something, for example weights > 0."
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
    asked = asked._replace(nan="propagate")
    y = _parts(torch.where(there, x, 0), kernel, asked, workers)
    # A constant that stands beyond the border is never missing.
    size = _magnitude(kernel)
    real = y.real.dtype if y.is_complex() else y.dtype
    weights = _parts(there.to(real), size, asked._replace(cval=1.0), workers)
    total = _parts(torch.ones_like(there, dtype=real), size, asked._replace(mode="nearest"), workers)
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


def _parts(x: torch.Tensor, kernel: Any, asked: Asked, workers: int | None) -> torch.Tensor:
    """Filter real and imaginary parts by themselves."""
    if isinstance(kernel, torch.Tensor):
        complex_taps = kernel.is_complex()
    else:
        kernel = kernel if isinstance(kernel, (Kernel, Bank)) else _value(kernel, asked)
        complex_taps = kernel.dtype.kind == "c"
    if not x.is_complex() and not complex_taps:
        return _real(x, kernel, asked, workers)
    cval = complex(asked.cval)
    samples = [(x.real, cval.real), (x.imag, cval.imag)] if x.is_complex() else [(x, cval.real)]
    taps = [kernel.real, kernel.imag] if complex_taps else [kernel]
    found = [[_real(s, k, asked._replace(cval=c), workers) for k in taps] for s, c in samples]
    if len(samples) == 1:
        return torch.complex(found[0][0], found[0][1])
    if len(taps) == 1:
        return torch.complex(found[0][0], found[1][0])
    return torch.complex(found[0][0] - found[1][1], found[0][1] + found[1][0])


def _value(kernel: Any, asked: Asked) -> Kernel | Bank:
    if isinstance(kernel, str):
        remedy = "Read an expression with faltung.parse."
        raise ArgumentTypeError("kernel", "a kernel, a tensor or an array of taps", repr(kernel), remedy)
    return (bank_of(kernel, asked) if asked.channel_axis is not None else None) or Kernel(kernel)


# ---- real numbers


def _real(x: torch.Tensor, kernel: Any, asked: Asked, workers: int | None) -> torch.Tensor:
    if isinstance(kernel, Kernel):
        return _by_kernel(x, kernel, asked, workers)
    return _by_bank(x, kernel, asked, workers)


def _like(x: torch.Tensor) -> Any:
    """Return an array of the same shape without samples, for what checks arguments."""
    number = np.dtype(np.float64 if x.dtype == torch.float64 else np.float32)
    return np.broadcast_to(np.empty((), number), tuple(x.shape))


def _kernel_problem(x: torch.Tensor, kernel: Kernel, asked: Asked) -> tuple[Problem, Kernel]:
    """Return what is asked of a kernel at all positions, and what the tensor is correlated with."""
    kernel = spread(kernel, steps("dilation", asked.dilation, kernel.ndim))
    axes = axes_of(asked, x.ndim, kernel.ndim)
    problem = problem_of(_like(x), kernel, asked._replace(axes=axes, channel_axis=None))
    return problem, kernel.flip() if problem.reflected else kernel


def _by_kernel(x: torch.Tensor, kernel: Kernel, asked: Asked, workers: int | None) -> torch.Tensor:
    """Filter by a value: every channel, then every so many outputs."""
    stride = steps("stride", asked.stride, kernel.ndim)
    problem, correlated = _kernel_problem(x, kernel, asked)
    key, taps = note_kernel(correlated)
    first, stop = ([region[k] for region in problem.regions] for k in (0, 1))
    cval = float(complex(problem.cval).real)
    how = (problem.mode, cval, asked.method, asked.accuracy, workers or 0, key)
    y = linear(x, taps, list(correlated.origin), list(problem.axes), first, stop, *how)
    if any(step > 1 for step in stride):
        every = [slice(None)] * y.ndim
        for axis, step in zip(problem.axes, stride, strict=True):
            every[axis] = slice(None, None, step)
        y = y[tuple(every)]
    return y


def _bank_problem(x: torch.Tensor, kernel: Any, asked: Asked) -> ChannelPlan:
    """Return what is asked of a bank, or of taps that are a tensor."""
    value = kernel
    if isinstance(kernel, torch.Tensor):
        shape = tuple(kernel.shape)
        if asked.channel_axis is not None and len(shape) < 3:
            expected = "taps of shape (channels out, channels in of a group, *spatial)"
            raise ArgumentError("kernel", expected, f"a tensor of shape {shape}")
        value = Kernel(np.ones(shape)) if asked.channel_axis is None else Bank(np.ones(shape))
    bank = Bank.stack([value]) if isinstance(value, Kernel) else value
    plan = channel_plan(_like(x), bank, value, asked)
    if len(plan.layer.axes) > 3:
        expected = "at most three spatial axes for tensors with channels"
        raise ArgumentError("kernel", expected, f"{len(plan.layer.axes)}")
    return plan


def _way(x: torch.Tensor, asked: Asked) -> str:
    if asked.method == "auto" and asked.accuracy == "pointwise":
        return "direct" if x.device.type == "cpu" else "torch"
    return check_method(asked.method)


def _by_bank(x: torch.Tensor, kernel: Any, asked: Asked, workers: int | None) -> torch.Tensor:
    """Filter by a layer: a bank, or taps that are a tensor."""
    plan = _bank_problem(x, kernel, asked)
    layer = plan.layer
    if isinstance(kernel, torch.Tensor):
        weights = (kernel[None, None] if asked.channel_axis is None else kernel).to(x)
        if asked.reflected:
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

    apply = through(_way(x, asked))
    y = apply(samples, weights)
    if isinstance(kernel, Bank) and not kernel.taps.all():
        y = mended(y, samples, weights, apply, through("torch"))
    return _in_place(plan, y, x, order)


def plan_tensor(x: torch.Tensor, kernel: Any, asked: Asked) -> Any:
    """Return what would run for a tensor: a plan that prints."""
    x = _as_numbers(x)
    if not isinstance(kernel, (torch.Tensor, Kernel, Bank)):
        kernel = _value(kernel, asked)
    if not isinstance(kernel, Kernel):
        layer = _bank_problem(x, kernel, asked).layer
        return plan_layer(layer, x.dtype, x.device, False, _way(x, asked))
    if x.device.type == "cpu":
        return plan_of(_like(x), kernel, asked)
    problem, correlated = _kernel_problem(x, kernel, asked)
    place = (problem.shape, problem.axes, problem.regions, problem.mode, float(complex(problem.cval).real))
    return filter_plan(correlated, *place, asked.method, asked.accuracy, x.dtype, x.device)


def _in_order(plan: ChannelPlan, x: torch.Tensor) -> tuple[torch.Tensor, list[int]]:
    """Return a tensor as (images, channels, *spatial)."""
    spatial = [*plan.together.axes]
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
