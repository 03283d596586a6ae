"""The rules of a run: three lines of Python do what the command does, stops cost nothing, finished runs are kept."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import sys
import types
from inspect import signature
from pathlib import Path

import numpy as np
import pytest

import faltung as fa
from faltung.cli.learn import learn
from faltung.cli.main import main
from faltung.datasets.embedded import load_embedded
from faltung.datasets.reading import load
from faltung.errors import ArgumentError, FaltungError
from faltung.ground import new_files
from faltung.ground.file_locks import lock
from faltung.learn.claim import LOCK, claimed
from faltung.learn.experiment import carry_out
from faltung.learn.launch import FinishedRun, resume, run
from faltung.learn.measures.answers import SHIFTS
from faltung.learn.recipe import Recipe
from faltung.learn.runs import RunFolder, RunStopped
from faltung.learn.saved import save_network
from faltung.learn.task import LearningCurve, Setup, Task
from faltung.learn.tasks import TASKS
from faltung.learn.tasks.classification.cross_entropy import Classification
from faltung.learn.tasks.classification.suited import recipe_for
from faltung.learn.tasks.classify import compare
from faltung.learn.tasks.generate import learn_to_generate
from faltung.learn.tasks.generation.generators import generator_recipe
from faltung.learn.trainer import Trainer
from faltung.networks import ConvClassifier, DenseClassifier
from faltung.networks.generator import DenseGenerator
from rows_and_columns import SPLIT, labelled_part

PLAIN = {"threads": 1, "device": "cpu", "precision": "float32"}
SHORT = {"epochs": 2, "batch_size": 16, "curve": False, "splits": 1, **PLAIN}
CANDIDATES = {"dense": lambda: DenseClassifier(sample_shape=(1, 8, 8), classes=2, widths=(4,))}
GENERATORS = {"dense": lambda: DenseGenerator(sample_shape=(1, 8, 8), classes=2, width=4)}


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _facts(folder: Path) -> dict:
    """Metrics without what differs between two runs that did the same."""
    facts = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    del facts["finished"], facts["time"]
    for network in facts["networks"].values():
        network.pop("training_seconds", None)
    return facts


def _assignment(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


def _stop_after(name: str, epoch: int):
    def stop(trained, record):
        if (trained, record.epoch) == (name, epoch):
            raise KeyboardInterrupt

    return stop


@pytest.fixture(scope="module")
def stripes(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("data") / "stripes.npz"
    part = labelled_part(90, 4)
    np.savez(file, x=part.samples[:, 0], y=part.labels)
    return file


@pytest.fixture(scope="module")
def done(tmp_path_factory, stripes) -> FinishedRun:
    split = fa.learn.load(stripes)
    return fa.learn.run("classify", split, out=str(tmp_path_factory.mktemp("runs") / "stripes"), **SHORT)


@pytest.fixture(scope="module")
def finished(done) -> Path:
    return done.folder


def test_three_lines_do_what_the_command_does(done, stripes, tmp_path, capsys):
    table, folder = done.table(), done.folder
    assert [line.split()[0] for line in table.splitlines()[3:]] == ["convolutional", "dense-small", "dense-large"]
    assert done.report == folder / "report.html"
    assert done.report.exists()

    with pytest.MonkeyPatch.context() as patch:
        words = ["faltung", "learn", stripes, "--epochs", 2, "--batch-size", 16, "--no-curve", "--threads", 1]
        words += ["--splits", 1]
        words += ["--device", "cpu", "--precision", "float32", "--out", tmp_path / "command"]
        patch.setattr(sys, "argv", [*map(str, words)])
        with pytest.raises(SystemExit):
            main()
    header = capsys.readouterr().out.splitlines()[:2]
    assert header == table.splitlines()[:2]
    assert _facts(folder) == _facts(tmp_path / "command")
    assert _assignment(folder) == _assignment(tmp_path / "command")
    for name in ("split.json", "model.safetensors", "dense-large.safetensors"):
        assert (folder / name).read_bytes() == (tmp_path / "command" / name).read_bytes()


@pytest.mark.parametrize("stopped", ["convolutional", "dense-large"])
def test_a_stopped_run_continues_to_the_same_bits(finished, stripes, tmp_path, stopped):
    folder = tmp_path / "run"
    with pytest.raises(RunStopped, match=f"Continue with: faltung learn --resume {folder}") as error:
        run("classify", load(stripes), out=folder, on_epoch=_stop_after(stopped, 1), **SHORT)
    assert error.value.folder == folder
    seen = []
    done = resume(str(folder), device="cpu", on_epoch=lambda name, record: seen.append((name, record.epoch)))
    assert seen == [(outcome.name, epoch) for outcome in done.outcomes for epoch in (1, 2)]
    assert _facts(folder) == _facts(finished)
    assert _content(folder).keys() == _content(finished).keys()
    assert (folder / "model.safetensors").read_bytes() == (finished / "model.safetensors").read_bytes()


def test_a_data_set_knows_how_to_read_it_again(stripes):
    split = load(stripes, seed=3, validation=0.2, test=0.3)
    assert load(**split.origin).digest == split.digest
    assert load(stripes).digest != split.digest
    assert load_embedded().origin == {}
    assert load_embedded(validation_per_class=10).origin is None
    assert SPLIT.origin is None


def test_a_run_on_arrays_is_resumed_with_the_arrays(tmp_path):
    with pytest.raises(RunStopped):
        run("classify", SPLIT, out=tmp_path, on_epoch=_stop_after("convolutional", 1), **SHORT)
    with pytest.raises(ArgumentError, match=r"split: .* made of arrays, got none\. Call faltung\.learn\.resume\(fol"):
        resume(tmp_path)
    other = dataclasses.replace(SPLIT, test=labelled_part(24, 9))
    with pytest.raises(ArgumentError, match="resume: expected the data set as it was when the run began"):
        resume(tmp_path, other)
    assert len(resume(tmp_path, SPLIT, device="cpu").outcomes) == 3


def _experiment(folder: Path):
    carry_out(TASKS["classify"], Setup(SPLIT, fa.learn.Augmentation()), Recipe(epochs=1), Trainer(RunFolder(folder)))


JUDGE = ConvClassifier(sample_shape=(1, 8, 8), classes=2, channels=(4,))
DOORS = {
    "compare": lambda folder: compare(CANDIDATES, SPLIT, Recipe(epochs=1), RunFolder(folder)),
    "learn_to_generate": lambda folder: learn_to_generate(
        SPLIT, Recipe(epochs=1), RunFolder(folder), candidates=GENERATORS, judge=JUDGE
    ),
    "carry_out": _experiment,
    "run": lambda folder: run("classify", SPLIT, out=folder, **SHORT),
    "resume": resume,
}


@pytest.mark.parametrize("door", DOORS)
def test_a_finished_run_is_never_overwritten(finished, tmp_path, door):
    before = _content(finished)
    with pytest.raises(ArgumentError, match=r"got .*\. (Choose a|Begin a new run in a new) .*folder"):
        DOORS[door](finished)
    assert _content(finished) == before


@pytest.mark.parametrize("door", ["compare", "learn_to_generate"])
def test_a_door_refuses_the_run_that_it_finished_itself(tmp_path, door):
    assert len(DOORS[door](tmp_path)) == 1
    before = _content(tmp_path)
    with pytest.raises(ArgumentError, match=r"run: expected a folder without a finished run, .*\. Choose a new f"):
        DOORS[door](tmp_path)
    assert _content(tmp_path) == before


def test_partial_files_of_a_killed_run_do_no_harm(finished, stopped, tmp_path):
    folder = shutil.copytree(stopped, tmp_path / "run")
    for number in range(3):
        (folder / f".faltung-{new_files._MACHINE}-{number:016x}.part").write_bytes(b"half a file")
    being_written = folder / f".faltung-{new_files._MACHINE}-{3:016x}.part"
    with being_written.open("wb") as file:
        assert lock(file.fileno())
        resume(folder, device="cpu")
        assert _facts(folder) == _facts(finished)
        assert _content(folder).keys() - _content(finished).keys() == {being_written.name}


class _Epochs:
    """The number of epochs, as the measure of a toy task."""

    def __init__(self, setup, trainer):
        self.facts = {"toy": True}

    def __call__(self, trained):
        return types.SimpleNamespace(name=trained.name, epochs=len(trained.history), metrics=lambda: {"size": 1})


def _toy() -> Task:
    def objective(setup):
        shared = Classification(setup.split, device=setup.device)
        return lambda network: shared

    return Task(
        candidates=lambda data: CANDIDATES,
        recipe=lambda samples: Recipe(epochs=3, batch_size=8, learning_rate=0.1),
        augmentation=lambda data: fa.learn.Augmentation(mirror=False, shift=0),
        objective=objective,
        measures=_Epochs,
        report=lambda results: {"report.html": f"<p>{results.facts['toy']} {results.curve}</p>"},
        table=lambda outcomes: (["Network", "Epochs"], [[each.name, str(each.epochs)] for each in outcomes]),
        curve=LearningCurve("epochs_by_size", (0.5,), lambda outcome: outcome.epochs, lambda network, split: 7.0),
        options={"colour": "red"},
    )


@pytest.fixture
def toy(monkeypatch):
    """A third task: a module that defines TASK, and a line in the table."""
    module = types.ModuleType("toy_task")
    module.TASK = _toy()
    monkeypatch.setitem(sys.modules, "toy_task", module)
    monkeypatch.setitem(TASKS.module_of, "toy", "toy_task")


def test_a_third_task_is_one_file_and_one_line(toy, tmp_path):
    done = run("toy", SPLIT, out=tmp_path / "run", **PLAIN)
    assert done.table().splitlines()[-1].split() == ["dense", "3"]
    facts = _facts(tmp_path / "run")
    assert facts["toy"] is True
    assert facts["epochs_by_size"] == {"dense": {"48": 3, "24": 7.0}}
    assert done.report.read_text() == "<p>True {'dense': {48: 3, 24: 7.0}}</p>"
    assert _assignment(tmp_path / "run")["options"] == {
        "colour": "red",
        **{"curve": True, "splits": None, "time": None, "fixed": False},
    }


def test_the_command_knows_a_third_task_too(toy, stripes, command, tmp_path):
    arguments = ["--threads", 1, "--device", "cpu", "--precision", "float32", "--out", tmp_path / "run"]
    code, out, _ = command("learn", stripes, "--task", "toy", *arguments)
    assert code == 0
    assert "dense" in out
    assert (tmp_path / "run" / "model.safetensors").exists()
    code, _, err = command("learn", "--task", "sing")
    assert code == 1
    assert f"--task: expected {' or '.join(TASKS)}, got 'sing'" in err


def test_networks_of_a_task_without_classes_predict_none(toy, command, tmp_path):
    run("toy", SPLIT, out=tmp_path / "run", epochs=1, curve=False, **PLAIN)
    text = r"run: expected a run of a task that learns classes, got '.*run', a run of the task 'toy'\. Load"
    with pytest.raises(ArgumentError, match=text):
        fa.learn.predict(tmp_path / "run", SPLIT.test.samples)
    with pytest.raises(ArgumentError, match=text):
        fa.learn.export_network(tmp_path / "run", tmp_path / "model.pt2")
    assert not (tmp_path / "model.pt2").exists()
    code, _, err = command("predict", tmp_path / "run", tmp_path)
    assert (code, "a run of the task 'toy'" in err) == (1, True)


def test_a_network_with_other_outputs_than_classes_predicts_none(tmp_path):
    network = DenseClassifier(sample_shape=(1, 8, 8), classes=3, widths=(4,))
    save_network(RunFolder(tmp_path), "model", network, SPLIT.training)
    with pytest.raises(ArgumentError, match="run: expected a network with one output for each of 2 classes, got one"):
        fa.learn.predict(tmp_path, SPLIT.test.samples)


def test_a_task_that_is_stopped_continues_whatever_the_task(toy, tmp_path):
    with pytest.raises(RunStopped):
        run("toy", SPLIT, out=tmp_path / "stopped", on_epoch=_stop_after("dense-24", 2), **PLAIN)
    resume(tmp_path / "stopped", SPLIT, device="cpu")
    run("toy", SPLIT, out=tmp_path / "whole", **PLAIN)
    assert _facts(tmp_path / "stopped") == _facts(tmp_path / "whole")
    name = "model.safetensors"
    assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize("task", TASKS)
def test_rows_of_the_table_are_complete(task):
    row = TASKS[task]
    _, *yardsticks = row.candidates(SPLIT.training)
    assert yardsticks
    assert row.recipe(1000).epochs > 0
    assert json.dumps(dict(row.options))


@pytest.mark.parametrize("recipe", [recipe_for, generator_recipe])
@pytest.mark.parametrize(
    "given", [{"batch_size": 8}, {"batch_size": 8, "learning_rate": 0.5}, {"epochs": 3}], ids=str
)
def test_the_learning_rate_is_scaled_with_the_batch_size_unless_given(toy, tmp_path, recipe, given, monkeypatch):
    row = dataclasses.replace(sys.modules["toy_task"].TASK, recipe=recipe)
    monkeypatch.setattr(sys.modules["toy_task"], "TASK", row)
    with pytest.raises(RunStopped):
        run("toy", SPLIT, out=tmp_path / "run", on_epoch=_stop_after("dense", 1), **PLAIN, **given)
    own, recorded = recipe(48), _assignment(tmp_path / "run")["recipe"]
    rate = own.learning_rate * given["batch_size"] / own.batch_size if "batch_size" in given else own.learning_rate
    assert recorded == {**dataclasses.asdict(own), "learning_rate": rate, **given}


def test_label_smoothing_is_recorded_and_used(done, stripes, tmp_path):
    smooth = run("classify", load(stripes), out=tmp_path / "run", label_smoothing=0.3, **SHORT)
    for each, smoothing in ((done, 0.1), (smooth, 0.3)):
        assert _assignment(each.folder)["label_smoothing"] == smoothing
        assert list(each.outcomes[0].recognised) == list(SHIFTS)
    assert [outcome.test_risk for outcome in done.outcomes] != [outcome.test_risk for outcome in smooth.outcomes]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"task": "sing"}, f"task: expected {' or '.join(TASKS)}, got 'sing'"),
        (
            {"options": {"judge": "runs/other"}},
            r"judge: .* of the task 'classify' \(none\), got 'runs/other'\. Omit it",
        ),
        ({"task": "generate", "options": {"colour": 1}}, r"colour: .* 'generate' \('judge'\), got 1"),
        ({"epochs": 0}, "epochs: expected a positive integer, got 0"),
        ({"learning_rate": -1.0}, "learning_rate: expected a number above 0, got -1"),
        ({"device": "abacus"}, "device: .* got 'abacus'"),
        ({"precision": "float8"}, "precision: .* got 'float8'"),
    ],
)
def test_what_cannot_be_done_is_refused_before_a_folder_is_made(tmp_path, arguments, text):
    with pytest.raises(ArgumentError, match=text):
        run(**{"task": "classify", "split": SPLIT, "out": tmp_path / "run", **arguments})
    assert not list(tmp_path.iterdir())


WRONG = [
    ("epochs", 1.0, "expected a positive integer, got 1.0. Use 1.", 1),
    ("epochs", True, "expected a positive integer, got True. Use 1.", 1),
    ("epochs", "3", "expected a positive integer, got '3'", 1),
    ("batch_size", 64.0, "expected an integer from 2, got 64.0. Use 64.", 64),
    ("batch_size", "a", "expected an integer from 2, got 'a'", np.int64(16)),
    ("learning_rate", "a", "expected a real number, got 'a'", np.float32(0.5)),
    ("learning_rate", True, "expected a real number, got True", 0.1),
    ("patience", True, "expected a positive integer, got True. Use 1.", 1),
    ("patience", 1.0, "expected a positive integer, got 1.0. Use 1.", 1),
    ("seed", 1.5, "expected an integer from 0 to 9223372036854775807, got 1.5", 1),
    ("seed", True, "expected an integer from 0 to 9223372036854775807, got True. Use 1.", np.uint8(1)),
    ("seed", -1, "expected an integer from 0 to 9223372036854775807, got -1", 0),
    ("seed", 2**63, "expected an integer from 0 to 9223372036854775807, got 9223372036854775808", 2**63 - 1),
    ("label_smoothing", 2, "expected a number from 0 to below 1, got 2", 0),
    ("label_smoothing", "much", "expected a real number, got 'much'", 0.1),
    ("threads", True, "expected an integer from 1 to 32768, got True. Use 1.", 1),
    ("threads", 0, "expected an integer from 1 to 32768, got 0. Use 1 for a single thread.", 1),
    ("device", 0, "expected the name of a torch device, got 0 of class int. Use 'cpu' or 'cuda:0'.", "cpu"),
    ("precision", ["float32"], "expected 'float32' or 'bfloat16', got ['float32']", "float32"),
    ("split", SPLIT.training, "expected a Split: training, validation and test set, got Dataset. Use fal", SPLIT),
    ("split", "photos/", "expected a Split: training, validation and test set, got 'photos/' of class str.", SPLIT),
    ("task", ["toy"], "expected classify or generate or toy, got ['toy']", "toy"),
    ("curve", 0, "expected True or False, got 0 of class int", False),
    ("options", [], "expected settings of the task by name, got [] of class list. Use {} for none.", {}),
    ("options", {"colour": float("nan")}, "expected values that JSON can hold", {"colour": "red"}),
    ("tensorboard", 1, "expected True or False, got 1 of class int", False),
    ("on_epoch", "print", "expected a function of a name and an EpochRecord, got 'print'", lambda *_: None),
]


@pytest.mark.parametrize(("name", "wrong", "text", "right"), WRONG, ids=lambda value: str(value)[:20])
def test_a_wrong_argument_is_named_and_leaves_no_folder(toy, tmp_path, name, wrong, text, right):
    arguments = {"task": "toy", "split": SPLIT, "out": tmp_path / "run", "epochs": 1, "curve": False, **PLAIN}
    with pytest.raises(FaltungError, match=rf"^{name}: {re.escape(text)}"):
        run(**{**arguments, name: wrong})
    assert not list(tmp_path.iterdir())
    assert run(**{**arguments, name: right}).outcomes


def test_the_path_of_a_run_is_checked_too(tmp_path):
    with pytest.raises(FaltungError, match="out: expected the path of a new folder, got 3 of class int"):
        run("classify", SPLIT, out=3, **SHORT)
    with pytest.raises(FaltungError, match="folder: expected the path of a run folder, got 3 of class int"):
        resume(3)


@pytest.mark.parametrize("arguments", [{"learning_rate": 1e30}, {"task": "generate", "options": {"judge": "none"}}])
def test_a_run_that_trains_no_epoch_leaves_no_folder(tmp_path, arguments):
    with pytest.raises(FaltungError):
        run(**{"task": "classify", "split": SPLIT, "out": tmp_path / "run", **SHORT, **arguments})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"run": "runs/a"}, r"run: expected a RunFolder, got 'runs/a' of class str\. Use RunFolder\.create\(path\)"),
        (
            {"run": RunFolder("runs/a")},
            r"run: expected a folder that exists, got 'runs/a', .*RunFolder\.create\(path\)",
        ),
        ({"split": SPLIT.training}, "split: expected a Split: training, validation and test set, got Dataset"),
        ({"recipe": {"epochs": 1}}, "recipe: expected a Recipe, got dict"),
        ({"seed": 1.0}, r"seed: expected an integer .*, got 1\.0\. Use 1"),
        ({"hardware": "cpu"}, "hardware: expected a Hardware, got 'cpu' of class str"),
    ],
)
def test_compare_names_a_wrong_argument(tmp_path, changes, text):
    arguments = {"split": SPLIT, "recipe": Recipe(epochs=1), "run": RunFolder(str(tmp_path)), "seed": 0}
    with pytest.raises(FaltungError, match=text):
        compare(CANDIDATES, **{**arguments, **changes})
    assert not list(tmp_path.iterdir())
    assert compare(CANDIDATES, **arguments)


def test_several_processes_need_a_folder_by_name(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ArgumentError, match="out: expected a folder that all processes know, got none"):
        run("classify", SPLIT, **PLAIN)
    assert not list(tmp_path.iterdir())


# What is typed, and the argument and the value that are compared with those of the run, which began with `SHORT`.
OTHERS = {
    ("--task", "generate"): "--task: expected 'classify', with which the run began, got 'generate'",
    ("--epochs", 3): "--epochs: expected 2, with which the run began, got 3",
    ("--batch-size", 8): "--batch-size: expected 16, with which the run began, got 8",
    ("--learning-rate", 0.5): "--learning-rate: expected .*, with which the run began, got 0.5",
    ("--patience", 2): "--patience: expected None, with which the run began, got 2",
    ("--curve",): "--curve: expected False, with which the run began, got True",
    ("--splits", 3): "--splits: expected 1, with which the run began, got 3",
    ("--time", "20min"): "--time: expected 10 min, with which the run began, got 20 min",
    ("--seed", 1): "--seed: expected 0, with which the run began, got 1",
    ("--threads", 2): "--threads: expected 1, with which the run began, got 2",
    ("--workers", 2): "--threads: expected 1, with which the run began, got 2",
    ("--precision", "bfloat16"): "--precision: expected 'float32', with which the run began, got 'bfloat16'",
    ("--size", 9): "--size: expected None, with which the run began, got 9",
    ("--ndim", 2): "--ndim: expected None, with which the run began, got 2",
    ("--skip-corrupt",): "--skip-corrupt: expected False, with which the run began, got True",
    ("--judge", "runs/other"): "--judge: expected nothing, since a run is continued with its own settings",
    ("--out", "runs/new"): "--out: expected nothing, since a run is continued with its own settings",
}


@pytest.fixture(scope="module")
def stopped(stripes, tmp_path_factory):
    """A run that was stopped after the first epoch."""
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.raises(RunStopped):
        run("classify", load(stripes), out=folder, on_epoch=_stop_after("convolutional", 1), **SHORT)
    return folder


@pytest.mark.parametrize("other", OTHERS, ids=lambda other: other[0])
def test_a_setting_that_differs_is_refused_by_name_beside_resume(stopped, command, other):
    before = _content(stopped)
    code, out, err = command("learn", "--resume", stopped, *other)
    assert (code, out) == (1, "")
    assert re.search(OTHERS[other], err)
    assert _content(stopped) == before


def test_every_option_of_the_command_is_compared_or_refused_beside_resume():
    tested = {other[0] for other in OTHERS}
    names = {f"--{name.replace('_', '-')}" for name in signature(learn).parameters}
    assert names - tested == {"--context", "--resume", "--data", "--device", "--tensorboard"}
    assert {"data", "device", "tensorboard"} < {*signature(resume).parameters}


def test_settings_that_are_those_of_the_run_are_taken(stopped, finished, command, tmp_path):
    folder = shutil.copytree(stopped, tmp_path / "run")
    own = ("--epochs", 2, "--batch-size", 16, "--no-curve", "--threads", 1, "--seed", 0, "--task", "classify")
    own += ("--splits", 1, "--time", "10min")
    assert command("learn", "--resume", folder, *own)[0] == 0
    assert _facts(folder) == _facts(finished)


def test_data_that_were_moved_are_named(stopped, stripes, finished, command, tmp_path):
    moved = shutil.copy(stripes, tmp_path / "moved.npz")
    folder = shutil.copytree(stopped, tmp_path / "run")
    assignment = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**assignment, "data": str(tmp_path / "gone.npz")}))
    code, _, err = command("learn", "--resume", folder)
    assert code == 1
    assert "DATA: expected a folder or file that exists" in err
    np.savez(tmp_path / "other.npz", **{**np.load(stripes), "y": 1 - np.load(stripes)["y"]})
    code, _, err = command("learn", tmp_path / "other.npz", "--resume", folder)
    assert code == 1
    assert "--resume: expected the data set as it was when the run began" in err
    assert command("learn", moved, "--resume", folder)[0] == 0
    assert (folder / "model.safetensors").read_bytes() == (finished / "model.safetensors").read_bytes()


def test_a_second_process_does_not_resume_a_run(stopped, tmp_path):
    folder = shutil.copytree(stopped, tmp_path / "run")
    with claimed(folder):
        with pytest.raises(ArgumentError, match=rf"resume: .* no other process works on, .*{os.getpid()} works"):
            resume(folder, device="cpu")
        assert (folder / LOCK).exists()
    assert not (folder / LOCK).exists()
    (folder / LOCK).write_text(" 4711")  # that of a process that was killed
    resume(folder, device="cpu")
    assert not (folder / LOCK).exists()


def test_a_network_module_is_no_setting_that_can_be_recorded(tmp_path):
    with pytest.raises(ArgumentError, match=r"options: expected values that JSON can hold, .*ConvClassifier"):
        run("generate", SPLIT, out=tmp_path / "run", options={"judge": JUDGE}, **PLAIN)
    assert not list(tmp_path.iterdir())
