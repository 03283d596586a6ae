"""`faltung export` and `faltung.learn.export_network`: the file says what the network says, or there is no file."""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx.reference
import onnxruntime
import pytest
import torch
from PIL import Image

import faltung as fa
from faltung import learn
from faltung.cli.main import main
from faltung.datasets.dataset import Dataset
from faltung.datasets.pixels import PixelFormat, read_pixels
from faltung.errors import ArgumentError, FaltungError, MissingExtraError
from faltung.learn import export
from faltung.learn.saved import save_network
from faltung.learn.standalone import FromPixels
from faltung.learn.tasks.generation.flow import generate, noise
from faltung.networks import ConvClassifier, DenseClassifier, load
from faltung.networks.generator import DenseGenerator

IMAGES = ConvClassifier(sample_shape=(3, 9, 11), classes=3, channels=(4, 5))
SERIES = ConvClassifier(
    sample_shape=(2, 30), classes=3, channels=(4, 5), size=5, mean=[7.0, -3.0], deviation=[20.0, 5.0]
)
DENSE = DenseClassifier(sample_shape=(3, 9, 11), classes=3, widths=(6,))
GENERATOR = DenseGenerator(sample_shape=(3, 9, 11), classes=3, width=8, blocks=1)
torch.nn.init.normal_(GENERATOR.leave.weight, std=0.3)  # so that it moves points
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


@pytest.fixture(scope="module")
def series(run, tmp_path_factory):
    """A function that exports the network for series, once to each format."""
    folder = tmp_path_factory.mktemp("exported")
    return functools.cache(lambda format: learn.export_network(run, folder / f"series.{format}", network="series"))


def _images(batch: int, size: tuple[int, int]) -> np.ndarray:
    """Pixels that change slowly, as in photographs, with some noise."""
    rng = np.random.default_rng(batch)
    coarse = rng.integers(0, 256, (batch, 5, 6, 3), dtype=np.uint8)
    smooth = [np.asarray(Image.fromarray(each).resize(size[::-1], Image.Resampling.BICUBIC)) for each in coarse]
    return np.clip(np.array(smooth) + rng.integers(-9, 9, (batch, *size, 3)), 0, 255).astype(np.uint8)


def _predicted(run: Path, folder: Path, pixels: np.ndarray, network: str) -> np.ndarray:
    """Return log-probabilities of `predict` for files with these pixels."""
    files = [folder / f"{index}.png" for index in range(len(pixels))]
    for file, image in zip(files, pixels, strict=True):
        Image.fromarray(image).save(file)
    return np.log(learn.predict(run, files, network=network).probabilities)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    return torch.log_softmax(torch.from_numpy(np.array(logits)).double(), 1).numpy()


SIZES = [(1, (9, 11)), (2, (40, 31)), (3, (9, 60)), (2, (8, 300)), (1, (13, 10))]


def test_onnx_takes_the_pixels_of_images_of_any_size_as_predict_does(run, tmp_path):
    exported = learn.export_network(run, tmp_path / "model.onnx")
    assert exported.size == exported.path.stat().st_size
    assert 0 <= exported.difference < 1e-5
    model = onnx.load(exported.path)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(exported.path, providers=["CPUExecutionProvider"])
    for batch, size in SIZES:
        pixels = _images(batch, size)
        [logits] = session.run(["logits"], {"pixels": pixels})
        np.testing.assert_allclose(_log_softmax(logits), _predicted(run, tmp_path, pixels, "model"), atol=2e-3)
    facts = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert facts["class_names"] == [*NAMES]
    assert facts["sample_shape"] == [3, 9, 11]
    assert facts["pixels"] == "uint8 from 0 to 255 (batch, height, width, channels)"
    assert facts["channels"] == "red, green, blue"
    [given], [returned] = model.graph.input, model.graph.output
    sizes = [
        [axis.dim_param or axis.dim_value for axis in each.type.tensor_type.shape.dim] for each in (given, returned)
    ]
    assert (given.name, returned.name, sizes) == (
        "pixels",
        "logits",
        [["batch", "height", "width", 3], ["batch", 3]],
    )


def test_a_program_takes_the_pixels_of_images_of_any_size_as_predict_does(run, tmp_path):
    exported = learn.export_network(run, tmp_path / "program", network="dense", format="pt2")
    facts = dict.fromkeys(exported.facts, "")
    network = torch.export.load(exported.path, extra_files=facts).module()
    assert facts == exported.facts
    for batch, size in SIZES:
        pixels = _images(batch, size)
        logits = network(torch.from_numpy(pixels)).detach().numpy()
        np.testing.assert_allclose(_log_softmax(logits), _predicted(run, tmp_path, pixels, "dense"), atol=2e-3)


