"""The suite: every file of tests is in one part, and parts that fail are told."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def suite(monkeypatch):
    """The program that runs all tests."""
    spec = importlib.util.spec_from_file_location("run_tests", ROOT / "tools" / "run_tests.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "run_tests", module)  # where dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("long", [1.0, 90.0, 1e9])
def test_every_file_is_in_one_part(suite, monkeypatch, long):
    monkeypatch.setattr(suite, "LONG", long)
    found = suite.parts(suite.everything())
    files = [file for part in found for file in part.files]
    assert sorted(files) == sorted([*(ROOT / "tests").rglob("test_*.py"), ROOT / "src"])
    assert all(part.files and part.names for part in found)
    assert [part.seconds for part in found] == sorted((part.seconds for part in found), reverse=True)


def test_a_part_that_fails_is_shown_in_full_and_others_are_a_line(suite, monkeypatch, capsys):
    outcomes = {
        "good": suite.Outcome(False, "....\n4 passed in 1s\n", 1.2, {"a.py": 1.0}),
        "bad": suite.Outcome(True, "..F.\nthe reason\n1 failed, 3 passed in 2s\n", 2.3, {"b.py": 2.0}),
    }
    monkeypatch.setattr(suite, "run", lambda part: outcomes[part.names[0]])
    failed, took = suite.carry_out([suite.Part(["good"]), suite.Part(["bad"])])
    assert (failed, took) == (["bad"], {"a.py": 1.0, "b.py": 2.0})
    said = capsys.readouterr().out
    assert "   1.2 s  good: 4 passed in 1s\n" in said
    assert "---- bad\n..F.\nthe reason\n" in said
    assert "....\n" not in said


def test_no_two_files_have_one_name():
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert len(names) == len({*names})  # so that one process can run any of them together
