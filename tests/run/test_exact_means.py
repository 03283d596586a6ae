"""Integers from integers: the exact sum over its divisor, rounded half to even, by every engine and every door."""

from __future__ import annotations

import functools
from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import faltung as fa
import shifted
import zoo
from faltung.planning.whole import Range, whole_rows, whole_taps

RNG = np.random.default_rng(11)
DTYPES = ("u1", "i1", "u2", "i2")


def outer(*lines):
    return functools.reduce(np.multiply.outer, [np.array(line) for line in lines])


#: Whole taps, their divisor, and the kernel.
KERNELS = {
    "box of a signal": (np.ones(6, int), 6, fa.box(6, ndim=1)),
    "wide box of a signal": (np.ones(70, int), 70, fa.box(70, ndim=1)),
    "weights of a signal": (np.array([2, 3, 5]), 10, fa.Kernel([0.2, 0.3, 0.5])),
    "box": (np.ones((2, 3), int), 6, fa.box((2, 3))),
    "square box": (np.ones((3, 3), int), 9, fa.box(3)),
    "wide box": (np.ones((21, 20), int), 420, fa.box((21, 20))),
    "ones over a number": (np.ones((5, 2), int), 7, fa.Kernel(np.ones((5, 2)) / 7)),
    "single precision": (np.ones((3, 2), int), 6, fa.Kernel(np.ones((3, 2), "f4") / np.float32(6))),
    "one, two, one": (outer([1, 2, 1], [1, 2, 1]), 16, fa.Kernel(outer([1, 2, 1], [1, 2, 1]) / 16)),
    "binomial": (outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]), 256, fa.binomial(4)),
    "outer product": (outer([1, 2, 3], [5, -1, 2, 2]), 22, fa.Kernel(outer([1, 2, 3], [5, -1, 2, 2]) / 22)),
    "product": (
        np.rint(144 * (fa.box((3, 4)) * fa.box((4, 3))).taps).astype(int),
        144,
        fa.box((3, 4)) * fa.box((4, 3)),
    ),
    "rank two": (np.pad(np.ones((3, 5), int), 2) + 1, 78, fa.Kernel((np.pad(np.ones((3, 5)), 2) + 1) / 78)),
    "scattered": (np.eye(9, 7, dtype=int), 14, fa.Kernel(np.eye(9, 7) / 14)),
    "sharpened": (np.array([[-1, -1], [-1, 13]]), 10, fa.Kernel(np.array([[-1, -1], [-1, 13]]) / 10)),
    "box of a volume": (np.ones((2, 3, 1), int), 6, fa.box((2, 3, 1))),
    "cube": (np.ones((3, 4, 5), int), 60, fa.box((3, 4, 5))),
}
SHAPES = {1: (400,), 2: (60, 71), 3: (9, 11, 20)}


