"""Calibration: the fit against SciPy, what is kept on disk and trusted, and the command."""

from __future__ import annotations

import json
import os
import stat
import sys
from dataclasses import asdict, astuple, fields, replace

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from typer.testing import CliRunner

import faltung as fa
from faltung.cli.main import app
from faltung.engines.base import Work
from faltung.jit import object_cache
from faltung.jit.target import Target
from faltung.plan import machine as store
from faltung.plan.cost import TYPICAL, Machine, seconds
from faltung.plan.planner import ENGINES, Plan, make_plan

# The function `faltung.calibrate` hides the module of that name from a plain import statement.
calibrate = sys.modules["faltung.calibrate"]

UNITS = [unit.name for unit in fields(Machine)]
ANOTHER = Machine(1e-11, 2e-11, 3e-11, 4e-10, 5e-11, 6e-10, 7e-12, 8e-6)


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """Give each test a cache folder of its own, and forget afterwards what it made current."""
    monkeypatch.setenv("FALTUNG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "_current", None)
    return tmp_path / "cache"


def in_a_new_process(monkeypatch):
    """Return what a process that starts now would plan with."""
    monkeypatch.setattr(store, "_current", None)
    return store.current()


# ---- the model and its fit


def test_a_prediction_is_the_sum_of_all_work_and_arithmetic_in_double_takes_twice_as_long():
    work = Work(
        multiply_adds=1.0, scattered=2.0, passed=3.0, summed=4.0, transformed=5.0, trips=6.0, bytes=7.0, calls=8.0
    )
    machine = Machine(1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7)
    assert seconds(work, np.dtype(np.float32), machine) == 87654321.0
    assert seconds(work, np.dtype(np.float64), machine) == 87000000.0 + 2 * 654321.0


@given(
    hnp.arrays(float, (6, 3), elements=st.floats(0.01, 1)),
    hnp.arrays(float, 6, elements=st.floats(-1, 1)),
)
def test_nonnegative_least_squares_agree_with_scipy(rows, right):
    rows += np.eye(6, 3)  # away from singular, where neither answer is unique
    expected, residual = scipy.optimize.nnls(rows, right)
    found = calibrate._nonnegative(rows, right)
    assert (found >= 0).all()
    assert np.linalg.norm(rows @ found - right) <= residual * (1 + 1e-6) + 1e-6
    np.testing.assert_allclose(found, expected, atol=1e-4)


def measurements(machine, rng, count=40):
    """What a machine that keeps to the model exactly would be measured to take."""
    found = []
    for k in range(count):
        time = 10 ** rng.uniform(-5, -2)
        shares = np.full(len(UNITS), 0.02)
        shares[[k % 8, (3 * k + 1) % 8]] += 0.42
        amounts = shares * time / np.array(astuple(machine))
        found.append(calibrate.Measurement(f"{k}", "direct", tuple(amounts), time * shares.sum()))
    return found


@given(st.integers(0, 2**32 - 1))
def test_the_fit_finds_the_machine_that_was_measured(seed):
    rng = np.random.default_rng(seed)
    machine = Machine(*(unit * 4 ** rng.uniform(-1, 1) for unit in astuple(TYPICAL)))
    fitted = calibrate._fitted(measurements(machine, rng))
    np.testing.assert_allclose(astuple(fitted), astuple(machine), rtol=0.02)


def test_a_disturbed_measurement_hardly_counts():
    found = measurements(ANOTHER, np.random.default_rng(0))
    found[5] = replace(found[5], seconds=20 * found[5].seconds)
    np.testing.assert_allclose(astuple(calibrate._fitted(found)), astuple(ANOTHER), rtol=0.1)


def test_a_unit_that_was_not_measured_is_typical_of_a_machine_of_that_speed():
    amounts = [(1e8, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), (2e8, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 10.0)]
    threefold = [3 * float(np.dot(each, astuple(TYPICAL))) for each in amounts]
    found = [calibrate.Measurement("", "direct", *each) for each in zip(amounts, threefold, strict=True)]
    np.testing.assert_allclose(astuple(calibrate._fitted(found)), 3 * np.array(astuple(TYPICAL)), rtol=1e-6)


def test_probes_touch_every_unit_and_every_engine_and_count_what_predictions_are_made_of():
    probes = calibrate._probes()
    counted = [replace(probe, times=[1.0]).measurement for probe in probes]
    assert len(probes) >= 25
    assert {probe.method for probe in probes} == {*ENGINES}
    assert (np.array([found.amounts for found in counted]).max(axis=0) > 0).all()
    for probe, found in zip(probes, counted, strict=True):
        predicted = make_plan(probe.problem, probe.method, ANOTHER).candidates[0].seconds
        assert found.ratio(ANOTHER) == pytest.approx(predicted, rel=1e-9)


# ---- measuring


@pytest.fixture
def quick(monkeypatch):
    """Two small probes on a machine that takes exactly as long as `ANOTHER`, by a clock of its own."""
    time = [0.0]
    monkeypatch.setattr(calibrate, "perf_counter", lambda: time[0])

    def execute(plan, x, out, workers, mask=None):
        assert workers == 1
        assert x.shape == plan.problem.shape
        assert x.dtype == plan.problem.dtype
        method = plan.candidates[0].method
        time[0] += make_plan(plan.problem, method, ANOTHER).candidates[0].seconds
        return out

    monkeypatch.setattr(Plan, "execute", staticmethod(execute))
    monkeypatch.setattr(calibrate, "SLOT", 1e-5)
    chosen = [probe for probe in calibrate._probes() if probe.problem.shape == (64, 64)]
    assert len(chosen) > 1
    monkeypatch.setattr(calibrate, "_probes", lambda: chosen)
    return chosen


def test_calibration_runs_all_probes_in_turn_and_plans_with_what_it_found(quick, monkeypatch):
    dropped, order = [], []
    monkeypatch.setattr(store, "_dependents", [lambda: dropped.append(store.current())])

    def progress(probes):
        for probe in probes:
            order.append(probe.what)
            yield probe

    found = calibrate.calibration(progress)
    assert order == [probe.what for probe in quick] * calibrate.ROUNDS
    assert [measured.seconds for measured in found.measurements] == pytest.approx(
        [make_plan(probe.problem, probe.method, ANOTHER).candidates[0].seconds for probe in quick]
    )
    assert found.saved
    assert max(found.errors) < 1.2
    assert store.current() == found.machine == in_a_new_process(monkeypatch)
    assert dropped == [found.machine]


def test_calibrate_returns_the_machine(quick):
    machine = fa.calibrate()
    assert isinstance(machine, Machine)
    assert machine == store.current()


def test_a_calibration_prints_units_problems_and_errors():
    found = calibrate.Calibration(
        TYPICAL,
        (
            calibrate.Measurement("one", "direct", (0, 0, 0, 0, 0, 0, 0, 100.0), 100 * TYPICAL.call),
            calibrate.Measurement("two", "fourier", (0, 0, 0, 0, 0, 0, 0, 200.0), 50 * TYPICAL.call),
        ),
    )
    lines = str(found).splitlines()
    assert lines[0].split() == ["unit", "seconds"]
    assert [line.split() for line in lines[1:9]] == [[unit, f"{asdict(TYPICAL)[unit]:.2e}"] for unit in UNITS]
    assert lines[11].split()[::3] == ["direct", "1.00"]
    assert lines[12].split()[::3] == ["fourier", "4.00"]
    assert lines[-1] == "predictions are off by a factor of 2.00 on average, 4.00 at worst"


def test_the_command_prints_what_it_found(quick, monkeypatch):
    done = CliRunner().invoke(app, ["calibrate"])
    assert done.exit_code == 0
    assert str(calibrate.Calibration(store.current(), tuple(probe.measurement for probe in quick))) in done.output
    assert "note:" not in done.output
    assert in_a_new_process(monkeypatch) != TYPICAL


def test_the_command_says_where_nothing_can_be_saved(quick, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FALTUNG_CACHE", str(tmp_path / "file"))
    done = CliRunner().invoke(app, ["calibrate"])
    assert done.exit_code == 0
    assert "note: the figures could not be saved" in " ".join(done.output.split())
    assert store.current() != TYPICAL  # for this process they are in force all the same


# ---- what is kept


def test_without_a_file_the_machine_is_typical(folder):
    assert store.current() == TYPICAL
    assert not folder.exists()


def test_the_disk_is_read_once(monkeypatch):
    reads = []
    monkeypatch.setattr(object_cache, "read", lambda name: reads.append(name))
    for _ in range(3):
        assert store.current() == TYPICAL
    assert reads == ["machine.json"]


def test_what_is_kept_comes_back_to_the_last_bit(monkeypatch):
    machine = Machine(*(unit / 3 for unit in astuple(TYPICAL)))
    assert store.keep(machine)
    assert store.current() == machine == in_a_new_process(monkeypatch)


def test_figures_of_another_processor_vector_width_or_version_are_left_alone(monkeypatch):
    mine = store.identity()
    assert store.keep(ANOTHER)
    for place, name, value in (
        (store, "host", lambda: Target("another processor", 64, 32)),
        (store, "host", lambda: replace(store.host(), vector_bytes=8)),
        (fa, "__version__", "0.0.0"),
    ):
        with monkeypatch.context() as patch:
            original = store.host
            patch.setattr(place, name, value if name != "host" or "another" in repr(value()) else value) if (
                place is fa
            ) else patch.setattr(place, name, _once(value, original))
            assert store.identity() != mine
            assert in_a_new_process(patch) == TYPICAL
            assert store.keep(TYPICAL)
    assert in_a_new_process(monkeypatch) == ANOTHER
    assert len(store.known("machine.json")) == 4
