"""How do branches of a block become one layer? The block gets a graph of its own, without the sum."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import fx, nn

from faltung.errors import ArgumentError
from faltung.inspect.simplification.layer_map import (
    MOST_WORK,
    LayerMap,
    NotExactError,
    identity_like,
    summed,
)
from faltung.inspect.simplification.layer_steps import FoundLayer, layer_at, scaling_at
from faltung.inspect.simplification.module_edits import Edit, NotEditableError, layer_with, replaced
from faltung.inspect.simplification.refusals import Refusal
from faltung.inspect.simplification.traced_graph import POINTWISE, Step, TracedGraph, has_hooks

__all__ = ["sums_of_branches"]

_RULE = "sum of branches"
#: Operations that do not keep the sizes of the example in their arguments.
_FREE_OF_SIZES = {
    *POINTWISE,
    *("add", "sub", "mul", "div", "cat", "prelu", "linear", "pad", "_native_batch_norm_legit_no_training"),
    *(f"{kind}{axes}d" for kind in ("conv", "conv_transpose", "max_pool", "avg_pool") for axes in "123"),
    *(f"adaptive_avg_pool{axes}d" for axes in "123"),
}


class _Term(NamedTuple):
    """One term of a sum: what it is applied to, and its layer; None for a batch norm or the input itself."""

    step: Step
    source: Step
    layer: FoundLayer | None


def sums_of_branches(graph: TracedGraph) -> Iterator[Edit | Refusal]:
    """``a(x) + b(x) + x``: one layer, where the branches have one input, one stride and one centre."""
    for total in graph.steps:
        if not _is_sum(total) or any(
            user is not None and _is_sum(user) and len(total.users) == 1 for user in total.users
        ):
            continue
        terms = [_term(graph, step) for step in _terms(total)]
        for source in dict.fromkeys(term.source for term in terms):
            group = [term for term in terms if term.source is source]
            if len(group) > 1 and any(term.layer for term in group):
                yield _one_layer(graph, total, group, terms)


def _is_sum(step: Step) -> bool:
    both = all(isinstance(each, Step) and each.shape == step.shape for each in step.arguments)
    return step.operation == "add" and len(step.arguments) == 2 and both and not step.named


def _terms(step: Step) -> Iterator[Step]:
    """Return the terms of a sum, which may be a sum of sums."""
    for each in step.arguments:
        if _is_sum(each) and len(each.users) == 1 and each.calls == step.calls:
            yield from _terms(each)
        else:
            yield each


def _sums_in(step: Step) -> Iterator[Step]:
    """Return the sums of which a sum is made."""
    for each in step.arguments:
        if _is_sum(each) and len(each.users) == 1 and each.calls == step.calls:
            yield each
            yield from _sums_in(each)


def _term(graph: TracedGraph, step: Step) -> _Term:
    layer = layer_at(graph, step)
    if layer is not None and len(step.users) == 1:
        return _Term(step, layer.source, layer)
    norm = scaling_at(graph, step)
    if norm is not None and len(step.users) == 1:
        return _Term(step, norm.source, None)
    return _Term(step, step, None)


def _one_layer(graph: TracedGraph, total: Step, group: list[_Term], terms: list[_Term]) -> Edit | Refusal:
    block = total.module
    widest = max((term.layer for term in group if term.layer), key=lambda layer: layer.map.weight[0, 0].size)
    where = f"{block or 'the model'}: {', '.join(term.step.module or 'x' for term in group)}"
    why = graph.obstacle(block) or _inner_hooks(graph, block) or _weights_obstacle(graph, group)
    if why:
        return Refusal(_RULE, where, why)
    try:
        value = _sum_of(graph, group, widest)
        layer = layer_with(graph, widest, value)
        new = _BlockGraph(graph, block, total, {term.step for term in group}, terms, widest).module(layer)
        return Edit(_RULE, where, (replaced(graph, block, new),))
    except (NotExactError, NotEditableError, ArgumentError) as error:
        return Refusal(_RULE, where, str(error))


def _inner_hooks(graph: TracedGraph, block: str) -> str:
    """Return why a block must not get a graph of its own: what is in it may be watched."""
    inside = (name for name in graph.modules if name.startswith(f"{block}.") or not block)
    return next((f"{name} has hooks" for name in inside if has_hooks(graph.modules[name])), "")


def _weights_obstacle(graph: TracedGraph, group: list[_Term]) -> str:
    for layer in (term.layer for term in group if term.layer):
        if len(graph.readers(layer.weight)) != 1:
            return f"{layer.weight} is used more than once"
        if not layer.knows_padding:
            return f"{layer.step.module} pads differently at its two ends"
    for term in group:
        why = graph.obstacle(term.step.module) if term.step is not term.source and term.step.module else ""
        if why:
            return why
    return ""


def _sum_of(graph: TracedGraph, group: list[_Term], widest: FoundLayer) -> LayerMap:
    maps = []
    for term in group:
        if term.layer is not None:
            maps.append(term.layer.map)
            continue
        norm = scaling_at(graph, term.step) if term.step is not term.source else None
        count = widest.map.channels[0]
        ones, zeros = torch.ones(count).numpy(), torch.zeros(count).numpy()
        maps.append(identity_like(widest.map, norm.scale if norm else ones, norm.shift if norm else zeros))
    value = summed(maps)
    apart = sum(each.weight.size for each in maps)
    if value.weight.size > MOST_WORK * apart:
        raise NotExactError(f"one layer would have {value.weight.size / apart:.1f} times the weights of the branches")
    return value


class _BlockGraph:
    """The graph of a block in which some terms of a sum are one layer."""

    def __init__(
        self, graph: TracedGraph, block: str, total: Step, merged: set[Step], terms: list[_Term], layer: FoundLayer
    ) -> None:
        self.graph, self.block, self.total = graph, block, total
        self.merged, self.terms, self.layer = merged, terms, layer
        self.root = graph.modules[block]
        self.inner = {*_sums_in(total)}
        self.made: dict[Step, fx.Node] = {}
        self.result = fx.Graph()

    def module(self, layer: nn.Module) -> fx.GraphModule:
        """Return the block as a module, with `layer` in the place of the branches."""
        steps = self.graph.steps_of(self.block) if self.block else self.graph.steps
        inside = {*steps}
        entries = {each for step in steps for each in step.inputs if each not in inside or each.name == "input"}
        self._check(steps, entries)
        parameters = [*inspect.signature(self.root.forward).parameters]
        self.made[entries.pop()] = self.result.placeholder(parameters[0])
        for step in steps:
            self._put(step)
        ends = [step for step in steps if any(user is None or user not in inside for user in step.users)]
        if len(ends) != 1:
            raise NotEditableError(f"{self.block or 'the model'} has more than one output")
        self.result.output(self.made[ends[0]])
        result = fx.GraphModule(self.root, self.result, type(self.root).__name__)
        result.set_submodule(self._name(self.layer.step.module), layer)
        result.graph.eliminate_dead_code()
        result.delete_all_unused_submodules()
        result.recompile()
        return result

    def _check(self, steps: list[Step], entries: set[Step]) -> None:
        name = self.block or "the model"
        if len(entries) != 1 or len(inspect.signature(self.root.forward).parameters) != 1:
            raise NotEditableError(f"{name} has more than one input")
        for step in steps:
            if step.operation not in _FREE_OF_SIZES and step.name != "input":
                raise NotEditableError(f"{name} also does {step.operation}, which may depend on the example's sizes")

    def _put(self, step: Step) -> None:
        """Put a step into the graph, or the module in which it is."""
        if step in self.made:
            return
        if step is self.total:
            self.made[step] = self._new_total()
            return
        if step in self.inner or (step in self.merged and step is not self.layer.source):
            return
        leaf = self._leaf(step)
        if leaf is not None:
            source, shown = leaf
            if step is shown:
                self.made[step] = self.result.call_module(self._name(step.module), (self.made[source],))
            return
        if step.operation == "clone":
            raise NotEditableError(f"{self.block or 'the model'} calls dropout as a function, which its mode decides")
        self.made[step] = self.result.call_function(step.target, self._arguments(step.arguments), self._named(step))

    def _leaf(self, step: Step) -> tuple[Step, Step] | None:
        """Return what the module without parts reads in which a step runs, and the step that is its result."""
        if step.module == self.block or any(self.graph.modules[step.module].children()):
            return None
        own = [each for each in self.graph.steps_of(step.module) if each.calls == step.calls]
        read = {each for one in own for each in one.inputs if each not in own}
        shown = [one for one in own if any(user not in own for user in one.users)]
        return (read.pop(), shown[0]) if len(read) == len(shown) == 1 else None

    def _new_total(self) -> fx.Node:
        """Return the sum of the new layer and of the terms that are not part of it."""
        source = self.made[self.layer.source]
        node = self.result.call_module(self._name(self.layer.step.module), (source,))
        for term in self.terms:
            if term.step not in self.merged:
                node = self.result.call_function(torch.ops.aten.add.Tensor, (node, self.made[term.step]))
        return node

    def _name(self, module: str) -> str:
        return module.removeprefix(f"{self.block}.") if self.block else module

    def _arguments(self, arguments: Any) -> Any:
        if isinstance(arguments, (tuple, list)):
            return type(arguments)(self._arguments(each) for each in arguments)
        if isinstance(arguments, Step):
            return self.made[arguments]
        if isinstance(arguments, str) and arguments in self.graph.tensors:
            if self.block and not arguments.startswith(f"{self.block}."):
                raise NotEditableError(f"{self.block} reads {arguments}, which is not its own")
            return self.result.get_attr(self._name(arguments))
        return arguments

    def _named(self, step: Step) -> dict[str, Any]:
        return {name: self._arguments(value) for name, value in step.named.items()}
