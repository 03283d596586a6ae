"""Run folders: never shared, never half written; networks come back as they were."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from faltung.datasets.dataset import Dataset
from faltung.errors import ArgumentError
from faltung.learn.claim import LOCK, claimed
from faltung.learn.runs import RunFolder
from faltung.learn.saved import save_network
from faltung.networks import NETWORKS, ConvClassifier, DenseClassifier, load
from faltung.networks.stored import GENERATORS, load_trained


def test_numbered_folders_are_never_used_twice(tmp_path):
    parent = tmp_path / "runs"
    names = [RunFolder.create(parent=parent).path.name for _ in range(3)]
    assert names == ["learn-001", "learn-002", "learn-003"]
    (parent / "learn-002").rmdir()
    (parent / "learn-004").write_text("a file")
    assert RunFolder.create(parent=parent).path.name == "learn-002"
    assert RunFolder.create(parent=parent).path.name == "learn-005"


def test_new_and_empty_folders_are_accepted(tmp_path):
    assert RunFolder.create(tmp_path / "a" / "b").path.is_dir()
    assert RunFolder.create(tmp_path / "a" / "b").path == tmp_path / "a" / "b"


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "results.txt").write_text("precious")
    with pytest.raises(
        ArgumentError, match=r"out: expected a new or empty folder, got .*, which holds 1 entry\. Choose"
    ):
        RunFolder.create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["results.txt"]


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_file_is_no_folder(tmp_path, name):
    (tmp_path / "file").write_text("precious")
    with pytest.raises(ArgumentError, match=r"out: expected a new or empty folder, got the file .*file"):
        RunFolder.create(tmp_path / name)
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.parametrize("failing", ["fsync", "replace"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupted_write_leaves_the_former_file_and_nothing_else(tmp_path, monkeypatch, failing, error):
    run = RunFolder(tmp_path)
    run.write_text("metrics.json", "before")

    def fail(*_):
        raise error

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(error if isinstance(error, type) else type(error)) as raised:
        run.write_text("metrics.json", "after")
    if not isinstance(error, type):
        assert str(raised.value) == f"[Errno 28] No space left on device: '{tmp_path / 'metrics.json'}'"
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]
    assert (tmp_path / "metrics.json").read_text() == "before"


def test_two_writers_of_one_file_do_not_disturb_each_other(tmp_path, monkeypatch):
    """Each writes a file of its own until it is whole; the last one that is whole stays."""
    first, second = RunFolder(tmp_path), RunFolder(tmp_path)
    sync, between = os.fsync, []

    def write_the_other(descriptor):
        monkeypatch.setattr(os, "fsync", sync)
        second.write_text("metrics.json", "second")
        between.append((tmp_path / "metrics.json").read_text())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", write_the_other)
    first.write_text("metrics.json", "first")
    assert between == ["second"]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]
    assert (tmp_path / "metrics.json").read_text() == "first"


def test_many_threads_write_the_same_file(tmp_path):
    contents = [bytes([value]) * 5000 for value in range(40)]
    with ThreadPoolExecutor(8) as pool:
        [*pool.map(lambda content: RunFolder(tmp_path).write_bytes("a.bin", content), contents)]
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
    assert (tmp_path / "a.bin").read_bytes() in contents


def test_written_files_have_the_permissions_of_other_files(tmp_path):
    (tmp_path / "other").touch()
    RunFolder(tmp_path).write_text("a.txt", "text")
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("name", ["model.json", "model.safetensors", "metrics.json"])
def test_partial_files_of_a_killed_process_do_no_harm(tmp_path, name, monkeypatch):
    with monkeypatch.context() as patch:  # a killed process cannot tidy up
        patch.setattr(os, "unlink", lambda path: None)
        patch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            RunFolder(tmp_path).write_text(name, "half a fi")
    assert len([*tmp_path.iterdir()]) == 1
    run = RunFolder.create(tmp_path)  # still as good as empty
    assert not run.finished
    with pytest.raises(ArgumentError, match="run: expected a run folder"):
        load(tmp_path)
    monkeypatch.setattr("faltung.ground.new_files._cleared", set())  # as in a new process
    run.write_text("run.json", "{}")
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_a_link_in_a_run_folder_does_not_lead_out_of_it(tmp_path):
    """A folder from a stranger may have any."""
    (tmp_path / "run").mkdir()
    (tmp_path / "precious").write_text("precious")
    for name in ("history.csv", LOCK):
        (tmp_path / "run" / name).symlink_to(tmp_path / "precious")
    RunFolder(tmp_path / "run").write_text("history.csv", "epoch")
    with (
        pytest.raises(ArgumentError, match=rf"resume: expected a run folder, got '.*{LOCK}'"),
        claimed(tmp_path / "run"),
    ):
        pass
    (tmp_path / "run" / LOCK).unlink()
    os.link(tmp_path / "precious", tmp_path / "run" / LOCK)
    with pytest.raises(ArgumentError, match="which is another file, too"), claimed(tmp_path / "run"):
        pass
    assert (tmp_path / "precious").read_text() == "precious"
    assert (tmp_path / "run" / "history.csv").read_text() == "epoch"


def test_what_of_a_file_name_is_no_text_comes_back_from_json(tmp_path):
    name = os.fsdecode(b"a\xff.png")
    RunFolder(tmp_path).write_json("split.json", {"training": [name]})
    assert json.loads((tmp_path / "split.json").read_text(encoding="utf-8")) == {"training": [name]}


def test_rows_of_different_networks_share_a_table(tmp_path):
    RunFolder(tmp_path).write_csv("history.csv", [{"epoch": 1, "accuracy": 0.5}, {"epoch": 1, "risk": 0.25}])
    assert (tmp_path / "history.csv").read_text() == "epoch,accuracy,risk\n1,0.5,\n1,,0.25\n"


def test_written_files_are_exact(tmp_path):
    run = RunFolder(tmp_path)
    run.write_bytes("picture.png", bytes(range(256)))
    run.write_csv("history.csv", [{"epoch": 1, "risk": 0.5}, {"epoch": 2, "risk": 1 / 3}])
    run.write_json("metrics.json", {"größe": 1.5})
    assert (tmp_path / "picture.png").read_bytes() == bytes(range(256))
    assert (tmp_path / "history.csv").read_bytes() == b"epoch,risk\n1,0.5\n2,0.3333333333333333\n"
    assert json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8")) == {"größe": 1.5}


def test_what_is_not_json_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        RunFolder(tmp_path).write_json("metrics.json", {"risk": float("nan")})
    assert not list(tmp_path.iterdir())


NETWORK = ConvClassifier(sample_shape=(1, 28, 28), channels=(3, 4), classes=2)
DENSE = DenseClassifier(sample_shape=(1, 28, 28), widths=(5,), classes=2)
SERIES = ConvClassifier(sample_shape=(2, 40), channels=(3, 4), classes=2, size=5, mean=0.5, deviation=2.0)


def _data(sample_shape=(1, 28, 28), dtype=np.uint8) -> Dataset:
    return Dataset(np.zeros((2, *sample_shape), dtype), np.array([0, 1]), ("bag", "coat"))


@pytest.fixture
def saved(tmp_path):
    save_network(RunFolder(tmp_path), "model", NETWORK, _data())
    return tmp_path


@pytest.mark.parametrize("network", [NETWORK, DENSE, SERIES], ids=["conv", "dense", "series"])
def test_a_saved_network_gives_the_same_predictions(tmp_path, network):
    shape = tuple(network.arguments["sample_shape"])
    network.train()(torch.rand(16, *shape))  # so that batch norm has statistics to keep
    save_network(RunFolder(tmp_path), "model", network, _data(shape, np.float32))
    again = load(tmp_path)
    assert not again.training
    samples = torch.rand(9, *shape)
    assert torch.equal(again(samples), network.eval()(samples))


def test_what_inputs_and_outputs_stand_for_is_kept(tmp_path):
    save_network(RunFolder(tmp_path), "dense", SERIES, _data((2, 40), np.float32))
    trained = load_trained(tmp_path, "dense")
    assert (trained.class_names, trained.dtype, trained.sample_shape) == (("bag", "coat"), "float32", (2, 40))
    assert trained.network.arguments == SERIES.arguments


def test_nothing_but_weights_and_json_is_written(saved):
    assert sorted(path.name for path in saved.iterdir()) == ["model.json", "model.safetensors"]
    description = json.loads((saved / "model.json").read_text())
    assert len(bytes.fromhex(description.pop("digest"))) == 32
    assert description == {
        "format": 3,
        "class": "ConvClassifier",
        "arguments": {
            "sample_shape": [1, 28, 28],
            "classes": 2,
            "channels": [3, 4],
            "size": 3,
            "mean": 0.0,
            "deviation": 1.0,
        },
        "class_names": ["bag", "coat"],
        "samples": {"dtype": "uint8", "shape": [1, 28, 28], "pixels": None},
    }


def _of_shape(shape: list[int]) -> dict[str, object]:
    samples = {"dtype": "uint8", "shape": shape, "pixels": None}
    return {"arguments": {**NETWORK.arguments, "sample_shape": shape}, "samples": samples}


def _edit(folder: Path, **changes: object) -> None:
    description = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**description, **changes}))


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (lambda folder: (folder / "model.json").write_text("{"), "JSONDecodeError"),
        (lambda folder: (folder / "model.json").write_text("[]"), "it holds no object"),
        (lambda folder: (folder / "model.json").write_bytes(b"\xff"), "UnicodeDecodeError"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 50), "SafetensorError"),
        (
            lambda folder: _edit(folder, arguments={**NETWORK.arguments, "channels": [3, 5]}),
            "the weights of .* are .* instead of",
        ),
        (lambda folder: _edit(folder, arguments={"colour": "red"}), "colour is 'red'"),
        (lambda folder: _edit(folder, arguments=[1]), r"arguments is \[1\]"),
        (lambda folder: _edit(folder, samples={"dtype": "uint8"}), "samples of shape None"),
        (
            lambda folder: _edit(folder, samples={"dtype": "uint8", "shape": [1, 28, 27]}),
            "ValueError: samples of shape",
        ),
        (lambda folder: _edit(folder, samples={"dtype": {"a": 1}, "shape": [1, 28, 28]}), "ValueError: samples is"),
        (lambda folder: _edit(folder, class_names=["bag", ["coat"]]), "ValueError: class_names is"),
        (lambda folder: _edit(folder, arguments={**NETWORK.arguments, "mean": [0.1, 0.2]}), "one for each of 1 chan"),
        (lambda folder: _edit(folder, arguments={**NETWORK.arguments, "deviation": 0}), "no deviation of zero"),
        (lambda folder: _edit(folder, format=1), "format 1, and this version of faltung reads 3"),
        (lambda folder: _edit(folder, digest=None), "digest is None"),
        (lambda folder: _edit(folder, class_names=[]), "class_names is"),
        (lambda folder: _edit(folder, class_names=["bag", "coat" * 2000]), "a name of 8,000 characters"),
        (lambda folder: _edit(folder, arguments={**NETWORK.arguments, "size": "3"}), "size is '3'"),
        (lambda folder: _edit(folder, arguments={**NETWORK.arguments, "classes": True}), "classes is True"),
        (lambda folder: _edit(folder, arguments={**NETWORK.arguments, "channels": [3] * 99}), "99 layers"),
        (lambda folder: _edit(folder, arguments={**NETWORK.arguments, "channels": [10**5] * 2}), "instead of"),
        (lambda folder: _edit(folder, arguments={**NETWORK.arguments, "classes": 10**9}), "instead of"),
        (lambda folder: _edit(folder, **_of_shape([1, 70_000, 70_000])), "may have 67,108,864"),
        (lambda folder: _edit(folder, **_of_shape([])), "sample_shape is"),
        (lambda folder: (folder / "model.json").unlink() or os.mkfifo(folder / "model.json"), "it is a pipe"),
        (
            lambda folder: (folder / "model.safetensors").unlink() or os.mkfifo(folder / "model.safetensors"),
            "it is a pipe",
        ),
    ],
)
def test_damaged_runs_are_refused(saved, damage, cause):
    damage(saved)
    with pytest.raises(ArgumentError, match=rf"(?s)run: expected a run folder with model\.json and .*{cause}"):
        load(saved)


@pytest.mark.parametrize("place", [-1, -100])
def test_a_flipped_bit_in_the_weights_is_seen(saved, place):
    content = bytearray((saved / "model.safetensors").read_bytes())
    content[place] ^= 1
    (saved / "model.safetensors").write_bytes(content)
    text = r"\(ValueError: the weights are not those that were written\)\. Copy the folder again, or train"
    with pytest.raises(ArgumentError, match=text):
        load(saved)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    network = DenseClassifier(sample_shape=(1, 28, 28), classes=2, widths=(4,))
    with torch.no_grad():
        next(network.parameters())[0, 0] = torch.nan
    save_network(RunFolder(tmp_path), "model", network, _data())
    with pytest.raises(ArgumentError, match=r"the weights of '.*' are no finite numbers\)\. Copy the folder again"):
        load(tmp_path)


def test_a_network_of_the_version_before_is_read(saved):
    """It has one mean for all channels, and no digest."""
    _edit(saved, format=2, samples={"dtype": "uint8", "shape": [1, 28, 28]})
    description = json.loads((saved / "model.json").read_text())
    del description["digest"]
    (saved / "model.json").write_text(json.dumps(description))
    assert load_trained(saved).pixels is None


@pytest.mark.parametrize(
    ("folder", "cause"),
    [("nowhere", "does not exist"), ("empty", "lacks them"), ("a.file", "is a file"), ("half", "lacks them")],
)
def test_what_is_no_run_folder_is_refused(tmp_path, folder, cause):
    (tmp_path / "empty").mkdir()
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "model.json").touch()
    (tmp_path / "a.file").touch()
    expected = "run: expected a run folder with model.json and model.safetensors, got '.*', which "
    with pytest.raises(ArgumentError, match=expected + rf"{cause}\. Make one with: faltung learn"):
        load(tmp_path / folder)


@pytest.mark.parametrize(
    ("name", "classes", "text"),
    [
        ("system", NETWORKS, "expected a classifier or a generator, got 'system' in"),
        ("ConvClassifier", GENERATORS, "expected a generator, got a classifier in"),
    ],
)
def test_only_the_named_classes_are_built(saved, name, classes, text):
    _edit(saved, **{"class": name})
    with pytest.raises(ArgumentError, match=rf"run: {text} '.*\.json'"):
        load_trained(saved, classes=classes)


def test_another_stem_is_another_network(saved):
    save_network(RunFolder(saved), "dense", DENSE, _data())
    (saved / "metrics.json").touch()
    (saved / "dense.checkpoint.safetensors").touch()
    assert type(load(saved, "dense")).__name__ == "DenseClassifier"
    with pytest.raises(ArgumentError, match=r"network: expected one that the run has: dense, model, got 'other'"):
        load(saved, "other")
