"""Filters over single channels on a GPU, one or many side by side: kernels written for just that, through Triton.

Libraries serve layers in which all channels meet, by products of matrices. Where every channel has a filter of its
own there are none: few numbers are read, and each is used for every tap. `depthwise_code` says how the work lies on
the device. Products are added up in single precision, those of double precision in double, in an order that shapes
alone decide.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch

from faltung.planning.layer import Axis, Layer
from faltung.tensors.ways.triton_code import kernels

__all__ = ["adjoint", "correlate", "refusal", "taps"]

_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
#: Numbers of one image, and lanes, are counted with 32 bits.
_MOST = 2**31 - 2**16
#: Most taps of which the loops are written out when a kernel is translated.
_UNROLLED = 49
#: Programs that keep every processor of a large device busy, and warps of each of them.
_PROGRAMS, _WARPS = 2048, 4
#: Lanes of a program: 128 threads have up to four of them each.
_FEWEST, _LANES = 128, 512
#: Channels of a program where channels lie side by side.
_ACROSS = 32
#: Rows and columns of taps whose gradients a program adds up.
_DOWN, _WIDE = 4, 2
#: Taps of a series from which its samples are shared between outputs; before, it counts more that neighbours are read
#: by neighbours.
_LONG = 9


def refusal(layer: Layer, part: str, device: torch.device, dtype: torch.dtype) -> str:
    """Return why this cannot compute a part of a layer, or an empty string if it can."""
    del part
    if layer.ins * layer.outs > 1:
        return "channels meet"
    if not layer.multiply_adds:
        return "there is nothing to add up"
    if len(layer.axes) > 2:
        return "there are three spatial axes"
    if dtype not in _DTYPES:
        return "the numbers are not real"
    outside = any(axis.start < 0 or axis.stop > axis.length for axis in layer.axes)
    if outside and (layer.mode != "constant" or layer.cval):
        return "there is something other than zeros beyond the border"
    if max(math.prod(layer.source_shape[1:]), math.prod(layer.target_shape[1:]), _lanes(layer)) > _MOST:
        return "there are too many numbers"
    return _unavailable(device)


def _lanes(layer: Layer) -> int:
    """Return more than there are lanes, and positions on an axis that they look at."""
    sides = [max(a.outputs, a.length) + 4 * a.dilation * a.size for a in layer.axes]
    return layer.images * math.prod(sides)


@cache
def _unavailable(device: torch.device) -> str:
    interpreted = os.environ.get("TRITON_INTERPRET") == "1"  # kernels run in Python, to be tested without a device
    if device.type != "cuda" and not interpreted:
        return "the tensor is not on a GPU"
    if find_spec("triton") is None:
        return "Triton is not installed"
    if interpreted:
        return ""
    if torch.version.hip is None and torch.cuda.get_device_capability(device) < (8, 0):
        return "Triton wants a GPU of compute capability 8.0"
    return ""


def correlate(layer: Layer, x: torch.Tensor, w: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Correlate with a bank of taps."""
    return _correlated(layer, x, w, bias, layer.axes, [1] * len(layer.axes), reverse=False)


