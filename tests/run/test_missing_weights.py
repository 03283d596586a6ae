"""Missing samples in every dtype, engine and mode, for taps of both signs: against the formula as slow loops."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tests.reference import extended
from tests.shifted import correlate as shifted

import faltung as fa
import zoo
from faltung.errors import ArgumentError, ArgumentTypeError

RNG = np.random.default_rng(17)
MODES = ("reflect", "constant", "nearest", "mirror", "wrap")
SIGNED = {
    "one sign": fa.Kernel(RNG.random((3, 4)) + 0.1),
    "negative": fa.Kernel(-RNG.random((3, 3)) - 0.1),
    "signed": fa.Kernel(RNG.standard_normal((3, 4)), origin=(0, 2)),
    "sobel": fa.sobel(),
    "laplacian": fa.laplacian(),
    "unsharp": fa.unsharp(0.6),
    "complex": fa.Kernel(RNG.standard_normal((3, 3)) + 1j * RNG.standard_normal((3, 3))),
}


def slow(x, kernel, mode, cval, weights, min_weight=0.0):
    """Each missing sample counts, under each output, as the mean of the others: sample by sample, in double."""
    out = np.zeros(x.shape, np.result_type(x, kernel.taps, float))
    magnitudes = np.abs(kernel.taps)
    for n in np.ndindex(*x.shape):
        places = [
            [p - (j - o) for p, j, o in zip(n, i, kernel.origin, strict=True)] for i in np.ndindex(*kernel.shape)
        ]
        samples = np.array([extended(x, place, mode, cval) for place in places])
        present = np.array([extended(weights, place, mode, 1.0) for place in places], float)
        samples = np.where(present > 0, samples, 0)
        taps, sizes = kernel.taps.ravel(), magnitudes.ravel()
        weight = (sizes * present).sum()
        if not weight > 0 or weight < (min_weight - 1e-9) * sizes.sum():
            out[n] = complex(np.nan, np.nan) if out.dtype.kind == "c" else np.nan
            continue
        mean = (sizes * present * samples).sum() / weight
        out[n] = (taps * (present * samples + (1 - present) * mean)).sum()
    return out


def close(got, want, rtol):
    assert_array_equal(np.isnan(got), np.isnan(want))
    scale = np.abs(want[~np.isnan(want)]).max(initial=1.0)
    assert_allclose(got, want, rtol=rtol, atol=rtol * scale)


@pytest.mark.parametrize(
    ("mode", "dtype"),
    [
        *itertools.product(MODES[::2], ("f4", "u1", "i8")),
        *itertools.product(MODES[1::2], ("f8", "i2", "c8")),
        ("constant", "f4"),
        ("reflect", "f8"),
        ("nearest", "c8"),
    ],
)
@pytest.mark.parametrize("name", SIGNED)
def test_missing_samples_count_as_the_mean_of_the_others(name, mode, dtype):
    kernel = SIGNED[name]
    x = (RNG.random((5, 6)) * 20).astype(dtype) + (1j * RNG.random((5, 6)) if dtype == "c8" else 0)
    x, mask, weights = x.astype(dtype), RNG.random((5, 6)) < 0.6, RNG.random((5, 6)).round(2)
    weights[RNG.random((5, 6)) < 0.3] = 0
    rtol = 1e-4 if np.dtype(dtype).itemsize < 8 or dtype == "c8" else 1e-10
    masked, mostly, weighted, both = (
        slow(x, kernel, mode, 3.0, *present) for present in ((mask,), (mask, 0.7), (weights,), (weights * mask,))
    )
    for method in ("auto", "direct", "fourier"):
        named = {"mode": mode, "cval": 3.0, "method": method}
        close(fa.convolve(x, kernel, mask=mask, **named), masked, rtol)
        close(fa.convolve(x, kernel, weights=weights, **named), weighted, rtol)
        close(fa.convolve(x, kernel, mask=mask, min_weight=0.7, **named), mostly, rtol)
        if x.dtype.kind in "fc":
            holes = np.where(mask, x, np.nan).astype(dtype)
            close(fa.convolve(holes, kernel, nan="ignore", **named), masked, rtol)
            close(fa.convolve(holes, kernel, nan="ignore", weights=weights, **named), both, rtol)


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("mode", MODES)
def test_arrays_shorter_than_the_kernel(mode, length):
    x, mask = RNG.random((length, 4)), RNG.random((length, 4)) < 0.7
    for kernel in (fa.Kernel(RNG.standard_normal((5, 7))), fa.Kernel(RNG.random((5, 7)))):
        close(fa.convolve(x, kernel, mode, 0.5, mask=mask), slow(x, kernel, mode, 0.5, mask), 1e-10)


def test_derivatives_see_no_edge_at_a_hole():
    x = np.full((9, 9), 100.0)
    x[4, 4] = np.nan
    for kernel in (fa.sobel(), fa.sobel(axis=0), fa.laplacian(), fa.prewitt(), fa.scharr()):
        for dtype in ("f4", "f8"):
            assert_array_equal(fa.convolve(x.astype(dtype), kernel, nan="ignore"), np.zeros((9, 9)))
    assert_allclose(fa.convolve(x, fa.unsharp(1.0), nan="ignore"), 100)
    ramp = np.arange(9.0) + np.zeros((9, 1))
    ramp[4, 4] = np.nan
    inner = fa.convolve(ramp, fa.sobel(), nan="ignore", shape="valid")
    assert (inner < 0).all() or (inner > 0).all()


CONSTANTS, DTYPES = [-1, 0.1, 300.5, np.nan], [("u1", None), ("i2", None), ("f4", "f8"), ("f2", None), ("i4", None)]
WIDE = [fa.gaussian(2), fa.box(9), fa.gabor(0.1, 0.4).real, fa.sobel(), fa.gaussian(1) * fa.disk(2)]


@pytest.mark.parametrize(("dtype", "result"), DTYPES)
@pytest.mark.parametrize("cval", CONSTANTS)
def test_a_constant_that_the_dtype_cannot_hold(dtype, result, cval):
    x = RNG.integers(0, 100, (700, 640)).astype(dtype)
    mask = RNG.random(x.shape) < 0.999
    first = CONSTANTS.index(cval) + DTYPES.index((dtype, result))  # each kernel meets every constant and every dtype
    for kernel in (WIDE * 3)[first : first + 2]:
        named = {"mode": "constant", "cval": cval, "mask": mask, "nan": "ignore"}
        wanted = fa.convolve(x.astype("f8"), kernel, method="direct", **named)
        for method in ("auto", *zoo.possible(fa.plan(x, kernel, **named))):
            got = fa.convolve(x, kernel, dtype=result, method=method, **named)
            close(got, wanted, 1e-3 if np.dtype(dtype).itemsize < 4 else 1e-4)


@pytest.mark.parametrize("accuracy", ["norm", "pointwise"])
@pytest.mark.parametrize(
    "kernel",
    [fa.dog(2, 4), fa.gabor(0.1, 0.4).real, fa.gaussian(8) * fa.disk(3), fa.log(2), fa.gaussian(3), fa.box(31)],
    ids=repr,
)
def test_few_samples_are_enough_and_the_bound_holds(kernel, accuracy):
    x = RNG.random((300, 320)).astype("f4")
    there = RNG.random(x.shape) < 0.002
    x[~there] = np.nan
    plan = fa.plan(x, kernel, nan="ignore", accuracy=accuracy)
    got = plan(x)
    wanted = fa.convolve(x.astype("f8"), kernel, nan="ignore", method="direct")
    assert_array_equal(np.isnan(got), np.isnan(wanted))
    magnitudes = fa.Kernel(np.abs(kernel.taps), kernel.origin)
    filled = np.where(there, np.abs(x), 0).astype("f8")
    share = fa.convolve(there.astype("f8"), magnitudes, method="direct") / magnitudes.taps.sum()
    scale = fa.convolve(filled, magnitudes, method="direct")
    if not plan.pointwise:
        scale = np.full(x.shape, filled.max() * magnitudes.taps.sum())
    known = ~np.isnan(wanted)
    assert (np.abs(got - wanted) * share <= plan.error * scale)[known].all()
    assert "divided by the share present" in str(plan)


def test_infinities_beside_missing_samples():
    x = np.array([0.0, 0, np.inf, 1, 0, np.nan, 0, 0, 2, np.nan])
    # The mean of an output is infinite, so a missing sample counts as infinite, too.
    got = fa.correlate(x, [-1.0, 3.0, -1.0], "constant", nan="ignore")
    assert_array_equal(got, [0, -np.inf, np.inf, -np.inf, -1.25, 0, 0, -2, 4.5, 1])
    assert_array_equal(
        fa.correlate(x[2:7], [1.0, 1, 1, 1, 2], "constant", nan="ignore")[:3], [np.inf, np.inf, np.inf]
    )
    assert np.isnan(fa.correlate(np.array([np.inf, np.nan, 1]), [1.0, -1, 1], shape="valid", nan="ignore"))
    for method in ("direct", "separable", "fourier"):
        wide = np.zeros((80, 90))
        wide[5, 5], wide[60, 60] = np.inf, np.nan
        assert_array_equal(
            np.isfinite(fa.convolve(wide, fa.log(1.0), nan="ignore", method=method)),
            np.isfinite(fa.convolve(np.nan_to_num(wide, nan=0.0, posinf=np.inf), fa.log(1.0), method="direct")),
        )


def test_a_constant_that_is_nan_is_missing():
    x = np.array([1.0, 2, 3, np.nan, 5, 6])
    kernel = [1.0, 2, 3]
    inside = np.pad(np.where(np.isnan(x), 0, x), 1)
    there = np.pad(~np.isnan(x), 1).astype(float)
    wanted = 6 * np.convolve(inside, kernel, "valid") / np.convolve(there, kernel, "valid")
    assert_allclose(fa.convolve(x, kernel, "constant", np.nan, nan="ignore"), wanted)
    whole = np.array([1, 2, 3])
    assert_allclose(fa.convolve(whole, kernel, "constant", np.nan, nan="ignore"), [8, 10, 14.4])
    assert np.isnan(fa.convolve(whole, kernel, "constant", np.nan)[[0, 2]]).all()


@pytest.mark.parametrize("kernel", [np.ones(4), np.array([1.0, -2, 3, -1, 2])], ids=["one sign", "signed"])
def test_taps_beyond_a_shorter_array_are_left_out(kernel):
    x, mask = np.array([3.0, 4.0]), np.array([True, False])
    wanted = [3 * (kernel[n] + kernel[n + 1]) for n in range(len(kernel) - 1)]
    for named in ({"mask": mask}, {"weights": [1.0, 0.0]}, {"mask": mask, "nan": "ignore"}):
        assert_allclose(fa.convolve(x, kernel, shape="valid", **named), wanted)
    assert_allclose(fa.convolve(np.array([3, np.nan]), kernel, shape="valid", nan="ignore"), wanted)
    picture = np.ones((2, 3))
    picture[1, 1] = np.nan
    assert_allclose(fa.convolve(picture, np.ones((3, 4)), shape="valid", nan="ignore"), np.full((2, 2), 6))


def test_weights_of_zero_and_one_are_a_mask():
    x, mask = RNG.random((200, 300)).astype("f4"), RNG.random((200, 300)) < 0.8
    for kernel in (fa.gaussian(2), fa.sobel(), fa.gabor(0.1, 0.4).real):
        wanted = fa.convolve(x, kernel, mask=mask)
        assert_allclose(fa.convolve(x, kernel, weights=mask), wanted, rtol=1e-4, atol=1e-5)
        assert_allclose(fa.convolve(x, kernel, weights=mask.astype("u1")), wanted, rtol=1e-4, atol=1e-5)
        run = fa.plan(x, kernel, weights=True)
        assert_array_equal(run(x, weights=mask[:1]), run(x, weights=np.broadcast_to(mask[:1], x.shape)))


def test_equal_weights_change_nothing_for_taps_of_one_sign():
    x = RNG.random((60, 70))
    weights = np.full((), 0.25)
    assert_allclose(fa.convolve(x, fa.gaussian(2), weights=weights), fa.convolve(x, fa.gaussian(2)), rtol=1e-12)


@pytest.mark.parametrize("dtype", [None, "f8", "u1", "f2"])
def test_missing_samples_can_stay_missing(dtype):
    x = RNG.random((300, 310)).astype("f4") * 100
    x[RNG.random(x.shape) < 0.1] = np.nan
    mask, gone = RNG.random(x.shape) < 0.9, np.isnan(x)
    for kernel in (fa.gaussian(1), fa.sobel(), fa.Bank.stack([fa.gaussian(1), fa.sobel()])):
        for named, missing in (({}, gone), ({"mask": mask}, gone | ~mask), ({"weights": 1.0 * mask}, gone | ~mask)):
            named = named | {"nan": "ignore", "dtype": dtype}
            plain = fa.convolve(x, kernel, **named)
            wanted = np.where(missing, 0 if dtype == "u1" else np.nan, plain).astype(plain.dtype)
            assert_array_equal(fa.convolve(x, kernel, keep_nan=True, **named), wanted)
    out = x.copy()
    kept = fa.convolve(x, fa.gaussian(1), nan="ignore", keep_nan=True)
    assert_array_equal(fa.convolve(out, fa.gaussian(1), nan="ignore", keep_nan=True, out=out), kept)
    assert_array_equal(fa.convolve(x, [1.0, 2, 1], nan="ignore", keep_nan=True, dilation=2)[gone], np.nan)


def test_the_least_weight_is_a_share_of_all_taps():
    x = np.array([1.0, np.nan, 3, 4, np.nan, np.nan, 7])
    for share, known in [(0.0, 7), (1 / 3, 7), (0.34, 5), (2 / 3, 5), (1.0, 0)]:
        got = fa.convolve(x, np.ones(3), nan="ignore", min_weight=share)
        assert np.count_nonzero(~np.isnan(got)) == known, share
    big = RNG.random((400, 400)).astype("f4")
    mask = np.arange(400) < 200
    for kernel in (np.ones((4, 4)), (np.ones((40, 40)) * np.where(np.arange(40) % 2, 1.0, -1.0))):
        got = fa.convolve(big, kernel, mask=mask, min_weight=0.5)
        assert_array_equal(~np.isnan(got), np.broadcast_to(np.arange(400) < 200, got.shape))


@pytest.mark.parametrize(
    ("named", "argument", "text"),
    [
        ({"min_weight": 1.5}, "min_weight", "expected a number from 0 to 1, got 1.5"),
        ({"min_weight": True}, "min_weight", "expected a number from 0 to 1, got True"),
        ({"min_weight": np.nan}, "min_weight", "expected a number from 0 to 1, got nan"),
        ({"keep_nan": 1}, "keep_nan", "expected True or False, got 1"),
        ({"keep_nan": True, "shape": "valid"}, "keep_nan", "got True with shape='valid'"),
        ({"keep_nan": True, "stride": 2}, "keep_nan", "got True with stride=(2, 2)"),
        ({"weights": np.full((4, 5), 2.0)}, "weights", "expected numbers from 0 to 1, got some from 2.0 to 2.0"),
        ({"weights": np.full((4, 5), np.nan)}, "weights", "expected numbers from 0 to 1"),
        ({"weights": np.ones((4, 5), complex)}, "weights", "got complex128"),
        ({"weights": np.ones((5, 4))}, "weights", "expected an array of numbers of shape (4, 5)"),
        ({"weights": np.ones((4, 5)), "mask": np.ones((4, 5), bool)}, "mask", "expected None where samples have"),
    ],
)
def test_wrong_arguments_are_named(named, argument, text):
    with pytest.raises((ArgumentError, ArgumentTypeError)) as caught:
        fa.convolve(np.ones((4, 5)), fa.box(3), **named)
    assert caught.value.argument == argument
    assert text in str(caught.value)


def test_plans_take_weights_if_they_were_made_for_them():
    x = np.ones((4, 5))
    with pytest.raises(ArgumentError, match="weights: expected an array of numbers from 0 to 1, because this plan"):
        fa.plan(x, fa.box(3), weights=True)(x)
    with pytest.raises(ArgumentError, match="Make a plan with weights="):
        fa.plan(x, fa.box(3), mask=True)(x, mask=np.ones((4, 5), bool), weights=x)
    with pytest.raises(ArgumentError, match="mask: expected None where samples have weights"):
        fa.plan(x, fa.box(3), mask=True, weights=True)
    assert fa.plan(x, fa.box(3), weights=x) is fa.plan(x, fa.box(3), weights=True)
    assert fa.plan(x, fa.box(3), weights=True) is not fa.plan(x, fa.box(3), mask=True)


def test_a_volume_and_a_batch_have_weights():
    x, weights = RNG.random((6, 20, 30, 3)), RNG.random((6, 20, 30, 1))
    kernel = fa.Kernel(RNG.standard_normal((2, 3, 3)))
    got = fa.convolve(x, kernel, axes=(0, 1, 2), weights=weights)
    magnitudes = np.abs(kernel.taps)
    region = [(0, n) for n in x.shape[:3]]

    def summed(samples, taps, outside=0.0):
        return shifted(samples, taps, kernel.origin, "reflect", outside, region, -1)

    for channel, point in itertools.product(range(3), [(0, 0, 0), (3, 10, 10), (5, 19, 29)]):
        w, part = weights[..., 0], x[..., channel]
        wanted = summed(part * w, kernel.taps) + summed(1 - w, kernel.taps) * summed(part * w, magnitudes) / summed(
            w, magnitudes
        )
        assert_allclose(got[(*point, channel)], wanted[point], rtol=1e-10)
