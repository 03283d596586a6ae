"""How is the rate of any array changed along an axis? The phases of the taps are channels, which are put in order."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ArgumentError
from faltung.front import convolve
from faltung.ground.arrays import is_masked_array, is_tensor
from faltung.kernels import Bank, Kernel
from faltung.kernels.phases import phase_banks

__all__ = ["RateStep", "with_rate"]

#: Most phases for which an axis is filtered together with the last one. More of them are neighbours enough.
_FEW_PHASES = 8


class RateStep(NamedTuple):
    """A filter that changes the rate along one axis.

    Parameters
    ----------
    kernel : Kernel
        The taps at `up` times the rate of the samples. The tap at the origin is that of the sample itself.
    up, down : int
        Zeros are put between samples, `up` - 1 of them; and each `down`-th output is kept, from the first one on.
    length : int
        Number of outputs, at most ``ceil(n / down) * up`` for n samples.
    """

    kernel: Kernel
    up: int
    down: int
    length: int


def with_rate(x: Any, step: RateStep, axis: int, **options: Any) -> Any:
    """Return ``y[t] = sum over k of kernel.taps[t * down + kernel.origin - k * up] * x[k]`` along one axis.

    Parameters
    ----------
    x : array
        An array without labels that can be indexed and reshaped.
    step : RateStep
        The filter.
    axis : int
        The axis, not negative.
    **options
        Arguments of `faltung.convolve` besides.
    """
    if not all(x.shape):
        raise ArgumentError("x", "an array with samples", f"shape {tuple(x.shape)}")
    if step.up == 1:
        y = _Filter(axis, None, step.down, options)(x, step.kernel.taps, step.kernel.origin[0])
    else:
        y = _phases(x, step, axis, options)
        y = y.reshape((*y.shape[:axis], y.shape[axis] * step.up, *y.shape[axis + 2 :]))
    return y if y.shape[axis] == step.length else y[(slice(None),) * axis + (slice(step.length),)]


class _Filter(NamedTuple):
    """The arguments of `convolve` besides array and taps."""

    axis: int
    channel_axis: int | None
    stride: int
    options: dict[str, Any]

    def __call__(self, x: Any, taps: NDArray[Any], origin: int, out: Any = None) -> Any:
        """Filter along the axis; together with the last axis, whose samples are neighbours in memory."""
        last = len(x.shape) - 1
        plane = last not in (self.axis, self.channel_axis) and (self.channel_axis is None or len(taps) <= _FEW_PHASES)
        axes = (self.axis, last) if plane else (self.axis,)
        taps, at = (taps[..., np.newaxis], (origin, 0)) if plane else (taps, (origin,))
        kernel = Kernel(taps, at) if self.channel_axis is None else Bank(taps, at)
        stride = (self.stride, 1)[: len(axes)]
        return convolve(x, kernel, axes=axes, channel_axis=self.channel_axis, stride=stride, out=out, **self.options)


def _phases(x: Any, step: RateStep, axis: int, options: dict[str, Any]) -> Any:
    """Return the outputs with the phases on an axis of their own, behind that of time."""
    channels = axis + 1
    x = x.reshape((*x.shape[:channels], 1, *x.shape[channels:]))
    itemsize = max(4, int(x.dtype.itemsize))
    banks = phase_banks(step.kernel.taps, step.up, step.down, step.kernel.origin[0], itemsize)
    filtered = _Filter(axis, channels, step.down, options)
    first = filtered(x, banks[0].taps, -banks[0].lag)
    if len(banks) == 1:
        return first
    if type(first) is not np.ndarray:
        return _joined([first, *(filtered(x, bank.taps, -bank.lag) for bank in banks[1:])], channels)
    y = np.empty((*first.shape[:channels], step.up, *first.shape[channels + 1 :]), first.dtype)
    before = (slice(None),) * channels
    y[(*before, slice(first.shape[channels]))] = first
    for bank in banks[1:]:
        filtered(x, bank.taps, -bank.lag, y[(*before, slice(bank.first, bank.first + len(bank.taps)))])
    return y


def _joined(parts: list[Any], axis: int) -> Any:
    """Return arrays of any library one behind the other."""
    if is_tensor(parts[0]):
        return sys.modules["torch"].cat(parts, axis)
    if is_masked_array(parts[0]):
        return np.ma.concatenate(parts, axis)  # type: ignore[no-untyped-call]
    namespace = getattr(parts[0], "__array_namespace__", None)
    return np.concatenate(parts, axis) if namespace is None else namespace().concat(parts, axis=axis)
