"""The algebra of kernels, against its definition written out as sums over lags."""

from __future__ import annotations

import copy
import itertools
import math
import pickle
import re
import xml.etree.ElementTree as ElementTree
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, signal

from faltung.errors import ArgumentError, ArgumentTypeError, FaltungError
from faltung.kernels import Box, Kernel, Outer, Product, Scaled, Sum, Taps, delta, gabor, gaussian, laplacian

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
    """Any expression beside what it means: a kernel, and its dictionary computed without the kernel."""
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


# ---- taps and origin --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("taps", "expected"),
    [
        ([1, 2, 3], np.float64),
        ([True, False], np.float64),
        (np.ones((2, 2), np.float32), np.float64),
        (np.ones((2, 2), np.float16), np.float64),
        (np.arange(3, dtype=np.uint8), np.float64),
        (np.ones(3, ">f8"), np.float64),
        ([1, 2j], np.complex128),
        (np.ones((1, 1, 1, 1), np.complex64), np.complex128),
    ],
)
def test_taps_are_stored_in_double_precision(taps, expected):
    kernel = Kernel(taps)
    assert type(kernel) is Taps
    assert isinstance(kernel, Kernel)
    assert kernel.taps.dtype == kernel.dtype == expected
    np.testing.assert_array_equal(kernel.taps, np.asarray(taps))
    assert kernel.shape == np.shape(taps)
    assert kernel.ndim == np.ndim(taps)
    assert kernel.size == np.size(taps)


def test_taps_are_copied_and_read_only():
    source = np.arange(3.0)
    kernel = Kernel(source)
    source[0] = 9.0
    np.testing.assert_array_equal(kernel.taps, [0, 1, 2])
    for array in (kernel.taps, (kernel * kernel).taps, (2 * kernel).taps, Box((3,)).taps, np.asarray(kernel)):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


@pytest.mark.parametrize(
    ("taps", "error", "message"),
    [
        ([], ArgumentError, "taps: expected at least one tap, got shape (0,)"),
        (np.ones((2, 0)), ArgumentError, "got shape (2, 0)"),
        (3.0, ArgumentError, "taps: expected an array with at least one axis, got a single number"),
        ([[1, 2], [3]], ArgumentError, "Nested lists must have equal lengths"),
        ([1, np.nan], ArgumentError, "taps: expected finite numbers, got nan at index (1,)"),
        ([[0, 1], [np.inf, 1]], ArgumentError, "got inf at index (1, 0)"),
        (["1"], ArgumentTypeError, "got dtype <U1"),
        ([1, None], ArgumentTypeError, "got dtype object"),
        (np.ones(2, np.longdouble), ArgumentTypeError, "numbers up to double precision"),
        (np.ones(2, np.clongdouble), ArgumentTypeError, "numbers up to double precision"),
        (np.array(["2020"], "M8[Y]"), ArgumentTypeError, "got dtype datetime64[Y]"),
    ],
)
def test_bad_taps_are_named(taps, error, message):
    with pytest.raises(error, match=re.escape(message)):
        Kernel(taps)


@pytest.mark.parametrize(("size", "middle"), [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2)])
def test_default_origin_is_the_right_middle(size, middle):
    assert Kernel(np.ones(size)).origin == (middle,)
    assert Kernel(np.ones((size, 3))).origin == (middle, 1)


def test_origin_may_lie_outside():
    assert lags_of(Kernel([1, 2], origin=5)) == {(-5,): 1, (-4,): 2}
    assert lags_of(Kernel([[1, 2]], origin=(-1, np.int64(0)))) == {(1, 0): 1, (1, 1): 2}
    assert Kernel([1, 2, 3], origin=5).lags == (range(-5, -2),)


@pytest.mark.parametrize(
    ("origin", "error", "message"),
    [
        ((1, 2), ArgumentError, "origin: expected 1 integer, one per axis, got (1, 2)"),
        (0.0, ArgumentTypeError, "got 0.0"),
        (True, ArgumentTypeError, "got True"),
        ("0", ArgumentTypeError, "got '0'"),
        ([[0]], ArgumentTypeError, "got [[0]]"),
    ],
)
def test_bad_origins_are_named(origin, error, message):
    with pytest.raises(error, match=re.escape(message)):
        Kernel([1, 2], origin=origin)


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
    assert Scaled(2, Scaled(3, f)).kernel is f
    assert Scaled(2, Scaled(3, f)).scalar == 6
    assert f**1 is f


