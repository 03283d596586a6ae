"""The algebra of kernels, against its definition written out as sums over lags."""

from __future__ import annotations

import copy
import itertools
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, signal

from faltung.errors import ArgumentError
from faltung.kernels import Box, Kernel, Outer, Product, Scaled, Sum, delta, gabor, gaussian, laplacian

laws = settings(deadline=None, max_examples=40)

# ---- the oracle: a function on the grid is a dictionary from lags to values ------------------------------


def lags_of(kernel):
    return {
        tuple(i - o for i, o in zip(index, kernel.origin, strict=True)): value
        for index, value in np.ndenumerate(kernel.taps)
        if value != 0
    }


def added(first, second):
    total = {lag: first.get(lag, 0) + second.get(lag, 0) for lag in {*first, *second}}
    return {lag: value for lag, value in total.items() if value != 0}


def convolved(first, second):
    total = {}
    for (m, a), (n, b) in itertools.product(first.items(), second.items()):
        lag = tuple(i + j for i, j in zip(m, n, strict=True))
        total[lag] = total.get(lag, 0) + a * b
    return {lag: value for lag, value in total.items() if value != 0}


def scaled(factor, function):
    return {lag: factor * value for lag, value in function.items() if factor * value != 0}


def filtered(image, kernel):
    """Periodic convolution by the definition: y[n] = sum_m k[m] x[n - m]."""
    axes = tuple(range(image.ndim))
    return sum(value * np.roll(image, lag, axes) for lag, value in lags_of(kernel).items()) + 0.0 * image


# Multiples of 1/4 make every sum and product below exact, so the laws hold to the last bit.
quarters = st.integers(-12, 12).map(lambda n: n / 4)
complex_quarters = st.builds(complex, quarters, quarters)
dimensions = st.integers(1, 4)


@st.composite
def leaves(draw, ndim, numbers=quarters):
    shape = draw(st.tuples(*[st.integers(1, 3 if ndim < 3 else 2)] * ndim))
    values = draw(st.lists(numbers, min_size=math.prod(shape), max_size=math.prod(shape)))
    origin = draw(st.one_of(st.none(), st.tuples(*[st.integers(-2, 4)] * ndim)))
    return Kernel(np.array(values).reshape(shape), origin)


@st.composite
def separable(draw, ndim, numbers=quarters):
    if draw(st.booleans()):
        return Outer([draw(leaves(1, numbers)) for _ in range(ndim)])
    widths = draw(st.tuples(*[st.sampled_from([1, 2, 4])] * ndim))
    return Box(widths, draw(st.tuples(*[st.integers(-1, 2)] * ndim)))


def expressions(ndim, numbers=quarters):
    """Any expression, as a kernel and as a dictionary of taps that is computed without the kernel."""
    atoms = st.one_of(leaves(ndim, numbers), separable(ndim, numbers)).map(lambda k: (k, lags_of(Kernel(k))))

    def grow(inner):
        return st.one_of(
            st.builds(lambda a, b: (a[0] + b[0], added(a[1], b[1])), inner, inner),
            st.builds(lambda a, b: (a[0] - b[0], added(a[1], scaled(-1, b[1]))), inner, inner),
            st.builds(lambda a, b: (a[0] * b[0], convolved(a[1], b[1])), inner, inner),
            st.builds(lambda c, a: (c * a[0], scaled(c, a[1])), numbers, inner),
        )

    return st.recursive(atoms, grow, max_leaves=4)


anything = dimensions.flatmap(lambda n: expressions(n, st.one_of(quarters, complex_quarters)))
pairs = dimensions.flatmap(lambda n: st.tuples(leaves(n), leaves(n, complex_quarters)))
triples = dimensions.flatmap(lambda n: st.tuples(leaves(n), separable(n), leaves(n)))


# ---- the origin -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "middle"), [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2)])
def test_default_origin_is_the_right_middle(size, middle):
    assert Kernel(np.ones(size)).origin == (middle,)
    assert Kernel(np.ones((size, 3))).origin == (middle, 1)


def test_origin_may_lie_outside():
    assert lags_of(Kernel([1, 2], origin=5)) == {(-5,): 1, (-4,): 2}
    assert lags_of(Kernel([[1, 2]], origin=(-1, np.int64(0)))) == {(1, 0): 1, (1, 1): 2}
    assert Kernel([1, 2, 3], origin=5).lags == (range(-5, -2),)


