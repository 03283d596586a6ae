"""Filters over single channels on a GPU, one or many side by side: kernels written for just that, through Triton.

Libraries serve layers in which all channels meet, by products of matrices. Where every channel has a filter of its own
there are none: few numbers are read, and each is used for every tap. `depthwise_code` says how the work lies on the device.
Sums are added up in single precision, of double precision numbers in double, in an order that shapes alone decide.
"""

from __future__ import annotations

import math
import os
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch

from faltung.plan.layer import Axis, Layer
from faltung.tensors.depthwise_code import kernels

__all__ = ["adjoint", "channels_last", "correlate", "refusal", "taps"]

_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
#: Numbers of one image, and lanes, are counted with 32 bits.
_MOST = 2**31 - 2**16
#: Most taps of which the loops are written out when a kernel is translated.
_UNROLLED = 49
#: Programs that keep every processor of a large device busy, and warps of each of them.
_PROGRAMS, _WARPS = 2048, 4
#: Lanes of a program: 128 threads have up to eight of them each.
_FEWEST, _USUAL, _MANY = 128, 512, 1024
#: Tallest column of taps whose gradients a program adds up.
_DOWN = 4


def refusal(layer: Layer, part: str, device: torch.device, dtype: torch.dtype) -> str:
    """Return why this cannot compute a part of a layer, or an empty string if it can."""
    del part
    if layer.ins * layer.outs > 1:
        return "channels meet"
    if len(layer.axes) > 2:
        return "there are three spatial axes"
    if dtype not in _DTYPES:
        return "the numbers are not real"
    outside = any(axis.start < 0 or axis.stop > axis.length for axis in layer.axes)
    if outside and (layer.mode != "constant" or layer.cval):
        return "there is something other than zeros beyond the border"
    if max(math.prod(layer.source_shape[1:]), math.prod(layer.target_shape[1:]), _lanes(layer)) > _MOST:
        return "an image has too many numbers"
    return _unavailable(device)


@cache
def _unavailable(device: torch.device) -> str:
    if find_spec("triton") is None:
        return "Triton is not installed"
    if os.environ.get("TRITON_INTERPRET") == "1":  # kernels run in Python, to be tested without a device
        return ""
    if device.type != "cuda":
        return "the tensor is not on a GPU"
    if torch.version.hip is None and torch.cuda.get_device_capability(device) < (8, 0):
        return "Triton wants a GPU of compute capability 8.0"
    return ""


