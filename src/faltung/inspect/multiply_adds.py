"""How many multiply-adds is an operation? Products of two numbers, each with its addition, by its shapes alone.

One multiply-add is one MAC; `torch.utils.flop_counter` counts two operations for it. Products with the zeros beyond
the border count, because they are computed. Biases, normalisations, activations and pooling do not count.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.utils.flop_counter import flop_registry

from faltung.inspect.captured_run import Captured, Operation, Place
from faltung.inspect.spreading import rule_of

__all__ = ["is_counted", "multiply_adds", "uncounted", "weight_of"]

_ATTENTIONS = "_scaled_dot_product"


def multiply_adds(operation: Operation) -> int:
    """Return the multiply-adds of one operation.

    Examples
    --------
    >>> from torch import nn
    >>> from faltung.inspect.capture import capture
    >>> from faltung.inspect.examples import as_example
    >>> found = capture(nn.ConvTranspose1d(2, 3, 4), as_example(torch.zeros(1, 2, 10)), lambda _: False)
    >>> [multiply_adds(operation) for operation in found.operations]
    [240]
    """
    given, name = operation.arguments, operation.name
    if name in ("convolution", "_convolution", "convolution_overrideable"):
        # Each sample of the shorter side meets each tap once for each pair of channels of its group.
        many: Place = given["input"] if given["transposed"] else operation.results[0]
        return int(many.shape[0] * math.prod(many.shape[2:]) * given["weight"].count)
    if name.startswith(_ATTENTIONS) and len(given["query"].shape) >= 3:
        queries, keys, values = given["query"].shape, given["key"].shape, given["value"].shape
        return int(math.prod(queries[:-1]) * keys[-2] * (queries[-1] + values[-1]))
    inner = _INNER.get(name)
    if inner is not None:
        return math.prod(operation.results[0].shape) * int(given[inner].shape[-1])
    return _registered(operation)


#: The operand of a product of matrices whose last axis is summed over.
_INNER = {
    "mm": "self",
    "bmm": "self",
    "mv": "self",
    "dot": "self",
    "vdot": "self",
    "addmm": "mat1",
    "baddbmm": "batch1",
    "addbmm": "batch1",
    "addmv": "mat",
    "linear": "input",
}


def is_counted(operation: Operation) -> bool:
    """Whether an operation is made of multiply-adds, so that it is a layer of its own.

    Examples
    --------
    See `faltung.inspect.layer_rows.layer_rows`.
    """
    return multiply_adds(operation) > 0


def weight_of(operation: Operation, parameters: set[int]) -> tuple[Place, Place] | None:
    """Return the input and the weights of a product with parameters, by the storages of these; None of others.

    Examples
    --------
    See `faltung.inspect.sections.counts`.
    """
    operands = [place for _, _, place in operation.operands()]
    weights = [place for place in operands if place.storage in parameters and len(place.shape) > 1]
    inputs = [place for place in operands if place in operation.variable]
    return (inputs[0], weights[0]) if weights and inputs else None


def uncounted(captured: Captured) -> tuple[str, ...]:
    """Return the operations that have weights and neither a known count nor a rule that shows that they need none.

    Examples
    --------
    See `faltung.inspect.sections.counts`.
    """
    storages = {place.storage for place in captured.parameters.values()}
    return tuple(
        dict.fromkeys(
            operation.name
            for operation in captured.operations
            if weight_of(operation, storages) and not multiply_adds(operation) and rule_of(operation) is None
        )
    )


def _registered(operation: Operation) -> int:
    """Return what torch knows of operations of other libraries, by the formula that these registered."""
    formula = flop_registry.get(operation.function._overloadpacket)
    if formula is None or not operation.results:
        return 0
    shapes = {name: _shapes(value) for name, value in operation.arguments.items()}
    return int(formula(*shapes.values(), out_val=torch.Size(operation.results[0].shape))) // 2


def _shapes(value: Any) -> Any:
    if isinstance(value, Place):
        return torch.Size(value.shape)
    return [_shapes(item) for item in value] if isinstance(value, list) else value
