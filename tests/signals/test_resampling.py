"""Resampled arrays equal those of the definition and of SciPy, for every kind of array, and block by block."""

from __future__ import annotations

import math

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

import faltung as fa
from covering import covering

PADDING = {"reflect": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap", "constant": "constant"}
RATES = [(1, 1), (2, 1), (1, 2), (3, 2), (2, 3), (4, 2), (5, 7), (147, 160), (160, 147)]
RANDOM = np.random.default_rng(0)


def by_definition(x, up, down, mode, cval=0.0):
    """The samples along the last axis, extended, with zeros between them, filtered by loops over outputs."""
    divisor = math.gcd(up, down)
    up, down = up // divisor, down // divisor
    h = fa.resampling_filter(up, down).taps
    half, n = len(h) // 2, x.shape[-1]
    reach = half // up + 1
    more = {"constant_values": cval} if mode == "constant" else {}
    padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(reach, reach + 1)], PADDING[mode], **more)
    dense = np.zeros((*x.shape[:-1], padded.shape[-1] * up), padded.dtype)
    dense[..., ::up] = padded
    starts = [t * down + reach * up - half for t in range(-(-n * up // down))]
    return np.stack([(dense[..., start : start + len(h)] * h[::-1]).sum(-1) for start in starts], -1)


@pytest.mark.parametrize(("n", "rate", "mode"), covering([1, 2, 17], RATES, PADDING), ids=str)
def test_the_definition(n, rate, mode):
    up, down = rate
    x = RANDOM.standard_normal((3, n))
    wanted = by_definition(x, up, down, mode, 2.0)
    found = fa.resample(x, up, down, mode, 2.0)
    assert found.shape == (3, math.ceil(n * up / down))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)
    np.testing.assert_allclose(fa.resample(x.T, up, down, mode, 2.0, axes=0).T, wanted, rtol=0, atol=1e-12)
    tensor = fa.resample(torch.from_numpy(x), up, down, mode, 2.0)
    np.testing.assert_allclose(tensor.numpy(), wanted, rtol=0, atol=1e-12)


WINDOWS = [("kaiser", 5.0), "hann", "hamming", "blackman", "boxcar", ("kaiser", 8.6)]
DTYPES = ["float64", "float32", "int16", "complex128"]


@pytest.mark.parametrize(
    ("k", "rate", "dtype"), [(k, *each) for k, each in enumerate(covering(RATES, DTYPES))], ids=str
)
def test_scipy(k, rate, dtype):
    (up, down), window = rate, WINDOWS[k % len(WINDOWS)]
    x = (RANDOM.standard_normal((5, 90)) * 100).astype(dtype)
    if dtype == "complex128":
        x = x + 1j * x[::-1]
    for axis in (0, 1):
        wanted = signal.resample_poly(x, up, down, axis, window)
        found = fa.resample(x, up, down, "constant", axes=axis, window=window)
        tolerance = 1e-3 if found.dtype.itemsize == 4 else 1e-10
        np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 12), st.integers(1, 12), st.lists(st.integers(0, 30), max_size=6), st.integers(1, 4))
def test_a_stream_gives_the_same_samples(up, down, pieces, half_length):
    divisor = math.gcd(up, down)
    up, down = up // divisor, down // divisor
    x = np.random.default_rng(up).standard_normal(sum(pieces) + 1)
    kernel = fa.resampling_filter(up, down, half_length=half_length)
    stream = fa.Stream(kernel, up=up, down=down, align="centred")
    blocks = np.split(x, np.cumsum(pieces))
    found = np.concatenate([*(stream.push(block) for block in blocks), stream.flush()])
    np.testing.assert_allclose(
        found, fa.resample(x, up, down, "constant", half_length=half_length), rtol=0, atol=1e-12
    )


def test_several_axes_are_passes():
    x = RANDOM.standard_normal((9, 12, 3))
    found = fa.resample(x, (3, 1), (1, 2), ("wrap", "mirror"), axes=(0, 1))
    wanted = fa.resample(fa.resample(x, 1, 2, "mirror", axes=1), 3, 1, "wrap", axes=0)
    np.testing.assert_array_equal(found, wanted)
    assert fa.resample(x, 2, 1, axes=(0, 2)).shape == (18, 12, 6)
    rounded = fa.resample(x * 50, 2, 3, axes=(0, 1), dtype="int16")
    np.testing.assert_array_equal(rounded, np.rint(fa.resample(x * 50, 2, 3, axes=(0, 1))))
    views = fa.resample(x[::2, ::-1].transpose(1, 0, 2), 3, 2, axes=0)
    np.testing.assert_array_equal(views, fa.resample(x[::2, ::-1].transpose(1, 0, 2).copy(), 3, 2, axes=0))


@pytest.mark.parametrize(("up", "down"), [(3, 2), (147, 160), (1, 2), (2, 1)])
def test_any_number_of_workers(up, down):
    x = RANDOM.standard_normal((40, 3000)).astype("float32")
    for axis in (0, 1):
        one = fa.resample(x, up, down, axes=axis, workers=1)
        np.testing.assert_array_equal(one, fa.resample(x, up, down, axes=axis, workers=2))


def test_a_constant_stays_and_nothing_folds_back():
    t = np.arange(3000)
    np.testing.assert_allclose(fa.resample(np.ones(50), 7, 5), 1, atol=2e-3)
    high = np.sin(2 * np.pi * 0.4 * t)  # above half the rate of every second sample, 0.25
    assert np.abs(fa.resample(high, 1, 2)[200:-200]).max() < 1e-3
    low = np.sin(2 * np.pi * 0.05 * t)
    np.testing.assert_allclose(
        fa.resample(low, 3, 2)[300:-300], np.sin(2 * np.pi * 0.05 * np.arange(4500) * 2 / 3)[300:-300], atol=2e-3
    )


