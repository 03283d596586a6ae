"""Passes along the axes: they run where the plan says so, on blocks of any shape, and wide windows are exact."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import faltung as fa
from agreement import answer, assert_agrees
from faltung.engines.direct import direct_engine
from faltung.planning.planner import METHODS
from samples import normal

SUMS = {
    1: (fa.box(65, ndim=1), fa.box(300, ndim=1)),
    2: (fa.dog(2, 4), fa.unsharp(2), fa.gaussian(3) + fa.gaussian(1), fa.log(1.5), fa.gaussian(2), fa.box((21, 33))),
    3: (fa.unsharp(1, ndim=3), fa.dog(1, 2, ndim=3), fa.gaussian(1, ndim=3), fa.box(19, ndim=3)),
}
THIN = {
    1: ((1,), (3,), (40,), (300,), (2000,)),
    2: ((1, 1), (1, 50), (50, 1), (3, 50), (50, 3), (7, 9), (15, 400), (400, 15), (12, 130)),
    3: ((3, 40, 5), (20, 20, 12), (1, 9, 30), (6, 5, 4)),
}


def wanted(x, kernel, plan, mode="reflect", cval=0.0):
    """The definition, in more than the precision of a plan."""
    axes = range(x.ndim - kernel.ndim, x.ndim)
    region = [(0, length) for length in x.shape]
    double = plan.problem.number == np.float64
    return answer("convolve", x, kernel.taps, kernel.origin, mode, cval, region, axes, double)


def plans(x, kernel, mode="reflect", **named):
    """The plans of every method by passes that can do it."""
    able = {c.method for c in fa.plan(x, kernel, mode, **named).candidates if c.seconds < np.inf}
    for method in METHODS[1:]:
        if method in able and method in ("separable", "running", "passes"):
            yield fa.plan(x, kernel, mode, method=method, **named)


@pytest.fixture
def dense(monkeypatch):
    """Shapes of the taps of every block that the direct engine fills, or prepares to fill in a larger call."""
    shapes = []
    for name in ("__call__", "call"):
        original = getattr(direct_engine._Panels, name)

        def watched(self, *arguments, original=original):
            shapes.append(self._job.taps.shape)
            return original(self, *arguments)

        monkeypatch.setattr(direct_engine._Panels, name, watched)
    return shapes


# ---- what a plan says is what runs


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["f4", "f8", "u1"])
def test_thin_arrays_are_filtered_within_the_bound(ndim, dtype):
    rng = np.random.default_rng(ndim)
    # Machine code takes most of the time: single precision meets all kernels, the others half.
    turn = ("f4", "f8", "u1").index(dtype)
    for shape in THIN[ndim]:
        x = rng.integers(0, 255, shape).astype(dtype) if dtype == "u1" else normal(shape, dtype)
        for kernel in [each for k, each in enumerate(SUMS[ndim]) if dtype == "f4" or k % 2 == turn % 2]:
            for plan in plans(x, kernel, "mirror"):
                assert_agrees(plan(x), wanted(x, kernel, plan, "mirror"), plan, f"{shape}\n{plan}")


@pytest.mark.parametrize("ndim", [2, 3])
def test_no_dense_sum_runs_under_the_name_of_passes(ndim, dense):
    for shape in THIN[ndim]:
        x = normal(shape)
        for kernel in SUMS[ndim]:
            for plan in plans(x, kernel):
                dense.clear()
                plan(x)
                plan(np.asfortranarray(x))
                steps = plan.problem.forms[plan.form].steps
                allowed = {
                    step[0].taps.shape for step, name in zip(steps, plan.engines, strict=True) if name == "direct"
                }
                long = [taps for taps in dense if sum(size > 1 for size in taps) > 1 and taps not in allowed]
                assert not long, f"{shape} {long}\n{plan}"


def test_what_runs_is_what_the_plan_says_for_random_problems(dense):
    rng = np.random.default_rng(0)
    for number in range(40):
        ndim = int(rng.integers(2, 4))
        sides = rng.integers(1, {2: 26, 3: 8}[ndim], ndim)
        rank = int(rng.integers(1, 4))
        taps = np.zeros(sides)
        for _ in range(rank):
            lines = [rng.standard_normal(side) for side in sides]
            taps += functools.reduce(np.multiply.outer, lines)
        x = normal(tuple(rng.integers(1, {2: 70, 3: 20}[ndim], ndim)))
        for plan in plans(x, fa.Kernel(taps)):
            dense.clear()
            plan(x)
            assert all(sum(size > 1 for size in shape) <= 1 for shape in dense), f"{number} {x.shape} {dense}\n{plan}"


@pytest.mark.parametrize("kernel", [fa.unsharp(2), fa.dog(2, 4), fa.gaussian(2) + fa.gaussian(1), fa.box(21)])
def test_thin_blocks_have_the_bits_of_others(kernel, vector_bits):
    x = normal((40, 90))
    for plan in plans(x, kernel, "wrap"):
        whole = plan(x)
        for rows in (3, 7, 12):
            thin = fa.plan((rows, 90), kernel, "constant", method=plan.method)
            padded = np.zeros_like(x)
            padded[:rows] = x[:rows]
            again = fa.plan(padded, kernel, "constant", method=plan.method)(padded)[:rows]
            if plan.method == "separable":
                np.testing.assert_array_equal(thin(x[:rows].copy()), again, err_msg=str(thin))
        assert whole.shape == x.shape


# ---- means over wide windows


@pytest.mark.parametrize("dtype", ["i2", "u2", "f4"])
@pytest.mark.parametrize("width", [17, 31, 300, 10001, 29999, 30001, 50000])
def test_the_mean_of_a_constant_signal_is_the_constant(dtype, width):
    x = np.full(30000, 30001, dtype)
    for method in ("auto", "running") if width > 100 else ("running",):
        got = fa.convolve(x, fa.box(width, ndim=1), method=method)
        assert got.dtype == np.float32
        np.testing.assert_array_max_ulp(got, np.full(30000, 30001, "f4"), 1)
        np.testing.assert_array_equal(fa.convolve(x, fa.box(width, ndim=1), dtype="u2", method=method), 30001)


@pytest.mark.parametrize(
    ("shape", "kernel"),
    [
        ((300, 200), fa.box((101, 151))),
        ((90, 70), fa.box((90, 70))),
        ((40, 700), fa.box((301, 17))),
        ((5, 700), fa.box((301, 301))),
        ((700, 3), fa.box((17, 99))),
        ((40, 30, 50), fa.box((21, 33, 41))),
        ((10, 12, 30), fa.box((21, 25, 71))),
        ((40, 200, 3), fa.box((1, 101, 1))),
    ],
)
@pytest.mark.parametrize("dtype", ["f4", "i2"])
def test_means_over_wide_windows_have_a_few_roundings(shape, kernel, dtype):
    x = (np.random.default_rng(3).random(shape) * 1000 + 30001).astype(dtype)
    plan = fa.plan(x, kernel, method="running")
    assert plan.pointwise
    assert plan.error < (24 + sum(size for size in kernel.shape if size <= 64)) * 2.0**-24
    assert_agrees(plan(x), wanted(x, kernel, plan), plan, plan)


def test_channels_of_wide_windows():
    x = np.stack([np.full((60, 400), value, "f4") for value in (30001, 7, 1e-3)], -1)
    got = fa.convolve(x, fa.box((41, 201)), axes=(0, 1), method="running")
    np.testing.assert_allclose(got, x, rtol=3e-7)


# ---- results below the range of normal numbers


@pytest.mark.parametrize("kernel", [fa.gaussian(2), fa.box(21), fa.dog(1, 2), fa.sobel(0), 100 * fa.box((3, 40))])
@pytest.mark.parametrize("size", [1e-36, 1e-38, 1e-41, 1e-44])
def test_subnormal_results_are_off_by_the_absolute_term_at_most(kernel, size):
    x = (normal((70, 90)) * size).astype("f4")
    total = float(np.abs(kernel.taps).sum())
    for candidate in fa.plan(x, kernel).candidates:
        if candidate.seconds < np.inf:
            plan = fa.plan(x, kernel, method=candidate.method)
            expected = wanted(x, kernel, plan)
            scale = expected.scale if plan.pointwise else expected.largest
            bound = plan.error * scale + float(np.finfo(np.float32).tiny) * max(total, 1.0)
            assert (np.abs(plan(x) - expected.values) <= bound).all(), plan


@pytest.mark.parametrize("size", [3, 9, 80])
@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 2), (1, 2), (0, 1, 2)], ids=str)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_means_over_windows_of_the_largest_samples_are_finite(size, axes, dtype):
    x = np.full((12, 18, 20), np.finfo(dtype).max * 0.9, dtype)
    box = fa.box((size, *[3] * (len(axes) - 1)))
    np.testing.assert_allclose(fa.convolve(x, box, axes=axes, method="running"), x, rtol=1e-5)
