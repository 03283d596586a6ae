"""Which way is a layer computed, and why? One choice for each part: outputs, and gradients to samples and to taps."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from functools import cache, lru_cache
from types import ModuleType

import torch

from faltung.errors import ArgumentError
from faltung.ground.lazy import lazy
from faltung.planning.layer import Axis, Layer
from faltung.planning.planned import Candidate, chosen_first
from faltung.planning.report import shape_text, table, time_text
from faltung.tensors.device import rates_of
from faltung.tensors.layer_cost import CPU, seconds
from faltung.tensors.ways import machine_code as direct
from faltung.tensors.ways import spectral
from faltung.tensors.ways import torch_kernels as own
from faltung.tensors.ways import triton_kernels as depthwise

__all__ = ["METHODS", "PARTS", "WAYS", "LayerPlan", "check_method", "chosen", "cores", "plan_layer"]

#: The ways, by the name that ``method=`` calls them: modules whose functions are named after the parts.
WAYS: dict[str, ModuleType] = {"direct": direct, "triton": depthwise, "torch": own, "fourier": spectral}
#: What ``method=`` of a layer takes.
METHODS = ("auto", *WAYS)
#: What is computed of a layer: its outputs, and the gradients to its samples and to its taps.
PARTS = ("correlate", "adjoint", "taps")
#: Fewest taps for which a Fourier transform is considered.
_MANY_TAPS = 64


@dataclass(frozen=True)
class LayerPlan:
    """What a layer does with an input of one shape: for each part every way, the chosen one first.

    Parameters
    ----------
    layer : Layer
        What is asked.
    dtype, device : str
        Of the tensors.
    cores : int
        Of the CPU. A plan does not depend on how many of them work on it: so neither do the bits of a result.
    candidates : dict of str to tuple of Candidate
        For the parts ``correlate``, ``adjoint`` (the gradient to the input) and ``taps`` (that to the kernel).

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
        """Return how a part is computed."""
        return self.candidates[part][0].method

    @lazy
    def all_torch(self) -> bool:
        """Whether every part is best left to torch."""
        return all(self.method(part) == "torch" for part in PARTS)

    def __str__(self) -> str:
        """Return the plan as a table."""
        layer = self.layer
        steps = ", ".join(_steps(axis) for axis in layer.axes)
        rows = [
            ("layer", f"{layer.taps_text}, {steps}, mode {layer.mode}"),
            ("input", f"{shape_text(layer.source_shape)} {self.dtype} on {self.device}, {self.cores} cores"),
            ("output", f"{shape_text(layer.target_shape)}, {layer.multiply_adds:.3g} multiply-adds"),
        ]
        names = {"correlate": "outputs", "adjoint": "d input", "taps": "d kernel"}
        for part, (first, *others) in self.candidates.items():
            rows.append((names[part], f"{first.method}: {time_text(first.seconds)} predicted"))
            rows += [("", f"rejected {other.method}: {time_text(other.seconds)}, {other.reason}") for other in others]
        return table(rows)


def _steps(axis: Axis) -> str:
    dilated = f" dilation {axis.dilation}" if axis.dilation > 1 else ""
    return f"stride {axis.stride}{dilated} from {axis.start}"


def check_method(method: object) -> str:
    """Return the name of a way."""
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
    found = {part: _choose(layer, part, dtype, device, channels_last, check_method(method)) for part in PARTS}
    return LayerPlan(layer, str(dtype).removeprefix("torch."), str(device), cores(), found)


@cache
def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def chosen(plan: LayerPlan, part: str) -> ModuleType:
    """Return the module that computes a part."""
    return WAYS[plan.method(part)]


def _choose(
    layer: Layer, part: str, dtype: torch.dtype, device: torch.device, channels_last: bool, method: str
) -> tuple[Candidate, ...]:
    cpu = device.type == "cpu"
    rates = CPU if device.type in ("cpu", "meta") else rates_of(device, dtype)
    found = []
    for name in WAYS:
        reason = _refusal(layer, part, name, dtype, device)
        time = math.inf
        if not reason:
            time = seconds(
                layer, part, name, rates, cores() if cpu else 1, dtype == torch.float64, channels_last, cpu
            )
            if name != "torch" and dtype.itemsize == 2 and cpu:
                time *= 1.5  # samples are widened first, and torch multiplies short numbers faster
        found.append(Candidate(name, (name,), time, reason))
    found.sort(key=lambda candidate: candidate.seconds)
    first = found[0] if method == "auto" else next(each for each in found if each.method == method)
    if math.isinf(first.seconds) and first.reason:
        first = next(each for each in found if each.method == "torch")  # what torch does, it does for everything
    return chosen_first(first, found)


def _refusal(layer: Layer, part: str, name: str, dtype: torch.dtype, device: torch.device) -> str:
    if name == "direct":
        return direct.refusal(layer, part, device, dtype)
    if name == "triton":
        return depthwise.refusal(layer, part, device, dtype)
    if name == "fourier" and not dtype.is_floating_point:
        return "the numbers are not real"
    if name == "fourier" and device.type == "meta":
        return "there are no numbers"
    if name == "fourier" and layer.taps < _MANY_TAPS:
        return f"fewer than {_MANY_TAPS} taps"
    return ""
