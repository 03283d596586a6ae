"""Torch's own kernels, for any mode: the input is extended first where they cannot do it themselves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch.nn.functional import conv1d, conv2d, conv3d

from faltung.planning.layer import Layer
from faltung.tensors.extension import extend, fold

__all__ = ["adjoint", "convolution", "correlate", "padding", "taps"]

_CONVOLUTIONS = {1: conv1d, 2: conv2d, 3: conv3d}


@lru_cache(maxsize=1024)
def padding(layer: Layer) -> tuple[int, ...] | None:
    """Return by how many zeros torch has to pad each axis, on both sides; None where it cannot."""
    found = []
    for axis in layer.axes:
        zeros = -axis.start
        room = axis.length + 2 * zeros - axis.dilation * (axis.size - 1) - 1
        if zeros < 0 or room < 0 or room // axis.stride + 1 != axis.outputs or (zeros and layer.mode != "constant"):
            return None
        found.append(zeros)
    return tuple(found)


def convolution(
    x: torch.Tensor,
    w: torch.Tensor,
    bias: torch.Tensor | None,
    stride: Sequence[int],
    zeros: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> torch.Tensor:
    """Correlate by torch's function for so many axes, padded with zeros on both sides."""
    found: torch.Tensor = _CONVOLUTIONS[len(stride)](x, w, bias, stride, zeros, dilation, groups)
    return found


def correlate(layer: Layer, x: torch.Tensor, w: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Correlate with a bank of taps."""
    zeros = padding(layer)
    if zeros is None:
        x, zeros = _extended(layer, x), (0,) * len(layer.axes)
    return convolution(x, w, bias, layer.stride, zeros, layer.dilation, layer.groups)


def adjoint(layer: Layer, g: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Map gradients of outputs to those of samples."""
    zeros = padding(layer)
    if zeros is not None:
        return _backward(layer, g, g.new_empty(1).expand(layer.source_shape), w, zeros, 0)
    low, high = _reach(layer)
    shape = (*layer.source_shape[:2], *(b - a for a, b in zip(low, high, strict=True)))
    found = _backward(layer, g, g.new_empty(1).expand(shape), w, (0,) * len(low), 0)
    return fold(found, low, layer.source_shape[2:], layer.mode)


def taps(layer: Layer, x: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """Map samples and gradients of outputs to gradients of taps."""
    zeros = padding(layer)
    if zeros is None:
        x, zeros = _extended(layer, x), (0,) * len(layer.axes)
    return _backward(layer, g, x, x.new_empty(1).expand(layer.taps_shape), zeros, 1)


def _backward(
    layer: Layer, g: torch.Tensor, x: torch.Tensor, w: torch.Tensor, zeros: tuple[int, ...], which: int
) -> torch.Tensor:
    wanted = [which == 0, which == 1, False]
    nothing = [0] * len(zeros)
    found = torch.ops.aten.convolution_backward(
        g, x, w, None, layer.stride, zeros, layer.dilation, False, nothing, layer.groups, wanted
    )
    return found[which]  # type: ignore[no-any-return]


def _reach(layer: Layer) -> tuple[list[int], list[int]]:
    return [axis.start for axis in layer.axes], [axis.stop for axis in layer.axes]


def _extended(layer: Layer, x: torch.Tensor) -> torch.Tensor:
    return extend(x, *_reach(layer), layer.mode)
