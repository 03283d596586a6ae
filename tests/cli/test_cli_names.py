"""Names of files that are no text, command the terminal, look like markup, or would be computed by a spreadsheet."""

from __future__ import annotations

import ast
import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import faltung.cli
from faltung.cli.console import printable
from faltung.datasets.reading import load
from faltung.ground.spreadsheet_cells import cell_of, text_of
from faltung.learn import Dataset, RunFolder
from faltung.learn.saved import save_network
from faltung.networks import DenseClassifier

#: Begins with a sign of formulas, has an escape sequence and markup, and a byte that is no UTF-8.
HOSTILE = os.fsdecode(b"=a\x1b[31m[red]\xff")
SHOWN = r"=a\x1b[31m[red]\udcff"
STORED = "=a\x1b[31m[red]" + r"\udcff"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b]0;title\x07", r"a\x1b]0;title\x07"),
        ("\x9b31m\r\u202e\u2028", r"\x9b31m\r\u202e\u2028"),
        (HOSTILE, SHOWN),
        ("größe 猫 95\xa0% 👩\u200d🔬\nnext", "größe 猫 95\xa0% 👩\u200d🔬\nnext"),
    ],
)
def test_what_is_printed_commands_no_terminal(text, shown):
    assert printable(text) == shown


def test_commands_print_through_the_console_alone():
    """So that no name reaches a terminal as it is."""
    for path in Path(faltung.cli.__file__).parent.glob("*.py"):
        calls = {
            ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
        }
        found = calls & {"print", "typer.echo", "typer.secho", "errors.print", "Console", "sys.stdout.write"}
        # The version is typed nowhere; what a script leaves behind is its own matter.
        allowed = {"console.py": found, "main.py": {"typer.echo"}, "run.py": {"print"}}.get(path.name, set())
        assert found <= allowed, path.name


@pytest.mark.parametrize(
    "text", ["=1+1", "+a", "-a", "@a", "\ta", "\ra", "＝1", "'=1", "''=1", "-1+cmd|' /C calc'!A0"]
)
def test_text_that_a_spreadsheet_would_compute_is_protected(text):
    cell = cell_of(text)
    assert cell == f"'{text}"
    assert text_of(cell) == text


@pytest.mark.parametrize("text", ["", "cat", "-1", "+1e-3", "-inf", "'tis", "a=b", "3 - 2", "'", "p(-a)"])
def test_numbers_and_other_text_stay_as_they_are(text):
    assert (cell_of(text), text_of(text)) == (text, text)


@pytest.fixture
def run(tmp_path, alone):
    """A run folder whose second class has a hostile name."""
    samples = Dataset(np.zeros((1, 1, 8, 8), np.uint8), np.array([0]), ("dark", HOSTILE))
    network = DenseClassifier(sample_shape=(1, 8, 8), widths=(), classes=2)
    (tmp_path / "run").mkdir()
    save_network(RunFolder(tmp_path / "run"), "model", network, samples)
    (folder := tmp_path / HOSTILE).mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / f"{HOSTILE}.png")
    np.save(tmp_path / f"{HOSTILE}.npy", np.ones((6, 6)))
    return tmp_path


def shows(said):
    assert "\x1b" not in said
    assert "Traceback" not in said
    return SHOWN in said


def test_filters_of_files_with_hostile_names(command, run):
    name = f"{HOSTILE}.npy"
    for arguments in (
        ("apply", name, "-k", "box(3)", "-o", f"{HOSTILE}2.npy"),
        ("apply", HOSTILE, "-k", "box(3)", "-o", f"{HOSTILE}2"),
        ("apply", name, "-k", name, "-o", "a.npy"),
        ("fit", name, name, "--size", "1", "-o", f"{HOSTILE}.txt"),
    ):
        code, out, said = command(*arguments)
        assert code == 0, said
        assert shows(out + said) or arguments[-1] == "a.npy"
    code, out, said = command("apply", f"{HOSTILE}.missing", "-k", "box(3)", "-o", "b.npy")
    assert (code, shows(said)) == (1, True)


def test_a_name_with_the_end_of_a_line_in_it_stays_one_cell(command, run):
    for name in ("a\r=1+1.png", "a\n=1+1.png"):
        shutil.copy(next((run / HOSTILE).rglob("*.png")), run / name)
        code, _, said = command("predict", "run", name, "--csv", "p.csv", "--overwrite")
        assert code == 0, said
        with (run / "p.csv").open(encoding="utf-8", newline="") as file:
            assert [row[0] for row in csv.reader(file)] == ["name", name]


def test_predictions_of_files_with_hostile_names(command, run):
    code, out, said = command("predict", "run", HOSTILE, "--csv", "p.csv", "--json", "p.json")
    assert (code, shows(out)) == (0, True), said
    (_, row) = csv.reader((run / "p.csv").read_text(encoding="utf-8").splitlines())
    assert row[0] == f"'{STORED}/{STORED}.png"
    assert row[1] == f"'{STORED}"
    assert {float(cell) >= 0 for cell in row[3:]} == {True}
    (prediction,) = json.loads((run / "p.json").read_text(encoding="utf-8"))["predictions"]
    assert prediction["label"] == HOSTILE
    assert prediction["name"] == f"{STORED}/{STORED}.png"
    for option in ("--csv", "--json"):
        code, out, said = command("predict", "run", HOSTILE, option, "-")
        assert (code, out) == (0, (run / f"p.{option[2:]}").read_text(encoding="utf-8")), said


def test_a_report_card_of_a_network_with_a_hostile_name(command, run):
    (run / "run").rename(run / "run\x1b[31m[red]")
    arguments = ("--section", "counts", "--json", f"{HOSTILE}.json", "--html", "a.html")
    code, out, said = command("inspect", "run\x1b[31m[red]", *arguments)
    assert (code, r"run\x1b[31m[red]" in out, "\x1b" in out + said) == (0, True, False), said


def test_labels_that_were_protected_are_read_as_they_were(tmp_path):
    rows = [("file", "label")]
    for number in range(8):
        for label in ("=cats", "-1"):
            name = f"{label}{number}.png"
            Image.fromarray(np.full((8, 8), number, np.uint8)).save(tmp_path / name)
            rows.append((name, label))
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([cell_of(cell) for cell in row] for row in rows)
    assert {*load(tmp_path / "labels.csv").training.class_names} == {"=cats", "-1"}


def test_learning_from_files_with_hostile_names(command, tmp_path):
    rng = np.random.default_rng(0)
    for label in ("dark", HOSTILE):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(10):
            image = Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8))
            image.save(tmp_path / "data" / label / f"{HOSTILE}{number}.png")
    small = ("--epochs", "1", "--threads", "1", "--batch-size", "8", "--no-curve", "--splits", "1")
    code, out, said = command("learn", "data", *small, "--out", HOSTILE)
    assert (code, shows(out), shows(said)) == (0, True, True), said
    names = json.loads((tmp_path / HOSTILE / "split.json").read_text(encoding="utf-8"))["training"]
    assert all((tmp_path / "data" / name).exists() for name in names)
