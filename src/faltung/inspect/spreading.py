"""Which results can an operand reach? For each operation of torch, a rule about its structure.

A rule is a linear function with weights above zero, or of the operation itself, whose non-zero results are those that
an operand reaches. Its gradient tells which operands a result sees. The rules are about structure: a convolution
counts as if none of its weights were zero, a matrix product as if all of them were there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from faltung.inspect.captured_run import Operation, Place

__all__ = ["EVERYTHING", "EXACT", "UPPER_BOUND", "SpreadRule", "rule_of"]

EXACT = "exact"
UPPER_BOUND = "upper bound"

Tensor = torch.Tensor
Spread = Callable[[Operation, str, int | None, Tensor], "Tensor | Sequence[Tensor] | None"]


@dataclass(frozen=True)
class SpreadRule:
    """How an operation spreads what an operand holds.

    Parameters
    ----------
    spread : callable
        Of the operation, the name of an argument, its index in a list, and a tensor of that operand's shape: returns
        the results, or None if none depends on that operand.
    status : {"exact", "upper bound"}
        Whether exactly these results are reached, or at most these.
    signed : bool
        Whether some of its weights may be below zero, so that sums of them may cancel.
    plain : bool
        Whether a result sees the operand at its own position and nothing else, if both have the same shape.

    Examples
    --------
    >>> EVERYTHING.status
    'upper bound'
    """

    spread: Spread
    status: str = EXACT
    signed: bool = False
    plain: bool = False


def _broadcast(operation: Operation, name: str, index: int | None, x: Tensor) -> Tensor:
    return torch.broadcast_to(x, operation.results[0].shape)


def _pointwise(operation: Operation, name: str, index: int | None, x: Tensor) -> Tensor:
    """Spread to the same position; where a constant selects or multiplies by zero, that is followed."""
    spread = _broadcast(operation, name, index, x)
    for other, _, place in operation.operands():
        constant = operation.values.get(place)
        if constant is None or place in operation.variable or other == name:
            continue
        if other in ("condition", "mask"):  # `where` takes `self` where it holds, `masked_fill` where it does not
            passes = constant if (operation.name == "where") == (name == "self") else ~constant
            spread = spread * passes
        elif operation.name in ("mul", "logical_and", "bitwise_and"):
            spread = spread * (constant != 0)
    return spread


def _everything(operation: Operation, name: str, index: int | None, x: Tensor) -> list[Tensor]:
    return [x.sum().expand(place.shape) for place in operation.results]


def _overwritten(operation: Operation, name: str, index: int | None, x: Tensor) -> Tensor | None:
    """Spread what `copy` and `fill` write; nothing of what was there before is left."""
    return None if name == "self" else _broadcast(operation, name, index, x)


def _reshaped(operation: Operation, name: str, index: int | None, x: Tensor) -> Tensor:
    return x.reshape(operation.results[0].shape)


def _convolution(operation: Operation, name: str, index: int | None, x: Tensor) -> Tensor:
    given, shape = operation.arguments, operation.results[0].shape
    if name == "bias":
        return x.reshape(-1, *[1] * (len(shape) - 2)).expand(shape)
    groups, transposed = given["groups"], given["transposed"]
    weight: Place = given["weight"]
    if name == "weight":
        if transposed:
            out = x.reshape(groups, -1, *x.shape[1:]).sum(1).flatten(2).sum(2).reshape(-1)
        else:
            out = x.flatten(1).sum(1)
        return out.reshape(-1, *[1] * (len(shape) - 2)).expand(shape)
    # Within a group, all channels of the output see all channels of the input, so one sum of them is filtered.
    grouped = x.reshape(len(x), groups, -1, *x.shape[2:]).sum(2)
    ones = torch.ones(groups, 1, *weight.shape[2:])
    axes = len(shape) - 2
    stride, padding, dilation = (_each(given[key], axes) for key in ("stride", "padding", "dilation"))
    if transposed:
        call = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)[axes - 1]
        extra = _each(given["output_padding"], axes)
        spread: Tensor = call(grouped, ones, None, stride, padding, extra, groups, dilation)
    else:
        direct: Any = (functional.conv1d, functional.conv2d, functional.conv3d)[axes - 1]
        spread = direct(grouped, ones, None, stride, padding, dilation, groups)
    return spread.repeat_interleave(shape[1] // groups, 1)


def _each(value: Any, axes: int) -> list[int]:
    numbers = [value] if isinstance(value, int) else [*value]
    return numbers * axes if len(numbers) == 1 else numbers


def _pooled(operation: Operation, name: str, index: int | None, x: Tensor) -> Tensor:
    """Spread by windows of ones over each channel."""
    given, out = operation.arguments, operation.results[0].shape
    kernel = given["kernel_size"]
    axes = int(operation.name.split("pool")[1][0])
    kernel = _each(kernel, axes)
    stride = _each(given.get("stride") or kernel, axes)
    padding, dilation = _each(given.get("padding", 0), axes), _each(given.get("dilation", 1), axes)
    ends: list[int] = []
    for axis in range(axes):
        reach = (out[axis - axes] - 1) * stride[axis] + dilation[axis] * (kernel[axis] - 1) + 1
        ends = [padding[axis], reach - padding[axis] - x.shape[axis - axes], *ends]
    padded = functional.pad(x.reshape(-1, 1, *x.shape[len(x.shape) - axes :]), ends)
    direct: Any = (functional.conv1d, functional.conv2d, functional.conv3d)[axes - 1]
    spread: Tensor = direct(padded, torch.ones(1, 1, *kernel), None, stride, 0, dilation)
    return spread.reshape(out)


def _adaptive(operation: Operation, name: str, index: int | None, x: Tensor) -> Tensor:
    size = operation.arguments["output_size"]
    axes = int(operation.name.split("pool")[1][0])
    averages = (functional.adaptive_avg_pool1d, functional.adaptive_avg_pool2d, functional.adaptive_avg_pool3d)
    average: Any = averages[axes - 1]
    result: Tensor = average(x, size)
    return result


def _reduced(operation: Operation, name: str, index: int | None, x: Tensor) -> list[Tensor]:
    """Spread to whole lines: those of a reduction, or of a function such as softmax."""
    dims = operation.arguments.get("dim")
    every = [*range(x.ndim)]
    dims = every if dims is None or dims == [] else [dims] if isinstance(dims, int) else [*dims]
    lines = x.sum(dims, keepdim=True) if x.ndim else x
    return [
        lines.expand(place.shape) if len(place.shape) == x.ndim else lines.reshape(place.shape)
        for place in operation.results
    ]


def _batch_norm(operation: Operation, name: str, index: int | None, x: Tensor) -> Tensor:
    shape = operation.results[0].shape
    if name != "input":
        return x.reshape(-1, *[1] * (len(shape) - 2)).expand(shape)
    if operation.arguments.get("training", operation.name.endswith("no_stats")):
        return x.sum([0, *range(2, x.ndim)], keepdim=True).expand(shape)
    return x


def _group_norm(operation: Operation, name: str, index: int | None, x: Tensor) -> Tensor:
    shape = operation.results[0].shape
    if name != "input":
        return x.reshape(-1, *[1] * (len(shape) - 2)).expand(shape)
    grouped = x.reshape(len(x), operation.arguments["group"], -1)
    return grouped.sum(2, keepdim=True).expand(grouped.shape).reshape(shape)


def _layer_norm(operation: Operation, name: str, index: int | None, x: Tensor) -> Tensor:
    shape = operation.results[0].shape
    if name != "input":
        return x.expand(shape)
    dims = [-1 - axis for axis in range(len(operation.arguments["normalized_shape"]))]
    return x.sum(dims, keepdim=True).expand(shape)


def _product(operation: Operation, name: str, index: int | None, x: Tensor) -> Tensor:
    """Spread the left one of two matrices to rows of their product, the right one to columns."""
    shape = operation.results[0].shape
    if operation.name in ("addmm", "baddbmm", "addmv", "addbmm") and name == "self":
        return x.expand(shape)
    if name == "bias":
        return x.expand(shape)
    if operation.name == "linear" and name == "weight":
        return x.sum(-1).expand(shape)
    if x.ndim == 1:
        return x.sum().expand(shape)
    if operation.name in ("mv", "addmv"):
        return x.sum(-1)
    return x.sum(-2 if name in ("mat2", "batch2") else -1, keepdim=True).expand(shape)


def _attention(operation: Operation, name: str, index: int | None, x: Tensor) -> Tensor:
    """Spread queries to their own position, keys and values to all positions, or to those behind them."""
    out = operation.results[0].shape
    if name == "query":
        return x.sum(-1, keepdim=True).expand(out)
    if x.ndim < 4 or name not in ("key", "value"):
        return x.sum().expand(out)
    lines = x if name == "value" else x.sum(-1, keepdim=True)
    if operation.arguments.get("is_causal") and x.shape[-2] == out[-2]:
        lines = lines.cumsum(-2)
    else:
        lines = lines.sum(-2, keepdim=True)
    return lines.repeat_interleave(out[-3] // x.shape[-3], -3).expand(out)


def _embedding(operation: Operation, name: str, index: int | None, x: Tensor) -> Tensor:
    if name != "indices":
        return x.sum().expand(operation.results[0].shape)
    return x[..., None].expand(operation.results[0].shape)


def _linear(operation: Operation, name: str, index: int | None, x: Tensor) -> Sequence[Tensor]:
    """Spread by the operation itself, which is linear in its operand, without its constant part."""
    zero = _applied(operation, name, index, torch.zeros_like(x))
    return [result - constant for result, constant in zip(_applied(operation, name, index, x), zero, strict=True)]


def _applied(operation: Operation, name: str, index: int | None, x: Tensor) -> Sequence[Tensor]:
    def value(key: str, place: int | None, given: Any) -> Any:
        if isinstance(given, list) and place is None:
            return [value(key, number, item) for number, item in enumerate(given)]
        if not isinstance(given, Place):
            return given
        if (key, place) == (name, index):
            return x
        held = None if given in operation.variable else operation.values.get(given)
        if held is None:
            return torch.zeros(given.shape)
        return held.float() if held.is_floating_point() else held

    function = operation.function
    library, stem = function._schema.name.split("::")
    packet = getattr(getattr(torch.ops, library), operation.name if operation.in_place else stem)
    plain = getattr(packet, function._overloadname)
    returned = plain(**{key: value(key, None, given) for key, given in operation.arguments.items()})
    return returned if isinstance(returned, list | tuple) else [returned]


EVERYTHING = SpreadRule(_everything, UPPER_BOUND)
"""Any result may depend on any operand."""


def _rows(spread: Spread, names: str) -> Iterable[tuple[str, Spread]]:
    return ((name, spread) for name in names.split())


_SPREADS: dict[str, Spread] = dict(
    [
        *_rows(
            _pointwise, "clone _to_copy masked_fill where alias_copy detach_copy lift_fresh_copy prelu _prelu_kernel"
        ),
        *_rows(_pointwise, "dropout native_dropout rrelu_with_noise masked_fill contiguous"),
        *_rows(_overwritten, "copy fill zero"),
        *_rows(_reshaped, "_unsafe_view view_copy reshape_copy _reshape_copy squeeze_copy unsqueeze_copy"),
        *_rows(_convolution, "convolution _convolution convolution_overrideable"),
        *_rows(_pooled, "max_pool1d max_pool2d max_pool3d max_pool2d_with_indices max_pool3d_with_indices"),
        *_rows(_pooled, "avg_pool1d avg_pool2d avg_pool3d"),
        *_rows(_adaptive, "adaptive_max_pool2d adaptive_max_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d"),
        *_rows(_reduced, "sum mean amax amin max min prod var std var_mean std_mean argmax argmin logsumexp all any"),
        *_rows(_reduced, "median nanmedian nansum norm linalg_vector_norm mode kthvalue aminmax count_nonzero"),
        *_rows(_reduced, "_softmax _log_softmax _safe_softmax softmax log_softmax topk sort"),
        *_rows(_batch_norm, "native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training"),
        *_rows(_batch_norm, "cudnn_batch_norm _batch_norm_with_update _batch_norm_no_update"),
        *_rows(_group_norm, "native_group_norm"),
        *_rows(_layer_norm, "native_layer_norm _fused_rms_norm"),
        *_rows(_product, "mm bmm addmm baddbmm mv addmv dot vdot linear"),
        *_rows(_attention, "_scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_flash_attention"),
        *_rows(_attention, "_scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention"),
        *_rows(_attention, "_scaled_dot_product_attention_math _scaled_dot_product_fused_attention_overrideable"),
        *_rows(_embedding, "embedding"),
        *_rows(_linear, "cat stack constant_pad_nd roll flip repeat tril triu diag_embed rot90 cumsum trace"),
        *_rows(_linear, "reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d"),
        *_rows(_linear, "replication_pad3d pixel_shuffle pixel_unshuffle channel_shuffle im2col col2im unfold_copy"),
        *_rows(
            _linear, "upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_linear1d upsample_bilinear2d"
        ),
        *_rows(
            _linear, "upsample_trilinear3d upsample_bicubic2d _upsample_nearest_exact1d _upsample_nearest_exact2d"
        ),
        *_rows(_linear, "_upsample_nearest_exact3d _upsample_bilinear2d_aa _upsample_bicubic2d_aa"),
        *_rows(_linear, "index index_select gather index_put index_copy index_add scatter scatter_add take"),
        *_rows(_linear, "unsafe_split split_copy split_with_sizes_copy unbind_copy slice_scatter select_scatter"),
        *_rows(
            _linear, "as_strided_scatter diagonal_scatter grid_sampler_2d grid_sampler_3d permute_copy expand_copy"
        ),
    ]
)

#: A mask of attention is added to scores as a number so low that it leaves nothing.
_MASKS_BELOW = -1e4


def rule_of(operation: Operation) -> SpreadRule | None:
    """Return the rule of an operation, or None if there is none.

    Examples
    --------
    See `faltung.inspect.supports.Supports`, which follows the rules through a network.
    """
    spread = _SPREADS.get(operation.name)
    if spread is None and operation.pointwise:
        spread = _pointwise
    if spread is None:
        return None
    if spread is _linear and _index_follows(operation):
        return EVERYTHING
    exact = not (spread is _pointwise and _masks(operation))
    if (
        spread is _attention
        and operation.arguments.get("attn_mask", operation.arguments.get("attn_bias")) is not None
    ):
        exact = False
    plain = spread is _pointwise and not operation.values and len(operation.results) == 1
    return SpreadRule(spread, EXACT if exact else UPPER_BOUND, signed=spread is _linear, plain=plain)


def _index_follows(operation: Operation) -> bool:
    """Whether positions are computed from the input of the network, so that any position may be meant."""
    if operation.name.startswith("grid_sampler"):
        return operation.arguments["grid"] in operation.variable
    return any(place in operation.variable for name, _, place in operation.operands() if name in ("index", "indices"))


def _masks(operation: Operation) -> bool:
    if operation.name not in ("add", "sub"):
        return False
    return any(
        constant.is_floating_point() and constant.numel() and _lowest(constant) <= _MASKS_BELOW
        for place, constant in operation.values.items()
        if place not in operation.variable
    )


def _lowest(values: Tensor) -> float:
    lowest = float(values.min())
    return -math.inf if math.isnan(lowest) else lowest
