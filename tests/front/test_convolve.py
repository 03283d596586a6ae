"""The front door against the definition, NumPy and SciPy: borders, shapes, origins, and the laws of convolution."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage, signal

import faltung as fa
from samples import MODES, normal, small_integers

# ---- what NumPy calls "same"


@pytest.mark.parametrize("size", range(1, 8))
def test_same_of_numpy_and_scipy_by_the_origin(size):
    x, taps = small_integers(9), small_integers(size + 10)[:size]
    theirs = fa.convolve(x, fa.Kernel(taps, (size - 1) // 2), "constant")
    assert_array_equal(theirs, np.convolve(x, taps, "same"))
    assert_allclose(theirs, signal.convolve(x, taps, "same"), atol=1e-12)
    assert_array_equal(fa.correlate(x, taps, "constant"), np.correlate(x, taps, "same"))
    plane, square = small_integers((8, 9)), small_integers((size, size + 1))
    origin = [(length - 1) // 2 for length in square.shape]
    theirs = fa.convolve(plane, fa.Kernel(square, origin), "constant")
    assert_allclose(theirs, signal.convolve2d(plane, square, "same"), atol=1e-12)


# ---- a kernel is called with every argument


def test_kernels_and_banks_are_called_with_every_argument():
    x, kernel = normal((2, 12, 15)), fa.gaussian(1.0)
    bank = fa.Bank(normal((3, 2, 3, 3)))
    for options in (
        {"shape": "valid"},
        {"mode": ("wrap", "nearest"), "cval": 1.0, "axes": (0, 2), "dtype": "f8", "method": "direct", "workers": 1},
        {"nan": "ignore", "mask": x > -1, "accuracy": "pointwise", "stride": 2, "dilation": (1, 2)},
        {"channel_axis": 0, "groups": 1},
    ):
        assert_array_equal(kernel(x, **options), fa.convolve(x, kernel, **options))
    for options in ({"stride": 2, "shape": "full"}, {"groups": 1, "dilation": 2, "accuracy": "pointwise"}):
        assert_array_equal(bank(x, channel_axis=0, **options), fa.convolve(x, bank, channel_axis=0, **options))
    out = np.empty_like(x)
    assert kernel(x, out=out) is out
    with pytest.raises(TypeError, match="unexpected keyword argument 'boundary'"):
        kernel(x, boundary="wrap")


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
    # The definition to the last digit; other ways may divide the taps.
    assert fa.convolve([[1, 2], [3, 4]], digits, mode, method="direct").tolist() == expected
    assert_allclose(fa.convolve([[1, 2], [3, 4]], digits, mode), expected, rtol=1e-14)


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
        expected = signal.convolve(x, taps, wanted, "direct").round()
        assert_array_equal(fa.convolve(x, taps, shape=wanted, method="direct"), expected)
        assert_allclose(fa.convolve(x, taps, shape=wanted), expected, atol=1e-11)


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
    assert_array_equal(fa.convolve(x, taps, mode, shape="full", method="direct"), expected)


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


# ---- laws, exact on integers -------------------------------------------------------------------------------
signals = arrays(float, st.tuples(*[st.integers(1, 4)] * 2), elements=st.integers(1, 9).map(float))
exactly = settings(deadline=None, max_examples=40)


def dense(x, f, *mode, **named):
    """By the taps as they are given, without a division."""
    return fa.convolve(x, f, *mode, method="direct", **named)


@exactly
@given(signals, signals)
def test_convolution_commutes(f, g):
    assert_array_equal(dense(f, g, shape="full"), dense(g, f, shape="full"))


@exactly
@given(signals, signals, signals)
def test_convolution_is_associative(x, f, g):
    one_by_one = dense(dense(x, f, shape="full"), g, shape="full")
    assert_array_equal(dense(x, fa.Kernel(f) * fa.Kernel(g), shape="full"), one_by_one)


@exactly
@given(signals, signals, st.integers(-3, 3).map(float), st.sampled_from(MODES))
def test_convolution_is_linear(x, f, a, mode):
    assert_array_equal(dense(a * x + x[::-1], f, mode), a * dense(x, f, mode) + dense(x[::-1], f, mode))
    assert_array_equal(fa.convolve(x, fa.delta(), mode), x)


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
