"""`faltung export` and `faltung.learn.export_network`: the file says what the network says, or there is no file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx.reference
import pytest
import torch

import faltung as fa
from faltung import learn
from faltung.cli.main import main
from faltung.datasets.dataset import Dataset
from faltung.errors import ArgumentError, FaltungError, MissingExtraError
from faltung.learn import export
from faltung.learn.saved import save_network
from faltung.networks import ConvClassifier, DenseClassifier, load
from faltung.networks.generator import DenseGenerator

IMAGES = ConvClassifier(sample_shape=(3, 9, 11), classes=3, channels=(4, 5))
SERIES = ConvClassifier(sample_shape=(2, 30), classes=3, channels=(4, 5), size=5, mean=7.0, deviation=20.0)
DENSE = DenseClassifier(sample_shape=(3, 9, 11), classes=3, widths=(6,))
GENERATOR = DenseGenerator(sample_shape=(3, 9, 11), classes=3)
NAMES = ("bag", "Mütze", "coat")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with a network for images, a dense one, one for series, and one that is no classifier."""
    folder = tmp_path_factory.mktemp("run")
    generator = torch.Generator().manual_seed(0)
    for stem, network, dtype in (
        ("model", IMAGES, np.uint8),
        ("dense", DENSE, np.uint8),
        ("series", SERIES, np.float32),
        ("generator", GENERATOR, np.uint8),
    ):
        shape = network.arguments["sample_shape"]
        if network is not GENERATOR:
            network.train()(torch.rand(32, *shape, generator=generator))  # so that batch norm does something
        data = Dataset(np.zeros((3, *shape), dtype), np.arange(3), NAMES)
        save_network(learn.RunFolder(folder), stem, network, data)
    return folder