@pytest.mark.parametrize("pixels", ["8 bits", "16 bits", "floats"])
@pytest.mark.parametrize("size", [(9, 12), (40, 31), (9, 60), (8, 300), (129, 200)])
def test_pixels_are_scaled_and_cropped_as_files_are(tmp_path, size, pixels):
    """Pillow scales images of 8 bits with whole numbers, and may round one of some thousands the other way."""
    form = PixelFormat(9, 12, False, pixels)
    image = {"8 bits": _images(1, size)[0, ..., 0]}.get(pixels, _images(1, size)[0, ..., 1] * np.float32(200.3))
    image = image.astype(np.uint16) if pixels == "16 bits" else image
    file = tmp_path / ("a.tif" if pixels == "floats" else "a.png")
    Image.fromarray(image).save(file)
    with torch.no_grad():
        batch = torch.from_numpy(image.astype(form.dtype))[None, ..., None]
        found = FromPixels(torch.nn.Flatten(), form)(batch).reshape(9, 12).numpy()
    expected = read_pixels(file, form)[0]
    if pixels == "floats":
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    else:
        steps = abs(found * (255 if pixels == "8 bits" else 1) - expected)
        assert steps.max() < 1.01
        assert (steps > 0.01).mean() < 0.02


@pytest.mark.parametrize("format", ["onnx", "pt2"])
def test_a_network_of_series_takes_them_as_they_are(run, series, format):
    exported = series(format)
    assert json.loads(exported.facts["samples"]) == "float32 as in training (batch, channels, length)"
    samples = np.random.default_rng(0).normal(7, 20, (4, 2, 30)).astype(np.float32)
    if format == "onnx":
        # The reference implementation, which the exporter does not look at.
        [logits] = onnx.reference.ReferenceEvaluator(onnx.load(exported.path)).run(["logits"], {"samples": samples})
    else:
        logits = torch.export.load(exported.path).module()(torch.from_numpy(samples)).detach().numpy()
    expected = np.log(learn.predict(run, samples, network="series").probabilities)
    np.testing.assert_allclose(_log_softmax(logits), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("format", ["onnx", "pt2"])
def test_a_file_tells_nothing_of_where_it_was_made(run, series, format):
    content = series(format).path.read_bytes()
    for place in (Path(fa.__file__).parent, Path(torch.__file__).parent, run):
        assert str(place).encode() not in content


@pytest.mark.parametrize("format", ["onnx", "pt2"])
def test_the_steps_of_a_generator_lead_to_the_samples_that_generate_makes(run, tmp_path, format):
    exported = learn.export_network(run, tmp_path / f"generator.{format}", network="generator")
    labels, points = np.array([0, 2, 1, 1]), noise(0, range(4), (3, 9, 11)).numpy()
    if format == "onnx":
        session = onnxruntime.InferenceSession(exported.path, providers=["CPUExecutionProvider"])
    else:
        program = torch.export.load(exported.path).module()
    for step in range(8):
        times = np.full(4, step / 8, np.float32)
        inputs = {"points": points, "times": times, "labels": labels}
        if format == "onnx":
            points, samples = session.run(["moved", "samples"], inputs)
        else:
            points, samples = (each.detach().numpy() for each in program(*map(torch.from_numpy, inputs.values())))
    expected = generate(load(run, "generator"), labels)
    assert samples.dtype == expected.dtype == np.uint8
    assert abs(samples.astype(int) - expected).max() <= 1
    assert json.loads(exported.facts["times"]) == "float32 (batch,); k / 8 in step k, counted from 0"


def test_torch_finds_nothing_to_warn_of_in_the_weights(run):
    """It warns where weights do not lie in memory in the order of their axes, and may then mistake them."""
    whole = export.standalone(export.trained_network(run))
    assert not whole.module.network.stages[0].change[0].weight.is_contiguous()
    assert len(export._to_program(whole)) > 10_000


@pytest.mark.parametrize(("factor", "said"), [(1.001, "0.001"), (float("nan"), "nan")])
def test_a_file_that_says_something_else_is_not_written(run, tmp_path, monkeypatch, factor, said):
    write, read = export._FORMATS["pt2"]

    def write_another(whole):
        with torch.no_grad():
            network = whole.module.network
            network.classify.weight.mul_(factor)
            network.classify.bias.mul_(factor)
            content = write(whole)
            network.classify.weight.copy_(DENSE.classify.weight)
            network.classify.bias.copy_(DENSE.classify.bias)
        return content

    monkeypatch.setitem(export._FORMATS, "pt2", (write_another, read))
    (tmp_path / "dense.pt2").write_text("former")
    with pytest.raises(
        FaltungError, match=rf"dense\.pt2' was not written: its outputs differ .* by {said} of the largest"
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
    for stem, low, high in (("model", 0, 255), ("series", -33, 47)):
        whole = export.standalone(export.trained_network(run, stem))
        assert {len(probe) for [probe] in whole.examples} == {1, 3, 5}
        for [probe] in whole.examples:
            assert low <= probe.min() < probe.max() <= high


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
    assert out.startswith(f"old.pt2: {size}; its outputs differ from those of the network by at most ")
    assert "\nlogits: float32 (batch, classes)\n" in out
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
