"""The front door against the definition, NumPy and SciPy: values, dtypes, layouts, plans, errors, memory."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage, signal

import faltung as fa
import reference
from faltung import ArgumentError, ArgumentTypeError, FaltungError
from faltung.convolve import _MOST_PLANS
from faltung.plan.planner import ENGINES

MODES = ("reflect", "constant", "nearest", "mirror", "wrap")
SIGNED, UNSIGNED = ("i1", "i2", "i4", "i8"), ("u1", "u2", "u4", "u8")

rng = np.random.default_rng(20)


def normal(shape, dtype="f4"):
    return rng.standard_normal(shape).astype(dtype)


def complex_normal(shape, dtype="c8"):
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)


def small_integers(shape):
    return rng.integers(-9, 9, shape).astype(float)


def misplaced(x):
    """The same samples, one byte off the places where they belong."""
    view = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    assert not view.flags.aligned
    return view


def assert_same_bits(first, second):
    assert (first.dtype, first.shape) == (second.dtype, second.shape)
    assert first.tobytes() == second.tobytes()


# ---- arrays shorter than the kernel, written out -----------------------------------------------------------

# With powers of ten as taps, the digits of y[n] are the samples around n, read from left to right.
DIGITS = {size: [10**power for power in range(size)] for size in (5, 9)}


@pytest.mark.parametrize(
    ("samples", "size", "mode", "cval", "expected"),
    [
        ([3], 5, "reflect", 0, [33333]),
        ([3], 5, "constant", 0, [300]),
        ([3], 5, "constant", 7, [77377]),
        ([3], 5, "nearest", 0, [33333]),
        ([3], 5, "mirror", 0, [33333]),
        ([3], 5, "wrap", 0, [33333]),
        ([1, 2], 5, "reflect", 0, [21122, 11221]),
        ([1, 2], 5, "constant", 0, [120, 1200]),
        ([1, 2], 5, "constant", 7, [77127, 71277]),
        ([1, 2], 5, "nearest", 0, [11122, 11222]),
        ([1, 2], 5, "mirror", 0, [12121, 21212]),
        ([1, 2], 5, "wrap", 0, [12121, 21212]),
        ([1, 2, 3], 9, "reflect", 0, [332112332, 321123321, 211233211]),
        ([1, 2, 3], 9, "constant", 0, [12300, 123000, 1230000]),
        ([1, 2, 3], 9, "constant", 7, [777712377, 777123777, 771237777]),
        ([1, 2, 3], 9, "nearest", 0, [111112333, 111123333, 111233333]),
        ([1, 2, 3], 9, "mirror", 0, [123212321, 232123212, 321232123]),
        ([1, 2, 3], 9, "wrap", 0, [312312312, 123123123, 231231231]),
    ],
)
def test_shorter_than_the_kernel(samples, size, mode, cval, expected):
    assert fa.convolve(samples, DIGITS[size], mode, cval).tolist() == expected
    assert fa.correlate(samples, DIGITS[size][::-1], mode, cval).tolist() == expected


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("reflect", [[112112334, 122122344], [112334334, 122344344]]),
        ("constant", [[12034, 120340], [12034000, 120340000]]),
        ("nearest", [[112112334, 122122344], [112334334, 122344344]]),
        ("mirror", [[434212434, 343121343], [212434212, 121343121]]),
        ("wrap", [[434212434, 343121343], [212434212, 121343121]]),
    ],
)
def test_shorter_than_the_kernel_in_two_dimensions(mode, expected):
    digits = np.reshape(DIGITS[9], (3, 3))
    assert fa.convolve([[1, 2], [3, 4]], digits, mode).tolist() == expected


# ---- full and valid ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", range(1, 8))
@pytest.mark.parametrize("size", range(1, 8))
def test_full_and_valid_mean_what_numpy_means(length, size):
    x, taps = small_integers(length), small_integers(size)
    for shape in ("full", "valid"):
        assert_array_equal(fa.convolve(x, taps, shape=shape), np.convolve(x, taps, shape))
        assert_array_equal(fa.correlate(x, taps, shape=shape), np.convolve(x, taps[::-1], shape))
        anywhere = fa.Kernel(taps, origin=size + 3)
        assert_array_equal(fa.convolve(x, anywhere, shape=shape), np.convolve(x, taps, shape))


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        ((5, 7), (3, 4)),
        ((3, 4), (5, 7)),
        ((4, 4), (4, 4)),
        ((1, 1), (3, 3)),
        ((6, 2), (6, 5)),
        ((600, 500), (4, 3)),
    ],
)
def test_full_and_valid_mean_what_scipy_means(shape, sizes):
    x, taps = small_integers(shape), small_integers(sizes)
    for wanted in ("full", "valid"):
        assert_array_equal(fa.convolve(x, taps, shape=wanted), signal.convolve(x, taps, wanted, "direct").round())


def test_valid_of_a_kernel_neither_larger_nor_smaller():
    with pytest.raises(ArgumentError) as caught:
        fa.convolve(np.zeros((5, 2)), np.ones((3, 4)), shape="valid")
    assert str(caught.value) == (
        "shape: expected 'same' or 'full' where the kernel is longer than the array on one axis and shorter on "
        "another, got 'valid' for a kernel of shape (3, 4) on axes of lengths (5, 2). "
        "Crop the kernel, or choose another shape."
    )


@pytest.mark.parametrize(
    ("mode", "pad"),
    [
        ("reflect", "symmetric"),
        ("mirror", "reflect"),
        ("nearest", "edge"),
        ("wrap", "wrap"),
        ("constant", "constant"),
    ],
)
@pytest.mark.parametrize("shape", [(5, 6), (300, 500)])
def test_full_with_a_mode_goes_on_beyond_the_border(mode, pad, shape):
    x, taps = small_integers(shape), small_integers((3, 4))
    expected = signal.convolve(np.pad(x, [(2, 2), (3, 3)], pad), taps, "valid", "direct").round()
    assert_array_equal(fa.convolve(x, taps, mode, shape="full"), expected)


def test_zeros_lie_outside_for_full_unless_told_otherwise():
    assert fa.convolve([1.0, 1.0], [1.0, 1.0], shape="full").tolist() == [1, 2, 1]
    assert fa.convolve([1.0, 1.0], [1.0, 1.0], "constant", 5, shape="full").tolist() == [6, 2, 6]
    assert fa.convolve([1.0, 1.0], [1.0, 1.0], "nearest", shape="full").tolist() == [2, 2, 2]


# ---- origins -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("call", ["convolve", "correlate"])
def test_origins_agree_with_scipy_for_odd_and_even_kernels(mode, size, call):
    x, taps = normal((6, 7), "f8"), normal((size, size), "f8")
    for origin in range(size):
        expected = getattr(ndimage, call)(x, taps, mode=mode, origin=origin - size // 2)
        got = getattr(fa, call)(x, fa.Kernel(taps, (origin, origin)), mode)
        assert_allclose(got, expected, atol=1e-12)
    assert_allclose(getattr(fa, call)(x, taps, mode), getattr(ndimage, call)(x, taps, mode=mode), atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("origin", "before", "after"), [(-3, 3, 0), (6, 0, 5), (50, 0, 49), (-41, 41, 0)])
def test_an_origin_outside_the_kernel_shifts(mode, origin, before, after):
    x, taps = normal(9, "f8"), [1.0, 2.0]
    zeros_instead = fa.Kernel(np.pad(taps, (before, after)), max(origin, 0))
    assert_array_equal(fa.convolve(x, fa.Kernel(taps, origin), mode), fa.convolve(x, zeros_instead, mode))


def test_an_origin_far_outside():
    x, taps, far = np.arange(5.0), [1.0, 2.0, 3.0], 10**9
    for mode, period in (("reflect", 10), ("mirror", 8), ("wrap", 5)):
        here, there = fa.Kernel(taps, far % period), fa.Kernel(taps, far)
        assert_array_equal(fa.convolve(x, there, mode), fa.convolve(x, here, mode))
    assert fa.convolve(x, fa.Kernel(taps, -far), "constant", 2).tolist() == [12] * 5


# ---- large arrays in every layout --------------------------------------------------------------------------

LARGE = {
    "image": (normal((700, 900)), normal((5, 4)), (0, 1)),
    "doubles": (normal((500, 600), "f8"), normal((3, 3)), (0, 1)),
    "volume": (normal((40, 50, 60)), normal((3, 4, 5)), (0, 1, 2)),
    "signal": (normal(300_000), normal(31), (0,)),
    "batch": (normal((200, 30, 30)), normal((3, 3)), (1, 2)),
    "middle axis": (normal((30, 200, 30)), normal(7), (1,)),
    "axes swapped": (normal((300, 500)), normal((3, 6)), (1, 0)),
    "channels last": (normal((300, 400, 3)), normal((5, 5)), (0, 1)),
    "columns of a table": (normal((5000, 7)), normal(9), (0,)),
    "columns of a wide table": (normal((500, 70)), normal(9), (0,)),
    "Fortran order": (np.asfortranarray(normal((400, 500))), normal((3, 5)), (0, 1)),
    "turned round": (normal((400, 500))[::-1, ::-1], normal((3, 5)), (0, 1)),
    "upside down": (normal((400, 500))[::-1], normal((3, 5)), (0, 1)),
    "every other sample": (normal((800, 1000))[::2, ::2], normal((3, 5)), (0, 1)),
    "one channel": (normal((400, 500, 3))[..., 1], normal((3, 5)), (0, 1)),
    "one row again and again": (np.broadcast_to(normal(500), (400, 500)), normal((3, 5)), (0, 1)),
    "unaligned": (misplaced(normal((400, 500))), normal((3, 5)), (0, 1)),
    "unaligned doubles": (misplaced(normal((400, 500), "f8")), normal((3, 5)), (0, 1)),
    "big-endian": (normal((400, 500), ">f4"), normal((3, 5)), (0, 1)),
    "big-endian integers": (rng.integers(-999, 999, (400, 500)).astype(">i2"), normal((3, 5)), (0, 1)),
    "half floats": (normal((400, 500), "f2"), normal((3, 5)), (0, 1)),
    "bytes": (rng.integers(0, 256, (700, 500)).astype("u1"), normal((7, 7)), (0, 1)),
    "words": (rng.integers(0, 65536, (700, 500)).astype("u2"), normal((3, 3)), (0, 1)),
    "wide integers": (rng.integers(-(2**40), 2**40, (400, 500)), normal((3, 5)), (0, 1)),
    "booleans": (rng.random((400, 500)) < 0.5, normal((3, 5)), (0, 1)),
    "complex": (complex_normal((300, 400)), normal((3, 5)), (0, 1)),
    "complex taps": (normal((300, 400)), complex_normal((3, 5)), (0, 1)),
    "complex doubles": (complex_normal((300, 400), "c16"), complex_normal((3, 5)), (0, 1)),
    "complex columns": (complex_normal((3000, 5)), complex_normal(9), (0,)),
    "big-endian complex": (complex_normal((300, 400), ">c8"), complex_normal((3, 5)), (0, 1)),
    "large kernel": (normal((300, 400)), normal((31, 33)), (0, 1)),
    "sparse kernel": (normal((300, 400)), normal((31, 33)) * (rng.random((31, 33)) < 0.05), (0, 1)),
    "kernel longer than the array": (normal((20, 3000)), normal((45, 3)), (0, 1)),
    "narrow": (normal((90_000, 2)), normal((5, 5)), (0, 1)),
}


def by_scipy(call, x, taps, mode, axes):
    """The answer in double precision."""
    sizes = np.ones(x.ndim, int)
    sizes[list(axes)] = taps.shape
    spread = taps.transpose(np.argsort(axes)).reshape(sizes)
    kind = np.complex128 if x.dtype.kind == "c" or taps.dtype.kind == "c" else np.float64
    return getattr(ndimage, call)(x.astype(kind), spread.astype(kind), mode=mode)


@pytest.mark.parametrize("name", LARGE)
def test_large_arrays_agree_with_scipy(name):
    x, taps, axes = LARGE[name]
    mode = MODES[[*LARGE].index(name) % len(MODES)]
    got = fa.convolve(x, taps, mode, axes=axes)
    scale = by_scipy("convolve", np.abs(x), np.abs(taps), mode, axes)
    eps = np.finfo(got.dtype).eps
    assert np.all(np.abs(got - by_scipy("convolve", x, taps, mode, axes)) <= eps * (taps.size + 4) * scale)
    assert_same_bits(fa.correlate(x, fa.Kernel(taps).flip(), mode, axes=axes), got)


@pytest.mark.parametrize("name", ["image", "volume", "signal", "Fortran order", "bytes", "all", "large kernel"])
def test_any_number_of_workers_gives_the_same_bits(name):
    x, taps, axes = LARGE.get(name, (complex_normal((400, 500)), complex_normal((5, 5)), (0, 1)))
    first = fa.convolve(x, taps, axes=axes, workers=1)
    for count in (2, 3, 7):
        assert_same_bits(fa.convolve(x, taps, axes=axes, workers=count), first)


@pytest.mark.parametrize("method", ENGINES)
@pytest.mark.parametrize("shape", [(23, 31), (300, 500)])
@pytest.mark.parametrize("size", [(3, 5), (21, 21)])
def test_neither_layout_nor_batch_nor_region_changes_a_bit(shape, size, method):
    def convolve(x, *mode, **named):
        return fa.convolve(x, taps, *mode, method=method, **named)

    x = normal(shape, "f2")
    taps = np.multiply.outer(*map(normal, size))
    first = convolve(x)
    wide = np.repeat(np.repeat(x.astype("f4"), 2, 0), 2, 1)
    for other in (
        x.astype("f4"),
        np.asfortranarray(x, "f4"),
        x.astype(">f4"),
        x.astype(">f2"),
        misplaced(x.astype("f4")),
        wide[::2, ::2],
        np.ascontiguousarray(x.astype("f4")[::-1, ::-1])[::-1, ::-1],
    ):
        assert_same_bits(convolve(other), first)
    assert_same_bits(convolve(np.stack([x, -x])), np.stack([first, -first]))
    assert_same_bits(convolve(np.stack([x, -x], -1), axes=(0, 1)), np.stack([first, -first], -1))
    rows, columns = ((n - 1) // 2 for n in size)
    same = convolve(x, "constant", shape="full")[rows:, columns:][: shape[0], : shape[1]]
    assert_same_bits(same.copy(), convolve(x, "constant"))


# ---- laws, exact on integers -------------------------------------------------------------------------------

signals = arrays(float, st.tuples(*[st.integers(1, 4)] * 2), elements=st.integers(1, 9).map(float))
exactly = settings(deadline=None, max_examples=40)


@exactly
@given(signals, signals)
def test_convolution_commutes(f, g):
    assert_array_equal(fa.convolve(f, g, shape="full"), fa.convolve(g, f, shape="full"))


@exactly
@given(signals, signals, signals)
def test_convolution_is_associative(x, f, g):
    one_by_one = fa.convolve(fa.convolve(x, f, shape="full"), g, shape="full")
    assert_array_equal(fa.convolve(x, fa.Kernel(f) * fa.Kernel(g), shape="full"), one_by_one)


@exactly
@given(signals, signals, st.integers(-3, 3).map(float), st.sampled_from(MODES))
def test_convolution_is_linear(x, f, a, mode):
    assert_array_equal(
        fa.convolve(a * x + x[::-1], f, mode), a * fa.convolve(x, f, mode) + fa.convolve(x[::-1], f, mode)
    )
    assert_array_equal(fa.convolve(x, fa.delta(), mode), x)


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


@pytest.mark.parametrize("method", ENGINES)
def test_nothing_overflows_on_the_way(method):
    # Missing samples are often marked with a number near the least float; a mean over them is that number.
    got = fa.convolve(np.full((60, 70), -1e38, "f4"), fa.box(5), method=method)
    assert_allclose(got, -1e38, rtol=1e-6)


def test_taps_that_single_floats_cannot_hold():
    with pytest.raises(ArgumentError) as caught:
        fa.convolve(np.ones(3, "f4"), [1, 1e300])
    assert str(caught.value) == (
        "kernel: expected taps within the range of float32, which this array is computed with, got a tap of "
        "magnitude 1e+300. Convert the array to float64, or scale the kernel."
    )
    assert fa.convolve(np.ones(2, "f4"), [1e300], dtype="f8").tolist() == [1e300, 1e300]


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


# ---- what is not finite ------------------------------------------------------------------------------------

DISK = (np.hypot(*np.mgrid[-12:13, -12:13]) <= 12).astype(float)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", "c8"])
@pytest.mark.parametrize(
    "taps",
    [
        np.ones((3, 3)),
        np.array([[1.0, 0, 0], [0, 0, 0], [0, 0, 2]]),
        DISK,
        DISK * (rng.random(DISK.shape) < 0.1),
        np.ones((25, 25)),
        DISK * 1j,
    ],
    ids=["dense", "sparse", "disk", "sparse disk", "large", "imaginary disk"],
)
@pytest.mark.parametrize("mode", ["reflect", "wrap"])
def test_what_is_not_finite_reaches_the_taps_that_touch_it(dtype, taps, mode):
    x = normal((170, 230), dtype if dtype[-2] != "c" else "f4").astype(dtype)
    bad = [(0, 0), (100, 90), (169, 40), (60, 229)]
    zeros_instead = x.copy()
    for place, value in zip(bad, (np.nan, np.inf, np.nan, -np.inf), strict=True):
        x[place], zeros_instead[place] = value, 0
    touched = by_scipy("convolve", (x != zeros_instead) * 1.0, (taps != 0) * 1.0, mode, (0, 1)).real > 0.5
    got = fa.convolve(x, taps, mode)
    assert_array_equal(~np.isfinite(got), touched)
    assert_array_equal(got[~touched], fa.convolve(zeros_instead, taps, mode)[~touched])
    if got.dtype.kind == "f":
        at_infinity = by_scipy("convolve", np.isposinf(x) * 1.0, (taps != 0) * 1.0, mode, (0, 1)) > 0.5
        assert_array_equal(np.isposinf(got), at_infinity)


def test_nothing_passes_a_kernel_of_zeros():
    x = np.full((40, 50), np.nan, "f4")
    for taps in (np.zeros((3, 3)), np.zeros((31, 33)), np.zeros((1, 1)), np.zeros((3, 3)) * 1j):
        assert not fa.convolve(x, taps).any()
    assert fa.convolve(x, [[0, 0]], dtype="u1").dtype == np.uint8


def test_what_is_not_finite_outside():
    got = fa.convolve(np.ones((60, 70), "f4"), DISK, "constant", np.nan)
    inside = np.zeros((60, 70), bool)
    inside[12:-12, 12:-12] = True
    assert_array_equal(np.isfinite(got), inside)
    assert np.isfinite(
        fa.convolve(np.ones((9, 9), "u1"), [[0, 0, 0], [0, 1, 0], [0, 0, 0]], "constant", np.inf)
    ).all()


# ---- out ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(7, 9), (300, 500)])
@pytest.mark.parametrize("dtype", ["u1", "f2", "f4", "f8", ">f4", "c8"])
def test_out_of_any_layout(shape, dtype):
    x, taps = normal(shape), normal((3, 5))
    expected = fa.convolve(x, taps, dtype=dtype)
    room = np.full((2 * shape[0], 2 * shape[1]), 77, dtype)
    for out in (
        np.empty(shape, dtype),
        np.empty(shape, dtype, order="F"),
        np.empty(shape, dtype)[::-1, ::-1],
        misplaced(np.empty(shape, dtype)) if dtype != "u1" else np.empty(shape, dtype),
        room[::2, ::2],
    ):
        assert fa.convolve(x, taps, out=out) is out
        assert_array_equal(out, expected)
    assert (room[1::2] == 77).all()
    assert (room[:, 1::2] == 77).all()


@pytest.mark.parametrize("shape", [(8, 8), (400, 400)])
def test_out_may_be_the_input(shape):
    taps = normal((3, 5))
    x = normal(shape)
    expected = fa.convolve(x, taps)
    assert fa.convolve(x, taps, out=x) is x
    assert_array_equal(x, expected)
    x = normal(shape)
    expected = fa.convolve(x, taps)
    fa.convolve(x, taps, out=x.T)
    assert_array_equal(x.T, expected)


@pytest.mark.parametrize("shift", [1, 3, 200])
def test_out_may_overlap_the_input(shift):
    memory = normal((900, 300))
    x, out = memory[:-shift], memory[shift:]
    expected = fa.convolve(x, [[1.0], [2.0], [3.0]])
    fa.convolve(x, [[1.0], [2.0], [3.0]], out=out)
    assert_array_equal(out, expected)
    memory = normal((500, 600))
    x, out = memory[:, ::2], memory[:, 1::2]
    expected, kept = fa.convolve(x, [[1.0, 2.0]]), x.copy()
    fa.convolve(x, [[1.0, 2.0]], out=out)
    assert_array_equal(out, expected)
    assert_array_equal(x, kept)


def test_out_may_be_of_a_subclass():
    class Labelled(np.ndarray):
        pass

    out = np.zeros((3, 4)).view(Labelled)
    assert fa.convolve(np.ones((3, 4)), [[1.0, 1.0]], out=out) is out
    assert (np.asarray(out) == 2).all()
    assert type(fa.convolve(out, [[1.0]])) is np.ndarray


def test_out_decides_the_dtype():
    out = np.zeros(3, "i2")
    assert fa.convolve(np.array([1.5, 2.5, 1e9]), [1.0], out=out).tolist() == [2, 2, 32767]


# ---- nothing to do, or hardly anything ---------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["same", "full", "valid"])
@pytest.mark.parametrize("lengths", [(0,), (0, 5), (5, 0), (0, 0), (3, 0, 4), (0, 3, 4)])
def test_empty_arrays(lengths, shape):
    taps = np.ones((3,) * min(len(lengths), 2))
    got = fa.convolve(np.zeros(lengths, "u1"), taps, shape=shape)
    assert got.size == 0
    assert got.dtype == np.float32
    if shape == "same":
        assert got.shape == lengths


@pytest.mark.parametrize("mode", MODES)
def test_one_tap_scales(mode):
    x = normal((4, 5), "f8")
    assert_array_equal(fa.convolve(x, [[2.0]], mode), 2 * x)
    assert_array_equal(fa.convolve(x, [2.0], mode, axes=0), 2 * x)
    assert_array_equal(fa.convolve(x, [[2.0]], shape="full"), 2 * x)


def test_lists_are_arrays():
    assert fa.convolve([[1, 2], [3, 4]], [[1, 1]]).tolist() == [[3, 4], [7, 8]]
    assert fa.convolve((True, False), [2]).tolist() == [2, 0]


# ---- plans -------------------------------------------------------------------------------------------------


def test_a_plan_is_called_again_and_again():
    x = normal((40, 50))
    run = fa.plan(x, fa.gaussian(1.0), "wrap", dtype="f8")
    expected = fa.convolve(x, fa.gaussian(1.0), "wrap", dtype="f8")
    assert_same_bits(run(x), expected)
    out = np.empty((40, 50))
    assert run(x, out) is out
    assert_same_bits(run(x[::-1][::-1], workers=2), expected)
    assert_same_bits(run(x.tolist()) if x.dtype == float else run(x), expected)


def test_a_plan_is_made_from_a_shape():
    x = normal((40, 50))
    assert_same_bits(fa.plan(x.shape, fa.box(3))(x), fa.convolve(x, fa.box(3)))
    run = fa.plan((40, 50), fa.box(3), dtype="u1", result_dtype="i2")
    assert run.problem.dtype == np.uint8
    assert run(np.ones((40, 50), "u1")).dtype == np.int16
    assert fa.plan((40, 50), fa.box(3), shape="valid").problem.result_shape == (38, 48)
    assert fa.plan((0, 5), fa.box(3))(np.zeros((0, 5), "f4")).shape == (0, 5)


def test_a_plan_is_a_value():
    run = fa.plan((40, 50), fa.box(3), method="direct")
    with pytest.raises(AttributeError):
        run.engine = "fourier"
    assert run.engine == "direct"
    assert run.error == 10 * 2.0**-24
    assert {candidate.engine for candidate in run.candidates} == {*ENGINES}


def test_a_plan_prints_what_would_run():
    kernel = fa.Kernel([[1, 2, 1]])
    run = fa.plan((40, 50), kernel, "constant", 0.5, dtype="u1", result_dtype="i2", method="direct")
    text = str(run)
    rows = [line.split()[0] for line in text.splitlines()]
    assert rows[:7] == ["convolve", "input", "output", "engine", "tile", "time", "error"]
    assert rows[7:] == ["rejected"] * (len(ENGINES) - 1)
    assert "Kernel([[1, 2, 1]], origin=(0, 1))" in text
    assert "40 x 50 uint8, mode constant(0.5), axes (0, 1)" in text
    assert "40 x 50 int16, computed in float32" in text
    assert "direct, 3 multiply-adds a sample" in text


UNPICKLE = """
import pickle, sys
run, x = pickle.load(sys.stdin.buffer)
sys.stdout.buffer.write(run(x).tobytes())
"""


@pytest.mark.parametrize("taps", [np.ones((3, 3)), np.full((3, 3), 1j)], ids=["real", "complex"])
def test_a_plan_travels_to_another_process(taps):
    x = normal((40, 50))
    run = fa.plan(x, taps)
    expected = run(x).tobytes()
    assert pickle.loads(pickle.dumps(run))(x).tobytes() == expected
    parcel = pickle.dumps((run, x))
    done = subprocess.run([sys.executable, "-c", UNPICKLE], input=parcel, capture_output=True, check=True)
    assert done.stdout == expected


def test_a_plan_refuses_another_array():
    run = fa.plan((4, 5), fa.box(3))
    for x, received in (
        (np.zeros((4, 6), "f4"), "shape (4, 6) and dtype float32"),
        (np.zeros((4, 5)), "shape (4, 5) and dtype float64"),
        (np.zeros((4, 5), ">f4"), "shape (4, 5) and dtype >f4"),
    ):
        with pytest.raises(ArgumentError) as caught:
            run(x)
        assert str(caught.value) == (
            "x: expected shape (4, 5) and dtype float32, for which this plan was made, "
            f"got {received}. Make a plan for this array, or use convolve."
        )


def test_plans_that_are_kept_are_not_confused():
    x = np.array([1.0, 2.0, 4.0])
    taps = np.array([1.0, 1.0])
    assert fa.convolve(x, taps).tolist() == [3, 6, 8]
    taps[0] = 3
    assert fa.convolve(x, taps).tolist() == [7, 14, 16]
    assert fa.correlate(x, taps).tolist() == [4, 5, 10]
    assert fa.convolve(x, fa.Kernel(taps, 0)).tolist() == [4, 7, 14]
    assert fa.convolve(x, taps, "constant").tolist() == [7, 14, 4]
    assert fa.convolve(x, taps, "constant", 1).tolist() == [7, 14, 7]
    assert fa.convolve(x, taps, "constant", np.float32(0.1))[2] == 4 + 3 * np.float64(np.float32(0.1))
    assert fa.convolve(x, taps, "constant", 0.1)[2] == 4 + 3 * 0.1
    for zero in (0.0, -0.0, 0.0):
        assert math.copysign(1, fa.convolve([5.0], [1.0, 0.0], "constant", zero)[0]) == math.copysign(1, zero)


def test_more_plans_than_are_kept():
    first = fa.convolve(np.arange(9.0), [1.0, 2.0])
    for length in range(10, 20 + _MOST_PLANS):
        assert fa.convolve(np.ones(length), [1.0, 2.0]).tolist() == [3] * length
    assert_array_equal(fa.convolve(np.arange(9.0), [1.0, 2.0]), first)


# ---- what cannot be right ----------------------------------------------------------------------------------


class FromTorch:
    """Looks like a tensor to `as_array`, which goes by the name of the module."""

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("a tensor must not be converted silently")


FromTorch.__module__ = "torch.nn"

X, K = np.arange(6.0), [1.0, 2.0, 1.0]
MODE = "mode: expected one of 'reflect', 'constant', 'nearest', 'mirror', 'wrap', got "
OUT = "out: expected a writable array of shape (6,) and dtype float64, got "
NUMBERS = "expected numbers of at most double precision, got dtype "
ARRAY = "expected a NumPy array of numbers, got "


def read_only():
    out = np.zeros(6)
    out.flags.writeable = False
    return out


# What is not right, and the answer; x and kernel are X and K if nothing else is said.
VALUES = [
    ({"mode": "reflex"}, f"{MODE}'reflex'. Use mode='reflect'."),
    ({"cval": 1j}, "cval: expected a real number for a real array, got 1j. Convert x to a complex dtype."),
    ({"shape": "Same"}, "shape: expected one of 'same', 'valid', 'full', got 'Same'."),
    ({"method": "fft"}, f"method: expected one of {', '.join(map(repr, ['auto', *ENGINES]))}, got 'fft'."),
    ({"axes": (0, 1)}, "axes: expected 1, one for each axis of the kernel, got 2: (0, 1)."),
    ({"axes": 1}, "axes: expected axes of an array with 1, got 1."),
    ({"axes": -2}, "axes: expected axes of an array with 1, got -2."),
    ({"x": [[1.0]], "kernel": [[1.0]], "axes": (1, -1)}, "axes: expected axes that differ, got (1, -1)."),
    (
        {"kernel": [[1.0]]},
        "x: expected an array with at least as many axes as the kernel, which has 2, got one with 1. "
        "Give the kernel fewer axes (named filters take ndim=), or the array more.",
    ),
    (
        {"x": 3.0},
        "x: expected an array with at least as many axes as the kernel, which has 1, got one with 0. "
        "Give the kernel fewer axes (named filters take ndim=), or the array more.",
    ),
    (
        {"dtype": "bool"},
        "dtype: expected an integer, float or complex dtype, got bool. Compare the result instead.",
    ),
    (
        {"kernel": [1j], "dtype": "f8"},
        "dtype: expected a complex dtype for a complex result, got float64. "
        "Take .real, .imag or abs() of the result.",
    ),
    ({"out": np.zeros(5)}, f"{OUT}shape (5,) and dtype float64. Leave out= away to have one made."),
    (
        {"out": np.zeros(6, "f4"), "dtype": "f8"},
        f"{OUT}shape (6,) and dtype float32. Leave out= away to have one made.",
    ),
    ({"out": read_only()}, f"{OUT}an array that is read-only. Pass a copy of it."),
]
TYPES = [
    ({"out": np.ma.zeros(6)}, f"{OUT}a MaskedArray. Leave out= away to have one made."),
    (
        {"x": fa.box(3)},
        "x: expected an array, got a kernel. "
        "Give the array first; the convolution of two kernels is their product, a * b.",
    ),
    ({"mode": b"wrap"}, f"{MODE}b'wrap'."),
    (
        {"mode": ["wrap"]},
        f"{MODE}['wrap']. One mode serves all axes; filter axis by axis with axes= to use several.",
    ),
    ({"cval": "1"}, "cval: expected a number, got '1'."),
    ({"cval": None}, "cval: expected a number, got None."),
    ({"cval": True}, "cval: expected a number, got True."),
    ({"axes": 0.0}, "axes: expected an integer for each axis of the kernel, got 0.0."),
    ({"axes": True}, "axes: expected an integer for each axis of the kernel, got True."),
    ({"dtype": 5}, "dtype: expected a NumPy dtype of numbers, got 5."),
    ({"x": np.array([1, None])}, f"x: {NUMBERS}object. Convert to float64."),
    ({"x": ["a"]}, f"x: {NUMBERS}<U1."),
    ({"x": np.array(["2020"], "M8[D]")}, f"x: {NUMBERS}datetime64[D]."),
    (
        {"kernel": "gaussian(1)"},
        "kernel: expected a kernel or an array of taps, got 'gaussian(1)'. Read an expression with faltung.parse.",
    ),
    ({"x": [[1], [1, 2]]}, f"x: {ARRAY}a ragged list."),
    (
        {"x": np.ma.zeros(3)},
        f"x: {ARRAY}a masked array, whose mask would be lost. Fill it first: x.filled(value).",
    ),
    ({"x": FromTorch()}, f"x: {ARRAY}torch FromTorch. Pass x.detach().cpu().numpy()."),
    ({"kernel": FromTorch()}, f"kernel: {ARRAY}torch FromTorch. Pass kernel.detach().cpu().numpy()."),
]


@pytest.mark.parametrize(
    ("kind", "wrong", "message"),
    [(ArgumentError, *row) for row in VALUES] + [(ArgumentTypeError, *row) for row in TYPES],
)
@pytest.mark.parametrize("call", [fa.convolve, fa.correlate])
def test_errors_say_what_is_wrong_and_what_to_do(call, kind, wrong, message):
    with pytest.raises(kind) as caught:
        call(**{"x": X, "kernel": K} | wrong)
    assert str(caught.value) == message
    assert caught.value.argument == message.partition(":")[0]


@pytest.mark.parametrize(
    ("argument", "wrong"),
    [
        ("x", {"x": np.zeros(3, "g")}),
        ("x", {"x": np.zeros(3, "G")}),
        ("x", {"x": np.zeros(3, "f4,f4")}),
        ("x", {"x": None}),
        ("kernel", {"kernel": 3.0}),
        ("kernel", {"kernel": []}),
        ("kernel", {"kernel": [np.nan]}),
        ("kernel", {"kernel": None}),
        ("kernel", {"kernel": [[1], [1, 2]]}),
        ("kernel", {"kernel": fa.Kernel(K, 10**30)}),
        ("cval", {"cval": 10**400}),
        ("cval", {"cval": np.zeros(2)}),
        ("method", {"method": ["direct"]}),
        ("shape", {"shape": ["same"]}),
        ("shape", {"shape": np.array(["same", "full"])}),
        ("shape", {"shape": None}),
        ("axes", {"axes": np.array(1.0)}),
        ("axes", {"axes": np.array([[0]])}),
        ("axes", {"axes": "0"}),
        ("axes", {"axes": {0}}),
        ("dtype", {"dtype": "S3"}),
        ("dtype", {"dtype": [("a", "f4")]}),
        ("dtype", {"dtype": "f4,,"}),
        ("dtype", {"dtype": ("f4", -1)}),
        ("dtype", {"dtype": np.longdouble}),
        ("dtype", {"dtype": np.floating}),
        ("out", {"out": [0] * 6}),
        ("out", {"out": np.zeros(6, bool)}),
        ("out", {"out": np.zeros(6, object)}),
        ("out", {"out": np.zeros(6, "M8[s]")}),
        ("workers", {"x": np.ones((600, 600)), "kernel": [K], "workers": 0}),
        ("workers", {"x": np.ones((600, 600)), "kernel": [K], "workers": 2.0}),
        ("workers", {"workers": 0}),
        ("workers", {"workers": "two"}),
        ("workers", {"workers": np.array(2.0)}),
        ("workers", {"workers": np.array([2, 3])}),
        ("workers", {"x": X[:0], "workers": "two"}),
    ],
)
def test_whatever_is_wrong_is_answered_by_name(argument, wrong):
    with pytest.raises(FaltungError) as caught:
        fa.convolve(**{"x": X, "kernel": K} | wrong)
    assert caught.value.argument == argument


@pytest.mark.parametrize(
    ("arguments", "named", "message"),
    [
        (
            ((-1, 2), [K]),
            {},
            "x: expected an array, or a shape of lengths that are not negative, got (-1, 2).",
        ),
        (
            (X, K),
            {"result_dtype": "f4"},
            "result_dtype: expected None where x is an array, got 'f4'. Use dtype=.",
        ),
        (((3, 4), [K]), {"dtype": "no"}, "dtype: expected a NumPy dtype of numbers, got 'no'."),
        (
            ((3, 4), [K]),
            {"result_dtype": "bool"},
            "result_dtype: expected an integer, float or complex dtype, got bool. Compare the result instead.",
        ),
    ],
)
def test_errors_of_plans(arguments, named, message):
    with pytest.raises(FaltungError) as caught:
        fa.plan(*arguments, **named)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("elsewhere", "here"),
    [
        ("symmetric", "reflect"),
        ("grid-mirror", "reflect"),
        ("BORDER_REFLECT", "reflect"),
        ("cv2.BORDER_REFLECT_101", "mirror"),
        ("BORDER_DEFAULT", "mirror"),
        ("edge", "nearest"),
        ("replicate", "nearest"),
        ("BORDER_REPLICATE", "nearest"),
        ("zeros", "constant"),
        ("fill", "constant"),
        ("grid-constant", "constant"),
        ("circular", "wrap"),
        ("periodic", "wrap"),
        ("grid-wrap", "wrap"),
        ("Reflect", "reflect"),
        ("NEAREST", "nearest"),
        ("miror", "mirror"),
    ],
)
def test_modes_in_other_spellings_are_answered_with_the_name_here(elsewhere, here):
    with pytest.raises(ArgumentError) as caught:
        fa.convolve(X, K, elsewhere)
    assert str(caught.value) == f"{MODE}{elsewhere!r}. Use mode={here!r}."


# ---- memory ------------------------------------------------------------------------------------------------

MEASURE = """
import sys
import numpy as np
import faltung as fa

