"""The text form of kernels: its meaning, its errors, and its bounds."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faltung.errors import ArgumentTypeError, ExpressionError
from faltung.kernels import (
    Kernel,
    binomial,
    box,
    delta,
    disk,
    dog,
    gabor,
    gaussian,
    gaussian_derivative,
    laplacian,
    log,
    motion,
    parse,
    prewitt,
    scharr,
    sobel,
    unsharp,
)

laws = settings(deadline=None, max_examples=60)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gaussian(2)", gaussian(2)),
        ("gaussian(2) * sobel(0)", gaussian(2) * sobel(0)),
        ("gaussian(2.5e-1, truncate=3.)", gaussian(0.25, truncate=3)),
        ("gaussian((1, 2))", gaussian((1, 2))),
        ("gaussian([1, .5,], ndim=2,)", gaussian((1, 0.5))),
        ("sobel(axis=-1)", sobel()),
        (" delta( ) ", delta()),
        ("2*delta()-gaussian(2)", 2 * delta() - gaussian(2)),
        ("delta() - delta() - delta()", -1 * delta()),
        ("-delta() + 3 * delta() / 2", 0.5 * delta()),
        ("2 ** 3 ** 0 * -delta()", -2 * delta()),
        ("-box(3) ** 2", -(box(3) ** 2)),
        ("box(3)**-0", delta()),
        ("box(2 + 1)", box(3)),
        ("(2 + 1j) * delta() * 1j", (2j - 1) * delta()),
        ("gabor(angle=pi / 4).real", gabor(angle=math.pi / 4).real),
        ("gabor().imag.flip()", gabor().imag.flip()),
        ("(sobel(0) + sobel(1)).flip()", (sobel(0) + sobel(1)).flip()),
        ("gabor().conj()", gabor().conj()),
        ("[1, 2, 1] / 4", Kernel([0.25, 0.5, 0.25])),
        ("[1, 2].flip()", Kernel([2, 1], 0)),
        ("[[0, 1, 0], [1, -4, 1], [0, 1, 0]]", laplacian()),
        ("[[1/2], [-2**2]]", Kernel([[0.5], [-4]])),
        ("[1, 1] * [1, -1]", Kernel([1, 0, -1], 2)),
        ("kernel([1, 2, 3], origin=0)", Kernel([1, 2, 3], 0)),
        ("Kernel([[1, 2j]], (0, -3))", Kernel([[1, 2j]], (0, -3))),
        ("[True, False]", Kernel([1, 0])),
        ("gaussian(1)\n\t* box(3)", gaussian(1) * box(3)),
        ("+ + delta()", delta()),
        (" + ".join(["delta()"] * 100), 100 * delta()),
        ("(" * 39 + "delta()" + ")" * 39, delta()),
    ],
)
def test_text_means_what_python_means(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("", "expected a number, a kernel or '(', got the end", 0),
        ("2 * ", "expected a number, a kernel or '(', got the end", 4),
        ("2", "expected a kernel, got the number 2: multiply delta() by it", 0),
        ("gausian(2)", "unknown name 'gausian': did you mean gaussian?", 0),
        ("2 * frobnicate(2)", "unknown name 'frobnicate': the known names are delta, box, gaussian,", 4),
        ("__import__('os')", "unknown name '__import__'", 0),
        ("gaussian", "gaussian needs arguments in parentheses", 0),
        ("gaussian(2", "expected ',', got the end", 10),
        ("(gaussian(2)", "expected ')', got the end", 12),
        ("gaussian(2) sobel(0)", "expected an operator or the end, got 'sobel'", 12),
        ("gaussian(2))", "expected an operator or the end, got ')'", 11),
        ("2 gaussian(2)", "expected an operator or the end, got 'gaussian'", 2),
        ("gaussian(2) % 3", "expected an operator or the end, got '%'", 12),
        ("'a'", "expected a number or a kernel, got the word 'a'", 0),
        ("'a", "expected a number, a kernel or '(', got \"'\"", 0),
        ("gaussian(é)", "expected a number, a kernel or '(', got 'é'", 9),
        ("gaussian(٣)", "expected a number, a kernel or '(', got '٣'", 9),
        ("delta() + gaussian()", "gaussian(sigma, truncate, ndim): missing a required argument: 'sigma'", 10),
        ("gaussian(2, size=3)", "got an unexpected keyword argument 'size'", 0),
        ("sobel(0, 2)", "sobel(axis, ndim): too many positional arguments", 0),
        ("sobel(axis=0, axis=1)", "expected each argument once, and arguments with names last", 14),
        ("sobel(axis=0, 1)", "expected each argument once, and arguments with names last", 14),
        ("2 * gaussian(-1)", "gaussian: sigma: expected a number of at least 0, got -1.", 4),
        ("box(1.5)", "box: size: expected an integer from 1 to 2147483648, got 1.5.", 0),
        ("box(True)", "box: size: expected an integer", 0),
        ("box(box(2))", "expected a number or a list of numbers, got a kernel", 4),
        ("[1, delta()]", "expected a number or a list of numbers, got a kernel", 4),
        ("gaussian(gaussian)", "gaussian needs arguments in parentheses", 9),
        ("delta() + 1", "sum: expected two kernels, got a kernel and the number 1. Add 1 * delta(ndim=2)", 8),
        ("1 / delta()", "divisor: expected a number, got a kernel.", 2),
        ("delta() / 0", "divisor: expected a number other than zero, got 0.", 8),
        ("delta() * (1 / 0)", "the result is not a finite number", 13),
        ("delta() * 1e999", "scalar: expected a finite number, got inf.", 8),
        ("delta() * sobel(ndim=1)", "kernels with the same number of dimensions, got 2-D and 1-D", 8),
        ("delta() ** delta()", "expected a number up to 64 as exponent", 8),
        ("delta() ** -1", "exponent: expected an integer from 0 to 10000, got -1.", 8),
        ("delta() ** 65", "expected a number up to 64 as exponent", 8),
        ("(1, 2)", "expected a number or a kernel; taps are written in square brackets", 0),
        (
            "[[1, 2], [3]]",
            "taps: expected an array of numbers, got list. Nested lists must have equal lengths.",
            0,
        ),
        ("[]", "taps: expected at least one tap", 0),
        ("2 * [1, (2, 3)]", "taps: expected an array of numbers", 2),
        ("delta().taps", "expected .flip(), .conj(), .squared(), .real or .imag after a kernel, got 'taps'", 8),
        (
            "delta().__class__",
            "expected .flip(), .conj(), .squared(), .real or .imag after a kernel, got '__class__'",
            8,
        ),
        ("pi.real", "expected .flip(), .conj(), .squared(), .real or .imag after a kernel, got 'real'", 3),
        ("delta().flip", "expected '(', got the end", 12),
        ("delta(\n) +", "expected a number, a kernel or '(', got the end", 10),
    ],
)
def test_errors_point_at_the_position(text, message, place):
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert caught.value.position == place
    if text.isascii():
        first, shown, caret = str(caught.value).split("\n")
        assert first.endswith(f"(at column {place + 1})")
        assert shown.strip() == text.replace("\n", " ").strip()
        assert caret == " " * (place + 2) + "^"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(" * 2000, "expected at most 40 levels of nesting"),
        ("[" * 2000, "expected at most 40 levels of nesting"),
        ("-" * 2000 + "delta()", "expected at most 40 levels of nesting"),
        ("2**" * 1000 + "delta()", "expected at most 40 levels of nesting"),
        ("delta(ndim=" * 300, "expected at most 40 levels of nesting"),
        ("+".join(["delta()"] * 600), "expected at most 4096 characters, got 4799"),
        ("9**64**64", "expected a number up to 64 as exponent"),
        ("(((9**64)**64)**64)**64 * delta()", "the result is not a finite number"),
        (f"{'9' * 3000} * 2 * delta()", "the result is not a finite number"),
        ("gaussian(1e9)", "sigma: expected a kernel of at most 4194304 taps"),
        (
            "kernel([[1, 1], [0, 1]], (0, 9999)) ** 64 * disk(9) * disk(999)",
            "expected at most 4194304 taps",
        ),
        ("+".join(["disk(20)**32"] * 9), "expected at most 4194304 taps in all sums and products"),
        ("laplacian(ndim=3)**64", "got 4293378, those of volumes counted twice"),
        ("1j * (delta() + " * 38 + "binomial(700)" + ")" * 38, "in all sums and products, got"),
        ("+".join(["disk(900)"] * 100), "expected at most 4194304 taps in the parts of the expression"),
        ("((box(64)**64)**64)**64", "number of factors: expected an integer from 1 to 10000, got 262144"),
        ("((delta()**64)**64)**64", "number of factors: expected an integer from 1 to 10000, got 262144"),
        ("kernel([1], 99999999) + kernel([1])", "expected at most 4194304 taps to multiply out, got 100000000"),
    ],
)
def test_expressions_are_bounded(text, message):
    started = time.perf_counter()
    with pytest.raises(ExpressionError, match="(?s)" + message.replace("(", r"\(")):
        parse(text)
    assert time.perf_counter() - started < 5.0


def test_text_is_a_string():
    with pytest.raises(ArgumentTypeError, match="text: expected a string, got bytes"):
        parse(b"delta()")


# ---- round trip -------------------------------------------------------------------------------------------

sigmas = st.floats(0.5, 3)
axes = st.integers(-2, 1)
angles = st.floats(-4, 4)
named = st.one_of(
    st.builds(delta),
    st.builds(box, st.one_of(st.integers(1, 4), st.tuples(st.integers(1, 4), st.integers(1, 4)))),
    st.builds(gaussian, st.one_of(sigmas, st.tuples(sigmas, sigmas)), truncate=st.floats(0, 3)),
    st.builds(gaussian_derivative, sigmas, st.integers(0, 3), axes),
    st.builds(gaussian_derivative, sigmas, st.tuples(st.integers(0, 2), st.integers(0, 2))),
    st.builds(binomial, st.integers(0, 5)),
    st.builds(sobel, axes),
    st.builds(prewitt, axis=axes),
    st.builds(scharr, axes),
    st.builds(laplacian),
    st.builds(log, sigmas),
    st.builds(dog, sigmas),
    st.builds(gabor, st.floats(0.1, 0.5), angle=angles, phase=angles).map(lambda k: k.real),
    st.builds(gabor, st.floats(0.1, 0.5), angles, sigma_x=sigmas, sigma_y=sigmas),
    st.builds(disk, st.floats(0, 3)),
    st.builds(motion, st.floats(0.5, 5), angle=angles),
    st.builds(unsharp, sigmas, amount=st.floats(-2, 2)),
)
numbers = st.one_of(st.floats(-9, 9), st.integers(-9, 9), st.complex_numbers(max_magnitude=9))
literals = st.lists(numbers, min_size=4, max_size=4).map(lambda n: Kernel(np.reshape(n, (2, 2)), (0, -1)))


def grow(inner):
    return st.one_of(
        st.builds(lambda a, b: a * b, inner, inner),
        st.builds(lambda a, b: a + b, inner, inner),
        st.builds(lambda a, b: a - b, inner, inner),
        st.builds(lambda n, a: n * a, numbers, inner),
        st.builds(lambda a, n: a**n, inner, st.integers(0, 3)),
        st.builds(lambda a: -a, inner),
        st.builds(lambda a: a.flip(), inner),
        st.builds(lambda a: a.conj(), inner),
    )


@laws
@given(st.recursive(st.one_of(named, literals), grow, max_leaves=4))
def test_printed_kernels_can_be_read(kernel):
    restored = parse(repr(kernel))
    # Terms of a sum can cancel; rounding errors are then relative to the terms and not to the sum.
    assert restored.isclose(kernel, rtol=1e-9, atol=1e-9)
    assert restored.shape == kernel.shape


@laws
@given(named)
def test_a_named_kernel_reads_back_to_the_last_bit(kernel):
    assert parse(repr(kernel)).fingerprint == kernel.fingerprint


@laws
@given(st.text(alphabet="gausbox dl()[]*+-/.,=0123456789ejpi", max_size=30))
def test_any_text_is_a_kernel_or_an_expression_error(text):
    try:
        result = parse(text)
    except ExpressionError as error:
        result = error
    assert isinstance(result, Kernel) or 0 <= result.position <= len(text)
