"""Filters that vary over an array: each output, or each sample, has the kernel of its place."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import faltung as fa
from faltung import ArgumentError, ArgumentTypeError
from faltung.signals import varying_filter

laws = settings(deadline=None, max_examples=25)
RANDOM = np.random.default_rng(0)
MODES = ["reflect", "constant", "nearest", "mirror", "wrap"]
PADDING = {"reflect": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap", "constant": "constant"}
KERNELS = [fa.gaussian(1.0), fa.Kernel(RANDOM.standard_normal((2, 3)), origin=(0, 2)), fa.delta()]


def gathered(x, kernels, weights, mode, cval=0.0):
    """Each output from the kernel of its place: a slow loop over all places and taps."""
    reach = max(max(k.shape) for k in kernels)
    more = {"constant_values": cval} if mode == "constant" else {}
    padded = np.pad(x, reach, PADDING[mode], **more)
    y = np.zeros(x.shape, np.result_type(x, float))
    for place in np.ndindex(*x.shape):
        for kernel, one in zip(kernels, weights, strict=True):
            for index in np.ndindex(*kernel.shape):
                at = tuple(n + reach - i + o for n, i, o in zip(place, index, kernel.origin, strict=True))
                y[place] += one[place] * kernel.taps[index] * padded[at]
    return y


def scattered(x, kernels, weights):
    """Each sample spread by the kernel of its place, with nothing beyond the border."""
    y = np.zeros(x.shape)
    for place in np.ndindex(*x.shape):
        for kernel, one in zip(kernels, weights, strict=True):
            for index in np.ndindex(*kernel.shape):
                at = tuple(n + i - o for n, i, o in zip(place, index, kernel.origin, strict=True))
                if all(0 <= a < size for a, size in zip(at, x.shape, strict=True)):
                    y[at] += one[place] * kernel.taps[index] * x[place]
    return y


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(12, 13), (2, 3)])
@pytest.mark.parametrize("held", [2**25, 1])
def test_every_output_has_its_kernel(monkeypatch, shape, mode, held):
    monkeypatch.setattr(varying_filter, "_HELD_BYTES", held)
    x, weights = RANDOM.standard_normal(shape), RANDOM.standard_normal((3, *shape))
    wanted = gathered(x, KERNELS, weights, mode, 1.5)
    for kernels in (KERNELS, fa.Bank.stack(KERNELS)):
        np.testing.assert_allclose(fa.varying(x, kernels, weights, mode, 1.5), wanted, atol=1e-12)
    arrays = [k.taps if k.origin == tuple(n // 2 for n in k.shape) else k for k in KERNELS]
    np.testing.assert_allclose(fa.varying(x, arrays, [*weights], mode, 1.5), wanted, atol=1e-12)


def test_every_sample_is_spread_by_its_kernel():
    x, weights = RANDOM.standard_normal((12, 13)), RANDOM.standard_normal((3, 12, 13))
    found = fa.varying(x, KERNELS, weights, "constant", weights_at="input")
    np.testing.assert_allclose(found, scattered(x, KERNELS, weights), atol=1e-12)


def test_light_is_kept_where_samples_are_spread():
    x, right = np.zeros((30, 30)), np.broadcast_to(np.linspace(0, 1, 30) ** 2, (30, 30))
    x[8:22, 8:22] = RANDOM.random((14, 14))
    y = fa.varying(x, [fa.gaussian(0.6), fa.gaussian(1.5)], [1 - right, right], weights_at="input")
    np.testing.assert_allclose(y.sum(), x.sum(), rtol=1e-12)
    other = fa.varying(x, [fa.gaussian(0.6), fa.gaussian(1.5)], [1 - right, right])
    assert abs(other.sum() / x.sum() - 1) > 1e-4


@laws
@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from(["constant", "wrap"]), st.integers(0, 2**20))
def test_the_two_forms_are_transposes(rows, columns, mode, seed):
    random = np.random.default_rng(seed)
    x, y = random.standard_normal((2, rows, columns))
    kernels = [fa.Kernel(random.standard_normal(random.integers(1, 5, 2))) for _ in range(2)]
    weights = random.standard_normal((2, rows, columns))
    forward = fa.varying(x, kernels, weights, mode)
    back = fa.varying(y, [k.flip() for k in kernels], weights, mode, weights_at="input")
    np.testing.assert_allclose((forward * y).sum(), (x * back).sum(), atol=1e-10)


@laws
@given(st.integers(0, 2**20), st.sampled_from(["output", "input"]), st.sampled_from(MODES))
def test_weights_that_do_not_vary_make_one_kernel(seed, weights_at, mode):
    random = np.random.default_rng(seed)
    x = random.standard_normal((9, 10))
    a, b = random.standard_normal(2)
    found = fa.varying(x, KERNELS[:2], [np.full((1, 1), a), np.float64(b)], mode, weights_at=weights_at)
    np.testing.assert_allclose(found, fa.convolve(x, a * KERNELS[0] + b * KERNELS[1], mode), atol=1e-12)


@pytest.mark.parametrize("weights_at", ["output", "input"])
def test_every_kind_of_array(weights_at):
    x, weights = RANDOM.standard_normal((20, 21)), RANDOM.random((3, 20, 21))
    wanted = fa.varying(x, KERNELS, weights, weights_at=weights_at)
    tensor, maps = torch.tensor(x, requires_grad=True), torch.tensor(weights, requires_grad=True)
    found = fa.varying(tensor, KERNELS, maps, weights_at=weights_at)
    np.testing.assert_allclose(found.detach(), wanted, atol=1e-12)
    found.square().sum().backward()
    assert tensor.grad.abs().max() > 0
    assert maps.grad.abs().max() > 0
    np.testing.assert_allclose(
        fa.varying(tensor.detach(), KERNELS, weights, weights_at=weights_at), wanted, atol=1e-12
    )
    taps = torch.tensor(KERNELS[0].taps, requires_grad=True)
    fa.varying(tensor.detach(), [taps, KERNELS[2]], maps.detach()[:2], weights_at=weights_at).sum().backward()
    assert taps.grad.abs().max() > 0
    lazy = fa.varying(da.from_array(x, chunks=(9, 8)), KERNELS, weights, weights_at=weights_at)
    assert isinstance(lazy, da.Array)
    np.testing.assert_allclose(lazy, wanted, atol=1e-12)
    labelled = xr.DataArray(x, dims=("y", "x"))
    found = fa.varying(labelled, KERNELS, xr.DataArray(weights, dims=("i", "y", "x")), weights_at=weights_at)
    assert found.dims == ("y", "x")
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    np.testing.assert_allclose(fa.varying(labelled, KERNELS, weights, weights_at=weights_at), wanted, atol=1e-12)
    np.testing.assert_allclose(fa.varying(x.tolist(), KERNELS, weights.tolist(), weights_at=weights_at), wanted)


def test_other_axes_are_a_batch_and_dtypes_are_kept():
    x = RANDOM.random((4, 15, 16), dtype=np.float32)
    weights = RANDOM.random((3, 15, 16), dtype=np.float32)
    found = fa.varying(x, KERNELS, weights)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[2], fa.varying(x[2], KERNELS, weights), rtol=1e-5)
    rows = [fa.gaussian(1.0, ndim=1), fa.delta(ndim=1)]
    found = fa.varying(x, rows, weights[:2], axes=1)
    one = weights[0] * fa.convolve(x, rows[0], axes=1) + weights[1] * x
    np.testing.assert_allclose(found, one, rtol=1e-5)
    many = fa.varying(x, KERNELS, weights, workers=1)
    np.testing.assert_array_equal(many, fa.varying(x, KERNELS, weights, workers=3))
    z = x + 1j * x[::-1]
    np.testing.assert_allclose(fa.varying(z, KERNELS, weights).imag, fa.varying(x[::-1], KERNELS, weights), rtol=1e-4)


@pytest.mark.parametrize("given", ["nan", "mask"])
def test_missing_samples_are_left_out(given):
    x, weights = RANDOM.random((15, 16)), RANDOM.random((2, 15, 16))
    valid = RANDOM.random(x.shape) > 0.3
    missing = {"nan": "ignore"} if given == "nan" else {"mask": valid}
    z = np.where(valid, x, np.nan)
    kernels = [fa.gaussian(1.0), fa.gaussian(2.0)]
    found = fa.varying(z, kernels, weights, **missing)
    parts = [one * fa.convolve(z, kernel, nan="ignore") for one, kernel in zip(weights, kernels, strict=True)]
    np.testing.assert_allclose(found, sum(parts), rtol=1e-12)
    spread = fa.varying(z, kernels, weights, weights_at="input", **missing)
    parts = [fa.convolve(one * z, kernel, nan="ignore") for one, kernel in zip(weights, kernels, strict=True)]
    np.testing.assert_allclose(spread, sum(parts), rtol=1e-12)


X = np.ones((4, 5))
TWO = [fa.delta(), fa.box(3)]


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: fa.varying(X, TWO, np.ones((3, 4, 5))), ArgumentError, "weights: expected one map for each of 2"),
        (lambda: fa.varying(X, TWO, np.ones((2, 4, 6))), ArgumentError, "weights: expected maps whose shapes broad"),
        (
            lambda: fa.varying(X, TWO, np.ones((2, 2, 4, 5))),
            ArgumentError,
            "broadcast to that of x, (4, 5), got",
        ),
        (lambda: fa.varying(X, TWO, 1.0), ArgumentTypeError, "weights: expected one map for each of 2 kernels"),
        (
            lambda: fa.varying(X, fa.delta(), X),
            ArgumentTypeError,
            "kernels: expected several kernels, got one",
        ),
        (lambda: fa.varying(X, 3, X), ArgumentTypeError, "kernels: expected a bank, or several kernels, got 3"),
        (lambda: fa.varying(X, [], []), ArgumentError, "len(kernels): expected a positive integer"),
        (
            lambda: fa.varying(X, fa.Bank(np.ones((2, 3, 1, 1))), X),
            ArgumentError,
            "kernels: expected a bank with",
        ),
        (lambda: fa.varying(X, TWO, X[None], weights_at="both"), ArgumentError, "weights_at: expected 'output' or"),
        (
            lambda: fa.varying(X, TWO, [X, X], "constant", 1.0, weights_at="input"),
            ArgumentError,
            "cval: expected zero with weights_at='input', got 1.0",
        ),
        (
            lambda: fa.varying(xr.Dataset({"v": ("x", [1.0])}), TWO, [X, X]),
            ArgumentTypeError,
            "x: expected an array, got a Dataset",
        ),
        (
            lambda: fa.varying(xr.DataArray(X, dims=("y", "x")), TWO, [xr.DataArray(X, dims=("y", "z"))] * 2),
            ArgumentError,
            "weights: expected maps whose shapes broadcast",
        ),
    ],
)
def test_wrong_arguments(call, kind, message):
    with pytest.raises(kind) as error:
        call()
    assert message in str(error.value)
