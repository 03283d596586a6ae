"""`faltung inspect`: every kind of target, files that it writes, requirements, and errors."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import faltung as fa
from faltung import learn
from faltung.cli.main import main
from faltung.datasets.dataset import Dataset
from faltung.datasets.embedded import load_embedded
from faltung.inspect.network_files import example_from_text
from faltung.learn.assignment import Assignment
from faltung.learn.augmentation import Augmentation
from faltung.learn.saved import save_network
from faltung.networks import ConvClassifier, DenseClassifier
from faltung.networks.generator import ConvGenerator

SOURCE = """
import torch
from torch import nn

class Small(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 1, 3, stride=2))

class Namespace:
    made = staticmethod(Small)

ready = Small()
def needs(argument): ...
def wrong(): return 3
class Branching(nn.Module):
    def forward(self, x):
        return x.relu() if x.sum() > 40 else x.exp()
"""


@pytest.fixture
def inspect(tmp_path, monkeypatch, capsys):
    """Run the command in a folder with a module of networks; return exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "small_networks.py").write_text(SOURCE)
    sys.modules.pop("small_networks", None)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["faltung", "inspect", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as error:
            code = error.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return run


SMALL = ("small_networks:Small", "--example", "1x1x16x16")


def test_a_factory_with_weights(inspect, tmp_path):
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 1, 3, stride=2))
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    torch.save(network.state_dict(), tmp_path / "w.pth")
    torch.save({"state_dict": network.state_dict()}, tmp_path / "c.pth")
    own = fa.inspect.card(network, torch.zeros(1, 1, 16, 16))
    for weights in ("w.safetensors", "w.pth", "c.pth"):
        code, out, err = inspect(*SMALL, "--weights", weights, "--json", "-")
        assert (code, err) == (0, "")
        held = json.loads(out)
        assert held["title"] == "small_networks:Small"
        assert held["figures"]["parameters"] == own.figures["parameters"]
    code, out, err = inspect("small_networks:Namespace.made", "--example", "1,1,16,16")
    assert (code, err) == (0, "")
    assert "Parameters" in out
    assert "20 + 19" not in out
    assert "5 x 5" in out
    assert inspect("small_networks:ready", "--example", "1x1x9x9")[0] == 0


def test_weights_are_numbers_alone(inspect, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "written"), "w"))

    torch.save({"0.weight": Evil()}, tmp_path / "evil.pth")
    code, _, err = inspect(*SMALL, "--weights", "evil.pth")
    assert code == 1
    assert "--weights: expected a file of weights" in err
    assert not (tmp_path / "written").exists()
    save_file({"0.weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    code, _, err = inspect(*SMALL, "--weights", "other.safetensors")
    assert code == 1
    assert "--weights: expected the weights of Small" in err
    assert inspect(*SMALL, "--weights", "missing.pth")[0] == 1


def test_an_exported_program(inspect, tmp_path):
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    torch.export.save(torch.export.export(network, (torch.zeros(1, 1, 8, 8),)), tmp_path / "program.pt2")
    code, out, _ = inspect("program.pt2", "--json", "-")
    assert code == 0
    assert json.loads(out)["figures"]["multiply_adds"] == 6 * 6 * 2 * 9
    (tmp_path / "broken.pt2").write_bytes(b"PK\x03\x04 no")
    code, _, err = inspect("broken.pt2")
    assert code == 1
    assert "TARGET: expected a file that torch.export.save wrote" in err
    assert inspect("missing.pt2")[0] == 1
    assert "they are in the file or folder" in inspect("program.pt2", "--weights", "w.pth")[2]


def test_runs_of_learning(inspect, tmp_path):
    samples = Dataset(np.zeros((1, 1, 8, 8), np.uint8), np.array([0]), ("a", "b"))
    network = ConvClassifier(sample_shape=(1, 8, 8), classes=2)
    (tmp_path / "run").mkdir()
    (tmp_path / "generator").mkdir()
    save_network(learn.RunFolder(tmp_path / "run"), "model", network, samples)
    code, out, err = inspect("run", "--json", "-")
    assert (code, err) == (0, "")
    held = json.loads(out)
    assert held["figures"]["parameters"] == sum(p.numel() for p in network.parameters())
    generator = ConvGenerator(
        sample_shape=(1, 8, 8), classes=2, channels=(8, 8), blocks=(1, 1), mean=0.2, deviation=0.3
    )
    save_network(learn.RunFolder(tmp_path / "generator"), "model", generator, samples)
    code, out, _ = inspect("generator", "--section", "counts", "--json", "-")
    assert code == 0
    assert json.loads(out)["figures"]["multiply_adds"] > 0
    assert "one that the run has: model" in " ".join(inspect("run", "--network", "dense")[2].split())


def test_files_and_requirements(inspect, tmp_path):
    required = ("--require", "parameters<1e6", "--require", "receptive_field>=5")
    code, out, err = inspect(*SMALL, "--html", "card.html", "--json", "card.json", *required)
    assert (code, err) == (0, "")
    assert out.endswith("met: parameters<1e6 (39)\nmet: receptive_field>=5 (5)\n")
    assert "<html" in (tmp_path / "card.html").read_text()
    assert json.loads((tmp_path / "card.json").read_text())["figures"]["parameters"] == 39
    code, out, err = inspect(*SMALL, "--require", "parameters<1", "--require", "macs>1")
    assert code == 1
    assert "not met: parameters<1 (39)" in out
    assert "1 of 2 requirements are not met" in err
    code, _, err = inspect(*SMALL, "--html", "card.html")
    assert code == 1
    assert "--html: expected a file that does not exist yet" in err
    assert inspect(*SMALL, "--html", "card.html", "--overwrite")[0] == 0
    (tmp_path / "x.npy").write_bytes(b"")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("small_networks:Small",), 2, "a network without a run folder needs one"),
        ((*SMALL, "--require", "parameters"), 2, "expected a comparison such as parameters<1e6"),
        ((*SMALL, "--require", "price<3"), 2, "expected a figure of the card"),
        ((), 2, "Missing argument"),
        (("small_networks:Other", "--example", "1"), 1, "TARGET: expected a run folder, a .pt2 file, or"),
        (("no_such_module:Other", "--example", "1"), 1, "No module named"),
        (("nothing", "--example", "1"), 1, "TARGET: expected a run folder, a .pt2 file, or"),
        (("small_networks:needs", "--example", "1"), 1, "a function that needs no arguments"),
        (("small_networks:wrong", "--example", "1"), 1, "a function that returns a torch.nn.Module, got int"),
        (("small_networks:Small", "--example", "1xax3"), 1, "--example: expected a shape such as 1x3x224x224"),
        (("small_networks:Small", "--example", "1x0x3"), 1, "--example: expected positive lengths"),
        (
            ("small_networks:Small", "--example", "1x2x3x3"),
            1,
            "--example: expected an input that the network accepts",
        ),
        (("small_networks:Small", "--example", "no.npy"), 1, "--example: expected a file of numbers"),
        ((*SMALL, "--section", "price"), 1, "names out of execution, counts"),
    ],
)
def test_errors(inspect, arguments, code, message):
    got, _, err = inspect(*arguments)
    assert got == code
    assert message in " ".join(err.split())


