"""Local means, variances, covariances equal those of each neighbourhood by itself, for every kind of array."""

from __future__ import annotations

import itertools

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import faltung as fa
from covering import covering

PADDING = {"reflect": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap", "constant": "constant"}
RANDOM = np.random.default_rng(0)
WINDOWS = {
    "box": fa.box((3, 5)),
    "gaussian": fa.gaussian(1.0),
    "asymmetric": fa.Kernel([[0.0, 1.0, 2.0, 0.5], [3.0, 0.0, 1.0, 1.0]], origin=(0, 3)),
}


def neighbourhoods(x, kernel, mode, cval=0.0):
    """Samples under each output, in the order of the taps, and the taps as weights."""
    taps = kernel.flip()
    before, after = zip(*((at, size - 1 - at) for at, size in zip(taps.origin, taps.shape, strict=True)), strict=True)
    more = {"constant_values": cval} if mode == "constant" else {}
    padded = np.pad(x, [*zip(before, after, strict=True)], PADDING[mode], **more)
    windows = np.lib.stride_tricks.sliding_window_view(padded, taps.shape)
    return windows.reshape(*x.shape, -1), taps.taps.ravel()


def variance(samples, weights, unbiased=False, conjugate=True):
    """Weighted variance along the last axis, about the weighted mean, in two passes; NaN has no weight."""
    weights = np.where(np.isnan(samples), 0.0, weights)
    samples = np.where(np.isnan(samples), 0.0, samples)
    total = weights.sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        d = samples - ((weights * samples).sum(-1) / total)[..., None]
        result = (weights * d * (d.conj() if conjugate else d)).sum(-1) / total
        left = 1 - (weights**2).sum(-1) / total**2
        return result / np.where(left < 1e-12, np.nan, left) if unbiased else result


@pytest.mark.parametrize(
    ("shape", "name", "mode", "unbiased"), covering([(13, 17), (1, 2), (2, 1)], WINDOWS, PADDING, [False, True])
)
def test_variance(shape, name, mode, unbiased):
    x = RANDOM.standard_normal(shape) + 1e6
    samples, weights = neighbourhoods(x, WINDOWS[name], mode, 1e6)
    wanted = variance(samples, weights, unbiased)
    found = fa.local_var(x, WINDOWS[name], mode, 1e6, unbiased=unbiased)
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-9)
    root = fa.local_std(x, WINDOWS[name], mode, 1e6, unbiased=unbiased)
    np.testing.assert_allclose(root, np.sqrt(wanted), rtol=1e-12, atol=4e-5)
    tensor = fa.local_var(torch.from_numpy(x), WINDOWS[name], mode, 1e6, unbiased=unbiased)
    np.testing.assert_allclose(tensor.numpy(), wanted, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("mode", PADDING)
@pytest.mark.parametrize("given", ["nan", "mask", "both"])
def test_missing_samples(given, mode):
    x = RANDOM.standard_normal((12, 15)) * 3 + 100
    mask = RANDOM.random(x.shape) > 0.6
    x[2:9, 3:11] = np.nan if given != "mask" else 1e30
    mask[2:9, 3:11] = False
    kernel = WINDOWS["asymmetric"]
    arguments = {
        "nan": {"nan": "ignore"},
        "mask": {"mask": mask},
        "both": {"mask": mask, "nan": "ignore"},
    }[given]
    present = np.where(mask, x, np.nan) if given != "nan" else x
    samples, weights = neighbourhoods(present, kernel, mode, 100.0)
    for unbiased in (False, True):
        wanted = variance(samples, weights, unbiased)
        assert np.isnan(wanted).any()
        found = fa.local_var(x, kernel, mode, 100.0, unbiased=unbiased, **arguments)
        np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-11)
        arrays = {key: torch.from_numpy(value) if key == "mask" else value for key, value in arguments.items()}
        found = fa.local_var(torch.from_numpy(x), kernel, mode, 100.0, unbiased=unbiased, **arrays)
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-11, atol=1e-11)


