"""Which way is the fastest for each layer of a model? Their parts are timed on what an example asks of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from faltung.layers.rehearsal import LayerCall
from faltung.layers.shared import PlannedLayer
from faltung.layers.transposed import ConvTransposed
from faltung.planning.layer import Layer
from faltung.tensors.layer_race import learn_a_bit, noise, seconds_in_turn, seconds_of_ways
from faltung.tensors.layer_wisdom import LayerTimes, learn, recall, times_of
from faltung.tensors.memory_order import lie_channels_last

__all__ = ["asked_of", "gain_of", "measure"]


def asked_of(layer: _ConvNd, x: torch.Tensor) -> LayerCall:
    """Return what a call of a layer asks for."""
    w, grad = layer.weight, torch.is_grad_enabled()
    dtype = x.dtype
    if x.device.type != "meta" and torch.is_autocast_enabled(x.device.type) and dtype.itemsize <= 4:
        dtype = torch.get_autocast_dtype(x.device.type)
    images = x if x.ndim == w.ndim else x.unsqueeze(0)
    laid, taps_laid = (torch.empty_like(tensor, device="meta").stride() for tensor in (images, w))
    needed = (grad and x.requires_grad, grad and w.requires_grad)
    return LayerCall(layer, tuple(images.shape), laid, taps_laid, dtype, x.device, *needed)


def measure(calls: list[LayerCall]) -> int:
    """Time what was asked of layers and is not known yet, and return the number of layers that were timed.

    Parameters
    ----------
    calls : list of LayerCall
        Calls of layers that are planned here. What is asked of contiguous tensors is timed for channels last too,
        since a model may be brought into that format later.
    """
    planned = [call for call in calls if isinstance(call.layer, PlannedLayer) and call.layer.method == "auto"]
    with_numbers = [call for call in planned if call.device.type != "meta"]
    return sum(_measure(each) for call in dict.fromkeys(with_numbers) for each in _formats(call))


def gain_of(call: LayerCall) -> float:
    """Return the seconds by which a call was measured to be faster than torch's layer; 0 if torch does it."""
    if not isinstance(call.layer, PlannedLayer) or call.layer.method != "auto" or call.device.type == "meta":
        return 0.0
    how = (call.dtype, call.device, _are_last(call))
    plan, _ = call.layer._planned(call.shape, *how)  # type: ignore[operator]
    parts = _wanted(call)[-1]
    times = None if plan is None else times_of(plan.problem, *how)
    if times is None or times.left_to_torch(parts) is not False:
        return 0.0
    ours, torchs = times.calls[" ".join(parts)]
    return torchs - ours


def _formats(call: LayerCall) -> Iterator[LayerCall]:
    """Yield a call, and the same with channels last as `Module.to` and `Tensor.contiguous` put them there."""
    yield call
    if not _are_last(call) and len(call.shape) in (4, 5):
        format_: Any = torch.channels_last if len(call.shape) == 4 else torch.channels_last_3d
        x, w = (torch.empty(shape, device="meta") for shape in (call.shape, _taps_shape(call)))
        strides, taps_strides = x.contiguous(memory_format=format_).stride(), w.to(memory_format=format_).stride()
        yield replace(call, strides=strides, taps_strides=taps_strides)


def _are_last(call: LayerCall) -> bool:
    return lie_channels_last(call.shape, call.strides) or lie_channels_last(_taps_shape(call), call.taps_strides)


def _taps_shape(call: LayerCall) -> tuple[int, ...]:
    return tuple(call.layer.weight.shape)  # type: ignore[arg-type]


def _measure(call: LayerCall) -> bool:
    """Time the parts of a layer, and then its calls as planned with these times; return whether that was needed."""
    how = (call.dtype, call.device, _are_last(call))
    plan, _ = call.layer._planned(call.shape, *how)  # type: ignore[operator]
    if plan is None or not plan.problem.multiply_adds:
        return False
    times = recall(plan.problem, *how)
    missing = [parts for parts in _wanted(call) if " ".join(parts) not in times.calls]
    for part in dict.fromkeys(part for parts in missing for part in parts):
        if part not in times.ways:
            seconds = seconds_of_ways(plan.problem, part, _operands(plan.problem, part, call), how[2])
            times = times.joined(LayerTimes({part: seconds}))
    if missing:
        learn(plan.problem, *how, times=times)  # so that calls are planned with them
        called = {" ".join(parts): _seconds_of_calls(call, parts, how) for parts in missing}
        learn(plan.problem, *how, times=times.joined(LayerTimes(calls=called)))
    return bool(missing)


