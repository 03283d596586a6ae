"""Stationary wavelets: planes that sum to the array, of any length, and those of a slow loop."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import pywt
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import faltung as fa
from faltung import ArgumentError, ArgumentTypeError

laws = settings(deadline=None, max_examples=30)
MODES = ["reflect", "constant", "nearest", "mirror", "wrap"]
RANDOM = np.random.default_rng(0)


def planes_of(x, levels, taps, mode):
    """Planes from kernels with holes that are written out, by SciPy along each axis."""
    details = []
    for level in range(levels):
        holes = np.zeros((len(taps) - 1) * 2**level + 1)
        holes[:: 2**level] = taps
        smooth = x
        for axis in range(x.ndim):
            smooth = ndimage.convolve1d(smooth, holes, axis, mode=mode)
        details.append(x - smooth)
        x = smooth
    return details, x


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(37,), (1,), (3,), (20, 31), (5, 6, 7)])
def test_planes_are_those_of_kernels_with_holes(shape, mode):
    x = RANDOM.standard_normal(shape)
    details, rest = fa.atrous(x, 4, mode=mode)
    wanted, last = planes_of(x, 4, np.array([1, 4, 6, 4, 1]) / 16, mode)
    np.testing.assert_allclose(details, wanted, atol=1e-12)
    np.testing.assert_allclose(rest, last, atol=1e-12)
    np.testing.assert_allclose(sum(details) + rest, x, atol=1e-12)


@laws
@given(st.integers(1, 70), st.integers(1, 7), st.sampled_from(MODES), st.integers(0, 9), st.integers(0, 2**20))
def test_planes_sum_to_the_array(length, levels, mode, seed, offset):
    random = np.random.default_rng(seed)
    x = random.standard_normal(length) + offset
    kernel = fa.Kernel(random.standard_normal(random.integers(1, 5))) if seed % 2 else None
    details, rest = fa.atrous(x, levels, kernel, mode)
    scale = sum(np.abs(plane).max() for plane in (*details, rest))
    np.testing.assert_allclose(sum(details) + rest, x, atol=1e-14 * scale)
    assert len(details) == levels


def test_any_length_unlike_the_transform_of_pywavelets():
    x = RANDOM.standard_normal(1001)
    with pytest.raises(ValueError, match="Length of data must be even"):
        pywt.swt(x, "bior1.3", 3)
    details, rest = fa.atrous(x, 8)
    np.testing.assert_allclose(sum(details) + rest, x, atol=1e-13)


def test_every_kind_of_array():
    x = RANDOM.standard_normal((30, 23))
    details, rest = fa.atrous(x, 3)
    tensor = torch.tensor(x, requires_grad=True)
    planes, last = fa.atrous(tensor, 3)
    np.testing.assert_allclose(torch.stack(planes).detach(), details, atol=1e-12)
    (sum(planes) + last).sum().backward()
    np.testing.assert_allclose(tensor.grad, 1.0, atol=1e-12)
    planes, last = fa.atrous(da.from_array(x, chunks=(11, 10)), 3)
    assert isinstance(last, da.Array)
    np.testing.assert_allclose(da.stack(planes), details, atol=1e-12)
    labelled = xr.DataArray(x, dims=("y", "x"), coords={"y": np.arange(30.0)})
    planes, last = fa.atrous(labelled, 3)
    assert last.dims == ("y", "x")
    np.testing.assert_allclose(np.stack(planes), details, atol=1e-12)
    (one,), _ = fa.atrous(labelled, 1, dims="x")
    np.testing.assert_allclose(one, fa.atrous(x, 1, axes=-1)[0][0], atol=1e-12)
    data = xr.Dataset({"v": labelled})
    np.testing.assert_allclose(fa.atrous(data, 3, dims=("y", "x"))[1]["v"], rest, atol=1e-12)
    np.testing.assert_allclose(fa.atrous(x.tolist(), 3)[1], rest, atol=1e-12)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32", "complex64", "float16"])
def test_dtypes(dtype):
    x = (RANDOM.random((20, 21)) * 200).astype(dtype)
    details, rest = fa.atrous(x, 3)
    assert all(plane.dtype == rest.dtype for plane in details)
    np.testing.assert_allclose(sum(details) + rest, x, atol=1e-3 if dtype != "int32" else 1e-10)


@pytest.mark.parametrize("given", ["nan", "mask"])
def test_missing_samples_stay_missing_and_do_not_spread(given):
    x = RANDOM.standard_normal((40, 41))
    valid = RANDOM.random(x.shape) > 0.2
    valid[10:20, 10:20] = False
    missing = {"nan": "ignore"} if given == "nan" else {"mask": valid}
    details, rest = fa.atrous(np.where(valid, x, np.nan if given == "nan" else 1e6), 4, **missing)
    smooth = np.where(valid, x, np.nan)
    for level, plane in enumerate(details):
        np.testing.assert_array_equal(np.isnan(plane), ~valid)
        following = fa.convolve(smooth, fa.binomial(4), dilation=2**level, nan="ignore", keep_nan=True)
        np.testing.assert_allclose(plane, smooth - following, atol=1e-12)
        smooth = following
    np.testing.assert_allclose((sum(details) + rest)[valid], x[valid], atol=1e-12)


def test_a_sample_that_is_not_finite_spreads_as_far_as_the_taps():
    x = np.ones(64)
    x[20] = np.inf
    (fine, _), _ = fa.atrous(x, 2)
    np.testing.assert_array_equal(~np.isfinite(fine), np.abs(np.arange(64) - 20) <= 2)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: fa.atrous(np.ones(5), 0), ArgumentError, "levels: expected an integer from 1 to 24, got 0"),
        (lambda: fa.atrous(np.ones(5), 2.0), ArgumentTypeError, "levels: expected an integer from 1 to 24"),
        (
            lambda: fa.atrous(np.ones(5), 1, fa.gaussian({"x": 1.0})),
            ArgumentError,
            "kernel: expected a kernel in",
        ),
        (
            lambda: fa.atrous(xr.Dataset({"v": ("x", [1.0])}), 1),
            ArgumentError,
            "kernel: expected a kernel for",
        ),
        (lambda: fa.atrous(np.ones(5), 1, mode="edge"), ArgumentError, "mode: expected"),
    ],
)
def test_wrong_arguments(call, kind, message):
    with pytest.raises(kind) as error:
        call()
    assert message in str(error.value)
