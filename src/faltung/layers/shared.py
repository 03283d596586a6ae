"""What do a layer and its transpose share? The checks of their arguments and inputs, and the use of plans."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.checks import integer, is_sequence
from faltung.planning.layer import Layer
from faltung.tensors import operator
from faltung.tensors.layer_plan import LayerPlan, check_method, plan_layer

__all__ = ["MODES", "PlannedLayer", "channel_counts", "each_axis", "left_to_torch", "ndim_of"]

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


class PlannedLayer:
    """What a layer and its transpose add to torch's: a direction, a method and a plan for every shape of input.

    Attributes
    ----------
    flip : bool
        Whether the layer convolves in the mathematical sense.
    method : str
        The way in which it is computed, ``'auto'`` for that of the plan.
    """

    # A layer that was converted from torch's has no attributes of these names.
    flip: bool = False
    method: str = "auto"

    in_channels: int
    out_channels: int
    kernel_size: tuple[int, ...]
    groups: int
    weight: torch.Tensor
    bias: torch.Tensor | None

    def extra_repr(self) -> str:
        """Return as text the arguments that are not the default."""
        text = str(super().extra_repr())  # type: ignore[misc]  # that of torch's layer
        return text + ", flip=True" * self.flip + (f", method={self.method}" if self.method != "auto" else "")

    def _choose(self, flip: bool, method: str) -> None:
        if flip:
            self.flip = True
        if check_method(method) != "auto":
            self.method = method

    def _batched(self, x: torch.Tensor, forward: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """Apply `forward` to a batch, or to one image as a batch of one."""
        count = len(self.kernel_size)
        if not isinstance(x, torch.Tensor):
            raise ArgumentTypeError(
                "input", "a tensor", f"a {type(x).__name__}", "Use torch.from_numpy for an array."
            )
        if x.ndim not in (count + 1, count + 2) or x.shape[-count - 1] != self.in_channels:
            axes = f"{self.in_channels} channels and {count} spatial axes"
            expected = f"shape (images, channels, *spatial) or (channels, *spatial) with {axes}"
            raise ArgumentError("input", expected, f"shape {tuple(x.shape)}")
        if x.ndim == count + 2:
            return forward(x)
        return forward(x.unsqueeze(0)).squeeze(0)

    def _operands(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Return samples, taps of a correlation, and bias, in one dtype: that of autocast if it is on."""
        w, bias, device = self.weight, self.bias, x.device.type
        autocast = device != "meta" and torch.is_autocast_enabled(device)
        if autocast and x.is_floating_point() and x.dtype != torch.float64:
            kind = torch.get_autocast_dtype(device)
            x, w, bias = x.to(kind), w.to(kind), None if bias is None else bias.to(kind)
        elif x.dtype != w.dtype:
            remedy = "Convert one of them: input.to(layer.weight.dtype), or layer.to(input.dtype)."
            raise ArgumentTypeError("input", f"dtype {w.dtype}, which the weights have", f"{x.dtype}", remedy)
        return x, w.flip([*range(2, w.ndim)]) if self.flip else w, bias

    def _always_torch(self) -> bool:
        """Whether the layer is left to torch whatever the shape of its input."""
        if self.method != "auto":
            return self.method == "torch"
        channels = min(self.in_channels, self.out_channels) // self.groups
        return channels >= _MANY_CHANNELS and math.prod(self.kernel_size) <= _FEW_TAPS

    def _layer(self, source: Sequence[int], geometry: tuple[Any, ...]) -> Layer:
        """Return the layer for samples of shape `source`, with the geometry that the operator takes."""
        return operator.layer_of(tuple(source), tuple(self.weight.shape), *geometry)

    def _plan(self, layer: Layer, channels_last: bool) -> LayerPlan:
        return plan_layer(layer, self.weight.dtype, self.weight.device, channels_last, self.method)

    def _checked(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of an input that the layer can be planned for."""
        count = len(self.kernel_size)
        expected = f"(images, {self.in_channels}, *spatial) with {count} spatial axes"
        if not is_sequence(shape):
            raise ArgumentTypeError("shape", expected, repr(shape))
        lengths = tuple(integer("shape", length, 0, _LARGEST) for length in shape)
        if len(lengths) != count + 2 or lengths[1] != self.in_channels:
            raise ArgumentError("shape", expected, str(lengths))
        return lengths


def left_to_torch(plan: LayerPlan, part: str, x: torch.Tensor, w: torch.Tensor) -> bool:
    """Whether torch computes a part of a layer, and the gradients too if there are going to be any."""
    differentiated = torch.is_grad_enabled() and (x.requires_grad or w.requires_grad)
    return plan.all_torch if differentiated else plan.method_of(part) == "torch"