def _wanted(call: LayerCall) -> list[tuple[str, ...]]:
    """Return the sets of parts that are computed: the outputs alone, and with the gradients that are asked for."""
    outputs, to_input = (
        ("adjoint", "correlate") if isinstance(call.layer, ConvTransposed) else ("correlate", "adjoint")
    )
    gradients = (*[to_input] * call.to_input, *["taps"] * call.to_taps)
    return [(outputs,), (outputs, *gradients)] if gradients else [(outputs,)]


def _seconds_of_calls(call: LayerCall, parts: tuple[str, ...], how: tuple[Any, ...]) -> tuple[float, float]:
    """Return the seconds of a call of the layer for these parts, as planned and as torch's layer computes it."""
    x = noise(call.shape, call.strides, call.dtype, call.device)
    ours, torchs = _stand_in(call), _stand_in(call)
    torchs.method = "torch"
    plan, geometry = ours._planned(call.shape, *how)  # type: ignore[operator]

    def planned(x: torch.Tensor) -> torch.Tensor:
        """Do what `forward` does if it does not leave the call to torch, with the time to ask the plan."""
        ours._planned(call.shape, *how)  # type: ignore[operator]
        return ours._by_plan(x, ours.weight, ours.bias, geometry)  # type: ignore[operator,no-any-return]

    calls = {"torch": _step(torchs, torchs, x, parts, call)}
    if any(plan.method_of(part) != "torch" for part in parts):
        calls["planned"] = _step(planned, ours, x, parts, call)
    seconds = seconds_in_turn(calls, "torch", call.device)
    return seconds.get("planned", seconds["torch"]), seconds["torch"]


def _stand_in(call: LayerCall) -> PlannedLayer:
    """Return a layer like that of a call, with parameters of its own and without hooks."""
    layer: Any = call.layer
    kind = next(
        kind for kind in type(layer).__mro__ if kind.__module__.startswith("faltung.") and "of_torch" in vars(kind)
    )
    made: Any = object.__new__(kind)
    nn.Module.__init__(made)
    private = ("_reversed_padding_repeated_twice",)
    vars(made).update({name: value for name, value in vars(layer).items() if name[0] != "_" or name in private})
    vars(made).pop("weight", None)
    w = noise(_taps_shape(call), call.taps_strides, call.dtype, call.device)
    made.weight = nn.Parameter(w, requires_grad=call.to_taps)
    vars(made).pop("bias", None)
    outs = w.shape[1] * made.groups if isinstance(made, ConvTransposed) else w.shape[0]
    bias = None if layer.bias is None else noise((outs,), (1,), call.dtype, call.device)
    made.bias = None if bias is None else nn.Parameter(bias, requires_grad=call.to_taps)
    return made  # type: ignore[no-any-return]


def _operands(layer: Layer, part: str, call: LayerCall) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what a part is computed from; the layer's output lies in memory as torch's own layers put it."""
    transposed = isinstance(call.layer, ConvTransposed)
    result = layer.source_shape if transposed else layer.target_shape
    like = torch.empty(result, device="meta")
    if _are_last(call) and len(result) in (4, 5):
        format_: Any = torch.channels_last if len(result) == 4 else torch.channels_last_3d
        like = torch.empty(result, device="meta", memory_format=format_)
    given, found, taps = (call.shape, call.strides), (result, like.stride()), (layer.taps_shape, call.taps_strides)
    source, target = (found, given) if transposed else (given, found)
    pairs = {"correlate": (source, taps), "adjoint": (target, taps), "taps": (source, target)}
    first, second = (noise(*laid, call.dtype, call.device) for laid in pairs[part])
    return first, second


def _step(
    compute: Callable[[torch.Tensor], torch.Tensor],
    layer: PlannedLayer,
    x: torch.Tensor,
    parts: tuple[str, ...],
    call: LayerCall,
) -> Callable[[], object]:
    """Return a call of a layer, with the gradients that are among the parts."""
    if len(parts) == 1:
        return torch.no_grad()(partial(compute, x))
    x = x.detach().requires_grad_(call.to_input)
    wanted = [tensor for tensor in (x, *layer.parameters()) if tensor.requires_grad]
    g, learning = torch.ones_like(compute(x)), [layer.weight] * call.to_taps

    def step() -> object:
        learn_a_bit(learning)
        return torch.autograd.grad(compute(x), wanted, g)

    return step
