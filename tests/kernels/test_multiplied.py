"""Taps are multiplied out by copies or by transforms: the same within a bound, with the same zeros and signs."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.signal import convolve as definition

import faltung as fa
from faltung.kernels import multiplied
from faltung.kernels.multiplied import convolve_taps, multiply_out


@pytest.fixture(params=["copies", "transforms"], autouse=True)
def way(request, monkeypatch):
    most = np.inf if request.param == "copies" else -1.0
    monkeypatch.setattr(multiplied, "_MOST_DIRECT", most)
    if request.param == "transforms":
        monkeypatch.setattr(multiplied, "_EACH_POINT", 0.0)
    return request.param


def random_taps(rng, *shape):
    return rng.standard_normal(shape) * (rng.random(shape) < 0.5)


@pytest.mark.parametrize("shapes", [((40,), (7,)), ((9, 4), (3, 8)), ((5, 1, 6), (2, 4, 1)), ((1, 3), (5, 1))])
@pytest.mark.parametrize("power", [0, 900, -900])
def test_convolution_within_its_bound(shapes, power):
    rng = np.random.default_rng(3)
    first, second = (random_taps(rng, *shape) for shape in shapes)
    bound = 2.0**-46 * np.abs(first).sum() * np.abs(second).sum()
    product = convolve_taps(np.ldexp(first, power), np.ldexp(second, -power // 2))
    assert np.abs(np.ldexp(product, -power + power // 2) - definition(first, second, method="direct")).max() <= bound
    pairs = definition((first != 0) * 1.0, (second != 0) * 1.0, method="direct")
    assert_array_equal(product == 0, pairs == 0)


def test_complex_taps():
    rng = np.random.default_rng(4)
    first, second = rng.standard_normal((6, 5)) + 1j * rng.standard_normal((6, 5)), random_taps(rng, 4, 4)
    np.testing.assert_allclose(
        convolve_taps(first, second), definition(first, second, method="direct"), rtol=0, atol=1e-13
    )


def test_whole_numbers_and_their_multiples_are_exact():
    rng = np.random.default_rng(5)
    first, second = (rng.integers(-9, 10, (11, 12)).astype(float) for _ in range(2))
    exact = definition(first, second, method="direct")
    assert_array_equal(convolve_taps(first, second), exact)
    assert_array_equal(convolve_taps(first / 8, second * 4), exact / 2)
    window, step = np.full((9, 1), 1 / 9), np.array([[1.0], [0.0], [-1.0]])
    assert_array_equal(convolve_taps(window, step).ravel() != 0, [1, 1, *[0] * 7, 1, 1])


def test_without_a_negative_factor_there_is_no_negative_tap_and_no_zero_within_the_support():
    taps = np.exp(-np.abs(np.arange(-40.0, 41.0)) * 3)  # many decades: a transform alone makes negative taps of them
    product = convolve_taps(taps, taps)
    assert (product > 0).all()


def test_powers_are_products():
    taps = random_taps(np.random.default_rng(6), 3, 4)
    by_hand = definition(definition(taps, taps, method="direct"), taps, method="direct")
    np.testing.assert_allclose(
        multiply_out([(b"taps", taps)] * 3), by_hand, rtol=0, atol=1e-13 * np.abs(by_hand).sum()
    )
    np.testing.assert_allclose((fa.Kernel(taps) ** 3).taps, by_hand, rtol=0, atol=1e-13 * np.abs(by_hand).sum())


def test_equal_expressions_have_the_same_bits_whatever_objects_they_are_made_of():
    taps, other = random_taps(np.random.default_rng(7), 5, 5), fa.disk(2)
    once = fa.Kernel(taps)
    shared, apart = once * once * other, fa.Kernel(taps) * fa.Kernel(taps) * other
    assert shared.fingerprint == apart.fingerprint
    assert_array_equal(shared.taps, apart.taps)


def test_terms_that_overflow_are_refused_as_before():
    with pytest.raises(fa.ArgumentError, match="finite"):
        _ = (fa.Kernel(np.full(300, 1e200)) ** 2).taps


@pytest.mark.parametrize("levels", [2, 30])
def test_parts_of_complex_multiples_within_each_other(levels):
    text = "(0.6+0.8j) * (delta() + " * levels + "gabor()" + ")" * levels
    whole = fa.parse(text)
    np.testing.assert_allclose(whole.real.taps, whole.taps.real, rtol=0, atol=1e-12)
    np.testing.assert_allclose(whole.imag.taps, whole.taps.imag, rtol=0, atol=1e-12)
    assert fa.plan((9, 9), whole).result_shape == (9, 9)
