"""A layer of single channels by kernels for the GPU that are written for it, through Triton.

Libraries compute layers that add up many channels, as products of matrices. Where every channel has a kernel of its
own there are no matrices: few numbers are read, and each of them is used for every tap. `triton_code` draws how the
work is divided on the device. Products are added up in single precision, those of double precision in double, in an
order that depends on shapes alone.
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
from faltung.tensors.dtypes import computed
from faltung.tensors.ways.triton_code import kernels

__all__ = ["adjoint", "correlate", "in_triton", "keeps_channels_last", "refusal", "taps", "unavailable"]

_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
#: Numbers of one image, and lanes, are counted with 32 bits.
_MOST = 2**31 - 2**16
#: Most taps of which the loops are written out when a kernel is translated.
_UNROLLED = 49
#: Programs that occupy every processor of a large device, and warps of each program.
_PROGRAMS, _WARPS = 2048, 4
#: Lanes of a program: each of its 128 threads has up to four of them.
_FEWEST, _LANES = 128, 512
#: Channels of a program where channels are last in memory.
_ACROSS = 32
#: Most taps with which channels stay last in memory: of outputs, and of gradients of taps. Lanes that are channels
#: load taps of their own, which takes up to five times as long; with more taps, it is faster to copy samples first.
_MOST_LAST, _MOST_LAST_TAPS = 49, 25
#: Rows and columns of taps whose gradients a program adds up.
_DOWN, _WIDE = 4, 2
#: Taps of a series from which outputs share the samples that were loaded; with fewer it is more important that
#: neighbouring lanes read neighbouring samples.
_LONG = 9


def refusal(layer: Layer, part: str, device: torch.device, dtype: torch.dtype) -> str:
    """Return why this cannot compute a part of a layer, or an empty string if it can."""
    del part
    if layer.ins * layer.outs > 1:
        return "several channels are added up"
    if not layer.multiply_adds:
        return "there is nothing to add up"
    if len(layer.axes) > 2:
        return "there are three spatial axes"
    if dtype not in _DTYPES:
        return "the numbers are not real"
    outside = [axis for axis in layer.axes if axis.start < 0 or axis.stop > axis.length]
    if any(axis.mode != "constant" or layer.cval for axis in outside):
        return "there is something other than zeros beyond the border"
    if max(math.prod(layer.source_shape[1:]), math.prod(layer.target_shape[1:]), _most_lanes(layer)) > _MOST:
        return "there are too many numbers"
    return unavailable(device)


def _most_lanes(layer: Layer) -> int:
    """Return an upper bound of the number of lanes, and of the positions on an axis that are computed."""
    sides = [max(a.outputs, a.length) + 4 * a.dilation * a.size for a in layer.axes]
    return layer.images * math.prod(sides)


@cache
def unavailable(device: torch.device) -> str:
    """Return why Triton's kernels cannot run on a device, or an empty string if they can."""
    interpreted = os.environ.get("TRITON_INTERPRET") == "1"  # kernels run in Python: for tests without a GPU
    if device.type != "cuda" and not interpreted:
        return "the tensor is not on a GPU"
    if find_spec("triton") is None:
        return "Triton is not installed"
    if interpreted:
        return ""
    if torch.version.hip is None and torch.cuda.get_device_capability(device) < (8, 0):
        return "Triton needs a GPU of compute capability 8.0"
    return ""


def keeps_channels_last(layer: Layer, part: str) -> bool:
    """Return whether channels that are last in memory stay there; else samples are brought into planes first."""
    return layer.taps <= (_MOST_LAST_TAPS if part == "taps" else _MOST_LAST)