def adjoint(layer: Layer, g: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Map gradients of outputs to those of samples: a correlation with the reversed taps.

    With a stride s, the outputs are its samples, and lie s positions apart.
    """
    axes = [
        Axis(axis.outputs, axis.size, -axis.start - axis.dilation * (axis.size - 1), axis.length, 1, axis.dilation)
        for axis in layer.axes
    ]
    return _correlated(layer, g, w, None, axes, [axis.stride for axis in layer.axes], reverse=True)


def taps(layer: Layer, x: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """Map samples and gradients of outputs to gradients of taps."""
    _, code = kernels()
    down = len(layer.axes) == 1
    rows, columns = _two(layer.axes, down)
    last = _channels_last(x) and _channels_last(g)
    x, g = (_image(each if last else each.contiguous(), down) for each in (x, g))
    number = _computed(x.dtype)
    # A lane must have all of its rows: see the kernel.
    together = 1
    if rows.stride <= 2:
        together = next(count for count in (4, 2, 1) if count == 1 or rows.outputs % (count * rows.dilation) == 0)
    groups = _groups(rows, together)
    lanes = layer.images * groups * columns.outputs
    across = _ACROSS if last else 1
    block = min(_LANES, max(_FEWEST, _power(lanes * across)))
    tall, wide = (_power(min(most, n)) for most, n in ((_DOWN, rows.size), (_WIDE, columns.size)))
    sets = -(-layer.groups // across) * -(-columns.size // wide) * -(-rows.size // tall)
    # All outputs are divided into parts of whole blocks, as long as there can be and still be programs enough.
    share = block // across * max(1, -(-lanes * across // block) * sets // _PROGRAMS)
    parts = -(-lanes // share)
    sums = torch.empty((parts, *layer.taps_shape), dtype=number, device=x.device)
    with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]
        code[(sets * parts,)](
            x, g, sums, lanes, share, layer.groups, groups, rows.length, columns.length, columns.outputs,
            *x.stride(), *g.stride(), rows.start, columns.start, columns.stride, rows.dilation, columns.dilation,
            KH=rows.size, KW=columns.size, STRIDE=rows.stride, ROWS=together, DOWN=tall, WIDE=wide, ACROSS=across,
            NUMBER=_triton(number), BLOCK=block, num_warps=_WARPS, num_stages=1,
        )  # fmt: skip
    return sums[0] if parts == 1 else sums.sum(dim=0)


def _correlated(
    layer: Layer,
    x: torch.Tensor,
    w: torch.Tensor,
    bias: torch.Tensor | None,
    axes: Sequence[Axis],
    up: list[int],
    reverse: bool,
) -> torch.Tensor:
    code, _ = kernels()
    down = len(axes) == 1 and layer.taps >= _LONG
    rows, columns = _two(axes, down)
    up_rows, up_columns = up if len(up) == 2 else (up[0], 1) if down else (1, up[0])
    last = _channels_last(x)
    order = torch.channels_last if last else torch.contiguous_format
    shape = (*x.shape[:2], *(axis.outputs for axis in axes))
    y = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=order)
    x, target = _image(x if last else x.contiguous(), down), _image(y, down)
    together = 4 if rows.outputs > 2 and rows.stride <= 2 else 1
    groups = _groups(rows, together)
    lanes = layer.images * groups * columns.outputs
    across = _ACROSS if last else 1
    planes = -(-layer.groups // across)
    block = _LANES
    while block > _FEWEST and -(-lanes * across // block) * planes < _PROGRAMS:
        block //= 2
    blocks = -(-lanes * across // block)
    w = w.reshape(layer.groups, layer.taps)
    w = w.t().contiguous() if last else w.contiguous()
    tap_channel, tap_step = (1, layer.groups) if last else (layer.taps, 1)
    first = (layer.taps - 1) * tap_step if reverse else 0
    with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]
        code[(blocks * planes,)](
            x, w, w if bias is None else bias.contiguous(), target,
            lanes, blocks, layer.groups, groups, rows.length, columns.length, rows.outputs, columns.outputs,
            *x.stride(), *target.stride(), first, tap_channel, -tap_step if reverse else tap_step,
            rows.start, columns.start, columns.stride, rows.dilation, columns.dilation,
            KH=rows.size, KW=columns.size, STRIDE=rows.stride, UP_ROW=up_rows, UP_COLUMN=up_columns, ROWS=together,
            ACROSS=across, BIAS=bias is not None,
            UNROLLED=layer.taps <= _UNROLLED or rows.size <= rows.stride * (together - 1),
            NUMBER=_triton(_computed(x.dtype)), BLOCK=block, num_warps=_WARPS, num_stages=1,
        )  # fmt: skip
    return y


def _channels_last(x: torch.Tensor) -> bool:
    return x.ndim == 4 and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)


def _two(axes: Sequence[Axis], down: bool) -> tuple[Axis, Axis]:
    """Return rows and columns: a series is an image of one column, or else of one row."""
    if len(axes) == 2:
        return axes[0], axes[1]
    return (axes[0], Axis(1, 1)) if down else (Axis(1, 1), axes[0])


def _image(x: torch.Tensor, down: bool) -> torch.Tensor:
    return x if x.ndim == 4 else x.unsqueeze(3 if down else 2)


def _groups(rows: Axis, together: int) -> int:
    """Lanes for a column of outputs: each has so many rows of it, a dilation apart."""
    if together == 1:
        return rows.outputs
    return -(-rows.outputs // (together * rows.dilation)) * rows.dilation


def _power(least: int) -> int:
    """Return the next power of two."""
    return 1 << (least - 1).bit_length()


def _computed(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


def _triton(dtype: torch.dtype) -> Any:
    import triton.language as tl

    return tl.float64 if dtype == torch.float64 else tl.float32
