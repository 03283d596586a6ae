"""Terms that overflow though their sum does not: the sum is right, and where it overflows, its sign is."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import faltung as fa
import shifted
import zoo

RNG = np.random.default_rng(3)
#: Binary digits by which samples are scaled down for the definition, so that nothing overflows there.
DOWN = 40
DTYPES = ("f4", "f8")
KERNELS = {
    "signal": fa.Kernel(RNG.standard_normal(9)),
    "sobel down": fa.sobel(0),
    "sobel across": fa.sobel(1),
    "laplacian": fa.laplacian(),
    "dense": fa.Kernel(RNG.standard_normal((5, 4)), (4, -1)),
    "with zeros": fa.Kernel(RNG.standard_normal((9, 8)) * (RNG.random((9, 8)) < 0.7)),
    "scattered": fa.Kernel(RNG.standard_normal((15, 15)) * (RNG.random((15, 15)) < 0.2)),
    "large": fa.Kernel(RNG.standard_normal((31, 31))),
    "outer product": fa.Kernel(np.outer(RNG.standard_normal(11), RNG.standard_normal(12))),
    "dog": fa.dog(1, 2) * 4,
    "product": fa.sobel(0) * fa.box(3) * fa.sobel(1),
    "complex": fa.Kernel(RNG.standard_normal((3, 3)) + 1j * RNG.standard_normal((3, 3))),
    "volume": fa.Kernel(RNG.standard_normal((3, 2, 4))),
}


def huge(shape, dtype):
    """Samples of both signs near the largest number of a dtype."""
    largest = float(np.finfo(dtype).max)
    return (RNG.choice([-0.95, 0.95], shape) * RNG.uniform(0.2, 1, shape) * largest).astype(dtype)


def correlated(x, taps, origin, mode):
    """The definition for samples that are scaled down."""
    region = [(0, n) for n in x.shape]
    return shifted.correlate(np.ldexp(x, -DOWN) if x.dtype.kind == "f" else x, taps, origin, mode, 0.0, region)


def assert_right(got, wanted, scale, error, message):
    """Compare with a definition that is scaled down; infinities may only be where the sum may overflow."""
    largest = np.ldexp(np.longdouble(np.finfo(got.dtype).max), -DOWN)
    parts = ("real", "imag") if got.dtype.kind == "c" else ("real",)
    for part in parts:
        values, results = getattr(wanted, part), getattr(got, part)
        bound = error * scale
        assert not np.isnan(results).any(), message
        for sign in (1, -1):
            assert (sign * values + bound > largest)[results == sign * np.inf].all(), message
        finite = np.isfinite(results)
        assert (np.abs(np.ldexp(results.astype(np.longdouble), -DOWN) - values) <= bound)[finite].all(), message


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", KERNELS)
def test_every_method_gives_the_sum(name, dtype):
    kernel = KERNELS[name]
    x = huge({1: (150,), 2: (45, 52), 3: (7, 11, 20)}[kernel.ndim], dtype)
    for mode in ("wrap", "mirror") if kernel.size < 50 else ("reflect",):
        wanted = correlated(x, kernel.taps, kernel.origin, mode)
        scale = correlated(np.abs(x), np.abs(kernel.taps), kernel.origin, mode)
        for method in zoo.possible(fa.plan(x, kernel.flip(), mode)):
            plan = fa.plan(x, kernel.flip(), mode, method=method)
            got = fa.correlate(x, kernel, mode, method=method)
            size = scale if plan.pointwise else np.full(scale.shape, scale.max())
            assert_right(got, wanted, size, plan.error, plan)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_sign_of_what_overflows_is_that_of_the_exact_sum(dtype):
    x = huge((300,), dtype)
    taps = [1.0, 3.0, -2.0, 0.0, 1.5]
    exact = [
        sum(Fraction(float(a)) * Fraction(t) for a, t in zip(x[n : n + 5], taps, strict=True))
        for n in range(len(x) - 4)
    ]
    largest = Fraction(float(np.finfo(dtype).max))
    got = fa.correlate(x, fa.Kernel(taps), shape="valid")
    for value, sum_ in zip(got, exact, strict=True):
        if abs(sum_) > largest * Fraction(1.001):
            assert value == (np.inf if sum_ > 0 else -np.inf)
        elif abs(sum_) < largest * Fraction(0.999):
            assert abs(Fraction(float(value)) - sum_) <= 8 * Fraction(float(np.finfo(dtype).eps)) * largest


def test_rows_of_both_signs_add_up_to_zero():
    for dtype, value in (("f4", 3.4e38), ("f8", 1.5e308)):
        x = np.where(np.arange(64)[:, None] % 2, value, -value).astype(dtype) * np.ones(64, dtype)
        for method in ("auto", "direct", "separable"):
            assert not fa.convolve(x, fa.sobel(0), method=method)[2:-2].any(), method


def test_what_is_not_finite_stays_where_it_is():
    x, kernel = huge((40, 50), "f4"), KERNELS["dense"]
    wanted = fa.correlate(x, kernel)
    x[20, 30], x[5, 6] = np.nan, np.inf
    touched = fa.correlate(np.isfinite(x).astype("f4"), fa.Kernel(np.ones(kernel.shape), kernel.origin)) < 19.5
    got = fa.correlate(x, kernel)
    np.testing.assert_array_equal(got[~touched], wanted[~touched])
    ordinary = np.where(np.isfinite(x), 1.0, x)
    assert not np.isfinite(fa.correlate(ordinary.astype("f4"), kernel)[touched]).any()


def test_integer_results_are_those_of_the_sum():
    x = huge((30, 40), "f4")
    x[10:20] = np.where(np.arange(40) % 2, 3e38, -3e38)
    got = fa.correlate(x, fa.Kernel([[1.5, 3.0, 1.5]]), dtype="i2")
    assert not got[10:20, 2:-2].any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_complex_samples(dtype):
    x = huge((30, 37), dtype) + 1j * huge((30, 37), dtype)
    for name in ("dense", "complex", "sobel down"):
        kernel = KERNELS[name]
        small = np.ldexp(x.real, -DOWN) + 1j * np.ldexp(x.imag, -DOWN)
        wanted = correlated(small, kernel.taps, kernel.origin, "wrap")
        scale = correlated(np.abs(small).astype("c16"), np.abs(kernel.taps), kernel.origin, "wrap").real
        assert_right(fa.correlate(x, kernel, "wrap"), wanted, scale, 2 * fa.plan(x, kernel.flip()).error, name)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("outs", "ins", "zeros"), [(2, 1, 0.0), (2, 3, 0.0), (4, 3, 0.5), (17, 2, 0.0)])
def test_banks_over_channels(outs, ins, zeros, dtype):
    x = huge((ins, 24, 37), dtype)
    taps = RNG.standard_normal((outs, ins, 3, 3)) * (RNG.random((outs, ins, 3, 3)) >= zeros)
    taps = taps.astype(dtype)
    wanted, scale = (
        np.stack([sum(correlated(a, t, (1, 1), "wrap") for a, t in zip(samples, row, strict=True)) for row in rows])
        for samples, rows in ((x, taps), (np.abs(x), np.abs(taps)))
    )
    for stride in (1, 2):
        for method in ("direct", "apart"):
            named = {"channel_axis": 0, "stride": stride, "method": method}
            plan = fa.plan(x, fa.Bank(taps), mode="wrap", **named)
            got = fa.correlate(x, fa.Bank(taps), "wrap", **named)
            part = np.s_[:, ::stride, ::stride]
            size = scale[part] if plan.pointwise else scale.max()
            assert_right(got, wanted[part], size, plan.error, plan)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_bank_over_one_array(dtype):
    x, taps = huge((60, 70), dtype), RNG.standard_normal((5, 1, 7, 7)).astype(dtype)
    for method in ("apart", "fourier"):
        plan = fa.plan(x, fa.Bank(taps), mode="wrap", method=method)
        got = fa.correlate(x, fa.Bank(taps), "wrap", method=method)
        for result, kernel in zip(got, taps[:, 0], strict=True):
            scale = correlated(np.abs(x), np.abs(kernel), (3, 3), "wrap")
            size = scale if plan.pointwise else scale.max()
            assert_right(result, correlated(x, kernel, (3, 3), "wrap"), size, plan.error, plan)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("signed", [False, True])
def test_missing_samples(signed, dtype):
    x, there = huge((24, 37), dtype), RNG.random((24, 37)) < 0.8
    for size in (3, 21):
        taps = RNG.standard_normal((size, size)).astype(dtype)
        taps = taps if signed else np.abs(taps)
        origin, present = (size // 2, size // 2), np.where(there, x, 0)
        values, sums, scale = (
            correlated(a, t, origin, "wrap")
            for a, t in ((present, taps), (present, np.abs(taps)), (np.abs(present), np.abs(taps)))
        )
        weights = correlated(there * 1, np.abs(taps), origin, "wrap")
        wanted = values + correlated(~there * 1, taps, origin, "wrap") * sums / weights
        scale *= np.abs(taps).sum() / weights
        with_holes = np.where(there, x, np.nan).astype(dtype)
        for method in zoo.possible(fa.plan(with_holes, fa.Kernel(taps), mode="wrap", nan="ignore")):
            plan = fa.plan(with_holes, fa.Kernel(taps), mode="wrap", nan="ignore", method=method)
            got = fa.correlate(with_holes, fa.Kernel(taps), "wrap", nan="ignore", method=method)
            assert_right(got, wanted, 2 * (scale if plan.pointwise else scale.max()), plan.error, plan)
