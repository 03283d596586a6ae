"""Variances of outputs: those of many draws, and of a matrix, for every kind of array."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import torch
import xarray as xr

import faltung as fa

RANDOM = np.random.default_rng(0)
KERNELS = {
    "gaussian": fa.gaussian(1.0),
    "signed": fa.sobel(axis=0) * fa.box(2) + 0.3 * fa.delta(),
    "dense": fa.Kernel(RANDOM.standard_normal((3, 4)), origin=(0, 2)),
}


def matrix_of(call, shape):
    """The matrix of a linear map, from its outputs for unit impulses."""
    size = int(np.prod(shape))
    return np.stack([call(unit.reshape(shape)).ravel() for unit in np.eye(size)], axis=1)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("mode", ["reflect", "constant", "wrap"])
@pytest.mark.parametrize("steps", [{}, {"stride": 2}, {"dilation": 2}, {"shape": "full", "mode": "constant"}])
def test_every_output_is_a_sum_of_independent_samples(name, mode, steps):
    # Where a sample is read more than once, as copies beyond the border are, its errors are not independent; the
    # rule then takes each copy as a sample of its own, like all tools do. Outputs away from the border agree.
    x, v = RANDOM.standard_normal((20, 21)), RANDOM.random((20, 21))
    steps = {"mode": mode} | steps
    y, found = fa.convolve(x, KERNELS[name], variance=v, **steps)
    np.testing.assert_array_equal(y, fa.convolve(x, KERNELS[name], **steps))
    matrix = matrix_of(lambda unit: fa.convolve(unit, KERNELS[name], **steps), x.shape)
    wanted = (matrix**2 @ v.ravel()).reshape(y.shape)
    if steps["mode"] in ("constant", "wrap"):
        np.testing.assert_allclose(found, wanted, rtol=1e-10)
    else:
        inner = (slice(6, -6),) * 2 if not steps.keys() & {"stride", "dilation"} else (slice(3, -3),) * 2
        np.testing.assert_allclose(found[inner], wanted[inner], rtol=1e-10)
    back, also = fa.correlate(x, KERNELS[name].flip(), variance=v, **steps)
    np.testing.assert_allclose(also, found, rtol=1e-12)
    np.testing.assert_allclose(back, y, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("kind", ["nan", "mask", "weights", "masked array"])
def test_missing_samples_are_left_out(name, kind):
    x, v, mask = RANDOM.standard_normal((10, 11)), RANDOM.random((10, 11)), RANDOM.random((10, 11)) > 0.3
    mask[2:8, 2:8] = False
    v[~mask] = np.nan
    weights = RANDOM.random(x.shape) * mask
    arguments = {"nan": {"nan": "ignore"}, "mask": {"mask": mask}, "weights": {"weights": weights}}.get(kind, {})

    def call(z, **more):
        if kind == "nan":
            z = np.where(mask, z, np.nan)
        if kind == "masked array":
            z = np.ma.masked_array(z, ~mask)
        return fa.convolve(z, KERNELS[name], "constant", **arguments, **more)

    y, found = call(x, variance=np.where(mask, v, np.nan))
    matrix = matrix_of(lambda unit: np.ma.filled(call(unit), np.nan), x.shape)
    with np.errstate(invalid="ignore"):
        wanted = (matrix**2 @ np.where(mask, v, 0.0).ravel()).reshape(y.shape)
    np.testing.assert_array_equal(np.isnan(np.ma.filled(found, np.nan)), np.isnan(wanted))
    np.testing.assert_allclose(np.ma.filled(found, np.nan), wanted, rtol=1e-9)


def test_many_draws_have_this_spread():
    sigma = 0.1 + RANDOM.random((40, 40))
    draws = RANDOM.standard_normal((3000, 40, 40)) * sigma
    spread = fa.convolve(draws, fa.unsharp(1.0), "wrap").var(axis=0)
    _, found = fa.convolve(draws[0], fa.unsharp(1.0), "wrap", variance=sigma**2)
    assert np.abs(spread / found - 1).max() < 0.15
    _, wrong = fa.convolve(draws[0], fa.unsharp(1.0), "wrap"), fa.convolve(sigma**2, fa.unsharp(1.0), "wrap")
    assert np.abs(spread / wrong - 1).max() > 0.5  # convolving variances with the kernel itself, a usual mistake


def test_all_kinds_of_arrays():
    x, v = RANDOM.standard_normal((30, 40)), RANDOM.random((30, 40))
    x[4, 5] = np.nan
    kernel = KERNELS["signed"]
    for more in ({}, {"nan": "ignore", "keep_nan": True}):
        y, wanted = fa.convolve(x, kernel, variance=v, **more)
        if more:
            assert np.isnan(wanted[4, 5])
        lazy = fa.convolve(da.from_array(x, chunks=11), kernel, variance=da.from_array(v, chunks=13), **more)
        np.testing.assert_allclose(lazy[0].compute(), y)
        np.testing.assert_allclose(lazy[1].compute(), wanted)
        tensors = fa.convolve(torch.from_numpy(x), kernel, variance=torch.from_numpy(v), **more)
        np.testing.assert_allclose(tensors[0].numpy(), y, atol=1e-12)
        np.testing.assert_allclose(tensors[1].numpy(), wanted, atol=1e-12)
        labelled = fa.convolve(
            xr.DataArray(x, dims=("y", "x")), kernel, variance=xr.DataArray(v, dims=("y", "x")), **more
        )
        np.testing.assert_allclose(labelled[1].values, wanted)
        assert labelled[1].dims == ("y", "x")
        single = kernel(x.astype("f4"), variance=v.astype("f4"), **more)
        assert single[1].dtype == np.float32
        np.testing.assert_allclose(single[1], wanted, rtol=1e-5)


def test_banks_and_tensors_of_taps():
    x, v = RANDOM.standard_normal((3, 20, 20)), RANDOM.random((3, 20, 20))
    bank = fa.Bank(RANDOM.standard_normal((4, 3, 3, 3)))
    _, found = bank(x, channel_axis=0, variance=v)
    wanted = sum(fa.convolve(v[i], fa.Bank(bank.taps**2)[2, i]) for i in range(3))
    np.testing.assert_allclose(found[2], wanted)
    taps = torch.from_numpy(KERNELS["dense"].taps.copy()).requires_grad_()
    _, spread = fa.convolve(torch.from_numpy(x), taps, variance=torch.from_numpy(v))
    spread.sum().backward()
    assert torch.isfinite(taps.grad).all()


def test_squares_of_kernels():
    for kernel in (fa.gaussian(1.5), fa.gabor(0.2, 2.0), fa.Bank.stack([fa.sobel(), fa.box(3)])):
        square = kernel.squared()
        np.testing.assert_allclose(square.taps, np.abs(kernel.taps) ** 2, rtol=1e-14)
        assert square.origin == kernel.origin
    assert fa.gaussian(1.5).squared().rank() == 1
    assert repr(fa.gaussian(1.5).squared()) == "gaussian(1.5).squared()"
    assert fa.parse("2 * (gaussian(1.5) - box(3)).squared()") == 2 * (fa.gaussian(1.5) - fa.box(3)).squared()


@pytest.mark.parametrize("variance", [np.ones((3, 3)), -np.ones((8, 9)), 1j * np.ones((8, 9)), torch.ones(8, 9)])
def test_bad_variances(variance):
    with pytest.raises((fa.ArgumentError, fa.ArgumentTypeError), match=r"^variance"):
        fa.convolve(np.zeros((8, 9)), fa.box(3), variance=variance)
