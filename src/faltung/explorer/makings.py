"""How is a feature map made from earlier ones? For each operation a description that the page computes from."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from faltung.errors import ArgumentError
from faltung.explorer.network_run import NetworkRun, NetworkStep, numbers
from faltung.inspect.captured_run import Operation, Place

__all__ = ["contributions", "making", "weights"]

_Making = dict[str, Any]

#: Functions of one number, or of several at one position, that the page knows by these names.
_POINTWISE = (
    *("relu", "sigmoid", "tanh", "silu", "gelu", "exp", "neg", "abs", "sqrt", "rsqrt", "reciprocal", "log", "square"),
    *("sin", "cos", "addcmul"),
    *("leaky_relu", "elu", "hardtanh", "hardsigmoid", "hardswish", "softplus", "relu6", "clamp", "pow"),
    *("add", "sub", "rsub", "mul", "div", "maximum", "minimum"),
)
_MOST_CONTRIBUTIONS = 64


def making(run: NetworkRun, step: NetworkStep) -> _Making:
    """Return how a step makes its result: the kind of computation, its numbers, and the tensors that it reads.

    The kind ``other`` is one that the page does not take apart.

    Examples
    --------
    >>> from torch import nn
    >>> from faltung.inspect.examples import as_example
    >>> run = NetworkRun(nn.Conv1d(1, 2, 3, padding=1), as_example(torch.zeros(1, 1, 8)))
    >>> made = making(run, run.steps[0])
    >>> made["kind"], made["size"], made["padding"]
    ('convolution', [3], [1])
    """
    operation = step.operation
    made = _KINDS.get(operation.name, _other)(run, step)
    if made is None:
        made = _pointwise(run, step) if operation.pointwise else None
    return made or {"kind": "other", "inputs": [number for _, _, number in step.operands]}


def _other(run: NetworkRun, step: NetworkStep) -> _Making | None:
    return None


def _convolution(run: NetworkRun, step: NetworkStep) -> _Making | None:
    given = step.operation.arguments
    names = {name for name, _, _ in step.operands}
    shape = run.shape(_operand(step, "input")) if "input" in names else ()
    if names != {"input"} or len(shape) not in (2, 3):
        return None
    axes = len(shape) - 1
    return {
        "kind": "transposed convolution" if given["transposed"] else "convolution",
        "inputs": [_operand(step, "input")],
        "size": list(given["weight"].shape[-axes:]),
        **{name: _last(given[name], axes) for name in ("stride", "padding", "dilation")},
        "groups": given["groups"],
        "bias": given["bias"] is not None,
    }


def _pooling(how: str) -> Callable[[NetworkRun, NetworkStep], _Making | None]:
    def made(run: NetworkRun, step: NetworkStep) -> _Making | None:
        given = step.operation.arguments
        axes = len(run.shape(step.result)) - 1
        if axes not in (1, 2):
            return None
        return {
            "kind": "pooling",
            "how": how,
            "inputs": [_operand(step, "self")],
            "size": _last(given["kernel_size"], axes),
            "stride": _last(given["stride"] or given["kernel_size"], axes),
            "padding": _last(given["padding"], axes),
            "dilation": _last(given.get("dilation", 1), axes),
            "countsPadding": bool(given.get("count_include_pad", False)),
            "divisor": given.get("divisor_override"),
        }

    return made


def _adaptive(how: str) -> Callable[[NetworkRun, NetworkStep], _Making | None]:
    def made(run: NetworkRun, step: NetworkStep) -> _Making | None:
        if len(run.shape(step.result)) not in (2, 3):
            return None
        return {"kind": "adaptive pooling", "how": how, "inputs": [_operand(step, "self")]}

    return made


def _mean(run: NetworkRun, step: NetworkStep) -> _Making | None:
    """Mean over all positions of each channel."""
    source = _operand(step, "self")
    feature = run.features[source]
    if feature.made_by in run.by_index:  # flattened positions are shown as the maps that they were
        whole = run.steps[run.by_index[feature.made_by]].result
        before, after = run.shape(whole), run.shape(source)
        if len(before) > 2 and len(after) == 2 and before[0] == after[0] and math.prod(before) == math.prod(after):
            source = whole
    shape = run.shape(source)
    channels = math.prod(run.shape(step.result))
    if channels != shape[0] or len(shape) not in (2, 3):
        return None
    return {"kind": "mean", "inputs": [source]}


def _linear(matrix: str, vector: str, bias: str | None) -> Callable[[NetworkRun, NetworkStep], _Making | None]:
    def made(run: NetworkRun, step: NetworkStep) -> _Making | None:
        if {name for name, _, _ in step.operands} != {vector}:
            return None
        given = step.operation.arguments
        if given.get("beta", 1) != 1 or given.get("alpha", 1) != 1:
            return None
        source = _operand(step, vector)
        known = bias is not None and given.get(bias) is not None
        if run.features[source].axis != len(given[vector].shape) - 1 or len(given[vector].shape) != 2:
            return None
        return {"kind": "linear", "inputs": [source], "bias": known}

    return made


def _batch_norm(run: NetworkRun, step: NetworkStep) -> _Making | None:
    given = step.operation.arguments
    if given.get("training") or {name for name, _, _ in step.operands} != {"input"}:
        return None
    return {"kind": "batch norm", "inputs": [_operand(step, "input")], "eps": given["eps"]}


def _group_norm(run: NetworkRun, step: NetworkStep) -> _Making | None:
    given = step.operation.arguments
    if {name for name, _, _ in step.operands} != {"input"}:
        return None
    source = _operand(step, "input")
    if "group" in given:
        groups = given["group"]
        return {"kind": "group norm", "inputs": [source], "groups": groups, "eps": given["eps"]}
    last = run.features[source].axis == len(given["input"].shape) - 1
    if not (last and len(given["normalized_shape"]) == 1):
        return None
    return {"kind": "layer norm", "inputs": [source], "eps": given["eps"]}


def _softmax(logarithm: bool) -> Callable[[NetworkRun, NetworkStep], _Making | None]:
    def made(run: NetworkRun, step: NetworkStep) -> _Making | None:
        source = _operand(step, "self")
        axis, axes = step.operation.arguments["dim"], len(run.features[source].place.shape)
        if axis % axes != run.features[source].axis:
            return None
        return {"kind": "softmax", "logarithm": logarithm, "inputs": [source]}

    return made


def _padded(mode: str) -> Callable[[NetworkRun, NetworkStep], _Making | None]:
    def made(run: NetworkRun, step: NetworkStep) -> _Making | None:
        given = step.operation.arguments
        axes = len(run.shape(step.result)) - 1
        amounts = given["pad"] if "pad" in given else given["padding"]
        if axes not in (1, 2) or any(amounts[2 * axes :]):
            return None
        before = [int(each) for each in amounts[0 : 2 * axes : 2][::-1]]
        return {
            "kind": "padding",
            "mode": mode,
            "inputs": [_operand(step, "self")],
            "before": [0] * (axes - len(before)) + before,
            "value": float(given.get("value") or 0),
        }

    return made


def _joined(run: NetworkRun, step: NetworkStep) -> _Making | None:
    numbers_of = [number for _, _, number in step.operands]
    places = step.operation.arguments["tensors"]
    axis = step.operation.arguments["dim"] % len(places[0].shape)
    if len(numbers_of) != len(places) or axis != run.features[step.result].axis:
        return None
    return {"kind": "concatenation", "inputs": numbers_of, "counts": [run.shape(each)[0] for each in numbers_of]}


def _pointwise(run: NetworkRun, step: NetworkStep) -> _Making | None:
    """Functions of the numbers at one position: operands are tensors, constants by channel, or numbers."""
    operation = step.operation
    if operation.name not in _POINTWISE:
        return None
    varying = {name: number for name, _, number in step.operands}
    shape = run.shape(step.result)
    parts: list[_Making] = []
    for name, value in operation.arguments.items():
        if name in varying:
            if run.shape(varying[name]) not in (shape, (shape[0], *[1] * (len(shape) - 1)), (1,)):
                return None
            parts.append({"name": name, "tensor": varying[name]})
        elif isinstance(value, Place):
            if _by_channel(run, step, name) is None:
                return None
            parts.append({"name": name, "constant": True})
        elif isinstance(value, bool | int | float | str) or value is None:
            parts.append({"name": name, "value": value})
    return {"kind": "pointwise", "function": operation.name, "parts": parts, "inputs": [*varying.values()]}


_KINDS: Mapping[str, Callable[[NetworkRun, NetworkStep], _Making | None]] = {
    "convolution": _convolution,
    "max_pool2d_with_indices": _pooling("max"),
    "avg_pool2d": _pooling("mean"),
    "_adaptive_avg_pool2d": _adaptive("mean"),
    "adaptive_max_pool2d": _adaptive("max"),
    "mean": _mean,
    "addmm": _linear("mat2", "mat1", "self"),
    "mm": _linear("mat2", "self", None),
    "native_batch_norm": _batch_norm,
    "_native_batch_norm_legit_no_training": _batch_norm,
    "native_group_norm": _group_norm,
    "native_layer_norm": _group_norm,
    "_softmax": _softmax(logarithm=False),
    "_log_softmax": _softmax(logarithm=True),
    "cat": _joined,
    "constant_pad_nd": _padded("constant"),
    **{f"reflection_pad{axes}d": _padded("mirror") for axes in (1, 2)},
    **{f"replication_pad{axes}d": _padded("nearest") for axes in (1, 2)},
}


def weights(run: NetworkRun, step: NetworkStep, channel: int) -> dict[str, Any]:
    """Return the constants with which a step makes one channel.

    Examples
    --------
    >>> from torch import nn
    >>> from faltung.inspect.examples import as_example
    >>> run = NetworkRun(nn.Conv1d(4, 2, 3, groups=2), as_example(torch.zeros(1, 4, 8)))
    >>> found = weights(run, run.steps[0], 1)
    >>> found["taps"].shape, found["first"]
    ((2, 3), 2)
    """
    kind = making(run, step)["kind"]
    operation = step.operation
    constants = {name: run.constant(operation, name) for name in operation.arguments}
    if kind in ("convolution", "transposed convolution"):
        return _taps(run, operation, constants, channel)
    if kind == "linear":
        matrix = constants["mat2"]
        assert matrix is not None
        bias = constants.get("self") if operation.name == "addmm" else None
        return {"row": numbers(matrix[:, channel]), "bias": None if bias is None else float(bias[channel])}
    if kind in ("batch norm", "layer norm", "group norm"):
        named = {"weight": "scale", "bias": "shift", "running_mean": "mean", "running_var": "variance"}
        return {
            word: float(value[channel]) for name, word in named.items() if (value := constants.get(name)) is not None
        }
    if kind == "pointwise":
        found = {name: _by_channel(run, step, name) for name in constants if constants[name] is not None}
        return {
            name: numbers(value[channel] if len(value) > 1 else value[0])
            for name, value in found.items()
            if value is not None
        }
    return {}


def _taps(
    run: NetworkRun, operation: Operation, constants: Mapping[str, torch.Tensor | None], channel: int
) -> dict[str, Any]:
    given, weight, bias = operation.arguments, constants["weight"], constants["bias"]
    assert weight is not None
    axes, groups = len(run.shape(0)) - 1, given["groups"]
    if given["transposed"]:
        each = weight.shape[1]
        rows = weight.shape[0] // groups
        first = (channel // each) * rows
        taps = weight[first : first + rows, channel % each]
    else:
        taps = weight[channel]
        first = (channel // (weight.shape[0] // groups)) * weight.shape[1]
    if axes == 1 and taps.ndim == 3:
        taps = taps[:, 0]
    return {"taps": numbers(taps), "first": first, "bias": None if bias is None else float(bias[channel])}


def _by_channel(run: NetworkRun, step: NetworkStep, name: str) -> torch.Tensor | None:
    """Return a constant in the shape (channels or 1, ...) of the result; None if it cannot be laid over it."""
    value = run.constant(step.operation, name)
    if value is None:
        return None
    result = run.features[step.result]
    if value.ndim < len(result.place.shape):
        value = value.reshape(*[1] * (len(result.place.shape) - value.ndim), *value.shape)
    laid = run.by_channel(value, result.axis)
    return laid if laid.ndim == len(run.shape(step.result)) else None


def _operand(step: NetworkStep, name: str) -> int:
    return next(number for argument, _, number in step.operands if argument == name)


def _last(value: Any, axes: int) -> list[int]:
    """Return a number for each axis; torch gives one, or two for signals that it takes as images of one row."""
    listed = [int(each) for each in value] if isinstance(value, list | tuple) else [int(value)]
    return (listed * axes if len(listed) == 1 else listed)[-axes:]


def contributions(run: NetworkRun, step: NetworkStep, channel: int, position: tuple[int, ...]) -> dict[str, Any]:
    """Return which numbers one result depends on, and how much: its derivatives, times these numbers.

    Their sum is the result where the operation is linear in them, such as interpolation or padding.

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
    arguments = {**step.operation.arguments}
    for name in arguments:
        arguments[name] = _filled(run, step, name, leaves)
    try:
        number, gradients = _derivatives(run, step, arguments, (channel, *position), [*leaves.values()])
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
    return {"value": float(number.detach()), "sum": total, "count": count, "parts": shown}


def _derivatives(
    run: NetworkRun,
    step: NetworkStep,
    arguments: Mapping[str, Any],
    index: tuple[int, ...],
    leaves: list[torch.Tensor],
) -> tuple[torch.Tensor, list[torch.Tensor | None]]:
    """Run an operation again; return one of its results, and its derivative for each tensor."""
    with torch.enable_grad():
        result = step.operation.function(**arguments)
        first = result if isinstance(result, torch.Tensor) else result[0]
        number = run.by_channel(first, run.features[step.result].axis)[index]
    if number.is_complex():
        raise NotImplementedError("complex numbers")
    if not number.requires_grad:
        return number, [None] * len(leaves)
    return number, [*torch.autograd.grad(number, leaves, allow_unused=True)]


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
