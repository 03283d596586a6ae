"""Tiles of a large image in one call of machine code: every output once, wherever it is, whoever computes it."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

import faltung as fa
from faltung.engines.calls.team import team
from faltung.engines.calls.team_code import BUSY
from faltung.planning import problem
from faltung.run import entry
from faltung.run.filling import Plain
from guarded import guarded

rng = np.random.default_rng(7)
DENSE = fa.Kernel(rng.random((3, 3)))
KERNELS = {
    "dense": DENSE / 4,
    "even": fa.Kernel(rng.standard_normal((4, 2))) / 8,
    "sobel": fa.sobel(1),
    "box 3": fa.box(3),
    "box 5": fa.box(5),
    "box 31": fa.box(31),
    "Gaussian 1": fa.gaussian(1.0),
    "Gaussian 2": fa.gaussian(2.0),
    "transforms": fa.Kernel(rng.standard_normal((24, 21))) / 40,
}
MODES = ("reflect", "mirror", "nearest", "wrap", "constant")


@pytest.fixture(autouse=True)
def _streamed(monkeypatch):
    """Write past the cache also what fits into it."""
    monkeypatch.setattr(problem, "STREAMED_BYTES", 1 << 16)


def scipy_result(x, kernel, mode):
    taps = kernel.taps
    shifted = [at - size // 2 for size, at in zip(taps.shape, kernel.origin, strict=True)]
    return ndimage.convolve(x.astype("f8"), taps, mode=mode, origin=shifted)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", KERNELS)
def test_the_result_is_that_of_scipy_for_any_number_of_workers(name, mode):
    x = rng.standard_normal((1101, 903)).astype("f4")
    plan = fa.plan(x, KERNELS[name], mode=mode)
    assert plan.runner.one_call.calls is not None
    alone = plan(x, workers=1)
    assert_allclose(alone, scipy_result(x, KERNELS[name], mode), atol=2e-5)
    for workers in (2, 3, None):
        assert_array_equal(plan(x, workers=workers), alone)
    # The loop over tiles, which other arrays take, has the same bits.
    assert_array_equal(plan(np.asfortranarray(x)), alone)
    out = np.empty((1101, 1000), "f4")[:, :903]
    assert_array_equal(plan(x, out=out), alone)


@pytest.mark.parametrize("dtype", ["u1", "i2", "f8", "c8"])
@pytest.mark.parametrize("shape", ["same", "valid", "full"])
def test_dtypes_and_shapes(dtype, shape):
    x = (100 * rng.random((700, 800))).astype(dtype)
    for kernel in (DENSE, fa.gaussian(1.0)):
        plan = fa.plan(x, kernel, shape=shape)
        assert plan.runner.one_call.calls is not None or kernel is not DENSE  # a strip may be too low for passes
        expected = plan(np.asfortranarray(x))
        for workers in (1, 2):
            assert_array_equal(plan(x, workers=workers), expected)


@pytest.mark.parametrize("shape", [(100_001, 17), (5, 300_000), (12, 200, 210)])
def test_long_and_thin(shape):
    x = rng.standard_normal(shape).astype("f4")
    kernel = fa.box(3, ndim=2)
    found = fa.convolve(x, kernel, axes=(-2, -1), workers=2)
    expected = ndimage.uniform_filter(x.astype("f8"), (*[0] * (x.ndim - 2), 3, 3))
    assert_allclose(found, expected, atol=1e-5)
    assert_array_equal(found, fa.convolve(x, kernel, axes=(-2, -1), workers=1))


def test_only_the_tiles_with_infinities_are_computed_again(monkeypatch):
    x = rng.standard_normal((1500, 1400)).astype("f4")
    kernel = fa.sobel(0) * fa.gaussian(1.0)
    plan = fa.plan(x, kernel, method="separable")
    clean = plan(x)
    x[3, 5], x[700, 1399], x[1200, 222] = np.inf, -np.inf, np.nan
    again = []
    fill = Plain.__call__
    monkeypatch.setattr(Plain, "__call__", lambda self, tile, *more: (again.append(tile), fill(self, tile, *more)))
    found = plan(x, workers=2)
    tiles = [*plan.runner._tiles]
    assert 2 <= len(again) < len(tiles)
    exact = fa.convolve(x, kernel, method="direct")
    assert_array_equal(np.isnan(found), np.isnan(exact))
    assert_array_equal(np.isinf(found), np.isinf(exact))
    finite = np.isfinite(exact)
    assert_allclose(found[finite], exact[finite], atol=1e-5)
    assert_array_equal(found, plan(x, workers=1))
    assert_array_equal(plan(np.nan_to_num(x, posinf=0, neginf=0))[100:600], clean[100:600])


@pytest.mark.parametrize("name", ["Gaussian 2", "sobel", "transforms"])
def test_the_short_way_of_a_large_image_repairs_what_is_not_finite(name, monkeypatch):
    x = rng.standard_normal((1300, 1200)).astype("f4")
    plan = fa.plan(x, KERNELS[name], mode="wrap")
    clean = plan(x, workers=1)
    checked = []
    real = entry._checked
    monkeypatch.setattr(entry, "_checked", lambda *more: (checked.append(1), real(*more))[1])
    with fa.workers(3):
        for _ in range(4):
            assert_array_equal(plan(x), clean)
        assert len(checked) == 1  # after the second call at the latest, the way is short
        x[3, 5] = np.inf
        expected = plan(x, workers=1)
        checked.clear()
        for _ in range(3):
            assert_array_equal(plan(x), expected)
        out = np.empty_like(x)
        assert plan(x, out) is out
        assert_array_equal(out, expected)
        assert not checked
        assert_array_equal(plan(x, x), expected)  # in place, which is not short
        assert checked


def test_a_call_in_between_takes_nothing_from_one_that_has_tiles_to_repair(monkeypatch):
    clean = rng.standard_normal((1024, 1024)).astype("f4")
    x = clean.copy()
    x[100, 100] = np.nan
    plan = fa.plan(x, fa.Kernel(rng.random((31, 31))))
    expected = plan(x, workers=1)
    with fa.workers(2):
        for _ in range(4):
            plan(clean)
        real, between = entry._again, []

        def again(*arguments):
            between.append(plan(clean))  # as a signal handler may, when the machine code has just returned
            real(*arguments)

        monkeypatch.setattr(entry, "_again", again)
        assert_array_equal(plan(x), expected)
        assert len(between) == 1


def test_after_an_image_of_which_most_tiles_are_done_twice_the_next_ones_go_tile_by_tile():
    x = rng.random((700, 1200), dtype="f4")
    empty = x.copy()
    stripes = np.arange(len(x)) % 120 < 60
    empty[stripes] = 0  # a transform leaves rounding errors there, which are put right
    plan = fa.plan(x, KERNELS["transforms"])
    call, out = plan.runner.one_call, np.empty_like(x)
    everything = len(plan.runner._tiles)
    assert plan.engines == ("fourier",)
    assert call.fill(x, out, 2) == []
    expected = plan(np.asfortranarray(empty))
    assert (expected == 0).any()
    seen = []
    for _ in range(15):
        again = call.fill(empty, out, 2)
        seen.append(not call._passed)
        assert len(again) == everything
    assert [k for k, called in enumerate(seen) if called] == [0, 2, 6, 14]
    for _ in range(4):
        assert_array_equal(plan(empty, workers=2), expected)
    assert [call.fill(x, out, 2) for _ in range(2 * 63)][-1] == []  # and back again
    assert_array_equal(plan(empty), expected)
    assert plan.ready is None  # so that nothing is done twice by the short way, either


def test_a_busy_team_leaves_a_large_image_to_the_loop():
    x = rng.standard_normal((1300, 1200)).astype("f4")
    plan = fa.plan(x, DENSE)
    assert plan.runner.one_call.calls.long
    expected = plan(x, workers=1)
    team(1)._board[BUSY] = 1  # as while another thread leads
    try:
        assert len(plan.runner.one_call.fill(x, np.empty_like(x), 2)) > 1
        assert_array_equal(plan(x, workers=2), expected)
    finally:
        team(1)._board[BUSY] = 0
    assert plan.runner.one_call.fill(x, np.empty_like(x), 2) == []


def test_many_callers_of_large_images():
    images = [rng.standard_normal((1300, 1200)).astype("f4") for _ in range(4)]
    plan = fa.plan(images[0], fa.box(5))
    expected = [plan(x, workers=1) for x in images]
    wrong = []

    def again_and_again(number):
        wrong.extend(1 for _ in range(10) if not np.array_equal(plan(images[number], workers=2), expected[number]))

    callers = [threading.Thread(target=again_and_again, args=(number,)) for number in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("name", ["dense", "even", "box 3", "sobel"])
def test_hints_may_point_outside_the_array(name, behind):
    x = guarded((600, 701), np.dtype("f4"), behind)
    x[...] = rng.standard_normal(x.shape)
    out = guarded(x.shape, x.dtype, behind)
    fa.convolve(x, KERNELS[name], out=out, workers=2)
    assert_allclose(out, scipy_result(x, KERNELS[name], "reflect"), atol=2e-5)