def test_nothing_is_multiplied_out_unasked():
    huge = Box((10**6, 10**6)) * gaussian(1000) - 2 * delta()
    assert huge.shape == (1008000, 1008000)
    assert "taps" not in vars(huge)
    assert huge == huge.flip().flip()
    with pytest.raises(
        ArgumentError, match="taps: expected at most 67108864 taps to multiply out, got 1008000 x"
    ):
        _ = huge.taps
    assert (Box((10**6, 10**6))).rank() == 1


def test_separable_products_are_multiplied_out_by_axis():
    wide = gaussian(12) * Box((40, 30)) * gaussian((9, 14)) * laplacian()
    dense = signal.fftconvolve(
        signal.fftconvolve(gaussian(12).taps, Box((40, 30)).taps), gaussian((9, 14)).taps
    )
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


# ---- equality and identity --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "equal"),
    [
        (Kernel([1, 2]), Kernel([0, 1, 2, 0], origin=2), True),
        (Kernel([1, 2]), Kernel([1, 2], origin=0), False),
        (Kernel([1, 2]), Kernel([1, 2 + 1e-13]), True),
        (Kernel([1, 2]), Kernel([1, 2 + 1e-11]), False),
        (Kernel([1, 2]), Kernel([1, 2 + 0j]), True),
        (Kernel([1, 2]), Kernel([[1, 2]]), False),
        (Kernel([0, 0]), Kernel([0], origin=10**12), True),
        (Kernel([1]), Kernel([1], origin=10**12), False),
        (Kernel([[1, 0], [0, 0]]), Kernel([[1], [0]], origin=(1, 1)), True),
        (Kernel([[1, 0], [3, 0]]), Kernel([[1]], origin=(1, 1)), False),
        (Kernel([1]), [1], False),
    ],
)
def test_equality_is_that_of_functions_on_the_grid(first, second, equal):
    assert (first == second) is equal
    assert (first != second) is not equal


def test_isclose_takes_a_tolerance():
    assert Kernel([1.0]).isclose(Kernel([1.1]), rtol=0.1)
    assert Kernel([0.0]).isclose(Kernel([0.1]), atol=0.1)
    assert not Kernel([0.0]).isclose(Kernel([0.1]), rtol=0.1)
    with pytest.raises(ArgumentTypeError, match=r"other: expected a kernel, got list\. Wrap taps in"):
        Kernel([1]).isclose([1])


def test_fingerprints_tell_structure_and_bits_apart():
    distinct = [
        Kernel([1, 2]),
        Kernel([1, 2], origin=0),
        Kernel([[1, 2]]),
        Kernel([[1], [2]]),
        Kernel([1, 2j]),
        Kernel([1, np.nextafter(2, 3)]),
        2 * Kernel([1, 2]),
        Kernel([1, 2]) + Kernel([1, 2]),
        Kernel([1, 2]) * Kernel([1, 2]),
        Outer((Kernel([1, 2]), Kernel([1, 2]))),
        Box((2,)),
        Box((2,), 0),
    ]
    assert len({kernel.fingerprint for kernel in distinct}) == len(distinct)
    assert (2 * Kernel([1, 2])).fingerprint == (2.0 * Kernel([1, 2]).labelled("f")).fingerprint
    with pytest.raises(TypeError, match="unhashable"):
        hash(Kernel([1]))


@pytest.mark.parametrize("name", ["taps", "origin", "shape", "colour"])
def test_kernels_are_immutable(name):
    kernel = Kernel([1, 2])
    with pytest.raises(AttributeError, match=f"'{name}' cannot be set: a kernel is a value"):
        setattr(kernel, name, None)
    with pytest.raises(AttributeError, match=f"'{name}' cannot be deleted"):
        delattr(kernel, name)


@laws
@given(anything)
def test_kernels_survive_pickling_and_copying(pair):
    kernel = pair[0].labelled("k")
    restored = pickle.loads(pickle.dumps(kernel))
    assert type(restored) is type(kernel)
    assert restored.fingerprint == kernel.fingerprint
    assert repr(restored) == "k"
    assert copy.copy(kernel) is copy.deepcopy(kernel) is kernel


