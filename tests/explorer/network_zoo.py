"""Small networks of every kind that the view of networks takes apart, with an example of each."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class Residual(nn.Module):
    """Skips, in place and not, with batch norm that has seen data."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 4, 3, padding=2, dilation=2)
        self.relu = nn.ReLU(inplace=True)
        with torch.no_grad():
            self.norm.running_mean.normal_()
            self.norm.running_var.uniform_(0.5, 2.0)
            self.norm.weight.normal_()
            self.norm.bias.normal_()

    def forward(self, x):
        y = self.relu(self.norm(self.first(x)))
        y = self.relu(y + self.second(y))
        return functional.max_pool2d(y, 3, stride=2, padding=1, ceil_mode=True)


class Branches(nn.Module):
    """Depthwise, pointwise, transposed, concatenation, functional calls, several outputs."""

    def __init__(self):
        super().__init__()
        self.depthwise = nn.Conv2d(4, 8, 3, padding=1, groups=4)
        self.pointwise = nn.Conv2d(8, 6, 1)
        self.up = nn.ConvTranspose2d(6, 4, 3, stride=2, padding=1, output_padding=1, groups=2)
        self.norm = nn.GroupNorm(2, 4)
        self.weight = nn.Parameter(torch.randn(3, 8, 2, 3) * 0.3)
        self.linear = nn.Linear(27, 5)

    def forward(self, x):
        y = functional.gelu(self.pointwise(functional.silu(self.depthwise(x))))
        y = functional.avg_pool2d(y, 2, count_include_pad=False, padding=1)
        y = functional.leaky_relu(self.norm(self.up(y)), 0.2)
        z = torch.cat([functional.pad(x, (1, 1, 1, 1)), y[..., :14, :14]], 1)
        z = functional.conv2d(functional.pad(z, (2, 1, 1, 0), mode="reflect"), self.weight, stride=(2, 1))
        z = torch.tanh(z) * 2 - 0.5
        z = functional.adaptive_avg_pool2d(z, 3)
        return self.linear(z.flatten(1)).softmax(1), functional.interpolate(z, scale_factor=2, mode="bilinear")


def signal():
    return nn.Sequential(
        nn.Conv1d(2, 4, 5, padding=2), nn.ELU(), nn.MaxPool1d(2), nn.Conv1d(4, 6, 3, dilation=2, groups=2),
        nn.BatchNorm1d(6), nn.Hardswish(), nn.AvgPool1d(3, 2, padding=1), nn.ConvTranspose1d(6, 3, 4, stride=2),
        nn.Softplus(), nn.Flatten(), nn.LazyLinear(4), nn.LayerNorm(4), nn.LogSoftmax(dim=1),
    )  # fmt: skip


class Tokens(nn.Module):
    """An image as tokens, with its channels last, and two inputs."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(1, 6, 4, stride=4)
        self.norm = nn.LayerNorm(6)
        self.linear = nn.Linear(6, 5)

    def forward(self, x, factor):
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        return self.linear(self.norm(tokens) * factor).mean(1)


def zoo():
    """Return networks and their examples by name; the same ones every time."""
    torch.manual_seed(3)
    made = {
        "residual": (Residual(), torch.randn(2, 2, 13, 11)),
        "branches": (Branches(), torch.randn(1, 4, 12, 12)),
        "signal": (signal(), torch.randn(1, 2, 48)),
        "tokens": (Tokens(), (torch.randn(1, 1, 16, 16), torch.tensor(1.5))),
    }
    made["signal"][0](made["signal"][1])  # gives the lazy layer its weights
    return made