def test_weights_least_weight_and_kept_holes():
    x, weights = RANDOM.standard_normal((9, 14)), RANDOM.random((9, 14))
    kernel = fa.box((3, 3))
    samples, taps = neighbourhoods(x, kernel, "reflect")
    shares, _ = neighbourhoods(weights, kernel, "reflect")
    w = shares * taps
    mean = (w * samples).sum(-1) / w.sum(-1)
    wanted = (w * (samples - mean[..., None]) ** 2).sum(-1) / w.sum(-1)
    np.testing.assert_allclose(fa.local_var(x, kernel, weights=weights), wanted, rtol=1e-12)
    np.testing.assert_allclose(fa.local_mean(x, kernel, weights=weights), mean, rtol=1e-12)
    some = fa.local_var(x, kernel, weights=weights, min_weight=0.5)
    few = w.sum(-1) < 0.5
    assert few.any()
    assert not few.all()
    np.testing.assert_array_equal(np.isnan(some), few)
    x[4, 5] = np.nan
    kept = fa.local_std(x, kernel, nan="ignore", keep_nan=True)
    np.testing.assert_array_equal(np.isnan(kept), np.isnan(x))


@pytest.mark.parametrize("statistic", [fa.local_var, fa.local_std])
def test_a_mean_that_is_large_beside_the_spread_costs_no_digits(statistic):
    noise = RANDOM.standard_normal((60, 70))
    expected = statistic(noise, 7)
    np.testing.assert_allclose(statistic(np.round(noise * 2**20) / 2**20 + 2.0**30, 7), expected, rtol=1e-5)
    single = ndimage.uniform_filter((noise + 1e4).astype("f4"), 7)  # the peers' formula keeps no digit of it
    squares = ndimage.uniform_filter(((noise + 1e4) ** 2).astype("f4"), 7)
    assert np.abs(squares - single**2 - expected**2).max() > 1
    assert np.abs(statistic((noise + 1e4).astype("f4"), 7) / expected - 1).max() < 0.01


def test_what_is_constant_has_no_spread():
    x = np.full((50, 60), 0.1)
    x[30:] = 7.3
    spread = fa.local_std(x, 5)
    assert (spread[:28] == 0).all()
    assert (spread[32:] == 0).all()
    assert (spread[29:31] > 1).all()
    assert np.isnan(fa.local_corr(x, x, 5)[[*range(28), *range(32, 50)]]).all()


@pytest.mark.parametrize("dtype", ["u1", "i2", "i8", "f2", "f4", "f8", "c8", "c16", "?"])
def test_dtypes(dtype):
    x = (RANDOM.integers(0, 2 if dtype == "?" else 200, (11, 12)) + 0).astype(dtype)
    if dtype[0] == "c":
        x = x + np.array(1j, dtype) * RANDOM.integers(0, 9, x.shape).astype(x.real.dtype)
    samples, weights = neighbourhoods(x.astype("c16" if dtype[0] == "c" else "f8"), WINDOWS["box"], "reflect")
    found = fa.local_var(x, WINDOWS["box"])
    assert found.dtype == ("f8" if dtype in ("i8", "f8", "c16") else "f4")
    np.testing.assert_allclose(found, variance(samples, weights).real, rtol=1e-6, atol=1e-9)


def test_steps_regions_axes_and_batches():
    x = RANDOM.standard_normal((2, 31, 3, 40))
    whole = fa.local_var(x, fa.box(5), axes=(1, 3))
    for i, c in itertools.product(range(2), range(3)):
        np.testing.assert_allclose(whole[i, :, c], fa.local_var(x[i, :, c], 5), rtol=1e-12)
    np.testing.assert_allclose(
        fa.local_var(x, fa.box(5), axes=(1, 3), stride=(2, 3)), whole[:, ::2, :, ::3], rtol=1e-12
    )
    valid = fa.local_var(x, fa.box(5), axes=(1, 3), shape="valid")
    np.testing.assert_allclose(valid, whole[:, 2:-2, :, 2:-2], rtol=1e-12)
    wide = fa.local_var(x[0, :, 0], 3, dilation=2)
    taps = np.kron(np.ones((3, 3)), [[1, 0], [0, 0]])[:-1, :-1]
    np.testing.assert_allclose(wide, fa.local_var(x[0, :, 0], fa.Kernel(taps)), rtol=1e-12)
    out = np.empty(whole.shape)
    assert fa.local_var(x, fa.box(5), axes=(1, 3), out=out) is out
    np.testing.assert_array_equal(out, whole)
    full = fa.local_var(x[0, :, 0], 3, shape="full")
    samples, weights = neighbourhoods(np.pad(x[0, :, 0], 1), fa.box(3), "constant")
    np.testing.assert_allclose(full, variance(samples, weights), rtol=1e-12, atol=1e-12)


