"""How the command line explains itself: help at any width, the list of filters, completion, and missing extras."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pytest
import typer
from PIL import Image

import faltung as fa
from faltung.cli.kernels import _EXAMPLES
from faltung.cli.main import app
from faltung.kernels.named import NAMED

GROUP = typer.main.get_command(app)
COMMANDS = sorted(GROUP.commands)


def parameters(command):
    with GROUP.make_context("faltung", [], resilient_parsing=True) as context:
        return GROUP.commands[command].get_params(context)


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_nothing_of_the_help_is_cut(command, monkeypatch, name, width):
    monkeypatch.setenv("COLUMNS", str(width))
    code, out, _ = command(*[name] * bool(name), "--help")
    assert code == 0
    assert "…" not in out
    examples = [line for line in out.splitlines() if line.startswith("  faltung ")]
    assert all(len(line) <= 80 for line in examples)
    assert all(len(line) < width for line in out.splitlines() if line not in examples)
    if name:
        said = " ".join(out.split())
        for param in parameters(name):
            if param.param_type_name == "option" and not param.hidden:
                assert all(option in said for option in param.opts)
            if not getattr(param, "hidden", False):
                assert " ".join((param.help or "").split()) in said


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_have_one_form(command, name):
    _, out, _ = command(name, "--help")
    lines = out.splitlines()
    start = lines.index("Examples:") + 1
    stop = lines.index("", start)
    assert lines[start:stop]
    assert all(line.startswith("  faltung ") for line in lines[start:stop])
    assert any(line.startswith(f"  faltung {name}") for line in lines[start:stop])


def test_defaults_are_shown(command):
    _, out, _ = command("apply", "--help")
    said = " ".join(out.split())
    for text in (
        "[default: reflect]",
        "[default: 0]",
        "[default: --keep-metadata]",
        "[required]",
        "-o, --output PATH",
    ):
        assert text in said


def test_a_mistake_is_told_with_the_usage(command):
    code, _, said = command("apply", "--foo")
    assert (code, "apply [OPTIONS] IMAGE... Try" in said, "No such option: --foo" in said) == (2, True, True)
    assert "did you mean" in command("aply")[2].lower()


# ---- filters


def test_all_filters_are_listed_with_pictures(command):
    assert {*_EXAMPLES} == {*NAMED}
    code, out, _ = command("kernels")
    assert code == 0
    for name in NAMED:
        assert re.search(rf"^{name}\(.*\)$", out, re.MULTILINE)
        assert f"  {_EXAMPLES[name]} is, with " in out
    assert "gaussian(sigma, truncate=4.0, ndim=None)" in out
    assert "      0  1  0\n      1 -4  1\n      0  1  0\n" in out


def test_one_filter_is_described(command):
    code, out, _ = command("kernels", "gabor")
    assert code == 0
    assert "its real part:" in out
    assert "frequency : float, optional" in out
    code, _, said = command("kernels", "gaus")
    assert (code, said) == (1, "Error: NAME: expected the name of a filter, got 'gaus'. Did you mean gaussian?")
    assert "The names are delta, box" in command("kernels", "xyz")[2]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("faltung app", ["apply"]),
        ("faltung apply --sca", ["--scale"]),
        ("faltung apply -k ga", ["gaussian(", "gaussian_derivative(", "gabor("]),
        ("faltung plan -k so", ["sobel("]),
        ("faltung apply --mode wrap,ne", ["wrap,nearest"]),
        ("faltung apply --nan i", ["ignore"]),
        ("faltung kernels so", ["sobel"]),
    ],
)
def test_the_shell_completes(typed, expected):
    environment = {"COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" ")), "_FALTUNG_COMPLETE": "complete_bash"}
    code = "import sys; sys.argv = ['faltung']; from faltung.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == expected


# ---- messages


WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "safetensors"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.partition(".")[0])

sys.meta_path.insert(0, Missing())
from faltung.cli.main import main
main()
"""


@pytest.mark.parametrize(
    "line", ["learn", "learn --task generate", "predict r a.png", "generate r -o a.png", "export r -o a.onnx"]
)
def test_without_torch_one_sentence_says_how_to_install_it(tmp_path, line):
    call = [sys.executable, "-c", WITHOUT, *line.split()]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert " ".join(done.stderr.split()) == (
        f"Error: faltung {line.split()[0]} needs packages that are not installed. "
        'In the folder from which faltung was installed, run: pip install ".[learn]"'
    )


def test_without_torch_pictures_are_filtered(tmp_path):
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "a.png")
    call = [sys.executable, "-c", WITHOUT, *["apply", "a.png", "-k", "box(3)", "-o", "b.png"]]
    assert subprocess.run(call, cwd=tmp_path, check=False).returncode == 0


@pytest.mark.parametrize("value", ["abc", "0", "-3", "2.5"])
def test_a_number_of_threads_that_is_none_is_refused_by_name(command, monkeypatch, value):
    monkeypatch.setenv("FALTUNG_WORKERS", value)
    code, _, said = command("cache")
    assert (code, "FALTUNG_WORKERS: expected a positive integer, got" in said) == (1, True)
    with pytest.raises(fa.FaltungError, match="FALTUNG_WORKERS"):
        fa.convolve(np.ones((3, 7)), [1.0, 2.5, 3.25, 1.125])  # an array that one thread filters


@pytest.mark.parametrize("kernel", ["gaus(2)", "gaussian(-1)", "2 +", "nowhere/psf", "./k"])
def test_messages_about_a_filter_name_the_option(command, kernel):
    np.save("a.npy", np.zeros((5, 5)))
    code, _, said = command("apply", "a.npy", "-k", kernel, "-o", "b.npy")
    assert (code, said.startswith("Error: --kernel: ")) == (1, True), said


def test_a_folder_or_another_file_as_input_is_no_fault_of_the_output(command, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "notes.txt").write_text("no picture")
    for name in ("folder", "notes.txt", "nothing.gif"):
        code, _, said = command("apply", name, "-k", "box(3)", "-o", "out")
        assert (code, said.startswith("Error: IMAGE: expected")) == (1, True), said
