"""The kernel between two point spread functions, with noise: beside the ratio of Fourier transforms."""

from __future__ import annotations

import numpy as np
import pytest

import faltung as fa


def moffat(width, power, stretch=1.0):
    y, x = np.mgrid[-30:31, -30:31]
    radius = width / (2 * np.sqrt(2 ** (1 / power) - 1))
    profile = (1 + (x**2 + (stretch * y) ** 2) / radius**2) ** -power
    return profile / profile.sum()


@pytest.mark.parametrize("noise", [1e-4, 1e-3])
@pytest.mark.parametrize("seed", range(3))
def test_a_fit_with_few_taps_withstands_noise(noise, seed):
    narrow, wide = moffat(2.5, 3.0), moffat(4.5, 2.5, 1.1)
    random = np.random.default_rng(seed)
    seen = [psf + noise * psf.max() * random.standard_normal(psf.shape) for psf in (narrow, wide)]
    ridge = 5e-4 * (seen[0] ** 2).mean()
    kernel, _ = fa.fit_filter(*seen, 25, ridge=ridge, mode="constant", offset=False, held_out=0)
    spectra = np.fft.fft2(np.fft.ifftshift(seen, axes=(1, 2)))
    ratio = fa.Kernel(np.fft.fftshift(np.fft.ifft2(spectra[1] / spectra[0]).real))

    def error(k):
        return np.abs(k(narrow, mode="constant") - wide).max() / wide.max()

    assert error(kernel) < 5e-3
    # The taps of the ratio are many times as large as the light that they move.
    assert np.abs(kernel.taps).sum() < 2 < 2 * np.abs(ratio.taps).sum()
    if noise == 1e-3:
        assert error(kernel) < error(ratio) / 2
        without, _ = fa.fit_filter(*seen, 25, mode="constant", offset=False, held_out=0)
        assert np.abs(kernel.taps).sum() < np.abs(without.taps).sum()
