"""How does noise move towards a sample? Velocity fields: a small convolutional network, and a dense one."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType

import torch
from torch import nn
from torch.nn.functional import group_norm, interpolate, silu

from faltung.errors import ArgumentError
from faltung.layers import Conv
from faltung.networks.standardise import ByChannel, Standardise

__all__ = ["GENERATORS", "ConvGenerator", "DenseGenerator", "VelocityField"]

_GROUP = 8  # channels that are normalised together
_FREQUENCIES = 32
_MOMENT = 128  # length of the vector that describes time and class


class VelocityField(nn.Module):
    """A network v(x, t, class): the velocity of a point x at time t on its path from noise (t = 0) to a sample (1).

    Classes are counted from zero; the number after the last class means any class.

    On the scale of points and velocities, training samples and noise both have mean 0 and standard deviation 1.

    Parameters
    ----------
    sample_shape : sequence of int
        Shape of one sample: ``(channels, *spatial)``.
    classes : int
        Number of classes.
    mean, deviation : float or sequence of float
        Mean and standard deviation of the training samples, of each channel.

    Raises
    ------
    ArgumentError
        If a number is below one.

    Examples
    --------
    >>> field = VelocityField((1, 8, 8), classes=2, mean=0.25, deviation=0.5)
    >>> field.standardise(torch.tensor([0.25, 0.75])), field.restore(torch.tensor([0.0, 1.0]))
    (tensor([0., 1.]), tensor([0.2500, 0.7500]))
    """

    def __init__(self, sample_shape: Sequence[int], classes: int, mean: ByChannel, deviation: ByChannel) -> None:
        super().__init__()
        if min(*sample_shape, classes) < 1:
            received = f"sample_shape={tuple(sample_shape)}, classes={classes}"
            raise ArgumentError("sample_shape", "no number below one", received)
        self.sample_shape = tuple(sample_shape)
        self.classes = classes
        self.standardise = Standardise(mean, deviation, sample_shape[0])
        self.moment = _Moment(classes)

    def restore(self, points: torch.Tensor) -> torch.Tensor:
        """Return points on the scale of the samples."""
        return self.standardise.restore(points)


class ConvGenerator(VelocityField):
    """A convolutional network with levels of fine to coarse resolution, a U-Net.

    From level to level every axis is halved. On the way back to the finest level, the result of each coarser level is
    added to that of the finer one. Each level has residual blocks of two banks; between the two, time and class scale
    and shift every channel.

    Parameters
    ----------
    sample_shape : sequence of int
        Shape of one sample, ``(channels, *spatial)`` with one to three spatial axes.
    classes : int
        Number of classes.
    channels : sequence of int
        Channels of each level, multiples of 8.
    blocks : sequence of int
        Residual blocks of each level, on the way to coarser levels and again on the way back; of the last level once.
    mean, deviation : float or sequence of float
        Of the training samples, of each channel.

    Raises
    ------
    ArgumentError
        If a number is below one, channels are not multiples of 8, or `blocks` and `channels` differ in length.

    References
    ----------
    O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation",
    arXiv:1505.04597, 2015. E. Perez, F. Strub, H. de Vries, V. Dumoulin, A. Courville, "FiLM: Visual Reasoning with a
    General Conditioning Layer", arXiv:1709.07871, 2017. Y. Wu, K. He, "Group Normalization", arXiv:1803.08494, 2018.

    Examples
    --------
    >>> network = ConvGenerator(sample_shape=(3, 15, 20), classes=10, channels=(16, 32), blocks=(1, 1))
    >>> network(torch.zeros(5, 3, 15, 20), torch.zeros(5), torch.zeros(5, dtype=torch.long)).shape
    torch.Size([5, 3, 15, 20])
    """

    def __init__(
        self,
        *,
        sample_shape: Sequence[int],
        classes: int,
        channels: Sequence[int] = (16, 32, 64),
        blocks: Sequence[int] = (1, 1, 2),
        mean: ByChannel = 0.0,
        deviation: ByChannel = 1.0,
    ) -> None:
        super().__init__(sample_shape, classes, mean, deviation)
        ndim = len(sample_shape) - 1
        if ndim not in (1, 2, 3):
            expected = "(channels, *spatial) with one to three spatial axes"
            raise ArgumentError("sample_shape", expected, str(tuple(sample_shape)))
        if not channels or any(number < 1 or number % _GROUP for number in channels):
            raise ArgumentError("channels", f"at least one level, all multiples of {_GROUP}", str(tuple(channels)))
        if len(blocks) != len(channels) or any(number < 1 for number in blocks):
            raise ArgumentError("blocks", f"at least one for each of {len(channels)} levels", str(tuple(blocks)))
        self.arguments = {
            "sample_shape": list(sample_shape),
            "classes": classes,
            "channels": list(channels),
            "blocks": list(blocks),
            "mean": self.standardise.mean.tolist(),
            "deviation": self.standardise.deviation.tolist(),
        }
        self.enter = _convolution(sample_shape[0], channels[0], ndim)
        self.level = _Level(channels, blocks, ndim)
        self.leave = _zero(_convolution(channels[0], sample_shape[0], ndim))
        if ndim == 2:
            self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the stubs

    def forward(self, points: torch.Tensor, times: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Map points ``(samples, channels, *spatial)``, times (samples,) and labels (samples,) to velocities."""
        features = self.level(self.enter(points), self.moment(times, labels))
        velocities: torch.Tensor = self.leave(silu(group_norm(features, features.shape[1] // _GROUP)))
        return velocities


class DenseGenerator(VelocityField):
    """Residual blocks of dense layers, in which every output is a weighted sum of all inputs.

    The blocks are narrower than a sample. So a multiple of the point, which depends on time and class, is added at
    the end: without it, the network could not remove all noise.

    Parameters
    ----------
    sample_shape : sequence of int
        Shape of one sample, ``(channels, *spatial)``.
    classes : int
        Number of classes.
    width : int
        Outputs of each hidden layer, at least two.
    blocks : int
        Residual blocks.
    mean, deviation : float or sequence of float
        Of the training samples, of each channel.

    Raises
    ------
    ArgumentError
        If a number is too small.

    Examples
    --------
    >>> network = DenseGenerator(sample_shape=(1, 28, 28), classes=10, width=64)
    >>> network(torch.zeros(5, 1, 28, 28), torch.zeros(5), torch.zeros(5, dtype=torch.long)).shape
    torch.Size([5, 1, 28, 28])
    """

    def __init__(
        self,
        *,
        sample_shape: Sequence[int],
        classes: int,
        width: int = 256,
        blocks: int = 3,
        mean: ByChannel = 0.0,
        deviation: ByChannel = 1.0,
    ) -> None:
        super().__init__(sample_shape, classes, mean, deviation)
        if width < 2 or blocks < 1:  # a single number cannot be normalised
            raise ArgumentError("width", "at least two, and at least one block", f"width={width}, blocks={blocks}")
        self.arguments = {
            "sample_shape": list(sample_shape),
            "classes": classes,
            "width": width,
            "blocks": blocks,
            "mean": self.standardise.mean.tolist(),
            "deviation": self.standardise.deviation.tolist(),
        }
        inputs = math.prod(sample_shape)
        self.enter = nn.Linear(inputs, width)
        layer = partial(nn.Linear, width, width)
        self.blocks = nn.ModuleList(_Block(layer(), layer(), width, groups=1) for _ in range(blocks))
        self.leave = _zero(nn.Linear(width, inputs))
        self.keep = _zero(nn.Linear(_MOMENT, 1))

    def forward(self, points: torch.Tensor, times: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Map points ``(samples, channels, *spatial)``, times (samples,) and labels (samples,) to velocities."""
        moment = self.moment(times, labels)
        values = points.flatten(1)
        features = self.enter(values)
        for block in self.blocks:
            features = block(features, moment)
        velocities: torch.Tensor = self.leave(silu(group_norm(features, 1))) + self.keep(moment) * values
        return velocities.reshape(points.shape)

    @classmethod
    def width_for(cls, parameters: int, sample_shape: Sequence[int], classes: int) -> int:
        """Return the width of the hidden layers for a network with at most so many parameters.

        Examples
        --------
        >>> DenseGenerator.width_for(302_913, (1, 28, 28), 10)
        94
        """
        widths = range(2, parameters // (2 * math.prod(sample_shape)) + 3)

        def size(width: int) -> int:
            network = cls(sample_shape=sample_shape, classes=classes, width=width)
            return sum(parameter.numel() for parameter in network.parameters())

        return widths[max(0, bisect_right(widths, parameters, key=size) - 1)]


GENERATORS: Mapping[str, type[VelocityField]] = MappingProxyType(
    {cls.__name__: cls for cls in (ConvGenerator, DenseGenerator)}
)
"""The classes of networks that generate samples from noise."""


class _Moment(nn.Module):
    """Time and class as a vector, which is an input of every block."""

    frequencies: torch.Tensor
    rows: torch.Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.time = nn.Sequential(nn.Linear(2 * _FREQUENCIES, _MOMENT), nn.SiLU(), nn.Linear(_MOMENT, _MOMENT))
        self.label = nn.Linear(classes, _MOMENT, bias=False)
        self.register_buffer("frequencies", torch.logspace(0, 3, _FREQUENCIES), persistent=False)
        # A row for each class, and a row of zeros for any class.
        self.register_buffer("rows", torch.eye(classes + 1, classes), persistent=False)

    def forward(self, times: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        angles = times[:, None] * self.frequencies
        waves = torch.cat([angles.sin(), angles.cos()], dim=1)
        return silu(self.time(waves) + self.label(self.rows[labels]))


class _Block(nn.Module):
    """A residual pair of linear maps; between them every channel is normalised, then scaled and shifted."""

    def __init__(self, first: nn.Module, second: nn.Module, channels: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.first = first
        self.second = _zero(second)
        self.modulate = _zero(nn.Linear(_MOMENT, 2 * channels))

    def forward(self, points: torch.Tensor, moment: torch.Tensor) -> torch.Tensor:
        by_channel = self.modulate(moment).chunk(2, dim=1)
        scale, shift = (numbers.reshape(*numbers.shape, *[1] * (points.ndim - 2)) for numbers in by_channel)
        normalised = group_norm(self.first(points), self.groups)
        added: torch.Tensor = self.second(silu(torch.addcmul(shift, normalised, 1 + scale)))
        return points + added


class _Level(nn.Module):
    """The blocks at one resolution, before and after the coarser levels."""

    def __init__(self, channels: Sequence[int], blocks: Sequence[int], ndim: int) -> None:
        super().__init__()
        own, *coarser = channels
        self.before = _blocks(blocks[0], own, ndim)
        self.coarser = None
        if coarser:
            self.descend = _convolution(own, coarser[0], ndim, stride=2)
            self.coarser = _Level(coarser, blocks[1:], ndim)
            self.ascend = Conv(coarser[0], own, kernel_size=1, ndim=ndim)
            self.after = _blocks(blocks[0], own, ndim)

    def forward(self, points: torch.Tensor, moment: torch.Tensor) -> torch.Tensor:
        for block in self.before:
            points = block(points, moment)
        if self.coarser is None:
            return points
        coarse = self.ascend(self.coarser(self.descend(points), moment))
        # An odd length was rounded up when it was halved; every position gets the coarse one that covers it.
        points = points + interpolate(coarse, size=points.shape[2:])
        for block in self.after:
            points = block(points, moment)
        return points


def _blocks(count: int, channels: int, ndim: int) -> nn.ModuleList:
    bank = partial(_convolution, channels, channels, ndim)
    return nn.ModuleList(_Block(bank(), bank(), channels, channels // _GROUP) for _ in range(count))


def _zero(layer: nn.Module) -> nn.Module:
    """Set all parameters of a layer to zero, so that its output is zero and a block begins as the identity."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def _convolution(before: int, after: int, ndim: int, stride: int = 1) -> nn.Module:
    return Conv(before, after, kernel_size=3, stride=stride, padding=1, ndim=ndim)
