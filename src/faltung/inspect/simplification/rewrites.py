"""Which parts of a network are one map, though they are written as several? The rules, as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from torch import nn

from faltung.errors import ArgumentError
from faltung.inspect.simplification.block_graph import sums_of_branches
from faltung.inspect.simplification.dead_channels import dead_channels
from faltung.inspect.simplification.layer_map import (
    MOST_WORK,
    LayerMap,
    NotExactError,
    composed,
    scaled_after,
    scaled_before,
)
from faltung.inspect.simplification.layer_steps import FoundLayer, Scaling, layer_at, scaling_at
from faltung.inspect.simplification.module_edits import Edit, NotEditableError, changed_layer, replaced
from faltung.inspect.simplification.refusals import Refusal
from faltung.inspect.simplification.traced_graph import Step, TracedGraph, has_hooks

__all__ = ["RULES", "Rule"]


class Rule(NamedTuple):
    """A rewrite: its name, and a function that finds where it applies and where it is refused."""

    name: str
    find: Callable[[TracedGraph], Iterator[Edit | Refusal]]


def _batch_norm_after(graph: TracedGraph) -> Iterator[Edit | Refusal]:
    """``bn(layer(x))``: scale and shift go into weights and bias."""
    for norm in _scalings(graph):
        layer = layer_at(graph, norm.source)
        if layer is None:
            continue
        if not layer.map.sizes and len(layer.step.shape) != 2:
            continue  # a batch norm over an axis that is not that of the features
        merge = partial(scaled_after, scale=norm.scale, shift=norm.shift)
        yield _merged("batch norm into layer", graph, layer, norm.step, merge)


def _batch_norm_before(graph: TracedGraph) -> Iterator[Edit | Refusal]:
    """``layer(bn(x))``: scale and shift go into weights and bias, if nothing is padded with zeros in between."""
    for layer in _layers(graph):
        norm = scaling_at(graph, layer.source)
        if norm is None or len(norm.step.users) != 1 or layer_at(graph, norm.source) is not None:
            continue
        if not layer.map.sizes and len(layer.step.shape) != 2:
            continue
        merge = partial(scaled_before, scale=norm.scale, shift=norm.shift)
        yield _merged("batch norm into next layer", graph, layer, norm.step, merge)


def _layer_after_layer(graph: TracedGraph) -> Iterator[Edit | Refusal]:
    """``second(first(x))``: the product of two banks."""
    for second in _layers(graph):
        first = layer_at(graph, second.source)
        if first is None or len(first.map.sizes) != len(second.map.sizes):
            continue
        yield _merged("layer after layer", graph, second, first.step, partial(_product, first), first)


def _training_batch_norm(graph: TracedGraph) -> Iterator[Edit | Refusal]:
    """Batch norms that scale by what is in the batch are not constant."""
    for step in graph.steps:
        if step.operation.startswith("_native_batch_norm_legit") and scaling_at(graph, step) is None:
            why = "it scales by the statistics of each batch; call model.eval() first"
            if any(isinstance(each, Step) for each in step.arguments[1:3]):
                why = "its parameters are computed at each call, as by a parametrization"
            elif not graph.modules[step.module].training:
                why = "it keeps no running statistics, so it scales by those of each batch"
            yield Refusal("batch norm", step.module or "the model", why)


def _dropout(graph: TracedGraph) -> Iterator[Edit | Refusal]:
    """Dropout does nothing in evaluation mode."""
    for name, module in graph.modules.items():
        if isinstance(module, nn.modules.dropout._DropoutNd) and not module.training and graph.steps_of(name):
            why = graph.obstacle(name)
            changes = () if why else (replaced(graph, name, nn.Identity()),)
            yield Refusal("dropout", name, why) if why else Edit("dropout", name, changes)


def _computed_weights(graph: TracedGraph) -> Iterator[Edit | Refusal]:
    """Layers whose weights are computed at each call have none that could be changed."""
    for step in graph.steps:
        computed = step.operation.startswith(("conv", "linear")) and isinstance(step.arguments[1], Step)
        if computed and any(user is not None and scaling_at(graph, user) for user in step.users):
            why = "its weights are computed at each call, as by a parametrization"
            yield Refusal("batch norm into layer", step.module or "the model", why)


#: All rules, in the order in which they are tried.
RULES = (
    Rule("training", _training_batch_norm),
    Rule("computed weights", _computed_weights),
    Rule("batch norm into layer", _batch_norm_after),
    Rule("layer after layer", _layer_after_layer),
    Rule("batch norm into next layer", _batch_norm_before),
    Rule("sum of branches", sums_of_branches),
    Rule("dead channels", dead_channels),
    Rule("dropout", _dropout),
)


def _scalings(graph: TracedGraph) -> Iterator[Scaling]:
    found = (scaling_at(graph, step) for step in graph.steps)
    return (each for each in found if each is not None)


def _layers(graph: TracedGraph) -> Iterator[FoundLayer]:
    found = (layer_at(graph, step) for step in graph.steps)
    return (each for each in found if each is not None)


def _product(first: FoundLayer, second: LayerMap) -> LayerMap:
    """Return two layers as one, unless that takes far more multiply-adds."""
    both = composed(first.map, second)
    apart = second.weight.size + first.map.weight.size
    # A window in place of two windows saves a pass over memory, which makes up for some work; a single tap does not.
    wider = {*first.map.sizes} != {1} and {*second.sizes} != {1}
    if both.weight.size > (MOST_WORK if wider else 1) * apart:
        raise NotExactError(f"one layer would have {both.weight.size / apart:.1f} times the weights of the two")
    return both


def _merged(
    rule: str,
    graph: TracedGraph,
    layer: FoundLayer,
    other: Step,
    merge: Callable[[LayerMap], LayerMap],
    first: FoundLayer | None = None,
) -> Edit | Refusal:
    """Return the edit that gives a layer the value of itself and another step, whose module becomes an identity."""
    where = f"{other.module or 'the model'}, {layer.step.module or 'the model'}"
    before, after = (other, layer.step) if other.users == [layer.steps[0]] else (layer.step, other)
    why = _obstacle(graph, layer, other, before, after, first)
    if why:
        return Refusal(rule, where, why)
    try:
        if (not layer.knows_padding and rule != "batch norm into layer") or (first and not first.knows_padding):
            raise NotExactError("the padding differs at the two ends")
        value = merge(layer.map)
        changes = [*changed_layer(graph, layer, value), replaced(graph, other.module, nn.Identity())]
    except (NotExactError, NotEditableError, ArgumentError) as error:
        return Refusal(rule, where, str(error))
    return Edit(rule, where, tuple(changes))


def _obstacle(
    graph: TracedGraph, layer: FoundLayer, other: Step, before: Step, after: Step, first: FoundLayer | None
) -> str:
    """Return why a layer and another step must not become one, or an empty text."""
    own = {*(first.steps if first else (other,))}
    if {*graph.steps_of(other.module)} != own or not other.module:
        return f"{other.module or 'the model'} does more than this one operation"
    if len(before.users) != 1:
        return "what is between the two is used elsewhere too"
    for name in (layer.weight, *([layer.bias] if layer.bias else []), *([first.weight] if first else [])):
        if len(graph.readers(name)) != 1:
            return f"{name} is used more than once"
    inside, outside = ({*(name for name, _ in step.calls)} for step in (before, after))
    for name in inside ^ outside:
        if has_hooks(graph.modules[name]):
            return f"{name} has hooks"
    return graph.obstacle(other.module) or _layer_obstacle(graph, layer)


def _layer_obstacle(graph: TracedGraph, layer: FoundLayer) -> str:
    """Return why the weights of a layer must not be changed; those of a function belong to the module around it."""
    owner = layer.weight.rpartition(".")[0]
    if owner == layer.step.module and owner:
        return graph.obstacle(owner)
    module = graph.modules[owner]
    return f"the weights of {owner} are parametrized" if hasattr(module, "parametrizations") else ""