def test_not_finite_samples_stay_where_they_are():
    x = RANDOM.standard_normal((200, 700))
    x[50, 60], x[150, 600] = np.nan, np.inf
    found, clean = fa.local_var(x, 5), fa.local_var(np.where(np.isfinite(x), x, 0.0), 5)
    touched = ndimage.binary_dilation(~np.isfinite(x), np.ones((5, 5)))
    assert np.isnan(found[touched]).all()
    np.testing.assert_allclose(found[~touched], clean[~touched], rtol=1e-9)


def test_the_same_bits_for_any_number_of_workers():
    x = RANDOM.standard_normal((300, 900)).astype("f4")
    first, *others = (fa.local_std(x, 9, workers=count) for count in (1, 2, 3))
    assert all(np.array_equal(first, other) for other in others)
    turned = fa.local_std(np.asfortranarray(x)[:, ::-1], 9)
    np.testing.assert_allclose(turned[:, ::-1], first, rtol=1e-6)


@pytest.mark.parametrize("mode", PADDING)
def test_covariance_and_correlation(mode):
    x = RANDOM.standard_normal((14, 19)) + 1e3
    y = 1e-3 * (x - 1e3) + 1e-3 * RANDOM.standard_normal(x.shape) - 5
    x[3, 4], y[8, 9] = np.nan, np.nan
    kernel, gone = WINDOWS["gaussian"], np.isnan(x) | np.isnan(y)
    xs, weights = neighbourhoods(np.where(gone, np.nan, x), kernel, mode, 1.0)
    ys, _ = neighbourhoods(np.where(gone, np.nan, y), kernel, mode, 1.0)
    weights = np.where(np.isnan(xs), 0.0, weights)
    xs, ys = np.nan_to_num(xs), np.nan_to_num(ys)

    def about_mean(z):
        return z - ((weights * z).sum(-1) / weights.sum(-1))[..., None]

    dx, dy = about_mean(xs), about_mean(ys)
    cov, vx, vy = ((weights * a * b).sum(-1) / weights.sum(-1) for a, b in ((dx, dy), (dx, dx), (dy, dy)))
    found = fa.local_cov(x, y, kernel, mode, 1.0, nan="ignore")
    np.testing.assert_allclose(found, cov, rtol=1e-6, atol=1e-9 * np.sqrt(vx * vy).max())
    found = fa.local_corr(x, y, kernel, mode, 1.0, nan="ignore")
    np.testing.assert_allclose(found, cov / np.sqrt(vx * vy), rtol=1e-6, atol=1e-6)
    assert np.nanmax(np.abs(fa.local_corr(x, -x, kernel, mode, nan="ignore") + 1)) < 1e-9


