"""Calibration: the fit against SciPy, the problems that are timed, and the command."""

from __future__ import annotations

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
from faltung.engines.catalogue import ENGINES
from faltung.planning import machine as store
from faltung.planning.cost import TYPICAL, Machine, seconds
from faltung.planning.planned import Planned
from faltung.planning.planner import make_plan
from faltung.run import calibration as calibrate
from faltung.run import race

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
        shares = rng.dirichlet(np.full(len(UNITS), 0.3))
        amounts = shares * time / np.array(astuple(machine))
        found.append(calibrate.Measurement(f"{k}", "direct", tuple(amounts), time))
    return found


def some_machine(rng):
    return Machine(*(unit * 4 ** rng.uniform(-1, 1) for unit in astuple(TYPICAL)))


@given(st.integers(0, 2**32 - 1))
def test_the_fit_finds_the_machine_that_was_measured(seed):
    rng = np.random.default_rng(seed)
    machine = some_machine(rng)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibrate, "PRIOR", 1e-5)
        fitted = calibrate._fitted(measurements(machine, rng))
    np.testing.assert_allclose(astuple(fitted), astuple(machine), rtol=0.01)


@pytest.mark.parametrize("seed", range(10))
def test_typical_figures_hardly_change_predictions_of_measured_problems(seed):
    rng = np.random.default_rng(seed)
    found = measurements(some_machine(rng), rng)
    fitted = calibrate._fitted(found)
    assert all(0.8 < measured.ratio(fitted) < 1.25 for measured in found)


def test_a_disturbed_measurement_hardly_counts():
    found = measurements(ANOTHER, np.random.default_rng(0))
    found[5] = replace(found[5], seconds=20 * found[5].seconds)
    np.testing.assert_allclose(astuple(calibrate._fitted(found)), astuple(ANOTHER), rtol=0.1)


def test_a_unit_that_was_not_measured_is_typical_of_a_machine_of_that_speed():
    amounts = [(1e8, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), (2e8, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 10.0)]
    threefold = [3 * float(np.dot(each, astuple(TYPICAL))) for each in amounts]
    found = [calibrate.Measurement("", "direct", *each) for each in zip(amounts, threefold, strict=True)]
    np.testing.assert_allclose(astuple(calibrate._fitted(found)), 3 * np.array(astuple(TYPICAL)), rtol=1e-6)


def test_probes_cover_every_unit_and_every_engine():
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
    monkeypatch.setattr(race, "perf_counter", lambda: time[0])

    def execute(plan, x, out, workers, mask=None, weights=None):
        assert workers == 1
        assert x.shape == plan.problem.shape
        assert x.dtype == plan.problem.dtype
        method = plan.candidates[0].method
        time[0] += make_plan(plan.problem, method, ANOTHER).candidates[0].seconds
        return out

    monkeypatch.setattr(Planned, "execute", staticmethod(execute))
    monkeypatch.setattr(race, "SLOT", 1e-5)
    chosen = [probe for probe in calibrate._probes() if probe.problem.shape == (64, 64)]
    assert len(chosen) > 1
    monkeypatch.setattr(calibrate, "_probes", lambda: chosen)
    return chosen


def test_calibration_runs_all_probes_in_turns_and_plans_with_the_result(quick, monkeypatch):
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
    assert found.kept.used
    assert found.kept.saved
    assert found.kept.before == TYPICAL
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


def test_the_command_prints_the_calibration(quick, monkeypatch):
    done = CliRunner().invoke(app, ["calibrate"])
    assert done.exit_code == 0
    assert str(calibrate.Calibration(store.current(), tuple(probe.measurement for probe in quick))) in done.output
    assert "note:" not in done.output
    assert "Changed against the figures before:" in done.output
    assert "Saved in " in done.output
    assert in_a_new_process(monkeypatch) != TYPICAL


def test_the_better_of_two_measurements_is_kept_and_can_be_undone(quick, monkeypatch):
    first = calibrate.calibration().machine
    for probe in quick:
        probe.times.clear()
        probe.__dict__.pop("_repeats", None)
    monkeypatch.setattr(calibrate.Probe, "run", lambda probe: probe.times.append(1.0))  # something disturbs it
    done = CliRunner().invoke(app, ["calibrate"])
    assert (done.exit_code, "The earlier measurement stays in use" in done.output) == (0, True)
    assert store.current() == first == in_a_new_process(monkeypatch)
    monkeypatch.setattr(calibrate.Probe, "run", lambda probe: probe.times.append(1e-9))
    done = CliRunner().invoke(app, ["calibrate"])
    assert (done.exit_code, "Saved in" in done.output) == (0, True)
    assert store.current() != first
    done = CliRunner().invoke(app, ["calibrate", "--undo"])
    assert (done.exit_code, "in use again" in done.output) == (0, True)
    assert store.current() == first == in_a_new_process(monkeypatch)
    assert isinstance(CliRunner().invoke(app, ["calibrate", "--undo"]).exception, fa.FaltungError)
    assert store.current() == first


def test_the_command_says_if_the_result_cannot_be_saved(quick, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FALTUNG_CACHE", str(tmp_path / "file"))
    done = CliRunner().invoke(app, ["calibrate"])
    assert done.exit_code == 0
    assert "note: the figures could not be saved" in " ".join(done.output.split())
    assert store.current() != TYPICAL  # for this process they are in force all the same
