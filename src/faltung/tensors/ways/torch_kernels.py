"""A layer by torch's own kernels, in every mode: where they lack one, the input is extended first."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch.nn.functional import conv1d, conv2d, conv3d

from faltung.planning.layer import Layer
from faltung.tensors.extension import extend, fold

__all__ = ["adjoint", "convolution", "correlate", "padding", "refusal", "taps"]

_CONVOLUTIONS = {1: conv1d, 2: conv2d, 3: conv3d}


def refusal(layer: Layer, part: str, device: torch.device, dtype: torch.dtype) -> str:
    """Return an empty string: torch computes every part of every layer."""
    del layer, part, device, dtype
    return ""


@lru_cache(maxsize=1024)
def padding(layer: Layer) -> tuple[int, ...] | None:
    """Return the number of zeros by which torch can pad both ends of each axis; None if it must be extended first."""
    margins = []
    for axis in layer.axes:
        zeros = -axis.start
        room = axis.length + 2 * zeros - axis.dilation * (axis.size - 1) - 1
        if zeros < 0 or room < 0 or room // axis.stride + 1 != axis.outputs or (zeros and axis.mode != "constant"):
            return None
        margins.append(zeros)
    return tuple(margins)


def convolution(
    x: torch.Tensor,
    w: torch.Tensor,
    bias: torch.Tensor | None,
    stride: Sequence[int],
    zeros: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> torch.Tensor:
    """Correlate by torch's function for this number of axes, with `zeros` zeros at both ends of each axis."""
    y: torch.Tensor = _CONVOLUTIONS[len(stride)](x, w, bias, stride, zeros, dilation, groups)
    return y


def correlate(layer: Layer, x: torch.Tensor, w: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Correlate with a bank of taps."""
    zeros = padding(layer)
    if zeros is None:
        x, zeros = _extended(layer, x), (0,) * len(layer.axes)
    return convolution(x, w, bias, layer.stride, zeros, layer.dilation, layer.groups)


def adjoint(layer: Layer, g: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Return the gradient with respect to the samples."""
    zeros = padding(layer)
    if zeros is not None:
        return _gradients(layer, g, _shape_only(g, layer.source_shape), w, zeros, (True, False))[0]
    low, high = _reach(layer)
    shape = (*layer.source_shape[:2], *(b - a for a, b in zip(low, high, strict=True)))
    extended, _ = _gradients(layer, g, _shape_only(g, shape), w, (0,) * len(low), (True, False))
    return fold(extended, low, layer.source_shape[2:], layer.modes)


def taps(layer: Layer, x: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """Return the gradient with respect to the taps."""
    zeros = padding(layer)
    if zeros is None:
        x, zeros = _extended(layer, x), (0,) * len(layer.axes)
    return _gradients(layer, g, x, _shape_only(x, layer.taps_shape), zeros, (False, True))[1]


def _gradients(
    layer: Layer,
    g: torch.Tensor,
    x: torch.Tensor,
    w: torch.Tensor,
    zeros: tuple[int, ...],
    wanted: tuple[bool, bool],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return those gradients, with respect to the samples and to the taps, that are wanted."""
    geometry = (layer.stride, zeros, layer.dilation, False, [0] * len(zeros), layer.groups)
    to_x, to_w, _ = torch.ops.aten.convolution_backward(g, x, w, None, *geometry, [*wanted, False])
    return to_x, to_w


def _shape_only(like: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Return a tensor of which torch reads the shape only; it takes no memory."""
    return like.new_empty(1).expand(shape)


def _reach(layer: Layer) -> tuple[list[int], list[int]]:
    return [axis.start for axis in layer.axes], [axis.stop for axis in layer.axes]


def _extended(layer: Layer, x: torch.Tensor) -> torch.Tensor:
    return extend(x, *_reach(layer), layer.modes)
