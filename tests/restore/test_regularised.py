"""Tikhonov and Wiener: the solution of the normal equations of the matrix, any border and mask."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import faltung as fa
from faltung.errors import ArgumentError
from faltung.ground.boundary import MODES

RANDOM = np.random.default_rng(0)
PSF = fa.Kernel([[0.0, 1.0, 2.0], [3.0, 5.0, 1.0]], origin=(0, 2)) / 12
X = RANDOM.random((7, 8)) + 0.1


def matrix(kernel, shape, mode):
    units = np.eye(int(np.prod(shape))).reshape(-1, *shape)
    return np.stack([fa.convolve(unit, kernel, mode).ravel() for unit in units], 1)


def solved(x, blur, bend, ridge, present):
    back = blur.conj().T
    return np.linalg.solve(back @ (present[:, None] * blur) + ridge * bend.conj().T @ bend, back @ (present * x))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("mode", [*MODES, ("wrap", "nearest")])
@pytest.mark.parametrize("kernel", [PSF, PSF + 0.3j * PSF.flip()])
def test_the_normal_equations_are_solved(mode, masked, kernel):
    present = np.random.default_rng(1).random(X.size) > 0.2 if masked else np.ones(X.size, bool)
    mask = present.reshape(X.shape) if masked else None
    blur, bend = matrix(kernel, X.shape, mode), matrix(fa.laplacian(), X.shape, mode)
    wanted = solved(X.ravel(), blur, bend, 0.01, present)
    found = fa.restore.tikhonov(X, kernel, 0.01, mode=mode, mask=mask, tolerance=1e-12)
    np.testing.assert_allclose(found.ravel(), wanted, atol=1e-8)
    mean, total = X.ravel()[present].mean(), kernel.taps.sum()
    rest = X.ravel() - blur @ np.full(X.size, mean / total)
    wanted = mean / total + solved(rest, blur, np.eye(X.size), 0.04, present)
    found = fa.restore.wiener(X, kernel, 0.1, 0.5, mode, mask=mask, tolerance=1e-12)
    np.testing.assert_allclose(found.ravel(), wanted, atol=1e-8)


def test_wrap_is_a_quotient_of_transforms():
    taps = np.zeros(X.shape)
    for row, lag in enumerate(PSF.lags[0]):
        for column, other in enumerate(PSF.lags[1]):
            taps[lag % 7, other % 8] += PSF.taps[row, column]
    transfer, steps = np.fft.fft2(taps), []
    wanted = X.mean() + np.fft.ifft2(transfer.conj() * np.fft.fft2(X - X.mean()) / (abs(transfer) ** 2 + 0.04))
    found = fa.restore.wiener(X, PSF, 0.1, 0.5, "wrap", progress=lambda step, u: steps.append(step))
    np.testing.assert_allclose(found, wanted.real, atol=1e-12)
    assert not steps


@pytest.mark.parametrize("mode", ["reflect", "mirror", "nearest", "wrap"])
def test_constants_are_kept_up_to_the_edge(mode):
    x = np.full((20, 24), 3.0, np.float32)
    smooth = fa.restore.tikhonov(x, fa.gaussian(2.0), 1e-3, mode=mode)
    for found in (smooth, fa.restore.wiener(x, PSF, 0.1, 1.0, mode)):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, 3.0, rtol=2e-3)


def test_edges_have_no_artefacts():
    truth = fa.gaussian(2.0)(RANDOM.random((48, 48))) + np.linspace(0, 3, 48)
    psf = fa.gaussian(1.5)
    x = fa.convolve(truth, psf, "reflect")
    ours = fa.restore.tikhonov(x, psf, 1e-6)
    periodic = fa.restore.tikhonov(x, psf, 1e-6, mode="wrap")
    assert abs(ours - truth).max() < 0.02
    assert abs(periodic - truth).max() > 1


def test_tensors_and_their_gradients():
    x = torch.tensor(X, requires_grad=True)
    found = fa.restore.tikhonov(x, PSF, 0.01, tolerance=1e-13)
    np.testing.assert_allclose(found.detach(), fa.restore.tikhonov(X, PSF, 0.01, tolerance=1e-13), atol=1e-9)
    found[3, 4].backward()
    step = np.zeros_like(X)
    step[3, 3] = 1.0
    before, after = (fa.restore.tikhonov(y, PSF, 0.01, tolerance=1e-13) for y in (X, X + step))
    np.testing.assert_allclose(x.grad[3, 3], (after - before)[3, 4], atol=1e-8)
    wrapped = fa.restore.wiener(torch.tensor(X), PSF, 0.1, mode="wrap")
    np.testing.assert_allclose(wrapped, fa.restore.wiener(X, PSF, 0.1, mode="wrap"), atol=1e-12)


def test_batches_signals_volumes():
    x = RANDOM.random((6, 7, 3)).astype(np.float32)
    both = fa.restore.tikhonov(x, PSF, 0.01, axes=(1, 0), tolerance=1e-6)
    each = [fa.restore.tikhonov(x[..., k], PSF, 0.01, axes=(1, 0), tolerance=1e-6) for k in range(3)]
    np.testing.assert_allclose(both, np.stack(each, -1), atol=1e-4)
    wrapped = fa.restore.tikhonov(x, PSF, 0.01, axes=(1, 0), mode="wrap")
    np.testing.assert_allclose(
        wrapped[..., 1], fa.restore.tikhonov(x[..., 1], PSF, 0.01, axes=(1, 0), mode="wrap"), atol=1e-5
    )
    volume = RANDOM.random((5, 6, 7))
    psf = fa.gaussian(0.6, ndim=3)
    again = fa.restore.tikhonov(fa.convolve(volume, psf), psf, 1e-12, tolerance=1e-12)
    np.testing.assert_allclose(again, volume, atol=1e-5)


def test_nan_is_missing_on_demand():
    x = X.copy()
    x[2, 3] = np.nan
    found = fa.restore.tikhonov(x, PSF, 0.01, nan="ignore", tolerance=1e-12)
    wanted = fa.restore.tikhonov(X, PSF, 0.01, mask=~np.isnan(x), tolerance=1e-12)
    np.testing.assert_allclose(found, wanted, atol=1e-10)
    with pytest.raises(ArgumentError, match=r"^x: expected finite samples"):
        fa.restore.tikhonov(x, PSF, 0.01)


def test_too_few_steps_are_reported_and_progress_is():
    with pytest.warns(RuntimeWarning, match="^iterations: after 1 steps"):
        fa.restore.tikhonov(X, PSF, 1e-6, iterations=1)
    steps = []
    fa.restore.tikhonov(X, PSF, 1e-3, progress=lambda step, u: steps.append(step) or step == 2)
    assert steps == [1, 2]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: fa.restore.tikhonov(X, PSF, 0.0), "ridge: expected a number above 0"),
        (lambda: fa.restore.tikhonov(X, PSF, 1.0, [1.0, -1.0]), "penalty: expected a kernel with as many axes"),
        (lambda: fa.restore.wiener(X, PSF, 0), "noise: expected a number above 0"),
        (lambda: fa.restore.wiener(X, PSF, 1, 0), "signal: expected a number above 0"),
        (lambda: fa.restore.wiener(X, PSF, 1, iterations=0), "iterations: expected a positive integer"),
    ],
)
def test_wrong_arguments_are_named(call, text):
    with pytest.raises(ArgumentError, match=f"^{text}"):
        call()
