"""Steered derivatives and Gabor pairs equal those made by hand, and turn with the image."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.filters import gabor, gabor_kernel

import faltung as fa

RANDOM = np.random.default_rng(0)


@settings(max_examples=8, deadline=None)
@given(
    ndim=st.integers(1, 3),
    sigma=st.floats(0, 1),
    order=st.integers(1, 2),
    seed=st.integers(0, 99),
)
def test_polynomials_have_exact_directional_derivatives(ndim, sigma, order, seed):
    rng = np.random.default_rng(seed)
    slopes, curvature, vectors = rng.normal(size=ndim), rng.normal(size=(ndim, ndim)), rng.normal(size=(3, ndim))
    places = np.stack(np.meshgrid(*[np.arange(-5.0, 6)] * ndim, indexing="ij"), axis=-1)
    x = places @ slopes + np.einsum("...i,ij,...j", places, curvature, places)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    wanted = units @ slopes if order == 1 else np.einsum("ki,ij,kj->k", units, curvature + curvature.T, units)
    bank = fa.steerable_bank(sigma, vectors, order, ndim=ndim)
    found = fa.convolve(x, bank, axes=tuple(range(ndim)))[(slice(None), *[5] * ndim)]
    np.testing.assert_allclose(found, wanted, atol=1e-9)


@pytest.mark.parametrize("order", [1, 2])
def test_steered_answers_are_combinations_of_gradient_or_hessian(order):
    x = RANDOM.standard_normal((30, 31))
    angles = np.linspace(0, 3, 7)
    y = fa.convolve(x, fa.steerable_bank(1.5, angles, order))
    sin, cos = np.sin(angles), np.cos(angles)
    weights = np.stack([sin, cos]) if order == 1 else np.stack([sin**2, 2 * sin * cos, cos**2])
    parts = fa.gradient(x, 1.5) if order == 1 else fa.hessian(x, 1.5)
    np.testing.assert_allclose(y, np.einsum("ka,kyx->ayx", weights, parts), atol=1e-12)


def test_first_derivatives_in_many_directions_share_two_filters():
    plan = fa.plan(np.empty((512, 512), np.float32), fa.steerable_bank(2.0, 8))
    assert plan.method == "basis"
    assert len(plan.basis.rows) == 2


@pytest.mark.parametrize("angle", [0.0, 0.6, np.pi / 2, 2.0])
def test_gabor_pairs_are_those_of_scikit_image(angle):
    x = RANDOM.standard_normal((40, 41))
    bank = fa.gabor_bank([0.15, 0.3], [angle])
    for k, frequency in enumerate((0.15, 0.3)):
        kernel = gabor_kernel(frequency, theta=angle)
        np.testing.assert_allclose(bank[k, 0].taps + 1j * bank[2 + k, 0].taps, fa.gabor(frequency, angle).taps)
        assert fa.gabor(frequency, angle) == fa.Kernel(kernel)
    real, imaginary = gabor(x, 0.15, angle, mode="reflect")
    magnitude, phase = fa.quadrature(fa.convolve(x, bank))
    np.testing.assert_allclose(magnitude[0], np.hypot(real, imaginary), atol=1e-10)
    np.testing.assert_allclose(np.exp(1j * phase[0]), (real + 1j * imaginary) / magnitude[0], atol=1e-8)


@pytest.mark.parametrize("vector", [(1.0, 0.0, 0.0), (1.0, 2.0, 0.0), (-1.0, 2.0, 0.5)])
def test_gabor_in_three_dimensions(vector):
    frequency, u = 0.2, np.array(vector) / np.linalg.norm(vector)
    bank = fa.gabor_bank(frequency, [vector], ndim=3, truncate=2.5)
    lags = np.stack(np.meshgrid(*[np.arange(n) - n // 2 for n in bank.shape], indexing="ij"))
    sigma = np.sqrt(np.log(2) / 2) / np.pi * 3 / frequency
    wave = np.exp(2j * np.pi * frequency * np.tensordot(u, lags, 1) - (lags**2).sum(0) / (2 * sigma**2))
    wave /= (np.sqrt(2 * np.pi) * sigma) ** 3
    np.testing.assert_allclose(bank[0, 0].taps + 1j * bank[1, 0].taps, wave, atol=1e-15)
    # Other waves answer less.
    x = np.cos(2 * np.pi * frequency * np.tensordot(u, np.indices((25, 26, 27)), 1))
    turned = fa.gabor_bank(frequency, [vector, np.roll(vector, 1)], ndim=3)
    magnitude, _ = fa.quadrature(fa.convolve(x, turned, mode="wrap"))
    assert magnitude[0, 12, 12, 12] > 3 * magnitude[1, 12, 12, 12]


def test_a_quarter_turn_of_the_image_turns_the_answers():
    x = RANDOM.standard_normal((33, 33))
    for bank in (fa.steerable_bank(1.2, 4, 2), fa.gabor_bank(0.2, 4)):
        y, turned = fa.convolve(x, bank), fa.convolve(np.rot90(x), bank)
        if len(y) == 8:
            y, turned = fa.quadrature(y)[0], fa.quadrature(turned)[0]
        # A turn against the clock maps an angle a to a - pi / 2, which up to signs is a + pi / 2.
        np.testing.assert_allclose(turned, np.rot90(np.roll(y, 2, axis=0), axes=(1, 2)), atol=1e-10)


def test_magnitude_and_phase_of_each_kind():
    y = RANDOM.standard_normal((6, 4, 5))
    magnitude, phase = fa.quadrature(y)
    kinds = (
        (torch.from_numpy(y), lambda t: t.numpy()),
        (da.from_array(y, chunks=(2, 2, 5)), np.asarray),
        (xr.DataArray(y), np.asarray),
    )
    for x, read in kinds:
        found = fa.quadrature(x)
        assert type(found[0]) is type(x)
        np.testing.assert_allclose(read(found[0]), magnitude)
        np.testing.assert_allclose(read(found[1]), phase)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fa.steerable_bank(-1.0, 4), "sigma"),
        (lambda: fa.steerable_bank(1.0, 0), "directions"),
        (lambda: fa.steerable_bank(1.0, 4, ndim=3), "directions"),
        (lambda: fa.steerable_bank(1.0, [[0.0, 0.0]]), "directions"),
        (lambda: fa.steerable_bank(1.0, [[0.0, 0.0, 1.0]]), "directions"),
        (lambda: fa.steerable_bank(1.0, [np.nan]), "directions"),
        (lambda: fa.steerable_bank(1.0, "a"), "directions"),
        (lambda: fa.steerable_bank(1.0, 4, 3), "order"),
        (lambda: fa.gabor_bank(0.7, 4), "frequencies"),
        (lambda: fa.gabor_bank([], 4), "frequencies"),
        (lambda: fa.gabor_bank(0.2, 4, bandwidth=0), "bandwidth"),
        (lambda: fa.quadrature(np.ones((3, 4))), "answers"),
        (lambda: fa.quadrature(2.0), "answers"),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises((fa.ArgumentError, fa.ArgumentTypeError), match=message):
        call()
