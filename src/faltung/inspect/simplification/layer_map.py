"""What does a layer without a nonlinearity compute? A value with taps, bias and steps, and the algebra of values.

A layer of torch correlates. A bank of this package convolves, but the products and sums of reflected banks are the
reflected products and sums, so the algebra of `faltung.Bank` is used on the weights as they are.
"""

from __future__ import annotations

import functools
import math
import operator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.kernels import Bank

__all__ = ["LayerMap", "NotExactError", "composed", "identity_like", "scaled_after", "scaled_before", "summed"]

#: A merged layer may need so many times the multiply-adds of the layers that it replaces.
MOST_WORK = 1.5

Array = NDArray[Any]


class NotExactError(Exception):
    """Two maps have no merged map that is equal to them for every input; the message says why."""


@dataclass(frozen=True)
class LayerMap:
    r"""A convolutional layer: ``y = correlate(extended x, weight) + bias``; without axes, a fully connected layer.

    Parameters
    ----------
    weight : ndarray
        Taps, of shape (channels out, channels in of a group, \*spatial); of a transposed layer, as torch has them:
        (channels in, channels out of a group, \*spatial).
    bias : ndarray
        One number for each channel out.
    stride, padding, dilation : tuple of int
        For each spatial axis. `padding` is that at both ends.
    groups : int
        Number of groups of channels.
    transposed : bool
        Whether the map is the transposed one.
    mode : str
        How the padding is filled, in torch's words.
    """

    weight: Array
    bias: Array
    stride: tuple[int, ...] = ()
    padding: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1
    transposed: bool = False
    mode: str = "zeros"

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of taps along each axis."""
        return self.weight.shape[2:]

    @property
    def channels(self) -> tuple[int, int]:
        """Channels in and out."""
        first, second = self.weight.shape[:2]
        return (first, second * self.groups) if self.transposed else (second * self.groups, first)

    @property
    def pads(self) -> bool:
        """Whether outputs read beyond the border."""
        return any(self.padding)

    @property
    def is_pointwise(self) -> bool:
        """Whether each output reads one position, and each position has one output."""
        return not self.pads and all(size == 1 for size in self.sizes) and {*self.stride} <= {1}

    def work(self, outputs: int) -> int:
        """Multiply-adds for this many output positions; of a transposed layer, for as many input positions."""
        return outputs * self.weight.size


def scaled_after(layer: LayerMap, scale: Array, shift: Array) -> LayerMap:
    """Return ``scale * layer(x) + shift``, with one number of each for each channel out."""
    if layer.transposed:  # axis 0 is the channels in, group by group; axis 1 the channels out of the group
        per_group = scale.reshape(layer.groups, 1, -1)
        shape = (layer.groups, -1, *layer.weight.shape[1:])
        ones = (1,) * len(layer.sizes)
        weight = layer.weight.reshape(shape) * per_group.reshape(*per_group.shape, *ones)
        weight = weight.reshape(layer.weight.shape)
    else:
        weight = layer.weight * scale.reshape(-1, *[1] * (layer.weight.ndim - 1))
    return replace(layer, weight=weight, bias=layer.bias * scale + shift)


def scaled_before(layer: LayerMap, scale: Array, shift: Array) -> LayerMap:
    """Return ``layer(scale * x + shift)``, with one number of each for each channel in."""
    if layer.transposed:
        raise NotExactError("a transposed layer adds up a different number of taps at its border, so a shift stays")
    if layer.pads and layer.mode == "zeros" and shift.any():
        raise NotExactError("the layer pads with zeros, which the shift before it does not change")
    group_in = layer.weight.shape[1]
    ones = (1,) * len(layer.sizes)
    group_of = np.arange(len(layer.weight)) // (len(layer.weight) // layer.groups)
    scales, shifts = (each.reshape(layer.groups, group_in, *ones)[group_of] for each in (scale, shift))
    axes = tuple(range(1, layer.weight.ndim))
    return replace(layer, weight=layer.weight * scales, bias=layer.bias + (layer.weight * shifts).sum(axes))


def composed(first: LayerMap, second: LayerMap) -> LayerMap:
    """Return ``second(first(x))`` as one map, where that is exact at the border too."""
    if first.transposed or second.transposed:
        raise NotExactError("one of the layers is transposed")
    padding, mode = _padding_of_both(first, second)
    groups = math.gcd(first.groups, second.groups)
    if groups == first.groups == second.groups == first.channels[0] == first.channels[1] == second.channels[1]:
        blocks = groups
    else:
        blocks = groups if first.groups == second.groups else 1
    # Taps of the second layer are as far apart as the first one's outputs.
    spread = _spread(second, tuple(step * gap for step, gap in zip(first.stride, second.dilation, strict=True)))
    weights = [
        _product(after, before)
        for after, before in zip(_blocks(second, spread, blocks), _blocks(first, _spread(first), blocks), strict=True)
    ]
    weight = np.concatenate(weights)
    sums = second.weight.sum(tuple(range(2, second.weight.ndim)))
    constant = (sums * _bias_of_inputs(second, first.bias)).sum(1)
    return LayerMap(
        weight,
        second.bias + constant,
        tuple(a * b for a, b in zip(first.stride, second.stride, strict=True)),
        padding,
        (1,) * len(first.sizes),
        blocks,
        mode=mode,
    )


def summed(maps: list[LayerMap]) -> LayerMap:
    """Return the sum of maps of one input as one map: taps at the same lag are added."""
    first = maps[0]
    mode = _common_mode(maps)
    axes = range(len(first.sizes))
    lags = [[_lags(each, axis) for each in maps] for axis in axes]
    if any(len({low + high for low, high in axis}) > 1 for axis in lags):
        raise NotExactError("the windows of the branches have different centres")
    reach = [(min(low for low, _ in axis), max(high for _, high in axis)) for axis in lags]
    groups = math.gcd(*(each.groups for each in maps))
    banks = [Bank(_ungrouped(each, _spread(each), groups), origin=each.padding) for each in maps]
    total = functools.reduce(operator.add, banks)
    # A sum of banks has the taps that any of them has; taps of zero at the ends are put back.
    weight = np.zeros((*total.taps.shape[:2], *(high - low + 1 for low, high in reach)))
    ends = zip(reach, total.origin, total.shape, strict=True)
    places = (slice(-low - at, -low - at + size) for (low, _), at, size in ends)
    weight[(slice(None), slice(None), *places)] = total.taps.real
    bias = np.sum([each.bias for each in maps], axis=0)
    return LayerMap(weight, bias, first.stride, tuple(-low for low, _ in reach), (1,) * len(axes), groups, mode=mode)


def _common_mode(maps: list[LayerMap]) -> str:
    """Return how all maps that pad do so, or raise an error if they cannot be added up."""
    if any(each.transposed for each in maps):
        raise NotExactError("one of the branches is transposed")
    if len({each.stride for each in maps}) > 1:
        raise NotExactError("the branches have different strides")
    modes = {each.mode for each in maps if each.pads}
    if len(modes) > 1:
        raise NotExactError("the branches pad in different ways")
    return modes.pop() if modes else "zeros"


def identity_like(layer: LayerMap, scale: Array, shift: Array) -> LayerMap:
    """Return ``scale * x + shift`` as a map that can be added to `layer`, in as many groups."""
    count_in, count_out = layer.channels
    if count_in != count_out or {*layer.stride} - {1}:
        raise NotExactError("the layer beside the identity changes the number of channels or positions")
    ones = (1,) * len(layer.sizes)
    group_in = count_in // layer.groups
    weight = np.zeros((count_out, group_in, *ones))
    weight[np.arange(count_out), np.arange(count_out) % group_in] = scale.reshape(-1, *ones)
    return LayerMap(weight, shift, ones, (0,) * len(ones), ones, layer.groups)


def _product(after: Array, before: Array) -> Array:
    """Return the taps of the product of two banks; those of fully connected layers have one tap at lag zero."""
    lag = () if after.ndim > 2 else (1,)
    product = Bank(after.reshape(after.shape + lag)) * Bank(before.reshape(before.shape + lag))
    return product.taps.real.reshape(product.taps.shape[: after.ndim])


def _padding_of_both(first: LayerMap, second: LayerMap) -> tuple[tuple[int, ...], str]:
    """Return the padding of two layers in turn, or raise an error if no padding has their effect."""
    if not second.pads:
        return first.padding, first.mode
    added = tuple(a + step * b for a, step, b in zip(first.padding, first.stride, second.padding, strict=True))
    if second.mode == "zeros":
        if first.is_pointwise and not first.bias.any():
            return added, "zeros"
        why = "the second layer pads with zeros what the first one would have computed beyond the border"
        raise NotExactError(f"{why}: equal inside, different along the border")
    circular = second.mode == "circular" and (not first.pads or first.mode == "circular")
    if first.is_pointwise or (circular and {*first.stride} <= {1} and _keeps_length(first)):
        return added, second.mode
    raise NotExactError(f"the second layer pads its own input ({second.mode}), which differs along the border")


def _keeps_length(layer: LayerMap) -> bool:
    spans = zip(layer.sizes, layer.padding, layer.dilation, strict=True)
    return all(2 * padding == (size - 1) * gap for size, padding, gap in spans)


def _spread(layer: LayerMap, gaps: tuple[int, ...] | None = None) -> Array:
    """Return the taps with the zeros between them that a dilation means."""
    gaps = layer.dilation if gaps is None else gaps
    sizes = tuple((size - 1) * gap + 1 for size, gap in zip(layer.sizes, gaps, strict=True))
    weight = np.zeros((*layer.weight.shape[:2], *sizes))
    weight[(slice(None), slice(None), *(slice(None, None, gap) for gap in gaps))] = layer.weight
    return weight


def _ungrouped(layer: LayerMap, weight: Array, groups: int) -> Array:
    """Return weights of a layer for fewer groups, with zeros between channels that were in different groups."""
    if layer.groups == groups:
        return weight
    parts = layer.groups // groups  # so many old groups are in a new one
    out, inside = len(weight) // layer.groups, weight.shape[1]
    wider = np.zeros((len(weight), inside * parts, *weight.shape[2:]))
    for group, part in product(range(groups), range(parts)):
        rows = slice((group * parts + part) * out, (group * parts + part + 1) * out)
        wider[rows, part * inside : (part + 1) * inside] = weight[rows]
    return wider


def _blocks(layer: LayerMap, weight: Array, groups: int) -> list[Array]:
    """Return the weights of each group, for fewer groups than the layer has."""
    return np.split(_ungrouped(layer, weight, groups), groups)


def _bias_of_inputs(layer: LayerMap, bias: Array) -> Array:
    """Return for each channel out the biases of the channels in that it reads."""
    group_of = np.arange(len(layer.weight)) // (len(layer.weight) // layer.groups)
    return bias.reshape(layer.groups, -1)[group_of]


def _lags(layer: LayerMap, axis: int) -> tuple[int, int]:
    """Return the first and last position that an output reads, relative to its own."""
    return -layer.padding[axis], (layer.sizes[axis] - 1) * layer.dilation[axis] - layer.padding[axis]
