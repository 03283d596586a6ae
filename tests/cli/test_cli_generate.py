"""Learning to generate and `faltung generate`: what a run writes, how it goes on, and what comes of it."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faltung.cli import generate as generating
from faltung.cli import main as entry
from faltung.datasets.dataset import Dataset, Split
from faltung.datasets.reading import load
from faltung.errors import ArgumentError
from faltung.learn.recipe import Recipe
from faltung.learn.report.contact_sheet import contact_sheet
from faltung.learn.runs import RunFolder
from faltung.learn.saved import save_network
from faltung.learn.tasks.generate import learn_to_generate
from faltung.learn.tasks.generation import judges
from faltung.learn.tasks.generation.generator_outcome import score_table
from faltung.learn.tasks.generation.generators import generator_recipe, generators_for
from faltung.networks import DenseClassifier
from faltung.networks.batches import tensors
from faltung.networks.generator import ConvGenerator, DenseGenerator

NAMES = ("Bag", "Ankle boot")
RECIPE = Recipe(epochs=3, batch_size=16, learning_rate=1e-2, optimiser="adam", averaging=0.1)


def _part(count: int, seed: int) -> Dataset:
    """Bright rows are bags, bright columns boots."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 40, (count, 1, 8, 8), dtype=np.uint8)
    labels = np.arange(count) % 2
    for image, label, place in zip(images, labels, generator.integers(1, 7, count), strict=True):
        image[(0, slice(None), place) if label else (0, place)] += 180
    return Dataset(images, labels, NAMES)


SPLIT = Split(_part(48, 1), _part(16, 2), _part(24, 3), "rows and columns")
CANDIDATES = {
    "convolutional": lambda: ConvGenerator(
        sample_shape=(1, 8, 8), classes=2, channels=(8, 8), blocks=(1, 1), mean=0.2, deviation=0.3
    ),
    "dense": lambda: DenseGenerator(sample_shape=(1, 8, 8), classes=2, width=8, mean=0.2, deviation=0.3),
}


def _learn(folder: Path, **options):
    folder.mkdir(exist_ok=True)
    return learn_to_generate(SPLIT, RECIPE, RunFolder(folder), candidates=CANDIDATES, **options)


@pytest.fixture(scope="module", autouse=True)
def _short_judgement():
    with pytest.MonkeyPatch.context() as patch:
        recipe = Recipe(epochs=20, batch_size=16, learning_rate=0.05)
        patch.setattr(judges, "CLASSIFY", dataclasses.replace(judges.CLASSIFY, recipe=lambda samples: recipe))
        yield


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "first"
    return folder, _learn(folder)


@pytest.fixture(scope="module")
def run(learned) -> Path:
    return learned[0]


