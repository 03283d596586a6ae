"""Zarr arrays in files: the result in memory is the oracle; what a file says is kept, or named."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import faltung as fa
from faltung.chunked import apply
from faltung.chunked.journal import JOURNAL, Journal, read_journal
from faltung.chunked.portions import Portions, box_of_bytes, pieces_of
from killed_streams import check
from zoo import MODES

zarr = pytest.importorskip("zarr")

pytestmark = [
    pytest.mark.usefixtures("no_waiting"),
    pytest.mark.filterwarnings("ignore:.*Zarr format 3 specification.*"),
]


@pytest.fixture
def rng():
    return np.random.default_rng(5)


LAYOUTS = {
    "v3": {"zarr_format": 3, "chunks": (20, 17)},
    "v3 sharded": {"zarr_format": 3, "chunks": (8, 16), "shards": (24, 32)},
    "v3 transposed": {
        "zarr_format": 3,
        "chunks": (16, 16),
        "filters": [{"name": "transpose", "configuration": {"order": [1, 0]}}],
    },
    "v2": {"zarr_format": 2, "chunks": (20, 17)},
    "v2 Fortran": {
        "zarr_format": 2,
        "chunks": (20, 17),
        "order": "F",
        "chunk_key_encoding": {"name": "v2", "separator": "/"},
    },
}
KEPT = {3: ("zarr.json",), 2: (".zarray", ".zattrs")}


def made(path, x, layout, **more):
    array = zarr.create_array(
        path, shape=x.shape, dtype=x.dtype, attributes={"unit": "nm", "list": [1, 2]}, **layout, **more
    )
    array[...] = x
    return array


def metadata(path, zarr_format):
    return [json.loads((path / name).read_text()) for name in KEPT[zarr_format]]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("mode", MODES)
def test_the_result_is_that_in_memory_and_the_file_is_as_before(tmp_path, rng, layout, mode):
    x = rng.integers(0, 4000, (101, 90)).astype(rng.choice(["u2", "f4", ">i4", "f8"]))
    kernel = fa.Kernel(rng.standard_normal((5, 8)), (1, 6))
    made(tmp_path / "in.zarr", x, LAYOUTS[layout], fill_value=3)
    native = x.dtype.newbyteorder("=")
    done = apply(
        tmp_path / "in.zarr", kernel, tmp_path / "out.zarr", mode, 2.5 if mode == "constant" else 0.0, dtype=native
    )
    out = zarr.open_array(tmp_path / "out.zarr", mode="r")
    expected = fa.convolve(x.astype(native), kernel, mode, 2.5 if mode == "constant" else 0.0, dtype=native)
    assert np.allclose(out[...], expected, rtol=1e-5, atol=1e-3)
    assert (done.shape, done.dtype, done.notes) == (x.shape, native, ())
    zarr_format = LAYOUTS[layout]["zarr_format"]
    assert metadata(tmp_path / "out.zarr", zarr_format) == metadata(tmp_path / "in.zarr", zarr_format)


@pytest.mark.parametrize("taps", [(1, 1), (301, 3), (3, 250), (150, 151)])
def test_kernels_larger_than_chunks_and_arrays(tmp_path, rng, taps):
    x = rng.standard_normal((60, 70))
    made(tmp_path / "in.zarr", x, LAYOUTS["v3 sharded"])
    kernel = fa.Kernel(rng.standard_normal(taps))
    for mode in MODES:
        apply(tmp_path / "in.zarr", kernel, tmp_path / "out.zarr", mode, correlate=True, overwrite=True)
        assert np.allclose(zarr.open_array(tmp_path / "out.zarr")[...], fa.correlate(x, kernel, mode))


def test_values_that_are_not_finite_and_missing_samples(tmp_path, rng):
    x = rng.standard_normal((70, 80)).astype("f4")
    x[10:12, 10:30], x[40, 40], x[60, 3] = np.nan, np.inf, -np.inf
    made(tmp_path / "in.zarr", x, LAYOUTS["v3"])
    for nan in ("propagate", "ignore"):
        apply(tmp_path / "in.zarr", fa.gaussian(2.0), tmp_path / "out.zarr", nan=nan, min_weight=0.1, overwrite=True)
        expected = fa.convolve(x, fa.gaussian(2.0), nan=nan, min_weight=0.1)
        assert np.allclose(zarr.open_array(tmp_path / "out.zarr")[...], expected, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize("shape", [(40,), (5, 30, 20), (2, 3, 9, 11), (0, 5), (1, 1)])
def test_any_number_of_axes(tmp_path, rng, shape):
    x = rng.standard_normal(shape)
    made(tmp_path / "in.zarr", x, {"chunks": tuple(max(1, length // 2) for length in shape)})
    kernel = fa.Kernel(rng.standard_normal((3,) * min(2, len(shape))))
    apply(tmp_path / "in.zarr", kernel, tmp_path / "out.zarr")
    assert np.allclose(zarr.open_array(tmp_path / "out.zarr")[...], fa.convolve(x, kernel))


def test_axes_by_name(tmp_path, rng):
    x = rng.standard_normal((20, 30, 3))
    made(tmp_path / "in.zarr", x, {"chunks": (8, 8, 3)}, dimension_names=("y", "x", "c"))
    kernel = fa.Kernel(rng.standard_normal((3, 5)))
    apply(tmp_path / "in.zarr", kernel, tmp_path / "out.zarr")  # not over the channels
    assert np.allclose(zarr.open_array(tmp_path / "out.zarr")[...], fa.convolve(x, kernel, axes=(0, 1)))
    assert zarr.open_array(tmp_path / "out.zarr").metadata.dimension_names == ("y", "x", "c")
    apply(tmp_path / "in.zarr", kernel, tmp_path / "out.zarr", dims=("c", "y"), overwrite=True)
    assert np.allclose(zarr.open_array(tmp_path / "out.zarr")[...], fa.convolve(x, kernel, axes=(2, 0)))
    with pytest.raises(fa.ArgumentError, match="dims: expected 2 of y, x, c"):
        apply(tmp_path / "in.zarr", kernel, tmp_path / "new.zarr", dims=("z", "y"))
    with pytest.raises(fa.ArgumentError, match="at most 2 axes"):
        apply(tmp_path / "in.zarr", fa.box(3, ndim=3), tmp_path / "new.zarr")
    assert not (tmp_path / "new.zarr").exists()


def test_another_dtype_drops_what_it_cannot_hold_and_says_so(tmp_path, rng):
    x = rng.standard_normal((30, 40)).astype("f4")
    made(tmp_path / "in.zarr", x, LAYOUTS["v3"], fill_value=np.nan)
    done = apply(tmp_path / "in.zarr", fa.box(3), tmp_path / "out.zarr", dtype="i2")
    assert done.notes == ("The fill value nan becomes 0, as int16 does not have it.",)
    out = zarr.open_array(tmp_path / "out.zarr")
    assert (out.dtype, out.fill_value) == (np.dtype("i2"), 0)
    assert np.array_equal(out[...], fa.convolve(x, fa.box(3), dtype="i2"))


def test_chunks_of_the_fill_value_are_finished_too(tmp_path):
    made(tmp_path / "in.zarr", np.zeros((40, 40)), LAYOUTS["v3"])
    apply(tmp_path / "in.zarr", fa.box(3), tmp_path / "out.zarr")
    assert not (tmp_path / "out.zarr" / "c").exists()
    assert len(read_journal(tmp_path / "out.zarr").units) == 6
    assert np.array_equal(zarr.open_array(tmp_path / "out.zarr")[...], np.zeros((40, 40)))


# ---- what is refused


def test_the_input_is_never_overwritten(tmp_path, rng):
    x = rng.standard_normal((30, 40))
    made(tmp_path / "in.zarr", x, LAYOUTS["v3"])
    os.symlink(tmp_path / "in.zarr", tmp_path / "link.zarr")
    os.symlink(tmp_path / "in.zarr" / "c", tmp_path / "part.zarr")
    for out in ("in.zarr", "link.zarr", "in.zarr/new", "in.zarr/c", "part.zarr", "."):
        for flags in ({}, {"overwrite": True}, {"resume": True}):
            with pytest.raises(fa.ArgumentError, match="out: expected a folder apart from the input"):
                apply(tmp_path / "in.zarr", fa.box(3), tmp_path / out, **flags)
    with pytest.raises(fa.ArgumentError, match="apart from the input"):
        apply(tmp_path / "link.zarr", fa.box(3), tmp_path / "in.zarr", overwrite=True)
    assert np.array_equal(zarr.open_array(tmp_path / "in.zarr", mode="r")[...], x)


def test_only_zarr_is_replaced_and_only_when_asked(tmp_path, rng):
    made(tmp_path / "in.zarr", rng.standard_normal((30, 40)), LAYOUTS["v3"])
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.txt").write_text("long")
    with pytest.raises(fa.ArgumentError, match="a Zarr array or group to replace"):
        apply(tmp_path / "in.zarr", fa.box(3), tmp_path / "papers", overwrite=True)
    assert (tmp_path / "papers" / "thesis.txt").read_text() == "long"
    made(tmp_path / "old.zarr", np.ones((3, 3)), {"chunks": (3, 3)})
    with pytest.raises(fa.ArgumentError, match="does not exist yet"):
        apply(tmp_path / "in.zarr", fa.box(3), tmp_path / "old.zarr")
    with pytest.raises(fa.ArgumentError, match="without its journal"):
        apply(tmp_path / "in.zarr", fa.box(3), tmp_path / "old.zarr", resume=True)
    assert zarr.open_array(tmp_path / "old.zarr").shape == (3, 3)
    apply(tmp_path / "in.zarr", fa.box(3), tmp_path / "old.zarr", overwrite=True)
    assert zarr.open_array(tmp_path / "old.zarr").shape == (30, 40)


def test_arguments_that_cannot_be_used_are_named_before_anything_is_written(tmp_path, rng):
    made(tmp_path / "in.zarr", rng.standard_normal((30, 40)), LAYOUTS["v3"])
    wrong = [
        ({"memory": "much"}, "memory: expected a number of bytes"),
        ({"memory": "20MB"}, "memory: expected at least"),
        ({"mode": "edge"}, "mode"),
        ({"dtype": "bool"}, "dtype"),
        ({"axes": (0, 0)}, "axes"),
        ({"axes": (0, 1), "dims": ("y", "x")}, "dims: expected either axes= or dims="),
        ({"resume": True, "overwrite": True}, "resume: expected either"),
    ]
    for arguments, said in wrong:
        with pytest.raises(fa.FaltungError, match=said):
            apply(tmp_path / "in.zarr", fa.box(3), tmp_path / "out.zarr", **arguments)
        assert not (tmp_path / "out.zarr").exists()
    with pytest.raises(fa.ArgumentTypeError, match="kernel: expected a kernel, got a bank"):
        apply(tmp_path / "in.zarr", fa.Bank.stack([fa.box(3)]), tmp_path / "out.zarr")
    with pytest.raises(fa.ArgumentTypeError, match=r"Pass arrays in memory to faltung.convolve"):
        apply(np.ones((3, 3)), fa.box(3), tmp_path / "out.zarr")
    with pytest.raises(fa.ArgumentError, match="source"):
        apply(tmp_path / "missing.zarr", fa.box(3), tmp_path / "out.zarr")
    with pytest.raises(fa.ArgumentTypeError, match=r"faltung\.chunked\.apply"):
        fa.convolve(zarr.open_array(tmp_path / "in.zarr"), fa.box(3))


# ---- what is gone on with


class Ended(Exception):
    """Ends a stream in the middle."""


def ended_after(count):
    """Return a progress that ends a stream after some portions."""
    calls = []

    def progress(finished, outputs):
        calls.append(finished)
        if len(calls) > count:
            raise Ended

    return progress


def begun(tmp_path, rng, monkeypatch, dtype="f4"):
    """Begin a result of 30 units, one a portion, and return the input."""
    monkeypatch.setattr("faltung.chunked.memory_budget._TARGETS", (2000,))
    x = rng.standard_normal((120, 85)).astype(dtype)
    made(tmp_path / "in.zarr", x, LAYOUTS["v3"])
    with pytest.raises(Ended):
        apply(tmp_path / "in.zarr", fa.gaussian(3.0), tmp_path / "out.zarr", progress=ended_after(5))
    return x


def test_only_what_is_not_finished_is_computed(tmp_path, rng, monkeypatch):
    x = begun(tmp_path, rng, monkeypatch)
    out = tmp_path / "out.zarr"
    assert "faltung_unfinished" in zarr.open_array(out, mode="r").attrs
    first = read_journal(out)
    assert 4 <= len(first.units) <= 8
    assert not first.finished
    files = [out / "c" / "/".join(map(str, unit)) for unit in first.units]
    before = [os.stat(file) for file in files]
    shares = []
    apply(tmp_path / "in.zarr", fa.gaussian(3.0), out, resume=True, progress=lambda *both: shares.append(both))
    assert shares[0][0] > 0
    assert shares[-1] == (x.size, x.size)
    after = [os.stat(file) for file in files]
    assert [(a.st_mtime_ns, a.st_ino) for a in after] == [(b.st_mtime_ns, b.st_ino) for b in before]
    last = read_journal(out)
    assert last.units[: len(first.units)] == first.units
    assert len({*last.units}) == len(last.units) == 30
    array = zarr.open_array(out, mode="r")
    assert np.allclose(array[...], fa.convolve(x, fa.gaussian(3.0)), atol=1e-5)
    assert dict(array.attrs) == {"unit": "nm", "list": [1, 2]}
    apply(tmp_path / "in.zarr", fa.gaussian(3.0), out, resume=True)  # it is finished
    assert read_journal(out) == last


def test_what_is_torn_is_written_again(tmp_path, rng, monkeypatch):
    monkeypatch.setattr("faltung.chunked.memory_budget._TARGETS", (2000,))
    x = rng.standard_normal((100, 90)).astype("f4")
    made(tmp_path / "in.zarr", x, LAYOUTS["v3 sharded"])
    out = tmp_path / "out.zarr"
    with pytest.raises(Ended):
        apply(tmp_path / "in.zarr", fa.gaussian(3.0), out, progress=ended_after(5))
    done = read_journal(out).units
    for row in range(5):  # shards that exist and are not in the journal: torn, empty, or of something else
        for column in range(3):
            if (row, column) not in done:
                (out / "c" / str(row)).mkdir(exist_ok=True)
                (out / "c" / str(row) / str(column)).write_bytes(b"torn" * row)
    (out / "c" / "0" / f"1.{'0' * 32}.partial").write_bytes(b"half")
    with open(out / JOURNAL, "ab") as file:
        file.write(b"4,2 4,1")  # a line that was being written: it does not count
    apply(tmp_path / "in.zarr", fa.gaussian(3.0), out, resume=True)
    assert np.allclose(zarr.open_array(out, mode="r")[...], fa.convolve(x, fa.gaussian(3.0)), atol=1e-5)
    assert [*out.rglob("*.partial")] == []


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"kernel": fa.gaussian(2.0)}, "kernel"),
        ({"mode": "wrap"}, "mode"),
        ({"dtype": "f8"}, "dtype"),
        ({"correlate": True}, "operation"),
        ({"nan": "ignore"}, "missing"),
        ({"cval": 3.0, "mode": "constant"}, "cval"),
        ({"input": 1}, "input files"),
    ],
)
def test_other_settings_are_refused_and_named(tmp_path, rng, monkeypatch, changed, named):
    x = begun(tmp_path, rng, monkeypatch)
    out, arguments = tmp_path / "out.zarr", {"kernel": fa.gaussian(3.0), **changed}
    if arguments.pop("input", None):
        zarr.open_array(tmp_path / "in.zarr", mode="r+")[0, 0] = 7.0
    before = read_journal(out)
    with pytest.raises(fa.ArgumentError, match=f"resume: .*{named}"):
        apply(tmp_path / "in.zarr", out=out, resume=True, **arguments)
    assert read_journal(out) == before
    apply(tmp_path / "in.zarr", out=out, overwrite=True, **arguments)
    arguments.pop("correlate", None)
    x = zarr.open_array(tmp_path / "in.zarr", mode="r")[...]
    assert np.allclose(zarr.open_array(out)[...], fa.convolve(x, **arguments), atol=1e-5)


def test_a_result_without_anything_is_begun_by_resume(tmp_path, rng):
    made(tmp_path / "in.zarr", rng.standard_normal((30, 40)), LAYOUTS["v2"])
    apply(tmp_path / "in.zarr", fa.box(3), tmp_path / "out.zarr", resume=True)
    (tmp_path / "new.zarr").mkdir()
    (tmp_path / "new.zarr" / JOURNAL).write_text('{"half of the first li')  # killed in its first moment
    apply(tmp_path / "in.zarr", fa.box(3), tmp_path / "new.zarr", resume=True)
    first, second = (zarr.open_array(tmp_path / name)[...] for name in ("out.zarr", "new.zarr"))
    assert np.array_equal(first, second)


def test_links_in_the_output_are_not_followed(tmp_path, rng, monkeypatch):
    begun(tmp_path, rng, monkeypatch)
    (tmp_path / "out.zarr" / "c" / "9").symlink_to(tmp_path / "in.zarr" / "c")
    with pytest.raises(fa.ArgumentError, match="a folder without links"):
        apply(tmp_path / "in.zarr", fa.gaussian(3.0), tmp_path / "out.zarr", resume=True)


def test_two_processes_do_not_write_one_result(tmp_path, rng):
    with Journal(tmp_path, {"a": 1}, (2, 2)), pytest.raises(fa.ArgumentError, match="another process is writing"):
        Journal(tmp_path, {"a": 1}, (2, 2))


def test_processes_that_are_killed_lose_nothing(tmp_path, monkeypatch):
    source = os.path.dirname(os.path.dirname(fa.__file__))
    monkeypatch.setenv("PYTHONPATH", source)
    outcome = check(tmp_path, size=1200, shard=256, chunk=64, taps=21, memory="400MB", kills=2, seed=3)
    assert outcome.units == 25
    assert outcome.killed >= 1
    assert outcome.error < 1e-5


# ---- parts


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_portions_cover_what_is_not_done_once(data):
    ndim = data.draw(st.integers(1, 3))
    shape = data.draw(st.tuples(*[st.integers(1, 12)] * ndim))
    unit = data.draw(st.tuples(*[st.integers(1, 5)] * ndim))
    box = box_of_bytes(unit, shape, 1, data.draw(st.integers(1, 200)))
    portions = Portions(shape, unit, box)
    done = np.array(
        data.draw(
            st.lists(st.booleans(), min_size=int(np.prod(portions.counts)), max_size=int(np.prod(portions.counts)))
        )
    ).reshape(portions.counts)
    seen, units = np.zeros(shape, int), []
    for portion in portions.left(done):
        units += portion.units
        for piece in pieces_of(portion.region, data.draw(st.tuples(*[st.integers(1, 7)] * ndim))):
            seen[tuple(slice(*bounds) for bounds in piece)] += 1
    assert sorted(units) == sorted(map(tuple, np.argwhere(~done).tolist()))
    expected = np.kron(~done, np.ones(unit, int))[tuple(slice(0, length) for length in shape)]
    assert np.array_equal(seen, expected)


def test_arrays_that_are_not_in_a_folder_cannot_be_gone_on_with(tmp_path, rng):
    x = rng.standard_normal((40, 30))
    array = zarr.create_array(zarr.storage.MemoryStore(), shape=x.shape, dtype=x.dtype, chunks=(16, 16))
    array[...] = x
    apply(array, fa.box(3), tmp_path / "out.zarr")
    assert np.allclose(zarr.open_array(tmp_path / "out.zarr")[...], fa.convolve(x, fa.box(3)))
    with pytest.raises(fa.ArgumentError, match="resume: expected False for a store that is not in a folder"):
        apply(array, fa.box(3), tmp_path / "out.zarr", resume=True)
    with pytest.raises(fa.ArgumentError, match="writes pictures"):
        apply(array, fa.box(3), tmp_path / "out.tif")


def test_complex_and_half_precision(tmp_path, rng):
    for dtype, kernel in (("c8", fa.Kernel(rng.standard_normal((3, 3)) + 1j)), ("f2", fa.box(3))):
        x = rng.standard_normal((50, 40)).astype(dtype)
        made(tmp_path / "in.zarr", x, LAYOUTS["v3 sharded"], overwrite=True)
        done = apply(tmp_path / "in.zarr", kernel, tmp_path / "out.zarr", overwrite=True)
        result = zarr.open_array(tmp_path / "out.zarr")[...]
        assert done.dtype == result.dtype == fa.convolve(x, kernel).dtype
        assert np.allclose(result, fa.convolve(x, kernel), atol=1e-5)


def test_damaged_journals_and_metadata_are_refused(tmp_path, rng, monkeypatch):
    begun(tmp_path, rng, monkeypatch)
    journal = tmp_path / "out.zarr" / JOURNAL
    whole = journal.read_bytes()
    no_lines = (b"\xff\n", b"[" * 100_000 + b"\n", b"\n" + whole)
    for damage in (b"{}}\n0,0\n", whole + b"what is this\n", whole + b"6,0\n", b"5\n", *no_lines):
        journal.write_bytes(damage)
        with pytest.raises(fa.ArgumentError, match="a journal that can be read"):
            apply(tmp_path / "in.zarr", fa.gaussian(3.0), tmp_path / "out.zarr", resume=True)
    (tmp_path / "in.zarr" / "zarr.json").write_text("{")
    with pytest.raises(fa.ArgumentError, match="source: expected a Zarr array that can be read"):
        apply(tmp_path / "in.zarr", fa.gaussian(3.0), tmp_path / "new.zarr")