def peak():
    # Not resource.getrusage: its peak starts at that of the process that started this one.
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024

shape, dtype, result, kind = eval(sys.argv[1])
dense = fa.Kernel(np.random.default_rng(0).standard_normal((5, 5)))
kernel = {"dense": dense, "imaginary": 1j * dense, "gaussian": fa.gaussian(3.0)}[kind]
x, out = np.ones(shape, dtype), np.ones(shape, result)
before = peak()
assert before > (x.nbytes + out.nbytes) / 2**20
fa.convolve(x, kernel, out=out, workers=2)
print(peak() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak where Linux keeps it")
@pytest.mark.parametrize(
    ("shape", "dtype", "result", "kind"),
    [
        ((4000, 5000), "f4", "f4", "dense"),
        ((4000, 5000), "f4", "f4", "gaussian"),
        ((6000, 7000), "u1", "u1", "dense"),
        ((5000, 6000), "f2", "f2", "dense"),
        ((3000, 4000), "f4", "c8", "imaginary"),
        ((9_000_000, 2), "f4", "f4", "dense"),
    ],
)
def test_memory_beyond_the_output(shape, dtype, result, kind):
    arguments = [sys.executable, "-c", MEASURE, repr((shape, dtype, result, kind))]
    for _ in range(2):  # the second process need not load the compiler, which takes more memory than any of this
        done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 32