# ---- operands ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "two", [2, 2.0, np.float64(2), np.float32(2), np.int8(2), Fraction(2), np.array(2.0)]
)
def test_every_real_number_scales(two):
    f = Kernel([1, 2])
    for product in (two * f, f * two):
        assert isinstance(product, Scaled)
        assert type(product.scalar) is float
        np.testing.assert_array_equal(product.taps, [2, 4])
    np.testing.assert_array_equal((f / two).taps, [0.5, 1])


@pytest.mark.parametrize("unit", [1j, np.complex64(1j), np.complex128(1j)])
def test_every_complex_number_scales(unit):
    assert (unit * Kernel([1, 2])).dtype == np.complex128
    np.testing.assert_array_equal((Kernel([1, 2]) / unit).taps, [-1j, -2j])


def test_sum_of_a_list():
    assert sum([Kernel([1]), Kernel([2]), Kernel([3])]) == Kernel([6])


class Module:
    """Another type that knows kernels, and opts out of NumPy's arithmetic as they do."""

    __array_ufunc__ = None

    def __array__(self):
        raise AssertionError

    def __rmul__(self, other):
        return "handled"


def test_other_types_get_their_turn():
    assert Kernel([1]) * Module() == "handled"
    for other in (None, object(), {1, 2}):
        with pytest.raises(TypeError, match="unsupported operand"):
            Kernel([1]) * other


K = Kernel([[1, 2]])


@pytest.mark.parametrize(
    ("operation", "error", "message"),
    [
        (lambda: K * np.ones(3), ArgumentTypeError, "Filter it with convolve(array, kernel)"),
        (lambda: np.ones(3) * K, ArgumentTypeError, "or make a kernel of it with Kernel(array)"),
        (lambda: np.ones((2, 2)) + K, ArgumentTypeError, "expected a kernel or a number, got ndarray"),
        (lambda: K - [1, 2], ArgumentTypeError, "expected a kernel or a number, got list"),
        (lambda: K / np.ones(3), ArgumentTypeError, "operand: expected a kernel or a number"),
        (
            lambda: K + 1,
            ArgumentTypeError,
            "sum: expected two kernels, got a kernel and the number 1. Add 1 * delta",
        ),
        (lambda: 2.5 - K, ArgumentTypeError, "Add 2.5 * delta(ndim=2), that multiple of the identity"),
        (lambda: K * True, ArgumentTypeError, "scalar: expected a real or complex number, got True"),
        (lambda: K * np.nan, ArgumentError, "scalar: expected a finite number, got nan"),
        (lambda: K * 10**400, ArgumentError, "scalar: expected a finite number"),
        (lambda: K / 0, ArgumentError, "divisor: expected a number other than zero, got 0"),
        (lambda: K / 5e-324, ArgumentError, "scalar: expected a finite number, got inf"),
        (lambda: K / K, ArgumentTypeError, "divisor: expected a number, got a kernel"),
        (lambda: 1 / K, ArgumentTypeError, "divisor: expected a number, got a kernel"),
        (lambda: K**-1, ArgumentError, "exponent: expected an integer from 0 to 10000, got -1"),
        (lambda: K**0.5, ArgumentTypeError, "exponent: expected an integer from 0 to 10000, got 0.5"),
        (
            lambda: (K**5000) ** 3,
            ArgumentError,
            "number of factors: expected an integer from 1 to 10000, got 15000",
        ),
        (lambda: K * Kernel([1]), ArgumentError, "got 2-D and 1-D. Named kernels take ndim="),
        (lambda: K + Kernel([1]), ArgumentError, "kernels with the same number of dimensions"),
        (
            lambda: Outer((K, K)),
            ArgumentError,
            "factors: expected one-dimensional kernels, one per axis, got 2-D",
        ),
        (lambda: Outer(([1, 2],)), ArgumentTypeError, "kernels: expected kernels, got list"),
        (lambda: Sum(()), ArgumentError, "kernels with the same number of dimensions, got none"),
        (lambda: Box((3, 0)), ArgumentError, "widths: expected an integer from 1"),
        (lambda: Box((2.0,)), ArgumentTypeError, "widths: expected an integer from 1"),
        (
            lambda: (Kernel([1e308]) * Kernel([1e308])).taps,
            ArgumentError,
            "taps: expected finite numbers, got inf",
        ),
    ],
)
def test_bad_operands_are_named(operation, error, message):
    with pytest.raises(error, match=re.escape(message)) as caught:
        operation()
    assert isinstance(caught.value, FaltungError)


