"""Which input excites a channel most? Found from noise by steps along the gradient, within the range of the data."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from faltung.errors import ArgumentError
from faltung.inspect.input_samples import InputSamples
from faltung.inspect.layer_rows import LayerRow
from faltung.kernels import binomial

__all__ = ["Ascended", "ascended"]

#: Length of a step and of the noise at the start, in deviations of the data; part that is lost in each step.
_STEP, _NOISE, _DECAY = 0.3, 0.1, 0.05
#: Longest side of an input, for networks that take a smaller one.
_LONGEST = 96
#: Order of each binomial kernel that smooths gradients, and the smallest receptive field that it is used for.
_SCALES = ((2, 8), (8, 16), (32, 32))
#: Receptive fields that are so large are moved while they grow.
_JITTERED = 16


class Ascended(NamedTuple):
    r"""An input that excites a channel.

    Parameters
    ----------
    values : array, shape (channels, \*spatial)
        The part of it that the output depends on.
    response : float
        What the channel answers.
    steps : int
        Number of steps.
    """

    values: NDArray[np.float32]
    response: float
    steps: int


class _Range(NamedTuple):
    """Mean, deviation and limits of the data, for each channel, in the shape of one sample."""

    mean: torch.Tensor
    deviation: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor


class _ReachedLayer(Exception):
    """The layer has run: what comes behind it is not needed."""


def ascended(
    samples: InputSamples, module: nn.Module, row: LayerRow, channels: Sequence[int], steps: int, seed: int = 0
) -> list[Ascended]:
    """Return for each channel an input that excites its output in the middle.

    From weak noise around the mean of the data, each step goes along the gradient, in units of its root mean square,
    and loses 5 % of the distance from the mean (a penalty on the squared norm). Values stay within the range of the
    data, channel by channel. If the output depends on a large part, gradients that binomial kernels of several sizes
    have smoothed are added to it, and the input moves by some positions in each step, so that the pattern is not
    tuned to single samples.

    Parameters
    ----------
    samples : InputSamples
        The data.
    module : torch.nn.Module
        The layer.
    row : LayerRow
        The same layer, as it ran.
    channels : sequence of int
        Numbers of channels.
    steps : int
        Number of steps.
    seed : int, optional
        Of noise and moves.

    References
    ----------
    C. Olah, A. Mordvintsev, L. Schubert, "Feature visualization", Distill, 2017.

    Examples
    --------
    See `faltung.inspect.report_card.card`.
    """
    shape = tuple(samples.values.shape[1:])
    smaller = (shape[0], *(min(length, _LONGEST) for length in shape[1:])) if len(shape) > 1 else shape
    climb = _Climb(samples, module, row)
    try:
        return climb(smaller, channels, steps, seed)
    except ArgumentError:
        if smaller == shape:
            raise
    return climb(shape, channels, steps, seed)


class _Climb:
    """Climbs the response of a layer."""

    def __init__(self, samples: InputSamples, module: nn.Module, row: LayerRow) -> None:
        self._network, self._module, self._row = samples.network, module, row
        self._whole = samples.values
        self._alone = samples.network.batch_size == 1

    def __call__(self, shape: tuple[int, ...], channels: Sequence[int], steps: int, seed: int) -> list[Ascended]:
        if self._alone:
            return [self._climbed(shape, [number], steps, seed)[0] for number in channels]
        return self._climbed(shape, channels, steps, seed)

    def _climbed(self, shape: tuple[int, ...], channels: Sequence[int], steps: int, seed: int) -> list[Ascended]:
        generator = torch.Generator().manual_seed(seed)
        limits = _range_of(self._whole)
        noise = torch.randn(len(channels), *shape, generator=generator).to(self._whole)
        x = limits.mean + _NOISE * limits.deviation * noise
        _, gradient = self._response(x, channels)
        boxes = [_box(one) for one in gradient]
        field = min((end - start for box in boxes for start, end in box), default=1)
        for _ in range(steps):
            shift = [int(torch.randint(-2, 3, (), generator=generator)) * (field >= _JITTERED) for _ in shape[1:]]
            axes = tuple(range(2, x.ndim))
            moved = torch.roll(x, shift, axes) if axes else x
            _, gradient = self._response(moved, channels)
            gradient = torch.roll(gradient, [-each for each in shift], axes) if axes else gradient
            if axes and len(axes) <= 3:
                gradient = _smoothed(gradient, len(axes), field)
            x = limits.mean + (1 - _DECAY) * (x - limits.mean) + _STEP * limits.deviation * _scaled(gradient)
            x = torch.minimum(torch.maximum(x, limits.low), limits.high)
        responses, _ = self._response(x, channels)
        return [
            Ascended(_cut(one, box), float(response), steps)
            for one, box, response in zip(x, boxes, responses, strict=True)
        ]

    def _response(self, x: torch.Tensor, channels: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what each channel answers to its input, and the gradients."""
        kept: list[torch.Tensor] = []

        def keep(module: nn.Module, args: Any, output: torch.Tensor) -> None:
            kept.append(output)
            raise _ReachedLayer

        handle = self._module.register_forward_hook(keep)
        try:
            with torch.enable_grad():
                leaf = x.detach().requires_grad_()
                with suppress(_ReachedLayer):
                    self._network(leaf)
                values = torch.stack([self._middle(kept[0], place, one) for place, one in enumerate(channels)])
                gradient = None
                if values.requires_grad:
                    (gradient,) = torch.autograd.grad(values.sum(), leaf, allow_unused=True)
        finally:
            handle.remove()
        return values.detach(), torch.zeros_like(x) if gradient is None else gradient.nan_to_num(0.0, 0.0, 0.0)

    def _middle(self, output: torch.Tensor, sample: int, channel: int) -> torch.Tensor:
        axis = output.ndim - 1 if self._row.channels is None else self._row.channels
        one = output[sample].movedim(axis - 1, 0)[channel]
        return one[tuple(length // 2 for length in one.shape)]


def _range_of(values: torch.Tensor) -> _Range:
    """Return mean, deviation and limits of data; of constant data some that are as good as any."""
    axes = [axis for axis in range(values.ndim) if axis != 1] if values.ndim > 2 else [0, 1]
    whole = values.double()
    mean, deviation = whole.mean(axes, keepdim=True), whole.std(axes, correction=0, keepdim=True)
    low, high = whole.amin(axes, keepdim=True), whole.amax(axes, keepdim=True)
    flat = deviation <= 1e-9 * high.abs().clamp_min(1e-30)
    deviation = torch.where(flat, 1.0, deviation)
    low, high = torch.where(flat, mean - 3, low), torch.where(flat, mean + 3, high)
    return _Range(*(each.to(values) for each in (mean, deviation, low, high)))


def _scaled(gradient: torch.Tensor) -> torch.Tensor:
    """Return gradients in units of their root mean square over the elements that are not zero."""
    rest = tuple(range(1, gradient.ndim))
    count = (gradient != 0).sum(rest, keepdim=True).clamp_min(1)
    size = (gradient.double().square().sum(rest, keepdim=True) / count).sqrt().clamp_min(1e-300)
    return (gradient.double() / size).to(gradient)


def _smoothed(gradient: torch.Tensor, axes: int, field: int) -> torch.Tensor:
    """Return the mean of a gradient at several scales, each in units of its own root mean square."""
    orders = [order for order, smallest in _SCALES if field >= smallest]
    whole = [_scaled(gradient)] if not orders else []
    for order in orders:
        smooth: Any = binomial(order, ndim=axes)(gradient, "nearest")
        whole.append(_scaled(torch.as_tensor(smooth)))
    return torch.stack(whole).mean(0)


def _box(gradient: torch.Tensor) -> list[tuple[int, int]]:
    """Return, along each spatial axis, the first position where a gradient is not zero, and that behind the last."""
    seen = gradient != 0
    if seen.ndim > 1:
        seen = seen.any(0)
    box = []
    for axis, length in enumerate(seen.shape):
        others = [other for other in range(seen.ndim) if other != axis]
        places = (seen.any(others) if others else seen).nonzero()[:, 0] if others or seen.ndim else seen
        box.append((int(places[0]), int(places[-1]) + 1) if len(places) else (0, length))
    return box


def _cut(values: torch.Tensor, box: Sequence[tuple[int, int]]) -> NDArray[np.float32]:
    part = tuple(slice(start, end) for start, end in box)
    whole = values[(slice(None), *part)] if values.ndim > 1 else values[part]
    return whole.detach().float().cpu().numpy().copy()
