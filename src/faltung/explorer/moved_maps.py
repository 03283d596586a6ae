"""Do the feature maps follow when the input moves? Each layer's map, moved back, against that before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from faltung.errors import ArgumentError
from faltung.explorer.field_numbers import AxisField, field_numbers
from faltung.explorer.network_run import NetworkRun

__all__ = ["FILLS", "differences", "moved"]

FILLS = ("zero", "wrap")
"""What comes in at the border: zeros, or what left on the other side."""


def moved(values: torch.Tensor, shift: Sequence[int], fill: str) -> torch.Tensor:
    """Return a tensor whose last axes are moved by so many samples.

    Examples
    --------
    >>> x = torch.tensor([1, 2, 3, 4])
    >>> moved(x, [1], "zero").tolist(), moved(x, [-1], "wrap").tolist()
    ([0, 1, 2, 3], [2, 3, 4, 1])
    """
    axes = [*range(-len(shift), 0)]
    rolled = torch.roll(values, [*shift], axes)
    if fill == "zero":
        for axis, amount in zip(axes, shift, strict=True):
            length = rolled.shape[axis]
            count = min(abs(amount), length)
            rolled.narrow(axis, 0 if amount > 0 else length - count, count).zero_()
    return rolled


def differences(before: NetworkRun, after: NetworkRun, shift: Sequence[int], fill: str) -> list[dict[str, Any]]:
    """Return for each step how far its result moved, and how much it differs when that is taken back.

    Each difference is the norm of the difference divided by the norm of the result before: of all values, and of
    those inside, which see nothing beyond the border.

    Examples
    --------
    >>> from torch import nn
    >>> from faltung.inspect.examples import Example
    >>> network, x = nn.Conv1d(1, 2, 3, padding=1, padding_mode="circular"), torch.rand(1, 1, 16)
    >>> runs = [NetworkRun(network, Example((each,))) for each in (x, moved(x, [3], "wrap"))]
    >>> differences(*runs, [3], "wrap")[-1]["difference"] < 1e-6
    True
    """
    if [step.operation.name for step in before.steps] != [step.operation.name for step in after.steps]:
        raise ArgumentError(
            "shift", "an input on which the same operations run", "one on which others run", "Use a smaller shift."
        )
    lengths = before.input.shape[-len(shift) :]
    answers = []
    for old, new, fields in zip(before.steps, after.steps, field_numbers(before), strict=True):
        maps, others = before.channels(old.result), after.channels(new.result)
        distance = _distance(maps.shape[1:], lengths, fields, shift)
        inside = _inside(maps.shape[1:], lengths, fields, distance)
        answers.append(
            {
                "moved": distance,
                "difference": _difference(maps, others, distance, fill),
                "inside": None if inside is None else _difference(maps, others, distance, fill, inside),
            }
        )
    return answers


def _distance(
    shape: Sequence[int], lengths: Sequence[int], fields: tuple[AxisField, ...] | str | None, shift: Sequence[int]
) -> list[float] | None:
    """Return how far a result should move, in its own samples; None if it has no positions to move along."""
    if len(shape) != len(shift) or (fields == "whole" and max(shape) == 1):
        return None
    if isinstance(fields, tuple):
        return [amount / field.step for amount, field in zip(shift, fields, strict=True)]
    return [amount * own / length for amount, own, length in zip(shift, shape, lengths, strict=True)]


def _inside(
    shape: Sequence[int],
    lengths: Sequence[int],
    fields: tuple[AxisField, ...] | str | None,
    distance: list[float] | None,
) -> tuple[slice, ...] | None:
    """Return the values that see samples alone, before and after the input moved; None if that is not known."""
    if not isinstance(fields, tuple) or distance is None:
        return None
    parts = []
    for own, length, field, amount in zip(shape, lengths, fields, distance, strict=True):
        first = -(field.start // field.step)
        last = min((length - field.size - field.start) // field.step, own - 1)
        start, stop = max(first, first + round(amount)), min(last, last + round(amount)) + 1
        if start >= stop:
            return None
        parts.append(slice(start, stop))
    return tuple(parts)


def _difference(
    before: NDArray[Any],
    after: NDArray[Any],
    distance: list[float] | None,
    fill: str,
    inside: tuple[slice, ...] | None = None,
) -> float | None:
    """Return the relative difference; None if nothing can be compared."""
    expected = before
    if distance is not None:
        amounts = [round(each) for each in distance]
        if any(abs(amount) >= length for amount, length in zip(amounts, before.shape[1:], strict=True)):
            return None
        expected = np.roll(before, amounts, range(1, before.ndim))
        if inside is not None:
            expected, after = expected[(slice(None), *inside)], after[(slice(None), *inside)]
        elif fill == "zero":  # what came in is not compared
            kept = (slice(None), *(slice(max(each, 0), min(each, 0) or None) for each in amounts))
            expected, after = expected[kept], after[kept]
    size = float(np.linalg.norm(expected.astype(np.float64)))
    error = float(np.linalg.norm(after.astype(np.float64) - expected))
    return error / size if size else (0.0 if error == 0 else None)
