"""A layer by Fourier transforms, those of torch, on every device: products in place of sums over taps.

An axis that is long beside the taps is cut into tiles that overlap (overlap-save), so that the transforms stay short.
Tiles are one more axis of the batch:

    samples   |------ tile 0 ------|
                             |------ tile 1 ------|      as many as a transform is long
    outputs   |--- tile 0 ---|--- tile 1 ---|            fewer, by the samples that the taps reach ahead

The transform of a tile is shared by all channels out. Products are added up over channels in before the only
transform back.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from functools import lru_cache

import torch

from faltung.planning.layer import Axis, Layer
from faltung.tensors.dtypes import computed
from faltung.tensors.extension import extend
from faltung.tensors.ways.adjoint_layer import adjoint_by

__all__ = ["MANY_TAPS", "adjoint", "correlate", "refusal", "taps", "tile_lengths"]

#: Fewest taps for which a Fourier transform is considered, unless it is asked for.
MANY_TAPS = 64


def refusal(layer: Layer, part: str, device: torch.device, dtype: torch.dtype) -> str:
    """Return why this cannot compute a part of a layer, or an empty string if it can."""
    del layer, part
    if not dtype.is_floating_point:
        return "the numbers are not real"
    if device.type == "meta":
        return "there are no numbers"
    return ""


def correlate(layer: Layer, x: torch.Tensor, w: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Correlate with a bank of taps."""
    kind = computed(x.dtype)
    tiles, sizes, steps = _tiles(layer, x.to(kind))
    spectra = torch.fft.rfftn(tiles, dim=_last(layer))
    kernels = torch.fft.rfftn(_dilated(layer, w.to(kind)), s=sizes, dim=_last(layer)).conj()
    # Axes: images, groups, channels out, channels in, tiles, frequencies.
    shape = (layer.groups, layer.outs, layer.ins, *[1] * len(sizes), *kernels.shape[2:])
    spectra = spectra.unflatten(1, (layer.groups, layer.ins))
    product = _product(spectra, kernels.reshape(shape))
    outputs = torch.fft.irfftn(product.flatten(1, 2), s=sizes, dim=_last(layer))
    y = _joined(layer, outputs, steps)
    return y if bias is None else y + bias.to(kind).reshape(-1, *[1] * len(sizes))


