"""How far apart are two networks? Their outputs on the same inputs: the largest difference, and where it is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import nn

from faltung.errors import ArgumentError
from faltung.inspect.examples import Example

__all__ = ["Difference", "Outputs", "difference_of", "outputs_of", "seconds_of", "trial_inputs"]

#: For each input, the tensors that a network gives, with their names, and what became of the input.
Outputs: TypeAlias = list[list[tuple[str, torch.Tensor]]]

#: Inputs of other sizes have at most so many elements, or as many as the example.
_MOST_ELEMENTS = 2**18


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


def trial_inputs(network: nn.Module, example: Example) -> list[Example]:
    """Return the example, random inputs of its shapes, and of other sizes as far as the network takes them.

    Some samples of each are ten times as large, so that what happens at a border or in a quiet region shows. Other
    numbers of samples and other sizes show what depends on those of the example.
    """
    generator = torch.Generator().manual_seed(0)
    tensors = example.tensors
    found = [example, example.replaced({name: _random(x, x.shape, generator) for name, x in tensors.items()})]
    for resized in (_one_more, _half, _twice):
        shapes = {name: resized(tuple(x.shape)) for name, x in tensors.items()}
        most = max(_MOST_ELEMENTS, max(x.numel() for x in tensors.values()))
        if max(math.prod(shape) for shape in shapes.values()) > most:
            continue
        other = example.replaced({name: _random(x, shapes[name], generator) for name, x in tensors.items()})
        try:
            outputs_of(network, [other])
        except ArgumentError:  # the network takes only some sizes
            continue
        found.append(other)
    return found


def outputs_of(model: nn.Module, inputs: Iterable[Example]) -> Outputs:
    """Return for each input all tensors that the model gives, and the input as the model leaves it.

    The model runs on copies; dropout draws the same every time, and buffers are put back.
    """
    found = []
    for each in inputs:
        given = each.copied()
        with torch.no_grad(), _buffers_kept(model):
            torch.manual_seed(0)
            outputs = [*_tensors(given.called(model), "output")]
        after = [(f"the input {name} afterwards", x.detach()) for name, x in given.tensors.items()]
        found.append([*outputs, *after])
    return found


def difference_of(wanted: Outputs, found: Outputs) -> Difference:
    """Return the largest difference between two lists of outputs; it is infinite if their forms differ."""
    worst = Difference(0.0, 0.0, "nowhere")
    for number, (first, second) in enumerate(zip(wanted, found, strict=True)):
        if [(name, x.shape) for name, x in first] != [(name, x.shape) for name, x in second]:
            return Difference(torch.inf, torch.inf, "the outputs have other names or shapes")
        for (name, x), (_, y) in zip(first, second, strict=True):
            worst = max(worst, _between(x, y, f"{name}, input {number}"), key=lambda each: each.relative)
    return worst


def seconds_of(models: Sequence[nn.Module], example: Example, budget: float) -> list[float]:
    """Return the median time of a call of each model: they take turns, for about `budget` seconds."""
    times: list[list[float]] = [[] for _ in models]
    deadline = perf_counter() + budget
    given = example.copied()
    with torch.no_grad(), _buffers_kept(*models):
        for model in models:
            given.called(model)
        while perf_counter() < deadline or len(times[0]) < 3:
            for model, taken in zip(models, times, strict=True):
                start = perf_counter()
                given.called(model)
                taken.append(perf_counter() - start)
    return [sorted(taken)[len(taken) // 2] for taken in times]


@contextmanager
def _buffers_kept(*models: nn.Module) -> Iterator[None]:
    """Put the buffers of networks back: a call can change statistics and counters."""
    before = [(buffer, buffer.detach().clone()) for model in models for buffer in model.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, values in before:
                buffer.copy_(values)


def _one_more(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*(length + 1 for length in shape[:1]), *shape[1:2], *(length + 1 for length in shape[2:]))


def _half(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*(1 for _ in shape[:1]), *shape[1:2], *(length // 2 | 1 for length in shape[2:]))


def _twice(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*(1 for _ in shape[:1]), *shape[1:2], *(2 * length + 3 for length in shape[2:]))


def _between(x: torch.Tensor, y: torch.Tensor, name: str) -> Difference:
    if not x.numel():
        return Difference(0.0, 0.0, "nowhere")
    wide = torch.complex128 if x.is_complex() else torch.float64
    gap = (x.to(wide) - y.to(wide)).abs()
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
        yield name, value.detach().clone()
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _tensors(each, f"{name}[{key!r}]")
    elif isinstance(value, (tuple, list)):
        for index, each in enumerate(value):
            yield from _tensors(each, f"{name}[{index}]")


def _random(x: torch.Tensor, shape: Sequence[int], generator: torch.Generator) -> torch.Tensor:
    """Return random samples of the mean and deviation of others; integers are drawn from them."""
    if not x.is_floating_point() and not x.is_complex():
        places = torch.randint(max(x.numel(), 1), tuple(shape), generator=generator)
        return x.cpu().flatten()[places].to(x.device)
    wide = torch.complex128 if x.is_complex() else torch.float64
    noise = torch.randn(tuple(shape), generator=generator, dtype=wide)
    noise = torch.where(torch.rand(tuple(shape), generator=generator) < 0.01, 10 * noise, noise)
    spread = float(x.to(wide).std(correction=0)) if x.numel() else 1.0
    centre = x.to(wide).mean().cpu() if x.numel() else 0.0
    return (centre + noise * (spread or 1.0)).to(x)
