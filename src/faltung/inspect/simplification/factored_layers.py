"""Which layers are nearly a product of two smaller ones? Factors by singular values, kept only if they are faster."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from faltung.inspect.simplification.comparing import seconds_of
from faltung.inspect.simplification.layer_map import Array, LayerMap
from faltung.inspect.simplification.layer_steps import FoundLayer, layer_at
from faltung.inspect.simplification.module_edits import Edit, NotEditableError, layer_with, replaced
from faltung.inspect.simplification.refusals import Refusal
from faltung.inspect.simplification.traced_graph import TracedGraph

__all__ = ["factored_layers", "factors_of"]

#: Factors must take at most so much of the multiply-adds and of the time of the layer.
_WORK, _TIME = 0.9, 0.97
#: How long the two are timed, in seconds.
_BUDGET = 0.15


def factored_layers(graph: TracedGraph, tolerance: float, dtype: torch.dtype) -> Iterator[Edit | Refusal]:
    """Return for each layer the edit that makes it two layers, if these are close to it and faster."""
    for step in graph.steps:
        layer = layer_at(graph, step)
        if layer is None or layer.map.transposed or layer.map.groups != 1 or not layer.step.module:
            continue
        where = layer.step.module
        if len(graph.readers(layer.weight)) != 1 or graph.obstacle(where) or not layer.knows_padding:
            continue
        found = min(factors_of(layer.map, tolerance), key=_taps, default=None)
        if found is None or _taps(found) > _WORK * layer.map.weight.size:
            continue
        try:
            both = nn.Sequential(*(layer_with(graph, layer, each) for each in found[1:]))
        except NotEditableError as error:
            yield Refusal(found[0], where, str(error))
            continue
        ratio = _time_ratio(graph.modules[where], both, layer, dtype)
        if ratio > _TIME:
            yield Refusal(found[0], where, f"the factors take {ratio:.2f} times the time of the layer")
        else:
            yield Edit(found[0], where, (replaced(graph, where, both),))


def factors_of(layer: LayerMap, tolerance: float) -> Iterator[tuple[str, LayerMap, LayerMap]]:
    """Return pairs of layers whose product is a layer up to a relative error in the taps, and what they are called.

    Of each kind it is the pair with the fewest channels in between. The error is in the root of the sum of squares.
    """
    count_out, count_in = layer.weight.shape[:2]
    sizes, ones = layer.sizes, (1,) * len(layer.sizes)
    none = (0,) * len(sizes)
    left, right = _low_rank(layer.weight.reshape(count_out, -1), tolerance)
    zeros = np.zeros(len(right))
    first = replace(layer, weight=right.reshape(-1, count_in, *sizes), bias=zeros)
    pointwise = replace(layer, weight=left.reshape(count_out, -1, *ones), stride=ones, padding=none, dilation=ones)
    yield "low rank", first, replace(pointwise, mode="zeros")
    if len(sizes) == 2 and min(sizes) > 1:
        columns = layer.weight.transpose(0, 3, 1, 2).reshape(count_out * sizes[1], -1)
        left, right = _low_rank(columns, tolerance)
        rank = len(right)
        down = replace(_along(layer, 0), weight=right.reshape(rank, count_in, sizes[0], 1), bias=np.zeros(rank))
        across = left.reshape(count_out, sizes[1], rank).transpose(0, 2, 1)[:, :, None, :]
        yield "separable", down, replace(_along(layer, 1), weight=across, bias=layer.bias)


def _along(layer: LayerMap, axis: int) -> LayerMap:
    """Return a layer with the steps of one axis only."""

    def only(values: tuple[int, ...], other: int) -> tuple[int, ...]:
        return tuple(value if at == axis else other for at, value in enumerate(values))

    return replace(
        layer, stride=only(layer.stride, 1), padding=only(layer.padding, 0), dilation=only(layer.dilation, 1)
    )


def _low_rank(matrix: Array, tolerance: float) -> tuple[Array, Array]:
    """Return two factors of a matrix with the least rank for this relative error."""
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    # What is left out if the first values are kept, for every number of them.
    rest = np.sqrt(np.append(np.cumsum(values[::-1] ** 2)[::-1], 0.0))
    rank = max(1, int(np.argmax(rest <= tolerance * rest[0])))
    root = np.sqrt(values[:rank])
    return left[:, :rank] * root, root[:, None] * right[:rank]


def _taps(found: tuple[str, LayerMap, LayerMap]) -> int:
    return found[1].weight.size + found[2].weight.size


def _time_ratio(old: nn.Module, new: nn.Module, layer: FoundLayer, dtype: torch.dtype) -> float:
    """Return the time of the factors over that of the layer, on samples of the layer's own shape."""
    x = torch.randn(layer.source.shape, dtype=dtype)
    modules: list[Any] = [_as(each, dtype) for each in (old, new)]
    before, after = seconds_of(modules, (x,), _BUDGET)
    return after / before


def _as(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    return copy.deepcopy(module).to(dtype)
