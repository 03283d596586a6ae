"""Multiply-adds against values counted by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from faltung.errors import ArgumentTypeError
from faltung.learn.measures.counting import network_cost
from faltung.networks import ConvClassifier, DenseClassifier


def test_default_networks():
    convolutional = network_cost(ConvClassifier(sample_shape=(1, 28, 28), classes=10), (1, 28, 28))
    assert [layer.multiply_adds for layer in convolutional.layers] == [
        28 * 28 * 16 * 9,  # 112,896
        *[28 * 28 * 16 * 16 * 9] * 2,  # 1,806,336
        14 * 14 * 32 * 16 * 9,  # 903,168
        *[14 * 14 * 32 * 32 * 9] * 2,  # 1,806,336
        7 * 7 * 48 * 32 * 9,  # 677,376
        *[7 * 7 * 48 * 48 * 9] * 2,  # 1,016,064
        48 * 10,
    ]
    assert convolutional.multiply_adds == 10_951_392
    # Taps, then two numbers a channel for each batch norm, then weights and biases of the last layer.
    taps = 9 * (16 + 2 * 16 * 16 + 32 * 16 + 2 * 32 * 32 + 48 * 32 + 2 * 48 * 48)
    assert convolutional.parameters == taps + 2 * 3 * (16 + 32 + 48) + 48 * 10 + 10 == 84_154

    dense = network_cost(DenseClassifier(sample_shape=(1, 28, 28), classes=10), (1, 28, 28))
    assert dense.multiply_adds == 784 * 512 + 512 * 256 + 256 * 10 == 535_040
    assert dense.parameters == 535_040 + 2 * (512 + 256) + 10 == 536_586


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (nn.Conv1d(3, 5, 4), (3, 10), 7 * 5 * 3 * 4),
        (nn.Conv2d(1, 1, 1), (1, 1, 1), 1),
        (nn.Conv2d(2, 6, (3, 5), stride=2, padding=(1, 2)), (2, 9, 8), 5 * 4 * 6 * 2 * 15),
        (nn.Conv2d(8, 8, 3, groups=8), (8, 5, 5), 3 * 3 * 8 * 9),
        (nn.Conv2d(4, 6, 3, groups=2, dilation=2), (4, 7, 7), 3 * 3 * 6 * 2 * 9),
        (nn.Conv3d(1, 2, 2), (1, 3, 4, 5), 2 * 3 * 4 * 2 * 8),
        (nn.Linear(7, 3), (7,), 21),
        (nn.Linear(7, 3), (5, 7), 5 * 21),
    ],
)
def test_single_layers(layer, shape, expected):
    assert network_cost(layer, shape).multiply_adds == expected


def test_a_layer_that_runs_twice_counts_twice_but_has_its_parameters_once():
    shared = nn.Linear(4, 4, bias=False)
    cost = network_cost(nn.Sequential(shared, nn.ReLU(), shared), (4,))
    assert (cost.parameters, cost.multiply_adds) == (16, 32)


def test_counting_leaves_no_trace():
    network = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)).train()
    mean = network[1].running_mean.clone()
    network_cost(network, (4,))
    assert network.training
    assert torch.equal(network[1].running_mean, mean)
    assert not any(module._forward_hooks for module in network.modules())


class Distances(nn.Module):
    def __init__(self):
        super().__init__()
        self.centres = nn.Parameter(torch.zeros(5, 4))

    def forward(self, x):
        return torch.cdist(x, self.centres)


def test_operations_it_cannot_count_are_refused():
    text = "network: expected layers whose multiply-adds are known, got the operation _cdist_forward"
    with pytest.raises(ArgumentTypeError, match=text):
        network_cost(nn.Sequential(nn.ReLU(), Distances()), (4,))
