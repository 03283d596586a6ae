"""The benchmark of whole networks: they are what they are called, and every contender computes the same."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import architectures
import networks
import winograd_layers

NETWORKS = {network.name: network for network in architectures.networks()}


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_are_those_that_are_published(name):
    with torch.device("meta"):  # shapes only
        model = NETWORKS[name].make()
        y = model(torch.empty(2, *NETWORKS[name].example))
    if NETWORKS[name].parameters is not None:
        assert sum(parameter.numel() for parameter in model.parameters()) == NETWORKS[name].parameters
        assert y.shape == (2, 1000)
    elif name.startswith("U-Net"):
        assert y.shape == (2, 2, *NETWORKS[name].example[1:])


def test_a_residual_block_adds_its_shortcut():
    inside = torch.nn.Conv2d(2, 2, 1)
    block = architectures.Residual(inside, torch.nn.Identity(), torch.nn.ReLU())
    x = torch.randn(1, 2, 3, 3)
    torch.testing.assert_close(block(x), (inside(x) + x).relu())


def test_contenders_agree_and_are_reported(monkeypatch):
    monkeypatch.setattr(networks, "which", lambda name: None)  # without torch.compile, which takes a minute
    tiny = architectures.Network("tiny", lambda: architectures.UNet(2, (4, 8), 3), (1, 12, 16))
    job = networks.Job(tiny, 2, training=False)
    measured = networks.measure(job, 0.01, 2, memory=False)
    assert {*measured["seconds"]} == {
        f"{name}, {layout}" for name in ("faltung", "torch") for layout in networks.FORMATS
    }
    assert not tiny.normalised
    line = dict(zip(networks.HEADER, networks.row(measured), strict=True))
    assert line["network"] == "tiny, inference, batch 2"
    assert line["torch.compile ms"] == line["over torch.compile"] == ""
    assert "in geometric mean" in networks.report([measured])
    assert networks.measure(networks.Job(tiny, 2, training=True), 0.01, 2, memory=False)["seconds"]


def test_a_contender_that_computes_something_else_ends_the_benchmark():
    job = networks.Job(NETWORKS["FCN, 1-D"], 1, training=False)
    runs = {"torch, contiguous": lambda: torch.ones(3), "faltung, contiguous": lambda: torch.ones(3) * 1.1}
    with pytest.raises(
        SystemExit, match=r"^faltung, contiguous is off by 0.1 of the largest output: FCN, 1-D, inference, batch 1$"
    ):
        networks.check(job, runs)


def test_batch_norms_are_folded_where_a_network_has_some():
    norm = architectures.Network(
        "norm", lambda: torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4)), (1, 8, 8)
    )
    assert norm.normalised
    job = networks.Job(norm, 2, training=False)
    made = {name: make for name, make, _ in networks.variants(job)}["simplified, contiguous"]
    model, x = norm.make().eval(), torch.randn(2, 1, 8, 8)
    simple = made(model, x)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in simple.modules())
    with torch.no_grad():
        torch.testing.assert_close(simple(x), model(x))
    measured = {"job": "norm", "seconds": {}, "peak_megabytes": {}}
    measured["fastest"] = {"faltung": 0.002, "simplified": 0.001, "torch": 0.003, "torch.compile": 0.0025}
    line = dict(zip(networks.HEADER, networks.row(measured), strict=True))
    assert (line["over torch"], line["simplified over torch.compile"]) == ("1.50", "2.50")


def test_3_x_3_layers_are_compared_in_the_better_format_of_each():
    layer = winograd_layers.Square(16, 8, 1, training=True)
    measured = winograd_layers.measure(layer, 0.01)
    assert len(measured["seconds"]) == 4
    measured["seconds"] = dict.fromkeys(measured["seconds"], 0.004) | {"faltung, contiguous": 0.001}
    assert winograd_layers.row(measured)[0] == "16 channels, 1 x 8x8, with gradients"
    assert "Ratio, with gradients: 4.00 in geometric mean" in winograd_layers.report([measured])
