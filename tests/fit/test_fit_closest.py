"""The closest named kernel: every name is recognised, with its parameters, and noise is not."""

from __future__ import annotations

import numpy as np
import pytest

import faltung as fa
from faltung.fit.closest import closest_named

NAMES = [
    "delta()",
    "-delta()",
    "laplacian()",
    "0.125 * sobel(axis=1)",
    "prewitt(axis=0)",
    "-2.5 * scharr(axis=0)",
    "binomial(4)",
    "box(5)",
    "box(4)",
    "box((3, 7))",
    "disk(4)",
    "gaussian(1.5)",
    "gaussian((1, 1.7))",
    "1.25 * gaussian(1.23)",
    "log(1.1)",
    "dog(0.9)",
    "gaussian_derivative(1.3, axis=0)",
    "unsharp(sigma=1.2, amount=0.7)",
    "motion(9, angle=0.5)",
]


def fifteen(kernel):
    """The kernel as an array of 15 taps along each axis, as a fit returns it."""
    padded = kernel + fa.Kernel(np.zeros((15,) * kernel.ndim))
    return fa.Kernel(padded.taps[tuple(slice(at - 7, at + 8) for at in padded.origin)])


@pytest.mark.parametrize("name", NAMES)
def test_a_named_filter_is_recognised(name):
    expected = fa.parse(name)
    closest = closest_named(fifteen(expected))
    assert repr(closest.kernel) == name
    missing = expected.taps.size > 225  # its tails reach beyond the 15 taps
    assert closest.distance <= (0.01 if missing else 1e-12)


@pytest.mark.parametrize("name", ["sobel(axis=1)", "gaussian(1.5)", "motion(9, angle=0.5)", "unsharp(1.2, 0.7)"])
def test_noise_does_not_hide_the_name(name):
    expected = fa.parse(name)
    noise = np.random.default_rng(0).normal(size=(15, 15)) * np.linalg.norm(expected.taps) * 1e-3 / 15
    closest = closest_named(fa.Kernel(fifteen(expected).taps + noise))
    assert repr(closest.kernel).partition("(")[0] == name.partition("(")[0]
    assert np.linalg.norm((closest.kernel - expected).taps) < 0.01 * np.linalg.norm(expected.taps)
    assert closest.distance == pytest.approx(1e-3, rel=0.2)


@pytest.mark.parametrize(
    ("kernel", "name"),
    [
        (fa.Kernel([0.25, 0.5, 0.25]), "binomial(2, ndim=1)"),
        (fa.Kernel([1.0, 1.0, 1.0, 1.0, 1.0]), "5 * box(5, ndim=1)"),
        (fa.Kernel(fa.gaussian(1, ndim=3).taps), "gaussian(1, ndim=3)"),
        (fa.Kernel(fa.sobel(axis=2, ndim=3).taps), "sobel(axis=2, ndim=3)"),
        (fa.Kernel([[2.0]]), "2 * delta()"),
        (fa.Kernel(np.zeros((3, 3))), "0 * delta()"),
    ],
)
def test_other_dimensions_and_single_taps(kernel, name):
    closest = closest_named(kernel)
    assert repr(closest.kernel) == name
    assert closest.distance < 1e-12


def test_noise_is_far_from_every_named_kernel():
    noise = np.random.default_rng(1).normal(size=(7, 7))
    closest = closest_named(fa.Kernel(noise))
    expected = np.linalg.norm((fa.Kernel(noise) - closest.kernel).taps) / np.linalg.norm(noise)
    assert closest.distance == pytest.approx(expected)
    assert closest.distance > 0.5


def test_the_closest_kernel_can_be_parsed():
    rng = np.random.default_rng(2)
    for _ in range(2):
        kernel = fa.Kernel(rng.random((5, 5)))
        closest = closest_named(kernel).kernel
        assert fa.parse(repr(closest)) == closest
