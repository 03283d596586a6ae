"""Samples that are missing: normalised convolution against its formula, in every engine."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.ndimage
import torch
from numpy.testing import assert_allclose, assert_array_equal

import faltung as fa
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.planning.planner import METHODS

RNG = np.random.default_rng(5)
KERNELS = {
    "dense": fa.Kernel(RNG.random((4, 5)) + 0.1, origin=(1, 4)),
    "signed": fa.Kernel(RNG.standard_normal((3, 3))),
    "sparse": fa.Kernel(np.diag(np.arange(1.0, 40.0))),
    "gaussian": fa.gaussian(2.0),
    "box": fa.box(21),
    "sobel": fa.sobel(),
    "log": fa.log(1.5),
    "unsharp": fa.unsharp(1.0),
    "product": fa.disk(3) * fa.box(15),
    "large": fa.Kernel(RNG.random((25, 25))),
}


def expected(x, kernel, mode, cval, there):
    """The formula in double precision, where missing samples count as the mean; NaN where nothing has weight."""
    magnitudes = np.abs(kernel.taps)
    shift = [o - s // 2 for o, s in zip(kernel.origin, kernel.shape, strict=True)]
    present = np.where(there, x, 0.0).astype(float) * there

    def correlated(samples, taps, outside):
        return scipy.ndimage.convolve(samples.astype(float), taps, mode=mode, origin=shift, cval=outside)

    values, sums = correlated(present, kernel.taps, cval), correlated(present, magnitudes, cval)
    weights, missing = correlated(there, magnitudes, 1.0), correlated(1.0 - there, kernel.taps, 0.0)
    none = weights < 1e-12 * magnitudes.sum()
    with np.errstate(all="ignore"):
        return np.where(none, np.nan, values + missing * sums / weights), weights / magnitudes.sum()


def image(shape, share):
    x = RNG.random(shape).astype(np.float32)
    x[RNG.random(shape) < share] = np.nan
    x[2 : shape[0] // 3, 5 : shape[1] // 2] = np.nan
    return x


def check(got, want, weight, kernel):
    assert_array_equal(np.isnan(got), np.isnan(want))
    there = ~np.isnan(want)
    # What little weight is left divides the rounding error too.
    assert (np.abs(got - want)[there] <= 5e-6 * np.abs(kernel.taps).sum() / weight[there]).all()


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize(("mode", "cval"), [("reflect", 0.0), ("constant", 0.5)])
def test_missing_samples_are_left_out(name, mode, cval):
    kernel, x = KERNELS[name], image((120, 150), 0.1)
    possible = {c.method for c in fa.plan(x, kernel).candidates if math.isfinite(c.seconds)}
    assert {"direct", "fourier"} <= possible
    wanted = expected(x, kernel, mode, cval, ~np.isnan(x))
    for method in METHODS:
        if method in {"auto", *possible}:
            check(fa.convolve(x, kernel, mode, cval, nan="ignore", method=method), *wanted, kernel)
        else:
            with pytest.raises(ArgumentError, match="It does not: "):
                fa.convolve(x, kernel, mode, cval, nan="ignore", method=method)


@pytest.mark.parametrize("name", KERNELS)
def test_a_mask_is_true_where_a_sample_is_valid(name):
    kernel, x = KERNELS[name], RNG.random((60, 70)).astype(np.float32)
    mask = RNG.random(x.shape) < 0.7
    want = expected(x, kernel, "reflect", 0.0, mask)
    check(fa.convolve(x, kernel, mask=mask), *want, kernel)
    x[~mask] = np.nan  # what is masked may be anything
    check(fa.convolve(x, kernel, mask=mask), *want, kernel)
    check(fa.plan(x, kernel, mask=mask)(x, mask=mask), *want, kernel)


def test_a_mask_broadcasts_and_goes_with_any_dtype():
    x = RNG.integers(0, 255, (40, 50, 3)).astype(np.uint8)
    mask = RNG.random((40, 50, 1)) < 0.8
    got = fa.convolve(x, fa.gaussian(1.0), axes=(0, 1), mask=mask)
    for channel in range(3):
        want = expected(x[..., channel], fa.gaussian(1.0), "reflect", 0.0, mask[..., 0])[0]
        assert_allclose(got[..., channel], want, rtol=1e-4)
    rounded = fa.convolve(x, fa.gaussian(1.0), axes=(0, 1), mask=mask, dtype="u1")
    assert np.abs(rounded - got).max() <= 0.5 + 1e-4


def test_a_complex_sample_is_missing_as_a_whole():
    x = RNG.random((30, 40)) + 1j * RNG.random((30, 40))
    x[4, 5], x[20, 30] = complex(np.nan, 1), complex(1, np.nan)
    there = ~np.isnan(x)
    got = fa.convolve(x, fa.box(3), nan="ignore")
    parts = [expected(part, fa.box(3), "reflect", 0.0, there)[0] for part in (x.real, x.imag)]
    assert_allclose(got, parts[0] + 1j * parts[1], rtol=1e-12)
    assert_allclose(fa.convolve(x, fa.box(3), mask=there), got)


def test_complex_taps_weigh_by_magnitude():
    x = RNG.random((30, 40))
    x[4, 5] = np.nan
    taps = RNG.standard_normal((3, 3)) + 1j * RNG.standard_normal((3, 3))
    there = ~np.isnan(x)
    filled, magnitudes = np.where(there, x, 0.0), np.abs(taps)
    means = scipy.ndimage.convolve(filled, magnitudes) / scipy.ndimage.convolve(there.astype(float), magnitudes)
    want = scipy.ndimage.convolve(filled, taps) + scipy.ndimage.convolve((~there).astype(complex), taps) * means
    assert_allclose(fa.convolve(x, taps, nan="ignore"), want, rtol=1e-12)


def test_without_missing_samples_no_bit_changes():
    x = RNG.random((200, 300)).astype(np.float32)
    for kernel in (fa.gaussian(1.0), fa.Kernel(RNG.random((5, 5)))):
        run = fa.plan(x, kernel, nan="ignore")
        plain = fa.convolve(x, kernel, mask=np.ones((), bool))
        assert_array_equal(run(x), plain)
        assert_allclose(plain, fa.convolve(x, kernel), rtol=1e-6)


def test_an_infinity_is_not_a_missing_sample():
    x = np.zeros(9)
    x[4] = np.inf
    assert_array_equal(fa.convolve(x, np.ones(3), nan="ignore"), [0, 0, 0, np.inf, np.inf, np.inf, 0, 0, 0])


def test_an_infinity_under_a_zero_tap_affects_no_output():
    x = np.zeros((6, 7))
    x[2, 3], x[4, 1] = np.inf, np.nan
    taps = [[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]
    assert fa.plan(x, taps, nan="ignore", method="direct").weight_engines == ()
    got = fa.correlate(x, taps, "constant", nan="ignore", method="direct")
    want = np.zeros((6, 7))
    want[1:4, 2], want[1:4, 4] = np.inf, -np.inf
    want[3, 2] = np.nan  # the missing sample counts as the mean, which is infinite, with a tap of the other sign
    assert_array_equal(got, want)


def test_a_mask_alone_lets_nan_propagate():
    x, mask = np.ones((6, 7)), np.ones((6, 7), bool)
    x[1, 1] = x[4, 5] = np.nan
    mask[4, 5] = False
    want = np.ones((6, 7))
    want[:3, :3] = np.nan
    assert_allclose(fa.convolve(x, fa.box(3), mask=mask), want, rtol=1e-15)
    crossed = fa.convolve(x, fa.Kernel([[0.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 0.0]]), mask=mask)
    assert_array_equal(np.argwhere(np.isnan(crossed)), [[0, 1], [1, 0], [1, 1], [1, 2], [2, 1]])


def test_an_output_without_valid_samples_is_nan():
    x = np.array([1.0, np.nan, np.nan, np.nan, 2.0])
    assert_array_equal(fa.convolve(x, np.ones(3), nan="ignore"), [3, 3, np.nan, 6, 6])
    assert_array_equal(fa.convolve(np.full(3, np.nan), np.ones(3), nan="ignore"), [np.nan] * 3)
    assert_array_equal(fa.convolve(np.full(3, np.nan), np.ones(3), "constant", 2.0, nan="ignore"), [6, np.nan, 6])


@pytest.mark.parametrize("method", ["auto", "direct"])
@pytest.mark.parametrize("how", [{"nan": "ignore"}, {"mask": True}, {"mask": True, "min_weight": 0.5}])
def test_taps_that_are_all_zero_need_no_sample(how, method):
    x, zeros, ones = image((40, 50), 0.3), fa.Kernel(np.zeros((3, 5))), fa.box((3, 5))
    how = how | ({"mask": ~np.isnan(x)} if "mask" in how else {})
    for samples in (x, np.nan_to_num(x).astype(np.int16), torch.tensor(x)):
        assert_array_equal(fa.convolve(samples, zeros, **how, method=method), np.zeros(x.shape))
        both = fa.convolve(samples, fa.Bank.stack([zeros, ones]), **how)
        assert_array_equal(both[0], np.zeros(x.shape))
        assert_allclose(both[1], fa.convolve(samples, ones, **how), rtol=1e-6)
    kept = fa.convolve(x, zeros, **how, method=method, keep_nan=True)
    assert_array_equal(kept, np.where(np.isnan(x), np.nan, 0.0))


ALONG = {
    "dense": fa.Kernel(RNG.random((3, 5)) + 0.1, origin=(0, 4)),
    "signed": KERNELS["signed"],
    "sobel": fa.sobel(),
}


@pytest.mark.parametrize("name", [*ALONG, "gaussian", "unsharp"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_wide_images_have_tiles_inside_and_strips_along_the_border(name, dtype):
    kernel, x = {**KERNELS, **ALONG}[name], image((150, 1300), 0.02).astype(dtype)
    assert not fa.plan(x, kernel, nan="ignore").gathers
    there = ~np.isnan(x)
    mask = RNG.random(x.shape) < 0.8
    for mode in ("reflect", "wrap", "constant"):
        check(fa.convolve(x, kernel, mode, nan="ignore"), *expected(x, kernel, mode, 0.0, there), kernel)
        both = fa.convolve(x, kernel, mode, nan="ignore", mask=mask)
        check(both, *expected(x, kernel, mode, 0.0, there & mask), kernel)


@pytest.mark.parametrize("name", ALONG)
def test_dense_taps_are_weighed_along_with_the_samples(name):
    x, kernel = image((100, 1300), 0.02), ALONG[name]
    plan = fa.plan(x, kernel, nan="ignore")
    assert (plan.engines, plan.weight_engines) == (("direct",), ())
    assert "missing   weights along with the samples" in str(plan)
    assert plan.candidates[0].seconds > fa.plan(x, kernel, method="direct").candidates[0].seconds
    # Where nothing is missing under an output, no bit changes.
    got, plain = plan(x), fa.convolve(x, kernel, method="direct")
    same = ~np.isnan(plain)
    assert 0.2 < same.mean() < 1
    assert_array_equal(got[same], plain[same])


def test_other_weights_are_correlated_by_themselves():
    x = np.zeros((300, 300), np.float32)
    plan = fa.plan(x, fa.gaussian(3.0), nan="ignore")
    assert plan.weight_engines == ("separable",)
    assert "missing   weights by separable" in str(plan)
    assert fa.plan(x + 0j, fa.sobel(), nan="ignore").weight_engines == ("direct",)
    assert fa.plan(x, np.diag(np.arange(1.0, 40.0)), nan="ignore").weight_engines == ("direct",)
    assert fa.plan(x, fa.sobel()).weight_engines == ()
    assert "missing" not in str(fa.plan(x, fa.sobel()))


def test_a_volume_has_taps_in_several_slices():
    x = RNG.random((9, 20, 40))
    x[RNG.random(x.shape) < 0.1] = np.nan
    kernel = fa.Kernel(RNG.standard_normal((3, 2, 3)))
    assert fa.plan(x, kernel, nan="ignore").weight_engines == ()
    there = ~np.isnan(x)
    check(fa.convolve(x, kernel, nan="ignore"), *expected(x, kernel, "reflect", 0.0, there), kernel)
    mask = RNG.random(x.shape) < 0.8
    got = fa.convolve(x, kernel, nan="ignore", mask=mask)
    check(got, *expected(x, kernel, "reflect", 0.0, there & mask), kernel)


@pytest.mark.parametrize("shape", [(5, 7), (20, 3), (3, 40), (1, 50)])
def test_blocks_smaller_than_the_registers(shape):
    x, kernel = image((30, 60), 0.2)[: shape[0], : shape[1]], KERNELS["dense"]
    check(fa.convolve(x, kernel, nan="ignore"), *expected(x, kernel, "reflect", 0.0, ~np.isnan(x)), kernel)


@pytest.mark.parametrize("kernel", [fa.Kernel(RNG.random(7)), fa.Kernel(RNG.standard_normal(31))])
def test_signals(kernel):
    x = image((12, 500), 0.1).ravel()
    there = ~np.isnan(x)
    check(fa.convolve(x, kernel, nan="ignore"), *expected(x, kernel, "reflect", 0.0, there), kernel)


def test_layouts_and_dtypes_of_weighed_samples():
    x, kernel = image((200, 1300), 0.02), ALONG["dense"]
    want = fa.convolve(x, kernel, nan="ignore")
    assert_array_equal(fa.convolve(np.asfortranarray(x), kernel, nan="ignore"), want)
    assert_array_equal(fa.convolve(x.astype(">f4"), kernel, nan="ignore"), want)
    out = np.empty((200, 2600), np.float32)[:, ::2]
    assert_array_equal(fa.convolve(x, kernel, nan="ignore", out=out), want)
    shifted = np.empty(200 * 1300 + 1, np.float32)[1:].reshape(200, 1300)
    assert_array_equal(fa.convolve(x, kernel, nan="ignore", out=shifted), want)
    half = x.astype(np.float16)
    check(fa.convolve(half, kernel, nan="ignore"), *expected(half, kernel, "reflect", 0.0, ~np.isnan(half)), kernel)
    assert_array_equal(fa.convolve(x, kernel, nan="ignore", dtype="f2"), want.astype(np.float16))
    bytes_ = RNG.integers(0, 255, x.shape).astype(np.uint8)
    there = ~np.isnan(x)
    check(
        fa.convolve(bytes_, kernel, mask=there) / 255, *expected(bytes_ / 255, kernel, "reflect", 0.0, there), kernel
    )


def test_large_results_go_past_the_cache():
    x, kernel = image((1050, 2003), 0.02), ALONG["signed"]
    assert fa.plan(x, kernel, nan="ignore").problem.streamed
    check(fa.convolve(x, kernel, nan="ignore"), *expected(x, kernel, "reflect", 0.0, ~np.isnan(x)), kernel)
    check(
        fa.convolve(x, fa.gaussian(1.0), nan="ignore"),
        *expected(x, fa.gaussian(1.0), "reflect", 0.0, ~np.isnan(x)),
        fa.gaussian(1.0),
    )


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_workers_gives_the_same_bits(workers):
    x = image((300, 1100), 0.05)
    for kernel in (fa.gaussian(3.0), fa.Kernel(np.ones((25, 25)) + np.eye(25)), ALONG["signed"]):
        first = fa.convolve(x, kernel, nan="ignore", workers=1)
        assert first.tobytes() == fa.convolve(x, kernel, nan="ignore", workers=workers).tobytes()


def test_errors_say_what_is_wrong_with_a_mask():
    x = np.zeros((4, 5))
    with pytest.raises(ArgumentTypeError, match="mask: expected an array of booleans"):
        fa.convolve(x, [[1.0]], mask=np.ones((4, 5)))
    with pytest.raises(ArgumentError, match=r"mask: expected an array of booleans of shape \(4, 5\)"):
        fa.convolve(x, [[1.0]], mask=np.ones((5, 4), bool))
    with pytest.raises(ArgumentError, match="nan: expected 'propagate' or 'ignore', got 'omit'"):
        fa.convolve(x, [[1.0]], nan="omit")
    with pytest.raises(ArgumentError, match="Make a plan with mask="):
        fa.plan(x, fa.box(3))(x, mask=np.ones((4, 5), bool))
    with pytest.raises(ArgumentError, match="because this plan was made with a mask, got None"):
        fa.plan(x, fa.box(3), mask=True)(x)
