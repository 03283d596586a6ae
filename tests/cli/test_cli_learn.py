"""`faltung learn` from the command line to the run folder, and how commands end."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import json
import os
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from faltung import __version__
from faltung.cli import main as entry
from faltung.datasets.dataset import Split
from faltung.datasets.embedded import load_embedded
from faltung.learn.tasks import TASKS
from faltung.networks import load

EPOCHS = 2
NAMES = ("convolutional", "dense-small", "dense-large")


def _call(*arguments: object) -> int:
    """Run the command line in this process and return its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["faltung", *map(str, arguments)])
        patch.delenv("FALTUNG_DEBUG", raising=False)
        patch.setattr("faltung.learn.load_embedded", _some)
        with pytest.raises(SystemExit) as ended:
            entry.main()
    return ended.value.code or 0


def _python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


def _some() -> Split:
    """Every fifth image to learn from, and every second one of the test: enough to learn something in a moment."""
    split = load_embedded()
    kept = {"training": np.arange(0, 4750, 5), "validation": np.arange(250), "test": np.arange(0, 1000, 2)}
    parts = {part: getattr(split, part).subset(chosen) for part, chosen in kept.items()}
    return dataclasses.replace(
        split, **parts, members={part: np.asarray(split.members[part])[kept[part]] for part in kept}
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "first"
    assert _call("learn", "--epochs", EPOCHS, "--no-curve", "--threads", 1, "--out", folder) == 0
    return folder


@pytest.fixture(scope="module")
def metrics(run) -> dict:
    return json.loads((run / "metrics.json").read_text(encoding="utf-8"))


def test_run_folder_is_complete(run):
    assert sorted(path.name for path in run.iterdir()) == [
        "convolutional.filters.safetensors",
        "dense-large.json",
        "dense-large.safetensors",
        "dense-small.json",
        "dense-small.safetensors",
        "filters.png",
        "history.csv",
        "metrics.json",
        "model.json",
        "model.safetensors",
        "report.html",
        "run.json",
        "schedule.json",
        "split.json",
    ]


def _probabilities(network: torch.nn.Module, images: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        scores = network(torch.tensor(images / 255.0, dtype=torch.float32)).double().numpy()
    scores = np.exp(scores - scores.max(1, keepdims=True))
    return scores / scores.sum(1, keepdims=True)


@pytest.mark.parametrize(("stem", "name"), [("model", "convolutional"), ("dense-large", "dense-large")])
def test_metrics_agree_with_the_saved_network(run, metrics, stem, name):
    """Everything is computed again with NumPy from the network that the run saved."""
    network, measured = load(run, stem), metrics["networks"][name]
    test = _some().test
    assert measured["parameters"] == sum(p.numel() for p in network.parameters())

    probabilities = _probabilities(network, test.samples)
    # One image may flip where two classes are equally probable to the last bits.
    accuracy = np.mean(probabilities.argmax(1) == test.labels)
    assert measured["test_accuracy"] == pytest.approx(accuracy, abs=1 / 500)

    targets = 0.9 * np.eye(10)[test.labels] + 0.01
    risk = -(targets * np.log(probabilities)).sum(1).mean()
    assert measured["test_risk"] == pytest.approx(risk, rel=1e-4)

    mean = _some().training.samples.mean()
    for pixels in (1, 2, 4):
        right = []
        for axis in (1, 2):
            for sign in (-1, 1):
                frame = ((0, 0), (0, 0), (pixels, pixels), (pixels, pixels))
                padded = np.pad(test.samples.astype(float), frame, constant_values=mean)
                begin = [pixels, pixels]
                begin[axis - 1] += sign * pixels
                moved = padded[:, :, begin[0] : begin[0] + 28, begin[1] : begin[1] + 28]
                right.append(np.mean(_probabilities(network, moved).argmax(1) == test.labels))
        # It was measured with one of the directions for each image, in turn.
        assert measured["shifted_accuracy"][str(pixels)] == pytest.approx(np.mean(right), abs=0.03)


def test_history_has_every_epoch_of_all(run, metrics):
    with (run / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["network"], row["epoch"]) for row in rows] == [
        (name, str(epoch)) for name in NAMES for epoch in range(1, EPOCHS + 1)
    ]
    for name, measured in metrics["networks"].items():
        own = [row for row in rows if row["network"] == name]
        assert float(own[-1]["validation_accuracy"]) == measured["last_epoch"]["validation_accuracy"]
        assert sum(float(row["seconds"]) for row in own) == pytest.approx(measured["training_seconds"])
        assert float(own[-1]["training_risk"]) < float(own[0]["training_risk"])


def test_metrics_say_how_to_make_them_again(metrics):
    assert (metrics["seed"], metrics["machine"]["threads"], metrics["recipe"]["epochs"]) == (0, 1, EPOCHS)
    assert metrics["versions"]["faltung"] == __version__
    assert metrics["versions"]["torch"] == torch.__version__
    assert [metrics["data"][f"{part}_samples"] for part in ("training", "validation", "test")] == [
        950,
        250,
        500,
    ]


def test_filters_are_drawn(run):
    kernels = load(run).stages[0].change[0].weight.detach().numpy()[:, 0]
    picture = np.asarray(Image.open(run / "filters.png"))
    assert picture.shape == (2 * 84 + 12, 8 * 84 + 7 * 12, 4)
    for index, kernel in enumerate(kernels):
        top, left = (96 * place for place in divmod(index, 8))
        red, _, blue, _ = picture[top + 14 : top + 84 : 28, left + 14 : left + 84 : 28].transpose(2, 0, 1).astype(int)
        clear = np.abs(kernel) > 0.1 * np.abs(kernel).max()
        assert ((red > blue) == (kernel > 0))[clear].all()


def test_second_run_gives_the_same_numbers(run, metrics, tmp_path, capfd):
    again = tmp_path / "again"
    assert _call("learn", "--epochs", EPOCHS, "--no-curve", "--threads", 1, "--out", again, "--seed", 0) == 0
    for name in ("model.safetensors", "dense-large.safetensors", "model.json", "filters.png"):
        assert (again / name).read_bytes() == (run / name).read_bytes()
    repeated = json.loads((again / "metrics.json").read_text(encoding="utf-8"))
    for each in (metrics, repeated):
        each.pop("finished", None)
        each.pop("time", None)
        for network in each["networks"].values():
            network.pop("training_seconds", None)
    assert repeated == metrics

    out, err = capfd.readouterr()
    network = repeated["networks"]["convolutional"]
    [row] = [line for line in out.splitlines() if line.startswith("convolutional")]
    assert row.split()[1:4] == ["84,154", "11.0", "M"]
    shares = [network["shifted_accuracy"][pixels] for pixels in "124"]
    low, high = network["test_accuracy_interval_95"]
    interval = f"{100 * low:.1f}–{100 * high:.1f}"
    assert row.split()[6:] == [
        f"{100 * network['test_accuracy']:.1f}",
        "%",
        interval,
        *(f"{100 * share:.1f}" for share in shares),
    ]
    assert max(map(len, out.splitlines()[:5])) <= 80
    assert f"Run folder: {again}" in out
    assert "report.html" in out
    assert f"dense-large: epoch {EPOCHS} of {EPOCHS}, risk" in err  # no bar where nobody looks, but a sign of life


def test_other_seed_gives_other_numbers(run, metrics, tmp_path):
    other = tmp_path / "other"
    assert _call("learn", "--epochs", 1, "--no-curve", "--out", other, "--seed", 1) == 0
    assert (other / "model.safetensors").read_bytes() != (run / "model.safetensors").read_bytes()


def test_earlier_run_is_never_overwritten(run, capsys):
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    assert _call("learn", "--out", run) == 1
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    out, err = capsys.readouterr()
    assert out == ""
    assert "Error: --out: expected a new or empty folder, got" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["learn", "--learning-rate", "0"], 1, "--learning-rate: expected a number above 0, got 0.0"),
        (["learn", "--epochs", "0"], 2, "--epochs"),
        (["learn", "--colour"], 2, "--colour"),
        (["larn"], 2, "larn"),
    ],
)
def test_errors_are_one_message_and_a_code(tmp_path, monkeypatch, capsys, arguments, code, text):
    monkeypatch.chdir(tmp_path)
    assert _call(*arguments) == code
    err = capsys.readouterr().err
    assert text in err
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_divergence_ends_with_a_message(tmp_path, capsys):
    assert _call("learn", "--learning-rate", "1e30", "--out", tmp_path / "run") == 1
    assert "in epoch 1. Use a smaller one, such as 0.1." in capsys.readouterr().err


