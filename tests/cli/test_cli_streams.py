"""The commands `apply` and `pyramid` on arrays that are filtered in portions."""

from __future__ import annotations

import numpy as np
import pytest

import faltung as fa
from faltung.cli import streamed

zarr = pytest.importorskip("zarr")


@pytest.fixture
def rng():
    return np.random.default_rng(4)


def test_zarr_keeps_its_dtype_and_goes_on(command, rng):
    x = rng.integers(0, 256, (90, 70), dtype=np.uint8)
    zarr.create_array("in.zarr", data=x, chunks=(32, 32), dimension_names=("y", "x"))
    arguments = ("apply", "in.zarr", "-k", "gaussian(2)", "--memory", "1GB", "-o", "out.zarr")
    assert command(*arguments)[:2] == (0, "out.zarr: 90 x 70 uint8\n")
    assert np.array_equal(zarr.open_array("out.zarr")[...], fa.convolve(x, fa.gaussian(2.0), dtype="u1"))
    code, _, said = command(*arguments)
    assert (code, "--overwrite" in said, "--resume" in said) == (1, True, True)
    code, _, said = command(*arguments, "--resume")
    assert (code, said) == (0, "finished: all 6,300 outputs were computed before")
    code, _, said = command(*arguments, "--resume", "--mode", "wrap")
    assert (code, "--resume: expected what" in said, 'mode ["wrap", "wrap"]' in said) == (1, True, True)
    more = (
        "--overwrite",
        "--mode",
        "wrap,constant",
        "--cval",
        "3",
        "--correlate",
        "--dtype",
        "float32",
        "--axes",
        "X,y",
    )
    assert command(*arguments, *more)[0] == 0
    expected = fa.correlate(x, fa.gaussian(2.0), ("wrap", "constant"), 3.0, axes=(1, 0))
    assert np.allclose(zarr.open_array("out.zarr")[...], expected, atol=1e-4)


def test_options_that_hold_only_in_memory_are_refused(command, rng):
    zarr.create_array("in.zarr", data=rng.random((20, 20)), chunks=(8, 8))
    np.save("a.npy", rng.random((20, 20)))
    for option in (("--scale", "auto"), ("--mask", "a.npy"), ("--straight",), ("--no-metadata",)):
        code, _, said = command("apply", "in.zarr", "-k", "box(3)", "-o", "out.zarr", *option)
        assert (code, f"{option[0]}: expected none" in said, "--memory" in said) == (1, True, False)
    code, _, said = command("apply", "a.npy", "-k", "box(3)", "-o", "b.npy", "--resume")
    assert (code, "--resume: expected an input that is filtered in portions" in said) == (1, True)
    code, _, said = command("apply", "in.zarr", "-k", "box(3)", "-o", "in.zarr", "--overwrite")
    assert (code, "--output: expected a folder apart from the input" in said) == (2, True)
    code, _, said = command("apply", "in.zarr", "-k", "box(3)", "-o", "out.zarr", "--memory", "lots")
    assert (code, "--memory: expected a number of bytes" in said) == (1, True)


def test_missing_samples_have_a_value(command, rng):
    x = rng.integers(0, 5, (30, 20)).astype("i2")
    x[5:15, 5:15] = 3
    zarr.create_array("in.zarr", data=x, chunks=(8, 8))
    code, _, said = command("apply", "in.zarr", "-k", "box(3)", "-o", "a.zarr", "--nodata", "3", "--dtype", "f4")
    assert (code, "note: Samples equal to 3 are missing" in said) == (0, True)
    expected = fa.convolve(x, fa.box(3), mask=x != 3)
    assert np.allclose(zarr.open_array("a.zarr")[...], expected, equal_nan=True, atol=1e-5)
    assert command("apply", "in.zarr", "-k", "box(3)", "-o", "b.zarr", "--nodata", "none", "--dtype", "f4")[0] == 0
    assert np.allclose(zarr.open_array("b.zarr")[...], fa.convolve(x, fa.box(3)), atol=1e-5)


def test_several_inputs(command, rng):
    for name in ("a.zarr", "b.zarr"):
        zarr.create_array(name, data=rng.random((9, 9)))
    code, _, said = command("apply", "a.zarr", "b.zarr", "-k", "box(3)", "-o", "out/")
    assert (code, "IMAGE: expected one Zarr array at a time, got 'a.zarr' and others" in said) == (1, True)


def test_npy_is_filtered_in_portions_beyond_the_memory(command, rng, monkeypatch):
    x = rng.random((300, 200)).astype("f4")
    np.save("in.npy", x)
    calls = []
    real = streamed.apply_to_file
    monkeypatch.setattr(streamed, "apply_to_file", lambda *args, **more: calls.append(args) or real(*args, **more))
    assert command("apply", "in.npy", "-k", "box(5)", "-o", "a.npy", "--memory", "1GB")[0] == 0
    assert not calls
    monkeypatch.setattr(streamed, "_IN_MEMORY", 10_000)
    assert command("apply", "in.npy", "-k", "box(5)", "-o", "b.npy", "--memory", "1GB")[0] == 0
    assert len(calls) == 1
    assert np.allclose(np.load("a.npy"), np.load("b.npy"), atol=1e-6)
    assert np.array_equal(np.load("a.npy"), fa.convolve(x, fa.box(5)))
    assert command("apply", "in.npy", "-k", "box(5)", "-o", "c.zarr")[0] == 0
    assert np.allclose(zarr.open_array("c.zarr")[...], np.load("a.npy"), atol=1e-6)


def test_pyramid(command, rng):
    zarr.create_array("in.zarr", data=rng.random((40, 30)), chunks=(16, 16))
    assert command("pyramid", "in.zarr", "out.zarr", "--levels", "3")[:2] == (0, "out.zarr: 40 x 30 float64\n")
    assert [zarr.open_group("out.zarr")[name].shape for name in "012"] == [(40, 30), (20, 15), (10, 8)]
    code, _, said = command("pyramid", "in.zarr", "out.zarr")
    assert (code, "OUTPUT: expected a folder that does not exist" in said) == (1, True)
    code, _, said = command("pyramid", "in.zarr", "new.zarr", "--method", "nearest")
    assert (code, "--method: expected mean or gaussian" in said) == (1, True)
    assert command("pyramid", "in.zarr", "out.zarr", "--levels", "3", "--resume")[0] == 0
    for other, named in ((("--levels", "2"), "levels 2"), (("--levels", "3", "--method", "gaussian"), '"gaussian"')):
        code, _, said = command("pyramid", "in.zarr", "out.zarr", *other, "--resume")
        assert (code, "--resume: expected what" in said, named in said) == (1, True, True)


def test_progress_is_lines_where_there_is_no_terminal(monkeypatch, capsys):
    times = iter([0.0, 0.0, 5.0, 11.0, 12.0, 30.0])
    monkeypatch.setattr(streamed.time, "monotonic", lambda: next(times))
    with streamed.shown("box(3)") as progress:
        for finished in (0, 10, 25, 30, 100):
            progress(finished, 100)
    assert capsys.readouterr().err == "25 % of 100 outputs, about 33 s left\n"
