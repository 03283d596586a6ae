"""A layer by the machine code of `faltung.run.layer_run`, which reads and writes tensors of the CPU in place."""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Callable
from functools import cache

import torch

from faltung.planning.layer import Layer
from faltung.run.depthwise_run import correlate_singly, in_place, singly_reduced
from faltung.run.layer_run import correlate_channels
from faltung.run.tables import MemoryLayout
from faltung.run.tap_gradient import tap_gradient
from faltung.tensors.dtypes import computed, numpy_dtype
from faltung.tensors.torch_threads import beside_torch, thread_count
from faltung.tensors.ways.adjoint_layer import adjoint_by

__all__ = ["adjoint", "correlate", "empty", "memory_layout_of", "refusal", "taps"]

#: Bytes from which large pages are asked for: to fill small ones takes longer than many a filter.
_LARGE = 1 << 25
_PAGE = 4096


def refusal(layer: Layer, part: str, device: torch.device, dtype: torch.dtype) -> str:
    """Return why this cannot compute a part of a layer, or an empty string if it can."""
    if device.type != "cpu":
        return "the tensor is not on the CPU"
    if not dtype.is_floating_point:
        return "the numbers are not real"
    if part == "adjoint" and layer.strided:
        return "the stride is above 1"
    return ""


def correlate(layer: Layer, x: torch.Tensor, w: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Correlate with a bank of taps."""
    kind = computed(x.dtype)
    x = x.to(kind).resolve_neg()
    last = _last(layer, x)
    x = x if last else _planes(x)
    y = empty(layer.target_shape, kind, last)
    layouts = memory_layout_of(x), memory_layout_of(y)
    numbers = None if bias is None else bias.detach().to(kind).resolve_neg().numpy()
    taps = w.detach().to(kind).resolve_neg().contiguous().numpy()
    run = correlate_singly if in_place(layer, *layouts, layouts[0].dtype) else correlate_channels
    run(layer, x.data_ptr(), layouts[0], y.data_ptr(), layouts[1], taps, numbers, beside_torch, thread_count())
    return y


def adjoint(layer: Layer, g: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Return the gradient with respect to the samples; only for unit strides."""
    return adjoint_by(correlate, layer, g, w.detach())


def taps(layer: Layer, x: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """Return the gradient with respect to the taps."""
    kind = computed(x.dtype)
    x, g = (tensor.to(kind).resolve_neg() for tensor in (x, g))
    last = _last(layer, x)
    x, g = ((_channels_last if last else _planes)(tensor) for tensor in (x, g))
    layouts = memory_layout_of(x), memory_layout_of(g)
    number = layouts[0].dtype
    run = singly_reduced if in_place(layer, *layouts, number) else tap_gradient
    gradient = run(layer, x.data_ptr(), layouts[0], g.data_ptr(), layouts[1], number, beside_torch, thread_count())
    return torch.from_numpy(gradient)


def _last(layer: Layer, x: torch.Tensor) -> bool:
    """Whether machine code reads, and writes, arrays whose channels are last in memory."""
    if layer.ins > 1 or layer.outs > 1 or x.stride(1) != 1 or x.shape[1] == 1:
        return False
    layout = memory_layout_of(x)
    return in_place(layer, layout, layout, layout.dtype)


def _channels_last(x: torch.Tensor) -> torch.Tensor:
    return x if x.stride(1) == 1 else x.movedim(1, -1).contiguous().movedim(-1, 1)


def empty(shape: tuple[int, ...], dtype: torch.dtype, channels_last: bool = False) -> torch.Tensor:
    """Return a new tensor, in large pages if it is large."""
    if channels_last and len(shape) == 4:
        y = torch.empty(shape, dtype=dtype, device="cpu", memory_format=torch.channels_last)
    elif channels_last:  # no view, which must not be overwritten where gradients are recorded
        y = torch.empty_strided(shape, _strides_channels_last(shape), dtype=dtype, device="cpu")
    else:
        y = torch.empty(shape, dtype=dtype, device="cpu")
    size = math.prod(shape) * dtype.itemsize
    advise = _madvise() if size >= _LARGE else None
    if advise is not None:
        start = -(-y.data_ptr() // _PAGE) * _PAGE
        advise(start, (y.data_ptr() + size - start) // _PAGE * _PAGE, 14)  # MADV_HUGEPAGE, which may fail
    return y


def _strides_channels_last(shape: tuple[int, ...]) -> list[int]:
    strides, step = [1] * len(shape), shape[1]
    for axis in (*range(len(shape) - 1, 1, -1), 0):
        strides[axis] = step
        step *= shape[axis]
    return strides


@cache
def _madvise() -> Callable[[int, int, int], int] | None:
    if sys.platform != "linux":
        return None
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return advise


def _planes(x: torch.Tensor) -> torch.Tensor:
    """Return the tensor with contiguous rows; with channels last, it is the channels that are contiguous."""
    return x if x.stride(-1) == 1 or x.shape[-1] == 1 or x.shape[1] == 1 else x.contiguous()


def memory_layout_of(x: torch.Tensor) -> MemoryLayout:
    """Return the memory layout of a tensor."""
    item = x.element_size()
    strides = [step * item for step in x.stride()]
    if x.shape[-1] == 1:
        strides[-1] = item  # the stride that torch states for an axis of length 1 means nothing
    return MemoryLayout(numpy_dtype(x.dtype), tuple(strides))