def test_debug_shows_where_an_error_comes_from(run, monkeypatch):
    from faltung.errors import ArgumentError

    monkeypatch.setattr(sys, "argv", ["faltung", "--debug", "learn", "--out", str(run)])
    monkeypatch.setenv("FALTUNG_DEBUG", "0")  # so that what --debug sets is undone after the test
    with pytest.raises(ArgumentError):
        entry.main()


def test_version_and_help(capsys):
    assert _call("--version") == 0
    assert capsys.readouterr().out == f"faltung {__version__}\n"
    assert _call("learn", "--help") == 0
    assert "faltung learn photos/ --size 64 --out runs/photos" in capsys.readouterr().out
    _call()
    out, err = capsys.readouterr()
    assert "Usage:" in out + err
    assert "learn" in out + err


def test_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "faltung", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"faltung {__version__}\n"


def test_starting_loads_no_heavy_package():
    code = "import sys, faltung.cli.main; print(*{'torch', 'llvmlite', 'scipy', 'dask', 'numpy'} & {*sys.modules})"
    assert _python(code).stdout.split() == ["numpy"]


def test_names_of_learn_load_nothing_until_used():
    code = "import sys; from faltung import learn; print(learn.Dataset.__name__, 'torch' in sys.modules)"
    assert _python(code).stdout.split() == ["Dataset", "False"]
    from faltung import learn

    assert all(getattr(learn, name).__name__ == name for name in learn.__all__)
    with pytest.raises(AttributeError, match=r"module 'faltung\.learn' has no attribute 'nothing'"):
        _ = learn.nothing