@pytest.mark.parametrize(("up", "down"), RATES)
def test_gradients_are_the_adjoint(up, down):
    for axis in (0, 1):
        x = torch.from_numpy(RANDOM.standard_normal((6, 23))).requires_grad_()
        y = fa.resample(x, up, down, "mirror", axes=axis)
        weights = torch.from_numpy(RANDOM.standard_normal(y.shape))
        (gradient,) = torch.autograd.grad((y * weights).sum(), x)
        other = torch.from_numpy(RANDOM.standard_normal(x.shape))
        forward = (fa.resample(other, up, down, "mirror", axes=axis) * weights).sum()
        torch.testing.assert_close((gradient * other).sum(), forward)


@pytest.mark.parametrize(("up", "down"), [(2, 1), (1, 3), (147, 160)])
def test_dask_and_masked_arrays(up, down):
    x = RANDOM.standard_normal((8, 200))
    wanted = fa.resample(x, up, down)
    lazy = fa.resample(da.from_array(x, chunks=(3, 70)), up, down)
    assert isinstance(lazy, da.Array)
    np.testing.assert_allclose(lazy.compute(), wanted, rtol=0, atol=1e-13)
    holes = np.ma.array(x, mask=x > 2.5)
    found = fa.resample(holes, up, down)
    assert isinstance(found, np.ma.MaskedArray)
    missing = fa.resample(np.where(x > 2.5, np.nan, x), up, down, nan="ignore")
    np.testing.assert_allclose(found.filled(np.nan), missing, rtol=0, atol=1e-12)


def test_missing_samples():
    x = RANDOM.standard_normal(60) + 10
    x[20] = np.nan
    assert np.isnan(fa.resample(x, 3, 2)).sum() > 10
    filled = fa.resample(x, 3, 2, nan="ignore")
    assert np.isfinite(filled).all()
    assert np.abs(filled - 10).max() < 5
    x[:] = np.nan
    assert np.isnan(fa.resample(x, 3, 2, nan="ignore")).all()


def test_labels():
    time = pd.date_range("2026-01-01", periods=40, freq="s")
    x = xr.DataArray(
        RANDOM.standard_normal((6, 40)),
        dims=("y", "time"),
        coords={"y": np.arange(6) * 10, "time": time, "name": ("y", list("abcdef"))},
        attrs={"units": "mV"},
        name="v",
    )
    finer = fa.resample(x, 3, 2, dims="time")
    np.testing.assert_array_equal(finer.data, fa.resample(x.data, 3, 2))
    step = np.diff(finer.time.data).astype("int64")
    assert set(step.tolist()) <= {666666666, 666666667}
    assert finer.time.data[0] == time[0]
    assert (finer.name, finer.attrs["units"]) == ("v", "mV")
    np.testing.assert_array_equal(finer["name"], x["name"])
    coarser = fa.resample(x, 1, 2, dims="y")
    assert coarser["name"].data.tolist() == ["a", "c", "e"]
    assert coarser.y.data.tolist() == [0, 20, 40]
    with pytest.raises(fa.FaltungError, match=r"'name': values of dtype .*drop_vars"):
        fa.resample(x, 2, 1, dims="y")
    double = fa.resample(x.drop_vars("name"), 2, 1, dims="y")
    assert double.y.data.tolist() == [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55]
    with pytest.raises(fa.FaltungError, match="declared missing"):
        fa.resample(x.assign_attrs(_FillValue=-1.0), 2)


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        ((0,), {}, "up: expected an integer from 1"),
        ((1.5,), {}, "pass up=3 and down=2"),
        ((2, 1.5), {}, "down: expected an integer"),
        (((1, 2), 1), {"axes": 0}, "as many|one for each"),
        (((1, 2), (1, 2, 3)), {}, "up, down: expected one factor"),
        ((2,), {"axes": 5}, "axes"),
        ((2,), {"dims": "x"}, "dims: expected None"),
        ((2,), {"mode": "periodic"}, "mode"),
        ((2,), {"window": "kaiser"}, "window: expected"),
        ((2,), {"window": [1.0, 2.0]}, "window: expected a window or a Kernel"),
        ((2,), {"window": fa.box(3)}, "window: expected a kernel with one axis"),
        ((2,), {"half_length": 0}, "half_length"),
        ((2,), {"nan": "omit"}, "nan"),
    ],
)
def test_wrong_input(arguments, options, text):
    with pytest.raises(fa.FaltungError, match=text):
        fa.resample(np.ones((4, 6)), *arguments, **options)


def test_wrong_arrays():
    with pytest.raises(fa.FaltungError, match=r"x: .*Series.*to_numpy"):
        fa.resample(pd.Series([1.0, 2.0]), 2)
    with pytest.raises(fa.FaltungError, match=r"x\.map"):
        fa.resample(xr.Dataset({"v": ("x", [1.0, 2.0])}), 2)
    with pytest.raises(fa.FaltungError, match=r"lowest terms.*Use 147 and 160"):
        fa.resampling_filter(294, 320)


def test_no_samples_are_no_samples_at_any_rate():
    assert fa.resample(np.ones((0, 6)), 3, 2).shape == (0, 9)


def test_a_filter_of_ones_own():
    x = RANDOM.standard_normal(30)
    linear = fa.Kernel([0.5, 1.0, 0.5], origin=1)
    found = fa.resample(x, 2, 1, "nearest", window=linear)
    np.testing.assert_allclose(found[:-1], np.interp(np.arange(59) / 2, np.arange(30), x), atol=1e-14)
