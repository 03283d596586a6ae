"""The benchmark of a GPU runs as far as it can without one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import gpu
import measure
from measure import Timing
from ours import Choice

CPU = torch.device("cpu")


@pytest.fixture
def called(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["gpu.py", *arguments])
        gpu.main()

    return call


def test_tiny_cells_of_each_kind(called, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "RESULTS", tmp_path)
    called("--device", "cpu", "--tiny")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in lines[:8]] == [*map(str, gpu.tiny())]
    assert "Regret of the planner: " in "\n".join(lines)
    assert not [*tmp_path.iterdir()]


def test_all_ways_take_part():
    layer, *_, image, _, _, _ = gpu.tiny()
    chosen, contenders = gpu.of_layer(layer, CPU)
    ways = {"faltung", "faltung direct", "faltung torch", "faltung fourier"}
    assert {*contenders} >= ways | {"channels-last faltung", "torch", "torch channels-last", "copy"}
    assert chosen in ("direct", "torch", "fourier")
    chosen, contenders = gpu.of_filter(image, CPU)
    assert {*contenders} >= {"faltung", "faltung direct", "torch", "copy"}


def test_a_contender_that_does_something_else_ends_the_benchmark():
    layer, *_ = gpu.tiny()
    wrong = {"faltung": lambda: [torch.ones(2)], "wrong": lambda: [torch.zeros(2)]}
    with pytest.raises(SystemExit, match=r"^wrong is off by 1 of the largest result, more than 0.005: depthwise 4"):
        gpu.compare(layer, wrong, CPU, 0.01, 1)


def test_a_report(tmp_path, monkeypatch):
    layer, *_ = gpu.tiny()
    times = {"faltung": 4e-3, "faltung triton": 2e-3, "channels-last faltung": 5e-3, "torch": 6e-3, "copy": 1e-3}
    timings = {name: Timing(time, time / 4e-3, 5) for name, time in times.items()}
    text = gpu.report([Choice(layer, "fourier", timings)], gpu.where(CPU))
    assert text.startswith(f"device CPU; torch {torch.__version__}")
    assert "2.000 in geometric mean over 1 cells" in text
    assert "| depthwise 4, 9x9, float32, forward | 4 | 5 | 1.50 | torch | 4.00 | fourier | 2.00 (triton) |" in text
    monkeypatch.setattr(measure, "RESULTS", tmp_path)
    measure.write("gpu", "On a GPU", text, {"cells": [Choice(layer, "fourier", timings).data()]})
    assert json.loads((tmp_path / "gpu.json").read_text())["data"]["cells"][0]["regret"] == 2


def test_full_cells_are_those_that_were_asked_for():
    cells = [*map(str, [*gpu.layers(32, 56), *gpu.filters(4096, 1_000_000)])]
    assert len(cells) == len({*cells}) == 36
    assert "depthwise 96, 31x31, bfloat16, forward and backward" in cells
    assert "4096 taps on 1000000 float32" in cells


def test_wrong_arguments(called, capsys):
    if not torch.cuda.is_available():
        with pytest.raises(SystemExit, match="2"):
            called()
        assert "sees no GPU" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        called("--device", "cpu", "--tiny", "--only", "nothing of that name")
    assert "no cell is called nothing of that name" in capsys.readouterr().err