@pytest.mark.parametrize("missing", ["torch", "safetensors"])
def test_missing_extra_is_answered_with_its_install_line(tmp_path, missing):
    code = f"import sys; sys.modules[{missing!r}] = None; import faltung.cli.main as m; m.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "learn"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 1
    assert 'In the folder from which faltung was installed, run: pip install ".[learn]"' in " ".join(
        done.stderr.split()
    )
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_ends_cleanly(tmp_path, number):
    folder = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "faltung", "learn", "--threads", "1", "--out", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        # Whoever runs the tests in the background may have had this signal ignored, which children inherit.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    try:
        said = iter(process.stderr.readline, "")
        announced = [*itertools.takewhile(lambda line: not line.startswith("convolutional: epoch 1 of"), said)]
        process.send_signal(number)
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    text = f"Stopped. The results so far are in {folder}. Continue with: faltung learn --resume {folder}"
    assert err.strip().endswith(text)
    assert "Traceback" not in out + err
    assert [line for line in announced if line.startswith("Time: about ")]
    files = ["convolutional.checkpoint.safetensors", "convolutional.filters.safetensors", "history.csv"]
    files += ["report.html", "run.json", "schedule.json", "split.json"]
    page = (folder / "report.html").read_text()
    assert "This run is not finished" in page
    assert f"faltung learn --resume {folder}" in page
    assert sorted(path.name for path in folder.iterdir()) == files
    with (folder / "history.csv").open(newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] in (["1"], ["1", "2"])


