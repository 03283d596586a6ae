"""How is a tensor filtered by a kernel that is a value? As a linear map of the tensor, registered with torch.

    y[n] = sum over m of taps[m] * x[n + m - origin]        for all n of a region

The gradient with respect to x is the same map with the reversed taps, applied to the gradient with respect to y,
which is zero outside of the region. What it yields for positions beyond the border is added to the samples that are
copied there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from faltung.ground.boundary import by_axis
from faltung.ground.bounded import SMALL, Bounded
from faltung.ground.regions import covered
from faltung.kernels import Kernel
from faltung.planning.kept import plan_problem
from faltung.planning.problem import Problem
from faltung.tensors.calling import differentiable
from faltung.tensors.device_plan import filter_plan
from faltung.tensors.dtypes import computed, constant
from faltung.tensors.extension import fold
from faltung.tensors.ways import machine_code

__all__ = ["linear", "note_kernel"]

#: Kernels of recent calls, and their taps. A graph holds the taps only; with the expression, plans are cheaper.
_kernels: Bounded[str, tuple[Kernel, torch.Tensor]] = Bounded(256, 1 << 26)
#: The end of the key of a reversed kernel.
_FLIPPED = " flipped"
_CPU = torch.device("cpu")


def note_kernel(kernel: Kernel) -> tuple[str, torch.Tensor]:
    """Keep a kernel, and return what a graph holds of it: its key and its taps."""
    key = kernel.fingerprint.hex()
    kept = _kernels.get(key)
    if kept is None:
        kept = _kernels.put(key, (kernel, constant(lambda: kernel.taps, _CPU)), 4 * kernel.taps.nbytes + SMALL)
    return key, kept[1]


def _kernel(key: str, taps: torch.Tensor, origin: Sequence[int]) -> Kernel:
    """Return the kernel of a key, or, where it is no longer kept, one with the same taps."""
    kept = _kernels.get(key.removesuffix(_FLIPPED))
    if kept is None:
        return Kernel(taps.numpy(), tuple(origin))
    return kept[0].flip() if key.endswith(_FLIPPED) else kept[0]


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
    mode : str
        The modes of the axes, as `faltung.ground.boundary.spelled` writes them.
    cval, method, accuracy
        As for `faltung.convolve`.
    workers : int
        Number of threads; 0 for the default.
    key : str
        The key of the kernel, from `note_kernel`.
    """
    if 0 in (shape := _shape(x, axes, first, stop)):
        return x.new_empty(shape)
    kernel = _kernel(key, taps, origin)
    regions, modes = tuple(zip(first, stop, strict=True)), by_axis(mode, len(axes))
    if x.device.type != "cpu":
        how = (modes, cval, method, accuracy, x.dtype, x.device)
        return filter_plan(kernel, tuple(x.shape), tuple(axes), regions, *how)(x)
    kind = computed(x.dtype)
    samples = x.detach().to(kind).numpy()
    place = (samples.shape, samples.dtype, kernel, False, tuple(axes), modes, cval, regions, samples.dtype, accuracy)
    plan = plan_problem(Problem(*place), method)
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
    if 0 in c.shape:
        return c.new_zeros(ctx.shape), None, *[None] * len(ctx.rest)
    origin, axes, first, stop, mode, _cval, method, accuracy, workers, key = ctx.rest
    sizes = taps.shape
    low, high, modes = [], [], by_axis(mode, len(axes))
    for axis, a, b, at, size, along in zip(axes, first, stop, origin, sizes, modes, strict=True):
        length = ctx.shape[axis]
        # Zeros beyond the border have no gradient; copies of samples have.
        edges = (0, length) if along == "constant" else covered(a - at, b + size - 1 - at, length)
        low.append(edges[0])
        high.append(edges[1])
    key = key.removesuffix(_FLIPPED) if key.endswith(_FLIPPED) else key + _FLIPPED
    flipped = taps.flip([*range(taps.ndim)])
    lag_zero = [size - 1 - at for size, at in zip(sizes, origin, strict=True)]
    region = [[n - a for n, a in zip(edge, first, strict=True)] for edge in (low, high)]
    how = ("constant", 0.0, method, accuracy, workers, key)
    extended = linear(c, flipped, lag_zero, axes, *region, *how)
    order = [axis for axis in range(c.ndim) if axis not in axes] + [*axes]
    lengths = [ctx.shape[axis] for axis in axes]
    folded = fold(extended.permute(order), low, lengths, modes)
    return folded.permute(np.argsort(order).tolist()), None, *[None] * len(ctx.rest)


def _jvp(ctx: Any, x: torch.Tensor, *_: None) -> torch.Tensor:
    _, taps = ctx.saved_tensors
    origin, axes, first, stop, mode, _cval, *rest = ctx.rest
    return linear(x, taps, origin, axes, first, stop, mode, 0.0, *rest)


def _fake(x: Any, taps: Any, origin: Any, axes: Any, first: Any, stop: Any, *_: Any) -> torch.Tensor:
    return x.new_empty(_shape(x, axes, first, stop))  # type: ignore[no-any-return]


def _vmap(info: Any, dims: Any, x: Any, taps: Any, origin: Any, axes: Any, *rest: Any) -> tuple[torch.Tensor, int]:
    x = x.movedim(dims[0], 0)
    return linear(x, taps, origin, [axis + 1 for axis in axes], *rest), 0


def _flops(x: Any, taps: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    outputs, products = math.prod(out_shape), math.prod(taps)
    return int(2 * outputs * products)


linear = differentiable(
    "faltung::linear",
    _linear,
    tensors=1,
    fake=_fake,
    keep=_keep,
    backward=_backward,
    tangent=_jvp,
    vmap=_vmap,
    flops=_flops,
)
