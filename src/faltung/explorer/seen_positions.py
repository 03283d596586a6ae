"""Which samples does a value of a layer see, and which values does a sample reach? Followed through operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from faltung.explorer.field_numbers import AxisField
from faltung.explorer.network_run import NetworkRun
from faltung.inspect.supports import Supports

__all__ = ["box_of", "measured_field", "reached_positions", "seen_box", "seen_positions"]

Box = list[tuple[int, int]]


def seen_positions(
    run: NetworkRun, step: int, channel: int, position: Sequence[int]
) -> tuple[NDArray[np.bool_], str, tuple[str, ...]]:
    """Return the positions of the input that a value of a step sees, and what is known of this set.

    Examples
    --------
    >>> from torch import nn
    >>> from faltung.inspect.examples import Example
    >>> run = NetworkRun(nn.Conv1d(1, 1, 3, dilation=2), Example((torch.zeros(1, 1, 9),)))
    >>> seen_positions(run, 0, 0, [1])[0].astype(int)
    array([0, 1, 0, 1, 0, 1, 0, 0, 0])
    """
    row = run.steps[step]
    feature = run.features[row.result]
    mask = torch.zeros(feature.place.shape, dtype=torch.bool)
    run.by_channel(mask, feature.axis)[(channel, *position)] = True
    seen = Supports(run.captured).seen(feature.place, mask, row.index + 1)
    return _positions(run, seen.masks[run.captured.input]), seen.status, seen.reasons


def seen_box(run: NetworkRun, step: int, channel: int, position: Sequence[int]) -> Box:
    """Return the smallest box around what a value sees.

    Examples
    --------
    >>> from torch import nn
    >>> from faltung.inspect.examples import Example
    >>> seen_box(NetworkRun(nn.Conv1d(1, 1, 3, dilation=2), Example((torch.zeros(1, 1, 9),))), 0, 0, [1])
    [(1, 6)]
    """
    return box_of(seen_positions(run, step, channel, position)[0])


def measured_field(run: NetworkRun, step: int) -> tuple[AxisField, ...] | None:
    """Return size, step and start of the fields in the middle of a step; None if the border cuts them off.

    Examples
    --------
    >>> from torch import nn
    >>> from faltung.inspect.examples import Example
    >>> network = nn.Conv1d(1, 1, 3, padding=1, padding_mode="circular")
    >>> measured_field(NetworkRun(network, Example((torch.zeros(1, 1, 9),))), 0)
    (AxisField(size=3, step=1, start=-1),)
    """
    lengths = run.shape(run.steps[step].result)[1:]
    whole = run.input.shape[2:]
    if len(lengths) != len(whole) or not lengths or min(lengths) < 3:
        return None
    middle = [length // 2 for length in lengths]
    boxes = [seen_box(run, step, 0, [place + by for place in middle]) for by in (-1, 0, 1)]
    fields = []
    for place, before, here, behind, length in zip(middle, *boxes, whole, strict=True):
        moves = {here[0] - before[0], here[1] - before[1], behind[0] - here[0], behind[1] - here[1]}
        if before[0] <= 0 or behind[1] >= length or len(moves) != 1 or min(moves) < 1:
            return None
        (move,) = moves
        fields.append(AxisField(here[1] - here[0], move, here[0] - move * place))
    return tuple(fields)


def reached_positions(run: NetworkRun, position: Sequence[int]) -> list[dict[str, Any]]:
    """Return for each step which positions of its result a position of the input reaches.

    Examples
    --------
    >>> from torch import nn
    >>> from faltung.inspect.examples import Example
    >>> run = NetworkRun(nn.Conv1d(1, 1, 3, padding=1), Example((torch.zeros(1, 1, 9),)))
    >>> reached_positions(run, [4])[0]["start"], reached_positions(run, [4])[0]["stop"]
    ([3], [6])
    """
    source = run.captured.sources[run.captured.input]
    mask = torch.zeros(source.shape, dtype=torch.bool)
    index: tuple[Any, ...] = (Ellipsis, *position)
    mask[index] = True
    asked = [(run.features[step.result].place, step.index + 1) for step in run.steps]
    found = Supports(run.captured).reached(run.captured.input, mask, asked)
    answers = []
    for step, reached in zip(run.steps, found.masks, strict=True):
        laid = run.by_channel(reached, run.features[step.result].axis)
        positions = laid.any(0).numpy() if laid.ndim > 1 else laid.numpy()
        box = box_of(positions)
        answers.append(
            {
                "start": [each[0] for each in box],
                "stop": [each[1] for each in box],
                "count": int(positions.sum()),
                "all": int(positions.size),
            }
        )
    return answers


def box_of(mask: NDArray[np.bool_]) -> Box:
    """Return first position, and position behind the last one, of a set along each axis.

    Examples
    --------
    >>> box_of(np.array([False, True, True]))
    [(1, 3)]
    """
    box = []
    for axis in range(mask.ndim):
        places = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        box.append((int(places[0]), int(places[-1]) + 1) if len(places) else (0, 0))
    return box


def _positions(run: NetworkRun, mask: torch.Tensor) -> NDArray[np.bool_]:
    whole = mask[0] if mask.ndim > 1 else mask
    found: NDArray[np.bool_] = (whole.any(0) if whole.ndim > 1 else whole).numpy()
    return found
