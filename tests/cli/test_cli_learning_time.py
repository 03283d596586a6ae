"""`faltung learn` on a folder of photographs: what is said before, during and after training."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faltung.cli.learning_progress import LearningProgress
from faltung.datasets.embedded import load_embedded
from faltung.learn.epoch_record import EpochRecord
from faltung.learn.input_size import size_for_time
from faltung.learn.launch import resume, run
from faltung.learn.memory import Memory
from faltung.learn.runs import RunStopped
from faltung.learn.schedule import NETWORKS, PlannedTraining, Schedule
from faltung.learn.tasks.classification.suited import augmentation_for

SHORT = ("--threads", 1, "--epochs", 2, "--no-curve", "--splits", 3)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Forty pictures of mixed sizes and formats: horizontal and vertical stripes."""
    folder = tmp_path_factory.mktemp("data") / "photos"
    generator = np.random.default_rng(0)
    for index in range(40):
        height, width = generator.integers(100, 160, 2)
        waves = np.sin(np.arange(max(height, width)) / generator.uniform(1.5, 4))
        stripes = np.broadcast_to(waves[:width] if index % 2 else waves[:height, None], (height, width))
        pixels = np.uint8(128 + 60 * stripes[..., None] + generator.normal(0, 20, (height, width, 3)))
        place = folder / ("vertical" if index % 2 else "horizontal")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{index}.{'jpg' if index % 3 else 'png'}")
    (folder / "vertical" / "notes.txt").write_text("seen on Tuesday")
    return folder


@pytest.fixture(scope="module")
def learned(photos, tmp_path_factory):
    """What the command says about these pictures, and its run folder."""
    from faltung.cli import main

    folder = tmp_path_factory.mktemp("runs") / "photos"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["faltung", "learn", str(photos), *map(str, SHORT), "--out", str(folder)])
        import contextlib
        import io

        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit):
            main.main()
    return folder, out.getvalue(), err.getvalue()


def test_what_was_found_and_what_will_be_done_is_said_before_training(learned):
    _, _, err = learned
    before = [*itertools.takewhile(lambda line: "epoch 1 of" not in line, err.splitlines())]
    text = "\n".join(before)
    assert re.search(
        r"^40 images \(26 \.jpg, 14 \.png\), 1\d\d to 1\d\d x 1\d\d to 1\d\d pixels \(median ", text, re.M
    )
    assert "1 file skipped: 1 no suffix of an image (vertical/notes.txt)." in text
    assert "Data: 40 images of 64x64 pixels, in colour; 2 classes: horizontal 20, vertical 20." in text
    assert "Split: 28 for training, 4 for validation, 8 for the test (4 of each class). Held out: " in text
    assert "Changes at random: mirrored left to right, moved by up to 2 pixels." in text
    assert re.search(r"Networks: convolutional \([\d,]+ parameters\), dense-small \(.*, dense-large \(", text)
    assert re.search(
        r"Plan: 2 epochs for each network\. convolutional: \d+ s, dense-small: \d+ s, dense-large: ", text
    )
    assert "the networks are trained on 2 further splits, too; no image is tested twice" in text
    assert re.fullmatch(r"Time: about [\d hmins]+\.", before[-1])


def test_every_epoch_is_a_line_with_the_time_that_is_left(learned):
    _, _, err = learned
    lines = [line for line in err.splitlines() if ": epoch " in line]
    names = ["convolutional", "dense-small", "dense-large"]
    every = [*names, *(f"{name}-split{split}" for split in (2, 3) for name in names)]
    assert [line.split(",")[0] for line in lines] == [
        f"{name}: epoch {epoch} of 2" for name in every for epoch in (1, 2)
    ]
    assert all(re.search(r", validation accuracy [\d.]+ %, [\d hmins]+ left$", line) for line in lines)


def test_the_table_says_how_many_samples_stand_behind_it(learned):
    folder, out, _ = learned
    lines = out.splitlines()
    assert max(map(len, lines[:6])) <= 80
    assert "95 %" in lines[0].replace("\u00a0", " ")
    assert lines[6] == (
        "All accuracies are in % of 24 test images, 12 of each class; no image was tested twice in 3 splits."
    )
    assert re.fullmatch(r"It took [\d hmins]+; [\d hmins]+ were announced\.", lines[8])
    facts = json.loads((folder / "metrics.json").read_text())
    model = facts["networks"]["convolutional"]
    assert (model["test_samples"], model["splits"], np.sum(model["confusion"])) == (24, 3, 24)
    assert np.trace(model["confusion"]) / 24 == pytest.approx(model["test_accuracy"])
    assert facts["time"]["left_out"] == []
    assert facts["time"]["seconds"] > 0
    page = (folder / "report.html").read_text()
    assert "trained and tested on 3 such splits, with 24 different test samples in all" in page
    assert "12 of each class" in page
    assert "not finished" not in page


