"""Counts against torch's own counter of operations, and against numbers computed by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import faltung as fa
from inspected import NETWORKS, made


def counts(network, x):
    return fa.inspect.card(network, x, sections=["counts"]).sections["counts"]


@pytest.mark.parametrize("name", NETWORKS)
def test_multiply_adds_are_half_of_the_operations_that_torch_counts(name, monkeypatch):
    network, x = made(name)
    # Torch does not count the fused operations of attention on the CPU.
    monkeypatch.setattr(torch.backends.mha, "_is_fastpath_enabled", False)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.no_grad():
        network(x.clone())
    found = counts(network, x)
    assert 2 * found.multiply_adds == counter.get_total_flops()
    assert found.multiply_adds == sum(layer.multiply_adds for layer in found.layers)
    assert found.parameters == sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (nn.Conv1d(3, 5, 4), (3, 10), 7 * 5 * 3 * 4),
        (nn.Conv2d(2, 6, (3, 5), stride=2, padding=(1, 2)), (2, 9, 8), 5 * 4 * 6 * 2 * 15),
        (nn.Conv2d(8, 8, 3, groups=8), (8, 5, 5), 3 * 3 * 8 * 9),
        (nn.Conv2d(8, 16, 3, groups=8), (8, 5, 5), 3 * 3 * 16 * 9),
        (nn.Conv2d(4, 6, 3, groups=2, dilation=2), (4, 7, 7), 3 * 3 * 6 * 2 * 9),
        (nn.Conv3d(1, 2, 2), (1, 3, 4, 5), 2 * 3 * 4 * 2 * 8),
        (nn.ConvTranspose1d(2, 3, 4, stride=3), (2, 10), 10 * 2 * 3 * 4),
        (nn.ConvTranspose2d(4, 4, 3, stride=2, groups=4), (4, 5, 6), 5 * 6 * 4 * 9),
        (nn.ConvTranspose2d(4, 6, 2, groups=2), (4, 5, 6), 5 * 6 * 4 * 3 * 4),
        (nn.Linear(7, 3), (7,), 21),
        (nn.Linear(7, 3), (5, 7), 5 * 21),
    ],
)
@pytest.mark.parametrize("samples", [1, 3])
def test_single_layers(layer, shape, expected, samples):
    found = counts(layer, torch.zeros(samples, *shape))
    assert found.multiply_adds == samples * expected
    (row,) = found.layers
    inputs, outputs = torch.zeros(shape).numel(), layer(torch.zeros(1, *shape)).numel()
    assert (row.weights, row.dense_weights) == (layer.weight.numel(), inputs * outputs)
    assert row.output_bytes == 4 * samples * outputs


class Calls(nn.Module):
    """One layer twice, a function with its weight, and a parameter that is never read."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(2, 2, 3, padding=1, bias=False)
        self.kernel = nn.Parameter(torch.zeros(2, 1, 3, 3))
        self.unused = nn.Parameter(torch.zeros(7))
        self.tied = nn.Conv2d(2, 2, 3, padding=1, bias=False)
        self.tied.weight = self.layer.weight

    def forward(self, x):
        return functional.conv2d(self.tied(self.layer(self.layer(x))), self.kernel, groups=2)


def test_reused_tied_functional_and_unused_parameters():
    found = counts(Calls(), torch.zeros(1, 2, 5, 5))
    assert [(row.name, row.parameters, row.shared, row.multiply_adds) for row in found.layers] == [
        ("layer", 36, False, 900),
        ("layer", 36, True, 900),
        ("tied", 36, True, 900),
        ("kernel", 18, False, 162),
    ]
    assert found.parameters == 36 + 18 + 7
    assert found.unused == ("unused",)
    assert found.shared == (("layer.weight", "tied.weight"),)
    assert "Not read in this run: unused." in found.warnings()[0]
    assert (found.weights, found.dense_weights) == (36 + 18, 50 * 50 + 50 * 18)


def test_memory_by_hand():
    network = nn.Sequential(nn.Conv1d(1, 4, 3, padding=1), nn.ReLU(inplace=True), nn.Conv1d(4, 2, 1))
    found = counts(network, torch.zeros(1, 1, 100))
    assert found.parameter_bytes == 4 * (12 + 4 + 8 + 2)
    assert found.activation_bytes == 4 * (400 + 200)
    assert found.peak_bytes == 4 * (400 + 200)


def test_layers_of_this_package_are_counted():
    layer = fa.layers.Conv(2, 3, 5, padding=2, padding_mode="symmetric")
    found = counts(layer, torch.zeros(1, 2, 8, 9))
    assert found.multiply_adds == 8 * 9 * 3 * 2 * 25


def test_frozen_parameters_are_told():
    network = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    network[0].requires_grad_(False)
    found = counts(network, torch.zeros(1, 2))
    assert (found.parameters, found.trainable) == (13, 4)
    assert "of which 4 are trained" in found.facts()["Parameters"]


def test_recurrent_layers_are_counted_step_by_step():
    network = nn.LSTM(3, 4, batch_first=True)
    found = counts(network, torch.zeros(2, 7, 3))
    assert found.multiply_adds == 2 * 7 * (4 * 4) * (3 + 4)
    assert (found.parameters, found.uncounted) == (4 * 4 * (3 + 4 + 2), ())


class Distances(nn.Module):
    def __init__(self):
        super().__init__()
        self.centres = nn.Parameter(torch.zeros(5, 3))

    def forward(self, x):
        return torch.cdist(x, self.centres)


def test_what_is_not_counted_is_named():
    found = counts(Distances(), torch.zeros(2, 3))
    assert found.uncounted == ("_cdist_forward",)
    assert "The multiply-adds of _cdist_forward are not known, and not counted." in found.warnings()
