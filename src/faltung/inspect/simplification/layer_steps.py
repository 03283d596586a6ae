"""Which steps of a graph are layers, and with which values? Convolutions, fully connected layers, batch norms."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from faltung.inspect.simplification.layer_map import Array, LayerMap
from faltung.inspect.simplification.traced_graph import Step, TracedGraph

__all__ = ["FoundLayer", "Scaling", "layer_at", "scaling_at"]

#: Arguments behind input, weight and bias, with what torch assumes for one that is not given.
_CONVOLUTION = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
_TRANSPOSED = {"stride": 1, "padding": 0, "output_padding": 0, "groups": 1, "dilation": 1}
_BATCH_NORM = "_native_batch_norm_legit_no_training"


class FoundLayer(NamedTuple):
    """A layer that is found in a graph.

    Parameters
    ----------
    step : Step
        The operation that gives the output.
    source : Step
        What it is applied to.
    steps : tuple of Step
        All steps that belong to it: a layer whose padding is not zeros pads in a step of its own.
    weight, bias : str or None
        Names of its parameters.
    map : LayerMap
        Its value. The padding is right only if `knows_padding`.
    knows_padding : bool
        Whether the padding is the same at both ends of each axis.
    """

    step: Step
    source: Step
    steps: tuple[Step, ...]
    weight: str
    bias: str | None
    map: LayerMap
    knows_padding: bool


class Scaling(NamedTuple):
    """A batch norm in evaluation mode: ``scale * x + shift``, with one number of each for each channel."""

    step: Step
    source: Step
    scale: Array
    shift: Array


def layer_at(graph: TracedGraph, step: Step) -> FoundLayer | None:
    """Return the layer whose output this step is, or None."""
    name = step.operation
    if name not in ("linear", *(f"conv{n}d" for n in "123"), *(f"conv_transpose{n}d" for n in "123")):
        return None
    source, weight, bias, *rest = (*step.arguments, None, None)[: max(3, len(step.arguments))]
    if not isinstance(source, Step) or not isinstance(weight, str) or not isinstance(bias, (str, type(None))):
        return None  # the weights are computed
    taps = _array(graph, weight)
    axes = taps.ndim - 2
    transposed = name.startswith("conv_transpose")
    named = {**(_TRANSPOSED if transposed else _CONVOLUTION)}
    named |= dict(zip(named, rest, strict=False))
    stride, dilation, groups = _each(named["stride"], axes), _each(named["dilation"], axes), int(named["groups"])
    steps: tuple[Step, ...] = (step,)
    mode, known = "zeros", True
    padding = _padding(named["padding"], taps.shape[2:], dilation)
    if padding is None:
        padding, known = (0,) * axes, False
    if source.operation == "pad" and source.calls == step.calls and len(source.users) == 1:
        steps, mode = (source, step), _MODES[source.arguments[2] if len(source.arguments) > 2 else "constant"]
        padding, known = _ends(source.arguments[1], axes)
        source = source.inputs[0]
    channels = taps.shape[1] * groups if transposed else len(taps)
    shift = np.zeros(channels) if bias is None else _array(graph, bias)
    value = LayerMap(taps, shift, stride, padding, dilation, groups, transposed, mode)
    return FoundLayer(step, source, steps, weight, bias, value, known)


def scaling_at(graph: TracedGraph, step: Step) -> Scaling | None:
    """Return the batch norm whose output this step is, or None."""
    if step.operation != _BATCH_NORM or not isinstance(step.arguments[0], Step):
        return None
    source, weight, bias, mean, variance, _, eps = step.arguments
    if not all(isinstance(name, (str, type(None))) for name in (weight, bias, mean, variance)):
        return None
    scale = 1 / np.sqrt(_array(graph, variance) + eps)
    if weight is not None:
        scale = scale * _array(graph, weight)
    shift = -_array(graph, mean) * scale
    return Scaling(step, source, scale, shift if bias is None else shift + _array(graph, bias))


#: torch's names for how a step pads, and those of its layers.
_MODES = {"constant": "zeros", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}


def _array(graph: TracedGraph, name: str) -> Array:
    return graph.tensor(name).to(torch.float64).cpu().numpy()


def _each(value: Any, axes: int) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    return values * axes if len(values) == 1 else values


def _padding(value: Any, sizes: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[int, ...] | None:
    if value == "valid":
        return (0,) * len(sizes)
    if value != "same":
        return _each(value, len(sizes))
    added = [(size - 1) * gap for size, gap in zip(sizes, dilation, strict=True)]
    return tuple(each // 2 for each in added) if all(each % 2 == 0 for each in added) else None


def _ends(pad: list[int], axes: int) -> tuple[tuple[int, ...], bool]:
    """Return the padding of each axis from torch's list, last axis first, and whether both ends have the same."""
    ends = [(pad[2 * axis], pad[2 * axis + 1]) for axis in reversed(range(len(pad) // 2))]
    known = len(ends) == axes and all(low == high >= 0 for low, high in ends)
    return tuple(low for low, _ in ends) if known else (0,) * axes, known