def test_a_run_that_goes_on_says_where(photos, tmp_path, command):
    from faltung.learn import load

    def stop(name, record):
        if name == "dense-small":
            raise KeyboardInterrupt

    with pytest.raises(RunStopped):
        run("classify", load(photos), out=tmp_path / "run", epochs=2, threads=1, splits=1, curve=False, on_epoch=stop)
    assert "This run is not finished" in (tmp_path / "run" / "report.html").read_text()
    code, _, err = command("learn", "--resume", tmp_path / "run")
    assert code == 0
    assert "convolutional: trained before dense-small: goes on after epoch 1 of 2 dense-small: epoch 2 of 2" in err
    assert "not finished" not in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize("stopped", ["convolutional-split2"])
def test_splits_too_continue_to_the_same_bits(photos, tmp_path, learned, stopped):
    from faltung.learn import load

    def stop(name, record):
        if name == stopped:
            raise KeyboardInterrupt

    arguments = {"epochs": 2, "threads": 1, "curve": False, "splits": 3}
    with pytest.raises(RunStopped):
        run("classify", load(photos), out=tmp_path / "run", on_epoch=stop, **arguments)
    resume(tmp_path / "run")
    both = [json.loads((folder / "metrics.json").read_text()) for folder in (tmp_path / "run", learned[0])]
    for name in both[0]["networks"]:
        mine, theirs = ({**facts["networks"][name], "training_seconds": 0} for facts in both)
        assert mine == theirs


def test_a_size_that_cannot_be_held_is_refused_before_images_are_read(photos, command, monkeypatch):
    monkeypatch.setattr(Memory, "find", classmethod(lambda cls: cls(8 * 2**30, 6 * 2**30)))
    code, _, err = command("learn", photos, "--size", 5000, "--out", "run")
    assert code == 1
    assert re.search(
        r"--size: expected samples that fit into 8\.0 GB of memory, got 5000x5000, .* Use --size \d+\.", err
    )
    assert not Path("run").exists()


def test_a_short_time_gives_small_images_and_says_so(photos, command, monkeypatch):
    monkeypatch.setattr("faltung.learn.input_size.fitting_size", lambda *arguments: 32)
    code, _, err = command("learn", photos, *SHORT[:-2], "--splits", 1, "--time", "50s", "--out", "run")
    assert code == 0
    assert "Images of 32x32 pixels instead of 64x64, to keep to 50 s." in err
    assert "Data: 40 images of 32x32 pixels" in err
    assert json.loads(Path("run/run.json").read_text())["reading"]["size"] == 32


def test_images_become_smaller_the_shorter_the_time_is():
    sizes = [size_for_time(64, 100.0, limit) for limit in (1000, 67, 66, 38, 37, 1)]
    assert sizes == [64, 64, 48, 48, 32, 32]
    assert size_for_time(30, 100.0, 1.0) == 30


@pytest.mark.parametrize(
    ("option", "text"), [("soon", "--time: expected a time such as 90s"), ("0", "--time: expec")]
)
def test_a_time_that_is_none_is_refused(photos, command, option, text):
    code, _, err = command("learn", photos, "--time", option)
    assert code == 1
    assert text in err


def test_the_time_that_is_left_goes_with_the_schedule(capsys):
    shown = LearningProgress(None)
    shown.schedule(Schedule((PlannedTraining("conv", "conv", NETWORKS, 20, 2.0),), other=3.0))
    shown.goes_on("conv", 2, 20)
    for epoch in (1, 2, 3):
        shown.epoch("conv", EpochRecord(epoch, 20, 2.0, {"training_risk": 1.0, "validation_risk": 2.0}))
    assert capsys.readouterr().err.splitlines() == [
        "conv: goes on after epoch 2 of 20",
        "conv: epoch 3 of 20, risk 1.000, validation risk 2.000, 37 s left",
    ]


def test_letters_and_numbers_are_not_mirrored():
    from dataclasses import replace

    data = load_embedded().training
    assert augmentation_for(data).mirror
    digits = replace(data, class_names=tuple("0123456789"))
    assert not augmentation_for(digits).mirror