def test_examples_from_files_and_control_flow(inspect, tmp_path):
    np.save(tmp_path / "x.npy", np.ones((1, 64), np.float32))
    save_file({"x": torch.zeros(1, 64)}, tmp_path / "y.safetensors")
    code, out, _ = inspect(
        "small_networks:Branching", "--example", "x.npy", "--example", "y.safetensors", "--json", "-"
    )
    assert code == 0
    execution = json.loads(out)["sections"]["execution"]
    assert "example 2 ran" in execution["control_flow"]
    assert execution["inputs"] == ["input 1 x 64 float32", "x 1 x 64 float32"]


def test_samples_of_a_run_are_looked_at(inspect, tmp_path):
    split = load_embedded()
    folder = learn.RunFolder.create(tmp_path / "run")
    save_network(folder, "model", DenseClassifier(sample_shape=(1, 28, 28), classes=10, widths=(8,)), split.training)
    rest = (learn.Recipe(), Augmentation(), 0.1, 0, 1, "float32")
    Assignment("classify", None, {}, *rest, split.digest).save(folder)
    code, out, err = inspect("run", "--section", "patterns", "--json", "-")
    assert (code, "random numbers" in err) == (0, False)
    held = json.loads(out)["sections"]["patterns"]
    assert (held["samples"], held["all_samples"], held["given"]) == (500, 1000, True)
    assert held["input_probe"] > 0.5
    assert inspect("run", "--section", "counts")[0] == 0
    held = json.loads(inspect("run", "--example", "2x1x28x28", "--json", "-")[1])["sections"]
    assert held["patterns"]["samples"] == 2
    Assignment("classify", str(tmp_path / "missing"), {}, *rest, split.digest).save(folder)
    code, out, err = inspect("run", "--section", "patterns", "--json", "-")
    assert code == 0
    assert "Random numbers are used instead of samples of the run." in err
    assert json.loads(out)["sections"]["patterns"]["samples"] == 1


@pytest.mark.parametrize("shape", ["99999999999x3x8x8", "1x3x99999999999999999999999x8"])
def test_an_example_that_memory_has_no_room_for_is_refused(shape):
    with pytest.raises(MemoryError, match=r"It would take .* GB"):
        example_from_text(shape, torch.nn.Identity())