def correlate(layer: Layer, x: torch.Tensor, w: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Correlate with a bank of taps."""
    return _correlated(layer, x, w, bias, layer.axes, [1] * len(layer.axes), reverse=False)


def adjoint(layer: Layer, g: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Return the gradient with respect to the samples: a correlation with the reversed taps.

    Its samples are the gradients of the outputs, which are a stride apart.
    """
    axes = [
        Axis(axis.outputs, axis.size, -axis.start - axis.dilation * (axis.size - 1), axis.length, 1, axis.dilation)
        for axis in layer.axes
    ]
    return _correlated(layer, g, w, None, axes, [axis.stride for axis in layer.axes], reverse=True)


def taps(layer: Layer, x: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """Return the gradient with respect to the taps."""
    _, code = kernels()
    down = len(layer.axes) == 1
    rows, columns = _rows_and_columns(layer.axes, down)
    last = keeps_channels_last(layer, "taps") and _channels_last(x) and _channels_last(g)
    x, g = (_as_image(tensor if last else tensor.contiguous(), down) for tensor in (x, g))
    number = computed(x.dtype)
    # Each lane must have all of its rows: see the kernel.
    together = 1
    if rows.stride <= 2:
        together = next(count for count in (4, 2, 1) if count == 1 or rows.outputs % (count * rows.dilation) == 0)
    groups = _groups(rows, together)
    lanes = layer.images * groups * columns.outputs
    across = _ACROSS if last else 1
    block = min(_LANES, max(_FEWEST, _power(lanes * across)))
    tall, wide = (_power(min(most, n)) for most, n in ((_DOWN, rows.size), (_WIDE, columns.size)))
    sets = -(-layer.groups // across) * -(-columns.size // wide) * -(-rows.size // tall)
    # All outputs are divided into parts of whole blocks: the longest parts with which there are enough programs.
    share = block // across * max(1, -(-lanes * across // block) * sets // _PROGRAMS)
    parts = -(-lanes // share)
    sums = torch.empty((parts, *layer.taps_shape), dtype=number, device=x.device)
    with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]
        code[(sets * parts,)](
            x, g, sums, lanes, share, layer.groups, groups, rows.length, columns.length, columns.outputs,
            *x.stride(), *g.stride(), rows.start, columns.start, columns.stride, rows.dilation, columns.dilation,
            KH=rows.size, KW=columns.size, STRIDE=rows.stride, ROWS=together, DOWN=tall, WIDE=wide, ACROSS=across,
            NUMBER=in_triton(number), BLOCK=block, num_warps=_WARPS, num_stages=1,
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
    """Correlate along `axes` with samples that are `up` positions apart, by the taps or the reversed taps."""
    code, _ = kernels()
    down = len(axes) == 1 and layer.taps >= _LONG
    rows, columns = _rows_and_columns(axes, down)
    up_rows, up_columns = up if len(up) == 2 else (up[0], 1) if down else (1, up[0])
    last = keeps_channels_last(layer, "correlate") and _channels_last(x)
    y = _empty_outputs(x, axes, last)
    x, target = _as_image(x if last else x.contiguous(), down), _as_image(y, down)
    together = 4 if rows.outputs > 2 and rows.stride <= 2 else 1
    groups = _groups(rows, together)
    lanes = layer.images * groups * columns.outputs
    across = _ACROSS if last else 1
    planes = -(-layer.groups // across)
    block = _block(lanes * across, planes)
    blocks = -(-lanes * across // block)
    taps, tap_channel, tap_step = _in_memory(layer, w, last)
    first, step = ((layer.taps - 1) * tap_step, -tap_step) if reverse else (0, tap_step)
    with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]
        code[(blocks * planes,)](
            x, taps, taps if bias is None else bias.contiguous(), target,
            lanes, blocks, layer.groups, groups, rows.length, columns.length, rows.outputs, columns.outputs,
            *x.stride(), *target.stride(), first, tap_channel, step,
            rows.start, columns.start, columns.stride, rows.dilation, columns.dilation,
            KH=rows.size, KW=columns.size, STRIDE=rows.stride, UP_ROW=up_rows, UP_COLUMN=up_columns, ROWS=together,
            ACROSS=across, BIAS=bias is not None,
            UNROLLED=layer.taps <= _UNROLLED or rows.size <= rows.stride * (together - 1),
            NUMBER=in_triton(computed(x.dtype)), BLOCK=block, num_warps=_WARPS, num_stages=1,
        )  # fmt: skip
    return y


def _empty_outputs(x: torch.Tensor, axes: Sequence[Axis], last: bool) -> torch.Tensor:
    order = torch.channels_last if last else torch.contiguous_format
    shape = (*x.shape[:2], *(axis.outputs for axis in axes))
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=order)


def _block(lanes: int, planes: int) -> int:
    """Return the lanes of a program: the most with which there are enough programs."""
    block = _LANES
    while block > _FEWEST and -(-lanes // block) * planes < _PROGRAMS:
        block //= 2
    return block


def _in_memory(layer: Layer, w: torch.Tensor, last: bool) -> tuple[torch.Tensor, int, int]:
    """Return the taps in the order in which lanes read them, and the steps between channels and between taps."""
    by_channel = w.reshape(layer.groups, layer.taps)
    if last:
        return by_channel.t().contiguous(), 1, layer.groups
    return by_channel.contiguous(), layer.taps, 1


def _channels_last(x: torch.Tensor) -> bool:
    return x.ndim == 4 and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)


def _rows_and_columns(axes: Sequence[Axis], down: bool) -> tuple[Axis, Axis]:
    """Return the axes of an image; a series is an image of one column if `down`, else of one row."""
    if len(axes) == 2:
        return axes[0], axes[1]
    return (axes[0], Axis(1, 1)) if down else (Axis(1, 1), axes[0])


def _as_image(x: torch.Tensor, down: bool) -> torch.Tensor:
    return x if x.ndim == 4 else x.unsqueeze(3 if down else 2)


def _groups(rows: Axis, together: int) -> int:
    """Return the lanes for a column of outputs; each has `together` outputs, a dilation apart."""
    if together == 1:
        return rows.outputs
    return -(-rows.outputs // (together * rows.dilation)) * rows.dilation


def _power(least: int) -> int:
    """Return the next power of two."""
    return 1 << (least - 1).bit_length()


def in_triton(dtype: torch.dtype) -> Any:
    """Return Triton's name for the dtype in which tensors are computed."""
    import triton.language as tl

    return tl.float64 if dtype == torch.float64 else tl.float32
