"""Taps that are the same from both ends: samples are summed in pairs, and pairs that overflow are noticed."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import ndimage

import faltung as fa
from faltung.engines.direct import direct_engine
from faltung.engines.passes import paired
from samples import normal


def line(size, sign):
    """Taps that are the same from both ends, or the opposite."""
    half = np.random.default_rng(size).uniform(0.5, 1.0, size // 2)
    middle = [0.7 if sign > 0 else 0.0] * (size % 2)
    taps = np.concatenate([half, middle, sign * half[::-1]])
    return taps / np.abs(taps).sum()


def correlated(x, down, across, axes):
    """Correlate along two axes, in double precision."""
    result = x.astype(np.float64)
    for taps, axis in zip((down, across), axes, strict=True):
        result = ndimage.correlate1d(result, taps, axis, mode="reflect", origin=0 if len(taps) % 2 else -1)
    return result


@pytest.mark.parametrize(
    ("sizes", "signs", "shape", "dtype"),
    [
        ((7, 7), (1, 1), (50, 70), "f4"),
        ((8, 9), (1, -1), (19, 41), "f8"),
        ((11, 10), (-1, 1), (30, 40, 3), "f4"),
        ((17, 13), (1, 1), (50, 70), "i2"),
        ((25, 7), (-1, -1), (50, 70), "f4"),
        ((3, 27), (1, -1), (9, 40), "f4"),
        ((33, 41), (1, 1), (60, 90), "f4"),
    ],
)
def test_sums_in_pairs_are_the_sums(sizes, signs, shape, dtype):
    down, across = (line(*both) for both in zip(sizes, signs, strict=True))
    kernel = fa.Kernel(np.outer(down, across), origin=tuple((size - 1) // 2 for size in sizes))
    x = (1000 * normal(shape)).astype(dtype) if dtype == "i2" else normal(shape, dtype)
    plan = fa.plan(x, kernel.flip(), axes=(0, 1), method="separable")
    wanted = correlated(x, down, across, (0, 1))
    assert np.abs(plan(x) - wanted).max() <= 2 * plan.error * np.abs(x).max()


def test_taps_in_pairs_are_recognised():
    even, odd, antisymmetric = line(8, 1), line(9, 1), line(9, -1)
    longest = paired.host().vector_bytes >= paired.VECTOR
    assert [paired.mirrored_sign([taps]) for taps in (even, odd, antisymmetric)] == [longest, longest, -longest]
    for other in (odd[:5], odd * [1, 1, 1, 1, 1, 1, 1, 1, 1.1], odd * [1, 0, 1, 1, 1, 1, 1, 0, 1], antisymmetric + 1):
        assert paired.mirrored_sign([other]) == 0
    assert paired.mirrored_sign([odd, antisymmetric]) == 0


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_pairs_that_overflow_are_summed_one_by_one(dtype):
    largest = np.finfo(dtype).max
    x = normal((40, 60), dtype)
    x[20:30, 20:30] = 0.9 * largest
    x[5, 5], x[6, 40] = np.inf, np.nan
    got = fa.convolve(x, fa.gaussian(1.5), method="separable")
    wanted = fa.convolve(x, fa.gaussian(1.5), method="direct")
    assert_array_equal(np.isfinite(got), np.isfinite(wanted))
    assert_array_equal(np.isnan(got), np.isnan(wanted))
    fine = np.isfinite(wanted)
    np.testing.assert_allclose(got[fine] / largest, wanted[fine] / largest, rtol=0, atol=20 * np.finfo(dtype).eps)


def test_only_large_samples_are_summed_again(monkeypatch):
    calls = []
    for name in ("__call__", "call"):
        original = getattr(direct_engine._Panels, name)

        def watched(self, *arguments, original=original):
            calls.append(self)
            return original(self, *arguments)

        monkeypatch.setattr(direct_engine._Panels, name, watched)
    x = normal((40, 60))
    x[3, 3], x[20, 20] = np.nan, -np.inf
    plan = fa.plan(x, fa.gaussian(1.75), method="separable")
    with_nan = plan(x)
    assert not calls
    assert np.isnan(with_nan[3, 3])
    assert with_nan[20, 20] == -np.inf
    if paired.host().vector_bytes >= paired.VECTOR:
        x[30, 50] = 3e38
        plan(x)
        assert calls