def adjoint(layer: Layer, g: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Return the gradient with respect to the samples."""
    return adjoint_by(correlate, _unit(layer), _unit_gradient(layer, g), w)


def taps(layer: Layer, x: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """Return the gradient with respect to the taps."""
    kind = computed(x.dtype)
    tiles, sizes, steps = _tiles(layer, x.to(kind))
    spectra = torch.fft.rfftn(tiles, dim=_last(layer)).unflatten(1, (layer.groups, layer.ins))
    g = _unit_gradient(layer, g.to(kind))
    for axis, step in enumerate(steps, 2):
        g = _cut(g, axis, -(-g.shape[axis] // step), step, step)
    others = torch.fft.rfftn(g, s=sizes, dim=_last(layer)).conj().unflatten(1, (layer.groups, layer.outs))
    # Sum over images and tiles, for every group, channel out, channel in and frequency.
    many = len(sizes)
    a = others.movedim(0, 2).flatten(2, 2 + many).flatten(3)
    b = spectra.movedim(0, 2).flatten(2, 2 + many).flatten(3)
    if layer.ins == layer.outs == 1:
        total = (a * b).sum(dim=2, keepdim=True)
    else:
        total = torch.matmul(a.permute(0, 3, 1, 2), b.permute(0, 3, 2, 1)).permute(0, 2, 3, 1)
    frequencies = spectra.shape[-many:]
    total = total.reshape(layer.groups * layer.outs, layer.ins, *frequencies)
    lags: torch.Tensor = torch.fft.irfftn(total, s=sizes, dim=_last(layer))
    at_taps = [slice(0, axis.dilation * (axis.size - 1) + 1, axis.dilation) for axis in layer.axes]
    return lags[(slice(None), slice(None), *at_taps)]


@lru_cache(maxsize=4096)
def tile_lengths(axis: Axis) -> tuple[int, int]:
    """Length of the transforms along an axis, and outputs (of unit stride) of each tile.

    Examples
    --------
    >>> tile_lengths(Axis(length=100_000, size=1000, outputs=99_001)), tile_lengths(Axis(64, 31, -15, 64))
    ((8192, 7193), (96, 66))
    """
    reach = axis.dilation * (axis.size - 1)
    outputs = axis.stride * (axis.outputs - 1) + 1
    whole = _fast(outputs + reach)
    tile = max(256, 2 ** math.ceil(math.log2(6 * reach + 1)))
    length = whole if whole <= 2 * tile else tile
    return length, length - reach


def _fast(least: int) -> int:
    """Return the next length that is a product of twos, threes and fives, and even."""
    best: int = 2 ** math.ceil(math.log2(max(least, 2)))
    five = 1
    while five < best:
        three = five
        while three < best:
            n = 2 * three
            while n < least:
                n *= 2
            best = min(best, n)
            three *= 3
        five *= 5
    return best


def _last(layer: Layer) -> list[int]:
    return [*range(-len(layer.axes), 0)]


def _unit(layer: Layer) -> Layer:
    """Return the layer with unit strides, which also has the outputs that the strides of `layer` skip."""
    axes = tuple(replace(axis, outputs=axis.stride * (axis.outputs - 1) + 1, stride=1) for axis in layer.axes)
    return Layer(layer.images, layer.groups, layer.ins, layer.outs, axes)


def _tiles(layer: Layer, x: torch.Tensor) -> tuple[torch.Tensor, list[int], list[int]]:
    """Cut the extended input into tiles: one axis for each spatial axis, before those of their samples."""
    x = extend(x, [axis.start for axis in layer.axes], [axis.stop for axis in layer.axes], layer.modes)
    sizes, steps = zip(*(tile_lengths(axis) for axis in layer.axes), strict=True)
    for k, (axis, size, step) in enumerate(zip(layer.axes, sizes, steps, strict=True), 2):
        outputs = axis.stride * (axis.outputs - 1) + 1
        x = _cut(x, k, -(-outputs // step), step, size)
    return x, [*sizes], [*steps]


def _cut(x: torch.Tensor, axis: int, count: int, step: int, size: int) -> torch.Tensor:
    """Cut an axis into windows: it becomes the axis of windows, and an axis of their samples is appended."""
    missing = (count - 1) * step + size - x.shape[axis]
    if missing > 0:
        x = torch.cat([x, x.new_zeros((*x.shape[:axis], missing, *x.shape[axis + 1 :]))], dim=axis)
    return x.unfold(axis, size, step)


def _joined(layer: Layer, tiles: torch.Tensor, steps: list[int]) -> torch.Tensor:
    """Join the outputs of all tiles, and leave out those that the strides skip.

    Whole tiles are copied at once, and the last one of an axis, which may have fewer outputs, by itself.
    """
    many = len(steps)
    outputs = [axis.stride * (axis.outputs - 1) + 1 for axis in layer.axes]
    y = tiles.new_empty((*tiles.shape[:2], *outputs))
    parts = []
    for count, step in zip(outputs, steps, strict=True):
        whole = count // step
        parts.append([part for part in ((0, whole, step), (whole, 1, count % step)) if part[1] and part[2]])
    for part in itertools.product(*parts):
        source, target = tiles, y
        for k, ((first, number, length), step) in enumerate(zip(part, steps, strict=True)):
            source = source.narrow(2 + k, first, number).narrow(2 + k + many, 0, length)
            target = target.narrow(2 + 2 * k, first * step, number * length)
            target = target.unflatten(2 + 2 * k, (number, length))  # type: ignore[no-untyped-call]
        order = [0, 1, *(place for k in range(2, 2 + many) for place in (k, k + many))]
        target.copy_(source.permute(order))
    every = [slice(None, None, axis.stride) for axis in layer.axes]
    return y[(slice(None), slice(None), *every)].contiguous()


def _dilated(layer: Layer, w: torch.Tensor) -> torch.Tensor:
    """Return the taps with zeros between them, as the dilation says."""
    return _with_zeros(w, layer.dilation)


def _unit_gradient(layer: Layer, g: torch.Tensor) -> torch.Tensor:
    """Return the gradient with respect to the outputs of `_unit(layer)`: zeros for those that the strides skip."""
    return _with_zeros(g, layer.stride)


def _with_zeros(x: torch.Tensor, steps: tuple[int, ...]) -> torch.Tensor:
    if all(step == 1 for step in steps):
        return x
    shape = [step * (length - 1) + 1 for step, length in zip(steps, x.shape[2:], strict=True)]
    spread = x.new_zeros((*x.shape[:2], *shape))
    spread[(slice(None), slice(None), *(slice(None, None, step) for step in steps))] = x
    return spread


def _product(spectra: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    """Sum over channels in of products, frequency by frequency.

    Spectra are (images, groups, channels in, tiles ..., frequencies ...), kernels (groups, channels out, channels in,
    1 ..., frequencies ...).
    """
    many = (spectra.ndim - 3) // 2
    if spectra.shape[2] == 1:
        return spectra * kernels.squeeze(2)
    tiles, frequencies = spectra.shape[3 : 3 + many], spectra.shape[3 + many :]
    a = spectra.flatten(3, 2 + many).flatten(4)  # images, groups, ins, tiles, frequencies
    b = kernels.flatten(3)  # groups, outs, ins, frequencies
    a = a.permute(1, 4, 0, 3, 2).flatten(2, 3)  # groups, frequencies, images x tiles, ins
    total = torch.matmul(a, b.permute(0, 3, 2, 1))  # groups, frequencies, images x tiles, outs
    images = spectra.shape[0]
    total = total.reshape(*total.shape[:2], images, -1, total.shape[-1]).permute(2, 0, 4, 3, 1)
    return total.reshape(images, total.shape[1], total.shape[2], *tiles, *frequencies)
