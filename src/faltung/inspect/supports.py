"""What does an output see, and what does an input reach? Sets of positions, followed through operations.

Backwards from an output, or forwards from an input, each storage holds a set of its elements. Where an operation has
a rule (`faltung.inspect.spreading`), the set is exact, holes included. Where it has none, gradients at the captured
values, for several random weights of its results, show positions that certainly belong to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.utils._python_dispatch import _disable_current_modes

from faltung.inspect.captured_run import Captured, Operation, Place
from faltung.inspect.element_sets import ElementSets
from faltung.inspect.probing import changed_results, operands_with_gradients, random_weights
from faltung.inspect.spreading import EXACT, SpreadRule, rule_of

__all__ = ["LOWER_BOUND", "UNKNOWN", "WHOLE_INPUT", "Reached", "Seen", "Supports", "needs_values"]

WHOLE_INPUT = "whole input"
LOWER_BOUND = "by gradients, a lower bound"
UNKNOWN = "unknown"

Tensor = torch.Tensor


def needs_values(operation: Operation) -> bool:
    """Whether an operation has no rule, so that its values are needed.

    Examples
    --------
    See `Supports`.
    """
    return rule_of(operation) is None


@dataclass(frozen=True, eq=False)
class Seen:
    """The positions of the input that an output can depend on.

    Parameters
    ----------
    masks : dict of str to bool tensor
        For each tensor of the example, True at these positions.
    status : {"exact", "whole input", "upper bound", "by gradients, a lower bound", "unknown"}
        What the sets are.
    reasons : tuple of str
        Names of the operations that are the reason why they are not exact.

    Examples
    --------
    See `Supports`.
    """

    masks: dict[str, Tensor]
    status: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Reached:
    """The positions of each tensor that an input can reach.

    Parameters
    ----------
    masks : list of bool tensor
        One for each place that was asked for.
    status : {"exact", "upper bound", "by gradients, a lower bound", "unknown"}
        What the sets are.
    reasons : tuple of str
        Names of the operations that are the reason why they are not exact.

    Examples
    --------
    See `Supports`.
    """

    masks: list[Tensor]
    status: str
    reasons: tuple[str, ...] = ()


class Supports:
    """Sets of positions, followed through one run of a network.

    Parameters
    ----------
    captured : Captured
        What happened in the run.

    Examples
    --------
    >>> from torch import nn
    >>> from faltung.inspect.capture import capture
    >>> from faltung.inspect.examples import as_example
    >>> network = nn.Conv1d(1, 1, 3, dilation=2)
    >>> found = capture(network, as_example(torch.zeros(1, 1, 8)), needs_values)
    >>> output = torch.tensor([[[False, True, False, False]]])
    >>> Supports(found).seen(found.results[0], output).masks["input"][0, 0].int().tolist()
    [0, 1, 0, 1, 0, 1, 0, 0]
    """

    def __init__(self, captured: Captured) -> None:
        self._captured = captured

    def seen(self, place: Place, mask: Tensor, before: int | None = None) -> Seen:
        """Return which positions of the input the elements of a tensor see.

        Parameters
        ----------
        place : Place
            The tensor.
        mask : bool tensor
            True at its elements in question.
        before : int, optional
            The tensor is looked at before the operation of this index; by default at the end.
        """
        sets = ElementSets(self._captured.sizes)
        sets.add(place, mask)
        found = _Status()
        with _disable_current_modes():  # which would look at every operation here, too
            for operation in reversed(self._captured.operations[:before]):
                if operation.follows:
                    _step_back(operation, sets, found)
                else:
                    for result in _changed(operation):
                        sets.remove(result)
        masks = {name: sets.of(source) for name, source in self._captured.sources.items()}
        status = found.status
        if status == EXACT and bool(masks[self._captured.input][:1].all()):
            status = WHOLE_INPUT
        return Seen({name: mask.clone() for name, mask in masks.items()}, status, found.reasons)

    def reached(self, name: str, mask: Tensor, asked: Sequence[tuple[Place, int | None]]) -> Reached:
        """Return which elements of tensors can depend on some positions of the input.

        Parameters
        ----------
        name : str
            The tensor of the example.
        mask : bool tensor
            True at the positions in question.
        asked : sequence of (Place, int or None)
            Tensors, and the index of the operation before which each is looked at.
        """
        sets = ElementSets(self._captured.sizes)
        sets.add(self._captured.sources[name], mask)
        found = _Status()
        masks: dict[int, Tensor] = {}
        with _disable_current_modes():
            for index, operation in enumerate(self._captured.operations):
                for number, (place, before) in enumerate(asked):
                    if before == index:
                        masks[number] = sets.of(place).clone()
                if operation.follows:
                    _step_forward(operation, sets, found)
                else:
                    for result in _changed(operation):
                        sets.remove(result)
        whole = [masks.get(number, sets.of(place)) for number, (place, _) in enumerate(asked)]
        return Reached(whole, found.status, found.reasons)


class _Status:
    """What is known of sets so far: the worst of all operations that were followed."""

    def __init__(self) -> None:
        self._kinds: set[str] = set()
        self._reasons: dict[str, None] = {}

    def note(self, kind: str, operation: Operation) -> None:
        if kind != EXACT:
            self._kinds.add(kind)
            self._reasons[operation.name] = None

    @property
    def status(self) -> str:
        if UNKNOWN in self._kinds or len(self._kinds) > 1:
            return UNKNOWN
        return next(iter(self._kinds), EXACT)

    @property
    def reasons(self) -> tuple[str, ...]:
        return (*self._reasons,)


def _changed(operation: Operation) -> Iterator[Place]:
    yield from operation.results
    yield from operation.written


def _step_back(operation: Operation, sets: ElementSets, found: _Status) -> None:
    """Replace what is in the sets of the results by what they see of the operands."""
    changed = [*_changed(operation)]
    masks = [sets.of(place).clone() if sets.touches(place) else _none(place) for place in changed]
    for place in changed:
        sets.remove(place)
    if not any(bool(mask.any()) for mask in masks):
        return
    rule = rule_of(operation)
    if rule is None:
        seen = operands_with_gradients(operation, [mask.float() for mask in masks])
        found.note(UNKNOWN if seen is None else LOWER_BOUND, operation)
        for place in operation.variable:
            sets.add(place, ~_none(place) if seen is None else seen[place])
        return
    found.note(rule.status, operation)
    for name, index, place in _variable(operation):
        if rule.plain and place.shape == masks[0].shape:
            sets.add(place, masks[0])
        elif (mask := _seen(operation, rule, (name, index, place), masks)) is not None:
            sets.add(place, mask)


def _seen(
    operation: Operation, rule: SpreadRule, operand: tuple[str, int | None, Place], masks: Sequence[Tensor]
) -> Tensor | None:
    """Return which elements of an operand the results see, by the gradient of a rule; None if they see none."""
    name, index, place = operand
    x = torch.zeros(place.shape, requires_grad=True)
    with torch.enable_grad():
        results = _results(operation, rule.spread(operation, name, index, x), x)
    pairs = [
        (result, mask * random_weights(mask.shape) if rule.signed else mask.float())
        for result, mask in zip(results, masks, strict=False)
        if result.requires_grad and bool(mask.any())
    ]
    if not pairs:
        return None
    (gradient,) = torch.autograd.grad([out for out, _ in pairs], x, [want for _, want in pairs])
    return gradient != 0


def _none(place: Place) -> Tensor:
    return torch.zeros(place.shape, dtype=torch.bool)


def _results(operation: Operation, spread: Tensor | Sequence[Tensor] | None, x: Tensor) -> list[Tensor]:
    """Return a tensor for each result; one that a rule does not give is like the first one, or sees everything."""
    if spread is None:
        return []
    given: list[Tensor] = [spread] if isinstance(spread, Tensor) else [*spread]
    for place in [*_changed(operation)][len(given) :]:
        given.append(given[0] if given[0].shape == place.shape else x.sum().expand(place.shape))
    return given


def _variable(operation: Operation) -> Iterator[tuple[str, int | None, Place]]:
    """Yield the operands that can depend on the input."""
    return (operand for operand in operation.operands() if operand[2] in operation.variable)


def _step_forward(operation: Operation, sets: ElementSets, found: _Status) -> None:
    """Write what the operands reach to the sets of the results."""
    changed = [*_changed(operation)]
    held = [operand for operand in _variable(operation) if sets.holds(operand[2])]
    reached = _reached(operation, held, sets, found) if held else [_none(place) for place in changed]
    for place, mask in zip(changed, reached, strict=True):
        sets.remove(place)
        if bool(mask.any()):
            sets.add(place, mask)


def _reached(
    operation: Operation, held: Sequence[tuple[str, int | None, Place]], sets: ElementSets, found: _Status
) -> list[Tensor]:
    """Return which elements of each result some operands reach."""
    rule = rule_of(operation)
    reached = [_none(place) for place in _changed(operation)]
    if rule is None:
        told = changed_results(operation, lambda place: sets.of(place) if sets.touches(place) else None)
        found.note(UNKNOWN if told is None else LOWER_BOUND, operation)
        return [~mask for mask in reached] if told is None else [*told, *reached[len(told) :]]
    found.note(rule.status, operation)
    for name, index, place in held:
        x = sets.of(place) * random_weights(place.shape) if rule.signed else sets.of(place).float()
        for mask, result in zip(
            reached, _results(operation, rule.spread(operation, name, index, x), x), strict=False
        ):
            mask |= result != 0
    return reached
