"""Savitzky-Golay kernels: those of SciPy in 1-D, and polynomials fitted to each window in any dimension."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

import faltung as fa
from faltung import ArgumentError, ArgumentTypeError

laws = settings(deadline=None, max_examples=40)
RANDOM = np.random.default_rng(0)


def fitted(x, exponents, orders, spacing):
    """The derivative in the middle of a window of the polynomial with these powers, from its normal equations."""
    middles = [np.arange(size) - size // 2 for size in x.shape]
    grid = [axis * step for axis, step in zip(np.meshgrid(*middles, indexing="ij"), spacing, strict=True)]
    columns = [math.prod(axis**n for axis, n in zip(grid, power, strict=True)).ravel() for power in exponents]
    answer = np.linalg.lstsq(np.stack(columns, axis=1), x.ravel(), rcond=None)[0]
    return answer[exponents.index(tuple(orders))] * math.prod(math.factorial(n) for n in orders)


@laws
@given(st.data())
def test_taps_in_one_dimension_are_those_of_scipy(data):
    window = 2 * data.draw(st.integers(0, 20)) + 1
    degree = data.draw(st.integers(0, min(window - 1, 7)))
    derivative = data.draw(st.integers(0, degree))
    spacing = data.draw(st.floats(0.1, 10))
    kernel = fa.savgol(window, degree, derivative, spacing=spacing, ndim=1)
    expected = signal.savgol_coeffs(window, degree, deriv=derivative, delta=spacing)
    # SciPy solves for powers of the position, which costs it digits; a test of high degrees below is tighter.
    np.testing.assert_allclose(kernel.taps, expected, atol=1e-6 * np.abs(expected).max())
    assert kernel.origin == (window // 2,)
    np.testing.assert_array_equal(kernel.taps, (-1) ** derivative * kernel.taps[::-1])


@pytest.mark.parametrize("mode", ["reflect", "mirror", "nearest", "wrap", "constant"])
def test_signals_are_those_of_scipy(mode):
    x = RANDOM.standard_normal((3, 40))
    if mode != "reflect":  # which savgol_filter does not have
        expected = signal.savgol_filter(x, 7, 3, deriv=1, delta=0.5, mode=mode, cval=0.0)
        np.testing.assert_allclose(fa.savgol(7, 3, 1, spacing=0.5, ndim=1)(x, mode), expected, atol=1e-12)
    with_nan = x.copy()
    with_nan[1, 20] = np.nan
    found = fa.savgol(7, 3, ndim=1)(with_nan, mode, nan="ignore")
    assert np.isfinite(found).all()


@pytest.mark.parametrize("orders", [(0, 0), (1, 0), (0, 2), (1, 1)])
@pytest.mark.parametrize("degree", [2, 3, (2, 2), (1, 3), (3, 2)])
def test_polynomials_are_fitted_to_windows_of_images(degree, orders):
    several = isinstance(degree, tuple)
    allowed = all(np.array(orders) <= degree) if several else sum(orders) <= degree
    if not allowed:
        with pytest.raises(ArgumentError, match="derivative: expected at most the degree"):
            fa.savgol((5, 7), degree, orders)
        return
    x, spacing = RANDOM.standard_normal((5, 7)), (0.5, 2.0)
    both = degree if several else (degree, degree)
    exponents = [*itertools.product(*(range(n + 1) for n in both))]
    if not several:
        exponents = [power for power in exponents if sum(power) <= degree]
    kernel = fa.savgol((5, 7), degree, orders, spacing=spacing)
    found = kernel(x, shape="valid")
    np.testing.assert_allclose(found, [[fitted(x, exponents, orders, spacing)]], rtol=1e-9, atol=1e-12)
    assert not several or kernel.rank() == 1


def test_polynomials_pass_in_three_dimensions():
    x, y, z = np.meshgrid(np.arange(9.0), np.arange(8.0), np.arange(7.0), indexing="ij")
    volume = x * y + z**2 - 3 * x + 1
    inner = (slice(2, -2), slice(1, -1), slice(1, -1))
    for degree in (2, (1, 1, 2)):
        found = fa.savgol((5, 3, 3), degree)(volume, shape="valid")
        np.testing.assert_allclose(found, volume[inner], atol=1e-10)
        slope = fa.savgol((5, 3, 3), degree, (1, 0, 0))(volume, shape="valid")
        np.testing.assert_allclose(slope, (y - 3)[inner], atol=1e-10)


def test_polynomials_up_to_the_ends_with_a_missing_sample():
    # SciPy 1.17 and later raise an error where a NaN is in the first or the last window.
    x = np.arange(20.0) ** 2
    np.testing.assert_allclose(fa.compat.signal.savgol_filter(x, 5, 2), x, atol=1e-9)
    x[1] = np.nan
    with_nan = fa.compat.signal.savgol_filter(x, 5, 2)
    np.testing.assert_array_equal(np.isnan(with_nan), np.arange(20) < 4)
    kept = fa.savgol(5, 2, ndim=1)(x, nan="ignore")
    assert np.isfinite(kept).all()


def test_text_reads_back():
    for kernel, text in [
        (fa.savgol(5, 2), "savgol(5, 2)"),
        (
            fa.savgol((5, 7), (2, 3), derivative=(0, 1), spacing=(0.5, 1)),
            "savgol((5, 7), (2, 3), derivative=(0, 1), spacing=(0.5, 1))",
        ),
        (fa.savgol(9, 4, 2, ndim=1), "savgol(9, 4, derivative=2, ndim=1)"),
    ]:
        assert repr(kernel) == text
        np.testing.assert_array_equal(fa.parse(text).taps, kernel.taps)


def test_high_degrees_are_well_conditioned():
    n = np.arange(201.0) / 100
    np.testing.assert_allclose(
        fa.savgol(101, 20, ndim=1)(n**20, shape="valid"), n[50:-50] ** 20, rtol=1e-8, atol=1e-8
    )


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        ((4, 2), {}, "window: expected an odd number, so that the window has a middle, got 4. Use 5."),
        ((5, 5), {}, "degree: expected less than the window of 5 samples, got 5"),
        ((5, 2, 3), {"ndim": 1}, "derivative: expected at most the degree 2, got 3"),
        ((5, 2, 1), {}, "derivative: expected one order for each of 2 axes, got 1. For example, derivative=(0, 1)"),
        ((5, 2), {"spacing": 0}, "spacing: expected a number above 0"),
        (((5, 5), 2), {"ndim": 1}, "window: expected a number, or 1 for ndim=1, got 2 numbers"),
        ((4097, 2), {}, "window: expected a kernel of at most"),
        ((1001, 9), {}, "window: expected at most 16777216 positions times powers"),
        ((5, -1), {}, "degree: expected an integer from 0"),
    ],
)
def test_wrong_arguments(arguments, keywords, message):
    with pytest.raises(ArgumentError) as error:
        fa.savgol(*arguments, **keywords)
    assert message in str(error.value)


def test_names_of_axes_are_refused():
    with pytest.raises(ArgumentTypeError, match="window: expected"):
        fa.savgol({"x": 3.0}, 2)