@pytest.mark.parametrize("shape", [(3,), (4,), (2, 3), (4, 4), (1, 5), (3, 2, 2), (2, 1, 3, 2)])
def test_convention_is_that_of_scipy(shape):
    rng = np.random.default_rng(len(shape))
    kernel = Kernel(rng.normal(size=shape))
    image = rng.normal(size=(6,) * len(shape))
    np.testing.assert_allclose(filtered(image, kernel), ndimage.convolve(image, kernel.taps, mode="wrap"))
    correlated = ndimage.correlate(image, kernel.taps, mode="wrap")
    np.testing.assert_allclose(filtered(image, kernel.flip()), correlated)


# ---- the laws ---------------------------------------------------------------------------------------------


@laws
@given(anything)
def test_every_expression_means_what_the_definition_says(pair):
    kernel, meaning = pair
    assert lags_of(kernel) == meaning
    assert kernel.taps.shape == kernel.shape
    assert kernel.taps.dtype == kernel.dtype
    assert kernel == Kernel(kernel)
    assert lags_of(kernel.flip()) == {tuple(-i for i in lag): value for lag, value in meaning.items()}
    assert lags_of(kernel.conj()) == {lag: value.conjugate() for lag, value in meaning.items()}
    assert lags_of(kernel.real) == {lag: v.real for lag, v in meaning.items() if v.real}
    assert lags_of(kernel.imag) == {lag: v.imag for lag, v in meaning.items() if v.imag}
    assert {kernel.real.dtype, kernel.imag.dtype} == {np.dtype(float)}


@laws
@given(triples, quarters, quarters)
def test_convolution_is_a_product_on_a_linear_space(kernels, a, b):
    f, g, h = kernels
    one = delta(ndim=f.ndim)
    assert f * g == g * f
    assert (f * g) * h == f * (g * h)
    assert f * (g + h) == f * g + f * h
    assert (f + g) * h == f * h + g * h
    assert a * (f * g) == (a * f) * g == f * (a * g)
    assert (a + b) * f == a * f + b * f
    assert a * (f + g) == a * f + a * g
    assert (a * b) * f == a * (b * f)
    assert f * one == one * f == f == 1 * f == +f
    assert f - f == 0 * f
    assert -f == 0 * f - f
    assert (f * g).flip() == f.flip() * g.flip()
    assert f.flip().flip() == f


@laws
@given(pairs)
def test_product_of_kernels_is_scipys_full_convolution(kernels):
    f, g = kernels
    product = f * g
    expected = signal.convolve(f.taps, g.taps, mode="full", method="direct")
    np.testing.assert_array_equal(product.taps, expected)
    assert product.origin == tuple(a + b for a, b in zip(f.origin, g.origin, strict=True))


@laws
@given(triples, st.integers(0, 99))
def test_laws_hold_on_images(kernels, seed):
    f, g, h = kernels
    image = np.random.default_rng(seed).integers(-8, 8, (5,) * f.ndim).astype(float)
    one_after_the_other = filtered(filtered(image, g), f)
    np.testing.assert_array_equal(filtered(image, f * g), one_after_the_other)
    np.testing.assert_array_equal(filtered(image, f + h), filtered(image, f) + filtered(image, h))
    np.testing.assert_array_equal(filtered(image, 2 * f), 2 * filtered(image, f))


@laws
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=6), st.lists(st.floats(-1, 1), min_size=1, max_size=6))
def test_rounding_stays_at_that_of_a_dot_product(first, second):
    exact = convolved(
        {(i,): Fraction(value) for i, value in enumerate(first)},
        {(i,): Fraction(value) for i, value in enumerate(second)},
    )
    product = Kernel(first, 0) * Kernel(second, 0)
    for i, tap in enumerate(product.taps):
        weight = sum(abs(first[j] * second[i - j]) for j in range(len(first)) if 0 <= i - j < len(second))
        assert abs(Fraction(tap) - exact.get((i,), 0)) <= 8 * np.finfo(float).eps * weight + 1e-300


def test_equal_terms_cancel_to_zero():
    f, g = Kernel([0.1, 0.3]), Kernel([0.1, -0.3])
    assert (f * g).taps[1] == 0.0