def _call(*arguments: object) -> int:
    """Run the command line in this process and return its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["faltung", *map(str, arguments)])
        patch.delenv("FALTUNG_DEBUG", raising=False)
        with pytest.raises(SystemExit) as ended:
            entry.main()
    return ended.value.code or 0


def test_run_folder_is_complete(learned):
    folder, outcomes = learned
    assert sorted(path.name for path in folder.iterdir()) == [
        "convolutional.filters.safetensors",
        "dense.json",
        "dense.safetensors",
        "history.csv",
        "judge.json",
        "judge.safetensors",
        "metrics.json",
        "model.json",
        "model.safetensors",
        "report.html",
        "samples.png",
    ]
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["sampling"] == {"seed": 0, "steps": 8, "guidance": 1.5}
    assert metrics["judge"] == "trained on the training samples of this run"
    for outcome in outcomes:
        measured = metrics["networks"][outcome.name]
        assert measured["label_accuracy"] == outcome.score.label_accuracy
        assert measured["frechet"] == outcome.score.frechet
        assert measured["nearest"] == outcome.score.nearest
        assert measured["validation_risk"] == outcome.history[-1].measures["validation_risk"]
        assert outcome.score.test_label_accuracy > 0.9  # the judge has learned
    with (folder / "history.csv").open(newline="") as file:
        rows = [(row["network"], row["epoch"]) for row in csv.DictReader(file)]
    judged = [("judge", str(epoch)) for epoch in range(1, 21)]
    assert rows == judged + [(name, str(epoch)) for name in CANDIDATES for epoch in (1, 2, 3)]
    assert _pixels(folder / "samples.png").shape == (2 * 80 + 4, 10 * 80 + 9 * 4, 3)


def test_page_stands_alone(run):
    page = (run / "report.html").read_text(encoding="utf-8")
    assert page.count('class="sheet"') == 4  # grid and ways of both
    assert all(f'id="{name}"' in page for name in ("receptive_fields", "filters", "patterns", "attribution"))
    assert "http" not in page
    assert "$" not in page
    assert "rows and columns" in page
    assert "“dense”" in page


def test_table_ends_with_real_samples(learned):
    header, rows = score_table(learned[1])
    assert [row[0] for row in rows] == ["convolutional", "dense", "test samples"]
    assert {len(row) for row in rows} == {len(header)}
    score = learned[1][0].score
    expected = [f"{100 * score.test_label_accuracy:.1f} %", f"{score.frechet_floor:.3f}", f"{score.test_nearest:.2f}"]
    assert rows[-1][4:] == expected


def test_shown_samples_are_the_first_of_each_class(learned):
    _, (outcome, _) = learned
    assert outcome.class_names == NAMES
    assert outcome.samples.shape == (2, 10, 1, 8, 8)
    assert np.array_equal(outcome.paths[:, -1], outcome.samples[:, 0])
    pairs = ((outcome.samples[:, :1] / 255 - SPLIT.training.samples / 255) ** 2).sum(axis=(2, 3, 4))
    assert np.array_equal(outcome.neighbours, SPLIT.training.samples[pairs.argmin(axis=1)])


@pytest.mark.parametrize(("network", "epoch"), [("judge", 2), ("convolutional", 2)])
def test_stopped_run_goes_on_to_the_same_end(run, tmp_path, network, epoch):
    def stop(name, record):
        if (name, record.epoch) == (network, epoch):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _learn(tmp_path, on_epoch=stop)
    assert (tmp_path / f"{network}.checkpoint.safetensors").exists()
    seen = []
    _learn(tmp_path, on_epoch=lambda name, record: seen.append((name, record.epoch)))
    assert [entry for entry in seen if entry[0] != "judge"] == [(name, e) for name in CANDIDATES for e in (1, 2, 3)]
    for name in ("model", "dense", "judge"):
        assert (tmp_path / f"{name}.safetensors").read_bytes() == (run / f"{name}.safetensors").read_bytes()
    assert (tmp_path / "samples.png").read_bytes() == (run / "samples.png").read_bytes()
    assert not list(tmp_path.glob("*.checkpoint.*"))


def test_judge_that_does_not_fit_is_refused_before_anything_is_trained(tmp_path):
    seen = []
    judge = DenseClassifier(sample_shape=(1, 8, 8), classes=3, widths=(4,))
    with pytest.raises(ArgumentError, match="judge: expected a classifier of 2 classes"):
        _learn(tmp_path, judge=judge, on_epoch=lambda name, record: seen.append(name))
    assert not seen


def test_defaults_suit_the_data():
    makers = generators_for(SPLIT.training)
    convolutional, dense = (make() for make in makers.values())
    values, _ = tensors(SPLIT.training)
    standardised = convolutional.standardise(values)
    assert abs(standardised.mean()) < 1e-6
    assert standardised.std(correction=0) == pytest.approx(1)
    sizes = [sum(parameter.numel() for parameter in network.parameters()) for network in (convolutional, dense)]
    assert 0.97 < sizes[1] / sizes[0] <= 1
    series = Dataset(np.zeros((2, 3, 300), np.float32), np.array([0, 1]), NAMES)
    assert next(iter(generators_for(series).values()))().arguments["channels"] == [16, 32, 64, 64, 64, 64, 64]


@pytest.mark.parametrize("samples", [2, 70, 5000, 60_000])
def test_recipe_takes_steps_by_the_root_of_the_number_of_samples(samples):
    recipe = generator_recipe(samples)
    steps = recipe.epochs * (samples // recipe.batch_size)
    assert steps == pytest.approx(15_000 * (samples / 60_000) ** 0.5, rel=0.1)


def test_grid_and_array_hold_the_same_samples(run, tmp_path, capsys):
    grid, array = tmp_path / "grid.png", tmp_path / "samples.npz"
    assert _call("generate", run, "-n", 5, "--seed", 3, "--steps", 2, "-o", grid, "--npz", array) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{grid}: 5 of all classes in turn",
        f"{array}: 5 of all classes in turn",
    ]
    with np.load(array) as file:
        samples, labels, names = file["x"], file["y"], file["class_names"]
    assert samples.shape == (5, 1, 8, 8)
    assert samples.dtype == np.uint8
    assert labels.tolist() == [0, 1, 0, 1, 0]
    assert names.tolist() == [*NAMES]
    assert np.array_equal(_pixels(grid), contact_sheet(samples, columns=2))


def test_what_is_generated_can_be_learned_from(run, tmp_path):
    array = tmp_path / "samples.npz"
    assert _call("generate", run, "-n", 60, "--steps", 1, "--npz", array) == 0
    split = load(array)
    assert split.class_names == NAMES
    assert split.training.sample_shape == (1, 8, 8)


def test_same_seed_same_file_and_the_first_of_many(run, tmp_path):
    def made(name: str, *options: object) -> np.ndarray:
        assert _call("generate", run, "--steps", 2, "--npz", tmp_path / name, *options) == 0
        with np.load(tmp_path / name) as file:
            return file["x"].astype(int)

    first = made("a.npz", "-n", 7, "--class", "BAG", "--seed", 1)
    assert made("b.npz", "-n", 7, "--class", "bag", "--seed", 1).tolist() == first.tolist()
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    # Another number of samples at once may round in another way.
    assert np.abs(made("c.npz", "-n", 3, "--class", "bag", "--seed", 1) - first[:3]).max() <= 1
    assert np.abs(made("d.npz", "-n", 7, "--class", "bag", "--seed", 2) - first).max() > 50
    assert np.abs(made("e.npz", "-n", 7, "--class", "ankle boot", "--seed", 1) - first).max() > 1
    assert np.abs(made("f.npz", "-n", 7, "--class", "bag", "--seed", 1, "--network", "dense") - first).max() > 1
    assert np.abs(made("g.npz", "-n", 7, "--class", "bag", "--seed", 1, "--guidance", 4) - first).max() > 1


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (["-o", "grid.png", "--class", "hat"], 1, "--class: expected one of Bag, Ankle boot, got 'hat'."),
        ([], 1, "--output: expected a file to write, got none. Add -o grid.png or --npz samples.npz."),
        (["-o", "grid.jpg"], 1, "--output: expected a file named .png, got 'grid.jpg'."),
        (["--npz", "grid.png"], 1, "--npz: expected a file named .npz, got 'grid.png'."),
        (
            ["-o", "taken.png"],
            1,
            "--output: expected a file that does not exist yet, got 'taken.png'. Add --overwrite",
        ),
        (["-o", "none/grid.png"], 1, "--output: expected a name in a folder that exists"),
        (
            ["-o", "grid.png", "--network", "other"],
            1,
            "--network: expected one that the run has: dense, judge, model",
        ),
        (
            ["-o", "grid.png", "--network", "judge"],
            1,
            "RUN: expected a generator, got a classifier in",
        ),
        (["-o", "grid.png", "--guidance", "-1"], 1, "guidance: expected a number from 0, got -1.0"),
        (["-o", "grid.png", "-n", "0"], 2, "--count"),
        (["-o", "grid.png", "--steps", "0"], 2, "--steps"),
    ],
)
def test_errors_are_one_message_and_cost_nothing(run, tmp_path, monkeypatch, capsys, options, code, text):
    monkeypatch.chdir(tmp_path)
    Path("taken.png").write_bytes(b"mine")
    assert _call("generate", run, *options) == code
    err = capsys.readouterr().err
    assert text in err
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["taken.png"]
    assert Path("taken.png").read_bytes() == b"mine"


def test_overwrite_replaces(run, tmp_path):
    grid = tmp_path / "grid.png"
    grid.write_bytes(b"mine")
    assert _call("generate", run, "-n", 1, "--steps", 1, "-o", grid, "--overwrite") == 0
    assert _pixels(grid).shape == (80, 80 + 4 + 80, 3)


def test_series_are_generated_and_drawn(tmp_path):
    data = Dataset(np.zeros((2, 2, 20), np.float32), np.array([0, 1]), NAMES)
    network = DenseGenerator(sample_shape=(2, 20), classes=2, width=8, mean=5.0, deviation=2.0)
    save_network(RunFolder(tmp_path), "model", network, data)
    assert _call("generate", tmp_path, "-n", 3, "-o", tmp_path / "s.png", "--npz", tmp_path / "s.npz") == 0
    with np.load(tmp_path / "s.npz") as file:
        assert file["x"].shape == (3, 2, 20)
        assert file["x"].dtype == np.float32
        assert 4 < file["x"].mean() < 6
    assert _pixels(tmp_path / "s.png").shape == (2 * 84 + 4, 2 * 168 + 4, 3)


def test_contact_sheet_places_pixels_in_rows():
    samples = np.arange(5, dtype=np.uint8)[:, None, None, None] + np.zeros((5, 3, 40, 30), np.uint8)
    sheet = contact_sheet(samples, columns=2)
    assert sheet.shape == (3 * 80 + 8, 2 * 60 + 4, 3)
    for index in range(5):
        row, column = divmod(index, 2)
        assert (sheet[84 * row : 84 * row + 80, 64 * column : 64 * column + 60] == index).all()
    assert (sheet[80:84] == 255).all()
    assert (sheet[168:, 64:] == 255).all()


def test_contact_sheet_draws_a_series_from_its_lowest_to_its_highest():
    dark = contact_sheet(np.array([[[0.0, 1.0]]], np.float32), columns=1)[..., 0] < 128
    assert dark.shape == (84, 168)
    rows, columns = np.nonzero(dark)
    assert abs(rows + columns / 2 - 83).max() < 4  # a diagonal from bottom left to top right
    assert np.ptp(columns) > 160


@pytest.mark.parametrize(("count", "columns"), [(0, 2), (3, 0)])
def test_contact_sheets_of_nothing_are_refused(count, columns):
    with pytest.raises(ArgumentError, match=f"samples: expected at least one, .*, got {count} in {columns}"):
        contact_sheet(np.zeros((count, 1, 8, 8), np.uint8), columns)


@pytest.mark.parametrize("count", [10**8, 10**15])
@pytest.mark.parametrize("files", [("-o", "a.png"), ("--npz", "a.npz"), ("-o", "a.png", "--class", "bag")])
def test_more_samples_than_fit_are_refused_with_the_number_that_fits(
    run, tmp_path, monkeypatch, capsys, count, files
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(generating, "_memory", lambda: 2**30)
    assert _call("generate", run, "-n", count, *files) == 1
    said = capsys.readouterr()
    [fits] = re.findall(rf"--count: expected at most ([\d,]+) samples, which fit into .*, got {count:,}", said.err)
    assert 1000 < int(fits.replace(",", "")) < 10**7
    assert not [*tmp_path.iterdir()]


def test_a_run_that_is_not_finished_says_so(run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = shutil.copytree(run, tmp_path / "run")
    (folder / "run.json").write_text("{}")
    (folder / "metrics.json").unlink()
    assert _call("generate", "run", "-n", 2, "--npz", "a.npz") == 0
    text = "The run run is not finished. Continue it with: faltung learn --resume run\n"
    assert capsys.readouterr().err == text
    for path in folder.glob("*.safetensors"):
        path.unlink()
    assert _call("generate", "run", "-n", 2, "--npz", "b.npz") == 1
    assert "got 'run', which is not finished. Continue it with: faltung learn --resume run" in capsys.readouterr().err
