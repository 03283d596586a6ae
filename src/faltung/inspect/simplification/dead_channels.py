"""Which channels do nothing? Those that are constant, and those that no later layer reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from faltung.inspect.simplification.layer_map import Array, LayerMap
from faltung.inspect.simplification.layer_steps import FoundLayer, layer_at
from faltung.inspect.simplification.module_edits import Edit, NotEditableError, layer_with, replaced
from faltung.inspect.simplification.refusals import Refusal
from faltung.inspect.simplification.traced_graph import Step, TracedGraph, has_hooks

__all__ = ["dead_channels"]

_RULE = "dead channels"
#: Operations that treat each sample by itself, whatever its channel.
_POINTWISE = {
    *(
        "relu",
        "relu6",
        "silu",
        "gelu",
        "elu",
        "leaky_relu",
        "mish",
        "hardtanh",
        "hardswish",
        "hardsigmoid",
        "sigmoid",
    ),
    *("tanh", "softplus", "clamp", "clone", "abs", "exp", "neg"),
}


def dead_channels(graph: TracedGraph) -> Iterator[Edit | Refusal]:
    """``second(act(first(x)))``: channels between the two that are constant or unread are left out."""
    for step in graph.steps:
        second = layer_at(graph, step)
        if second is None or second.map.groups != 1 or second.map.transposed:
            continue
        between = [*_pointwise_before(second.source)]
        first = layer_at(graph, between[-1].inputs[0] if between else second.source)
        if first is None or first.map.groups != 1 or first.map.transposed or len(first.step.users) != 1:
            continue
        if len(first.map.sizes) != len(second.map.sizes):
            continue
        values = _constants(first.map.bias, between[::-1], len(first.map.sizes))
        gone = _gone(first.map, second, values)
        if gone.any() and not gone.all():
            yield _without(graph, first, second, between, gone, values)


def _pointwise_before(step: Step) -> Iterator[Step]:
    """Return the operations before a step that treat each sample by itself, the last one first."""
    while step.operation in _POINTWISE and len(step.inputs) == 1 and len(step.users) == 1 and not step.named:
        yield step
        step = step.inputs[0]


def _constants(bias: Array, steps: list[Step], axes: int) -> Array:
    """Return what becomes of the bias of each channel behind the operations."""
    value = torch.as_tensor(bias).reshape(1, -1, *[1] * axes)
    for step in steps:
        value = step.target(value, *step.arguments[1:])
    return value.reshape(-1).numpy()


def _gone(first: LayerMap, second: FoundLayer, values: Array) -> Array:
    """Return for each channel between the two whether it can be left out."""
    constant = ~first.weight.reshape(len(first.weight), -1).any(1)
    if second.map.pads or not second.knows_padding:  # beyond the border there are zeros, or copies of the constant
        constant &= (values == 0) | (second.map.mode != "zeros") & second.knows_padding
    unread = ~np.moveaxis(second.map.weight, 1, 0).reshape(second.map.weight.shape[1], -1).any(1)
    return np.logical_or(constant, unread)


def _without(
    graph: TracedGraph, first: FoundLayer, second: FoundLayer, between: list[Step], gone: Array, values: Array
) -> Edit | Refusal:
    where = f"{first.step.module}, {second.step.module}: {int(gone.sum())} of {len(gone)} channels"
    why = _obstacle(graph, first, second, between)
    if why:
        return Refusal(_RULE, where, why)
    sums = second.map.weight.sum(tuple(range(2, second.map.weight.ndim)))
    bias = second.map.bias + sums[:, gone] @ values[gone]
    narrow = replace(first.map, weight=first.map.weight[~gone], bias=first.map.bias[~gone])
    after = replace(second.map, weight=second.map.weight[:, ~gone], bias=bias)
    try:
        changes = [
            replaced(graph, layer.step.module, layer_with(graph, layer, value))
            for layer, value in ((first, narrow), (second, after))
        ]
    except NotEditableError as error:
        return Refusal(_RULE, where, str(error))
    return Edit(_RULE, where, tuple(changes))


def _obstacle(graph: TracedGraph, first: FoundLayer, second: FoundLayer, between: list[Step]) -> str:
    for layer in (first, second):
        if len(graph.readers(layer.weight)) != 1:
            return f"{layer.weight} is used more than once"
        why = graph.obstacle(layer.step.module) if layer.step.module else "a function in the model convolves"
        if why:
            return why
    # What sees the narrower activation must not be watched.
    apart = {name for step in (first.step, *between, second.step) for name, _ in step.calls}
    common = {name for name, _ in first.step.calls} & {name for name, _ in second.step.calls}
    return next((f"{name} has hooks" for name in apart - common if has_hooks(graph.modules[name])), "")
