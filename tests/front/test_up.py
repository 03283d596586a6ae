"""Zeros between samples, in every mode and through every door: the definition as loops is the oracle."""

from __future__ import annotations

import math

import dask.array
import numpy as np
import pandas
import pytest
import scipy.signal
import torch
import xarray
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import reference

import faltung as fa
from faltung.ground.boundary import MODES


def by_loops(x, taps, origin, up, stride, shape="same", mode="reflect", cval=0.0, dilation=1, sign=-1):
    """``y[t] = sum over i of taps[i] * z[stride t + start - dilation (i - origin)]``, where ``z[up k] = x[k]``."""
    x, taps = np.asarray(x), np.asarray(taps)
    ups, strides, dilations = (np.broadcast_to(step, taps.ndim).tolist() for step in (up, stride, dilation))
    starts, stops = [], []
    for length, size, at, zeros, step in zip(x.shape, taps.shape, origin, ups, dilations, strict=True):
        reach, first = step * (size - 1), step * at
        low, high = (first, reach - first) if sign > 0 else (reach - first, first)  # of the taps, around an output
        positions = (length - 1) * zeros + 1
        bounds = {"same": (0, length * zeros), "full": (-high, positions + low), "valid": (low, positions - high)}
        starts.append(bounds[shape][0])
        stops.append(bounds[shape][1])
    counts = [max(0, math.ceil((b - a) / s)) for a, b, s in zip(starts, stops, strides, strict=True)]
    y = np.zeros(counts, np.result_type(x.dtype, taps.dtype, np.float64))
    for t in np.ndindex(*counts):
        for i in np.ndindex(*taps.shape):
            place = [
                a + s * n + sign * d * (j - at)
                for a, s, n, d, j, at in zip(starts, strides, t, dilations, i, origin, strict=True)
            ]
            if taps[i] != 0 and not any(p % zeros for p, zeros in zip(place, ups, strict=True)):
                sample = [p // zeros for p, zeros in zip(place, ups, strict=True)]
                y[t] += reference.extended(x, sample, mode, cval) * taps[i]
    return y


cases = st.tuples(
    st.integers(0, 1 << 30),
    st.sampled_from([(7,), (1,), (12,), (4, 6), (2, 9)]),
    st.integers(1, 6),
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from(["same", "full", "valid"]),
    st.sampled_from([*MODES]),
)


@settings(max_examples=20, deadline=None)
@given(cases)
def test_like_the_definition(case):
    seed, lengths, size, up, stride, dilation, shape, mode = case
    random = np.random.default_rng(seed)
    sizes = tuple(random.integers(1, size + 1, len(lengths)))
    spans = [(length - 1) * up + 1 for length in lengths]
    reaches = [(s - 1) * dilation + 1 for s in sizes]
    if shape == "valid" and any(reach > span for reach, span in zip(reaches, spans, strict=True)):
        shape = "same"
    x, taps = random.normal(size=lengths), random.normal(size=sizes)
    taps[random.random(sizes) < 0.2] = 0.0
    origin = [int(random.integers(0, s)) for s in sizes]
    for function, sign in ((fa.convolve, -1), (fa.correlate, 1)):
        y = function(x, fa.Kernel(taps, origin), mode, 2.0, shape=shape, up=up, stride=stride, dilation=dilation)
        expected = by_loops(x, taps, origin, up, stride, shape, mode, 2.0, dilation, sign)
        assert y.shape == expected.shape
        np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("up", "stride"), [(1, 1), (2, 1), (3, 2), (2, 3), (4, 6), (7, 5)])
@pytest.mark.parametrize("length", [1, 2, 9])
def test_full_is_that_of_upfirdn(length, up, stride):
    x, taps = np.random.default_rng(0).normal(size=length), np.random.default_rng(1).normal(size=8)
    y = fa.convolve(x, taps, shape="full", up=up, stride=stride)
    np.testing.assert_allclose(y, scipy.signal.upfirdn(taps, x, up, stride), rtol=1e-13, atol=1e-13)


