"""Restoration does not depend on the unit of the samples, however large or small it makes them."""

import numpy as np
import pytest
import torch

import faltung as fa

PSF = fa.gaussian(1.0)
IMAGE = np.abs(fa.convolve(np.random.default_rng(0).random((20, 21)), fa.gaussian(1.0)))
EXTREME = [("f4", 120), ("f4", -130), ("f8", 1010), ("f8", -1010)]


@pytest.mark.parametrize(("dtype", "power"), EXTREME)
@pytest.mark.parametrize("mode", ["reflect", "wrap"])
def test_results_have_the_unit_of_the_samples(dtype, power, mode):
    x, unit = IMAGE.astype(dtype), float(np.ldexp(1.0, power))
    scaled = np.ldexp(x, power)
    for restore, arguments in (
        (fa.restore.wiener, lambda unit: {"noise": 0.01 * unit}),
        (fa.restore.wiener, lambda unit: {"noise": 0.01 * unit, "signal": 0.2 * unit}),
        (fa.restore.tikhonov, lambda _: {"ridge": 0.01}),
        (fa.restore.richardson_lucy, lambda unit: {"iterations": 4, "noise": 1e-9 * unit}),
    ):
        wanted = restore(x, PSF, mode=mode, **arguments(1.0))
        got = restore(scaled, PSF, mode=mode, **arguments(unit))
        np.testing.assert_allclose(np.ldexp(got, -power), wanted, rtol=0, atol=2e-5 * np.abs(wanted).max())


def test_steps_and_starts_have_it_too():
    x, seen = np.ldexp(IMAGE, 1000), []
    start = np.full_like(x, np.ldexp(0.5, 1000))
    result = fa.restore.richardson_lucy(x, PSF, 3, start=start, progress=lambda _, u: seen.append(+u) and None)
    np.testing.assert_array_equal(seen[-1], result)
    tensor = fa.restore.richardson_lucy(torch.from_numpy(x), PSF, 3, start=torch.from_numpy(start))
    np.testing.assert_allclose(tensor.numpy(), result, rtol=1e-12)


def test_noise_that_is_far_above_the_signal_leaves_the_mean():
    x = np.ldexp(IMAGE, -1000)
    np.testing.assert_allclose(fa.restore.wiener(x, PSF, 1.0), x.mean(), rtol=1e-9)