def _stripes(path: Path, samples: int = 120) -> Path:
    """A data set that is learned in a moment: rows, columns and dots of 8 x 8 pixels."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 60, (samples, 8, 8), dtype=np.uint8)
    labels = np.arange(samples) % 3
    for image, label, place in zip(images, labels, generator.integers(1, 7, samples), strict=True):
        image[[place, slice(None), place][label], [slice(None), place, place][label]] += 180
    np.savez(path, images=images, labels=np.array(["row", "column", "dot"])[labels])
    return path


def _facts(folder: Path) -> dict:
    """Metrics without what differs between two runs that did the same."""
    facts = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    del facts["finished"], facts["time"]
    for network in facts["networks"].values():
        del network["training_seconds"]
    return facts


SMALL = ["--epochs", 4, "--threads", 1, "--batch-size", 16, "--no-curve", "--splits", 1]


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    assert _call("learn", _stripes(folder / "stripes.npz"), *SMALL, "--out", folder / "run") == 0
    return folder


def test_own_data_are_learned_and_the_split_is_recorded(small):
    facts = _facts(small / "run")
    assert facts["data"]["name"] == "stripes"
    split = json.loads((small / "run" / "split.json").read_text())
    parts = [split[part] for part in ("training", "validation", "test")]
    assert sorted(itertools.chain(*parts)) == list(range(120))
    assert [len(part) for part in parts] == [
        facts["data"][f"{part}_samples"] for part in ("training", "validation", "test")
    ]
    assert not list((small / "run").glob("*.checkpoint.*"))


def test_accuracy_is_measured_with_fewer_samples_too(small, tmp_path, monkeypatch):
    monkeypatch.setattr("faltung.learn.tasks.classification.suited._STEPS", 20)
    arguments = [argument for argument in SMALL if argument != "--no-curve"]
    assert _call("learn", small / "stripes.npz", *arguments, "--out", tmp_path / "run") == 0
    facts = _facts(tmp_path / "run")
    size = facts["data"]["training_samples"]
    for name in NAMES:
        points = facts["accuracy_by_training_samples"][name]
        assert [*map(int, points)] == [size, 6, 3 * round(size / 12)]  # a sixteenth is less than two of each class
        assert points[str(size)] == facts["networks"][name]["test_accuracy"]
    assert not list((tmp_path / "run").glob("*.checkpoint.*"))


def _kill_after(folder: Path, line: str, *arguments: object) -> None:
    """Start learning and kill the process, without a chance to tidy up, when it has said `line`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "faltung", "learn", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        for said in process.stderr:
            if said.startswith(line):
                break
        else:
            raise AssertionError(f"never said {line!r}")
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.mark.parametrize("line", ["convolutional: epoch 1 of", "dense-large: epoch 4 of"])
def test_a_killed_run_ends_as_if_nothing_had_happened(small, tmp_path, line):
    _kill_after(tmp_path, line, small / "stripes.npz", *SMALL, "--out", tmp_path / "run")
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert _call("learn", "--resume", tmp_path / "run") == 0
    assert _facts(tmp_path / "run") == _facts(small / "run")
    for name in ("model.safetensors", "dense-large.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (small / "run" / name).read_bytes()


def test_a_run_does_not_go_on_with_other_data(small, tmp_path, capsys):
    data = _stripes(tmp_path / "stripes.npz")
    _kill_after(tmp_path, "convolutional: epoch 1 of", data, *SMALL, "--out", tmp_path / "run")
    _stripes(data, samples=123)
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    assert _call("learn", "--resume", tmp_path / "run") == 1
    assert "resume: expected the data set as it was when the run began" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_a_finished_run_is_left_alone(small, capsys):
    before = {path.name: path.read_bytes() for path in (small / "run").iterdir()}
    assert _call("learn", "--resume", small / "run") == 1
    assert "resume: expected a run that was stopped, got" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (small / "run").iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ["--resume", "nowhere"],
            "--resume: expected a run folder with run.json, got 'nowhere', which does not exist.",
        ),
        (["--task", "sing"], f"--task: expected {' or '.join(TASKS)}, got 'sing'"),
        (["nowhere.npz"], "DATA: expected"),
        (["--device", "abacus"], "device: expected a device that torch can use here"),
        (["--judge", "run"], "--judge: expected only settings of the task 'classify' .none., got 'run'. Omit it."),
        (["--precision", "float8"], "precision: expected 'float32' or 'bfloat16'"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_written(tmp_path, monkeypatch, capsys, arguments, text):
    monkeypatch.chdir(tmp_path)
    assert _call("learn", *arguments) == 1
    assert re.search(text, capsys.readouterr().err.replace("\n", " "))
    assert not list(tmp_path.iterdir())


def test_a_full_disk_ends_the_run_and_spoils_nothing(small, tmp_path, monkeypatch, capsys):
    from faltung.learn.runs import RunFolder

    write, written = RunFolder.write_bytes, []

    def fill_up(self, name, content):
        written.append(name)
        if len(written) > 6:
            raise OSError(28, "No space left on device", str(self.path / name))
        write(self, name, content)

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "write_bytes", fill_up)
        assert _call("learn", small / "stripes.npz", *SMALL, "--out", tmp_path / "run") == 1
    assert "No space left on device" in capsys.readouterr().err
    assert _call("learn", "--resume", tmp_path / "run") == 0
    assert _facts(tmp_path / "run") == _facts(small / "run")


def test_series_are_learned_with_the_same_command(tmp_path, capsys):
    generator = np.random.default_rng(0)
    labels = np.arange(60) % 2
    series = generator.normal(5.0, 1.0, (60, 50))
    for one, label, place in zip(series, labels, generator.integers(5, 40, 60), strict=True):
        one[place : place + 6] += [[9, 9, 9, 0, 0, 0], [0, 0, 0, 9, 9, 9]][label]
    np.savez(tmp_path / "series.npz", x=series, y=labels)
    out = tmp_path / "run"
    assert _call("learn", tmp_path / "series.npz", "--epochs", 3, "--patience", 2, "--no-curve", "--out", out) == 0
    network = load(out)
    assert network.arguments["sample_shape"] == [1, 50]
    assert network.arguments["mean"] == pytest.approx([series.mean()], abs=0.1)
    assert "convolutional" in capsys.readouterr().out


def test_history_is_written_for_tensorboard(small, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    arguments = [*SMALL, "--tensorboard", "--out", tmp_path / "run"]
    assert _call("learn", small / "stripes.npz", *arguments) == 0
    with (tmp_path / "run" / "history.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["network"] == "dense-large"]
    events = EventAccumulator(str(tmp_path / "run" / "events" / "dense-large"))
    events.Reload()
    values = [event.value for event in events.Scalars("validation_risk")]
    assert values == pytest.approx([float(row["validation_risk"]) for row in rows], rel=1e-6)


def test_two_processes_learn_together(small, tmp_path):
    torchrun = ["-W", "ignore", "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    arguments = ["learn", small / "stripes.npz", *SMALL, "--out", tmp_path / "run"]
    command = [sys.executable, *torchrun, "-m", "faltung", *arguments]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    facts = _facts(tmp_path / "run")
    assert facts["machine"]["processes"] == 2
    assert facts["networks"]["convolutional"]["training_accuracy"] > 0.5
    assert done.stdout.count("Run folder:") == 1
