"""What does an output see, and what does an input reach? Sets of positions, followed through the operations that ran.

Backwards from an output, or forwards from an input, each storage holds a set of its elements. Where an operation has a
rule (`faltung.inspect.spreading`), the set is exact, holes included. Where it has none, gradients at the captured
values, for several random weights of its results, show positions that certainly belong to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes

from faltung.inspect.capture import Captured, Operation, Place
from faltung.inspect.spreading import EXACT, rule_of

__all__ = ["LOWER_BOUND", "UNKNOWN", "WHOLE_INPUT", "Reached", "Seen", "Supports", "needs_values"]

WHOLE_INPUT = "whole input"
LOWER_BOUND = "by gradients, a lower bound"
UNKNOWN = "unknown"

_DRAWS = 3
_GENERATOR = torch.Generator().manual_seed(0)  # not torch's own, whose state belongs to the user
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
        sets = _Sets(self._captured.sizes)
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
        if status == EXACT and all(bool(mask[:1].all()) for mask in masks.values()):
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
        sets = _Sets(self._captured.sizes)
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


class _Sets:
    """For each storage, the set of its elements, as booleans."""

    def __init__(self, sizes: dict[int, int]) -> None:
        self._sizes = sizes
        self._sets: dict[int, Tensor] = {}
        self._itemsizes: dict[int, int] = {}

    def _whole(self, place: Place) -> Tensor:
        if self._itemsizes.setdefault(place.storage, place.itemsize) != place.itemsize:
            raise NotImplementedError("a tensor whose memory is read as another dtype")
        held = self._sets.get(place.storage)
        if held is None:
            count = self._sizes[place.storage] // place.itemsize
            held = self._sets[place.storage] = torch.zeros(count, dtype=torch.bool)
        return held

    def touches(self, place: Place) -> bool:
        return place.storage in self._sets

    def of(self, place: Place) -> Tensor:
        """Return the set as booleans in the shape of a tensor; it may share memory with the set."""
        return torch.as_strided(self._whole(place), place.shape, place.strides, place.offset)

    def add(self, place: Place, mask: Tensor) -> None:
        repeated = [axis for axis, step in enumerate(place.strides) if step == 0 and place.shape[axis] > 1]
        strides = place.strides
        if repeated:
            mask = mask.amax(repeated, keepdim=True)
        if _overlaps(mask.shape, strides):
            index = torch.as_strided(torch.arange(len(self._whole(place))), mask.shape, strides, place.offset)
            self._whole(place)[index[mask]] = True
        else:
            torch.as_strided(self._whole(place), mask.shape, strides, place.offset).logical_or_(mask)

    def remove(self, place: Place) -> None:
        if self.touches(place):
            self.of(place).zero_()


def _weights(shape: Sequence[int]) -> Tensor:
    """Return weights from 1/2 to 3/2, at random, so that no sum of products with them is zero by chance."""
    return 0.5 + torch.rand([*shape], generator=_GENERATOR)


def _overlaps(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether several positions of a tensor may be one element."""
    end = 0
    for step, length in sorted((step, length) for step, length in zip(strides, shape, strict=True) if length > 1):
        if step <= end:
            return True
        end += step * (length - 1)
    return False


def _changed(operation: Operation) -> Iterator[Place]:
    yield from operation.results
    yield from operation.written


def _step_back(operation: Operation, sets: _Sets, found: _Status) -> None:
    """Replace what is in the sets of the results by what they see of the operands."""
    if not any(map(sets.touches, _changed(operation))):
        return
    masks = [sets.of(place).clone() if sets.touches(place) else None for place in _changed(operation)]
    for place in _changed(operation):
        sets.remove(place)
    if not any(mask is not None and bool(mask.any()) for mask in masks):
        return
    rule = rule_of(operation)
    weighted = rule is None or rule.signed
    wanted = [
        torch.zeros(place.shape) if mask is None else mask * _weights(place.shape) if weighted else mask.float()
        for place, mask in zip(_changed(operation), masks, strict=True)
    ]
    if rule is None:
        _gradients(operation, wanted, sets, found)
        return
    found.note(rule.status, operation)
    for name, index, place in _variable(operation):
        if rule.plain and masks[0] is not None and place.shape == masks[0].shape:
            sets.add(place, masks[0])
            continue
        x = torch.zeros(place.shape, requires_grad=True)
        with torch.enable_grad():
            results = _as_list(rule.spread(operation, name, index, x))
            pairs = _matched(operation, results, wanted, x)
        if pairs:
            (gradient,) = torch.autograd.grad([out for out, _ in pairs], x, [want for _, want in pairs])
            sets.add(place, gradient != 0)


