"""Derivatives are exact for polynomials, equal those of SciPy, keep their laws, and work for every kind of array."""

from __future__ import annotations

import itertools

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
from covering import covering

MODES = ("reflect", "constant", "nearest", "mirror", "wrap")
RANDOM = np.random.default_rng(0)
PAIRS = {n: [*itertools.combinations_with_replacement(range(n), 2)] for n in (1, 2, 3)}


def taps(sigma, order, truncate=5.0):
    """Sampled derivative of a Gaussian whose sum is zero and whose moment is that of the derivative."""
    reach = int(truncate * sigma + 0.5)
    if order and not reach:
        return [np.ones(1), np.array([0.5, 0, -0.5]), np.array([1.0, -2, 1])][order]
    m = np.arange(-reach, reach + 1.0)
    g = np.exp(-0.5 * (m / max(sigma, 1e-9)) ** 2)
    g /= g.sum()
    if order == 0:
        return g
    if order == 1:
        return -m * g / (m**2 * g).sum()
    k = (m**2 - (m**2 * g).sum()) * g
    return 2 * k / (k * m**2).sum()


def derivative(x, sigmas, orders, mode, cval=0.0):
    """One derivative, axis by axis, by SciPy in double precision."""
    y = np.asarray(x, dtype=float)
    for axis, (sigma, order) in enumerate(zip(sigmas, orders, strict=True)):
        y = ndimage.convolve1d(y, taps(sigma, order), axis, mode=mode, cval=cval if not any(orders[:axis]) else 0.0)
    return y


@pytest.mark.parametrize(
    ("shape", "sigmas", "mode"),
    covering([(23, 31), (1, 5), (3, 2)], [(1.3, 2.0), (0.3, 0.0), (0.0, 1.0), (5.0, 0.8)], MODES),
    ids=str,
)
def test_first_and_second_derivatives(shape, sigmas, mode):
    x = RANDOM.standard_normal(shape)
    first = fa.gradient(x, sigmas, mode)
    for axis in range(2):
        wanted = derivative(x, sigmas, [axis == k for k in range(2)], mode)
        np.testing.assert_allclose(first[axis], wanted, rtol=1e-11, atol=1e-12)
    second = fa.hessian(x, sigmas, mode)
    for found, (i, j) in zip(second, PAIRS[2], strict=True):
        wanted = derivative(x, sigmas, [(k == i) + (k == j) for k in range(2)], mode)
        np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-12)


@settings(max_examples=10, deadline=None)
@given(
    ndim=st.integers(1, 3),
    sigma=st.floats(0, 1.4),
    truncate=st.floats(0.8, 4),
    data=st.data(),
)
def test_polynomials_in_physical_units_are_exact(ndim, sigma, truncate, data):
    lengths = st.floats(0.25, 4).flatmap(lambda a: st.sampled_from([a, -a]))
    spacing = data.draw(st.lists(lengths, min_size=ndim, max_size=ndim))
    slopes = np.array(data.draw(st.lists(st.floats(-3, 3), min_size=ndim, max_size=ndim)))
    curvature = np.array(data.draw(st.lists(st.floats(-3, 3), min_size=9, max_size=9))).reshape(3, 3)[:ndim, :ndim]
    curvature = curvature + curvature.T
    sigmas = [sigma * abs(step) for step in spacing]
    places = np.stack(np.meshgrid(*[step * (np.arange(15) - 7) for step in spacing], indexing="ij"), axis=-1)
    x = 5 + places @ slopes + np.einsum("...i,ij,...j->...", places, curvature, places) / 2
    middle = (slice(None), *[7] * ndim)
    first = fa.gradient(x, sigmas, spacing=spacing, truncate=truncate)[middle]
    np.testing.assert_allclose(first, slopes, atol=1e-9)
    second = fa.hessian(x, sigmas, spacing=spacing, truncate=truncate)[middle]
    np.testing.assert_allclose(second, [curvature[i, j] for i, j in PAIRS[ndim]], atol=1e-9)


