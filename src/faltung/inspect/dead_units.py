"""Which channels are always zero? Proved from batch norms, and counted on the examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from faltung.inspect.multiply_adds import is_counted
from faltung.inspect.section_result import Subject

__all__ = ["DeadUnits", "dead_units"]

#: Operations whose result is zero where the operand is negative.
_RECTIFIERS = {"relu", "relu_", "hardtanh", "hardtanh_", "relu6", "clamp_min", "threshold"}


@dataclass(frozen=True)
class DeadUnits:
    """The channels behind one rectifier.

    Parameters
    ----------
    layer : str
        The module in which it runs, or the last layer before it.
    channels : int
        Number of channels.
    silent : int
        Channels that are zero at all positions of all examples.
    proved : int
        Channels that are zero for every input: the batch norm before has scale 0 and no positive shift.
    """

    layer: str
    channels: int
    silent: int
    proved: int


def dead_units(subject: Subject) -> tuple[DeadUnits, ...]:
    """Run the network on its examples, and count the channels behind each rectifier that are always zero.

    Examples
    --------
    See `faltung.inspect.report_card.card`.
    """
    counted: dict[int, torch.Tensor] = {}
    for example in subject.examples:
        with torch.no_grad(), _Rectified() as seen:
            example.output(subject.network)
        for number, active in enumerate(seen.active):
            before = counted.get(number)
            if before is None or before.shape == active.shape:
                counted[number] = active if before is None else before | active
    rows = zip(_rectifiers(subject), counted.values(), strict=False)
    return tuple(DeadUnits(name, len(active), int((~active).sum()), proved) for (name, proved), active in rows)


class _Rectified(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own
    """Notes for each rectifier that runs which channels are positive anywhere."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.active: list[torch.Tensor] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        if function._schema.name.split("::")[1] in _RECTIFIERS and _has_channels(result.shape):
            rest = [axis for axis in range(result.ndim) if axis != 1]
            self.active.append((result > 0).amax(rest))
        return result


def _has_channels(shape: Sequence[int]) -> bool:
    return len(shape) >= 2 and all(shape)


def _rectifiers(subject: Subject) -> Iterator[tuple[str, int]]:
    """Yield for each rectifier of the first example its layer, and how many of its channels are proved to be zero."""
    captured = subject.captured[0]
    names = {place.storage: name for name, place in captured.parameters.items()}
    parameters = dict(subject.network.named_parameters())
    norms: dict[int, int] = {}
    for index, operation in enumerate(captured.operations):
        if "batch_norm" in operation.name and operation.results:
            scale, shift = (
                parameters.get(names.get(getattr(operation.arguments.get(key), "storage", -1), ""))
                for key in ("weight", "bias")
            )
            if scale is not None and shift is not None:
                norms[operation.results[0].storage] = int(((scale == 0) & (shift <= 0)).sum())
        elif operation.name in _RECTIFIERS | {"relu", "hardtanh"} and _has_channels(operation.results[0].shape):
            before = next((place.storage for _, _, place in operation.operands()), -1)
            rows = [row.name for row in subject.layers if row.end <= index and any(map(is_counted, row.operations))]
            yield (rows[-1] if rows else captured.calls[operation.call].name), norms.get(before, 0)
