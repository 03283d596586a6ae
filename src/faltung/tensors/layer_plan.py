"""Which way is a layer computed, and why? One choice each for the outputs and the gradients of samples and taps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache, lru_cache
from typing import Any

import torch

from faltung.errors import ArgumentError
from faltung.ground.boundary import spelled
from faltung.ground.lazy import lazy
from faltung.ground.threads import core_count
from faltung.planning.layer import Layer
from faltung.planning.layer_tiles import gathered_bytes
from faltung.planning.planned import Candidate, Planned, check_method_name, chosen_first
from faltung.planning.report import Row, bytes_text, scale_text, shape_text, time_text
from faltung.planning.tile_choice import TILE_BYTES, direct_error, nbytes, tile_for, tiled_error
from faltung.tensors.device import rates_of
from faltung.tensors.dtypes import computed, numpy_dtype
from faltung.tensors.layer_cost import CPU, margin, seconds
from faltung.tensors.layer_parts import computed_part
from faltung.tensors.layer_wisdom import LEAD, LayerTimes, on_change, times_of
from faltung.tensors.ways.spectral import MANY_TAPS, tile_lengths
from faltung.tensors.ways.way import PARTS, WAYS

__all__ = ["METHODS", "LayerPlan", "check_method", "check_offered", "considered", "plan_layer"]

#: Rounding errors of a stage of a Fourier transform, forwards and backwards, in units of the machine epsilon.
_ROUNDINGS = 2.0
#: Seconds that a layer with gradients takes besides its parts, where torch does not compute all of them.
_TURNS = 6e-5
#: Seconds that a call costs in a compiled graph, where it is that of an operator that is registered by name.
_REGISTERED = 1e-4
#: What ``method=`` of a layer takes.
METHODS = ("auto", *WAYS)


@dataclass(frozen=True, eq=False)
class LayerPlan(Planned):
    """The plan of a layer for inputs of one shape: its outputs, and the gradients with respect to input and taps.

    As every plan it tells of the outputs; `parts` and `method_of` tell of the gradients too.

    Parameters
    ----------
    problem : Layer
        Shapes and geometry.
    dtype, device : str
        Of the tensors.
    cores : int
        Of the CPU. A plan does not depend on how many of them work on it, so the bits of a result do not either.
    parts : dict of str to tuple of Candidate
        Everything that was considered, the chosen one first, for ``correlate`` (the outputs), ``adjoint`` (the
        gradient with respect to the input) and ``taps`` (that with respect to the taps).
    asked : str
        The way that was asked for, or ``'auto'``.
    margin : float
        How many times faster than torch's own kernels another way must be predicted to be to be taken.
    times : LayerTimes
        What was measured; it decides in place of predictions.

    Examples
    --------
    >>> from faltung.layers import Conv
    >>> plan = Conv(96, 96, 13, padding=6, groups=96).plan((4, 96, 56, 56))
    >>> plan.method, plan.method_of("taps"), plan.result_shape
    ('direct', 'direct', (4, 96, 56, 56))
    """

    problem: Layer
    dtype: str
    device: str
    cores: int
    parts: dict[str, tuple[Candidate, ...]]
    asked: str
    margin: float
    times: LayerTimes

    @property
    def identity(self) -> tuple[Any, ...]:
        """What makes two plans equal; layers are compared by identity."""
        layer = tuple(repr(getattr(self.problem, field.name)) for field in fields(self.problem))
        return layer, self.dtype, self.device, self.cores, self.parts, self.asked, self.times

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """Everything that was considered for the outputs, the chosen one first."""
        return self.parts["correlate"]

    def method_of(self, part: str) -> str:
        """Return the way in which a part is computed."""
        return self.parts[part][0].method

    @lazy
    def _answers(self) -> dict[tuple[str, ...], bool]:
        return {}

    def left_to_torch(self, *parts: str) -> bool:
        """Whether torch's own layer computes these parts, of which the first is the result and the rest gradients.

        So it is where torch is best at all of them, or other ways would save too little to pay for their calls.

        Examples
        --------
        >>> from faltung.layers import Conv
        >>> Conv(64, 64, 5, padding=2).plan((4, 64, 56, 56)).left_to_torch("correlate", "adjoint", "taps")
        True
        """
        known = self._answers
        if parts not in known:
            known[parts] = all(self.method_of(part) == "torch" for part in parts) or self._saves_too_little(parts)
        return known[parts]

    def left_in_graph(self, *parts: str) -> bool:
        """Whether torch's own function takes the place of the layer in a graph that torch compiles."""
        if self.asked != "auto" or self.left_to_torch(*parts):
            return self.left_to_torch(*parts)
        ours, torchs = self.times.calls.get(" ".join(parts)) or (
            sum(self._seconds(parts)),
            sum(self._seconds(parts, "torch")),
        )
        return self.margin * (ours + _REGISTERED * len(parts)) > torchs

    def _saves_too_little(self, parts: tuple[str, ...]) -> bool:
        measured = self.times.left_to_torch(parts)
        if measured is not None or self.asked != "auto" or len(parts) == 1:
            return bool(measured)
        return self.margin * (sum(self._seconds(parts)) + _TURNS) > sum(self._seconds(parts, "torch"))

    def _seconds(self, parts: tuple[str, ...], method: str = "") -> Iterator[float]:
        """Yield the seconds of each part as planned, or in one way."""
        for part in parts:
            yield next(one.seconds for one in self.parts[part] if one.method == (method or self.method_of(part)))

    @property
    def result_shape(self) -> tuple[int, ...]:
        """Shape of the outputs: ``(images, channels, *spatial)``."""
        return self.problem.target_shape

    @lazy
    def error(self) -> float:
        """Bound of the rounding error of an output, relative to what `pointwise` says."""
        kind, layer = getattr(torch, self.dtype), self.problem
        number = numpy_dtype(computed(kind))
        error = direct_error(layer, number)
        if self.method == "fourier":
            points = math.prod(tile_lengths(axis)[0] for axis in layer.axes)
            error = (_ROUNDINGS * math.log2(points) + layer.ins) * torch.finfo(computed(kind)).eps
        elif self.method == "winograd":  # for any taps
            error = tiled_error(layer, number, tile_for(layer, number))
        stored = torch.finfo(kind).eps / 2 if kind != computed(kind) else 0.0
        return (1 + error) * (1 + stored) - 1

    @property
    def pointwise(self) -> bool:
        """Whether `error` is relative to the sum of abs(tap) * abs(sample) under each output."""
        return self.method not in ("fourier", "winograd")

    @lazy
    def memory(self) -> int:
        """Bytes of scratch for each worker, approximately; of tensors on the way for ``torch`` and ``fourier``."""
        layer = self.problem
        item: int = getattr(torch, self.dtype).itemsize
        if self.method == "direct":
            return gathered_bytes(layer, numpy_dtype(getattr(torch, self.dtype)))
        if self.method == "winograd":
            number = numpy_dtype(computed(getattr(torch, self.dtype)))
            return TILE_BYTES + nbytes(layer, number, tile_for(layer, number))
        extended = math.prod(layer.source_shape[:2]) * math.prod(axis.stop - axis.start for axis in layer.axes)
        return extended * item * (4 if self.method == "fourier" else 1)

    def __call__(  # type: ignore[override]
        self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Compute the outputs, without gradients.

        Parameters
        ----------
        x : Tensor, shape ``(images, channels in, *spatial)``
            The input.
        weight : Tensor, shape ``(channels out, channels in of a group, *spatial)``
            The taps.
        bias : Tensor, optional
            A number for each channel out.
        """
        given, expected = (tuple(x.shape), tuple(weight.shape)), (self.problem.source_shape, self.problem.taps_shape)
        if given != expected:
            received = f"an input of shape {given[0]} and taps of shape {given[1]}"
            wanted = f"an input of shape {expected[0]} and taps of shape {expected[1]}"
            raise ArgumentError("x", wanted, received, "Make a plan for these shapes.")
        with torch.no_grad():
            return self.compute("correlate", (x, weight, bias)).to(x.dtype)

    def compute(self, part: str, tensors: tuple[torch.Tensor | None, ...], workers: int = 0) -> torch.Tensor:
        """Compute a part of the layer; tensors are those that `Way` names, and 0 workers as many as usual."""
        return computed_part(self.problem, part, self.parts[part], tensors, workers)

    def rows(self) -> list[Row]:
        """Return what the plan prints, as pairs of a word and a text."""
        layer = self.problem
        rows = [
            ("layer", f"{layer.taps_text}, {layer.steps_text}, mode {spelled(layer.modes)}"),
            ("input", f"{shape_text(layer.source_shape)} {self.dtype} on {self.device}, {self.cores} cores"),
            ("output", f"{shape_text(layer.target_shape)}, {layer.multiply_adds:.3g} multiply-adds"),
            ("memory", bytes_text(self.memory)),
            ("error", f"at most {self.error:.1e} of {scale_text(self.pointwise)}"),
        ]
        for part, (first, *others) in self.parts.items():
            word, about = _PRINTED[part]
            how = "measured" if part in self.times.ways else "predicted"
            rows.append((word, f"{about}{first.method}: {time_text(first.seconds)} {how}"))
            rows += [("", f"rejected {other.method}: {time_text(other.seconds)}, {other.reason}") for other in others]
        return rows + [("call", _call_text(parts, *pair)) for parts, pair in self.times.calls.items()]

    @property
    def rejected(self) -> tuple[Candidate, ...]:
        """None: those of each part are among the rows."""
        return ()


#: The word for each part, and what it is about.
_PRINTED = {
    "correlate": ("outputs", ""),
    "adjoint": ("gradient", "with respect to the input, "),
    "taps": ("gradient", "with respect to the taps, "),
}


def _call_text(parts: str, ours: float, torchs: float) -> str:
    """Return the text for a call of the layer that was measured, as planned and as a layer of torch."""
    names = {"correlate": "outputs", "adjoint": "gradient of the input", "taps": "gradient of the taps"}
    what = ", ".join(names[part] for part in parts.split(" "))
    times = f"{time_text(ours)} as planned, {time_text(torchs)} as torch's layer, measured"
    return f"{what}: {times}{'' if LEAD * ours < torchs else '; left to torch'}"


def check_method(method: object) -> str:
    """Return the name of a way, or raise an error that lists the names."""
    return check_method_name(method, METHODS)


def check_offered(layer: Layer, method: str, device: torch.device, dtype: torch.dtype) -> None:
    """Raise an error if the outputs of a layer cannot be computed in the way that is asked for."""
    if method != "auto" and (reason := WAYS[method].refusal(layer, "correlate", device, dtype)):
        expected = "a way that supports this"
        raise ArgumentError("method", expected, repr(method), f"It does not: {reason}.")


@lru_cache(maxsize=1024)
def plan_layer(
    layer: Layer,
    dtype: torch.dtype = torch.float32,
    device: torch.device = torch.device("cpu"),  # noqa: B008  # a constant
    channels_last: bool = False,
    method: str = "auto",
) -> LayerPlan:
    """Choose the way with the least time, measured or else predicted, for each part, or take the one asked for."""
    check_method(method)
    times = (times_of(layer, dtype, device, channels_last) if method == "auto" else None) or LayerTimes()
    allowance = margin(layer, channels_last, device.type == "cpu")
    how = (dtype, device, channels_last)
    parts = {part: _choose(layer, part, *how, method, allowance, times) for part in PARTS}
    return LayerPlan(layer, str(dtype).removeprefix("torch."), str(device), _cores(), parts, method, allowance, times)


on_change(plan_layer.cache_clear)
_cores = cache(core_count)


def _choose(
    layer: Layer,
    part: str,
    dtype: torch.dtype,
    device: torch.device,
    channels_last: bool,
    method: str,
    allowance: float,
    times: LayerTimes,
) -> tuple[Candidate, ...]:
    candidates = _candidates(layer, part, dtype, device, channels_last, method)
    if part in times.ways:
        candidates, allowance = _timed(candidates, times.ways[part]), LEAD
    by_torch = _named(candidates, "torch")  # which refuses nothing
    first = candidates[0] if method == "auto" else _named(candidates, method)
    if first.reason or (method == "auto" and by_torch.seconds <= allowance * first.seconds):
        first = by_torch
    if part in times.ways:
        candidates = [one if one is first or one.reason else _beside(one, first) for one in candidates]
    return chosen_first(first, candidates)


def _beside(other: Candidate, first: Candidate) -> Candidate:
    return replace(other, reason=f"{other.seconds / first.seconds:.2f} times the measured time")


def considered(
    layer: Layer, part: str, dtype: torch.dtype, device: torch.device, channels_last: bool
) -> list[Candidate]:
    """Return the ways that can compute a part, with the times that are predicted, the shortest one first."""
    return [one for one in _candidates(layer, part, dtype, device, channels_last, "auto") if not one.reason]


def _candidates(
    layer: Layer, part: str, dtype: torch.dtype, device: torch.device, channels_last: bool, method: str
) -> list[Candidate]:
    reasons = {name: way.refusal(layer, part, device, dtype) for name, way in WAYS.items()}
    if method != "fourier" and layer.taps < MANY_TAPS:
        reasons["fourier"] = reasons["fourier"] or f"fewer than {MANY_TAPS} taps"
    found = []
    for name, reason in reasons.items():
        time = math.inf if reason else _predicted(layer, part, name, dtype, device, channels_last)
        found.append(Candidate(name, (name,), time, reason))
    return sorted(found, key=lambda candidate: candidate.seconds)


def _timed(candidates: list[Candidate], seconds: Mapping[str, float]) -> list[Candidate]:
    """Return the candidates with the times that were measured; those that were not timed come behind."""
    timed = [replace(one, seconds=seconds[one.method]) for one in candidates if one.method in seconds]
    rest = [one for one in candidates if one.method not in seconds]
    why = "not measured, since predicted to be far slower"
    behind = [replace(one, reason=one.reason or why) for one in rest]
    return sorted(timed, key=lambda candidate: candidate.seconds) + behind


def _predicted(
    layer: Layer, part: str, name: str, dtype: torch.dtype, device: torch.device, channels_last: bool
) -> float:
    """Return the seconds of a part in one of the ways that can compute it."""
    if not layer.multiply_adds:
        return 0.0
    cpu = device.type == "cpu"
    rates = CPU if device.type in ("cpu", "meta") else rates_of(device, dtype)
    threads = _cores() if cpu else 1
    time = seconds(layer, part, name, rates, threads, dtype.itemsize, channels_last, cpu)
    if name != "torch" and dtype.itemsize == 2 and cpu:
        time *= 1.5  # samples are widened first, and torch multiplies short numbers faster
    return time


def _named(candidates: list[Candidate], method: str) -> Candidate:
    return next(candidate for candidate in candidates if candidate.method == method)
