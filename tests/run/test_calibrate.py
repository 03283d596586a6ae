"""Calibration: the fit against SciPy, what is kept on disk and trusted, and the command."""

from __future__ import annotations

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
from faltung.engines.catalogue import ENGINES
from faltung.jit import object_cache
from faltung.jit.target import Target, host
from faltung.planning import machine as store
from faltung.planning.cost import TYPICAL, Machine, seconds
from faltung.planning.planner import Plan, make_plan

# The function `faltung.calibrate` hides the module of that name from a plain import statement.
calibrate = sys.modules["faltung.run.calibration"]

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
def test_what_is_typical_hardly_moves_predictions_of_what_was_measured(seed):
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


def another_processor(patch):
    patch.setattr(store, "host", lambda: Target("another processor", 64, 32))


def another_vector_width(patch):
    bits = 8 * host().vector_bytes
    patch.setenv("FALTUNG_VECTOR_BITS", "128" if bits > 128 else "256")


def another_version(patch):
    patch.setattr(fa, "__version__", "0.0.0")


@pytest.mark.parametrize("change", [another_processor, another_vector_width, another_version])
def test_figures_measured_elsewhere_are_not_used_and_not_lost(change, monkeypatch):
    assert store.keep(ANOTHER)
    with monkeypatch.context() as patch:
        change(patch)
        assert in_a_new_process(patch) == TYPICAL
        other = replace(ANOTHER, call=1.0)
        assert store.keep(other)
        assert in_a_new_process(patch) == other
    assert in_a_new_process(monkeypatch) == ANOTHER
    assert len(store.known("machine.json")) == 2


def stored(folder):
    """Return the one file in which the figures are."""
    (path,) = [path for path in folder.iterdir() if path.name.startswith("machine.json")]
    return path


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-5],
        lambda content: content.replace(b"e-", b"e+", 1),
        lambda content: b"\0" * 300,
    ],
    ids=["empty", "cut short", "changed", "zeros"],
)
def test_damaged_files_are_ignored_and_replaced(damage, folder, monkeypatch):
    assert store.keep(ANOTHER)
    path = stored(folder)
    path.write_bytes(damage(path.read_bytes()))
    assert in_a_new_process(monkeypatch) == TYPICAL
    assert store.keep(ANOTHER)
    assert in_a_new_process(monkeypatch) == ANOTHER


@pytest.mark.parametrize(
    "entry",
    [
        None,
        [],
        "fast",
        {},
        asdict(ANOTHER) | {"more": 1e-9},
        asdict(ANOTHER) | {"call": "1e-6"},
        asdict(ANOTHER) | {"call": -1e-6},
        asdict(ANOTHER) | {"call": float("nan")},
        asdict(ANOTHER) | {"call": float("inf")},
        {unit: value for unit, value in asdict(ANOTHER).items() if unit != "call"},
    ],
)
def test_entries_that_are_no_machine_are_ignored(entry):
    store.note("machine.json", store.identity(), entry, 10)
    assert store.current() == TYPICAL


@pytest.mark.parametrize("content", ["", "[1, 2]", "{", "null"])
def test_files_that_hold_something_else_have_no_entries(content):
    object_cache.write("machine.json", content.encode())
    assert store.known("machine.json") == {}
    assert store.current() == TYPICAL


@pytest.mark.skipif(sys.platform == "win32", reason="the profile folder is private there")
@pytest.mark.parametrize("who", [stat.S_IWGRP, stat.S_IWOTH])
def test_a_folder_that_others_can_write_is_not_trusted(who, folder, monkeypatch):
    assert store.keep(ANOTHER)
    folder.chmod(0o700 | who)
    assert in_a_new_process(monkeypatch) == TYPICAL
    before = stored(folder).read_bytes()
    assert not store.keep(TYPICAL)
    assert stored(folder).read_bytes() == before


def test_a_file_keeps_the_most_recent_entries():
    for key in ("a", "b", "c", "a", "d"):
        store.note("some.json", key, key.upper(), 3)
    assert [*store.known("some.json").items()] == [("c", "C"), ("a", "A"), ("d", "D")]
