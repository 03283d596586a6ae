"""Numbers: which dtype a result has, how it is rounded and saturated, and how far it is from the exact one."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import faltung as fa
import reference

SIGNED, UNSIGNED = ("i1", "i2", "i4", "i8"), ("u1", "u2", "u4", "u8")


# ---- dtypes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_dtypes", "result"),
    [
        ("? i1 u1 i2 u2 f2 f4 >i2 >f2 >f4", "f4"),
        ("i4 u4 i8 u8 f8 >u4 >f8", "f8"),
        ("c8 >c8", "c8"),
        ("c16 >c16", "c16"),
    ],
)
def test_default_dtype(given_dtypes, result):
    for dtype in given_dtypes.split():
        got = fa.convolve(np.array([1, 0, 1], dtype), [1.0, 2.0])
        assert got.dtype == np.dtype(result), dtype
        assert got.tolist() == [2, 1, 3]
        got = fa.convolve(np.array([1, 0, 1], dtype), [1j, 2j])
        assert got.dtype == np.result_type(result, "c8"), dtype
        assert got.tolist() == [2j, 1j, 3j]
    assert fa.convolve([1, 0, 1], [1.0, 2.0]).dtype == np.float64


@pytest.mark.parametrize(
    "dtype", [*SIGNED, *UNSIGNED, "f2", "f4", "f8", "c8", "c16", ">i2", ">u4", ">f2", ">f8", ">c8"]
)
def test_asked_for_dtype(dtype):
    for source in ("?", "u1", ">i2", "i8", "f2", "f4", "f8"):
        got = fa.convolve(np.array([1, 0, 1], source), [1.0, 2.25], dtype=dtype)
        assert got.dtype == np.dtype(dtype)
        assert_array_equal(got, reference.stored(np.array([2.25, 1, 3.25]), np.dtype(dtype)))


def test_double_precision_where_the_result_asks_for_it():
    x = np.array([1.0, 2.0**-30], "f4")
    assert fa.convolve(x, [1.0, 1.0], "constant", dtype="f8").tolist() == [1 + 2.0**-30, 2.0**-30]
    assert fa.convolve(x, [1.0, 1.0], "constant").tolist() == [1, 2.0**-30]


def test_integers_are_rounded_half_to_even():
    x = np.array([0.5, 1.5, 2.5, 3.5, -0.5, -1.5, -2.5, -3.5])
    for dtype in SIGNED:
        assert fa.convolve(x, [1], dtype=dtype).tolist() == [0, 2, 2, 4, 0, -2, -2, -4]
        assert fa.convolve(x.astype("f4"), [1], dtype=dtype).tolist() == [0, 2, 2, 4, 0, -2, -2, -4]
    for dtype in UNSIGNED:
        assert fa.convolve(x, [1], dtype=dtype).tolist() == [0, 2, 2, 4, 0, 0, 0, 0]


def test_integers_saturate_and_nan_is_zero():
    x = np.array([1e30, -1e30, np.inf, -np.inf, np.nan])
    for dtype in (*SIGNED, *UNSIGNED):
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        for source in ("f4", "f8"):
            assert fa.convolve(x.astype(source), [1], dtype=dtype).tolist() == [high, low, high, low, 0]
    assert fa.convolve(np.array([200, 100], "u1"), [2], dtype="u1").tolist() == [255, 200]
    assert fa.convolve(np.array([200, 100], "u1"), [-1], dtype="i1").tolist() == [-128, -100]


def test_limits_of_64_bits():
    # The doubles next below 2**63 and 2**64 are 1024 and 2048 away.
    x = np.array([2.0**63, 2.0**63 - 1024, -(2.0**63), -(2.0**63) - 2048])
    assert fa.convolve(x, [1], dtype="i8").tolist() == [2**63 - 1, 2**63 - 1024, -(2**63), -(2**63)]
    x = np.array([2.0**64, 2.0**64 - 2048, -1, 2.0**63])
    assert fa.convolve(x, [1], dtype="u8").tolist() == [2**64 - 1, 2**64 - 2048, 0, 2**63]
    x = np.array([2**53, 2**53 + 1, 2**53 + 2, 2**63 - 1], "i8")
    assert fa.convolve(x, [1], dtype="i8").tolist() == [2**53, 2**53, 2**53 + 2, 2**63 - 1]
    x = np.array([2**64 - 1, 2**63, 1], "u8")
    assert fa.convolve(x, [1]).tolist() == [2.0**64, 2.0**63, 1]


def test_half_floats_overflow_to_infinity():
    x = np.array([65504, 65519, 65520, -65520, 1e-8, 6e-8, np.nan], "f4")
    got = fa.convolve(x, [1], dtype="f2")
    assert_array_equal(got, np.array([65504, 65504, np.inf, -np.inf, 0, 6e-8, np.nan], "f2"))
    assert fa.convolve(np.full(1000, 60000, "f2"), [1, 1], dtype="f2").tolist() == [np.inf] * 1000
    assert fa.convolve(np.full(1000, 60000, "f2"), [1, 1]).tolist() == [120000] * 1000


def test_single_floats_overflow_to_infinity():
    assert fa.convolve(np.array([1e300, -1e300]), [1], dtype="f4").tolist() == [np.inf, -np.inf]
    assert fa.convolve(np.array([1e300, -1e300]), [1j], dtype="c8").imag.tolist() == [np.inf, -np.inf]
    assert fa.convolve(np.full(3, 3e38, "f4"), [1, 1]).tolist() == [np.inf] * 3


@pytest.mark.parametrize("dtype", [None, "c16"])
@pytest.mark.parametrize("source", ["c8", ">c8", "c16"])
def test_complex_values_outside(source, dtype):
    got = fa.convolve(np.zeros(1, source), [3.0, 0, 0], "constant", 0.5 + 0.1j, dtype=dtype)
    exact = dtype == "c16" or source == "c16"
    assert_allclose(got, [1.5 + 0.3j], rtol=1e-15 if exact else 1e-6)


@pytest.mark.parametrize("cval", [0.1, 300, -1, 1e300, -1e300, np.inf, np.nan])
@pytest.mark.parametrize("source", ["?", "u1", "i8", "f2", "f4", "f8"])
def test_values_outside_need_not_fit_the_array(source, cval):
    x = np.ones(1, source)
    assert_array_equal(fa.convolve(x, [1.0, 1, 0], "constant", cval, dtype="f8"), [1 + cval])
    assert_array_equal(
        fa.convolve(x, [1.0, 1, 0], "constant", cval, dtype="u1"),
        reference.stored(np.array([1 + cval]), "u1"),
    )


# ---- rounding ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("f4", None),
        ("f8", None),
        ("u1", None),
        ("i8", None),
        ("f2", "f4"),
        ("f4", "f8"),
        ("f8", "f4"),
        ("f4", "f2"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 9, 600])
def test_the_error_stays_below_what_the_plan_says(source, result, size):
    own = np.random.default_rng(size)
    x = (own.standard_normal(700) * 2.0 ** own.integers(-3, 4, 700)).astype(source)
    if x.dtype.kind in "iu":
        x = own.integers(1, min(np.iinfo(source).max, 2**62), 700, source)
    taps = own.standard_normal(size)
    got = fa.convolve(x, taps, shape="valid", dtype=result)[:40].tolist()
    reflected = [Fraction(tap) for tap in taps[::-1].tolist()]
    samples = [Fraction(sample) for sample in x.tolist()]
    errors = []
    for n, value in enumerate(got):
        products = [tap * sample for tap, sample in zip(reflected, samples[n : n + size], strict=True)]
        errors.append(float(abs(Fraction(value) - sum(products)) / sum(map(abs, products))))
    assert max(errors) <= fa.plan(x, taps, shape="valid", dtype=result).error
