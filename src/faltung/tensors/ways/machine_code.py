"""The machine code of `faltung.run.layer_run` on tensors of the CPU, which it reads and writes where they are."""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Callable
from functools import cache

import numpy as np
import torch

from faltung.planning.layer import Layer
from faltung.run.layer_run import correlate_channels
from faltung.run.tables import MemoryLayout
from faltung.run.tap_gradient import tap_gradient
from faltung.tensors.extension import fold
from faltung.tensors.torch_threads import beside_torch

__all__ = ["adjoint", "correlate", "empty", "refusal", "taps"]

#: Bytes from which memory had better come in large pages: to fill in small ones takes longer than many a filter.
_LARGE = 1 << 25
_PAGE = 4096


def refusal(layer: Layer, part: str, device: torch.device, dtype: torch.dtype) -> str:
    """Return why this cannot compute a part of a layer, or an empty string if it can."""
    if device.type != "cpu":
        return "the tensor is not on the CPU"
    if not dtype.is_floating_point:
        return "the numbers are not real"
    if part == "adjoint" and layer.strided:
        return "outputs lie further apart than samples"
    return ""


def correlate(layer: Layer, x: torch.Tensor, w: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Correlate with a bank of taps."""
    kind = _computed(x.dtype)
    x = _planes(x.to(kind).resolve_neg())
    y = empty(layer.target_shape, kind)
    numbers = None if bias is None else bias.detach().to(kind).resolve_neg().numpy()
    correlate_channels(
        layer,
        x.data_ptr(),
        _lie(x),
        y.data_ptr(),
        _lie(y),
        w.detach().to(kind).resolve_neg().contiguous().numpy(),
        numbers,
        beside_torch,
        torch.get_num_threads(),
    )
    return y


def adjoint(layer: Layer, g: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Map gradients of outputs to those of samples: a correlation with the reversed taps, channels exchanged."""
    shape = (layer.groups, layer.outs, layer.ins, *w.shape[2:])
    reversed_ = w.detach().reshape(shape).transpose(1, 2).flip([*range(3, w.ndim + 1)])
    across = layer.adjoint
    found = correlate(across, g, reversed_.reshape(across.taps_shape), None)
    low = [0 if layer.mode == "constant" else min(axis.start, 0) for axis in layer.axes]
    return fold(found, low, [axis.length for axis in layer.axes], layer.mode)


def taps(layer: Layer, x: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """Map samples and gradients of outputs to gradients of taps."""
    kind = _computed(x.dtype)
    x, g = (_planes(each.to(kind).resolve_neg()) for each in (x, g))
    number = np.dtype(np.float32 if kind == torch.float32 else np.float64)
    found = tap_gradient(
        layer, x.data_ptr(), _lie(x), g.data_ptr(), _lie(g), number, beside_torch, torch.get_num_threads()
    )
    return torch.from_numpy(found)


def empty(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Return a new tensor, in large pages where it has many of them."""
    made = torch.empty(shape, dtype=dtype)
    size = math.prod(shape) * dtype.itemsize
    advise = _madvise() if size >= _LARGE else None
    if advise is not None:
        start = -(-made.data_ptr() // _PAGE) * _PAGE
        advise(start, (made.data_ptr() + size - start) // _PAGE * _PAGE, 14)  # MADV_HUGEPAGE, which may fail
    return made


@cache
def _madvise() -> Callable[[int, int, int], int] | None:
    if sys.platform != "linux":
        return None
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return advise


def _computed(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


def _planes(x: torch.Tensor) -> torch.Tensor:
    """Return the tensor with the samples of a row, not those of the channels, side by side."""
    return x if x.stride(-1) == 1 or x.shape[-1] == 1 or x.shape[1] == 1 else x.contiguous()


def _lie(x: torch.Tensor) -> MemoryLayout:
    item = x.element_size()
    dtype = np.dtype(np.float32 if x.dtype == torch.float32 else np.float64)
    strides = [step * item for step in x.stride()]
    if x.shape[-1] == 1:
        strides[-1] = item  # what torch says of an axis of length 1 means nothing
    return MemoryLayout(dtype, tuple(strides))
