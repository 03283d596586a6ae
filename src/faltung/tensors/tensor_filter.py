"""How is a tensor filtered? Missing samples, complex numbers, and then the operator of the kernel.

What is asked is a `Question`, as for arrays. A kernel that is a value is a fixed linear map (`fixed_filter`). Taps in
a tensor, and banks over channels, are a layer (`operator`). Gradients are computed through both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from faltung.errors import ArgumentError
from faltung.ground.boundary import spelled
from faltung.ground.threads import worker_count
from faltung.kernels import Kernel
from faltung.planning.channel_plan import ChannelPlan
from faltung.planning.layer import Layer
from faltung.planning.question import Options, Question
from faltung.tensors import operator
from faltung.tensors.asked import Asked, as_numbers, ask, check_beside, check_tensor, correlated
from faltung.tensors.complex_parts import has_complex_taps, joined, parts_of, parts_of_taps
from faltung.tensors.extension import extend
from faltung.tensors.finite import all_finite, growth_of, in_range, mended
from faltung.tensors.fixed_filter import linear, note_kernel
from faltung.tensors.layer_axes import in_order, in_place, taps_of
from faltung.tensors.layer_plan import check_method, check_offered
from faltung.tensors.missing_samples import without_missing
from faltung.tensors.recorded_filter import recorded
from faltung.tensors.recording import recording, shape_of
from faltung.tensors.storing import stored
from faltung.tensors.tensor_phases import interleaved_phases
from faltung.tensors.tensor_statistic import local_statistic

__all__ = ["description", "filter", "layer_way"]


def filter(x: Any, kernel: Any, options: Options, out: Any, mask: Any, workers: int | None) -> torch.Tensor:
    """Filter a tensor; the arguments are those of `faltung.convolve`."""
    check_tensor(x, "Use torch.from_numpy(x), or kernel.detach().numpy().")
    if isinstance(kernel, torch.Tensor):
        check_beside(x, kernel, "kernel")
    if workers is not None:
        worker_count(workers)  # raises an error if it is no number of threads
    if options.dtype is None and isinstance(out, torch.Tensor):
        options = options._replace(dtype=out.dtype, dtype_name="out")
    if options.statistic:
        y = local_statistic(
            x, kernel, options, mask, lambda x, kernel, how: filter(x, kernel, how, None, None, workers)
        )
    else:
        y = _convolved(x, ask(shape_of(x), x.dtype, kernel, options), mask, workers or 0)
    if out is None:
        return y
    if not isinstance(out, torch.Tensor) or out.shape != y.shape or out.device != y.device:
        expected = f"a tensor of shape {tuple(y.shape)}, dtype {y.dtype} on {y.device}"
        raise ArgumentError("out", expected, description(out), "Omit out= to have one made.")
    return out.copy_(y)


def _convolved(x: torch.Tensor, asked: Asked, mask: Any, workers: int) -> torch.Tensor:
    """Return the sums that are asked for, in the dtype of the result."""
    y = _filtered(as_numbers(x, asked), asked, mask, workers)
    if asked.divisors is not None:
        y = _quotients(y, asked)
    return stored(y, asked.result)


def description(out: Any) -> str:
    """Return what an error message says of a tensor, or of what is none."""
    if isinstance(out, torch.Tensor):
        return f"shape {tuple(out.shape)}, dtype {out.dtype} on {out.device}"
    return f"a {type(out).__name__}"


def _quotients(y: torch.Tensor, asked: Asked) -> torch.Tensor:
    """Return exact sums of whole numbers over their divisors."""
    divisors = torch.from_numpy(asked.divisors).to(y.device)
    if asked.plan is not None and divisors.numel() > 1:
        axis = 0 if asked.plan.channel_axis is None else asked.plan.channel_axis
        divisors = divisors.reshape([-1 if k == axis else 1 for k in range(y.ndim)])
    return torch.where(divisors > 1, y.round(), y) / divisors


class _How(NamedTuple):
    """How real numbers are filtered: by which method, with which accuracy, on how many threads (0: as usual)."""

    method: str
    accuracy: str
    workers: int


def _filtered(x: torch.Tensor, asked: Asked, valid: Any, workers: int) -> torch.Tensor:
    question, kernel = asked.question, asked.kernel
    if not (question.missing.applies or x.is_complex() or has_complex_taps(kernel)):
        return _real(x, kernel, asked, question.cval.real, _How(question.method, question.accuracy, workers))

    def apply(x: torch.Tensor, kernel: Any, cval: float, exact: bool = False) -> torch.Tensor:
        choice = (_exact_method(asked, x.device), "pointwise") if exact else (question.method, question.accuracy)
        return _real(x, kernel, asked, cval, _How(*choice, workers))

    def scaled(scale: float) -> torch.Tensor:
        samples = parts_of(x, question.cval)
        if scale != 1.0:
            samples = [(s * scale, c * scale) for s, c in samples]
        if question.missing.applies:
            return without_missing(samples, kernel, question, valid, apply)
        return joined([[apply(s, k, c) for k in parts_of_taps(kernel)] for s, c in samples])

    y = scaled(1.0)
    if x.is_complex() and has_complex_taps(kernel) and not all_finite(y):  # parts that are added up may overflow
        y = in_range(y, x, growth_of(kernel) + 2, scaled, abs(question.cval))
    return y


def _exact_method(asked: Asked, device: torch.device) -> str:
    """Return the method for results whose error is small beside the sum of abs(tap) * abs(sample) under them."""
    sums_on_device = isinstance(asked.kernel, Kernel) and device.type != "cpu" and len(asked.question.axes) <= 3
    return "direct" if sums_on_device else "auto"


# ---- real numbers


def _real(x: torch.Tensor, kernel: Any, asked: Asked, cval: float, how: _How) -> torch.Tensor:
    if asked.question.spread:
        return interleaved_phases(x, kernel, asked, lambda x, taps, part: _real(x, taps, part, cval, how))
    if recording():
        return recorded(x, kernel, asked.question, cval)
    if isinstance(kernel, Kernel):
        return _by_kernel(x, kernel, asked.question, cval, how)
    assert asked.plan is not None
    return _by_bank(x, kernel, asked.plan, cval, how)


def _by_kernel(x: torch.Tensor, kernel: Kernel, question: Question, cval: float, how: _How) -> torch.Tensor:
    """Filter by a kernel that is a value: every channel at all positions, of which the stride then leaves some."""
    kernel = correlated(kernel, question)
    key, taps = note_kernel(kernel)
    first, stop = ([region[k] for region in question.regions] for k in (0, 1))
    place = (list(kernel.origin), list(question.axes), first, stop, spelled(question.modes), cval)
    y = linear(x, taps, *place, *how, key)
    if any(step > 1 for step in question.stride):
        every = [slice(None)] * y.ndim
        for axis, step in zip(question.axes, question.stride, strict=True):
            every[axis] = slice(None, None, step)
        y = y[tuple(every)]
    return y


def layer_way(layer: Layer, method: str, accuracy: str, device: torch.device, dtype: torch.dtype) -> str:
    """Return the way in which a layer is computed, or ``auto``."""
    if method == "auto" and accuracy == "pointwise":
        return "direct" if device.type == "cpu" else "torch"
    if check_method(method) in ("fourier", "winograd") and accuracy == "pointwise":
        reason = "its rounding errors are not bounded point by point"
        raise ArgumentError("method", "a way that supports this", repr(method), f"It does not: {reason}.")
    check_offered(layer, method, device, dtype)
    return method


def _by_bank(x: torch.Tensor, kernel: Any, plan: ChannelPlan, cval: float, how: _How) -> torch.Tensor:
    """Filter by a layer: a bank, or taps that are a tensor."""
    question, layer = plan.question, plan.layer
    weights = taps_of(kernel, question, x)
    samples, order = in_order(plan, x)
    modes, starts = layer.modes, [axis.start for axis in layer.axes]
    if "constant" in modes and cval:
        samples = extend(samples, starts, [axis.stop for axis in layer.axes], modes, cval)
        starts = [0] * len(starts)
    stride, outputs, dilation = zip(*((axis.stride, axis.outputs, axis.dilation) for axis in layer.axes), strict=True)

    def through(method: str) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        geometry = (stride, starts, outputs, dilation, layer.groups, spelled(modes), method, how.workers)
        return lambda x, w: operator.correlate(x, w, None, *geometry)

    apply = through(layer_way(layer, how.method, how.accuracy, x.device, x.dtype))
    y = mended(apply(samples, weights), samples, weights, apply, through("torch"))
    return in_place(plan, y, x, order)
