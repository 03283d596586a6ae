"""Networks that a report card is tested on: what they are made of, and the shape of their input."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class Residual(nn.Module):
    def __init__(self, body, shortcut=None, after=None):
        super().__init__()
        self.body, self.shortcut, self.after = body, shortcut or nn.Identity(), after or nn.ReLU(inplace=True)

    def forward(self, x):
        return self.after(self.body(x) + self.shortcut(x))


def plain():
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(3, 2, 3)
    )


def residual():
    body = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 2, 3, padding=1))
    down = nn.Sequential(nn.Conv2d(2, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))
    return nn.Sequential(Residual(body), Residual(down, nn.Conv2d(2, 4, 1, stride=2)))


def inverted_residual():
    body = nn.Sequential(
        nn.Conv2d(3, 9, 1), nn.ReLU6(), nn.Conv2d(9, 9, 3, padding=1, groups=9), nn.ReLU6(), nn.Conv2d(9, 3, 1)
    )
    return nn.Sequential(nn.Conv2d(2, 3, 3, stride=2, padding=1), Residual(body, after=nn.Identity()))


class Dense(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(2 + 2 * number, 2, 3, padding=1) for number in range(3))

    def forward(self, x):
        for layer in self.layers:
            x = torch.cat([x, functional.relu(layer(x))], 1)
        return x


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.low = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1)
        self.up, self.last = nn.ConvTranspose2d(2, 2, 2, stride=2), nn.Conv2d(4, 1, 3, padding=1)

    def forward(self, x):
        skip = functional.leaky_relu(self.first(x))
        low = functional.leaky_relu(self.low(functional.max_pool2d(skip, 2)))
        return self.last(torch.cat([skip, self.up(low)], 1))


class RepVGG(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1, bias=False), nn.BatchNorm2d(2))
        self.point = nn.Sequential(nn.Conv2d(2, 2, 1, bias=False), nn.BatchNorm2d(2))
        self.identity = nn.BatchNorm2d(2)

    def forward(self, x):
        return functional.relu(self.dense(x) + self.point(x) + self.identity(x))


def signal():
    return nn.Sequential(nn.Conv1d(2, 4, 5, stride=2), nn.GELU(), nn.AvgPool1d(2), nn.Conv1d(4, 3, 3, dilation=2))


def volume():
    return nn.Sequential(nn.Conv3d(1, 2, 3, padding=1), nn.ELU(), nn.MaxPool3d(2), nn.Conv3d(2, 1, (1, 3, 2)))


def transposed():
    return nn.Sequential(
        nn.ConvTranspose2d(2, 4, 3, stride=2, padding=1, output_padding=1, groups=2),
        nn.SiLU(),
        nn.ConvTranspose2d(4, 1, 2, stride=3, dilation=2),
    )


def holes():
    return nn.Sequential(nn.Conv2d(1, 2, 3, dilation=3), nn.Tanh(), nn.Conv2d(2, 1, 2, dilation=(1, 2)))


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x):
        return self.layer(torch.sigmoid(self.layer(x)))


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 2, 3, 3))
        self.depthwise = nn.Parameter(torch.randn(3, 1, 3, 1))

    def forward(self, x):
        x = functional.conv2d(functional.pad(x, (1, 1, 1, 1), mode="circular"), self.weight)
        return functional.conv2d(torch.tanh(x), self.depthwise, groups=3)


class Reflected(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(1, 2, 5, padding=2, padding_mode="reflect")
        self.two = nn.Conv2d(2, 1, 3, padding=1, padding_mode="replicate")

    def forward(self, x):
        return self.two(torch.tanh(self.one(x)))


class Resampled(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(1, 4, 3, padding=1)

    def forward(self, x):
        x = functional.interpolate(self.layer(x), scale_factor=2, mode="bilinear", align_corners=False)
        x = functional.pixel_shuffle(functional.interpolate(x, scale_factor=0.5, mode="bicubic"), 2)
        return functional.interpolate(x, scale_factor=1.5)


class Squeezed(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.gate = nn.Conv2d(2, 4, 3, padding=1), nn.Linear(4, 4)

    def forward(self, x):
        x = self.layer(x)
        return x * torch.sigmoid(self.gate(x.mean((2, 3))))[:, :, None, None]


class Written(nn.Module):
    """Writes in place through views."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x):
        y = torch.zeros(x.shape[0], 4, *x.shape[2:])
        y[:, :2] = self.layer(x)
        y[:, 2:, ::2] += 2 * x[:, :, 1::2].flip(2)
        y[:, :, 0] = 1.0
        return y.transpose(2, 3).roll(1, 3)[:, [0, 3]]


