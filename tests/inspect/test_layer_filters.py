"""Filters: norms against dense matrices, what they look like, ranks, near-duplicates, and channels that are zero."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import faltung as fa
from faltung.inspect.convolution_norm import convolution_norm
from faltung.inspect.named_likeness import likeness_of

pytestmark = pytest.mark.usefixtures("alone")


def dense_norm(weight, size, stride, dilation, groups):
    """Norm of the matrix of a layer with circular borders, column by column."""
    channels, axes = weight.shape[1] * groups, weight.ndim - 2
    count = channels * math.prod(size)
    x = torch.eye(count, dtype=torch.float64).reshape(count, channels, *size)
    for axis in range(axes):  # circular borders of any width
        reach = (weight.shape[2 + axis] - 1) * dilation[axis]
        index = torch.arange(size[axis] + reach) % size[axis]
        x = x.index_select(2 + axis, index)
    y = (F.conv1d, F.conv2d, F.conv3d)[axes - 1](x, weight, None, stride, 0, dilation, groups)
    return float(torch.linalg.matrix_norm(y.reshape(count, -1), 2))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 2), st.sampled_from([1, 2]), st.integers(1, 3), st.integers(1, 3))
def test_the_norm_is_that_of_the_matrix(seed, axes, groups, step, gap):
    rng = np.random.default_rng(seed)
    sizes = tuple(int(each) for each in rng.integers(1, 5, axes))
    weight = torch.as_tensor(rng.normal(size=(groups * int(rng.integers(1, 3)), int(rng.integers(1, 3)), *sizes)))
    length = tuple(step * int(each) for each in rng.integers(1, 4, axes))
    stride, dilation = (step,) * axes, (gap,) * axes
    found = convolution_norm(weight, length, stride, dilation, groups)
    assert found == pytest.approx(dense_norm(weight, length, stride, dilation, groups), rel=1e-6)


def test_the_norm_of_many_frequencies_and_of_three_axes():
    torch.manual_seed(0)
    weight = torch.randn(3, 4, 5, 5, dtype=torch.float64)
    assert convolution_norm(weight, (12, 14)) == pytest.approx(dense_norm(weight, (12, 14), 1, (1, 1), 1), rel=1e-6)
    weight = torch.randn(2, 2, 2, 3, 2, dtype=torch.float64)
    assert convolution_norm(weight, (4, 5, 3)) == pytest.approx(
        dense_norm(weight, (4, 5, 3), 1, (1, 1, 1), 1), rel=1e-6
    )


def test_the_norm_of_a_transposed_layer_is_that_of_its_adjoint():
    layer = nn.ConvTranspose1d(3, 2, 4, stride=2).double()
    inputs = torch.eye(3 * 6, dtype=torch.float64).reshape(18, 3, 6)
    full = F.conv_transpose1d(inputs, layer.weight, None, 2)  # length 14; on a circle of 12 the ends meet
    circle = full[..., :12].clone()
    circle[..., :2] += full[..., 12:]
    wanted = float(torch.linalg.matrix_norm(circle.reshape(18, -1), 2).detach())
    assert convolution_norm(layer.weight, (12,), (2,), (1,), 1, True) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize(
    ("kernel", "name"),
    [
        (fa.sobel(axis=0), "edge"),
        (fa.prewitt(axis=1), "edge"),
        (0.6 * fa.gaussian_derivative(1.0, axis=0) - 0.8 * fa.gaussian_derivative(1.0, axis=1), "edge"),
        (fa.gaussian(1.0), "smoothing"),
        (fa.log(1.0), "blob"),
        (fa.gaussian_derivative(1.0, axis=0, order=2), "line"),
        (fa.gabor(0.25, 0.7).real, "Gabor"),
        (fa.gabor(0.25, 2.0).imag, "Gabor"),
    ],
)
@pytest.mark.parametrize("sign", [1, -3])
def test_named_filters_are_recognised(kernel, name, sign):
    found = likeness_of(sign * kernel.taps)
    assert found.name == name
    assert found.similarity > 0.95


def test_noise_is_like_nothing_and_zero_is_nothing():
    rng = np.random.default_rng(0)
    assert np.mean([likeness_of(rng.normal(size=(7, 7))).similarity for _ in range(20)]) < 0.6
    assert likeness_of(np.zeros((3, 3))) == ("", 0.0)
    assert likeness_of(np.array([1.0, 2, 1])).name == "smoothing"


def filters_of(network, *examples):
    return fa.inspect.card(network, *examples, sections=["filters"]).sections["filters"]


def test_ranks_duplicates_and_separable_kernels():
    layer = nn.Conv2d(2, 6, 3, bias=False)
    with torch.no_grad():
        layer.weight[1] = -2 * layer.weight[0]
        layer.weight[2] = layer.weight[0] + layer.weight[1] * 0.5 + layer.weight[3]
    (bank,) = filters_of(nn.Sequential(layer), torch.randn(1, 2, 8, 8)).banks
    matrix = layer.weight.detach().reshape(6, -1).double()
    assert bank.rank == torch.linalg.matrix_rank(matrix) == 4
    assert bank.duplicates == 2
    assert 1 < bank.effective_rank <= 4
    assert bank.norm == pytest.approx(dense_norm(layer.weight.detach().double(), (8, 8), 1, (1, 1), 1), rel=1e-6)
    separable = nn.Conv2d(1, 2, 3)
    with torch.no_grad():
        separable.weight.copy_(torch.stack([torch.outer(*torch.randn(2, 3)) for _ in range(2)])[:, None])
    assert filters_of(separable, torch.randn(1, 1, 5, 5)).banks[0].separable == pytest.approx(1)


@pytest.mark.parametrize("functional", [True, False])
def test_dead_channels_are_counted_and_proved(functional):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm, self.act = nn.Conv2d(1, 5, 3), nn.BatchNorm2d(5), nn.ReLU(inplace=True)

        def forward(self, x):
            y = self.norm(self.conv(x))
            return F.relu(y) if functional else self.act(y)

    network = Net()
    with torch.no_grad():
        network.norm.weight[:2], network.norm.bias[0], network.norm.bias[1] = 0, -1, 1
        network.norm.bias[4] = -1e6  # zero on these examples, but not for every input
    result = filters_of(network, torch.randn(2, 1, 9, 9), torch.randn(1, 1, 9, 9))
    (units,) = result.units
    assert (units.layer, units.channels, units.silent, units.proved) == ("conv", 5, 2, 1)
    assert "conv (1)" in result.warnings()[0]


def test_a_card_draws_the_kernels_of_every_layer():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.ConvTranspose2d(4, 2, 3, stride=2), nn.Conv2d(2, 2, 1))
    card = fa.inspect.card(network, torch.randn(1, 3, 9, 9), sections=["filters"])
    assert len(card.sections["filters"].drawings()) == 2
    assert card.html().count("<img") == 2
    card.json()
    signal = filters_of(nn.Sequential(nn.Conv1d(1, 4, 9)), torch.randn(1, 1, 40))
    assert len(signal.first) == 4
    assert "no module" in str(fa.inspect.card(nn.Linear(2, 2), torch.randn(1, 2), sections=["filters"]))
