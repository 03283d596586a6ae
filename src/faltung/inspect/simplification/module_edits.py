"""How is a model changed, and changed back? As parameters and modules that take the place of others."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import torch
from torch import nn

from faltung.inspect.simplification.layer_map import LayerMap
from faltung.inspect.simplification.layer_steps import FoundLayer
from faltung.inspect.simplification.traced_graph import TracedGraph

__all__ = ["Change", "Edit", "NotEditableError", "applied", "changed_layer", "layer_with", "replaced"]


class NotEditableError(Exception):
    """The modules of a model cannot say what a rewrite means; the message says why."""


class Change(NamedTuple):
    """An attribute of a module, and what it becomes."""

    owner: Any
    attribute: str
    value: Any


class Edit(NamedTuple):
    """A rewrite that can be applied.

    Parameters
    ----------
    rule : str
        Name of the rule.
    where : str
        Names of the modules that become one.
    changes : tuple of Change
        What becomes of the model.
    """

    rule: str
    where: str
    changes: tuple[Change, ...]


def applied(edit: Edit) -> Edit:
    """Apply an edit, and return the edit that takes it back."""
    before = tuple(Change(owner, name, getattr(owner, name)) for owner, name, _ in edit.changes)
    for owner, name, value in edit.changes:
        setattr(owner, name, value)
    return Edit(edit.rule, edit.where, before[::-1])


def replaced(graph: TracedGraph, module: str, value: nn.Module) -> Change:
    """Return the change that puts another module in the place of a module."""
    parent, _, name = module.rpartition(".")
    value.train(graph.modules[module].training)
    return Change(graph.modules[parent], name, value) if module else Change(graph.holder, "model", value)


def changed_layer(graph: TracedGraph, layer: FoundLayer, value: LayerMap) -> list[Change]:
    """Return the changes that give a layer another value: the module keeps its class and its name."""
    old = layer.map
    steps = [(each.stride, each.padding, each.dilation, each.groups, each.mode) for each in (old, value)]
    if steps[0] == steps[1] and old.weight.shape == value.weight.shape:
        return _changed_parameters(graph, layer, value)
    return [replaced(graph, layer.step.module, layer_with(graph, layer, value))]


def layer_with(graph: TracedGraph, layer: FoundLayer, value: LayerMap) -> nn.Module:
    """Return a new module of the class of a layer's, with another value."""
    owner = layer.step.module
    module = graph.modules[owner]
    plain = isinstance(module, (nn.modules.conv._ConvNd, nn.Linear)) and layer.weight == f"{owner}.weight"
    if not (plain and {*graph.steps_of(owner)} == {*layer.steps}):
        raise NotEditableError(f"{owner or 'the model'} is no layer of torch whose size can be changed")
    new: Any = copy.deepcopy(module)
    _set_sizes(new, value)
    new.weight = _parameter(value.weight, module.weight)
    new.bias = _parameter(value.bias, module.weight) if value.bias.any() or layer.bias else None
    return new  # type: ignore[no-any-return]


def _changed_parameters(graph: TracedGraph, layer: FoundLayer, value: LayerMap) -> list[Change]:
    changes = [_tensor_change(graph, layer.weight, value.weight)]
    like = graph.tensor(layer.weight)
    if layer.bias is not None:
        changes.append(_tensor_change(graph, layer.bias, value.bias))
    elif value.bias.any():
        module = graph.modules[layer.step.module]
        if not isinstance(module, (nn.modules.conv._ConvNd, nn.Linear)):
            raise NotEditableError(f"a function in {layer.step.module or 'the model'} convolves without a bias")
        changes.append(Change(module, "bias", _parameter(value.bias, like)))
    return changes


def _tensor_change(graph: TracedGraph, name: str, value: Any) -> Change:
    owner, _, attribute = name.rpartition(".")
    old = getattr(graph.modules[owner], attribute)
    if not isinstance(old, nn.Parameter):
        raise NotEditableError(f"{name} is no parameter")
    return Change(graph.modules[owner], attribute, _parameter(value, old))


def _parameter(value: Any, like: torch.Tensor) -> nn.Parameter:
    tensor = torch.as_tensor(value).to(dtype=like.dtype, device=like.device).contiguous()
    return nn.Parameter(tensor, requires_grad=getattr(like, "requires_grad", True))


def _set_sizes(module: Any, value: LayerMap) -> None:
    """Set what a layer of torch keeps of its own size."""
    count_in, count_out = value.channels
    if isinstance(module, nn.Linear):
        module.in_features, module.out_features = count_in, count_out
        return
    module.in_channels, module.out_channels, module.groups = count_in, count_out, value.groups
    module.kernel_size, module.stride, module.padding = value.sizes, value.stride, value.padding
    module.dilation, module.padding_mode = value.dilation, value.mode
    module._reversed_padding_repeated_twice = [each for size in reversed(value.padding) for each in (size, size)]
