"""Arrays in .npy files beyond the memory: the same results, in the same order of axes, whole or not at all."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import faltung as fa
from faltung.chunked import apply
from faltung.chunked.array_maps import NpySource
from zoo import MODES


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture(autouse=True)
def small_portions(monkeypatch):
    monkeypatch.setattr("faltung.chunked.memory_budget._TARGETS", (3000,))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["f4", ">i2", "f8", "c8"])
@pytest.mark.parametrize("mode", MODES)
def test_the_result_is_that_in_memory(tmp_path, rng, order, dtype, mode):
    x = np.asarray((rng.standard_normal((11, 30, 25)) * 50).astype(dtype), order=order)
    np.save(tmp_path / "in.npy", x)
    native = x.dtype.newbyteorder("=")
    for kernel, axes in (
        (fa.Kernel(rng.standard_normal((4, 7))), None),
        (fa.Kernel(rng.standard_normal((3, 2))), (2, 0)),
    ):
        done = apply(tmp_path / "in.npy", kernel, tmp_path / "out.npy", mode, axes=axes, dtype=native, overwrite=True)
        result = np.load(tmp_path / "out.npy")
        assert np.allclose(result, fa.convolve(x.astype(native), kernel, mode, axes=axes, dtype=native), atol=1e-3)
        assert (result.dtype, result.flags.c_contiguous, done.shape) == (x.dtype, order == "C", x.shape)


def test_regions_of_files(tmp_path, rng):
    x = rng.integers(0, 255, (4, 5, 6), dtype=np.uint8)
    np.save(tmp_path / "a.npy", x)
    source = NpySource(tmp_path / "a.npy")
    ranges = [[(0, n), (1, n), (0, n - 1), (2, 3)] for n in x.shape]
    for region in itertools.product(*ranges):
        index = tuple(slice(*bounds) for bounds in region)
        assert np.array_equal(source.read(index), x[index])


def test_zarr_from_npy_and_back(tmp_path, rng):
    zarr = pytest.importorskip("zarr")
    x = rng.standard_normal((60, 50)).astype("f4")
    np.save(tmp_path / "in.npy", x)
    apply(tmp_path / "in.npy", fa.box(3), tmp_path / "mid.zarr")
    apply(tmp_path / "mid.zarr", fa.box(5), tmp_path / "out.npy")
    assert np.allclose(zarr.open_array(tmp_path / "mid.zarr")[...], fa.convolve(x, fa.box(3)), atol=1e-5)
    assert np.allclose(np.load(tmp_path / "out.npy"), fa.convolve(fa.convolve(x, fa.box(3)), fa.box(5)), atol=1e-5)


def test_what_is_refused(tmp_path, rng):
    np.save(tmp_path / "in.npy", rng.standard_normal((60, 50)))
    for out, flags, said in (
        ("in.npy", {"overwrite": True}, "a file other than the input"),
        ("out.npy", {"resume": True}, "whole or not at all"),
        ("out.npy", {"dims": ("y", "x")}, "dims"),
        ("none/out.npy", {}, "a folder that exists"),
    ):
        with pytest.raises(fa.ArgumentError, match=said):
            apply(tmp_path / "in.npy", fa.box(3), tmp_path / out, **flags)
    data = (tmp_path / "in.npy").read_bytes()
    (tmp_path / "short.npy").write_bytes(data[:-1])
    (tmp_path / "text.npy").write_bytes(b"no array")
    np.save(tmp_path / "objects.npy", np.array([None]), allow_pickle=True)
    for name in ("short", "text", "objects"):
        with pytest.raises(fa.ArgumentError, match=r"source: expected a \.npy file"):
            apply(tmp_path / f"{name}.npy", fa.box(3, ndim=1), tmp_path / "out.npy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.npy", "objects.npy", "short.npy", "text.npy"]