def _samples(network: torch.nn.Module, batch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(batch)
    return torch.rand(batch, *network.arguments["sample_shape"], generator=generator)


def _expected(run: Path, stem: str, batch: int) -> tuple[np.ndarray, np.ndarray]:
    network = load(run, stem)
    samples = _samples(network, batch)
    with torch.no_grad():
        return samples.numpy(), network(samples).numpy()


@pytest.mark.parametrize("stem", ["model", "series"])
def test_onnx_gives_the_logits_of_the_network(run, tmp_path, stem):
    """As its reference implementation computes them, which the exporter does not look at."""
    exported = learn.export_network(run, tmp_path / "model.onnx", network=stem)
    assert exported.size == exported.path.stat().st_size
    assert 0 <= exported.difference < 1e-5
    model = onnx.load(exported.path)
    onnx.checker.check_model(model, full_check=True)
    for batch in (1, 2, 7):
        samples, logits = _expected(run, stem, batch)
        [found] = onnx.reference.ReferenceEvaluator(model).run(["logits"], {"samples": samples})
        np.testing.assert_allclose(found, logits, rtol=1e-4, atol=1e-5)
    facts = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    shape = list(load(run, stem).arguments["sample_shape"])
    assert facts["class_names"] == [*NAMES]
    assert facts["sample_shape"] == shape
    assert facts["samples"].startswith("float32 from 0 to 1" if stem == "model" else "float32 as in training")
    [given], [returned] = model.graph.input, model.graph.output
    sizes = [
        [axis.dim_param or axis.dim_value for axis in each.type.tensor_type.shape.dim] for each in (given, returned)
    ]
    assert (given.name, returned.name, sizes) == ("samples", "logits", [["batch", *shape], ["batch", 3]])


@pytest.mark.parametrize("stem", ["model", "series", "dense"])
def test_a_program_gives_the_logits_of_the_network(run, tmp_path, stem):
    exported = learn.export_network(run, tmp_path / "program", network=stem, format="pt2")
    facts = dict.fromkeys(exported.facts, "")
    network = torch.export.load(exported.path, extra_files=facts).module()
    assert facts == exported.facts
    assert json.loads(facts["class_names"]) == [*NAMES]
    for batch in (1, 2, 7):
        samples, logits = _expected(run, stem, batch)
        np.testing.assert_allclose(network(torch.from_numpy(samples)).detach().numpy(), logits, rtol=1e-4, atol=1e-5)


def test_torch_finds_nothing_to_warn_of_in_the_weights(run):
    """It warns where weights do not lie in memory in the order of their axes, and may then mistake them."""
    trained = export.trained_classifier(run)
    assert not trained.network.stages[0].change[0].weight.is_contiguous()
    assert len(export._to_program(trained, {})) > 10_000


@pytest.mark.parametrize("format", ["onnx", "pt2"])
def test_a_file_tells_nothing_of_where_it_was_made(run, tmp_path, format):
    content = learn.export_network(run, tmp_path / f"dense.{format}", network="dense").path.read_bytes()
    for place in (Path(fa.__file__).parent, Path(torch.__file__).parent, run):
        assert str(place).encode() not in content


@pytest.mark.parametrize(("factor", "said"), [(1.001, "0.001"), (float("nan"), "nan")])
def test_a_file_that_says_something_else_is_not_written(run, tmp_path, monkeypatch, factor, said):
    write, read = export._FORMATS["pt2"]

    def write_another(trained, facts):
        with torch.no_grad():
            trained.network.classify.weight.mul_(factor)
            trained.network.classify.bias.mul_(factor)
            content = write(trained, facts)
            trained.network.classify.weight.copy_(DENSE.classify.weight)
            trained.network.classify.bias.copy_(DENSE.classify.bias)
        return content

    monkeypatch.setitem(export._FORMATS, "pt2", (write_another, read))
    (tmp_path / "dense.pt2").write_text("former")
    with pytest.raises(
        FaltungError, match=rf"dense\.pt2' was not written: its logits differ .* by {said} of the largest"
    ):
        learn.export_network(run, tmp_path / "dense.pt2", network="dense")
    assert [path.name for path in tmp_path.iterdir()] == ["dense.pt2"]
    assert (tmp_path / "dense.pt2").read_text() == "former"


@pytest.mark.parametrize("package", ["onnxscript", "onnxruntime"])
def test_without_the_extra_its_install_line_is_the_answer(run, tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"^Export to ONNX needs .*pip install \"\.\[export\]\"$"):
        learn.export_network(run, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_probes_are_on_the_scale_of_the_network(run):
    for stem, low, high in (("model", 0, 1), ("series", 7 - 2 * 20, 7 + 2 * 20)):
        trained = export.trained_classifier(run, stem)
        noise, smooth = export._probes(trained, 50)
        for probe in (noise, smooth):
            assert probe.shape == (50, *trained.sample_shape)
            assert low <= probe.min() < probe.max() <= high
        # Neighbours are alike where a sample is smooth, and half as far apart as the whole range if it is noise.
        steps = [probe.diff(dim=-1).abs().mean() / (high - low) for probe in (noise, smooth)]
        assert steps[0] > 0.3
        assert steps[1] < 0.15


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Call ``faltung export`` in a folder; return exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FALTUNG_DEBUG", raising=False)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["faltung", "export", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return ended.value.code or 0, said.out, said.err

    return call


def test_the_command_says_what_it_wrote(run, command, tmp_path):
    (tmp_path / "old.pt2").write_text("old")
    code, out, err = command(run, "-o", "old.pt2", "--network", "dense", "--overwrite")
    assert (code, err) == (0, "")
    size = f"{(tmp_path / 'old.pt2').stat().st_size / 1000:,.0f} kB"
    assert out.startswith(f"old.pt2: {size}; its logits differ from those of the network by at most ")
    torch.export.load(tmp_path / "old.pt2")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("nowhere", "-o", "a.pt2"),
            "RUN: expected a run folder with model.json and model.safetensors, got 'nowhere', wh",
        ),
        (
            ("{run}", "-o", "a.pt2", "--network", "x"),
            "--network: expected one that the run has: dense, generator, model, s",
        ),
        (
            ("{run}", "-o", "a.pt2", "--network", "generator"),
            "RUN: expected a network of class ConvClassifier or DenseCl",
        ),
        (
            ("{run}", "-o", "a.bin"),
            "--format: expected 'onnx' or 'pt2', got no format and a file named 'a.bin'. Name the f",
        ),
        (("{run}", "-o", "a.pt2", "--format", "xml"), "--format: expected 'onnx' or 'pt2', got 'xml'."),
        (
            ("{run}", "-o", "old.pt2"),
            "--output: expected a file that does not exist yet, got 'old.pt2'. Add --overwrite",
        ),
        (
            ("{run}", "-o", "no/a.pt2"),
            "--output: expected a name in a folder that exists, got 'no/a.pt2'. Make the fold",
        ),
    ],
)
def test_what_is_wrong_is_said_before_any_work(run, command, tmp_path, arguments, message):
    (tmp_path / "old.pt2").write_text("old")
    code, out, err = command(*(each.format(run=run) for each in arguments))
    assert (code, out) == (1, "")
    assert err.startswith(f"Error: {message}")
    assert [path.name for path in tmp_path.iterdir()] == ["old.pt2"]


def test_an_unknown_format_is_an_argument_error(run, tmp_path):
    with pytest.raises(ArgumentError, match=r"format: expected 'onnx' or 'pt2', got 'pickle'\. Name the file"):
        learn.export_network(run, tmp_path / "model.onnx", format="pickle")
