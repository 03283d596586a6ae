"""The sums that make up for missing samples: written out, over companions of a kernel, in cells."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import faltung as fa

RNG = np.random.default_rng(21)

SIGNED = {
    "sobel": fa.sobel(),
    "corner": fa.Kernel([[0, 0, 0], [1, 2, 0], [3, -4, 0]], origin=(0, 2)),
    "mostly negative": fa.Kernel([[-1, -2, -1], [-2, 5, -2], [-1, 0, -1]]),
    "dense 7": fa.Kernel(RNG.standard_normal((7, 7))),
    "dense 12": fa.Kernel(RNG.standard_normal((12, 12)) + 0.1),
    "log": fa.log(2.0),
    "dog": fa.dog(1.0, 2.0),
    "unsharp": 2.0 * fa.delta() - fa.gaussian(2.0),
    "derivative": fa.gaussian_derivative(2.0, (0, 1)),
    "asymmetric": fa.Kernel(np.outer(np.hanning(20)[1:-1], RNG.standard_normal(9)), origin=(2, 8)),
    "large": fa.Kernel(RNG.standard_normal((21, 23))),
}


def defined(x, kernel, mode, weights):
    """The formula, with sums over taps one by one in double precision; NaN where nothing is present."""
    pads = [(size - 1 - origin, origin) for size, origin in zip(kernel.shape, kernel.origin, strict=True)]
    extended = {"reflect": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap"}[mode]
    present = np.where(weights > 0, x, 0.0).astype(float) * weights
    samples, shares = (np.pad(part.astype(float), pads, mode=extended) for part in (present, weights))
    taps = np.flip(kernel.taps)
    starts = [size - 1 for size in kernel.shape]
    values, means, weight, missing = np.zeros((4, *x.shape))
    for place in np.argwhere(taps):
        tap = taps[tuple(place)]
        at = tuple(slice(k, k + n) for k, n in zip(place, x.shape, strict=True))
        values += tap * samples[at]
        means += abs(tap) * samples[at]
        weight += abs(tap) * shares[at]
        missing += tap * (1 - shares[at])
    assert all(part.shape[k] == x.shape[k] + starts[k] for part in (samples, shares) for k in range(x.ndim))
    with np.errstate(all="ignore"):
        filled = values + missing * means / weight
    return np.where(weight > 0, filled, np.nan), weight / np.abs(taps).sum()


def check(got, wanted, share, kernel, eps):
    assert_array_equal(np.isnan(got), np.isnan(wanted))
    there = ~np.isnan(wanted)
    scale = np.abs(kernel.taps).sum() / share[there]
    assert (np.abs(got - wanted)[there] <= eps * scale).all()


@pytest.mark.parametrize("name", SIGNED)
@pytest.mark.parametrize("mode", ["reflect", "mirror", "nearest", "wrap"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_taps_of_both_signs(name, mode, dtype):
    kernel, eps = SIGNED[name], 2e-5 if dtype == "f4" else 1e-12
    # Only near the border does a mode matter: many tiles are computed in one mode.
    for shape in ((9, 11), (70, 130), *([(300, 410)] if mode == "reflect" else [])):
        if min(shape) < max(kernel.shape) and mode in ("mirror", "reflect", "wrap"):
            continue  # NumPy pads by other rules there
        x = RNG.random(shape).astype(dtype)
        weights = RNG.random(shape).round(2) * (RNG.random(shape) < 0.9)
        weights[2:7, 3:8] = 0
        mask = weights > 0
        holes = np.where(mask, x, np.nan).astype(dtype)
        wanted = defined(x, kernel, mode, mask)
        weighted = defined(x, kernel, mode, weights.astype(dtype).astype(float))
        for method in ("auto", "direct", "fourier"):
            named = {"mode": mode, "method": method}
            check(fa.convolve(holes, kernel, nan="ignore", **named), *wanted, kernel, eps)
            check(fa.convolve(x, kernel, mask=mask, **named), *wanted, kernel, eps)
            got = fa.convolve(holes, kernel, nan="ignore", weights=weights, **named)
            check(got, *weighted, kernel, eps)


@pytest.mark.parametrize("method", ["auto", "fourier"])
@pytest.mark.parametrize("kernel", [fa.log(2.0), fa.gaussian(5.0), SIGNED["large"]], ids=["log", "gaussian", "large"])
def test_a_large_hole(kernel, method):
    x = RNG.random((400, 500)).astype("f4")
    weights = np.ones(x.shape)
    weights[100:300, 150:400] = 0
    weights[180, 260] = 1  # a single sample in the middle
    got = fa.convolve(x, kernel, mask=weights > 0, method=method)
    check(got, *defined(x, kernel, "reflect", weights), kernel, 2e-5)
    assert np.isnan(got).any()
    whole = fa.convolve(x, kernel, mask=weights > 0, method=method, workers=1)
    assert_array_equal(got, whole)


def test_a_volume_of_both_signs():
    kernel = fa.Kernel(RNG.standard_normal((3, 5, 4)))
    x, mask = RNG.random((12, 40, 50)), RNG.random((12, 40, 50)) < 0.9
    for method in ("direct", "fourier"):
        got = fa.convolve(x, kernel, mask=mask, method=method)
        check(got, *defined(x, kernel, "reflect", mask.astype(float)), kernel, 1e-12)


def test_infinities_beside_missing_samples_under_both_signs():
    x = RNG.random((60, 90))
    x[20, 30], x[22, 31], x[40:43, 50:53] = np.inf, -np.inf, np.nan
    for name in ("sobel", "dense 7", "log", "derivative"):
        kernel = SIGNED[name]
        wanted = fa.convolve(x, kernel, nan="ignore", method="fourier")
        for method in ("auto", "direct"):
            got = fa.convolve(x, kernel, nan="ignore", method=method)
            assert_array_equal(np.isnan(got), np.isnan(wanted))
            assert_array_equal(got[np.isinf(wanted)], wanted[np.isinf(wanted)])
            assert_allclose(got[np.isfinite(wanted)], wanted[np.isfinite(wanted)], atol=1e-10)


def test_a_plan_says_which_sums_there_are():
    run = fa.plan((500, 600), fa.log(2.0), dtype="f4", nan="ignore", method="separable")
    assert "weights by separable, taps of the rarer sign by direct" in str(run)
    run = fa.plan((500, 600), SIGNED["large"], dtype="f4", nan="ignore", method="fourier")
    assert "weights by fourier, magnitudes by fourier" in str(run)
    run = fa.plan((500, 600), fa.sobel(), dtype="f4", weights=True)
    assert "weights along with the samples" in str(run)


def test_some_weights_that_are_no_shares_are_found_wherever_they_are():
    weights = np.ones((300, 400))
    weights[-1, -1] = 1.5
    for bad in (weights, np.where(weights > 1, np.nan, weights), -weights[:, -1:] + 1):
        with pytest.raises(fa.errors.ArgumentError, match="numbers from 0 to 1"):
            fa.convolve(np.ones((300, 400)), fa.sobel(), weights=bad)