def test_numpy_reads_the_taps():
    assert np.asarray(K) is K.taps
    np.testing.assert_array_equal(np.asarray(K, dtype=np.float32), [[1, 2]])
    assert np.array(K, copy=True).flags.writeable


# ---- text and pictures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "text"),
    [
        (Kernel([1, 0.5]), "Kernel([1, 0.5], origin=1)"),
        (Kernel([[1], [2j]], (0, 0)), "Kernel([[(1+0j)], [2j]], origin=(0, 0))"),
        (Kernel(np.arange(100)), "Kernel([ 0., 1., ..., 98., 99.], shape=(100,), origin=50)"),
        (Box((3, 4)), "Box((3, 4), origin=(1, 2))"),
        (Outer((Kernel([1]),)), "Outer((Kernel([1], origin=0),))"),
        (-gaussian(2), "-gaussian(2)"),
        (2 * (gaussian(1) + delta()), "2 * (gaussian(1) + delta())"),
        (gaussian(1) * (delta() - gaussian(2)) ** 2, "gaussian(1) * (delta() - gaussian(2))**2"),
        (delta() - 2 * gaussian(2), "delta() - 2 * gaussian(2)"),
        (delta() - (delta() + gaussian(2)), "delta() - (delta() + gaussian(2))"),
        ((-gaussian(2)) ** 2, "(-gaussian(2))**2"),
        ((1 + 2j) * delta(), "(1+2j) * delta()"),
        (gaussian(2).flip(), "gaussian(2).flip()"),
        (gabor().real + gabor().imag, "gabor().real + gabor().imag"),
        (gabor().conj(), "gabor().conj()"),
    ],
)
def test_kernels_print_as_the_expression_that_made_them(kernel, text):
    assert repr(kernel) == text


def drawn(kernel):
    return ElementTree.fromstring(kernel._repr_svg_())


def fills(kernel):
    return {element.get("fill") for element in drawn(kernel).iter() if element.get("d") or element.get("y")}


@pytest.mark.parametrize(
    "kernel",
    [
        Kernel([1.0]),
        Kernel([1, -2, 3], origin=7),
        Kernel([0, 0]),
        gaussian(40, ndim=1),
        gaussian(60),
        gabor(angle=1.0),
        laplacian(ndim=3),
        Kernel(np.ones((2, 3, 4, 5)), origin=(0, 9, 0, 0)),
        Kernel([1, -1]).labelled('<b>&"'),
    ],
)
def test_picture_is_small_and_well_formed(kernel):
    svg = kernel._repr_svg_()
    assert drawn(kernel).tag == "{http://www.w3.org/2000/svg}svg"
    assert len(svg) < 40_000
    assert "nan" not in svg


def test_picture_shows_sign_size_and_origin():
    text = Kernel([[1, 0], [-1, 0.5]], origin=(0, 1))._repr_svg_()
    assert '<path fill="#b2182b" d="M0 0h1v1h-1z"/>' in text
    assert '<path fill="#2166ac" d="M0 1h1v1h-1z"/>' in text
    assert '<path fill="#d88c95" d="M1 1h1v1h-1z"/>' in text
    assert text.count("<path") == 3
    assert '<circle cx="1.5" cy="0.5"' in text
    assert "<circle" not in Kernel([[1, 2]], origin=(5, 5))._repr_svg_()
    assert fills(Kernel([1, -1])) >= {"#b2182b", "#2166ac"}


def test_picture_of_a_large_kernel_keeps_its_extremes():
    taps = np.zeros((100, 100))
    taps[17, 42], taps[80, 80] = 1.0, -1.0
    text = Kernel(taps)._repr_svg_()
    assert "a cell shows the largest of 3 x 3 taps" in text
    assert 'fill="#b2182b" d="M14 5h1v1h-1z"' in text
    assert 'fill="#2166ac" d="M26 26h1v1h-1z"' in text
    assert Box((10**4, 10**4))._repr_svg_() is None