def integers(shape, dtype):
    """Samples over the whole range of a dtype; in one half of them few numbers, whose sums are small."""
    limits = np.iinfo(dtype)
    x = RNG.integers(limits.min, limits.max, shape, endpoint=True).astype(dtype)
    x[: shape[0] // 2] = RNG.integers(0, 5, (shape[0] // 2, *shape[1:]))
    return x


def rounded(sums, divisor, dtype):
    """Quotients, rounded half to even in whole numbers, and saturated."""
    quotients, rest = np.divmod(sums, divisor)
    up = (2 * rest > divisor) | ((2 * rest == divisor) & (quotients % 2 == 1))
    limits = np.iinfo(dtype)
    return np.clip(quotients + up, max(limits.min, -(2**62)), min(limits.max, 2**62)).astype(dtype)


def sums_of(x, taps, kernel, mode, cval=0):
    """The sums of whole numbers, and the constant beyond the border times its denominator."""
    parts = Fraction(cval).denominator
    region = [(0, n) for n in x.shape]
    whole = x.astype(np.int64) * parts
    sums = shifted.correlate(whole, taps, kernel.origin, mode, int(cval * parts), region, precision=np.int64)
    return sums, parts


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", KERNELS)
def test_every_method_rounds_half_to_even(name, dtype):
    taps, divisor, kernel = KERNELS[name]
    x = integers(SHAPES[kernel.ndim], dtype)
    first = [*KERNELS].index(name) + DTYPES.index(dtype)
    for mode in (zoo.MODES * 2)[first % 5 :][:2]:  # each kernel and each dtype meets every mode
        sums, _ = sums_of(x, taps, kernel, mode)
        wanted = rounded(sums, divisor, dtype)
        for method in zoo.possible(fa.plan(x, kernel.flip(), mode, dtype=dtype)):
            got = fa.correlate(x, kernel, mode, dtype=dtype, method=method)
            assert_array_equal(got, wanted, f"{method} {mode}")


def test_there_are_ties():
    taps, divisor, kernel = KERNELS["box"]
    sums, _ = sums_of(integers(SHAPES[2], "u1"), taps, kernel, "wrap")
    assert (2 * (sums % divisor) == divisor).sum() > 400


CONSTANTS, RESULTS = [7, -1, 300, 0.5, 0.25, 1e5], ["u1", "i2", ">u2", "i4", "u8"]


@pytest.mark.parametrize("cval", CONSTANTS)
@pytest.mark.parametrize("result", RESULTS)
def test_the_constant_beyond_the_border_and_the_dtype_of_the_result(result, cval):
    half = (CONSTANTS.index(cval) + RESULTS.index(result)) % 2  # each kernel meets every constant and every dtype
    for name in ("box", "outer product", "wide box", "product")[half::2]:
        taps, divisor, kernel = KERNELS[name]
        x = integers((33, 40), "u1")
        sums, parts = sums_of(x, taps, kernel, "constant", cval)
        for method in zoo.possible(fa.plan(x, kernel.flip(), "constant", cval, dtype=result)):
            got = fa.correlate(x, kernel, "constant", cval, dtype=result, method=method)
            assert_array_equal(got, rounded(sums, divisor * parts, result), f"{name} {method}")


def test_a_constant_that_is_no_short_fraction_leaves_the_inside_exact():
    taps, divisor, kernel = KERNELS["box"]
    x, inside = integers((33, 40), "u1"), np.s_[3:-3, 3:-3]
    wanted = rounded(sums_of(x, taps, kernel, "wrap")[0], divisor, "u1")
    for method in ("auto", "direct", "separable", "running"):
        for cval in (0.3, np.nan, np.inf):
            got = fa.correlate(x, kernel, "constant", cval, dtype="u1", method=method)
            if cval == 0.3:
                assert_array_equal(got[inside], wanted[inside])


@pytest.mark.parametrize("dtype", ["?", ">i2", "i4", "u4"])
def test_other_integers(dtype):
    taps, divisor, kernel = KERNELS["ones over a number"]
    x = RNG.random((40, 50)) < 0.5 if dtype == "?" else integers((40, 50), dtype)
    result = "u1" if dtype == "?" else dtype
    wanted = rounded(sums_of(x, taps, kernel, "mirror")[0], divisor, result)
    for method in zoo.possible(fa.plan(x, kernel.flip(), "mirror", dtype=result)):
        assert_array_equal(fa.correlate(x, kernel, "mirror", dtype=result, method=method), wanted, method)


@pytest.mark.parametrize("dtype", DTYPES)
def test_large_arrays_and_large_kernels(dtype):
    for size in ((121, 101), (70, 3), (4, 4)):
        x = integers((300, 420), dtype)
        sums = np.pad(x.astype(np.int64), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
        sums = sums[size[0] :] - sums[: -size[0]]
        sums = sums[:, size[1] :] - sums[:, : -size[1]]
        for method in ("auto", "running", "separable", "fourier"):
            got = fa.correlate(x, fa.box(size), shape="valid", dtype=dtype, method=method)
            assert_array_equal(got, rounded(sums, size[0] * size[1], dtype), method)


def test_layouts_colours_and_out():
    taps, divisor, kernel = KERNELS["box"]
    x = integers((40, 50, 3), "u1")
    wanted = np.stack(
        [rounded(sums_of(x[..., c], taps, kernel, "reflect")[0], divisor, "u1") for c in range(3)], axis=-1
    )
    out = np.empty((3, 50, 80), "u1").T[::2]
    assert fa.correlate(x, kernel, axes=(0, 1), out=out) is out
    assert_array_equal(out, wanted)
    assert_array_equal(fa.correlate(x[::-1, ::-1][::-1, ::-1], kernel, axes=(0, 1), dtype="u1"), wanted)
    assert_array_equal(fa.correlate(x, kernel, axes=(0, 1), out=x), wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("outs", "ins"), [(2, 1), (2, 3), (5, 2)])
def test_banks_over_channels_and_strides(outs, ins, dtype):
    x = integers((ins, 30, 41), dtype)
    divisors = [6 * ins if o % 2 else 10 for o in range(outs)]
    taps = np.stack([np.ones((ins, 2, 3)) / divisor for divisor in divisors])
    sums = np.lib.stride_tricks.sliding_window_view(x.astype(np.int64), (2, 3), axis=(1, 2)).sum((0, 3, 4))
    wanted = np.stack([rounded(sums, divisor, dtype) for divisor in divisors])
    for step in (1, 2):
        for method in ("auto", "direct", "apart"):
            named = {"shape": "valid", "channel_axis": 0, "stride": step, "dtype": dtype, "method": method}
            assert_array_equal(fa.correlate(x, fa.Bank(taps), **named), wanted[:, ::step, ::step], method)


def test_a_bank_over_one_array():
    x = integers((60, 70), "u1")
    kernels = [fa.box((2, 3)), fa.box((3, 2)), fa.gaussian(1)]
    got = fa.correlate(x, fa.Bank.stack(kernels), dtype="u1")
    for result, kernel in zip(got, kernels, strict=True):
        assert_array_equal(result, fa.correlate(x, kernel, dtype="u1"))


def test_where_nothing_is_missing_in_a_tile_a_mask_changes_nothing():
    taps, divisor, kernel = KERNELS["wide box"]
    x = integers((60, 71), "u1")
    wanted = rounded(sums_of(x, taps, kernel, "reflect")[0], divisor, "u1")
    got = fa.correlate(x, kernel, dtype="u1", mask=np.ones(x.shape, bool), method="running")
    assert_array_equal(got, wanted)


# ---- whole taps


def test_common_divisors():
    for divisor in (1, 3, 9, 10, 441, 5000, 1 << 20):
        taps = RNG.integers(1, 100, 12)
        taps[0] = 1
        found = whole_taps(taps / divisor)
        assert (found.divisor, found.taps.tolist()) == (divisor, taps.tolist())
    assert whole_taps(np.full(9, np.float32(1 / 9)).astype("f8"), single=True).divisor == 9
    for taps in (fa.gaussian(2).taps, RNG.standard_normal(5), np.zeros(3), np.array([np.pi])):
        assert whole_taps(taps) is None
        assert whole_taps(taps.astype("f4").astype("f8"), single=True) is None


def test_rows_that_are_exact_anyway_are_left_alone():
    single = np.dtype("f4")
    assert whole_rows(np.array([[0.25, 0.5], [1.0, 3.0]]), Range(255.0), single) is None
    assert whole_rows(np.array([[0.25, 0.5], [1 / 3, 1 / 3]]), Range(255.0), single).divisors.tolist() == [4, 3]
    assert whole_rows(np.full((1, 900), 1 / 900), Range(65535.0), single).taps.dtype == np.float64
