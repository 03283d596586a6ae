"""Wisdom: choices that were measured, what they are remembered for, and what becomes of them on disk."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

import faltung as fa
from faltung.engines.catalogue import ENGINES
from faltung.jit import object_cache
from faltung.jit.target import Target
from faltung.planning import machine as store
from faltung.planning import planner, wisdom
from faltung.planning.cost import TYPICAL
from faltung.planning.planned import Planned
from faltung.planning.planner import make_plan
from faltung.planning.problem import Problem
from faltung.run import race


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """Give each test a cache folder and a memory of its own."""
    monkeypatch.setenv("FALTUNG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(wisdom, "_choices", None)
    return tmp_path / "cache"


def in_a_new_process(monkeypatch, problem):
    """Return what a process that starts now remembers."""
    monkeypatch.setattr(wisdom, "_choices", None)
    return wisdom.remembered(problem)


def problem_of(kernel, shape=(40, 50), dtype="float32", **changes):
    """Describe a convolution with a kernel over the last axes."""
    ndim = kernel.ndim
    plain = Problem(
        shape=shape,
        dtype=np.dtype(dtype),
        kernel=kernel,
        reflected=True,
        axes=tuple(range(len(shape) - ndim, len(shape))),
        mode="reflect",
        cval=0.0,
        regions=tuple((0, length) for length in shape[-ndim:]),
        result=np.dtype(dtype),
    )
    return replace(plain, **changes)


GAUSSIAN = problem_of(fa.gaussian(2.0))


# ---- what is remembered


def test_where_nothing_was_measured_nothing_is_remembered_and_nothing_computed(folder, monkeypatch):
    reads = []
    monkeypatch.setattr(object_cache, "read", lambda name: reads.append(name))
    monkeypatch.setattr(wisdom, "_key", lambda problem: pytest.fail("a digest of nothing"))
    for _ in range(3):
        assert wisdom.remembered(GAUSSIAN) is None
    assert reads == ["wisdom.json"]
    assert not folder.exists()


def test_a_choice_is_remembered_here_and_in_later_processes(monkeypatch):
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
        replace(GAUSSIAN, mode="constant"),
        replace(GAUSSIAN, cval=1.0),
        replace(GAUSSIAN, regions=((0, 40), (3, 47))),
        replace(GAUSSIAN, result=np.dtype("uint8")),
        replace(GAUSSIAN, accuracy="pointwise"),
        replace(GAUSSIAN, skips_nan=True),
        replace(GAUSSIAN, masked=True),
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


def test_what_another_process_found_meanwhile_is_kept(monkeypatch):
    box, disk = problem_of(fa.box(9)), problem_of(fa.disk(3.0))
    wisdom.remember(GAUSSIAN, "separable")
    with monkeypatch.context() as other_process:
        other_process.setattr(wisdom, "_choices", None)
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
def test_a_method_that_there_is_not_is_not_used(method):
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


# ---- choosing


@pytest.fixture
def clock(monkeypatch):
    """A clock that only goes on while plans run, as long as a test says that they take."""

    class Clock:
        seconds = 0.0

        def __init__(self):
            self.takes, self.ran = {}, []

        def execute(self, plan, x, out, workers, mask=None):
            method = plan.candidates[0].method
            assert x.shape == plan.problem.shape
            assert x.dtype == plan.problem.dtype
            assert (mask is not None) == plan.problem.masked
            self.ran.append(method)
            self.seconds += self.takes[method]
            return out

    clock = Clock()
    # Tests list the engines that ran: those that are added later take no part.
    engines = {name: ENGINES[name] for name in ("direct", "separable", "running", "fourier")}
    monkeypatch.setattr(planner, "ENGINES", engines)
    monkeypatch.setattr(race, "perf_counter", lambda: clock.seconds)
    monkeypatch.setattr(Planned, "execute", staticmethod(clock.execute))
    return clock


@pytest.mark.parametrize("best", ["direct", "separable", "fourier"])
@pytest.mark.parametrize("dtype", ["float32", "float16", ">f8", "uint8", "int64", "bool", "complex64"])
def test_the_fastest_way_is_chosen_and_remembered(best, dtype, clock, monkeypatch):
    monkeypatch.setattr(race, "REACH", 1e6)
    clock.takes = {"direct": 1e-3, "separable": 1e-3, "fourier": 1e-3} | {best: 0.9e-3}
    problem = problem_of(fa.gaussian(2.0), dtype=dtype, result=np.dtype("float32"))
    plan = race.fastest(problem, TYPICAL)
    assert plan.candidates[0].method == best
    assert plan.problem is problem
    assert {*clock.ran} == {"direct", "separable", "fourier"}
    assert in_a_new_process(monkeypatch, problem) == best


def test_what_is_predicted_to_be_far_behind_is_not_run(clock, monkeypatch):
    problem = problem_of(fa.gaussian(9.0), shape=(300, 300))
    seconds = {c.method: c.seconds for c in make_plan(problem, "auto", TYPICAL).candidates}
    assert seconds["direct"] > 10 * min(seconds.values())
    clock.takes = dict.fromkeys(seconds, 1e-3)
    race.fastest(problem, TYPICAL)
    assert {*clock.ran} == {"separable", "fourier"}


def test_a_single_way_is_not_run_at_all(clock):
    problem = problem_of(fa.Kernel(np.ones((3, 1)) + np.eye(3, 1)), accuracy="pointwise")
    assert race.fastest(problem, TYPICAL).candidates[0].method == "direct"
    assert clock.ran == []
    assert wisdom.remembered(problem) == "direct"


def test_who_is_far_behind_leaves_the_race_and_a_long_race_ends_early(clock, monkeypatch):
    monkeypatch.setattr(race, "REACH", 1e6)
    clock.takes = {"direct": 5.0, "separable": 0.9, "fourier": 1.0}
    assert race.fastest(GAUSSIAN, TYPICAL).candidates[0].method == "separable"
    assert clock.ran.count("direct") == 3  # once for its code, once to see how often, once timed
    assert clock.ran.count("separable") == 3


def test_masks_and_missing_samples_are_part_of_what_is_measured(clock):
    problem = replace(problem_of(fa.gaussian(2.0)), masked=True, skips_nan=True)
    clock.takes = {"direct": 1e-3, "separable": 2e-3, "fourier": 3e-3, "running": 1e-3}
    assert race.fastest(problem).candidates[0].method == "direct"


def test_the_chosen_plan_computes_the_same():
    kernel = fa.gaussian(1.0)
    x = np.random.default_rng(0).random((60, 70), dtype=np.float32)
    plan = race.fastest(problem_of(kernel, x.shape))
    np.testing.assert_allclose(plan(x), fa.convolve(x, kernel, method="direct"), rtol=1e-5)
    assert wisdom.remembered(plan.problem) == plan.candidates[0].method
