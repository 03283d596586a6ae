"""Which way is a layer computed, and why? One choice each for the outputs and the gradients of samples and taps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, lru_cache

import torch

from faltung.errors import ArgumentError
from faltung.ground.lazy import lazy
from faltung.ground.threads import core_count
from faltung.planning.layer import Layer
from faltung.planning.planner import Candidate, chosen_first
from faltung.planning.report import describe_layer
from faltung.tensors.device import rates_of
from faltung.tensors.layer_cost import CPU, seconds
from faltung.tensors.ways.way import PARTS, WAYS

__all__ = ["METHODS", "LayerPlan", "check_method", "plan_layer"]

#: What ``method=`` of a layer takes.
METHODS = ("auto", *WAYS)


@dataclass(frozen=True)
class LayerPlan:
    """How a layer is computed for inputs of one shape: every way for each part, the chosen one first.

    Parameters
    ----------
    layer : Layer
        Shapes and geometry.
    dtype, device : str
        Of the tensors.
    cores : int
        Of the CPU. A plan does not depend on how many of them work on it, so the bits of a result do not either.
    candidates : dict of str to tuple of Candidate
        For the parts ``correlate``, ``adjoint`` (the gradient with respect to the input) and ``taps`` (that with
        respect to the taps).

    Examples
    --------
    >>> from faltung.layers import Conv
    >>> Conv(96, 96, 13, padding=6, groups=96).plan((4, 96, 56, 56)).method("taps")
    'direct'
    """

    layer: Layer
    dtype: str
    device: str
    cores: int
    candidates: dict[str, tuple[Candidate, ...]]

    def method(self, part: str) -> str:
        """Return the way in which a part is computed."""
        return self.candidates[part][0].method

    @lazy
    def all_torch(self) -> bool:
        """Whether every part is left to torch."""
        return all(self.method(part) == "torch" for part in PARTS)

    def __str__(self) -> str:
        """Return the plan as a table."""
        return describe_layer(self)


def check_method(method: object) -> str:
    """Return the name of a way, or raise an error that lists the names."""
    if not isinstance(method, str) or method not in METHODS:
        raise ArgumentError("method", f"one of {', '.join(map(repr, METHODS))}", repr(method))
    return method


@lru_cache(maxsize=1024)
def plan_layer(
    layer: Layer,
    dtype: torch.dtype = torch.float32,
    device: torch.device = torch.device("cpu"),  # noqa: B008  # a constant
    channels_last: bool = False,
    method: str = "auto",
) -> LayerPlan:
    """Choose the way with the least predicted time for each part, or take the one asked for."""
    candidates = {part: _choose(layer, part, dtype, device, channels_last, check_method(method)) for part in PARTS}
    return LayerPlan(layer, str(dtype).removeprefix("torch."), str(device), _cores(), candidates)


_cores = cache(core_count)


def _choose(
    layer: Layer, part: str, dtype: torch.dtype, device: torch.device, channels_last: bool, method: str
) -> tuple[Candidate, ...]:
    cpu = device.type == "cpu"
    rates = CPU if device.type in ("cpu", "meta") else rates_of(device, dtype)
    considered = []
    for name, way in WAYS.items():
        reason = way.refusal(layer, part, device, dtype)
        time = math.inf
        if not reason:
            threads = _cores() if cpu else 1
            time = seconds(layer, part, name, rates, threads, dtype == torch.float64, channels_last, cpu)
            if name != "torch" and dtype.itemsize == 2 and cpu:
                time *= 1.5  # samples are widened first, and torch multiplies short numbers faster
        considered.append(Candidate(name, (name,), time, reason))
    considered.sort(key=lambda candidate: candidate.seconds)
    first = considered[0] if method == "auto" else _named(considered, method)
    if first.reason:
        first = _named(considered, "torch")  # which refuses nothing
    return chosen_first(first, considered)


def _named(candidates: list[Candidate], method: str) -> Candidate:
    return next(candidate for candidate in candidates if candidate.method == method)
