"""What do a layer and its transpose share? The checks of their arguments and inputs, and the use of plans."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.checks import integer
from faltung.tensors import operator
from faltung.tensors.layer_plan import LayerPlan, plan_layer

__all__ = [
    "MODES",
    "always_torch",
    "batched",
    "cast",
    "channel_counts",
    "check_shape",
    "differentiated",
    "each_axis",
    "extras",
    "ndim_of",
    "planned",
]

#: Torch's names for how the input continues beyond its border, and ours.
MODES = {
    "zeros": "constant",
    "reflect": "mirror",
    "replicate": "nearest",
    "circular": "wrap",
    "symmetric": "reflect",
}

#: With so many channels in each group, and no more taps, torch's kernels are best whatever the shape of the input.
_MANY_CHANNELS, _FEW_TAPS = 32, 49
_LARGEST = 2**31 - 1


def ndim_of(kernel_size: int | Sequence[int], ndim: int | None) -> int:
    """Return the number of spatial axes of a layer."""
    sizes = len(kernel_size) if isinstance(kernel_size, (tuple, list)) else None
    if ndim is None:
        return 2 if sizes is None else integer("len(kernel_size)", sizes, 1, 3)
    count = integer("ndim", ndim, 1, 3)
    if sizes not in (None, 1, count):
        remedy = "Omit ndim=, or give a single number."
        expected = f"one number for each of {count} spatial axes"
        raise ArgumentError("kernel_size", expected, f"{sizes} of them", remedy)
    return count


def each_axis(name: str, value: Any, count: int, least: int = 1) -> tuple[int, ...]:
    """Return a checked integer for each spatial axis; a single one is used for all axes."""
    given = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if len(given) == 1:
        given *= count
    if len(given) != count:
        expected = f"{count} integers of at least {least}, or one for all axes"
        raise ArgumentError(name, expected, repr(value))
    return tuple(integer(name, number, least, _LARGEST) for number in given)


def channel_counts(in_channels: int, out_channels: int, groups: int) -> tuple[int, int, int]:
    """Return the checked numbers of channels and groups; torch checks whether they fit together."""
    named = (("in_channels", in_channels, 0), ("out_channels", out_channels, 0), ("groups", groups, 1))
    ins, outs, parts = (integer(name, count, least, _LARGEST) for name, count, least in named)
    return ins, outs, parts


def batched(layer: Any, x: torch.Tensor, forward: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """Apply `forward` to a batch, or to one image as a batch of one."""
    count = len(layer.kernel_size)
    if not isinstance(x, torch.Tensor):
        raise ArgumentTypeError("input", "a tensor", f"a {type(x).__name__}", "Use torch.from_numpy for an array.")
    if x.ndim not in (count + 1, count + 2) or x.shape[-count - 1] != layer.in_channels:
        axes = f"{layer.in_channels} channels and {count} spatial axes"
        expected = f"shape (images, channels, *spatial) or (channels, *spatial) with {axes}"
        raise ArgumentError("input", expected, f"shape {tuple(x.shape)}")
    if x.ndim == count + 2:
        return forward(x)
    return forward(x.unsqueeze(0)).squeeze(0)


def cast(
    x: torch.Tensor, w: torch.Tensor, bias: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Return the tensors in the dtype of autocast, if it is on; else their dtypes must agree."""
    device = x.device.type
    if device != "meta" and torch.is_autocast_enabled(device) and x.is_floating_point() and x.dtype != torch.float64:
        kind = torch.get_autocast_dtype(device)
        return x.to(kind), w.to(kind), None if bias is None else bias.to(kind)
    if x.dtype != w.dtype:
        remedy = "Convert one of them: input.to(layer.weight.dtype), or layer.to(input.dtype)."
        raise ArgumentTypeError("input", f"dtype {w.dtype}, which the weights have", f"{x.dtype}", remedy)
    return x, w, bias


def differentiated(x: torch.Tensor, w: torch.Tensor) -> bool:
    """Whether gradients are going to be computed."""
    return torch.is_grad_enabled() and (x.requires_grad or w.requires_grad)


def always_torch(layer: Any) -> bool:
    """Whether a layer is left to torch whatever the shape of its input."""
    if layer.method != "auto":
        return bool(layer.method == "torch")
    taps: int = math.prod(layer.kernel_size)
    channels = min(layer.in_channels, layer.out_channels) // layer.groups
    return channels >= _MANY_CHANNELS and taps <= _FEW_TAPS


def planned(layer: Any, source: tuple[int, ...], geometry: tuple[Any, ...], channels_last: bool) -> LayerPlan:
    """Return the plan of a layer for samples of shape `source`; `geometry` is that of the operator."""
    weight = layer.weight
    asked = operator.layer_of(source, tuple(weight.shape), *geometry)
    return plan_layer(asked, weight.dtype, weight.device, channels_last, layer.method)


def check_shape(layer: Any, shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of an input that a layer can be planned for."""
    count = len(layer.kernel_size)
    if len(shape) != count + 2 or shape[1] != layer.in_channels:
        expected = f"(images, {layer.in_channels}, *spatial) with {count} spatial axes"
        raise ArgumentError("shape", expected, str(tuple(shape)))
    return tuple(shape)


def extras(layer: Any) -> str:
    """Return as text the arguments that torch's layers lack, if they are not the default."""
    return (", flip=True" if layer.flip else "") + (f", method={layer.method}" if layer.method != "auto" else "")
