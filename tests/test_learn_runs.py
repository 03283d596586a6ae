"""Run folders: never shared, never half written; networks come back as they were."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from faltung.errors import ArgumentError
from faltung.learn.runs import RunFolder
from faltung.learn.saved import save_network
from faltung.networks import ConvClassifier, DenseClassifier, load


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

    monkeypatch.setattr(*((os, "fsync") if failing == "fsync" else (Path, "replace")), fail)
    with pytest.raises(error if isinstance(error, type) else type(error)):
        run.write_text("metrics.json", "after")
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]
    assert (tmp_path / "metrics.json").read_text() == "before"


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


NETWORK = ConvClassifier(channels=(3, 4), classes=2)


@pytest.fixture
def saved(tmp_path):
    save_network(RunFolder(tmp_path), "model", NETWORK, ("bag", "coat"))
    return tmp_path


@pytest.mark.parametrize(
    "network",
    [NETWORK, DenseClassifier(image_shape=(1, 28, 28), widths=(5,), classes=2)],
    ids=["conv", "dense"],
)
def test_a_saved_network_gives_the_same_predictions(tmp_path, network):
    network.train()(torch.rand(16, 1, 28, 28))  # so that batch norm has statistics to keep
    save_network(RunFolder(tmp_path), "model", network, ("bag", "coat"))
    again = load(tmp_path)
    assert not again.training
    images = torch.rand(9, 1, 28, 28)
    assert torch.equal(again(images), network.eval()(images))


def test_nothing_but_weights_and_json_is_written(saved):
    assert sorted(path.name for path in saved.iterdir()) == ["model.json", "model.safetensors"]
    assert json.loads((saved / "model.json").read_text()) == {
        "format": 1,
        "class": "ConvClassifier",
        "arguments": {"channels": [3, 4], "classes": 2, "input_channels": 1},
        "class_names": ["bag", "coat"],
    }


def _edit(folder: Path, **changes: object) -> None:
    description = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**description, **changes}))


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (lambda folder: (folder / "model.json").unlink(), "FileNotFoundError"),
        (lambda folder: (folder / "model.safetensors").unlink(), "FileNotFoundError"),
        (lambda folder: (folder / "model.json").write_text("{"), "JSONDecodeError"),
        (lambda folder: (folder / "model.json").write_text("[]"), "TypeError"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 50), "SafetensorError"),
        (lambda folder: _edit(folder, **{"class": "system"}), "KeyError: 'system'"),
        (
            lambda folder: _edit(folder, arguments={"channels": [3, 5], "classes": 2}),
            "RuntimeError: .*size mismatch",
        ),
        (lambda folder: _edit(folder, arguments={"colour": "red"}), "TypeError: .*'colour'"),
        (lambda folder: _edit(folder, format=2), "format 2"),
    ],
)
def test_damaged_runs_are_refused(saved, damage, cause):
    damage(saved)
    with pytest.raises(ArgumentError, match=rf"(?s)folder: expected a run folder with model\.json and .*{cause}"):
        load(saved)


def test_another_stem_is_another_network(saved):
    save_network(RunFolder(saved), "dense", DenseClassifier(widths=(5,), classes=2), ("bag", "coat"))
    assert type(load(saved, "dense")).__name__ == "DenseClassifier"
    with pytest.raises(ArgumentError, match=r"expected a run folder with other\.json"):
        load(saved, "other")
