"""Errors of a command name what was typed; every command shows its examples in the same way."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from faltung.cli.main import app
from faltung.cli.typed import message_of, typed_names
from faltung.errors import ArgumentError

COMMANDS = {command.callback.__name__: inspect.unwrap(command.callback) for command in app.registered_commands}

MODE = "--mode: expected one of 'reflect', 'constant', 'nearest', 'mirror', 'wrap', got 'edge'. Use --mode nearest."


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["fit", "a.npy", "b.npy"], "AFTER: expected an array of the shape of BEFORE, (20, 20), got (20, 21)."),
        (["fit", "a.npy", "a.npy", "--mode", "edge"], MODE),
        (
            ["fit", "a.npy", "a.npy", "--size", "99"],
            "BEFORE: expected an array at least as long as the filter, (99, 99), along its axes, got lengths"
            + " (20, 20). Use a smaller size, or add --mode to extend BEFORE beyond its border.",
        ),
        (["apply", "a.npy", "-k", "box(3)", "--mode", "edge", "-o", "c.npy"], MODE),
        (["plan", "a.npy", "-k", "box(3)", "--mode", "edge"], MODE),
        (["predict", "a.npy", "a.npy"], "RUN: expected a run folder with model.json"),
        (["learn", "--learning-rate", "0"], "--learning-rate: expected a number above 0, got 0.0."),
        (["learn", "--device", "abacus"], "--device: expected a device that torch can use here"),
        (["learn", "--task", "sing"], "--task: expected classify or generate, got 'sing'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_errors_name_what_was_typed(tmp_path, monkeypatch, command, words, text):
    monkeypatch.chdir(tmp_path)
    for name, columns in (("a.npy", 20), ("b.npy", 21)):
        np.save(name, np.random.default_rng(0).random((20, columns), np.float32))
    code, _, err = command(*words)
    assert code == 1
    assert f"Error: {text}" in err


def test_names_are_those_of_the_options():
    names = typed_names(COMMANDS["generate"])
    assert (names["run"], names["count"], names["class_name"]) == ("RUN", "--count", "--class")
    assert typed_names(COMMANDS["learn"])["batch_size"] == "--batch-size"
    assert typed_names(COMMANDS["learn"])["data"] == "DATA"


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_have_one_form(name):
    text = inspect.getdoc(COMMANDS[name])
    assert "\nExamples\n--------\n  faltung " in text
    assert "For example" not in text


def test_the_options_of_learn_fit_into_a_narrow_terminal(monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = command("learn", "--help")
    assert (code, "…" in out, "--learning-rate" in out) == (0, False, True)


def test_a_flag_is_typed_without_a_value():
    error = ArgumentError("images", "images", "others", "Leave them out with skip_corrupt=True.")
    assert message_of(error, COMMANDS["learn"]).endswith("Leave them out with --skip-corrupt.")


@pytest.mark.parametrize("words", [("apply", "", "-k", "box(3)", "-o", "out/"), ("learn", "")])
def test_an_empty_argument_is_refused_before_it_means_the_current_folder(command, words, tmp_path):
    code, out, said = command(*words)
    assert (code, out) == (1, "")
    assert "arguments: expected none that is empty" in said
    assert "Is a variable of the shell empty?" in said
    assert not [*tmp_path.iterdir()]
