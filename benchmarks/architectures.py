"""Which networks are measured? Well-known architectures, written here from their papers, with random weights.

Parameters are counted in the tests and equal those that the papers and libraries state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Network:
    """An architecture, the shape of one example, and the number of parameters that is published for it, if any."""

    name: str
    make: Callable[[], nn.Module]
    example: tuple[int, ...]
    parameters: int | None = None

    @property
    def normalised(self) -> bool:
        """Whether it has batch norms."""
        with torch.device("meta"):
            return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in self.make().modules())


def _conv(
    before: int, after: int, size: int, stride: int = 1, groups: int = 1, activation: type = nn.ReLU
) -> list[nn.Module]:
    """Return a convolution without bias, batch normalisation and an activation."""
    conv = nn.Conv2d(before, after, size, stride, size // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(after), activation(inplace=True)]


def _linear_conv(before: int, after: int, size: int, stride: int = 1) -> list[nn.Module]:
    return _conv(before, after, size, stride)[:2]


class Residual(nn.Module):
    """x + inside(x), followed by a ReLU; the shortcut is projected where the shape changes (He et al., 2016)."""

    def __init__(self, inside: nn.Module, shortcut: nn.Module, last: nn.Module) -> None:
        super().__init__()
        self.inside, self.shortcut, self.last = inside, shortcut, last

    def forward(self, x: Tensor) -> Tensor:
        """Add what is inside to the shortcut."""
        return self.last(self.inside(x) + self.shortcut(x))


def _basic(before: int, width: int, stride: int) -> tuple[nn.Module, int]:
    inside = nn.Sequential(*_conv(before, width, 3, stride), *_linear_conv(width, width, 3))
    return inside, width


def _bottleneck(before: int, width: int, stride: int) -> tuple[nn.Module, int]:
    after = 4 * width
    inside = nn.Sequential(*_conv(before, width, 1), *_conv(width, width, 3, stride), *_linear_conv(width, after, 1))
    return inside, after


def resnet(block: Callable[[int, int, int], tuple[nn.Module, int]], depths: tuple[int, ...]) -> nn.Module:
    """ResNet: K. He, X. Zhang, S. Ren, J. Sun, Deep residual learning for image recognition, CVPR 2016."""
    layers: list[nn.Module] = [*_conv(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for stage, depth in enumerate(depths):
        for number in range(depth):
            stride = 2 if stage and not number else 1
            inside, after = block(channels, 64 << stage, stride)
            same = channels == after and stride == 1
            shortcut = nn.Identity() if same else nn.Sequential(*_linear_conv(channels, after, 1, stride))
            layers.append(Residual(inside, shortcut, nn.ReLU(inplace=True)))
            channels = after
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000))


def vgg16() -> nn.Module:
    """VGG-16: K. Simonyan, A. Zisserman, Very deep convolutional networks, ICLR 2015."""
    layers: list[nn.Module] = []
    channels = 3
    for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            channels = width
        layers.append(nn.MaxPool2d(2))
    dense = [nn.Linear(512 * 49, 4096), nn.ReLU(True), nn.Linear(4096, 4096), nn.ReLU(True), nn.Linear(4096, 1000)]
    return nn.Sequential(*layers, nn.Flatten(), *dense)


def mobilenet_v2() -> nn.Module:
    """MobileNetV2: M. Sandler et al., Inverted residuals and linear bottlenecks, CVPR 2018."""
    layers: list[nn.Module] = [*_conv(3, 32, 3, 2, activation=nn.ReLU6)]
    channels = 32
    rows = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    for expansion, after, depth, first in rows:
        for number in range(depth):
            stride, wide = (1 if number else first), channels * expansion
            expand = _conv(channels, wide, 1, activation=nn.ReLU6) if expansion > 1 else []
            depthwise = _conv(wide, wide, 3, stride, groups=wide, activation=nn.ReLU6)
            inside = nn.Sequential(*expand, *depthwise, *_linear_conv(wide, after, 1))
            alone = stride > 1 or channels != after
            layers.append(inside if alone else Residual(inside, nn.Identity(), nn.Identity()))
            channels = after
    last = [*_conv(320, 1280, 1, activation=nn.ReLU6), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000)]
    return nn.Sequential(*layers, *last)


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of an image."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (images, channels, height, width)."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXtBlock(nn.Module):
    """A depthwise 7 x 7 layer and two dense ones between the channels of each position, scaled, beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        wide = 4 * channels
        self.dense = nn.Sequential(
            nn.LayerNorm(channels, eps=1e-6), nn.Linear(channels, wide), nn.GELU(), nn.Linear(wide, channels)
        )
        self.scale = nn.Parameter(torch.full((channels,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        """Map (images, channels, height, width) to the same shape."""
        inside = self.scale * self.dense(self.depthwise(x).permute(0, 2, 3, 1))
        return x + inside.permute(0, 3, 1, 2)


def convnext_t() -> nn.Module:
    """ConvNeXt-T: Z. Liu et al., A ConvNet for the 2020s, CVPR 2022."""
    widths, depths = (96, 192, 384, 768), (3, 3, 9, 3)
    layers: list[nn.Module] = [nn.Conv2d(3, 96, 4, 4), ChannelNorm(96, eps=1e-6)]
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
        if stage:
            layers += [ChannelNorm(widths[stage - 1], eps=1e-6), nn.Conv2d(widths[stage - 1], width, 2, 2)]
        layers += [ConvNeXtBlock(width) for _ in range(depth)]
    last = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(768, eps=1e-6), nn.Linear(768, 1000)]
    return nn.Sequential(*layers, *last)


class UNet(nn.Module):
    """U-Net: O. Ronneberger, P. Fischer, T. Brox, MICCAI 2015; with padding, and in two or three dimensions.

    Each level has two 3 x 3 (x 3) layers; the way down pools, the way up has a transposed layer of stride 2 and takes
    the feature maps of the same level beside its own.
    """

    def __init__(self, ndim: int, widths: tuple[int, ...], classes: int) -> None:
        super().__init__()
        conv = nn.Conv2d if ndim == 2 else nn.Conv3d
        up = nn.ConvTranspose2d if ndim == 2 else nn.ConvTranspose3d

        def twice(before: int, after: int) -> nn.Module:
            first, second = conv(before, after, 3, padding=1), conv(after, after, 3, padding=1)
            return nn.Sequential(first, nn.ReLU(inplace=True), second, nn.ReLU(inplace=True))

        self.pool = nn.MaxPool2d(2) if ndim == 2 else nn.MaxPool3d(2)
        self.down = nn.ModuleList(twice(before, after) for before, after in pairwise((1, *widths)))
        self.up = nn.ModuleList(up(wide, narrow, 2, 2) for narrow, wide in reversed([*pairwise(widths)]))
        self.joined = nn.ModuleList(twice(2 * narrow, narrow) for narrow in reversed(widths[:-1]))
        self.last = conv(widths[0], classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (images, 1, *spatial) to (images, classes, *spatial); lengths are multiples of the smallest level's."""
        kept = []
        for number, level in enumerate(self.down):
            x = level(self.pool(x) if number else x)
            kept.append(x)
        kept.pop()
        for up, joined in zip(self.up, self.joined, strict=True):
            x = joined(torch.cat([kept.pop(), up(x)], 1))
        return self.last(x)


def fcn_1d(channels: int = 1, classes: int = 10) -> nn.Module:
    """Fully convolutional network for series: Z. Wang, W. Yan, T. Oates, IJCNN 2017; with 8, 5 and 3 taps."""
    layers: list[nn.Module] = []
    for width, size in ((128, 8), (256, 5), (128, 3)):
        layers += [
            nn.Conv1d(channels, width, size, padding=size // 2, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(True),
        ]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(128, classes))


def networks() -> Iterator[Network]:
    """Yield all networks that are measured."""
    image = (3, 224, 224)
    yield Network("ResNet-18", lambda: resnet(_basic, (2, 2, 2, 2)), image, 11_689_512)
    yield Network("ResNet-50", lambda: resnet(_bottleneck, (3, 4, 6, 3)), image, 25_557_032)
    yield Network("VGG-16", vgg16, image, 138_357_544)
    yield Network("MobileNetV2", mobilenet_v2, image, 3_504_872)
    yield Network("ConvNeXt-T", convnext_t, image, 28_589_128)
    yield Network("U-Net, 2-D", lambda: UNet(2, (32, 64, 128, 256, 512), 2), (1, 256, 256))
    yield Network("U-Net, 3-D", lambda: UNet(3, (16, 32, 64, 128), 2), (1, 48, 64, 64))
    yield Network("FCN, 1-D", fcn_1d, (1, 4096))