def correlate(layer: Layer, x: torch.Tensor, w: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Correlate with a bank of taps."""
    rows, columns = _two(layer)
    return _correlated(layer, x, w, bias, (rows, columns), (1, 1))


def adjoint(layer: Layer, g: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Map gradients of outputs to those of samples: a correlation with the reversed taps.

    With a stride s, outputs are samples of it that lie s positions apart.
    """
    rows, columns = (
        Axis(axis.outputs, axis.size, -axis.start - axis.dilation * (axis.size - 1), axis.length, 1, axis.dilation)
        for axis in _two(layer)
    )
    strides = tuple(axis.stride for axis in _two(layer))
    return _correlated(layer, g, w, None, (rows, columns), strides, reverse=True)


def taps(layer: Layer, x: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """Map samples and gradients of outputs to gradients of taps."""
    _, code = kernels()
    rows, columns = _two(layer)
    x, g = _image(x.contiguous()), _image(g.contiguous())
    number = _computed(x.dtype)
    # Lanes have all of their rows: see the kernel.
    together = next(count for count in (4, 2, 1) if rows.outputs % (count * rows.dilation) == 0 or count == 1)
    together = together if rows.stride <= 2 else 1
    groups = _groups(rows, together)
    lanes = layer.images * groups * columns.outputs
    down = min(rows.size, _DOWN)
    block = min(_USUAL, max(_FEWEST, 1 << (lanes - 1).bit_length()))
    columns_of_taps = layer.groups * columns.size * -(-rows.size // down)
    # Every part is a whole number of blocks, and as long as possible while there are programs enough.
    share = block * max(1, -(-lanes // block) * columns_of_taps // _PROGRAMS)
    parts = -(-lanes // share)
    sums = torch.empty((parts, *layer.taps_shape), dtype=number, device=x.device)
    with torch.cuda.device_of(x):
        code[(columns_of_taps * parts,)](
            x, g, sums, lanes, share, layer.groups, groups, rows.length, columns.length, columns.outputs,
            *x.stride(), *g.stride(), rows.start, columns.start, columns.stride, rows.dilation, columns.dilation,
            KH=rows.size, KW=columns.size, STRIDE=rows.stride, ROWS=together, DOWN=down,
            NUMBER=_triton(number), BLOCK=block, num_warps=_WARPS, num_stages=1,
        )  # fmt: skip
    return sums[0] if parts == 1 else sums.sum(dim=0)


def channels_last(layer: Layer, x: torch.Tensor) -> bool:
    """Whether a tensor with the channels last is read as it lies: with many taps, it is put in order first."""
    apart = x.ndim == 4 and x.stride(1) == 1 and x.shape[1] > 1 and not x.is_contiguous()
    return apart and layer.taps <= _UNROLLED and x.is_contiguous(memory_format=torch.channels_last)


def _correlated(
    layer: Layer,
    x: torch.Tensor,
    w: torch.Tensor,
    bias: torch.Tensor | None,
    axes: tuple[Axis, Axis],
    up: tuple[int, ...],
    reverse: bool = False,
) -> torch.Tensor:
    code, _ = kernels()
    rows, columns = axes
    last = channels_last(layer, x)
    shape = (*x.shape[:2], *(axis.outputs for axis in axes[2 - len(layer.axes) :]))
    order = torch.channels_last if last else torch.contiguous_format
    y = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=order)
    x, target = _image(x if last else x.contiguous()), _image(y)
    together = 4 if rows.outputs > 2 and rows.stride <= 2 else 1
    groups = _groups(rows, together)
    lanes = layer.images * groups * columns.outputs * (layer.groups if last else 1)
    planes = 1 if last else layer.groups
    block = _block(layer, lanes, planes, last)
    blocks = -(-lanes // block)
    w = w.reshape(layer.groups, layer.taps)
    w = w.t().contiguous() if last else w.contiguous()
    tap_channel, tap_step = (1, layer.groups) if last else (layer.taps, 1)
    first = (layer.taps - 1) * tap_step if reverse else 0
    with torch.cuda.device_of(x):
        code[(blocks * planes,)](
            x, w, w if bias is None else bias.contiguous(), target,
            lanes, blocks, layer.groups, groups, rows.length, columns.length, rows.outputs, columns.outputs,
            *x.stride(), *target.stride(), first, tap_channel, -tap_step if reverse else tap_step,
            rows.start, columns.start, columns.stride, rows.dilation, columns.dilation,
            KH=rows.size, KW=columns.size, STRIDE=rows.stride, UP_ROW=up[0], UP_COLUMN=up[1],
            ROWS=together, LAST=last, BIAS=bias is not None, UNROLLED=_unrolled(layer, rows, together),
            NUMBER=_triton(_computed(x.dtype)), BLOCK=block, num_warps=_WARPS, num_stages=1,
        )  # fmt: skip
    return y


def _block(layer: Layer, lanes: int, planes: int, last: bool) -> int:
    """Lanes of a program: many where many taps are used by each of them, fewer where processors would be idle."""
    block = 256 if last else _MANY if layer.taps > _UNROLLED else _USUAL
    while block > _FEWEST and -(-lanes // block) * planes < _PROGRAMS:
        block //= 2
    return block


def _unrolled(layer: Layer, rows: Axis, together: int) -> bool:
    return layer.taps <= _UNROLLED or rows.size <= rows.stride * (together - 1)


def _two(layer: Layer) -> tuple[Axis, Axis]:
    """Return rows and columns; a series is an image of one row."""
    return (Axis(1, 1), layer.axes[0]) if len(layer.axes) == 1 else (layer.axes[0], layer.axes[1])


def _image(x: torch.Tensor) -> torch.Tensor:
    return x.unsqueeze(2) if x.ndim == 3 else x


def _groups(rows: Axis, together: int) -> int:
    """Lanes that a column of outputs has: each has so many rows of them, a dilation apart."""
    if together == 1:
        return rows.outputs
    return -(-rows.outputs // (together * rows.dilation)) * rows.dilation


def _lanes(layer: Layer) -> int:
    rows, columns = _two(layer)
    return layer.images * layer.groups * (rows.outputs + 4 * rows.dilation) * columns.outputs


def _computed(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


def _triton(dtype: torch.dtype) -> Any:
    import triton.language as tl

    return tl.float64 if dtype == torch.float64 else tl.float32
