"""A fixed filter as a linear map of tensors: its own adjoint but for the taps' order, and registered with torch.

    y[n] = sum over m of taps[m] * x[n + m - origin]        for n in a region

The gradient to x is the same map with reversed taps, of a gradient outside of which there is nothing; what it gives
to positions beyond the border belongs to the samples of which copies stand there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from faltung.kernels import Kernel
from faltung.planning.kept import plan_problem
from faltung.planning.problem import Problem
from faltung.tensors.calling import differentiable
from faltung.tensors.device_plan import filter_plan
from faltung.tensors.extension import fold
from faltung.tensors.ways import machine_code

__all__ = ["linear", "note_kernel"]

#: Kernels of recent calls, whose expressions a graph cannot hold; where one is missing, its taps say enough.
_kernels: OrderedDict[str, Kernel] = OrderedDict()
_MOST_KERNELS = 256
#: What the key of a kernel ends with, if it is the reversed one.
_FLIPPED = " flipped"


def note_kernel(kernel: Kernel) -> tuple[str, torch.Tensor]:
    """Keep a kernel, and return what a graph holds of it: its key and its taps."""
    key = kernel.fingerprint.hex()
    if key not in _kernels:
        _kernels[key] = kernel
        while len(_kernels) > _MOST_KERNELS:
            _kernels.popitem(last=False)
    return key, _taps(key)


@lru_cache(maxsize=_MOST_KERNELS)
def _taps(key: str) -> torch.Tensor:
    return torch.from_numpy(np.array(_kernels[key].taps))


def _kernel(key: str, taps: torch.Tensor, origin: Sequence[int]) -> Kernel:
    found = _kernels.get(key.removesuffix(_FLIPPED))
    if found is None:
        return Kernel(taps.numpy(), tuple(origin))
    return found.flip() if key.endswith(_FLIPPED) else found


def _linear(
    x: torch.Tensor,
    taps: torch.Tensor,
    origin: Sequence[int],
    axes: Sequence[int],
    first: Sequence[int],
    stop: Sequence[int],
    mode: str,
    cval: float,
    method: str,
    accuracy: str,
    workers: int,
    key: str,
) -> torch.Tensor:
    """Correlate a real tensor with fixed taps.

    Parameters
    ----------
    x : Tensor
        Of any shape, in any floating dtype, which is that of the result.
    taps : Tensor
        In double precision, on the CPU.
    origin : sequence of int
        Index of the tap at lag zero.
    axes : sequence of int
        Axis of `x` for each axis of the taps, not negative.
    first, stop : sequence of int
        For each of them the positions for which there is an output.
    mode, cval, method, accuracy
        As for `faltung.convolve`.
    workers : int
        Number of threads; 0 for the default.
    key : str
        Of the kernel, from `note_kernel`.
    """
    kernel = _kernel(key, taps, origin)
    regions = tuple(zip(first, stop, strict=True))
    if x.device.type != "cpu":
        place = (tuple(x.shape), tuple(axes), regions, mode, cval)
        return filter_plan(kernel, *place, method, accuracy, x.dtype, x.device)(x)
    kind = torch.float64 if x.dtype == torch.float64 else torch.float32
    samples = x.detach().to(kind).numpy()
    problem = Problem(
        *(samples.shape, samples.dtype, kernel, False, tuple(axes), mode, cval, regions, samples.dtype, accuracy)
    )
    plan = plan_problem(problem, method)
    y = machine_code.empty(plan.result_shape, kind)
    plan(samples, y.numpy(), workers or None)
    return y.to(x.dtype)


def _shape(x: Any, axes: Sequence[int], first: Sequence[int], stop: Sequence[int]) -> list[int]:
    shape = [*x.shape]
    for axis, a, b in zip(axes, first, stop, strict=True):
        shape[axis] = b - a
    return shape


def _keep(ctx: Any, inputs: tuple[Any, ...], output: object = None) -> None:
    ctx.save_for_backward(inputs[1])
    ctx.shape, ctx.rest = inputs[0].shape, inputs[2:]


def _backward(ctx: Any, c: torch.Tensor) -> tuple[Any, ...]:
    (taps,) = ctx.saved_tensors
    origin, axes, first, stop, mode, _cval, method, accuracy, workers, key = ctx.rest
    sizes = taps.shape
    low, high = [], []
    for axis, a, b, at, size in zip(axes, first, stop, origin, sizes, strict=True):
        length = ctx.shape[axis]
        # Where nothing stands beyond the border, nothing is to be given back there.
        low.append(0 if mode == "constant" else min(0, a - at))
        high.append(length if mode == "constant" else max(length, b + size - 1 - at))
    key = key.removesuffix(_FLIPPED) if key.endswith(_FLIPPED) else key + _FLIPPED
    flipped, lag_zero = (
        taps.flip([*range(taps.ndim)]),
        [size - 1 - at for size, at in zip(sizes, origin, strict=True)],
    )
    region = [[n - a for n, a in zip(edge, first, strict=True)] for edge in (low, high)]
    found = linear(c, flipped, lag_zero, axes, region[0], region[1], "constant", 0.0, method, accuracy, workers, key)
    order = [axis for axis in range(c.ndim) if axis not in axes] + [*axes]
    lengths = [ctx.shape[axis] for axis in axes]
    folded = fold(found.permute(order), low, lengths, mode)
    return folded.permute(np.argsort(order).tolist()), *[None] * 11


def _jvp(ctx: Any, x: torch.Tensor, *_: None) -> torch.Tensor:
    _, taps = ctx.saved_tensors
    origin, axes, first, stop, mode, _cval, *rest = ctx.rest
    return linear(x, taps, origin, axes, first, stop, mode, 0.0, *rest)


def _fake(x: Any, taps: Any, origin: Any, axes: Any, first: Any, stop: Any, *_: Any) -> torch.Tensor:
    return x.new_empty(_shape(x, axes, first, stop))  # type: ignore[no-any-return]


def _vmap(info: Any, dims: Any, x: Any, taps: Any, origin: Any, axes: Any, *rest: Any) -> tuple[torch.Tensor, int]:
    x = x.movedim(dims[0], 0)
    return linear(x, taps, origin, [axis + 1 for axis in axes], *rest), 0


linear = differentiable(
    "faltung::linear",
    _linear,
    tensors=1,
    fake=_fake,
    keep=_keep,
    backward=_backward,
    tangent=_jvp,
    vmap=_vmap,
)
