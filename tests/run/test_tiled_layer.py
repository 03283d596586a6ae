"""Banks over channels by Winograd's tiles: what no tap connects leaves no trace, and plans say why not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import faltung as fa
from faltung.engines.fourier.survey import RANGE
from faltung.errors import ArgumentError
from mixed_problems import Call, Steps

RNG = np.random.default_rng(21)


def plans(x, taps, **named):
    bank = fa.Bank(taps)
    return (fa.plan(x, bank, channel_axis=0, method=method, **named) for method in ("winograd", "direct"))


def exact(x, taps, mode="reflect", groups=1):
    """The definition, and the sum of abs(tap) times abs(sample) under each output."""
    call = Call(x, fa.Bank(taps), mode, 0.0, "same", Steps((1, 1), (1, 1), groups), reflected=True)
    answer = call.answer()
    return answer.values, answer.scale


def within(plan, x, taps, groups=1):
    """Whether errors are small beside the samples under each output, as the contract says."""
    values, scale = exact(x, taps, groups=groups)
    flat = np.abs(taps).sum(axis=(1, 2, 3))[:, None, None]
    near = np.stack([_largest_under(part, taps[0].any(axis=0)) for part in np.split(np.abs(x), groups)])
    near = np.repeat(near, len(taps) // groups, axis=0)
    return np.abs(plan(x) - values) <= plan.error * np.minimum(RANGE * near, np.abs(x).max()) * flat + 1e-300 * scale


def _largest_under(x, used):
    padded = np.pad(x.max(axis=0), 1, mode="symmetric")
    parts = [padded[k : k + x.shape[1], m : m + x.shape[2]] for k in range(3) for m in range(3) if used[k, m]]
    return np.maximum.reduce(parts)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("outs", [3, 40])
def test_a_bright_sample_leaves_no_trace_where_no_tap_touches_it(dtype, outs):
    taps = RNG.standard_normal((outs, 20, 3, 3))
    x = RNG.standard_normal((20, 24, 31)).astype(dtype)
    for size in (1e2, 1e6, 1e12):
        x[7, 10, 12] = size
        plan, _ = plans(x, taps)
        assert plan.method == "winograd"
        assert within(plan, x, taps).all()


def test_a_large_sample_under_a_tap_of_zero_leaves_no_trace():
    taps = RNG.standard_normal((4, 5, 3, 3))
    taps[:, :, :, 1] = 0
    x = RNG.standard_normal((5, 16, 16)).astype("f4")
    x[2, 8, 8] = 1e9
    plan, _ = plans(x, taps)
    assert within(plan, x, taps).all()


def test_groups_are_compared_by_themselves():
    taps = RNG.standard_normal((6, 4, 3, 3))
    x = RNG.standard_normal((8, 16, 16)).astype("f4")
    x[:4] *= 1e-9
    plan, _ = plans(x, taps, groups=2)
    assert within(plan, x, taps, groups=2).all()


@pytest.mark.parametrize("tile", [2, 4])
def test_outputs_without_samples_are_zero(tile, monkeypatch):
    monkeypatch.setattr("faltung.planning.channel_plan.tile_for", lambda *_: tile)
    x = np.zeros((6, 23, 26), "f4")
    x[:, 5:8, 3:5], x[:, 15, 20] = 1.0, 1e-6
    plan, direct = plans(x, RNG.standard_normal((5, 6, 3, 3)))
    assert plan.tile == tile
    assert_array_equal(plan(x) == 0, direct(x) == 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("zeros", [False, True])
def test_what_is_not_finite_reaches_what_taps_connect(value, zeros):
    taps = RNG.standard_normal((5, 6, 3, 3))
    if zeros:
        taps *= RNG.random(taps.shape) < 0.7
    x = RNG.standard_normal((6, 20, 22)).astype("f4")
    x[3, 9, 10] = value
    plan, _ = plans(x, taps)
    values, _ = exact(x, taps)
    assert_array_equal(np.isfinite(plan(x)), np.isfinite(values))
    assert_array_equal(plan(x)[np.isinf(values)], values[np.isinf(values)].astype("f4"))


def test_values_at_points_that_overflow_do_not_matter():
    x = np.where(RNG.random((4, 12, 12)) < 0.5, -1e38, 1e38).astype("f4")
    taps = RNG.standard_normal((3, 4, 3, 3)) / 100
    plan, _ = plans(x, taps)
    values, scale = exact(x, taps)
    got = plan(x)
    assert np.isfinite(got).all()
    assert (np.abs(got - values) <= plan.error * scale.max()).all()


@pytest.mark.parametrize("size", [1e-36, 1e34])
def test_taps_whose_values_at_points_are_no_normal_numbers(size):
    x = RNG.standard_normal((3, 10, 11)).astype("f4")
    taps = RNG.standard_normal((2, 3, 3, 3)) * size
    plan, _ = plans(x, taps)
    values, scale = exact(x, taps.astype("f4"))
    assert (np.abs(plan(x) - values) <= plan.error * scale.max()).all()


@pytest.mark.parametrize("mode", ["reflect", "constant"])
def test_nothing_negative_comes_of_nothing_negative(mode):
    x = np.zeros((3, 40, 40), "f4")
    x[:, ::7, ::5] = RNG.random((3, 6, 8))
    taps = np.abs(RNG.standard_normal((4, 3, 3, 3))) * 10.0 ** RNG.uniform(-6, 0, (4, 3, 3, 3))
    plan, _ = plans(x, taps, mode=mode)
    assert plan(x).min() >= 0


def test_workers_change_no_bit():
    x, taps = RNG.standard_normal((32, 70, 61)).astype("f4"), RNG.standard_normal((32, 32, 3, 3))
    plan, _ = plans(x, taps)
    one = plan(x, workers=1)
    for workers in (2, 3, 7):
        assert_array_equal(plan(x, workers=workers), one)


@pytest.mark.parametrize("dtype", ["f2", ">f4", "u1", "i2", "f8"])
def test_any_dtype_layout_and_out(dtype):
    x = (100 * RNG.random((5, 2, 17, 19))).astype(dtype)[:, :, ::-1, ::2]
    bank = fa.Bank(RNG.standard_normal((4, 5, 3, 3)))
    named = {"channel_axis": 0, "axes": (2, 3), "mode": "wrap"}
    plan = fa.plan(x, bank, method="winograd", **named)
    wanted = fa.convolve(x.astype("f8"), bank, method="direct", **named)
    got = plan(x)
    stored = 1 if got.dtype.itemsize > 2 else 1 + 2.0**-11
    scale = np.abs(bank.taps).sum(axis=(1, 2, 3)).max() * np.abs(x.astype("f8")).max()
    assert np.abs(got - wanted).max() <= plan.error * stored * scale
    out = np.empty(got.shape[::-1], got.dtype).T
    assert plan(x, out=out) is out
    assert_array_equal(out, got)


def test_plans_say_why_not():
    x, taps = np.ones((3, 20, 20), "f4"), RNG.standard_normal((2, 3, 3, 3))
    bank = fa.Bank(taps)

    def reason(kernel=bank, samples=x, **named):
        plan = fa.plan(samples, kernel, channel_axis=0, **named)
        return next(one.reason for one in plan.rejected if one.method == "winograd")

    assert "point by point" in reason(accuracy="pointwise")
    assert "3 x 3" in reason(fa.Bank(RNG.standard_normal((2, 3, 5, 3))))
    assert "stride" in reason(stride=2)
    assert "complex" in reason(samples=x.astype("c8"))
    assert "integers" in reason(samples=x.astype("u1"), dtype="u1")
    with pytest.raises(ArgumentError, match="point by point"):
        fa.plan(x, bank, channel_axis=0, method="winograd", accuracy="pointwise")
    with pytest.raises(ArgumentError, match="3 x 3"):
        fa.convolve(x, fa.Bank(np.ones((2, 3, 5, 5))), channel_axis=0, method="winograd")


def test_the_plan_states_its_tile_and_bound():
    x, taps = np.ones((64, 56, 56), "f4"), RNG.standard_normal((64, 64, 3, 3))
    tiled, direct = plans(x, taps)
    assert not tiled.pointwise
    assert direct.error <= tiled.error <= 16 * direct.error
    assert "tiles of 4 x 4 outputs" in str(tiled)


def test_taps_that_change_in_place_are_seen():
    x, taps = RNG.standard_normal((3, 15, 15)).astype("f4"), RNG.standard_normal((4, 3, 3, 3)).astype("f4")
    first = fa.convolve(x, taps, channel_axis=0, method="winograd")
    taps *= 2
    assert_array_equal(fa.convolve(x, taps, channel_axis=0, method="winograd"), 2 * first)
