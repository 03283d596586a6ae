"""Scales equal SciPy's one by one, are comparable, and blobs of known size answer most at the scale of the theory."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import skimage.feature
import torch
import xarray as xr
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import ndimage

import faltung as fa

RANDOM = np.random.default_rng(0)
SIGMAS = (1.0, 1.6, 2.5)


@pytest.mark.parametrize("mode", ["reflect", "constant", "nearest", "mirror", "wrap"])
@pytest.mark.parametrize("shape", [(19, 23), (2, 3), (30,), (9, 8, 7)])
def test_each_scale_is_that_of_scipy(shape, mode):
    x = RANDOM.standard_normal(shape)
    smooth = np.stack([ndimage.gaussian_filter(x, s, mode=mode, truncate=5) for s in SIGMAS])
    np.testing.assert_allclose(fa.scale_space(x, SIGMAS, mode=mode), smooth, atol=1e-12)
    ratios = np.diff(SIGMAS) / SIGMAS[:-1]
    dog = -np.diff(smooth, axis=0) / ratios.reshape(-1, *[1] * len(shape))
    np.testing.assert_allclose(fa.scale_space(x, SIGMAS, "dog", mode), dog, atol=1e-11)
    log = np.stack([s**2 * ndimage.gaussian_laplace(x, s, mode=mode, truncate=5) for s in SIGMAS])
    # SciPy's second derivatives do not sum to zero: less than 0.5 % here.
    np.testing.assert_allclose(fa.scale_space(x, SIGMAS, "log", mode), log, atol=5e-3 * np.abs(log).max())
    hessians = [fa.hessian(x, s, mode, normalised=True) for s in SIGMAS]
    diagonal = [k for k, (i, j) in enumerate(zip(*np.triu_indices(len(shape)), strict=True)) if i == j]
    np.testing.assert_allclose(
        fa.scale_space(x, SIGMAS, "log", mode), [h[diagonal].sum(axis=0) for h in hessians], atol=1e-11
    )


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_a_gaussian_blob_answers_most_at_the_scale_of_the_theory(ndim):
    size, sigmas = 4.0, np.geomspace(2, 8, 25)
    places = np.meshgrid(*[np.arange(-30, 31)] * ndim, indexing="ij")
    blob = np.exp(-sum(p**2 for p in places) / (2 * size**2))
    middle = (slice(None), *[30] * ndim)
    answers = fa.scale_space(blob, sigmas, "log", mode="constant")[middle]
    assert abs(sigmas[answers.argmin()] / (size * np.sqrt(2 / ndim)) - 1) < 0.06
    best = sigmas.copy()
    wanted = -ndim * best**2 * size**ndim / (size**2 + best**2) ** (ndim / 2 + 1)
    np.testing.assert_allclose(answers, wanted, rtol=5e-3)


# 2.5 times this unit, divided by it, is just below 2.5, where the taps of 5 standard deviations become two fewer.
@example(unit=30.34381740818243, kind="log")
@settings(max_examples=6)
@given(unit=st.floats(0.01, 100), kind=st.sampled_from(["gaussian", "log", "dog"]))
def test_normalised_answers_do_not_depend_on_the_unit_of_length(unit, kind):
    x = RANDOM.standard_normal((20, 21))
    wanted = fa.scale_space(x, SIGMAS, kind, spacing=(1.0, 0.5))
    scaled = fa.scale_space(x, [unit * s for s in SIGMAS], kind, spacing=(unit, 0.5 * unit))
    np.testing.assert_allclose(scaled, wanted, atol=1e-9)


def test_differences_approximate_laplacians():
    x = ndimage.gaussian_filter(RANDOM.standard_normal((60, 60)), 2)
    dog, log = fa.scale_space(x, (4.0, 4.04), "dog")[0], fa.scale_space(x, (4.02,), "log")[0]
    np.testing.assert_allclose(dog, -log, atol=0.02 * np.abs(log).max())


def test_blobs_are_those_of_scikit_image():
    image = skimage.data.hubble_deep_field()[:200, :200].mean(axis=2) / 255
    sigmas = np.linspace(2, 8, 5)
    stack = -fa.scale_space(image, sigmas, "log", truncate=4)
    peaks = skimage.feature.peak_local_max(np.moveaxis(stack, 0, -1), threshold_abs=0.1, exclude_border=False)
    found = {(int(y), int(x), float(sigmas[k])) for y, x, k in peaks}
    peer = skimage.feature.blob_log(image, 2, 8, 5, threshold=0.1, overlap=1)
    assert len(peer) > 10
    assert len(found ^ {(int(y), int(x), float(s)) for y, x, s in peer}) <= 0.1 * len(peer)


def test_kinds_of_arrays():
    x = RANDOM.standard_normal((20, 24))
    for kind in ("gaussian", "log", "dog"):
        wanted = fa.scale_space(x, SIGMAS, kind)
        lazy = fa.scale_space(da.from_array(x, chunks=(7, 9)), SIGMAS, kind)
        assert isinstance(lazy, da.Array)
        np.testing.assert_allclose(np.asarray(lazy), wanted, atol=1e-12)
        tensor = torch.from_numpy(x).requires_grad_()
        result = fa.scale_space(tensor, SIGMAS, kind)
        np.testing.assert_allclose(result.detach().numpy(), wanted, atol=1e-12)
        result.square().sum().backward()
        assert torch.isfinite(tensor.grad).all()
        y, columns = 3.0 - 2.0 * np.arange(20), 0.5 * np.arange(24)
        named = xr.DataArray(x, dims=("y", "x"), coords={"y": y, "x": columns}, attrs={"units": "K"})
        lengths = {"x": [0.5 * s for s in SIGMAS], "y": [2.0 * s for s in SIGMAS]}
        found = fa.scale_space(named, lengths, kind)
        np.testing.assert_allclose(found.to_numpy(), wanted, atol=1e-12)
        assert found.attrs == named.attrs


def test_missing_samples():
    x = np.full((30, 30), 7.0)
    x[10:14, 5:20] = np.nan
    np.testing.assert_allclose(fa.scale_space(x, SIGMAS, nan="ignore"), 7)
    for kind in ("log", "dog"):
        assert np.abs(fa.scale_space(x, SIGMAS, kind, nan="ignore")).max() < 1e-12
    assert np.isnan(fa.scale_space(x, SIGMAS, nan="ignore", keep_nan=True)[:, 12, 12]).all()


@pytest.mark.parametrize(
    ("sigmas", "kind", "message"),
    [
        (1.0, "log", "sigmas"),
        ([], "log", "sigmas"),
        ([-1.0], "log", "sigmas"),
        ([0.0], "log", "sigmas"),
        ([2.0, 1.0], "dog", "sigmas"),
        ([2.0], "dog", "sigmas"),
        ([2.0], "dob", "kind"),
        ({"x": 2.0}, "log", "sigmas"),
        ({}, "log", "sigmas"),
        ({"x": [2.0], "y": [1.0, 2.0]}, "log", "sigmas"),
        ({"x": [2.0]}, "log", "sigmas"),
    ],
)
def test_wrong_arguments(sigmas, kind, message):
    with pytest.raises((fa.ArgumentError, fa.ArgumentTypeError), match=message):
        fa.scale_space(np.ones((5, 6)), sigmas, kind)