@example(sigma=2.5, unit=30.34381740818243, normalised=False)
@settings(max_examples=6)
@given(sigma=st.floats(0.2, 3), unit=st.floats(0.01, 100), normalised=st.booleans())
def test_another_unit_of_length(sigma, unit, normalised):
    x = RANDOM.standard_normal((20, 21))
    options = {"normalised": normalised}
    for function, order in ((fa.gradient, 1), (fa.hessian, 2)):
        same = function(x, sigma * unit, spacing=unit, **options)
        factor = 1 if normalised else unit**order
        np.testing.assert_allclose(same * factor, function(x, sigma, **options), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("function", [fa.gradient, fa.hessian])
def test_turned_and_transposed_images(function):
    x = RANDOM.standard_normal((24, 24))
    order = 1 if function is fa.gradient else 2
    y, turned = function(x, 1.5), function(np.rot90(x), 1.5)
    # With np.rot90 the last axis becomes the first one, reversed.
    signs = [-1, 1] if order == 1 else [1, -1, 1]
    for found, wanted, sign in zip(turned, y[::-1], signs, strict=True):
        np.testing.assert_allclose(found, sign * np.rot90(wanted), atol=1e-12)
    swapped = function(x.T, (2.0, 1.0))
    np.testing.assert_allclose(swapped, function(x, (1.0, 2.0))[::-1].swapaxes(1, 2), atol=1e-12)


def test_normalised_derivatives_are_those_of_a_stretched_image():
    def blob(stretch):
        y, x = stretch * np.mgrid[-60:61, -60:61] / 4
        return np.exp(-(x**2) / 8 - (y - 0.5 * x) ** 2 / 4)

    def middle(y, step):
        return y[:, 60 - 10 * step : 61 + 10 * step : step, 60 - 10 * step : 61 + 10 * step : step]

    for function in (fa.gradient, fa.hessian):
        fine, coarse = function(blob(0.5), 6.0, normalised=True), function(blob(1.0), 3.0, normalised=True)
        np.testing.assert_allclose(middle(fine, 2), middle(coarse, 1), atol=2e-4 * np.abs(coarse).max())


def test_sigma_of_zero_is_numpy_gradient():
    x = RANDOM.standard_normal((7, 9))
    for found, wanted in zip(fa.gradient(x, 0, spacing=(2.0, 3.0)), np.gradient(x, 2.0, 3.0), strict=True):
        np.testing.assert_allclose(found[1:-1, 1:-1], wanted[1:-1, 1:-1])


def blob_and_hessian(sigma, s=3.0):
    """A Gaussian of standard deviation s, and the Hessian of the same, smoothed."""
    y, x = np.mgrid[-25:26, -25:26]
    wide = s**2 + sigma**2
    smooth = s**2 / wide * np.exp(-(x**2 + y**2) / (2 * wide))
    exact = smooth * np.stack([y**2 / wide - 1, x * y / wide, x**2 / wide - 1]) / wide
    return np.exp(-(x**2 + y**2) / (2 * s**2)), exact


# Of scikit-image, the variants with and without `use_gaussian_derivatives` differ, by a factor of 2 and more
# (scikit-image#6451), and 100 standard deviations of a kernel are read for a sigma of up to 1. The truth is known.
@pytest.mark.parametrize(("sigma", "bound"), [(0.5, 0.02), (0.7, 0.005), (1.0, 1e-4), (2.0, 1e-4), (4.0, 2e-4)])
def test_hessian_of_a_gaussian_is_the_analytic_one(sigma, bound):
    blob, exact = blob_and_hessian(sigma)
    scale = np.abs(exact).max()
    assert np.abs(fa.hessian(blob, sigma) - exact).max() < bound * scale


def test_peers_are_wrong_for_small_scales():
    blob, exact = blob_and_hessian(0.5)
    scale = np.abs(exact).max()
    first, second = (
        np.stack(skimage.feature.hessian_matrix(blob, 0.5, use_gaussian_derivatives=flag)) for flag in (True, False)
    )
    assert np.abs(first - exact).max() > 0.5 * scale
    assert np.abs(second - exact).max() > 0.05 * scale
    of_scipy = ndimage.gaussian_filter(blob, 0.5, (2, 0))
    assert np.abs(of_scipy - exact[0]).max() > scale
    wide, exact = blob_and_hessian(2.0)
    peer = np.stack(skimage.feature.hessian_matrix(wide, 2.0, mode="reflect", use_gaussian_derivatives=True))
    np.testing.assert_allclose(fa.hessian(wide, 2.0), peer, atol=1e-4 * np.abs(exact).max())


def test_a_point_has_one_hessian_at_small_scales():
    x = np.zeros((21, 21))
    x[10, 10] = 1
    previous = fa.hessian(x, 0.999)[:, 10, 10]
    np.testing.assert_allclose(fa.hessian(x, 1.001)[:, 10, 10], previous, rtol=0.02, atol=1e-12)
    assert fa.hessian(np.ones((9, 9)), 0.4).max() <= 1e-14


def test_axes_and_colours():
    x = RANDOM.standard_normal((12, 13, 3))
    both = fa.gradient(x, (1.0, 2.0), axes=(0, 1), spacing=(1.0, 2.0))
    assert both.shape == (2, 12, 13, 3)
    np.testing.assert_allclose(both[..., 1], fa.gradient(x[..., 1], (1.0, 2.0), spacing=(1.0, 2.0)), atol=1e-13)
    tensor = fa.structure_tensor(x, 1.0, 2.0, axes=(0, -2))
    np.testing.assert_allclose(tensor[..., 2], fa.structure_tensor(x[..., 2], 1.0, 2.0), atol=1e-12)
    assert fa.gradient(x, 1.0).shape == (3, *x.shape)
    assert fa.gradient(x, [1.0]).shape == (1, *x.shape)


@pytest.mark.parametrize("mode", MODES)
def test_structure_tensor_of_scipy(mode):
    x = RANDOM.standard_normal((19, 22))
    g = [derivative(x, (1.0, 1.0), [axis == k for k in range(2)], mode) for axis in range(2)]
    wanted = [derivative(g[i] * g[j], (2.5, 2.5), (0, 0), mode) for i, j in PAIRS[2]]
    np.testing.assert_allclose(fa.structure_tensor(x, 1.0, 2.5, mode), wanted, atol=1e-12)


def test_eigenvalues_of_the_structure_tensor_are_not_negative():
    x = RANDOM.standard_normal((15, 16, 17))
    values = fa.symmetric_eigenvalues(fa.structure_tensor(x, 0.7, 1.5))
    assert values.shape == (3, *x.shape)
    assert values.min() > 0
    assert (np.diff(values, axis=0) <= 0).all()


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_eigenvalues(n, dtype):
    a = (RANDOM.standard_normal((n * (n + 1) // 2, 5, 6)) * 100).astype(dtype)
    full = np.zeros((5, 6, n, n))
    for one, (i, j) in zip(a, itertools.combinations_with_replacement(range(n), 2), strict=True):
        full[..., i, j] = full[..., j, i] = one
    wanted = np.moveaxis(np.linalg.eigvalsh(full), -1, 0)[::-1]
    kinds = {
        "numpy": (a, np.asarray),
        "torch": (torch.from_numpy(a), lambda t: t.numpy()),
        "dask": (da.from_array(a, chunks=(1, 2, 6)), np.asarray),
        "xarray": (xr.DataArray(a, dims=("k", "y", "x")), lambda t: t.to_numpy()),
    }
    for x, read in kinds.values():
        found = fa.symmetric_eigenvalues(x)
        assert type(found) is type(x)
        np.testing.assert_allclose(read(found), wanted, rtol=1e-4, atol=1e-4)


def test_eigenvalues_of_numbers_that_are_not_finite():
    for n in (3, 6):
        a = RANDOM.standard_normal((n, 4))
        a[0, 1], a[1, 2] = np.nan, np.inf
        values = fa.symmetric_eigenvalues(a)
        assert not np.isfinite(values[:, 1]).any()
        assert not np.isfinite(values[1:, 2]).any()
        assert np.isfinite(values[:, [0, 3]]).all()


def test_kinds_of_arrays():
    x = RANDOM.standard_normal((20, 24))
    lazy = da.from_array(x, chunks=(7, 9))
    named = xr.DataArray(x, dims=("y", "x"))
    for function, arguments in ((fa.gradient, (1.5,)), (fa.hessian, (1.5,)), (fa.structure_tensor, (1.0, 2.0))):
        wanted = function(x, *arguments)
        assert isinstance(function(lazy, *arguments), da.Array)
        np.testing.assert_allclose(np.asarray(function(lazy, *arguments)), wanted, atol=1e-12)
        np.testing.assert_allclose(function(torch.from_numpy(x), *arguments).numpy(), wanted, atol=1e-12)
        found = function(named, *arguments, dims=("y", "x"))
        assert found.dims[1:] == ("y", "x")
        np.testing.assert_allclose(found.to_numpy(), wanted, atol=1e-12)
        of_set = function(xr.Dataset({"v": named}), *arguments, dims=("y", "x"))["v"]
        np.testing.assert_allclose(of_set.to_numpy(), wanted, atol=1e-12)
        np.testing.assert_allclose(function(x.tolist(), *arguments), wanted, atol=1e-12)


def test_coordinates_give_the_spacing():
    y, x = 50.0 - 0.5 * np.arange(30), 0.25 * np.arange(30)
    attrs = {"units": "K"}
    field = xr.DataArray(2 * y[:, None] + 3 * x, dims=("y", "x"), coords={"y": y, "x": x}, attrs=attrs)
    first = fa.gradient(field, {"y": 1.0, "x": 0.5})
    np.testing.assert_allclose(first[:, 15, 15], [2, 3])
    assert "units" not in first.attrs  # kelvin per unit of the coordinate
    assert fa.gradient(field, {"y": 1.0, "x": 0.5}, normalised=True).attrs == attrs
    np.testing.assert_allclose(fa.gradient(field, {"x": 0.5})[:, 15, 15], [3])
    np.testing.assert_allclose(
        fa.structure_tensor(field, {"y": 1.0, "x": 0.5}, {"y": 0.5, "x": 0.5})[1, 15, 15], 6, rtol=1e-4
    )
    times = (
        field[0]
        .drop_vars(("x", "y"))
        .assign_coords(x=np.datetime64("2026-01-01") + np.arange(30) * np.timedelta64(60, "s"))
    )
    np.testing.assert_allclose(fa.gradient(times, {"x": np.timedelta64(2, "m")})[0, 15], 0.75 / 60)
    with pytest.raises(fa.ArgumentError, match="coordinates"):
        fa.gradient(xr.DataArray(np.ones(5), dims="x"), {"x": 1.0})
    assert fa.structure_tensor(xr.DataArray(np.ones(5), dims="x", attrs={"units": "m"}), 1.0, 1.0).attrs == {}
    with pytest.raises(fa.ArgumentError, match="coordinates"):
        fa.gradient(np.ones(5), {"x": 1.0})
    with pytest.raises(fa.ArgumentError, match="spacing"):
        fa.gradient(field, {"x": 1.0}, spacing=2.0)


def test_gradients_of_tensors():
    x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    for function in (
        lambda t: fa.gradient(t, 1.0),
        lambda t: fa.structure_tensor(t, 0.7, 1.0),
        lambda t: fa.symmetric_eigenvalues(fa.hessian(t, 1.0)),
    ):
        assert torch.autograd.gradcheck(function, (x,))
    flat = torch.zeros(3, 4, requires_grad=True)
    fa.symmetric_eigenvalues(flat).sum().backward()
    assert torch.isfinite(flat.grad).all()


@pytest.mark.parametrize("given", ["nan", "mask"])
def test_missing_samples(given):
    image = RANDOM.standard_normal((20, 22))
    mask = np.ones((20, 22), dtype=bool)
    mask[4:7, 5:12] = False
    holes = np.where(mask, image, np.nan if given == "nan" else 1e30)
    missing = {"nan": "ignore"} if given == "nan" else {"mask": mask}
    bank = fa.Bank.stack(
        [fa.Kernel(np.outer(taps(1.0, 1), taps(1.0, 0))), fa.Kernel(np.outer(taps(1.0, 0), taps(1.0, 1)))]
    )
    wanted = fa.convolve(holes, bank, **missing)
    np.testing.assert_allclose(fa.gradient(holes, 1.0, **missing), wanted, rtol=1e-10, atol=1e-12)
    # A constant has no gradient, whatever is missing.
    constant = np.where(mask, 3.0, np.nan if given == "nan" else 1e30)
    assert np.abs(fa.gradient(constant, 1.0, **missing)).max() < 1e-12
    tensor = fa.structure_tensor(holes, 1.0, 1.5, **missing)
    products = np.stack([wanted[i] * wanted[j] for i, j in PAIRS[2]])
    gaussian = fa.gaussian(1.5, truncate=5)
    np.testing.assert_allclose(
        tensor, fa.convolve(products, gaussian, mask=np.broadcast_to(mask, products.shape)), atol=1e-12
    )
    assert fa.gradient(holes, 1.0, keep_nan=True, **missing)[0, 5, 8] != fa.gradient(holes, 1.0, **missing)[0, 5, 8]


def test_dtypes_and_out():
    x = RANDOM.integers(0, 255, (30, 31)).astype(np.uint8)
    out = np.empty((2, 30, 31), np.float32)
    assert fa.gradient(x, 1.0, out=out) is out
    np.testing.assert_allclose(out, fa.gradient(x.astype(float), 1.0), atol=1e-4)
    np.testing.assert_allclose(fa.hessian(x[::2, ::-1], 1.0), fa.hessian(x[::2, ::-1].copy(), 1.0))
    z = x + 1j * x[::-1]
    np.testing.assert_allclose(fa.gradient(z, 1.0).imag, fa.gradient(x[::-1].astype(float), 1.0), atol=1e-10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: fa.gradient(x, -1.0), "^sigma"),
        (lambda x: fa.gradient(x, "a"), "^sigma"),
        (lambda x: fa.gradient(x, (1.0, 1.0), axes=0), "^sigma"),
        (lambda x: fa.gradient(x, (1.0, 1.0, 1.0)), "^sigma: .*got 3 for an array with 2"),
        (lambda x: fa.hessian(x[0, 0], 1.0), "^sigma: .*got an array without axes"),
        (lambda x: fa.gradient(x, 1.0, spacing=0.0), "^spacing"),
        (lambda x: fa.gradient(x, 1.0, spacing=(1.0, 1.0, 1.0)), "^spacing"),
        (lambda x: fa.gradient(x, 1.0, normalised="yes"), "^normalised"),
        (lambda x: fa.hessian(x, 1.0, truncate=-1), "^truncate"),
        (lambda x: fa.structure_tensor(x, 1.0, -2.0), "^rho"),
        (lambda x: fa.structure_tensor(x, 1.0, {"y": 1.0}), "^rho"),
        (lambda x: fa.structure_tensor(x * 1j, 1.0, 1.0), "^x"),
        (lambda x: fa.structure_tensor(x, (1.0, 1.0), [1.0]), "^rho"),
        (lambda x: fa.symmetric_eigenvalues(x), "^matrices"),
        (lambda x: fa.symmetric_eigenvalues(x[:3] * 1j), "^matrices"),
        (lambda x: fa.gradient(xr.Dataset({"v": ("x", x[0])}), 1.0), "^sigma"),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises((fa.ArgumentError, fa.ArgumentTypeError), match=message):
        call(np.ones((5, 6)))
