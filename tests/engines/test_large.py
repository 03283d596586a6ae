"""Kernels of any size: large transforms against the definition, and costs without a step."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from test_range import assert_near, correlated, decades, random_taps

import faltung as fa
from covering import covering
from faltung.engines.base import Job
from faltung.engines.fourier import fourier_engine, large
from faltung.engines.fourier.fourier_engine import Fourier
from faltung.engines.fourier.overlap import LARGEST_PLANE, TIMES_KERNEL
from faltung.planning.cost import TYPICAL, seconds

rng = np.random.default_rng(12)


@pytest.fixture(params=[1 << 25, 1 << 8], ids=["few tiles", "many tiles"])
def large_only(request, monkeypatch):
    """Use large transforms for every kernel, which are as small as possible."""
    monkeypatch.setattr(fourier_engine, "_in_cache", lambda job, many=False: None)
    monkeypatch.setattr(large, "MOST_POINTS", request.param)
    large.choose_large.cache_clear()
    fa.planning.kept.forget()
    yield
    large.choose_large.cache_clear()
    fa.planning.kept.forget()


SHAPES = [
    ((60,), (7,)),
    ((300,), (299,)),
    ((40, 30), (9, 1)),
    ((40, 30), (1, 9)),
    ((33, 47), (12, 31)),
    ((9, 20, 31), (4, 5, 6)),
    ((9, 20, 31), (4, 1, 1)),
    ((5, 6, 7, 8), (2, 3, 2, 4)),
]


@pytest.mark.parametrize(
    ("place", "dtype", "mode"),
    covering(SHAPES, ["f4", "f8", "c8", "u1", "i4"], ["reflect", "wrap", "constant"]),
    ids=str,
)
def test_every_shape(large_only, place, dtype, mode):
    shape, sizes = place
    x = (rng.standard_normal(shape) * 50).astype(dtype)
    if dtype == "c8":
        x = x + (1j * rng.standard_normal(shape)).astype(dtype)
    kernel = fa.Kernel(rng.standard_normal(sizes))
    run = fa.plan(x, kernel, mode, method="fourier")
    assert run.engines == ("fourier",)
    wanted = fa.convolve(x.astype("c16" if dtype == "c8" else "f8"), kernel, mode, method="direct")
    scale = run.error * np.abs(kernel.taps).sum() * np.abs(x.astype("c16")).max()
    assert_allclose(run(x), wanted, rtol=0, atol=scale)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_reaches_the_taps_that_touch_it(large_only, bad):
    for dtype in ("f4", "f8"):
        x = rng.standard_normal((40, 50)).astype(dtype)
        x[20, 25] = bad
        kernel = fa.Kernel(rng.standard_normal((7, 8)) * (rng.random((7, 8)) < 0.6))
        got = fa.convolve(x, kernel, method="fourier")
        wanted = fa.convolve(x, kernel, method="direct")
        assert_array_equal(np.isnan(got), np.isnan(wanted))
        assert_array_equal(got[np.isinf(wanted)], wanted[np.isinf(wanted)])
        finite = np.isfinite(wanted)
        assert_allclose(got[finite], wanted[finite], atol=1e-4)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_samples_over_thirty_decades(large_only, dtype):
    random = np.random.default_rng(1)
    for sizes, shape in [((60,), (900,)), ((9, 11), (70, 60)), ((3, 4, 5), (15, 16, 17)), ((8, 1), (70, 30))] * 3:
        x, taps = decades(random, shape, dtype), random_taps(random, sizes).astype(dtype)
        run = fa.plan(x, fa.Kernel(np.flip(taps)), shape="valid", method="fourier")
        assert_near(run(x), x, taps, run.error)
        if (taps >= 0).all() and (x >= 0).all():
            assert run(x).min() >= 0


def test_integers_and_interleaved_channels(large_only):
    x = rng.integers(0, 256, (50, 40, 3)).astype("u1")
    kernel = fa.box((9, 11))
    got = fa.convolve(x, kernel, axes=(0, 1), dtype="u1", method="fourier")
    wanted = fa.convolve(x.astype("f8"), kernel, axes=(0, 1), method="direct")
    assert np.abs(got - wanted).max() <= 0.5 + 1e-4


@pytest.mark.parametrize(
    ("shape", "sizes"), [((500, 450), (400, 410)), ((400_000,), (250_001,)), ((70, 64, 66), (60, 63, 50))], ids=str
)
def test_kernels_as_large_as_the_array(shape, sizes):
    x = rng.standard_normal(shape).astype("f4")
    taps = rng.standard_normal(sizes).astype("f4")
    run = fa.plan(x, fa.Kernel(np.flip(taps)), "constant", shape="full")
    assert run.engines == ("fourier",)
    got = run(x)
    # A few outputs, each by the definition.
    for _ in range(20):
        place = tuple(int(rng.integers(n)) for n in got.shape)
        total = 0.0
        read, used = [], []
        for k, n, m in zip(place, shape, sizes, strict=True):
            first, last = max(0, k - m + 1), min(n, k + 1)
            read.append(slice(first, last))
            used.append(slice(first - k + m - 1, last - k + m - 1))
        total = (x[tuple(read)].astype("f8") * taps[tuple(used)].astype("f8")).sum()
        assert abs(got[place] - total) <= run.error * np.abs(taps).sum(dtype="f8") * np.abs(x).max()


#: Extents, kernels from a part of them to more than twice, and the largest step of the cost. Sizes of a transform are
#: up to a third apart along each axis of a volume, since rows and columns fill vectors.
WALKS = [
    ((1024, 1024), [(n, n) for n in range(60, 2100, 12)], 1.55),
    ((8192, 8192), [(n, n) for n in range(300, 3000, 20)], 1.5),
    ((1, 1_000_000), [(1, int(1e4 * 1.03**k)) for k in range(180)], 1.5),
    ((1, 50_000_000), [(1, int(1e5 * 1.03**k)) for k in range(60)], 1.5),
    ((128, 128, 128), [(n, n, n) for n in range(10, 260, 2)], 2.0),
    ((256, 256, 256), [(n, n, n) for n in range(20, 300, 4)], 2.0),
]


@pytest.mark.parametrize(("extents", "kernels", "most"), WALKS, ids=lambda value: str(value)[:20])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_costs_have_no_step_where_transforms_become_large(extents, kernels, most, dtype):
    engine, number = Fourier(), np.dtype(dtype)
    costs = []
    for sizes in kernels:
        taps = np.broadcast_to(number.type(1), sizes)  # no memory
        work = engine.work(Job(taps, (), True, 1, number, number, extents, False))
        costs.append(seconds(work, number, TYPICAL))
        assert work.scratch <= 4.1 * number.itemsize * max(LARGEST_PLANE, TIMES_KERNEL * math.prod(sizes))
    assert max(after / before for before, after in itertools.pairwise(costs)) <= most


def test_the_definition_is_that_of_correlation():
    x, taps = np.arange(6.0), np.array([1.0, 10.0])
    assert_array_equal(correlated(x, taps), [10, 21, 32, 43, 54])
