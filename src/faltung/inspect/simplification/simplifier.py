"""What is the simplest network with the same outputs? Rules are applied one by one, and each result is checked."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import torch
from torch import nn

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.checks import non_negative
from faltung.inspect.simplification.certificate import Certificate, Rewrite, Size
from faltung.inspect.simplification.comparing import (
    Difference,
    Inputs,
    difference_of,
    outputs_of,
    seconds_of,
    trial_inputs,
)
from faltung.inspect.simplification.factored_layers import factored_layers
from faltung.inspect.simplification.layer_steps import layer_at
from faltung.inspect.simplification.module_edits import Edit, applied
from faltung.inspect.simplification.refusals import Refusal
from faltung.inspect.simplification.rewrites import RULES
from faltung.inspect.simplification.traced_graph import TracedGraph, traced

__all__ = ["Simplification", "simplify"]

#: An exact rewrite changes outputs by at most so much of the largest one, in double and in single precision.
_EXACT = {torch.float64: 1e-9, torch.float32: 1e-4}
#: No network has so many rewrites one inside of the other.
_MOST_ROUNDS = 50
#: How long both networks are timed together, in seconds.
_TIMING = 0.3


class Simplification(NamedTuple):
    """A simplified network with its certificate."""

    model: nn.Module
    certificate: Certificate


def simplify(model: nn.Module, example: Any, tolerance: float = 0.0) -> Simplification:
    """Return a network with the same outputs and less work, and a certificate of what was done.

    - Batch norm is folded into the layer before it, or after it: convolutions, transposed ones, in groups, depthwise,
      fully connected layers; with and without parameters of its own.
    - A layer after a layer, without a nonlinearity between them, becomes one layer: the product of two banks.
    - Branches with one input become one layer: the sum of banks, of identities and of batch norms.
    - Dropout, which does nothing in evaluation mode, is removed.
    - With a `tolerance`, layers become products of two smaller ones, if these are faster when timed.

    Each rewrite is refused where it is not exact for every input, border included: with a zero padding between two
    layers, shared weights, hooks, training mode. After each rewrite the outputs are compared; what changes them is
    taken back.

    Parameters
    ----------
    model : torch.nn.Module
        The network, in evaluation mode. It is not changed.
    example : torch.Tensor or tuple
        An input, or all positional arguments of the network. The operations must not depend on the values.
    tolerance : float, optional
        The largest difference of any output that approximations may make, relative to the largest output.

    Returns
    -------
    Simplification
        ``model``: a copy, whose modules keep their classes and names; what became part of another module is an
        identity. A block whose branches were summed is a `torch.fx.GraphModule`. ``certificate``: what was done.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used, or torch cannot export the network.

    References
    ----------
    Ding et al., RepVGG: Making VGG-style ConvNets Great Again, CVPR 2021 (branches that become one layer).

    Examples
    --------
    >>> import torch
    >>> import faltung as fa
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.Conv2d(8, 8, 3), torch.nn.BatchNorm2d(8)).eval()
    >>> simple, certificate = fa.inspect.simplify(net, torch.zeros(1, 3, 32, 32))
    >>> [rewrite.rule for rewrite in certificate.rewrites]
    ['batch norm into layer', 'layer after layer']
    >>> simple
    Sequential(
      (0): Identity()
      (1): Conv2d(3, 8, kernel_size=(5, 5), stride=(1, 1))
      (2): Identity()
    )
    """
    if not isinstance(model, nn.Module):
        raise ArgumentTypeError("model", "a torch.nn.Module", type(model).__name__)
    tolerance = non_negative("tolerance", tolerance)
    inputs = example if isinstance(example, tuple) else (example,)
    if not inputs or not all(isinstance(each, torch.Tensor) for each in inputs):
        raise ArgumentTypeError("example", "a tensor, or a tuple of tensors", repr(type(example).__name__))
    random_state = torch.random.get_rng_state()
    try:
        return _Simplifier(model, inputs).run(tolerance)
    finally:
        torch.random.set_rng_state(random_state)


class _Simplifier:
    """One simplification: the network as it is now, what was done, and what was refused.

    The work is done in double precision, so that a rewrite that is not exact is told from rounding.
    """

    def __init__(self, model: nn.Module, inputs: Inputs) -> None:
        # Even a call can change a model: in training mode it has statistics of its own.
        self.original, self.model, self.inputs = _copied(model), _copied(model), inputs
        self.dtypes = {name: tensor.dtype for name, tensor in _state(model)}
        self.precision = self._widen()
        self.tests = [_cast(each, self.precision) for each in trial_inputs(inputs)]
        self.wanted = outputs_of(self.model, self.tests)
        self.rewrites: list[Rewrite] = []
        self.refusals: dict[tuple[str, str], Refusal] = {}
        #: What was applied and taken back.
        self.undone: dict[tuple[str, str], Refusal] = {}

    def run(self, tolerance: float) -> Simplification:
        start = self._graph()
        before = _size(self.original, start)
        graph = start
        for _ in range(_MOST_ROUNDS):
            if not self._round(graph):
                break
            graph = self._graph()
        if tolerance:
            dtype = next((each for each in self.dtypes.values() if each.is_floating_point), torch.float32)
            for found in factored_layers(graph, tolerance, dtype):
                self._take(found, tolerance)
            graph = self._graph()
        self._narrow()
        difference = difference_of(
            *(outputs_of(net, trial_inputs(self.inputs)) for net in (self.original, self.model))
        )
        seconds = seconds_of((self.original, self.model), self.inputs, _TIMING)
        certificate = Certificate(
            tuple(self.rewrites),
            (*self.refusals.values(), *self.undone.values()),
            difference,
            Size(*before, seconds[0]),
            Size(*_size(self.model, graph), seconds[1]),
            str(self.precision).removeprefix("torch."),
            ", ".join(" x ".join(map(str, each.shape)) for each in self.inputs),
        )
        return Simplification(self.model, certificate)

    def _graph(self) -> TracedGraph:
        return traced(self, self.tests[0])

    def _round(self, graph: TracedGraph) -> bool:
        """Apply the rewrites of the first rule that has any, each to modules of its own; return whether it had."""
        self.refusals = {}
        changed = False
        for rule in RULES:
            if changed:
                break
            touched: set[tuple[int, str]] = set()
            for found in rule.find(graph):
                places = {(id(change.owner), change.attribute) for change in getattr(found, "changes", ())}
                if not places & touched and self._take(found, _EXACT[self.precision]):
                    touched |= places
                    changed = True
        return changed

    def _take(self, found: Edit | Refusal, limit: float) -> bool:
        """Apply a rewrite, and take it back if an output changes by more than `limit`; return whether it stays."""
        if isinstance(found, Refusal):
            self.refusals[found.rule, found.where] = found
            return False
        if (found.rule, found.where) in self.undone:
            return False
        back = applied(found)
        try:
            gap = difference_of(self.wanted, outputs_of(self.model, self.tests))
            why = f"an output would change by {gap.relative:.1e} of the largest one, at {gap.where}"
        except Exception as error:
            gap, why = Difference(torch.inf, torch.inf, "nowhere"), f"the network would fail: {error}"
        if gap.relative <= limit:
            self.rewrites.append(Rewrite(found.rule, found.where, gap))
            return True
        applied(back)
        self.undone[found.rule, found.where] = Refusal(found.rule, found.where, f"taken back: {why}")
        return False

    def _widen(self) -> torch.dtype:
        """Make the network one of double precision if it runs so, and return its precision."""
        single = copy.deepcopy(self.model)
        try:
            outputs_of(self.model.to(torch.float64), [_cast(self.inputs, torch.float64)])
        except Exception:  # a network may make tensors of its own precision
            self.model = single.to(torch.float32)
            return torch.float32
        return torch.float64

    def _narrow(self) -> None:
        """Give every tensor the precision that it had."""
        usual = next((dtype for dtype in self.dtypes.values() if dtype.is_floating_point), torch.float32)
        for name, tensor in [*_state(self.model)]:
            if tensor.is_floating_point():
                tensor.data = tensor.data.to(self.dtypes.get(name, usual))


def _copied(model: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(model)
    except Exception as error:
        raise ArgumentError("model", "a model that can be copied", str(error)) from error


def _state(model: nn.Module) -> list[tuple[str, torch.Tensor]]:
    return [*model.named_parameters(), *model.named_buffers()]


def _cast(inputs: Inputs, dtype: torch.dtype) -> Inputs:
    return tuple(each.to(dtype) if each.is_floating_point() else each for each in inputs)


def _size(model: nn.Module, graph: TracedGraph) -> tuple[int, int, int]:
    """Return the parameters of a network, the multiply-adds of its layers, and the number of its operations."""
    work = 0
    for step in graph.steps:
        layer = layer_at(graph, step)
        if layer is not None:
            shape = layer.source.shape if layer.map.transposed else step.shape
            positions = shape[:1] + shape[2:] if layer.map.sizes else shape[:-1]
            work += layer.map.work(int(torch.tensor(positions).prod()) if positions else 1)
    count = sum(parameter.numel() for parameter in model.parameters())
    return count, work, sum(step.name != "input" for step in graph.steps)