def test_each_axis_has_its_own():
    x, taps = np.random.default_rng(2).normal(size=(5, 6)), np.random.default_rng(3).normal(size=(4, 3))
    y = fa.convolve(x, taps, ("wrap", "mirror"), up=(2, 3), stride=(3, 1))
    expected = by_loops(x, taps, (2, 1), (2, 3), (3, 1), mode=("wrap", "mirror"))
    assert y.shape == (math.ceil(10 / 3), 18)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-13)


def test_the_dtypes_are_those_of_convolve():
    taps = [0.5, 1.0, 0.5]
    for dtype, result in (("u1", "f4"), ("i4", "f8"), ("f2", "f4"), ("c8", "c8"), ("bool", "f4")):
        assert fa.convolve(np.ones(4, dtype), taps, up=2).dtype == result
    x = np.array([10, 250, 3, 200], np.uint8)
    y = fa.convolve(x, taps, "constant", up=2, dtype="uint8")
    assert y.tolist() == [10, 130, 250, 126, 3, 102, 200, 100]  # halves are rounded to even
    z = np.array([1 + 2j, 3 - 1j])
    np.testing.assert_allclose(fa.convolve(z, [1j, 2], "wrap", up=2), by_loops(z, [1j, 2], (1,), 2, 1, mode="wrap"))


def test_strided_views_and_out():
    x = np.random.default_rng(4).normal(size=(9, 14))[::-2, ::3].astype("f4")
    taps = np.random.default_rng(5).normal(size=(3, 5))
    expected = by_loops(x, taps, (1, 2), 3, 2)
    out = np.full((2 * expected.shape[0], expected.shape[1]), np.nan, "f4")[::2]
    assert fa.convolve(x, taps, up=3, stride=2, out=out) is out
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)
    signal = np.arange(8.0)
    whole = np.concatenate([signal, np.zeros(8)])
    fa.convolve(whole[:8], [1, 2, 1], up=2, out=whole)  # which overlaps the input
    np.testing.assert_allclose(whole, by_loops(signal, [1, 2, 1], (1,), 2, 1))


def test_infinities_reach_the_outputs_whose_taps_read_them():
    x = np.ones(12)
    x[4], x[9] = np.inf, np.nan
    for up, stride in ((2, 1), (3, 2), (5, 4)):
        taps = np.array([1.0, -2.0, 0.0, 3.0, 1.0])
        y = fa.convolve(x, taps, up=up, stride=stride)
        with np.errstate(invalid="ignore"):
            np.testing.assert_array_equal(np.isfinite(y), np.isfinite(by_loops(x, taps, (2,), up, stride)))


def missing_by_loops(x, valid, taps, up, stride, mode="reflect"):
    """Each missing sample counts as the mean of those present under the output, weighted by ``abs(taps)``."""
    at = [size // 2 for size in taps.shape]
    how = (at, up, stride, "same", mode)
    filled = np.where(valid, x, 0.0)
    present = by_loops(valid.astype(float), np.abs(taps), *how)
    with np.errstate(all="ignore"):
        mean = by_loops(filled, np.abs(taps), *how) / present
        y = by_loops(filled, taps, *how) + mean * by_loops(1.0 - valid, taps, *how)
    taps_on_samples = by_loops(np.ones_like(x), np.abs(taps), *how)
    return np.where(taps_on_samples == 0, 0.0, np.where(present > 0, y, np.nan))


@pytest.mark.parametrize(("up", "stride"), [(2, 1), (3, 2), (2, 4)])
@pytest.mark.parametrize("taps", [[1.0, 2.0, 3.0, 2.0, 1.0], [1.0, -2.0, 0.5, 4.0, -1.0], [2.0]])
def test_missing_samples(taps, up, stride):
    random = np.random.default_rng(6)
    x, valid, taps = random.normal(size=(3, 15)), random.random((3, 15)) < 0.6, np.array([taps])
    expected = missing_by_loops(x, valid, taps, (1, up), (1, stride))
    holes = np.where(valid, x, np.nan)
    line = fa.Kernel(taps[0])
    how = {"up": up, "stride": stride}
    results = [
        line(x, mask=valid, **how),
        line(x, weights=valid.astype(float), **how),
        line(holes, nan="ignore", **how),
        line(np.ma.array(x, mask=~valid), **how).filled(np.nan),
        line(torch.tensor(holes), nan="ignore", **how).numpy(),
        line(dask.array.from_array(holes, chunks=(2, 4)), nan="ignore", **how).compute(),
    ]
    for y in results:
        np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-12)
    least = line(x, mask=valid, min_weight=0.7, **how)
    of_tensor = line(torch.tensor(x), mask=torch.tensor(valid), min_weight=0.7, **how)
    np.testing.assert_array_equal(np.isnan(least), np.isnan(of_tensor.numpy()))
    assert np.isnan(least).sum() >= np.isnan(expected).sum()


