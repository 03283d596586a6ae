"""How is a tensor filtered? Missing samples, complex numbers, and then the operator of the kernel.

What is asked is a `Question`, as for arrays. A kernel that is a value is a fixed linear map (`fixed_filter`). Taps in
a tensor, and banks over channels, are a layer (`operator`). Gradients are computed through both.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.boundary import spelled
from faltung.ground.threads import worker_count
from faltung.kernels import Bank, Kernel
from faltung.kernels.dilated import dilated
from faltung.planning.channel_plan import ChannelPlan
from faltung.planning.question import Options, Question, as_value, question_of
from faltung.tensors import operator
from faltung.tensors.dtypes import numpy_dtype
from faltung.tensors.extension import extend
from faltung.tensors.finite import mended
from faltung.tensors.fixed_filter import linear, note_kernel
from faltung.tensors.layer_plan import check_method
from faltung.tensors.storing import as_numbers, result_dtype, stored

__all__ = ["ask", "channel_plan", "correlated_kernel", "description", "filter", "refuse_weights", "way"]


def filter(x: Any, kernel: Any, options: Options, out: Any, mask: Any, workers: int | None) -> torch.Tensor:
    """Filter a tensor; the arguments are those of `faltung.convolve`."""
    if not isinstance(x, torch.Tensor):
        remedy = "Use torch.from_numpy(x), or kernel.detach().numpy()."
        raise ArgumentTypeError("x", "a tensor, as the kernel is one", f"a {type(x).__name__}", remedy)
    refuse_weights(options)
    if workers is not None:
        worker_count(workers)  # raises an error if it is no number of threads
    wanted = result_dtype(options.dtype, x)
    y = _missing(as_numbers(x), kernel, options._replace(dtype=None, masked=False), mask, workers)
    y = stored(y, wanted)
    if out is None:
        return y
    if not isinstance(out, torch.Tensor) or out.shape != y.shape or out.dtype != y.dtype or out.device != y.device:
        expected = f"a tensor of shape {tuple(y.shape)}, dtype {y.dtype} on {y.device}"
        raise ArgumentError("out", expected, description(out), "Omit out= to have one made.")
    return out.copy_(y)


def description(out: Any) -> str:
    """Return what an error message says of a tensor, or of what is none."""
    if isinstance(out, torch.Tensor):
        return f"shape {tuple(out.shape)}, dtype {out.dtype} on {out.device}"
    return f"a {type(out).__name__}"


# ---- missing samples


def refuse_weights(options: Options) -> None:
    """Raise an error for arguments about missing samples that only arrays have."""
    for name, given in (
        ("weights", options.graded),
        ("min_weight", options.min_weight),
        ("keep_nan", options.keep_nan),
    ):
        if given:
            raise ArgumentError(name, "none for tensors", "one", "Filter x.numpy(), which shares its memory.")


def _missing(x: torch.Tensor, kernel: Any, options: Options, mask: Any, workers: int | None) -> torch.Tensor:
    """Filter, with the taps on missing samples left out and the others scaled up."""
    if mask is None and options.nan != "ignore":
        return _parts(x, kernel, options, workers)
    valid = _valid(x, mask, options.nan == "ignore")
    if isinstance(kernel, Bank) and kernel.in_channels > 1:
        expected = "a single channel in where samples may be missing"
        raise ArgumentError("kernel", expected, f"a bank with {kernel.in_channels}")
    options = options._replace(nan="propagate")
    y = _parts(torch.where(valid, x, 0), kernel, options, workers)
    magnitudes = _magnitude(kernel)
    real = y.real.dtype if y.is_complex() else y.dtype
    # The constant beyond the border is never missing.
    weights = _parts(valid.to(real), magnitudes, options._replace(cval=1.0), workers)
    total = _parts(torch.ones_like(valid, dtype=real), magnitudes, options._replace(mode="nearest"), workers)
    least = 32 * torch.finfo(weights.dtype).eps * total
    return torch.where(weights > least, y * (total / weights.clamp(min=torch.finfo(weights.dtype).tiny)), math.nan)


def _valid(x: torch.Tensor, mask: Any, skips_nan: bool) -> torch.Tensor:
    """Return a tensor of booleans, False where a sample is missing."""
    valid = ~torch.isnan(x) if skips_nan else torch.ones(x.shape, dtype=torch.bool, device=x.device)
    if mask is None:
        return valid
    mask = mask if isinstance(mask, torch.Tensor) else torch.as_tensor(mask)
    if mask.dtype != torch.bool:
        remedy = "Compare it with a number, for example weights > 0."
        expected = "a tensor of booleans, False where a sample is missing"
        raise ArgumentTypeError("mask", expected, f"{mask.dtype}", remedy)
    try:
        return valid & torch.broadcast_to(mask.to(x.device), x.shape)
    except RuntimeError:
        expected = f"a tensor of shape {tuple(x.shape)}, or one that broadcasts to it"
        raise ArgumentError("mask", expected, f"shape {tuple(mask.shape)}") from None


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


def ask(x: torch.Tensor, kernel: Any, options: Options) -> Question:
    """Return what is asked of a real tensor; taps that are a tensor are replaced by ones."""
    if isinstance(kernel, torch.Tensor):
        shape = tuple(kernel.shape)
        if options.channel_axis is not None and len(shape) < 3:
            expected = "taps of shape (channels out, channels in of a group, *spatial)"
            raise ArgumentError("kernel", expected, f"a tensor of shape {shape}")
        kernel = as_value(np.ones(shape), options.channel_axis is not None)
    return question_of(tuple(x.shape), numpy_dtype(x.dtype), kernel, options)


def correlated_kernel(question: Question) -> Kernel:
    """Return the kernel that a tensor is correlated with, with the zeros of its dilation."""
    assert isinstance(question.kernel, Kernel)
    kernel = dilated(question.kernel, question.dilation)
    return kernel.flip() if question.reflected else kernel


def _by_kernel(x: torch.Tensor, kernel: Kernel, options: Options, workers: int | None) -> torch.Tensor:
    """Filter by a kernel that is a value: every channel at all positions, of which the stride then leaves some."""
    question = ask(x, kernel, options)
    correlated = correlated_kernel(question)
    key, taps = note_kernel(correlated)
    first, stop = ([region[k] for region in question.regions] for k in (0, 1))
    cval = float(question.cval.real)
    how = (spelled(question.modes), cval, question.method, question.accuracy, workers or 0, key)
    y = linear(x, taps, list(correlated.origin), list(question.axes), first, stop, *how)
    if any(step > 1 for step in question.stride):
        every = [slice(None)] * y.ndim
        for axis, step in zip(question.axes, question.stride, strict=True):
            every[axis] = slice(None, None, step)
        y = y[tuple(every)]
    return y


def channel_plan(x: torch.Tensor, kernel: Any, options: Options) -> ChannelPlan:
    """Return what is asked of a bank, or of taps that are a tensor: a plan without a method."""
    plan = ChannelPlan(ask(x, kernel, options))
    if len(plan.layer.axes) > 3:
        expected = "at most three spatial axes for tensors with channels"
        raise ArgumentError("kernel", expected, f"{len(plan.layer.axes)}")
    return plan


def way(x: torch.Tensor, options: Options) -> str:
    """Return the way in which a layer is computed, or ``auto``."""
    if options.method == "auto" and options.accuracy == "pointwise":
        return "direct" if x.device.type == "cpu" else "torch"
    return check_method(options.method)


def _by_bank(x: torch.Tensor, kernel: Any, options: Options, workers: int | None) -> torch.Tensor:
    """Filter by a layer: a bank, or taps that are a tensor."""
    plan = channel_plan(x, kernel, options)
    layer = plan.layer
    if isinstance(kernel, torch.Tensor):
        weights = (kernel[None, None] if options.channel_axis is None else kernel).to(x)
        if options.reflected:
            weights = weights.flip([*range(2, weights.ndim)])
    else:
        weights = torch.from_numpy(np.array(plan.correlated.taps)).to(x)
    samples, order = _in_order(plan, x)
    mode, starts = spelled(layer.modes), [axis.start for axis in layer.axes]
    if "constant" in layer.modes and layer.cval:
        stops = [axis.stop for axis in layer.axes]
        samples = extend(samples - layer.cval, starts, stops, layer.modes) + layer.cval
        starts = [0] * len(starts)
    stride, outputs, dilation = zip(*((axis.stride, axis.outputs, axis.dilation) for axis in layer.axes), strict=True)

    def through(method: str) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        geometry = (stride, starts, outputs, dilation, layer.groups, mode, method, workers or 0)
        return lambda x, w: operator.correlate(x, w, None, *geometry)

    apply = through(way(x, options))
    y = apply(samples, weights)
    if isinstance(kernel, Bank) and not kernel.taps.all():
        y = mended(y, samples, weights, apply, through("torch"))
    return _in_place(plan, y, x, order)


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
