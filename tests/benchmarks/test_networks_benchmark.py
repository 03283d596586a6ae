"""The benchmark of whole networks: they are what they are called, and every contender computes the same."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import architectures
import networks

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
