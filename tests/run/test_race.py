"""The race: which methods run, which one is chosen, and when a race ends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import faltung as fa
from faltung.engines.catalogue import ENGINES
from faltung.planning import planner, wisdom
from faltung.planning.cost import TYPICAL
from faltung.planning.missing_rule import MissingRule
from faltung.planning.planned import Planned
from faltung.planning.planner import make_plan
from faltung.run import race
from remembered import forget_choices, in_a_new_process, problem_of


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """Give each test a cache folder and a memory of its own."""
    monkeypatch.setenv("FALTUNG_CACHE", str(tmp_path / "cache"))
    forget_choices(monkeypatch)
    return tmp_path / "cache"


GAUSSIAN = problem_of(fa.gaussian(2.0))


@pytest.fixture
def clock(monkeypatch):
    """A clock that advances only while plans run, by the seconds that a test gives each method."""

    class Clock:
        seconds = 0.0

        def __init__(self):
            self.takes, self.ran = {}, []

        def execute(self, plan, x, out, workers, mask=None, weights=None):
            method = plan.candidates[0].method
            assert x.shape == plan.problem.shape
            assert x.dtype == plan.problem.dtype
            assert (mask is not None) == plan.problem.missing.masked
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
def test_the_fastest_method_is_chosen_and_remembered(best, dtype, clock, monkeypatch):
    monkeypatch.setattr(race, "REACH", 1e6)
    clock.takes = {"direct": 1e-3, "separable": 1e-3, "fourier": 1e-3} | {best: 0.9e-3}
    problem = problem_of(fa.gaussian(2.0), dtype=dtype, result=np.dtype("float32"))
    plan = race.fastest(problem, TYPICAL)
    assert plan.candidates[0].method == best
    assert plan.problem is problem
    assert {*clock.ran} == {"direct", "separable", "fourier"}
    assert in_a_new_process(monkeypatch, problem) == best


def test_a_method_that_is_predicted_to_be_far_slower_is_not_run(clock, monkeypatch):
    problem = problem_of(fa.gaussian(9.0), shape=(300, 300))
    seconds = {c.method: c.seconds for c in make_plan(problem, "auto", TYPICAL).candidates}
    assert seconds["direct"] > 10 * min(seconds.values())
    clock.takes = dict.fromkeys(seconds, 1e-3)
    race.fastest(problem, TYPICAL)
    assert {*clock.ran} == {"separable", "fourier"}


def test_a_single_method_is_not_run(clock):
    problem = problem_of(fa.Kernel(np.ones((3, 1)) + np.eye(3, 1)), accuracy="pointwise")
    assert race.fastest(problem, TYPICAL).candidates[0].method == "direct"
    assert clock.ran == []
    assert wisdom.remembered(problem) == "direct"


def test_slow_methods_leave_the_race_and_a_long_race_ends_early(clock, monkeypatch):
    monkeypatch.setattr(race, "REACH", 1e6)
    clock.takes = {"direct": 5.0, "separable": 0.9, "fourier": 1.0}
    assert race.fastest(GAUSSIAN, TYPICAL).candidates[0].method == "separable"
    assert clock.ran.count("direct") == 3  # once for its code, once to see how often, once timed
    assert clock.ran.count("separable") == 3


def test_problems_with_masks_and_missing_samples_are_measured_with_them(clock):
    problem = replace(problem_of(fa.gaussian(2.0)), missing=MissingRule(masked=True, skips_nan=True))
    clock.takes = {"direct": 1e-3, "separable": 2e-3, "fourier": 3e-3, "running": 1e-3}
    assert race.fastest(problem).candidates[0].method == "direct"


def test_the_fastest_plan_computes_the_same():
    kernel = fa.gaussian(1.0)
    x = np.random.default_rng(0).random((60, 70), dtype=np.float32)
    plan = race.fastest(problem_of(kernel, x.shape))
    np.testing.assert_allclose(plan(x), fa.convolve(x, kernel, method="direct"), rtol=1e-5)
    assert wisdom.remembered(plan.problem) == plan.candidates[0].method
