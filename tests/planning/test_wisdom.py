"""Wisdom: for which questions a measured choice is remembered, in this process and on disk."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

import faltung as fa
from faltung.jit import object_cache
from faltung.jit.target import Target
from faltung.planning import machine as store
from faltung.planning import wisdom
from faltung.planning.missing_rule import MissingRule
from remembered import forget_choices, in_a_new_process, problem_of


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """Give each test a cache folder and a memory of its own."""
    monkeypatch.setenv("FALTUNG_CACHE", str(tmp_path / "cache"))
    forget_choices(monkeypatch)
    return tmp_path / "cache"


GAUSSIAN = problem_of(fa.gaussian(2.0))


def test_without_measurements_no_digest_is_computed(folder, monkeypatch):
    reads = []
    monkeypatch.setattr(object_cache, "read", lambda name: reads.append(name))
    monkeypatch.setattr(wisdom, "_key", lambda problem: pytest.fail("a digest of nothing"))
    for _ in range(3):
        assert wisdom.remembered(GAUSSIAN) is None
    assert reads == ["wisdom.json"]
    assert not folder.exists()


def test_a_choice_is_remembered_in_this_process_and_in_later_ones(monkeypatch):
    wisdom.remember(GAUSSIAN, "fourier")
    assert wisdom.remembered(GAUSSIAN) == "fourier"
    assert in_a_new_process(monkeypatch, GAUSSIAN) == "fourier"
    wisdom.remember(problem_of(fa.gaussian(2.0)), "direct")  # the same problem, described again
    assert in_a_new_process(monkeypatch, GAUSSIAN) == "direct"


@pytest.mark.parametrize(
    "other",
    [
        problem_of(fa.gaussian(2.0), shape=(40, 51)),
        problem_of(fa.gaussian(2.0), dtype="float64"),
        problem_of(fa.gaussian(2.5)),
        problem_of(fa.gaussian(2.0) * fa.delta()),
        replace(GAUSSIAN, axes=(1, 0)),
        replace(GAUSSIAN, modes=("constant", "constant")),
        replace(GAUSSIAN, cval=1.0),
        replace(GAUSSIAN, regions=((0, 40), (3, 47))),
        replace(GAUSSIAN, result=np.dtype("uint8")),
        replace(GAUSSIAN, accuracy="pointwise"),
        replace(GAUSSIAN, missing=MissingRule(skips_nan=True)),
        replace(GAUSSIAN, missing=MissingRule(masked=True)),
        replace(GAUSSIAN, missing=MissingRule(masked=True, min_weight=0.5)),
    ],
    ids=lambda problem: "",
)
def test_a_choice_is_for_one_problem_only(other):
    wisdom.remember(GAUSSIAN, "fourier")
    assert wisdom.remembered(other) is None


def test_a_convolution_and_the_correlation_with_the_reflected_kernel_share_a_choice():
    kernel = fa.Kernel([[1.0, 2.0, 4.0]])
    wisdom.remember(problem_of(kernel), "fourier")
    assert wisdom.remembered(problem_of(kernel.flip(), reflected=False)) == "fourier"
    assert wisdom.remembered(problem_of(kernel, reflected=False)) is None


def test_a_choice_is_for_one_processor_and_one_version(monkeypatch):
    wisdom.remember(GAUSSIAN, "fourier")
    for place, name, value in (
        (store, "host", lambda: Target("another processor", 64, 32)),
        (fa, "__version__", "0.0.0"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, value)
            assert wisdom.remembered(GAUSSIAN) is None
    assert wisdom.remembered(GAUSSIAN) == "fourier"


def test_choices_of_other_processes_are_kept(monkeypatch):
    box, disk = problem_of(fa.box(9)), problem_of(fa.disk(3.0))
    wisdom.remember(GAUSSIAN, "separable")
    with monkeypatch.context() as other_process:
        forget_choices(other_process)
        wisdom.remember(box, "running")
    assert wisdom.remembered(box) is None  # the file is read once
    wisdom.remember(disk, "direct")
    for problem, method in ((GAUSSIAN, "separable"), (box, "running"), (disk, "direct")):
        assert wisdom.remembered(problem) == method
        assert in_a_new_process(monkeypatch, problem) == method


def test_the_most_recent_choices_are_kept(monkeypatch):
    monkeypatch.setattr(wisdom, "MOST", 3)
    problems = [problem_of(fa.box(width)) for width in (3, 5, 7, 9)]
    for problem in problems:
        wisdom.remember(problem, "running")
    assert [in_a_new_process(monkeypatch, problem) for problem in problems] == [None, "running", "running", "running"]


@pytest.mark.parametrize("method", ["magic", "", None, 3, ["direct"]])
def test_an_unknown_method_is_not_used(method):
    store.note("wisdom.json", wisdom._key(GAUSSIAN), method, 10)
    assert wisdom.remembered(GAUSSIAN) is None


def test_a_damaged_file_is_ignored_and_replaced(folder, monkeypatch):
    wisdom.remember(GAUSSIAN, "fourier")
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    assert in_a_new_process(monkeypatch, GAUSSIAN) is None
    wisdom.remember(GAUSSIAN, "separable")
    assert in_a_new_process(monkeypatch, GAUSSIAN) == "separable"


@pytest.mark.skipif(sys.platform == "win32", reason="the profile folder is private there")
def test_a_folder_that_others_can_write_is_not_trusted(folder, monkeypatch):
    wisdom.remember(GAUSSIAN, "fourier")
    folder.chmod(0o777)
    assert in_a_new_process(monkeypatch, GAUSSIAN) is None
    wisdom.remember(GAUSSIAN, "direct")
    assert wisdom.remembered(GAUSSIAN) == "direct"  # in this process
    folder.chmod(0o700)
    assert in_a_new_process(monkeypatch, GAUSSIAN) == "fourier"


def test_choices_in_memory_are_bounded_too(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FALTUNG_CACHE", str(tmp_path / "file"))  # nothing can be saved
    monkeypatch.setattr(wisdom, "MOST", 2)
    forget_choices(monkeypatch)
    problems = [problem_of(fa.box(width)) for width in (3, 5, 7)]
    for problem in problems:
        wisdom.remember(problem, "running")
    assert [wisdom.remembered(problem) for problem in problems] == [None, "running", "running"]


def test_threads_lose_no_choice():
    problems = [problem_of(fa.Kernel([[1.0, number]])) for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        [*pool.map(lambda problem: wisdom.remember(problem, "direct"), problems)]
    assert [wisdom.remembered(problem) for problem in problems] == ["direct"] * len(problems)
