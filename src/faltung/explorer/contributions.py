"""Which numbers does a result depend on, if the page does not know how it is made? Its derivatives say how much."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from faltung.errors import ArgumentError
from faltung.explorer.network_run import NetworkRun, NetworkStep
from faltung.inspect.captured_run import Place

__all__ = ["contributions"]

_MOST_CONTRIBUTIONS = 64


def contributions(run: NetworkRun, step: NetworkStep, channel: int, position: tuple[int, ...]) -> dict[str, Any]:
    """Return which numbers one result depends on, and how much: its derivatives, and these numbers.

    Where the operation is linear but for a constant (``affine``), their sum and this constant are the result.

    Examples
    --------
    >>> from torch import nn
    >>> from faltung.inspect.examples import as_example
    >>> run = NetworkRun(nn.Upsample(scale_factor=2, mode="bilinear"), as_example(torch.ones(1, 1, 3, 3)))
    >>> found = contributions(run, run.steps[0], 0, (1, 1))
    >>> found["count"], round(found["sum"], 6)
    (4, 1.0)
    """
    operands = {number: run.features[number].values for _, _, number in step.operands}
    leaves = {
        number: values.clone().requires_grad_()
        for number, values in operands.items()
        if values is not None and values.is_floating_point()
    }
    index = (channel, *position)
    try:
        number = _result(run, step, leaves, index)
        twice = _result(run, step, {number: 2 * values for number, values in leaves.items()}, index)
        gradients = _derivatives(number, [*leaves.values()])
    except (RuntimeError, NotImplementedError) as error:
        remedy = "Its result is shown as it is."
        raise ArgumentError("layer", "an operation with derivatives", step.kind, remedy) from error
    parts: list[tuple[int, list[int], float, float]] = []
    total, count = 0.0, 0
    for (tensor, values), gradient in zip(leaves.items(), gradients, strict=True):
        if gradient is None:
            continue
        axis = run.features[tensor].axis
        slopes = run.by_channel(gradient.double(), axis)
        samples = run.by_channel(values.detach().double(), axis)
        products = slopes * samples
        total, count = total + float(products.sum()), count + int((slopes != 0).sum())
        order = slopes.flatten().abs().argsort(descending=True)[:_MOST_CONTRIBUTIONS]
        places = np.stack(np.unravel_index(order.numpy(), tuple(samples.shape)), 1)
        for place in places.tolist():
            if slopes[tuple(place)] != 0:
                parts.append((tensor, place, float(samples[tuple(place)]), float(slopes[tuple(place)])))
    parts.sort(key=lambda part: -abs(part[2] * part[3]))
    shown = [
        {"tensor": tensor, "channel": place[0], "position": place[1:], "sample": sample, "weight": weight}
        for tensor, place, sample, weight in parts[:_MOST_CONTRIBUTIONS]
    ]
    value = float(number.detach())
    affine = math.isclose(float(twice.detach()) - value, total, rel_tol=1e-4, abs_tol=1e-5)
    return {"value": value, "sum": total, "affine": affine, "count": count, "parts": shown}


def _result(
    run: NetworkRun, step: NetworkStep, leaves: Mapping[int, torch.Tensor], index: tuple[int, ...]
) -> torch.Tensor:
    """Run an operation again, on these tensors; return one of its results."""
    arguments = {name: _filled(run, step, name, leaves) for name in step.operation.arguments}
    with torch.enable_grad():
        result = step.operation.function(**arguments)
        first = result if isinstance(result, torch.Tensor) else result[0]
        number = run.by_channel(first, run.features[step.result].axis)[index]
    if number.is_complex():
        raise NotImplementedError("complex numbers")
    return number


def _derivatives(number: torch.Tensor, leaves: list[torch.Tensor]) -> list[torch.Tensor | None]:
    if not number.requires_grad:
        return [None] * len(leaves)
    return [*torch.autograd.grad(number, leaves, allow_unused=True)]


def _filled(run: NetworkRun, step: NetworkStep, name: str, leaves: Mapping[int, torch.Tensor]) -> Any:
    """Return an argument of an operation with tensors in place of where they were."""
    value = step.operation.arguments[name]
    numbered = {item: number for argument, item, number in step.operands if argument == name}

    def own(number: int, place: Place) -> torch.Tensor | None:
        kept = leaves[number].clone() if number in leaves else run.features[number].values
        return None if kept is None else kept.reshape(place.shape)  # a view may have further axes of length one

    if isinstance(value, Place):
        return own(numbered[None], value) if None in numbered else run.constant(step.operation, name)
    if isinstance(value, list) and any(isinstance(item, Place) for item in value):
        return [own(numbered[item], place) if item in numbered else step.operation.values.get(place)
                for item, place in enumerate(value)]  # fmt: skip
    return value
