"""What does one value of each layer see of the input? Size, step and start of its receptive field, along each axis.

Value u sees the samples from start + step * u, as many as the size says, where they lie inside. These numbers hold
for inputs of any size. They exist where each operation looks at all positions in the same way; elsewhere
`faltung.inspect` follows the positions one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from faltung.explorer.makings import making
from faltung.explorer.network_run import NetworkRun, NetworkStep

__all__ = ["AxisField", "Fields", "field_numbers"]

#: These look at their own position only.
_OWN_POSITION = ("pointwise", "batch norm", "concatenation", "softmax", "linear", "layer norm")
#: These look at all positions.
_ALL_POSITIONS = ("mean", "group norm")


@dataclass(frozen=True)
class AxisField:
    """The receptive fields along one axis.

    Parameters
    ----------
    size : int
        Samples from the first to the last one that a value sees.
    step : int
        Samples from the field of one value to that of the next.
    start : int
        First sample that value 0 sees; below zero where the input is extended.

    Examples
    --------
    >>> AxisField(1, 1, 0).windows([3], [2], [1], [1], 0)
    AxisField(size=3, step=2, start=-1)
    """

    size: int
    step: int
    start: int

    def windows(
        self, size: Sequence[int], stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int], axis: int
    ) -> AxisField:
        """Return the fields of windows over values with these fields."""
        reach = (size[axis] - 1) * dilation[axis] * self.step
        return AxisField(self.size + reach, self.step * stride[axis], self.start - padding[axis] * self.step)


Fields = tuple[AxisField, ...] | str | None
"""Along each axis; ``"whole"`` of the whole input; ``"nothing"`` of other inputs; None if there are no numbers."""


def field_numbers(run: NetworkRun) -> list[Fields]:
    """Return the receptive fields of all steps of a run.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from faltung.inspect.examples import as_example
    >>> network = nn.Sequential(nn.Conv1d(1, 2, 5, padding=2), nn.MaxPool1d(2), nn.Conv1d(2, 2, 3, padding=1))
    >>> [fields[0] for fields in field_numbers(NetworkRun(network, as_example(torch.zeros(1, 1, 32))))]
    [AxisField(size=5, step=1, start=-2), AxisField(size=6, step=2, start=-2), AxisField(size=10, step=2, start=-4)]
    """
    axes = max(min(run.input.ndim - 2, 3), 0)
    known: dict[int, Fields] = {}
    for number, feature in enumerate(run.features):
        if axes and feature.place == run.captured.sources[run.captured.input] and feature.made_by == -1:
            known[number] = tuple(AxisField(1, 1, 0) for _ in range(axes))
    found = []
    for step in run.steps:
        known[step.result] = fields = _of_step(run, step, known)
        found.append(fields)
    return found


def _of_step(run: NetworkRun, step: NetworkStep, known: dict[int, Fields]) -> Fields:
    made = making(run, step)
    operands = [*_operands(run, step, made, known)]
    if not operands or any(fields is None for fields in operands):
        return None
    if {*operands} & {"whole", "nothing"} and (plain := _without_numbers(operands)):
        return plain
    joined = _joined([fields for fields in operands if isinstance(fields, tuple)])
    kind = "pointwise" if step.operation.pointwise else made["kind"]
    return None if joined is None else _of_kind(kind, made, joined)


def _of_kind(kind: str, made: dict[str, Any], joined: tuple[AxisField, ...]) -> Fields:
    """Return the fields of a computation over values with these fields."""
    if kind == "convolution" or kind == "pooling":
        windows = (made["size"], made["stride"], made["padding"], made["dilation"])
        return tuple(fields.windows(*windows, axis) for axis, fields in enumerate(joined))
    if kind == "padding":
        before = zip(joined, made["before"], strict=True)
        return tuple(AxisField(each.size, each.step, each.start - each.step * length) for each, length in before)
    return joined if kind in _OWN_POSITION else "whole" if kind in _ALL_POSITIONS else None


def _operands(run: NetworkRun, step: NetworkStep, made: dict[str, Any], known: dict[int, Fields]) -> Iterator[Fields]:
    """Yield the fields of what a step reads; of what is flattened into channels, those of all its positions."""
    for number in made["inputs"]:
        feature = run.features[number]
        if number in known:
            yield known[number]
            continue
        maker = run.by_index.get(feature.made_by)
        if maker is None:
            others = {place.storage for name, place in run.captured.sources.items() if name != run.captured.input}
            before: Fields = "nothing" if feature.place.storage in others else "whole"
            count = run.input.numel()
        else:
            before, count = known.get(run.steps[maker].result), run.steps[maker].operation.results[0].count
        flat = made["kind"] == "linear" and len(run.shape(number)) == 1 and feature.place.count == count
        yield "nothing" if before == "nothing" else "whole" if before is not None and flat else None


def _without_numbers(operands: list[Fields]) -> str | None:
    """Return what words say of several operands; None if numbers are left."""
    if "whole" in operands:
        return "whole"
    return None if any(isinstance(fields, tuple) for fields in operands) else "nothing"


def _joined(parts: list[tuple[AxisField, ...]]) -> tuple[AxisField, ...] | None:
    """Return the fields of values that are combined position by position."""
    if len({len(fields) for fields in parts}) != 1:
        return None
    joined = []
    for axis in zip(*parts, strict=True):
        if len({fields.step for fields in axis}) != 1:
            return None
        start = min(fields.start for fields in axis)
        stop = max(fields.start + fields.size for fields in axis)
        joined.append(AxisField(stop - start, axis[0].step, start))
    return tuple(joined)