def test_variances():
    x, v, taps = np.random.default_rng(7).random((3, 9))
    y, w = fa.convolve(x, taps, variance=v, up=3, stride=2)
    np.testing.assert_allclose(y, by_loops(x, taps, (4,), 3, 2))
    np.testing.assert_allclose(w, by_loops(v, taps**2, (4,), 3, 2))


def test_banks_with_and_without_channels():
    random = np.random.default_rng(8)
    x, taps = random.normal(size=(4, 9)), random.normal(size=(6, 2, 5))
    y = fa.convolve(x, fa.Bank(taps), "wrap", channel_axis=0, groups=2, up=3, stride=2)
    of_tensor = fa.convolve(torch.tensor(x), torch.tensor(taps), "wrap", channel_axis=0, groups=2, up=3, stride=2)
    expected = np.stack(
        [sum(by_loops(x[2 * (o // 3) + i], taps[o, i], (2,), 3, 2, mode="wrap") for i in range(2)) for o in range(6)]
    )
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(of_tensor, expected, rtol=1e-12, atol=1e-12)
    bank = fa.Bank.stack([fa.Kernel(row[0]) for row in taps])
    several = bank(x, up=2)
    assert several.shape == (6, 4, 18)
    np.testing.assert_allclose(several[5, 1], by_loops(x[1], taps[5, 0], (2,), 2, 1), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(bank(torch.tensor(x), up=2), several, rtol=1e-12, atol=1e-12)
    lazy = bank(dask.array.from_array(x, chunks=(2, 3)), up=2, stride=3)
    np.testing.assert_array_equal(lazy, bank(x, up=2, stride=3))


@pytest.mark.parametrize("mode", [*MODES])
def test_dask_arrays_are_exact_at_seams(mode):
    x = np.random.default_rng(9).normal(size=(23, 4))
    taps = np.random.default_rng(10).normal(size=6)
    for up, stride, shape in ((2, 1, "same"), (3, 4, "full"), (5, 3, "valid"), (3, 2, "same")):
        how = {"mode": mode, "cval": 1.5, "shape": shape, "axes": 0, "up": up, "stride": stride}
        lazy = fa.convolve(dask.array.from_array(x, chunks=((5, 1, 9, 8), 2)), taps, **how)
        whole = fa.convolve(x, taps, **how)
        assert lazy.shape == whole.shape
        np.testing.assert_allclose(lazy.compute(), whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("up", "stride"), [(2, 1), (3, 2), (4, 5)])
def test_tensors_have_gradients(up, stride):
    x = torch.tensor(np.random.default_rng(11).normal(size=(1, 5)), requires_grad=True)
    taps = torch.tensor(np.random.default_rng(12).normal(size=5), requires_grad=True)
    kernel = fa.Kernel(taps.detach().numpy())
    for mode in MODES:
        expected = kernel(x.detach().numpy(), mode, up=up, stride=stride)
        for filter_ in (kernel, taps.detach()):
            y = fa.convolve(x, filter_, mode, up=up, stride=stride)
            np.testing.assert_allclose(y.detach(), expected, rtol=1e-12, atol=1e-12)
    assert torch.autograd.gradcheck(lambda x: fa.convolve(x, kernel, "mirror", up=up, stride=stride), (x,))
    assert torch.autograd.gradcheck(lambda x, k: fa.convolve(x, k, "wrap", up=up, stride=stride), (x, taps))


def test_labels_move_with_the_outputs():
    x = xarray.DataArray(
        np.arange(12.0).reshape(3, 4), dims=("y", "x"), coords={"x": [10.0, 20, 30, 40], "y": [1, 2, 3]}
    )
    kernel = fa.Kernel([0.5, 1.0, 0.5])
    y = kernel(x, dims="x", up=2, mode="nearest")
    assert y.x.values.tolist() == [10, 15, 20, 25, 30, 35, 40, 45]
    assert y.y.values.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(y, kernel(x.values, "nearest", up=2))
    coarse = kernel(x, dims="x", up=2, stride=4)
    assert coarse.x.values.tolist() == [10.0, 30.0]
    longer = kernel(x, dims="x", up=2, shape="full")
    assert longer.x.values.tolist() == [5, 10, 15, 20, 25, 30, 35, 40, 45]
    uneven = x.assign_coords(x=[0.0, 1.0, 5.0, 6.0])
    with pytest.raises(fa.ArgumentError, match="evenly spaced coordinates, got 'x'"):
        kernel(uneven, dims="x", up=2)
    series = pandas.Series([1.0, 2.0, 4.0], pandas.date_range("2020", periods=3, freq="2h"))
    halves = kernel(series, "nearest", up=2)
    assert halves.index[1] == pandas.Timestamp("2020-01-01 01:00")
    assert halves.tolist() == [1.0, 1.5, 2.0, 3.0, 4.0, 4.0]
    with pytest.raises(fa.ArgumentError, match="x: expected an evenly spaced index for outputs between samples"):
        kernel(pandas.Series([1.0, 2.0, 4.0], list("abc")), up=2)


def test_plans():
    x = np.random.default_rng(13).normal(size=(30, 40)).astype("f4")
    run = fa.plan(x, fa.binomial(4), "mirror", up=2)
    assert run.result_shape == (60, 80)
    assert "up (2, 2)" in str(run)
    np.testing.assert_array_equal(run(x), fa.convolve(x, fa.binomial(4), "mirror", up=2))
    assert abs(run(x, workers=1) - run(x, workers=2)).max() == 0
    exact = by_loops(x.astype(float), fa.binomial(4).taps, (2, 2), 2, 1, mode="mirror")
    assert abs(run(x) - exact).max() <= run.error * abs(x).max()
    tensor = torch.from_numpy(x)
    planned = fa.plan(tensor, fa.binomial(4), "mirror", up=2)
    np.testing.assert_array_equal(planned(tensor), fa.convolve(tensor, fa.binomial(4), "mirror", up=2))
    lazy = fa.plan(dask.array.from_array(x, chunks=16), fa.binomial(4), up=2)
    assert lazy.result_shape == (60, 80)


def test_wrong_arguments_are_named():
    x = np.ones((4, 5))
    for up, text in ((0, "got 0"), ((1, 2, 3), "2 of them"), (2.0, "an integer|integer"), (True, "True")):
        with pytest.raises((fa.ArgumentError, fa.ArgumentTypeError), match=f"^up: .*({text})"):
            fa.convolve(x, np.ones((3, 3)), up=up)
    with pytest.raises(fa.ArgumentError, match=r"keep_nan: .*got True with up=\(2,\)"):
        fa.convolve(x, [1, 2, 1], up=2, nan="ignore", keep_nan=True)
    with pytest.raises(fa.ArgumentError, match="method"):
        fa.convolve(x, [1, 2, 1], up=2, method="quick")


def test_empty_arrays():
    for shape in ("same", "full", "valid"):
        assert fa.convolve(np.ones((3, 0)), [1, 2, 1], shape=shape, up=2).shape[1] == 0
    assert fa.convolve(np.ones((0, 3)), [1, 2, 1], up=2).shape == (0, 6)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2"])
@pytest.mark.parametrize(
    ("shape", "axes", "sizes", "up", "stride"),
    [
        ((70, 90), (0, 1), (5, 5), (1, 1), (2, 2)),
        ((70, 90), (0, 1), (5, 3), (2, 3), (1, 2)),
        ((12, 9), (0, 1), (5, 3), (2, 3), (1, 1)),
        ((40, 30), (0,), (7,), (5,), (3,)),
        ((3, 400), (1,), (61,), (7,), (4,)),
        ((900,), (0,), (41,), (20,), (19,)),
        ((6, 20, 3), (0,), (4,), (3,), (2,)),
    ],
)
def test_passes_are_the_same_as_phases(shape, axes, sizes, up, stride, dtype):
    random = np.random.default_rng(14)
    lines = [random.normal(size=size) for size in sizes]
    kernel = fa.Kernel(lines[0] if len(lines) == 1 else np.multiply.outer(*lines))
    x = (100 * random.normal(size=shape)).astype(dtype)
    for mode in MODES:
        how = {"mode": mode, "cval": 3.0, "axes": axes, "up": up, "stride": stride}
        y = kernel(x, method="polyphase", **how)
        expected = kernel(x.astype("f8"), method="apart", **how)
        bound = fa.plan(x, kernel, method="polyphase", **how).error * np.abs(kernel.taps).sum() * np.abs(x).max()
        assert y.dtype == (np.float32 if dtype != "f8" else np.float64)
        assert np.abs(y - expected).max() <= 2 * bound
        np.testing.assert_array_equal(kernel(x, method="polyphase", workers=1, **how), y)
    spoiled = x[..., ::-1].astype("f4")
    spoiled.flat[spoiled.size // 2] = np.nan
    np.testing.assert_array_equal(
        np.isnan(kernel(spoiled, method="polyphase", **how)), np.isnan(kernel(spoiled, method="apart", **how))
    )


def test_what_passes_cannot_do_is_named():
    x = np.ones((20, 20), np.float32)
    for kernel, more, reason in (
        (np.eye(3), {}, "the kernel is no outer product"),
        (np.ones((3, 3)), {"dtype": "int16"}, "converted when it is stored"),
        (np.ones((3, 3)), {"nan": "ignore"}, "samples may be missing"),
        (np.ones((3, 3)), {"dilation": 2}, "dilated"),
    ):
        with pytest.raises(fa.ArgumentError, match=reason):
            fa.convolve(x, kernel, up=2, method="polyphase", **more)
    with pytest.raises(fa.ArgumentError, match=r"^method: .* 'winograd', 'polyphase', got 'fast'\.$"):
        fa.convolve(x, fa.box(3), up=2, method="fast")


@pytest.mark.parametrize(("up", "stride"), [(160, 147), (3, 2), (1, 2)])
def test_long_signals(up, stride):
    x = np.random.default_rng(15).normal(size=(2, 150_000)).astype("f4")
    kernel = fa.resampling_filter(up, stride)
    y = fa.convolve(x, kernel, "constant", up=up, stride=stride, axes=1)
    expected = scipy.signal.resample_poly(x.astype("f8"), up, stride, axis=1)
    assert y.shape == expected.shape
    np.testing.assert_allclose(y, expected, rtol=0, atol=2e-5)
    np.testing.assert_array_equal(fa.convolve(x[1], kernel, "constant", up=up, stride=stride), y[1])


def test_the_number_of_phases_is_bounded():
    x = np.ones((2, 2), np.float32)
    assert fa.convolve(x, fa.box(3), up=(400, 300)).shape == (800, 600)  # together, without a plan for each
    for up, taps in ((10**12, fa.box(3)), (300, fa.disk(200)), ((5, 70_000), fa.box(3))):
        with pytest.raises(fa.ArgumentError, match=r"up: expected at most .* Change the rate in several steps\."):
            fa.plan(x, taps, up=up)
