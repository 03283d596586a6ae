"""Every command that reads a file, given a pipe or a device in its place; and networks that are not finite."""

from __future__ import annotations

import os
import signal
import sys

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from faltung.cli.main import main
from faltung.datasets.dataset import Dataset
from faltung.files.directory import Structure
from faltung.learn.runs import RunFolder
from faltung.learn.saved import save_network
from faltung.networks import DenseClassifier
from faltung.networks.generator import DenseGenerator


@pytest.fixture
def command(tmp_path, capsys, monkeypatch, alone):
    """Run a command line in a folder; what waits is ended. Return its exit code and all that it printed."""
    monkeypatch.chdir(tmp_path)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.alarm(120)

    def run(text):
        monkeypatch.setattr(sys, "argv", ["faltung", *text.split()])
        try:
            main()
            code = 0
        except SystemExit as error:
            code = error.code or 0
        said = capsys.readouterr()
        return code, said.out + said.err

    yield run
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def saved(folder, network):
    samples = Dataset(np.zeros((1, 1, 8, 8), np.uint8), np.array([0]), ("dark", "bright"))
    save_network(RunFolder.create(folder), "model", network, samples)


def classifier():
    return DenseClassifier(sample_shape=(1, 8, 8), widths=(), classes=2)


def generator():
    return DenseGenerator(sample_shape=(1, 8, 8), width=4, blocks=1, classes=2)


def picture(path):
    Image.fromarray(np.full((8, 8), 9, np.uint8)).save(path)


#: What reads each file. An exit code of 1 and one sentence are wanted.
READERS = {
    "x.png": "apply x.png -k box(3) -o o.png",
    "x.npy": "apply x.npy -k box(3) -o o.npy",
    "x.tif": "apply x.tif -k box(3) -o o.tif --memory 1MB",
    "x.wav": "apply x.wav -k [1,2,1] -o o.wav",
    "k.csv": "apply a.png -k k.csv -o o.png",
    "k.npy": "apply a.png -k k.npy -o o.png",
    "m.png": "apply a.png -k box(3) --mask m.png -o o.png",
    "b.png": "fit b.png b.png --size 3",
    "d.npz": "learn d.npz",
    "d.csv": "learn d.csv",
    "d.gz": "learn d.gz",
    "p.png": "predict run p.png",
    "p.npy": "predict run p.npy",
    "run/model.json": "predict run a.png",
    "run/model.safetensors": "predict run a.png",
    "made/model.json": "generate made -n 1 --steps 1 -o o.png",
    "r/run.json": "learn --resume r",
    "classes/a/x.png": "learn classes",
    "classes/t.csv": "learn classes",
}


@pytest.mark.parametrize("kind", ["pipe", "device"])
@pytest.mark.parametrize("name", READERS)
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path, command, name, kind):
    picture(tmp_path / "a.png")
    for folder in ("r", "classes/a", "classes/b"):
        (tmp_path / folder).mkdir(parents=True)
    for folder in "ab":
        picture(tmp_path / "classes" / folder / "1.png")
    saved(tmp_path / "run", classifier())
    saved(tmp_path / "made", generator())
    (tmp_path / name).unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(tmp_path / name)
    else:
        (tmp_path / name).symlink_to("/dev/zero")
    before = {*tmp_path.rglob("*")}
    code, said = command(READERS[name])
    assert code == 1
    assert "Traceback" not in said
    assert any(word in said for word in (kind, "neither a file", "does not exist", "which is", "file that exists"))
    assert {*tmp_path.rglob("*")} == before


def test_a_tiff_whose_directory_leads_to_itself_ends_every_command(tmp_path, command):
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((9, 9), np.uint8), metadata=None)
    data = bytearray((tmp_path / "x.tif").read_bytes())
    structure = Structure.of(bytes(data))
    last = structure.first + 2 + 12 * len(structure.entries(structure.first))
    data[last : last + 4] = structure.first.to_bytes(4, "little")
    (tmp_path / "x.tif").write_bytes(data)
    for text in ("apply x.tif -k box(3) -o o.tif", "apply x.tif -k box(3) -o o.zarr", "fit x.tif x.tif --size 3"):
        code, said = command(text)
        assert (code, "is an earlier one again" in said) == (1, True), said


@pytest.mark.parametrize("value", [torch.nan, torch.inf, 3e38])
def test_a_network_that_is_not_finite_predicts_nothing(tmp_path, command, value):
    picture(tmp_path / "a.png")
    network = classifier()
    torch.nn.init.constant_(network.classify.weight, value)
    saved(tmp_path / "run", network)
    code, said = command("predict run a.png --csv o.csv")
    assert code == 1
    assert "finite" in said
    assert "nan %" not in said
    assert not (tmp_path / "o.csv").exists()


@pytest.mark.parametrize("value", [torch.nan, 3e38])
def test_a_network_that_is_not_finite_generates_nothing(tmp_path, command, value):
    network = generator()
    torch.nn.init.constant_(network.leave.weight, value)
    torch.nn.init.constant_(network.leave.bias, value)
    saved(tmp_path / "made", network)
    code, said = command("generate made -n 2 --steps 2 --npz o.npz")
    assert (code, "finite" in said, (tmp_path / "o.npz").exists()) == (1, True, False)


def test_a_description_that_is_a_pipe_is_not_waited_for(command, tmp_path):
    (tmp_path / "run").mkdir()
    os.mkfifo(tmp_path / "run" / "run.json")
    picture(tmp_path / "a.png")
    code, said = command("predict run a.png --csv a.csv")
    assert code == 1
    assert "Error: RUN: expected a run folder" in said
    assert not (tmp_path / "a.csv").exists()


@pytest.mark.parametrize("data", [r'"a\u0000b"', r'"\ud800"', r'"\udc80"', "5", "null"])
def test_the_data_of_a_run_may_have_no_name(command, tmp_path, data):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text(f'{{"data": {data}}}')
    picture(tmp_path / "a.png")
    (tmp_path / "a.csv").write_text("before")
    code, said = command("predict run a.png --csv a.csv --overwrite")
    assert (code, "Error: RUN: expected a run folder" in said) == (1, True)
    assert (tmp_path / "a.csv").read_text() == "before"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("apply a.npy -k box(3) -o b.npy --scale :5", "--scale: expected auto, none, or two different numbers"),
        ("apply a.npy -k box(3) -o b.npy --axes=--1,0", "--axes: expected 2 of the axes"),
        ("apply a.npy -k box(3) -o b.zarr --axes=--1,0", "--axes: expected 2 of"),
        (f"apply a.npy -k box(3) -o b.zarr --axes={'9' * 5000},0", "--axes: expected 2 of"),
        (f"plan a.npy -k box(3) --axes={'9' * 5000},0", "--axes: expected 2 of the axes"),
        ("inspect :net --html a.html", "Error"),
        (f"fit a.npy a.npy --size {'9' * 5000}", "--size: expected a number of taps"),
        (f"fit a.npy a.npy --size {'x'.join('3' * 33)}", "--size: expected a number of taps"),
        (f"fit a.npy a.npy --size 3 --axes {','.join('0' * 33)}", "--axes: expected at most 32 axes"),
    ],
)
def test_options_that_say_nothing_get_one_sentence(command, tmp_path, words, said):
    np.save(tmp_path / "a.npy", np.zeros((8, 8)))
    code, printed = command(words)
    assert code in (1, 2)
    assert said in printed
