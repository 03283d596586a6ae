"""How far apart are two networks? Their outputs on the same inputs: the largest difference, and where it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import nn

__all__ = ["Difference", "difference_of", "outputs_of", "seconds_of", "trial_inputs"]

Inputs: TypeAlias = tuple[Any, ...]
#: For each input, the tensors that a network gives, with their names.
Outputs: TypeAlias = list[list[tuple[str, torch.Tensor]]]


class Difference(NamedTuple):
    """The largest difference between two outputs.

    Parameters
    ----------
    largest : float
        The largest absolute difference.
    relative : float
        The same, over the largest absolute value of the output.
    where : str
        The output and the index of the sample at which it is.
    """

    largest: float
    relative: float
    where: str


def trial_inputs(example: Inputs, count: int = 2) -> list[Inputs]:
    """Return the example, and random inputs of its shapes and scale.

    A part of each random input is of another magnitude, so that what happens at a border or in a quiet region shows.
    """
    generator = torch.Generator().manual_seed(0)
    return [example, *(tuple(_random(each, generator) for each in example) for _ in range(count - 1))]


def outputs_of(model: nn.Module, inputs: Sequence[Inputs]) -> Outputs:
    """Return for each input all tensors that the model gives, with their names."""
    with torch.no_grad():
        return [[*_tensors(model(*each), "output")] for each in inputs]


def difference_of(wanted: Outputs, found: Outputs) -> Difference:
    """Return the largest difference between two lists of outputs; it is infinite if their forms differ."""
    worst = Difference(0.0, 0.0, "nowhere")
    for number, (first, second) in enumerate(zip(wanted, found, strict=True)):
        if [(name, x.shape) for name, x in first] != [(name, x.shape) for name, x in second]:
            return Difference(torch.inf, torch.inf, "the outputs have other names or shapes")
        for (name, x), (_, y) in zip(first, second, strict=True):
            worst = max(worst, _between(x, y, f"{name}, input {number}"), key=lambda each: each.relative)
    return worst


def seconds_of(models: Sequence[Callable[..., Any]], inputs: Inputs, budget: float) -> list[float]:
    """Return the median time of a call of each model: they take turns, for about `budget` seconds."""
    times: list[list[float]] = [[] for _ in models]
    deadline = perf_counter() + budget
    with torch.no_grad():
        for model in models:
            model(*inputs)
        while perf_counter() < deadline or len(times[0]) < 3:
            for model, taken in zip(models, times, strict=True):
                start = perf_counter()
                model(*inputs)
                taken.append(perf_counter() - start)
    return [sorted(taken)[len(taken) // 2] for taken in times]


def _between(x: torch.Tensor, y: torch.Tensor, name: str) -> Difference:
    if not x.numel():
        return Difference(0.0, 0.0, "nowhere")
    gap = (x.double() - y.double()).abs() if not x.is_complex() else (x - y).abs()
    gap = torch.where(x == y, 0.0, gap)  # equal infinities
    gap = torch.where(x.isnan() & y.isnan(), 0.0, gap).nan_to_num(nan=torch.inf)
    at = int(gap.argmax())
    index = tuple(int(each) for each in torch.unravel_index(torch.tensor(at), gap.shape))
    largest = float(gap.flatten()[at])
    finite = x.abs()[x.isfinite()]
    scale = float(finite.max()) if finite.numel() else 0.0
    relative = largest / scale if scale else (torch.inf if largest else 0.0)
    return Difference(largest, relative, f"{name}, index {index}")


def _tensors(value: Any, name: str) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(value, torch.Tensor):
        yield name, value.detach()
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _tensors(each, f"{name}[{key!r}]")
    elif isinstance(value, (tuple, list)):
        for index, each in enumerate(value):
            yield from _tensors(each, f"{name}[{index}]")


def _random(value: Any, generator: torch.Generator) -> Any:
    if not isinstance(value, torch.Tensor) or not value.is_floating_point():
        return value
    noise = torch.randn(value.shape, generator=generator, dtype=torch.float64)
    half = torch.rand(value.shape, generator=generator) < 0.01
    noise = torch.where(half, 10 * noise, noise)
    spread = value.double().std(correction=0) if value.numel() else torch.tensor(1.0)
    centre = value.double().mean() if value.numel() else torch.tensor(0.0)
    return (centre.cpu() + noise * float(spread or 1.0)).to(value)
