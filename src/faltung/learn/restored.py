"""What does a checkpoint hold? Its parts are compared with the network and the optimiser that will take them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from faltung.ground.checks import is_integer
from faltung.learn.epoch_record import EpochRecord

__all__ = ["best_of", "check_state", "history_of", "optimiser_states", "parts_of"]

_PARTS = ("network", "average", "best", "optimiser")
_RISKS = ("training_risk", "validation_risk")
#: What optimisers keep of each parameter.
_KEPT: dict[type[torch.optim.Optimizer], set[str]] = {
    torch.optim.SGD: {"momentum_buffer"},
    torch.optim.AdamW: {"step", "exp_avg", "exp_avg_sq"},
}


def parts_of(tensors: Mapping[str, torch.Tensor]) -> dict[str, dict[str, torch.Tensor]]:
    """Return the tensors of each part, by the first word of their names.

    Raises
    ------
    ValueError
        A part is not known, or a tensor has values that are not finite.

    Examples
    --------
    >>> parts_of({"network.bias": torch.zeros(2)})["network"]
    {'bias': tensor([0., 0.])}
    """
    parts: dict[str, dict[str, torch.Tensor]] = {part: {} for part in _PARTS}
    for key, value in tensors.items():
        part, _, name = key.partition(".")
        if part not in parts:
            raise ValueError(f"the part {key[:80]!r} is not known")
        if not value.isfinite().all():
            raise ValueError(f"{key!r} is not finite")
        parts[part][name] = value
    return parts


def check_state(part: str, state: Mapping[str, torch.Tensor], like: Mapping[str, torch.Tensor]) -> None:
    """Raise ValueError if the tensors of a part have other names, shapes or dtypes than they need.

    Examples
    --------
    >>> check_state("network", {"bias": torch.zeros(3)}, {"bias": torch.zeros(2)})
    Traceback (most recent call last):
    ValueError: (3,) torch.float32 for (2,) torch.float32 in network.bias
    """
    if wrong := sorted(state.keys() ^ like.keys()):
        raise ValueError(f"{part}.{wrong[0][:80]} is {'missing' if wrong[0] in like else 'not known'}")
    for name, value in state.items():
        own, needed = ((tuple(tensor.shape), tensor.dtype) for tensor in (value, like[name]))
        if own != needed:
            raise ValueError(f"{own[0]} {own[1]} for {needed[0]} {needed[1]} in {part}.{name}")


def optimiser_states(
    optimiser: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]
) -> dict[int, dict[str, torch.Tensor]]:
    """Return what an optimiser keeps of each parameter, from tensors whose names begin with its index.

    Raises
    ------
    ValueError
        A tensor belongs to no parameter, or has another name or shape than those of the optimiser.
    """
    parameters: list[nn.Parameter] = [one for group in optimiser.param_groups for one in group["params"]]
    kept = _KEPT[type(optimiser)]
    states: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        if name not in kept or index not in map(str, range(len(parameters))):
            raise ValueError(f"optimiser.{key[:80]} is not known")
        states.setdefault(int(index), {})[name] = value
    for at, state in states.items():
        like = parameters[at]
        step = {"step": torch.zeros(())}
        check_state(f"optimiser.{at}", state, {name: step.get(name, like.detach()) for name in kept})
        for name, value in state.items():
            if value.shape == like.shape:
                # In the memory layout of the parameter: sums over it are then formed in the same order as before.
                state[name] = torch.empty_like(like).copy_(value)
    return states


def history_of(facts: Mapping[str, Any]) -> list[EpochRecord]:
    """Return the records of all epochs.

    Raises
    ------
    ValueError
        They are no records, or not those of the first epochs.

    Examples
    --------
    >>> history_of({"history": []})
    Traceback (most recent call last):
    ValueError: its history is no list of epochs
    """
    records = facts.get("history")
    if not isinstance(records, list) or not records:
        raise ValueError("its history is no list of epochs")
    for epoch, record in enumerate(records, 1):
        if not isinstance(record, dict) or not _is_record(record) or record["epoch"] != epoch:
            raise ValueError(f"its history has no record of epoch {epoch}")
        if record["measures"].keys() != records[0]["measures"].keys():
            raise ValueError(f"its history has other measures of epoch {epoch}")
    return [EpochRecord(**record) for record in records]


def best_of(facts: Mapping[str, Any], epochs: int, kept: bool) -> tuple[float, int]:
    """Return the smallest validation risk and its epoch; infinity and 0 if no weights were kept.

    Raises
    ------
    ValueError
        They are no such numbers, or are missing.

    Examples
    --------
    >>> best_of({}, 3, kept=False)
    (inf, 0)
    """
    risk, epoch = facts.get("best_risk"), facts.get("best_epoch")
    if not kept and risk is None and epoch is None:
        return math.inf, 0
    if not (kept and _is_real(risk) and is_integer(epoch) and 0 < int(epoch or 0) <= epochs):
        raise ValueError("its best epoch is none of its epochs")
    return float(risk or 0), int(epoch or 0)


def _is_record(record: Mapping[str, Any]) -> bool:
    if record.keys() != {"epoch", "epochs", "seconds", "measures"}:
        return False
    epoch, epochs, measures = record["epoch"], record["epochs"], record["measures"]
    numbers = is_integer(epoch) and is_integer(epochs) and epochs >= epoch and _is_real(record["seconds"])
    named = isinstance(measures, dict) and {*_RISKS} <= measures.keys()
    return numbers and named and all(map(_is_real, measures.values()))


def _is_real(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