def _variable(operation: Operation) -> Iterator[tuple[str, int | None, Place]]:
    """Yield the operands that can depend on the input."""
    return (operand for operand in operation.operands() if operand[2] in operation.variable)


def _as_list(results: Any) -> list[Tensor]:
    if results is None:
        return []
    return [*results] if isinstance(results, list | tuple) else [results]


def _matched(
    operation: Operation, results: list[Tensor], wanted: list[Tensor], x: Tensor
) -> list[tuple[Tensor, Tensor]]:
    """Return the results of a rule with what is wanted of them; a further result is like the first, or sees all."""
    pairs = []
    for number, want in enumerate(wanted if results else []):
        if number < len(results):
            result = results[number]
        elif results[0].shape == want.shape:
            result = results[0]
        else:
            result = x.sum().expand(want.shape)
        if result.requires_grad and bool(want.any()):
            pairs.append((result, want))
    return pairs


def _gradients(operation: Operation, wanted: list[Tensor], sets: _Sets, found: _Status) -> None:
    """Add the operands whose gradients are not zero, of an operation that has no rule."""
    operands = [*operation.operands()]
    try:
        seen: list[Tensor] | None = None
        for _ in range(_DRAWS):
            with torch.enable_grad():
                inputs, outputs = _run(operation, lambda place, value: value.requires_grad_())
                weights = [
                    (want * _weights(want.shape)).to(out.dtype) for out, want in zip(outputs, wanted, strict=False)
                ]
                pairs = [(out, weight) for out, weight in zip(outputs, weights, strict=False) if out.requires_grad]
                floats = [value for value in inputs if value.requires_grad]
                both = [out for out, _ in pairs], floats, [weight for _, weight in pairs]
                gradients = iter(torch.autograd.grad(*both, allow_unused=True))
            masks = [
                torch.zeros(value.shape, dtype=torch.bool) if gradient is None else gradient != 0
                for value in inputs
                for gradient in [next(gradients) if value.requires_grad else None]
            ]
            seen = masks if seen is None else [one | other for one, other in zip(seen, masks, strict=True)]
        found.note(LOWER_BOUND, operation)
        for (_, _, place), mask in zip(operands, seen or [], strict=True):
            if place in operation.variable:
                sets.add(place, mask)
    except (RuntimeError, TypeError, NotImplementedError):
        found.note(UNKNOWN, operation)
        for place in operation.variable:
            sets.add(place, torch.ones(place.shape, dtype=torch.bool))


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
    outputs = operation.function(**arguments)
    return inputs, [out for out in _as_list(outputs) if isinstance(out, Tensor)]


def _step_forward(operation: Operation, sets: _Sets, found: _Status) -> None:
    """Write what the operands reach to the sets of the results."""
    rule = rule_of(operation)
    held = [(name, index, place) for name, index, place in _variable(operation) if sets.touches(place)]
    held = [one for one in held if bool(sets.of(one[2]).any())]
    changed = [*_changed(operation)]
    reached = [torch.zeros(place.shape, dtype=torch.bool) for place in changed]
    if held and rule is None:
        reached = _perturbed(operation, sets, found, reached)
    elif held and rule is not None:
        found.note(rule.status, operation)
        for name, index, place in held:
            x = sets.of(place) * _weights(place.shape) if rule.signed else sets.of(place).float()
            results = _as_list(rule.spread(operation, name, index, x))
            for number, mask in enumerate(reached if results else []):
                like_first = results[0].shape == mask.shape
                more = results[number] if number < len(results) else results[0] if like_first else x.sum()
                reached[number] = mask | (more != 0)
    for place, mask in zip(changed, reached, strict=True):
        sets.remove(place)
        if bool(mask.any()):
            sets.add(place, mask)


def _perturbed(operation: Operation, sets: _Sets, found: _Status, reached: list[Tensor]) -> list[Tensor]:
    """Return which results change if operands do, of an operation that has no rule."""

    def moved(place: Place, value: Tensor) -> Tensor:
        return value + (sets.of(place) * _weights(place.shape)).to(value.dtype) if sets.touches(place) else value

    try:
        _, before = _run(operation, lambda place, value: value)
        for _ in range(_DRAWS):
            _, after = _run(operation, moved)
            differ = [one != other for one, other in zip(before, after, strict=True)]
            reached = [mask | other for mask, other in zip(reached, differ, strict=False)] + reached[len(differ) :]
        found.note(LOWER_BOUND, operation)
        return reached
    except (RuntimeError, TypeError, NotImplementedError):
        found.note(UNKNOWN, operation)
        return [torch.ones_like(mask) for mask in reached]