def test_all_kinds_of_arrays():
    x = RANDOM.standard_normal((40, 50)) + 1e5
    y = RANDOM.standard_normal((40, 50))
    wanted, related = fa.local_std(x, 5), fa.local_corr(x, y, 5)
    lazy, other = da.from_array(x, chunks=(17, 20)), da.from_array(y, chunks=(17, 20))
    np.testing.assert_allclose(fa.local_std(lazy, 5).compute(), wanted, rtol=1e-9)
    np.testing.assert_allclose(fa.local_corr(lazy, other, 5).compute(), related, rtol=1e-7, atol=1e-9)
    labelled = xr.DataArray(x, dims=("y", "x"), coords={"y": np.arange(40) * 0.5}, attrs={"units": "m"})
    found = fa.local_std(labelled, 5)
    np.testing.assert_array_equal(found.values, wanted)
    assert found.attrs["units"] == "m"
    assert found.dims == ("y", "x")
    assert fa.local_var(labelled, 5).attrs["units"] == "(m)^2"
    assert fa.local_corr(labelled, labelled, 5).attrs == {}
    assert labelled.attrs == {"units": "m"}
    smooth = fa.gaussian({"y": 1.0}) * 3.0
    np.testing.assert_allclose(fa.local_mean(labelled, smooth), fa.convolve(labelled, smooth / 3.0), rtol=1e-12)
    np.testing.assert_allclose(fa.local_var(labelled, smooth), fa.local_var(x, fa.gaussian(2.0, ndim=1), axes=0))
    series = pd.Series(x[0], index=pd.date_range("2026-01-01", periods=50, freq="D"))
    np.testing.assert_allclose(fa.local_std(series, 5), fa.local_std(x[0], 5), rtol=1e-12)
    np.testing.assert_allclose(fa.local_std(series.to_frame(), 5)[0], fa.local_std(x[0], 5), rtol=1e-12)
    along = fa.local_std(labelled, 5, dims="y")
    np.testing.assert_array_equal(along.values, fa.local_std(x, 5, axes=0))
    masked = np.ma.masked_array(x, RANDOM.random(x.shape) < 0.3)
    np.testing.assert_allclose(
        fa.local_std(masked, 5).filled(np.nan), fa.local_std(x, 5, mask=~masked.mask), rtol=1e-12
    )


def test_gradients():
    x = torch.randn(2, 5, 4, dtype=torch.float64, requires_grad=True)
    y = torch.randn(2, 5, 4, dtype=torch.float64, requires_grad=True)
    for mode in ("reflect", "constant"):
        assert torch.autograd.gradcheck(lambda x, m=mode: fa.local_var(x, fa.box(3), m, 0.3), x)
        assert torch.autograd.gradcheck(lambda x, m=mode: fa.local_std(x, fa.gaussian(0.7), m, unbiased=True), x)
    assert torch.autograd.gradcheck(lambda x, y: fa.local_corr(x, y, fa.box(3)), (x, y))
    flat = torch.zeros(5, 5, requires_grad=True)
    fa.local_std(flat, 3).sum().backward()
    assert (flat.grad == 0).all()
    half = fa.local_std(torch.randn(8, 8).half(), 3)
    assert half.dtype == torch.float16


@settings(max_examples=25)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 9),
    st.floats(-1e6, 1e6),
    st.floats(0.01, 100),
    st.integers(0, 2**32 - 1),
)
def test_laws(rows, columns, size, shift, scale, seed):
    x = np.random.default_rng(seed).standard_normal((rows, columns))
    spread = fa.local_std(x, size)
    assert (spread >= 0).all()
    np.testing.assert_allclose(fa.local_std(scale * x + shift, size), scale * spread, rtol=1e-6, atol=1e-7 * scale)
    square = fa.local_mean(x * x, size) - fa.local_mean(x, size) ** 2
    np.testing.assert_allclose(fa.local_var(x, size), square, atol=1e-12)
    np.testing.assert_allclose(fa.local_cov(x, x, size), square, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda x: fa.local_var(x, fa.sobel(axis=0)), "kernel"),
        (lambda x: fa.local_var(x, 0), "window"),
        (lambda x: fa.local_var(x, 5, dtype="u1"), "dtype"),
        (lambda x: fa.local_var(x, 5, unbiased=1), "unbiased"),
        (lambda x: fa.local_var(x, 50, shape="valid"), "window"),
        (lambda x: fa.local_var(x, fa.Bank(np.ones((2, 1, 3, 3)))), "kernel"),
        (lambda x: fa.local_var(x, 5, mode="symmetric"), "mode"),
        (lambda x: fa.local_cov(x, x[:3], 5), "y"),
        (lambda x: fa.local_cov(x, x * 1j, 5), "y"),
        (lambda x: fa.local_corr(x, torch.from_numpy(x), 5), "y"),
        (lambda x: fa.local_std(x, 5, mask=x > 0, weights=x), "mask"),
        (lambda x: fa.local_mean(x, -fa.box(3)), "kernel"),
    ],
)
def test_bad_arguments(call, argument):
    with pytest.raises((fa.ArgumentError, fa.ArgumentTypeError), match=f"^{argument}"):
        call(RANDOM.standard_normal((8, 9)))
