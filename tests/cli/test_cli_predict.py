"""`faltung predict` and `faltung.learn.predict`, against probabilities known in closed form."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from faltung import learn
from faltung.cli.main import main
from faltung.datasets.dataset import Dataset
from faltung.errors import ArgumentError
from faltung.learn import prediction
from faltung.learn.inputs import as_samples, read_files
from faltung.learn.saved import save_network
from faltung.networks import ConvClassifier, DenseClassifier
from faltung.networks.generator import DenseGenerator
from faltung.networks.stored import Trained, load_trained

BRIGHTNESS = 8.0


def _save(folder: Path, network: torch.nn.Module, class_names: tuple[str, ...], dtype: type, stem="model") -> None:
    samples = np.zeros((1, *network.arguments["sample_shape"]), dtype)
    save_network(learn.RunFolder(folder), stem, network, Dataset(samples, np.array([0]), class_names))


def _linear(sample_shape: tuple[int, ...], weight: torch.Tensor, bias: list[float]) -> DenseClassifier:
    """A network whose logits are weight @ samples + bias."""
    network = DenseClassifier(sample_shape=sample_shape, widths=(), classes=len(bias))
    with torch.no_grad():
        network.classify.weight.copy_(weight)
        network.classify.bias.copy_(torch.tensor(bias))
    return network


def _mean_of(count: int) -> torch.Tensor:
    return torch.stack([torch.zeros(count), torch.full((count,), BRIGHTNESS / count)])


def bright(value: float) -> float:
    """Probability that the run below gives to the class bright where the mean intensity is `value` out of 255."""
    return 1 / (1 + math.exp(BRIGHTNESS / 2 - BRIGHTNESS * value / 255))


@pytest.fixture
def run(tmp_path):
    """A run whose model tells dark from bright, and whose yardstick says the opposite."""
    folder = tmp_path / "run"
    folder.mkdir()
    weight = _mean_of(96)
    _save(folder, _linear((1, 8, 12), weight, [0.0, -BRIGHTNESS / 2]), ("dark", "bright"), np.uint8)
    _save(folder, _linear((1, 8, 12), -weight, [0.0, BRIGHTNESS / 2]), ("dark", "bright"), np.uint8, "dense")
    return folder


@pytest.fixture
def series(tmp_path):
    """A run that reads series of two channels, and tells which has the larger mean."""
    folder = tmp_path / "series"
    folder.mkdir()
    weight = torch.zeros(2, 2, 10)
    weight[0, 0] = weight[1, 1] = 0.1
    _save(folder, _linear((2, 10), weight.flatten(1), [0.0, 0.0]), ("first", "second"), np.float32)
    return folder


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Call ``faltung predict`` in a folder; return exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FALTUNG_DEBUG", raising=False)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["faltung", "predict", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return ended.value.code or 0, said.out, said.err

    return call


def _grey(path: Path, value: int, size: tuple[int, int] = (12, 8), mode: str = "L") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, value).convert(mode).save(path)
    return path


# What the network says


@given(
    value=st.integers(0, 255),
    width=st.integers(8, 40),
    height=st.integers(8, 40),
    mode=st.sampled_from(["L", "P", "RGB"]),
)
def test_a_plain_image_of_any_size_and_mode_has_its_probability(value, width, height, mode):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _save(folder, _linear((1, 8, 12), _mean_of(96), [0.0, -BRIGHTNESS / 2]), ("dark", "bright"), np.uint8)
        said = learn.predict(folder, _grey(folder / "a.png", value, (width, height), mode))
    assert said.probabilities[0] == pytest.approx([1 - bright(value), bright(value)], abs=1e-6)
    assert said.classes == ["bright" if bright(value) > 0.5 else "dark"]


def test_files_arrays_and_batches_agree(run, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    samples = rng.integers(0, 256, (7, 8, 12), dtype=np.uint8)
    for index, sample in enumerate(samples):
        Image.fromarray(sample).save(tmp_path / f"{index}.png")
    np.save(tmp_path / "all.npy", samples)
    expected = [bright(sample.mean()) for sample in samples]
    files = [tmp_path / f"{index}.png" for index in range(7)]
    monkeypatch.setattr(prediction, "_FILES", 3)
    for given_, names in (
        (files, tuple(map(str, files))),
        (tmp_path / "all.npy", tuple(f"{tmp_path / 'all.npy'}[{index}]" for index in range(7))),
        (samples, tuple("0123456")),
        (samples[:, None].astype(np.int64), tuple("0123456")),
    ):
        said = learn.predict(run, given_)
        assert said.names == names
        assert said.probabilities[:, 1] == pytest.approx(expected, abs=1e-6)
    assert learn.predict(run, samples, network="dense").probabilities[:, 0] == pytest.approx(expected, abs=1e-6)


def test_top_classes_come_in_falling_order_and_ties_in_order_of_classes():
    said = learn.prediction.Predictions(("a",), np.array([[0.25, 0.5, 0.25]]), ("x", "y", "z"), (None,))
    assert said.top(0, 2) == [("y", 0.5), ("x", 0.25)]
    assert said.top(0, 9) == [("y", 0.5), ("x", 0.25), ("z", 0.25)]


def _write_eight_bits(root: Path, rng: np.random.Generator) -> None:
    for label in ("a", "b"):
        for index in range(3):  # so that both classes can be split
            Image.fromarray(rng.integers(0, 256, (40, 30, 3), dtype=np.uint8)).save(root / label / f"{index}.png")
    noise = Image.fromarray(rng.integers(0, 256, (25, 50, 4), dtype=np.uint8))
    for mode, suffix in (("1", "png"), ("L", "bmp"), ("LA", "png"), ("P", "gif"), ("RGBA", "png"), ("CMYK", "jpg")):
        noise.convert(mode).save(root / "a" / f"{mode}.{suffix}")
    noise.convert("CMYK").save(root / "a" / "CMYK.tif")
    noise.convert("P").save(root / "a" / "clear.png", transparency=3)
    noise.convert("RGB").save(root / "a" / "other.JFIF", "JPEG")
    for suffix, orientation in (("jpg", 6), ("jpe", 7), ("webp", 8), ("png", 5), ("tif", 6)):
        turned = Image.Exif()
        turned[0x0112] = orientation
        noise.convert("RGB").save(root / "b" / f"turned.{suffix}", exif=turned)


def _write_sixteen_bits(root: Path, rng: np.random.Generator) -> None:
    for label, level in (("a", 900), ("b", 3600)):
        for index in range(4):
            deep = rng.integers(level - 50, level + 50, (20, 16 + index), dtype=np.uint16)
            Image.fromarray(deep).save(root / label / f"{index}.{'png' if index % 2 else 'tif'}")


def _write_mixed_bits(root: Path, rng: np.random.Generator) -> None:
    _write_eight_bits(root, rng)
    _write_sixteen_bits(root, rng)


def _write_floats(root: Path, rng: np.random.Generator) -> None:
    for label in ("a", "b"):
        for index in range(4):
            Image.fromarray(rng.normal(5.0, 1e-3, (30, 20)).astype(np.float32)).save(root / label / f"{index}.tif")


@pytest.mark.parametrize("write", [_write_eight_bits, _write_sixteen_bits, _write_mixed_bits, _write_floats])
def test_images_become_what_they_became_in_training(tmp_path, write):
    """Every file is read, bit for bit, as `load` read it, whichever files are read with it."""
    for label in ("a", "b"):
        (tmp_path / "data" / label).mkdir(parents=True)
    write(tmp_path / "data", np.random.default_rng(1))
    split = learn.load(tmp_path / "data")
    network = DenseClassifier(sample_shape=split.training.sample_shape, classes=2, widths=())
    save_network(learn.RunFolder(tmp_path), "model", network, split.training)
    trained = load_trained(tmp_path)
    for part in ("training", "validation", "test"):
        for name, sample in zip(split.members[part], getattr(split, part).samples, strict=True):
            [read] = read_files([tmp_path / "data" / name], trained)
            assert read.dtype == sample.dtype
            np.testing.assert_array_equal(read, sample[None], err_msg=name)


@pytest.mark.parametrize(
    ("given", "file", "label"),
    [
        ("photos", "photos/dark/a.png", "dark"),
        ("photos", "photos/dark/monday/a.png", "dark"),
        ("photos/dark", "photos/dark/monday/a.png", "dark"),
        ("photos/dark", "photos/dark/bright/a.png", "bright"),
        ("photos", "photos/monday/a.png", None),
        # What is outside the folder that is searched is no class.
        ("dark/photos", "dark/photos/monday/a.png", None),
        ("dark/a.png", "dark/a.png", "dark"),
        ("dark/monday/a.png", "dark/monday/a.png", None),
    ],
)
def test_a_class_is_named_by_a_folder_at_any_depth_of_the_search(run, tmp_path, given, file, label):
    (tmp_path / file).parent.mkdir(parents=True)
    _grey(tmp_path / file, 0)
    assert learn.predict(run, tmp_path / given).labels == (label,)


@pytest.mark.parametrize("shape", [(2, 10), (5, 2, 10)], ids=["one", "many"])
@pytest.mark.parametrize("dtype", [np.float64, np.int16])
def test_series_reach_the_network_as_they_are(series, tmp_path, shape, dtype):
    values = np.random.default_rng(2).integers(-9, 9, shape).astype(dtype)
    np.savez(tmp_path / "waves.npz", x=values, y=np.zeros(len(values)), class_names=["first", "second"])
    means = values.reshape(-1, 2, 10).mean(2)
    said = learn.predict(series, tmp_path / "waves.npz")
    assert said.probabilities[:, 0] == pytest.approx(1 / (1 + np.exp(means[:, 1] - means[:, 0])), abs=1e-6)


@pytest.mark.parametrize(
    ("sample_shape", "shape"),
    [
        ((1, 8, 12), (8, 12)),
        ((3, 8, 12), (8, 12, 3)),
        ((3, 8, 12), (3, 8, 12)),
        ((3, 16, 16), (1, 32, 40, 3)),
        ((1, 8, 9, 10), (8, 9, 10)),
        ((1, 20), (20,)),
    ],
)
def test_one_sample_needs_no_axis_of_samples(sample_shape, shape):
    trained = Trained(torch.nn.Flatten(), ("a", "b"), "uint8" if len(sample_shape) > 2 else "float32", sample_shape)
    assert as_samples("x", np.ones(shape, np.uint8), trained).shape == (1, *sample_shape)


def test_whole_numbers_are_what_they_are_to_a_network_that_learned_from_floats():
    trained = Trained(torch.nn.Flatten(), ("a", "b"), "float32", (1, 8, 12))
    for dtype in (np.uint8, np.int16, np.float64):
        samples = as_samples("x", np.full((4, 8, 12), 200, dtype), trained)
        assert samples.dtype == np.float32
        assert (samples == 200).all()


# The command


def test_the_table_has_the_best_classes_of_each_file(run, command, tmp_path):
    _grey(tmp_path / "white.png", 255)
    _grey(tmp_path / "black.png", 0)
    code, out, err = command(run, "white.png", "black.png")
    assert (code, err) == (0, "")
    assert out == "white.png  bright   98.2 %  dark      1.8 %\nblack.png  dark     98.2 %  bright    1.8 %\n"
    code, out, _ = command(run, "white.png", "--top", 1, "--network", "dense")
    assert (code, out) == (0, "white.png  dark   98.2 %\n")


def test_folders_are_searched_and_their_names_are_labels(run, command, tmp_path):
    for name, value in (("dark/a.png", 0), ("dark/b.PNG", 250), ("bright/c.jpg", 255), ("other/d.png", 0)):
        _grey(tmp_path / "set" / name, value)
    for name in ("notes.txt", "dark/.hidden.png", ".cache/dark/e.png"):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_text("no image")
    code, out, err = command(run, "set", "--top", 1)
    assert code == 0
    assert err == (
        "3 files skipped: 2 hidden (such as set/.cache/dark/e.png); 1 no suffix of an image (set/notes.txt)\n"
    )
    *lines, last = out.splitlines()
    names = ["bright/c.jpg", "dark/a.png", "dark/b.PNG", "other/d.png"]
    assert [line.split()[0] for line in lines] == [str(Path("set") / name) for name in names]
    assert last == "Recognised 2 of 3 samples in folders named after a class: 66.7 %"


def test_csv_and_json_hold_all_probabilities(run, command, tmp_path):
    _grey(tmp_path / "dark" / "a.png", 100)
    np.save(tmp_path / "two.npy", np.stack([np.full((8, 12), value, np.uint8) for value in (0, 255)]))
    code, out, _ = command(run, "dark/a.png", "two.npy", "--csv", "p.csv", "--json", "p.json")
    assert code == 0
    assert out.startswith("dark/a.png")
    expected = [("dark/a.png", "dark", "dark", 100), ("two.npy[0]", "", "dark", 0), ("two.npy[1]", "", "bright", 255)]
    header, *rows = csv.reader(io.StringIO((tmp_path / "p.csv").read_text(encoding="utf-8")))
    assert header == ["name", "label", "class", "p(dark)", "p(bright)"]
    assert [tuple(row[:3]) for row in rows] == [line[:3] for line in expected]
    for row, (*_, value) in zip(rows, expected, strict=True):
        assert [float(text) for text in row[3:]] == pytest.approx([1 - bright(value), bright(value)], abs=1e-6)
    found = json.loads((tmp_path / "p.json").read_text(encoding="utf-8"))
    assert found["unusable"] == {}
    for said, row in zip(found["predictions"], rows, strict=True):
        assert said == {
            "name": row[0],
            "label": row[1] or None,
            "class": row[2],
            "probabilities": {"dark": float(row[3]), "bright": float(row[4])},
        }


@pytest.mark.parametrize("option", ["--csv", "--json"])
def test_standard_output_holds_nothing_else(run, command, tmp_path, option):
    _grey(tmp_path / "dark" / "a.png", 0)
    code, out, err = command(run, "dark", "nothing.png", option, "-")
    assert code == 1
    assert err == "nothing.png: no such file or directory\n1 of the files could not be used.\n"
    if option == "--csv":
        assert [row[0] for row in csv.reader(io.StringIO(out))] == ["name", "dark/a.png"]
    else:
        assert [said["name"] for said in json.loads(out)["predictions"]] == ["dark/a.png"]
        assert json.loads(out)["unusable"] == {"nothing.png": "no such file or directory"}


def test_a_run_that_is_not_finished_says_so(run, command, tmp_path):
    _grey(tmp_path / "a.png", 255)
    (run / "run.json").write_text("{}")
    code, out, err = command("run", "a.png", "--top", 1)
    assert (code, out) == (0, "a.png  bright   98.2 %\n")
    assert err == "The run run is not finished. Continue it with: faltung learn --resume run\n"
    for name in ("model", "dense"):
        (run / f"{name}.safetensors").unlink()
    code, _, err = command("run", "a.png")
    assert code == 1
    assert "got 'run', which is not finished. Continue it with: faltung learn --resume run" in err


# What cannot be used


def test_files_that_cannot_be_used_are_listed_after_the_rest_is_done(run, command, tmp_path):
    _grey(tmp_path / "good.png", 255)
    _grey(tmp_path / "small.png", 255, (7, 5))
    (tmp_path / "broken.png").write_bytes((tmp_path / "good.png").read_bytes()[:40])
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04")
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    np.save(tmp_path / "volumes.npy", np.zeros((4, 8, 8, 8, 8), np.uint8))
    np.save(tmp_path / "floats.npy", np.full((1, 8, 12), 0.5))
    np.save(tmp_path / "colours.npy", np.zeros((5, 8, 12, 3), np.uint8))
    np.savez(tmp_path / "two.npz", x_train=np.zeros((2, 8, 12)), x_test=np.zeros((2, 8, 12)))
    np.savez(tmp_path / "none.npz")
    reasons = {
        "small.png": "7x5 pixels, fewer than 8 a side",
        "broken.png": "",
        "text.jpg": "not a known kind of image",
        "empty": "expected a folder with images, .npy or .npz files, got none.",
        "broken.npz": "",
        "objects.npy": "expected .npy with plain numbers, got something else (it holds objects of Python",
        "volumes.npy": "expected images (samples, height, width) or",
        "floats.npy": "expected whole numbers from 0 to 255, as in training, got",
        "colours.npy": "expected samples of shape (1, 8, 12), (channels, *spatial), as in training,",
        "two.npz": "expected one array of samples in the file, got 'x_train', 'x_test'. Save",
        "none.npz": "expected one array of samples in the file, got none. Save",
    }
    code, out, err = command(run, *reasons, "good.png", "--csv", "p.csv")
    assert code == 1
    assert out == "good.png  bright   98.2 %  dark    1.8 %\n"
    *lines, last = err.splitlines()
    assert last == "11 of the files could not be used."
    for line, (name, reason) in zip(lines, reasons.items(), strict=True):
        assert line.startswith(f"{name}: {reason}")
        assert len(line) > len(name) + 2
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 2


def test_series_that_cannot_be_used(series, command, tmp_path):
    _grey(tmp_path / "image.png", 0)
    spoiled = np.zeros((3, 2, 10))
    spoiled[1, 0, 4] = np.nan
    arrays = {
        "spoiled": spoiled,
        "short": np.zeros((3, 2, 7)),
        "long": np.zeros((3, 2, 11)),
        "one": np.zeros((3, 10)),
    }
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    code, out, err = command(series, "image.png", *(f"{name}.npy" for name in arrays))
    assert (code, out) == (1, "")
    wanted = "expected samples of shape (2, 10), (channels, *spatial), as in training, got"
    for line, reason in zip(
        err.splitlines(),
        (
            "image.png: expected float32 samples of shape (2, 10) in an .npy or .npz file, got an image file.",
            "spoiled.npy: expected samples that are finite in float32, got nan in sample 1 of 'spoiled.npy', channel",
            "short.npy: expected at least 8 samples along each series, got (7,) in 'short.npy'.",
            f"long.npy: {wanted} (2, 11) in 'long.npy'.",
            f"one.npy: {wanted} (1, 10) in 'one.npy'.",
            "5 of the files could not be used.",
        ),
        strict=True,
    ):
        assert line.startswith(reason)


def test_without_consent_files_that_cannot_be_used_are_an_error(run, tmp_path):
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(
        ArgumentError, match=r"images: expected files that fit the network, got .*text\.jpg \(not a known kind"
    ):
        learn.predict(run, [tmp_path / "text.jpg"])
    assert len(learn.predict(run, [tmp_path / "text.jpg"], on_skip=lambda name, reason: None)) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("{run}/model.json", "a.png"),
            "RUN: expected a run folder with .*, which is a file. Make one with: faltung learn",
        ),
        (("nowhere", "a.png"), "RUN: expected a run folder with .*, which does not exist."),
        (
            ("{run}", "a.png", "--network", "large"),
            "--network: expected one that the run has: dense, model, got 'large'.",
        ),
        (
            ("{run}", "a.png", "--csv", "-", "--json", "-"),
            "--json: expected --csv or --json on standard output, got both",
        ),
        (
            ("{run}", "a.png", "--csv", "a.png"),
            "--csv: expected a file other than the input, got 'a.png'",
        ),
        (
            ("{run}", "a.png", "--json", "no/p.json"),
            "--json: expected a name in a folder that exists, got 'no/p.json'.",
        ),
        (("{run}", "a.png", "--json", "."), "--json: expected the name of a file, got '.', a folder."),
        (
            ("generator", "a.png"),
            "RUN: expected a classifier, got a generator in 'generator/model.json'.",
        ),
    ],
)
def test_what_is_wrong_is_said_before_any_work(run, command, tmp_path, arguments, message):
    _grey(tmp_path / "a.png", 0)
    (tmp_path / "generator").mkdir()
    _save(tmp_path / "generator", DenseGenerator(sample_shape=(1, 8, 12), classes=2), ("dark", "bright"), np.uint8)
    before = sorted(tmp_path.rglob("*"))
    code, out, err = command(*(each.format(run=run) for each in arguments))
    assert (code, out) == (2 if "other than the input" in message else 1, "")
    assert re.search(message, err)
    assert sorted(tmp_path.rglob("*")) == before


def test_overwrite_replaces_what_was_written_before(run, command, tmp_path):
    _grey(tmp_path / "a.png", 0)
    (tmp_path / "p.csv").write_text("old")
    code, *_ = command(run, "a.png", "--csv", "p.csv", "--overwrite")
    assert code == 0
    assert (tmp_path / "p.csv").read_text().startswith("name,label,class,p(dark),p(bright)\na.png,,dark,")


def test_a_convolutional_network_is_predicted_with_as_it_is(tmp_path):
    """Batch norm in evaluation mode, softmax in NumPy."""
    network = ConvClassifier(sample_shape=(3, 16, 16), classes=4, channels=(4, 6))
    network(torch.rand(8, 3, 16, 16))
    _save(tmp_path, network, tuple("abcd"), np.uint8)
    samples = np.random.default_rng(3).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    with torch.no_grad():
        logits = (
            network.eval()(torch.tensor(samples / 255.0, dtype=torch.float32).permute(0, 3, 1, 2)).double().numpy()
        )
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(learn.predict(tmp_path, samples).probabilities, expected, rtol=1e-5)
