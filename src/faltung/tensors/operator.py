"""How does torch differentiate a layer? By three bilinear maps, which are each other's gradients.

A layer correlates samples x with taps w. This is linear in x, with an adjoint that maps g, the gradient with respect
to y, to that with respect to x; and it is linear in w, with another adjoint. Their gradients are the same maps again,
where c is the gradient with respect to h or v:

                           gradient with respect to the first argument    and to the second
    y = correlate(x, w)    adjoint(g, w)                                  taps(x, g)
    h = adjoint(g, w)      correlate(c, w)                                taps(c, g)
    v = taps(x, g)         adjoint(g, c)                                  correlate(x, c)

So the derivatives of every order are these three. ``adjoint`` is also what a transposed layer computes.

Their last three arguments are always the modes of the axes (as `faltung.ground.boundary.spelled` writes them), the
method, and the number of threads, where 0 stands for that of `faltung.workers`, or else of torch. A number that was
asked for is that of the gradients too.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch.utils.flop_counter import conv_flop_count

from faltung.ground.boundary import by_axis
from faltung.planning.layer import Axis, Layer
from faltung.tensors.calling import differentiable
from faltung.tensors.layer_plan import LayerPlan, plan_layer
from faltung.tensors.memory_order import empty_in_order_of, in_order_of, is_channels_last

__all__ = ["adjoint", "correlate", "layer_of", "plan_of", "taps"]


@lru_cache(maxsize=2048)
def layer_of(
    source: tuple[int, ...],
    taps: tuple[int, ...],
    stride: tuple[int, ...],
    start: tuple[int, ...],
    outputs: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
    mode: str,
) -> Layer:
    """Return the layer for shapes of samples and taps, as torch orders their axes."""
    modes = by_axis(mode, len(stride))
    axes = tuple(map(Axis, source[2:], taps[2:], start, outputs, stride, dilation, modes))
    return Layer(source[0], groups, taps[1], taps[0] // groups, axes)


def plan_of(layer: Layer, x: torch.Tensor, method: str, other: torch.Tensor | None = None) -> LayerPlan:
    """Return the plan of a layer for a tensor of samples or of outputs, or for both."""
    last = is_channels_last(x) or (other is not None and is_channels_last(other))
    return plan_layer(layer, x.dtype, x.device, last, method)


# ---- what is computed


def _correlate(
    x: torch.Tensor,
    w: torch.Tensor,
    bias: torch.Tensor | None,
    stride: Sequence[int],
    start: Sequence[int],
    outputs: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    mode: str,
    method: str,
    workers: int = 0,
) -> torch.Tensor:
    """Correlate (images, channels, *spatial) with taps (channels out, channels in of a group, *spatial)."""
    layer = layer_of(
        tuple(x.shape), tuple(w.shape), tuple(stride), tuple(start), tuple(outputs), tuple(dilation), groups, mode
    )
    return in_order_of(plan_of(layer, x, method, w).compute("correlate", (x, w, bias), workers), x, w)


def _adjoint(
    g: torch.Tensor,
    w: torch.Tensor,
    lengths: Sequence[int],
    stride: Sequence[int],
    start: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    mode: str,
    method: str,
    workers: int = 0,
) -> torch.Tensor:
    """Map (images, channels out, *outputs) to (images, channels in, *lengths): the transpose of `correlate`."""
    source = (g.shape[0], w.shape[1] * groups, *lengths)
    layer = layer_of(
        source, tuple(w.shape), tuple(stride), tuple(start), tuple(g.shape[2:]), tuple(dilation), groups, mode
    )
    return in_order_of(plan_of(layer, g, method, w).compute("adjoint", (g, w), workers), g, w)


def _taps(
    x: torch.Tensor,
    g: torch.Tensor,
    sizes: Sequence[int],
    stride: Sequence[int],
    start: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    mode: str,
    method: str,
    workers: int = 0,
) -> torch.Tensor:
    """Map samples and the gradient with respect to the outputs to that with respect to the taps, of those sizes."""
    shape = (g.shape[1], x.shape[1] // groups, *sizes)
    layer = layer_of(
        tuple(x.shape), shape, tuple(stride), tuple(start), tuple(g.shape[2:]), tuple(dilation), groups, mode
    )
    gradient = plan_of(layer, x, method, g).compute("taps", (x, g), workers)
    return gradient.to(x.dtype).contiguous()


# ---- gradients


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Any = None) -> None:
    ctx.save_for_backward(inputs[0], inputs[1])
    ctx.rest, ctx.shape = inputs[2:], None if output is None else output.shape


def _correlate_backward(ctx: Any, c: torch.Tensor) -> tuple[Any, ...]:
    x, w = ctx.saved_tensors
    bias, stride, start, _, dilation, *how = ctx.rest
    to_x = to_w = to_bias = None
    if ctx.needs_input_grad[0]:
        to_x = adjoint(c, w, x.shape[2:], stride, start, dilation, *how)
    if ctx.needs_input_grad[1]:
        to_w = taps(x, c, w.shape[2:], stride, start, dilation, *how)
    if bias is not None and ctx.needs_input_grad[2]:
        to_bias = c.sum(dim=[0, *range(2, c.ndim)])
    return to_x, to_w, to_bias, *[None] * (len(ctx.rest) - 1)


def _adjoint_backward(ctx: Any, c: torch.Tensor) -> tuple[Any, ...]:
    g, w = ctx.saved_tensors
    _, stride, start, *how = ctx.rest
    to_g = to_w = None
    if ctx.needs_input_grad[0]:
        to_g = correlate(c, w, None, stride, start, g.shape[2:], *how)
    if ctx.needs_input_grad[1]:
        to_w = taps(c, g, w.shape[2:], stride, start, *how)
    return to_g, to_w, *[None] * len(ctx.rest)


def _taps_backward(ctx: Any, c: torch.Tensor) -> tuple[Any, ...]:
    x, g = ctx.saved_tensors
    _, stride, start, *how = ctx.rest
    to_x = to_g = None
    if ctx.needs_input_grad[0]:
        to_x = adjoint(g, c, x.shape[2:], stride, start, *how)
    if ctx.needs_input_grad[1]:
        to_g = correlate(x, c, None, stride, start, g.shape[2:], *how)
    return to_x, to_g, *[None] * len(ctx.rest)


# ---- tangents


def _correlate_jvp(ctx: Any, x: Any, w: Any, bias: Any, *_: None) -> Any:
    kept = ctx.saved_tensors
    total: Any = 0 if x is None else correlate(x, kept[1], None, *ctx.rest[1:])
    if w is not None:
        total = total + correlate(kept[0], w, None, *ctx.rest[1:])
    return total if bias is None else total + bias.reshape(-1, *[1] * (kept[0].ndim - 2)).expand(ctx.shape)


def _adjoint_jvp(ctx: Any, g: Any, w: Any, *_: None) -> Any:
    kept = ctx.saved_tensors
    total: Any = 0 if g is None else adjoint(g, kept[1], *ctx.rest)
    return total if w is None else total + adjoint(kept[0], w, *ctx.rest)


def _taps_jvp(ctx: Any, x: Any, g: Any, *_: None) -> Any:
    kept = ctx.saved_tensors
    total: Any = 0 if x is None else taps(x, kept[1], *ctx.rest)
    return total if g is None else total + taps(kept[0], g, *ctx.rest)


# ---- vmap: one more axis of images, or, where taps differ too, of groups


def _first(x: torch.Tensor, axis: int | None, size: int) -> torch.Tensor:
    return x.unsqueeze(0).expand(size, *x.shape) if axis is None else x.movedim(axis, 0)


def _as_images(x: torch.Tensor) -> torch.Tensor:
    return x.flatten(0, 1)


def _as_groups(x: torch.Tensor) -> torch.Tensor:
    """Join the mapped axis of (mapped, images, channels, ...) with the channels."""
    return x.transpose(0, 1).flatten(1, 2)


def _from_groups(y: torch.Tensor, size: int) -> torch.Tensor:
    return _split(y, 1, size).transpose(0, 1)


def _split(y: torch.Tensor, axis: int, size: int) -> torch.Tensor:
    return y.reshape(*y.shape[:axis], size, -1, *y.shape[axis + 1 :])


def _correlate_vmap(info: Any, axes: Any, x: Any, w: Any, bias: Any, *rest: Any) -> tuple[torch.Tensor, int]:
    size, (*geometry, groups, mode, method, workers) = info.batch_size, rest
    if axes[1] is None and axes[2] is None:
        y = correlate(_as_images(_first(x, axes[0], size)), w, bias, *geometry, groups, mode, method, workers)
        return _split(y, 0, size), 0
    xs, ws = _first(x, axes[0], size), _first(w, axes[1], size)
    biases = None if bias is None else _first(bias, axes[2], size).flatten()
    y = correlate(_as_groups(xs), ws.flatten(0, 1), biases, *geometry, groups * size, mode, method, workers)
    return _from_groups(y, size), 0


def _adjoint_vmap(info: Any, axes: Any, g: Any, w: Any, *rest: Any) -> tuple[torch.Tensor, int]:
    size, (*geometry, groups, mode, method, workers) = info.batch_size, rest
    if axes[1] is None:
        x = adjoint(_as_images(_first(g, axes[0], size)), w, *geometry, groups, mode, method, workers)
        return _split(x, 0, size), 0
    gs, ws = _first(g, axes[0], size), _first(w, axes[1], size)
    x = adjoint(_as_groups(gs), ws.flatten(0, 1), *geometry, groups * size, mode, method, workers)
    return _from_groups(x, size), 0


def _taps_vmap(info: Any, axes: Any, x: Any, g: Any, *rest: Any) -> tuple[torch.Tensor, int]:
    size, (*geometry, groups, mode, method, workers) = info.batch_size, rest
    xs, gs = _as_groups(_first(x, axes[0], size)), _as_groups(_first(g, axes[1], size))
    v = taps(xs, gs, *geometry, groups * size, mode, method, workers)
    return _split(v, 0, size), 0


# ---- results without numbers


def _correlate_fake(x: Any, w: Any, bias: Any, stride: Any, start: Any, outputs: Any, *_: Any) -> torch.Tensor:
    return empty_in_order_of((x.shape[0], w.shape[0], *outputs), x, w)


def _adjoint_fake(
    g: Any, w: Any, lengths: Any, stride: Any, start: Any, dilation: Any, groups: int, *_: Any
) -> torch.Tensor:
    return empty_in_order_of((g.shape[0], w.shape[1] * groups, *lengths), g, w)


def _taps_fake(
    x: Any, g: Any, sizes: Any, stride: Any, start: Any, dilation: Any, groups: int, *_: Any
) -> torch.Tensor:
    return x.new_empty((g.shape[1], x.shape[1] // groups, *sizes))  # type: ignore[no-any-return]


# ---- how many operations torch counts for its own layers


def _correlate_flops(x: Any, w: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    return conv_flop_count(x, w, out_shape)


def _adjoint_flops(g: Any, w: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    return conv_flop_count(g, w, out_shape, transposed=True)


def _taps_flops(x: Any, g: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    # Torch takes images for channels here and counts products of all channels, those of other groups too.
    samples, gradients, found = ([shape[1], shape[0], *shape[2:]] for shape in (x, g, out_shape))
    return conv_flop_count(samples, gradients, found)


correlate = differentiable(
    "faltung::correlate",
    _correlate,
    tensors=3,
    fake=_correlate_fake,
    keep=_keep,
    backward=_correlate_backward,
    tangent=_correlate_jvp,
    vmap=_correlate_vmap,
    flops=_correlate_flops,
)
adjoint = differentiable(
    "faltung::adjoint",
    _adjoint,
    tensors=2,
    fake=_adjoint_fake,
    keep=_keep,
    backward=_adjoint_backward,
    tangent=_adjoint_jvp,
    vmap=_adjoint_vmap,
    flops=_adjoint_flops,
)
taps = differentiable(
    "faltung::taps",
    _taps,
    tensors=2,
    fake=_taps_fake,
    keep=_keep,
    backward=_taps_backward,
    tangent=_taps_jvp,
    vmap=_taps_vmap,
    flops=_taps_flops,
)
