"""Which operations does a model run, on what, and in which of its modules? Its graph, from `torch.export`."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from faltung.errors import ArgumentError

__all__ = ["Step", "TracedGraph", "has_hooks", "traced"]


@dataclass(eq=False, repr=False)
class Step:
    """One operation of the graph.

    Parameters
    ----------
    name : str
        Name of the operation in torch, such as ``aten.conv2d.default``; ``input`` for an input of the model.
    target : callable or str
        The operation itself.
    inputs : list of Step
        The steps whose results it reads.
    arguments : tuple
        All arguments; parameters and buffers are texts, their names.
    named : dict
        All arguments that were passed by name.
    calls : tuple of (str, str)
        The modules that are running, from the model on: name of the module, and name of the call, which differs
        where a module is called more than once.
    shape : tuple of int
        Shape of the result.
    users : list of Step
        The steps that read the result; None stands for the output of the model.
    """

    name: str
    target: Any
    inputs: list[Step]
    arguments: tuple[Any, ...]
    named: dict[str, Any]
    calls: tuple[tuple[str, str], ...]
    shape: tuple[int, ...]
    users: list[Step | None] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<{self.name} in {self.module or 'the model'}: {self.shape}>"

    @property
    def module(self) -> str:
        """Name of the innermost module that is running."""
        return self.calls[-1][0] if self.calls else ""

    @property
    def operation(self) -> str:
        """Name of the operation without namespace and overload: ``conv2d``."""
        return self.name.split(".")[1] if "." in self.name else self.name


class TracedGraph:
    """The steps of a model in the order in which they run, and what is known of its modules.

    Parameters
    ----------
    model : torch.nn.Module
        The model.
    steps : list of Step
        Its steps.
    holder : object
        What has the model as its attribute `model`, so that the model as a whole can be replaced.
    """

    def __init__(self, model: nn.Module, steps: list[Step], holder: Any = None) -> None:
        self.model, self.steps, self.holder = model, steps, holder
        self.modules = dict(model.named_modules())
        self._steps_of: dict[str, list[Step]] = {}
        for step in steps:
            for module, _ in step.calls:
                self._steps_of.setdefault(module, []).append(step)
        self.tensors: dict[str, torch.Tensor] = {**dict(model.named_parameters(remove_duplicate=False))}
        self.tensors |= dict(model.named_buffers(remove_duplicate=False))
        names = [id(tensor) for tensor in self.tensors.values()]
        self._shared = {one for one in names if names.count(one) > 1} if len({*names}) < len(names) else set()

    def steps_of(self, module: str) -> list[Step]:
        """Return the steps that run in a module, or in the modules inside of it."""
        return self._steps_of.get(module, [])

    def tensor(self, name: str) -> torch.Tensor:
        """Return a parameter or buffer."""
        return self.tensors[name].detach()

    def readers(self, name: str) -> list[Step]:
        """Return the steps that read a parameter or buffer."""
        return [step for step in self.steps if name in step.arguments]

    def obstacle(self, module: str) -> str:
        """Return why a module must not be edited, or an empty text."""
        found = self.modules[module]
        if len({call for step in self.steps_of(module) for name, call in step.calls if name == module}) > 1:
            return f"{module} is called more than once"
        if any(other is found for name, other in self.model.named_modules(remove_duplicate=False) if name != module):
            return f"{module} has a second name in the model"
        if has_hooks(found):
            return f"{module} has hooks"
        if hasattr(found, "parametrizations"):
            return f"the weights of {module} are parametrized"
        if found.training:
            return f"{module} is in training mode: call model.eval() first"
        if any(id(tensor) in self._shared for tensor in (*found.parameters(), *found.buffers())):
            return f"{module} shares its weights"
        return ""


def has_hooks(module: nn.Module) -> bool:
    """Return whether functions were registered that see what enters or leaves a module."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return any(getattr(module, kind, None) for kind in kinds)


def traced(holder: Any, example: tuple[Any, ...]) -> TracedGraph:
    """Return the graph of ``holder.model``, or raise an error that says why torch cannot export it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own deprecations
        try:
            program = torch.export.export(holder.model, example, strict=False).run_decompositions({})
        except Exception as error:
            why = " ".join(str(error).split())[:300]
            remedy = "A model whose operations depend on its data has no one graph. Simplify the parts that have one."
            raise ArgumentError("model", "a model that torch.export can export", why, remedy) from error
    signature = program.graph_signature
    names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    return TracedGraph(holder.model, [*_steps(program.graph, names)], holder)


def _steps(graph: Any, names: dict[str, str]) -> Iterator[Step]:
    made: dict[Any, Step] = {}
    for node in graph.nodes:
        inputs = [made[each] for each in dict.fromkeys(node.all_input_nodes) if each in made]
        if node.op == "output":
            for each in inputs:
                each.users.append(None)
        elif node.target is operator.getitem and inputs:
            # The first result of batch norm is its output; the others are statistics that nobody reads.
            made[node] = inputs[0]
        elif node.op != "placeholder" or (node.name not in names and _is_tensor(node)):
            made[node] = step = _step(node, inputs, names, made)
            for each in inputs:
                each.users.append(step)
            yield step


def _step(node: Any, inputs: list[Step], names: dict[str, str], made: dict[Any, Step]) -> Step:
    name = "input" if node.op == "placeholder" else str(node.target)
    stack = (node.meta.get("nn_module_stack") or {}).items()
    arguments = tuple(_named(argument, names, made) for argument in node.args)
    named = {key: _named(argument, names, made) for key, argument in node.kwargs.items()}
    calls = tuple((module, key) for key, (module, _) in stack)
    return Step(name, node.target, inputs, arguments, named, calls, _shape(node))


def _named(argument: Any, names: dict[str, str], made: dict[Any, Step]) -> Any:
    """Return an argument with steps and names in place of the nodes of torch."""
    if isinstance(argument, (list, tuple)):
        return [_named(each, names, made) for each in argument]
    if isinstance(argument, torch.fx.Node):
        return made.get(argument) or names.get(argument.name, argument.name)
    return argument


def _is_tensor(node: Any) -> bool:
    return isinstance(node.meta.get("val"), torch.Tensor)


def _shape(node: Any) -> tuple[int, ...]:
    value = node.meta.get("val")
    value = value[0] if isinstance(value, (tuple, list)) and value else value
    return tuple(value.shape) if isinstance(value, torch.Tensor) else ()
