"""How is a filter written into a graph that torch records? With functions of torch alone, for samples of any length.

The graph is used without this package, possibly for longer arrays, and on other processors. So positions are counted
from the beginning or the end of an axis, and nothing depends on the samples: an infinity or NaN under a tap of zero
makes an output NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch
from torch.nn.functional import pad

from faltung.errors import ArgumentError
from faltung.ground.boundary import index_map
from faltung.kernels import Kernel
from faltung.planning.channel_plan import ChannelPlan
from faltung.planning.problem import Problem
from faltung.planning.question import Question
from faltung.tensors.asked import correlated
from faltung.tensors.device_plan import outer_products
from faltung.tensors.dtypes import numpy_dtype
from faltung.tensors.layer_axes import in_order, in_place, taps_of
from faltung.tensors.recording import constant_for
from faltung.tensors.ways.torch_kernels import convolution

__all__ = ["recorded"]

#: Torch's names for those of our modes that its function can extend by.
_PADDED = {"constant": "constant", "nearest": "replicate"}


def recorded(x: torch.Tensor, kernel: Any, question: Question, cval: float) -> torch.Tensor:
    """Filter a real tensor by functions of torch."""
    count = len(question.axes)
    if count > 3:
        remedy = "Filter the tensor outside of the graph."
        raise ArgumentError("kernel", "at most three axes where torch records a graph", f"{count}", remedy)
    plan = ChannelPlan(question)
    samples, order = in_order(plan, x)
    if isinstance(kernel, Kernel):
        y = _by_kernel(samples, correlated(kernel, question), question, cval)
    else:
        places = [*zip(question.dilation, plan.correlated.origin, plan.bank.shape, strict=True)]
        origin, reach = [step * at for step, at, _ in places], [step * (size - 1) for step, _, size in places]
        samples = _extended(samples, question, origin, reach, cval)
        taps = taps_of(kernel, question, x)
        y = convolution(samples, taps, None, question.stride, (0,) * count, question.dilation, question.groups)
    return in_place(plan, y, x, order)


def _by_kernel(planes: torch.Tensor, kernel: Kernel, question: Question, cval: float) -> torch.Tensor:
    """Correlate by a kernel that is a value: as passes along the axes where that is less work."""
    count = len(question.axes)
    number = numpy_dtype(planes.dtype)
    # Shape and border do not matter: what is wanted is the kernel in a simpler form.
    places = tuple((at, at + 1) for at in kernel.origin)
    problem = Problem(
        kernel.shape, number, kernel, False, tuple(range(count)), ("constant",) * count, 0.0, places, number
    )
    kernel, lines = problem.correlated, outer_products(problem)
    if not lines or sum(line.size for term in lines for line in term) >= kernel.size:
        passes = [[kernel.taps]]
    else:
        shapes = (1 - 2 * np.eye(count, dtype=int)).tolist()  # -1 for the axis of the line
        passes = [[line.reshape(shape) for line, shape in zip(term, shapes, strict=True)] for term in lines]
    planes = _extended(planes, question, kernel.origin, [size - 1 for size in kernel.shape], cval)
    unit, zeros = (1,) * count, (0,) * count

    def along(x: torch.Tensor, taps: Any) -> torch.Tensor:
        return convolution(x, constant_for(x, taps[None, None]), None, unit, zeros, unit, 1)

    y: torch.Tensor = reduce(torch.add, (reduce(along, term, planes) for term in passes))
    for axis, step in enumerate(question.stride, 2):
        y = y if step == 1 else y[(*[slice(None)] * axis, slice(None, None, step))]
    return y


def _extended(
    x: torch.Tensor, question: Question, origin: Sequence[int], reach: Sequence[int], cval: float
) -> torch.Tensor:
    """Return the samples that the outputs need, of (images, channels, *spatial).

    The last sample under a tap is `reach` behind the first one.
    """
    lengths = [question.shape[axis] for axis in question.axes]
    places = [*zip(question.regions, origin, reach, lengths, question.modes, strict=True)]
    for constant in (True, False):  # the constant is beyond the border of any axis that has it
        for axis, ((first, stop), at, ahead, length, mode) in enumerate(places, 2):
            if (mode == "constant") == constant:
                x = _along(x, axis, at - first, stop - at + ahead - length, length, mode, cval)
    return x


def _along(x: torch.Tensor, axis: int, low: int, high: int, length: int, mode: str, cval: float) -> torch.Tensor:
    """Add samples before the first and behind the last one of an axis; a negative number of them is taken away."""
    if mode != "constant" and (max(low, high) >= length or min(low, high) <= -length):
        index = constant_for(x, index_map(mode, length, -low, length + high), torch.int64)
        return x.index_select(axis, index)  # for this length only
    if low < 0 or high < 0:
        x = _part(x, axis, max(-low, 0), min(high, 0) or None)
        low, high = max(low, 0), max(high, 0)
    if not (low or high):
        return x
    if mode in _PADDED:
        margins = [0, 0] * (x.ndim - 1 - axis) + [low, high]
        margins += [0, 0] * (axis - 2)
        return pad(x, margins, _PADDED[mode], **({"value": cval} if mode == "constant" else {}))
    if mode == "wrap":
        before, behind = _part(x, axis, -low, None), _part(x, axis, 0, high)
    else:
        skip = 1 if mode == "mirror" else 0
        before = _part(x, axis, skip, low + skip).flip(axis)
        behind = _part(x, axis, -high - skip, -skip or None).flip(axis)
    return torch.cat([part for part, count in ((before, low), (x, 1), (behind, high)) if count], axis)


def _part(x: torch.Tensor, axis: int, start: int, stop: int | None) -> torch.Tensor:
    """Return the samples from `start` up to `stop` of an axis; negative numbers count from its end."""
    part: torch.Tensor = x[(*[slice(None)] * axis, slice(start, stop))]
    return part