@pytest.mark.parametrize("n", range(5))
def test_powers(n):
    f = Kernel([[1, 2], [0, -1]], origin=(0, 0))
    expected = {(0, 0): 1.0}
    for _ in range(n):
        expected = convolved(expected, lags_of(f))
    assert lags_of(f**n) == expected


# ---- structure --------------------------------------------------------------------------------------------


def test_structure_is_kept():
    f, g, h = Kernel([[1, 2]]), Box((2, 2)), gaussian(1)
    match 2 * f * g * h**2:
        case Product((Scaled(2.0, first), Box((2, 2)), Outer() as third, fourth)):
            assert first is f
            assert third is fourth is h
        case other:
            pytest.fail(repr(other))
    match f - (g + h):
        case Sum((first, Scaled(-1.0, Sum((second, third))))):
            assert (first, second, third) == (f, g, h)
        case other:
            pytest.fail(repr(other))
    assert (f + (g + h)).terms == (f, g, h)
    assert len((f + (g + h).labelled("blur")).terms) == 2
    assert Scaled(2, Scaled(3, f)).kernel is f
    assert Scaled(2, Scaled(3, f)).scalar == 6
    assert f**1 is f


def test_nothing_is_multiplied_out_unasked():
    huge = Box((10**6, 10**6)) * gaussian(1000) - 2 * delta()
    assert huge.shape == (1008000, 1008000)
    assert "taps" not in vars(huge)
    assert huge == huge.flip().flip()
    with pytest.raises(ArgumentError, match="taps: expected at most 67108864 taps to multiply out, got 1008000 x"):
        _ = huge.taps
    assert (Box((10**6, 10**6))).rank() == 1


def test_separable_products_are_multiplied_out_by_axis():
    wide = gaussian(12) * Box((40, 30)) * gaussian((9, 14)) * laplacian()
    dense = signal.fftconvolve(signal.fftconvolve(gaussian(12).taps, Box((40, 30)).taps), gaussian((9, 14)).taps)
    np.testing.assert_allclose(wide.taps, signal.fftconvolve(dense, laplacian().taps), atol=1e-15)


def test_complex_structure_survives_taking_parts():
    wave = gabor(angle=0.5)
    assert isinstance(wave, Outer)
    assert [type(term) for term in wave.real.terms] == [Outer, Outer]
    assert wave.real.rank() == wave.imag.rank() == 2
    product = gaussian(3) * wave
    assert product.real.factors[0] is product.factors[0]
    assert isinstance(gabor(angle=0).real, Outer)
    np.testing.assert_allclose((wave * wave).imag.taps, (wave * wave).taps.imag, atol=1e-18)
    np.testing.assert_allclose(((1 + 2j) * wave).real.taps, ((1 + 2j) * wave.taps).real, atol=1e-18)


@pytest.mark.parametrize(
    ("taps", "rank"),
    [
        ([3, 1, 2], 1),
        ([0, 0], 0),
        (np.zeros((2, 3)), 0),
        (np.eye(3), 3),
        (1e-30 * np.eye(3), 3),
        (np.outer([1, 2, 3], [1, 0, -1]), 1),
        (np.outer([1, 2], [1, 1j]) + np.outer([1, -2], [1, 3]), 2),
        (np.eye(2)[:, :, None] * [1, 2, 3], 2),
        (np.arange(8.0).reshape(2, 2, 2) ** 2, 2),
    ],
)
def test_rank(taps, rank):
    assert Kernel(taps).rank() == rank


def test_rank_tolerance_and_structure():
    nearly = np.outer([1, 2], [1, 1]) + 1e-6 * np.eye(2)
    assert Kernel(nearly).rank() == 2
    assert Kernel(nearly).rank(tol=1e-3) == 1
    assert (2 * gaussian(2) * Box((3, 3))).rank() == 1
    assert (0 * gaussian(2)).rank() == 0
    assert Kernel(gaussian(2)).rank() == 1


@laws
@given(anything)
def test_kernels_survive_pickling_and_copying(pair):
    kernel = pair[0].labelled("k")
    restored = pickle.loads(pickle.dumps(kernel))
    assert type(restored) is type(kernel)
    assert restored.fingerprint == kernel.fingerprint
    assert repr(restored) == "k"
    assert copy.copy(kernel) is copy.deepcopy(kernel) is kernel
