"""How long do the ways take to compute the parts of a layer here? All that may be the fastest are run in turns.

Torch wins ties. A busy moment slows the calls that it meets, and these alone: so the ways are called in turns, many
times, and another way is faster than torch's if it was so in the median of all rounds, and in the best of them too.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from time import perf_counter

import torch

from faltung.planning.layer import Layer
from faltung.tensors.layer_plan import considered, plan_layer
from faltung.tensors.memory_order import in_order_of

__all__ = ["learn_a_bit", "noise", "seconds_in_turn", "seconds_of_ways"]

#: A way is run if it is predicted to take at most so many times as long as the best.
_REACH = 4.0
#: Rounds, at least and at most; seconds after which no new round begins.
_LEAST, _MOST, _PATIENCE = 3, 15, 0.6
#: Seconds for which a short call is repeated when it is timed, and most calls.
_SLOT, _REPEATS = 5e-4, 200
#: A contender that took so many times as long as the best is not called again.
_BEHIND = 1.4
#: Integers with as many bits.
_INTEGERS = {
    **{torch.float64: torch.int64, torch.float32: torch.int32},
    **{torch.float16: torch.int16, torch.bfloat16: torch.int16},
}
#: Numbers that are drawn for a tensor; a larger one repeats them.
_DRAWN = 1 << 18


def seconds_of_ways(
    layer: Layer, part: str, tensors: tuple[torch.Tensor, torch.Tensor], channels_last: bool
) -> dict[str, float]:
    """Return the seconds of a part of a layer in each way that may be the fastest; torch's is among them.

    Parameters
    ----------
    layer : Layer
        Shapes and geometry.
    part : {'correlate', 'adjoint', 'taps'}
        Outputs, or the gradient with respect to samples or taps.
    tensors : tuple of Tensor
        What this part is computed from.
    channels_last : bool
        Whether channels are last in memory.
    """
    how = (tensors[0].dtype, tensors[0].device, channels_last)
    predicted = {one.method: one.seconds for one in considered(layer, part, *how)}
    within = _REACH * min(predicted.values())
    names = [name for name, seconds in predicted.items() if seconds <= within or name == "torch"]
    calls = {name: partial(_compute, layer, part, tensors, channels_last, name) for name in names}
    with torch.no_grad():
        return seconds_in_turn(calls, "torch", how[1])


def seconds_in_turn(calls: Mapping[str, Callable[[], object]], first: str, device: torch.device) -> dict[str, float]:
    """Return the seconds of each call; those of the others are in proportion to those of the first.

    The proportion is that of the best times or the median of all rounds, whichever is better for the first.

    Examples
    --------
    >>> import time
    >>> calls = {"torch": lambda: time.sleep(4e-3), "direct": lambda: time.sleep(1e-3)}
    >>> seconds = seconds_in_turn(calls, "torch", torch.device("cpu"))
    >>> seconds["direct"] < seconds["torch"]
    True
    """
    repeats = {name: _repeats(call, device) for name, call in calls.items()}
    taken: dict[str, list[float]] = {name: [] for name in calls}
    racing, start = list(calls), perf_counter()
    for number in range(_MOST):
        for name in racing if number % 2 else reversed(racing):  # no contender always follows the same one
            taken[name].append(_sample(calls[name], repeats[name], device))
        if number + 1 >= _LEAST:
            reach = _BEHIND * min(map(min, taken.values()))
            racing = [name for name in racing if min(taken[name]) <= reach]
        if number + 1 >= _LEAST and (len(racing) == 1 or perf_counter() - start > _PATIENCE):
            break
    best = min(taken[first])
    return {name: best / _gain(taken[first], own) for name, own in taken.items()}


def noise(shape: tuple[int, ...], strides: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Return normal numbers in an order of memory; torch's own generator is not touched."""
    count = math.prod(shape)
    generator = torch.Generator(device).manual_seed(0)
    drawn = torch.randn(min(count, _DRAWN), generator=generator, device=device).to(dtype)
    x = torch.empty_strided(shape, strides, dtype=dtype, device=device)
    return x.copy_(drawn.repeat(-(-count // _DRAWN))[:count].reshape(shape))


def learn_a_bit(weights: Iterable[torch.Tensor]) -> None:
    """Change the last bit of all numbers in some tensors, as a step of training changes more of them; or undo it.

    What is known of weights, as their values at points, has to be found anew after each step.
    """
    with torch.no_grad():
        for w in weights:
            kind = _INTEGERS.get(w.dtype)
            if kind is not None:
                w.view(kind).bitwise_xor_(1)


def _compute(
    layer: Layer, part: str, tensors: tuple[torch.Tensor, torch.Tensor], channels_last: bool, way: str
) -> torch.Tensor:
    """Compute a part with all that belongs to it: numbers are checked, results brought into their order."""
    plan = plan_layer(layer, tensors[0].dtype, tensors[0].device, channels_last, way)
    if part == "taps":
        return plan.compute(part, tensors).to(tensors[0].dtype).contiguous()
    operands = (*tensors, None) if part == "correlate" else tensors
    return in_order_of(plan.compute(part, operands), *tensors)


def _gain(firsts: list[float], own: list[float]) -> float:
    """Return the smaller proportion, of the best times or the typical one, in the rounds that both took part in."""
    together = min(len(firsts), len(own))
    ratios = [a / b for a, b in zip(firsts[:together], own[:together], strict=True)]
    return min(min(firsts[:together]) / min(own[:together]), statistics.median(ratios))


def _repeats(call: Callable[[], object], device: torch.device) -> int:
    """Return how often a call is repeated when it is timed; the first one compiles, and makes tables and threads."""
    call()
    return min(_REPEATS, math.ceil(_SLOT / max(_sample(call, 1, device), 1e-7)))


def _sample(call: Callable[[], object], repeats: int, device: torch.device) -> float:
    _wait(device)
    start = perf_counter()
    for _ in range(repeats):
        call()
    _wait(device)
    return (perf_counter() - start) / repeats


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