class Attention(nn.Module):
    """Attention in windows of four positions, as images of tokens."""

    def __init__(self):
        super().__init__()
        self.stem, self.attention = nn.Conv2d(1, 4, 2, stride=2), nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x):
        x = self.stem(x)
        n, c, h, w = x.shape
        windows = x.reshape(n, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 3, 5, 1).reshape(-1, 4, c)
        windows = windows + self.attention(windows, windows, windows, need_weights=False)[0]
        return windows.reshape(n, h // 2, w // 2, 2, 2, c).permute(0, 5, 1, 3, 2, 4).reshape(n, c, h, w)


class Blurred(nn.Module):
    """Pools with stride one, then filters with a fixed kernel and a stride."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(1, 2, 3)
        self.register_buffer("blur", torch.tensor([1.0, 2.0, 1.0]).outer(torch.tensor([1.0, 2.0, 1.0]))[None, None])

    def forward(self, x):
        x = functional.max_pool2d(self.layer(x), 2, stride=1)
        return functional.conv2d(x, self.blur.expand(2, 1, 3, 3), stride=2, groups=2, padding=1)


class Unfolded(nn.Module):
    """A convolution as a product with windows, and a strided view of overlapping windows."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 8))

    def forward(self, x):
        columns = functional.unfold(x, 2, dilation=2)
        y = (self.weight @ columns).reshape(len(x), 3, x.shape[2] - 2, x.shape[3] - 2)
        return y.unfold(2, 3, 2).unfold(3, 3, 2).amax((4, 5))


class Normalised(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.norm, self.group = nn.Conv2d(2, 4, 3), nn.LayerNorm(4), nn.GroupNorm(2, 4)

    def forward(self, x):
        x = self.layer(x).permute(0, 2, 3, 1)
        return self.norm(x).softmax(-1).permute(0, 3, 1, 2)


def pooled():
    return nn.Sequential(
        nn.Conv2d(1, 2, 3, stride=3),
        nn.LPPool2d(2, 2, stride=1),
        nn.AdaptiveAvgPool2d(3),
        nn.Conv2d(2, 2, 1),
        nn.AvgPool2d(2, stride=1, ceil_mode=True, padding=1),
    )


def classifier():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3))


def weight_normed():
    return nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Conv1d(1, 2, 3)), nn.Tanh(), nn.Conv1d(2, 1, 2, stride=2)
    )


def recurrent():
    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.GRU(2, 3, batch_first=True)

        def forward(self, x):
            return self.cell(x.transpose(1, 2))[0].transpose(1, 2)

    return Gated()


#: Name, what makes the network, the shape of its input.
NETWORKS = {
    "plain": (plain, (1, 2, 13, 12)),
    "residual": (residual, (1, 2, 15, 15)),
    "inverted residual": (inverted_residual, (1, 2, 13, 13)),
    "dense": (Dense, (1, 2, 11, 11)),
    "U-Net": (UNet, (1, 1, 12, 12)),
    "RepVGG": (lambda: nn.Sequential(RepVGG(), RepVGG()), (1, 2, 9, 9)),
    "signal": (signal, (2, 2, 40)),
    "volume": (volume, (1, 1, 8, 9, 8)),
    "transposed": (transposed, (1, 2, 6, 5)),
    "holes": (holes, (1, 1, 12, 12)),
    "shared": (Shared, (1, 2, 9, 9)),
    "functional": (Functional, (1, 2, 9, 8)),
    "reflected": (Reflected, (1, 1, 9, 9)),
    "resampled": (Resampled, (1, 1, 8, 8)),
    "squeezed": (Squeezed, (1, 2, 7, 7)),
    "written in place": (Written, (1, 2, 8, 8)),
    "attention": (Attention, (1, 1, 16, 16)),
    "blurred": (Blurred, (1, 1, 11, 11)),
    "unfolded": (Unfolded, (1, 2, 11, 11)),
    "normalised": (Normalised, (1, 2, 8, 8)),
    "pooled": (pooled, (1, 1, 23, 23)),
    "classifier": (classifier, (1, 1, 8, 8)),
    "weight norm": (weight_normed, (1, 1, 12)),
    "recurrent": (recurrent, (1, 2, 7)),
}


def made(name):
    """Return a network with random weights and statistics, and a random input."""
    torch.manual_seed(0)
    make, shape = NETWORKS[name]
    network = make().eval()
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return network, torch.randn(shape)


def support_by_gradients(network, x, index, patience=25):
    """Return which elements of the first sample have a gradient for some random input, by brute force.

    Inputs are drawn until as many as `patience` of them in a row have shown nothing new.
    """
    seen = torch.zeros(x.shape[1:], dtype=torch.bool)
    waiting = 0
    while waiting < patience:
        given = torch.randn(x.shape).requires_grad_()
        output = network(given * 1)[index]
        (gradient,) = torch.autograd.grad((output * torch.rand(output.shape)).sum(), given)
        new = (gradient[0] != 0) & ~seen
        waiting = 0 if new.any() else waiting + 1
        seen |= new
    return seen
