"""Run folders and checkpoints that say something else: each is used, or refused in one sentence."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
import fuzzed_files
import hostile_cases


@pytest.fixture(scope="module")
def cases():
    return hostile_cases.cases("runs")


def test_whole_folders_are_used(tmp_path, cases, alone):
    for case in cases.values():
        assert fuzzed_files.outcome(case, case.files, tmp_path / "in") == ("", []), case.name


def test_changed_folders_get_one_sentence_each(tmp_path, cases, alone):
    read, refused, failures = fuzzed_files.attack(30, 7, tmp_path, cases)
    assert failures == []
    assert read > 2
    assert refused > 10
