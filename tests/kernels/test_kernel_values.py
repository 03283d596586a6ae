"""Kernels as values: their arguments, equality, arithmetic with other types, text and picture."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from fractions import Fraction

import numpy as np
import pytest

import faltung as fa
from faltung.errors import ArgumentError, ArgumentTypeError, FaltungError
from faltung.kernels import Box, Kernel, Outer, Scaled, Sum, Taps, delta, gabor, gaussian, laplacian

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
    with pytest.raises(AttributeError, match=f"'{name}' cannot be set: a kernel cannot be changed"):
        setattr(kernel, name, None)
    with pytest.raises(AttributeError, match=f"'{name}' cannot be deleted"):
        delattr(kernel, name)


# ---- operands ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("two", [2, 2.0, np.float64(2), np.float32(2), np.int8(2), Fraction(2), np.array(2.0)])
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
        (lambda: K * np.ones(3), ArgumentTypeError, "To filter an array, call kernel(array)"),
        (lambda: np.ones(3) * K, ArgumentTypeError, "to make a kernel of it, call Kernel(array)"),
        (lambda: np.ones((2, 2)) + K, ArgumentTypeError, "expected a kernel or a number, got ndarray"),
        (lambda: K - [1, 2], ArgumentTypeError, "expected a kernel or a number, got list"),
        (lambda: K / np.ones(3), ArgumentTypeError, "operand: expected a kernel or a number"),
        (
            lambda: K + 1,
            ArgumentTypeError,
            "sum: expected two kernels, got a kernel and the number 1. Add 1 * delta",
        ),
        (lambda: 2.5 - K, ArgumentTypeError, "Add 2.5 * delta(ndim=2), which is that multiple of the identity"),
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
        (lambda: Outer(([1, 2],)), ArgumentTypeError, "kernels: expected kernels only, got list"),
        (lambda: Sum(()), ArgumentError, "kernels with the same number of dimensions, got none"),
        (lambda: Box(()), ArgumentError, "ndim: expected an integer from 1 to 32, got 0"),
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
        (delta() + (-2 * delta()).labelled("k"), "delta() + k"),
        (delta() + (-2 + 1j) * gaussian(2), "delta() + (-2+1j) * gaussian(2)"),
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
    assert '<path fill="#cc5803" d="M0 0h1v1h-1z"/>' in text
    assert '<path fill="#2166ac" d="M0 1h1v1h-1z"/>' in text
    assert '<path fill="#e2a87d" d="M1 1h1v1h-1z"/>' in text
    assert text.count("<path") == 3
    assert '<circle cx="1.5" cy="0.5"' in text
    assert "<circle" not in Kernel([[1, 2]], origin=(5, 5))._repr_svg_()
    assert fills(Kernel([1, -1])) >= {"#cc5803", "#2166ac"}


def words(kernel):
    return [element.text for element in drawn(kernel).iter() if element.tag.endswith("text")]


def test_pictures_have_numbers_up_to_seven_taps_a_legend_and_both_parts():
    taps = np.array([[0.25, -1.5], [0.0, 1 / 3]])
    assert words(Kernel(taps))[:-1] == ["0.25", "-1.5", "0", "0.333", "-1.5", "0", "1.5"]
    assert words(Kernel([1, -2, 0.5]))[:-1] == ["1", "-2", "0.5", "-2", "0", "2"]
    assert words(Kernel(np.ones((8, 8))))[:-1] == ["-1", "0", "1"]
    parts = words(Kernel([[1, 2j]]))
    assert parts[:3] == ["real part", "1", "0"]
    assert parts[3:6] == ["imaginary part", "0", "2"]


def test_picture_of_a_large_kernel_keeps_its_extremes():
    taps = np.zeros((100, 100))
    taps[17, 42], taps[80, 80] = 1.0, -1.0
    text = Kernel(taps)._repr_svg_()
    assert "a cell shows the largest of 3 x 3 taps" in text
    assert 'fill="#cc5803" d="M14 5h1v1h-1z"' in text
    assert 'fill="#2166ac" d="M26 26h1v1h-1z"' in text
    assert Box((10**4, 10**4))._repr_svg_() is None


def test_what_is_looked_for_in_vain_is_named():
    with pytest.raises(
        AttributeError, match=r"a kernel has no attribute 'matrix'. A bank has a matrix: faltung.Bank"
    ):
        fa.sobel().matrix  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'weights'. Use kernel.taps."):
        (fa.sobel() + fa.box(3)).weights  # noqa: B018
    with pytest.raises(AttributeError, match=r"a kernel has no attribute 'colour'$"):
        fa.delta().colour  # noqa: B018
    assert not hasattr(fa.box(3), "matrix")
    assert hasattr(fa.Bank.stack([fa.box(3)]), "matrix")


def test_a_power_is_a_convolution_with_itself():
    assert fa.box(3) ** 2 == fa.box(3) * fa.box(3)
    assert fa.box(3) ** 2 != fa.Kernel(fa.box(3).taps ** 2)
    assert "convolved with itself" in fa.Kernel.__pow__.__doc__
