"""What does an operation without a rule see and reach? What its values show, which may be less than there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from faltung.inspect.captured_run import Operation, Place
from faltung.inspect.examples import tensors_in

__all__ = ["changed_results", "operands_with_gradients", "random_weights"]

_DRAWS = 3
_FAILURES = (RuntimeError, TypeError, NotImplementedError)
_GENERATOR = torch.Generator().manual_seed(0)  # not torch's own, whose state belongs to the user
Tensor = torch.Tensor


def random_weights(shape: Sequence[int]) -> Tensor:
    """Return weights from 1/2 to 3/2, at random, so that no sum of products with them is zero by chance.

    Examples
    --------
    >>> random_weights((2, 3)).shape
    torch.Size([2, 3])
    """
    return 0.5 + torch.rand([*shape], generator=_GENERATOR)


def operands_with_gradients(operation: Operation, wanted: Sequence[Tensor]) -> dict[Place, Tensor] | None:
    """Return for each operand where its gradient is not zero, for some of several random weights of the results.

    Parameters
    ----------
    operation : Operation
        With the values of its operands.
    wanted : sequence of tensor
        For each result, other than zero at the elements in question.

    Returns
    -------
    dict of Place to bool tensor, or None
        None if torch cannot differentiate the operation.

    Examples
    --------
    See `faltung.inspect.supports.Supports`.
    """
    places = [place for _, _, place in operation.operands()]
    seen = {place: torch.zeros(place.shape, dtype=torch.bool) for place in operation.variable}
    try:
        for _ in range(_DRAWS):
            for place, gradient in zip(places, _gradients(operation, wanted), strict=True):
                if place in seen and gradient is not None:
                    seen[place] |= gradient != 0
    except _FAILURES:
        return None
    return seen


def _gradients(operation: Operation, wanted: Sequence[Tensor]) -> list[Tensor | None]:
    """Return the gradient of each operand, for random weights of the results; None for one without."""
    with torch.enable_grad():
        inputs, outputs = _run(operation, lambda place, value: value.requires_grad_())
        pairs = [
            (out, (want * random_weights(want.shape)).to(out.dtype))
            for out, want in zip(outputs, wanted, strict=False)
            if out.requires_grad
        ]
        if not pairs:
            raise NotImplementedError("results without a gradient")
        floats = [value for value in inputs if value.requires_grad]
        outs, weights = [out for out, _ in pairs], [weight for _, weight in pairs]
        gradients = iter(torch.autograd.grad(outs, floats, weights, allow_unused=True))
    return [next(gradients) if value.requires_grad else None for value in inputs]


def changed_results(operation: Operation, moved: Callable[[Place], Tensor | None]) -> list[Tensor] | None:
    """Return where each result changes if operands do.

    Parameters
    ----------
    operation : Operation
        With the values of its operands.
    moved : callable
        Returns where an operand is changed, or None.

    Examples
    --------
    See `faltung.inspect.supports.Supports`.
    """

    def change(place: Place, value: Tensor) -> Tensor:
        where = moved(place)
        return value if where is None else value + (where * random_weights(place.shape)).to(value.dtype)

    try:
        _, before = _run(operation, lambda place, value: value)
        changed = [torch.zeros_like(one, dtype=torch.bool) for one in before]
        for _ in range(_DRAWS):
            _, after = _run(operation, change)
            changed = [mask | (one != other) for mask, one, other in zip(changed, before, after, strict=True)]
        return changed
    except _FAILURES:
        return None


def _run(operation: Operation, change: Callable[[Place, Tensor], Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Run an operation on its captured values, changed by a function; return these, and the results."""
    inputs: list[Tensor] = []

    def value(given: Any) -> Any:
        if isinstance(given, list):
            return [value(item) for item in given]
        if not isinstance(given, Place):
            return given
        held = operation.values[given].clone()
        inputs.append(change(given, held) if held.is_floating_point() else held)  # in the order of `operands`
        return inputs[-1] * 1 if operation.in_place else inputs[-1]

    arguments = {name: value(given) for name, given in operation.arguments.items()}
    return inputs, [*tensors_in(operation.function(**arguments))]
