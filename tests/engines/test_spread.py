"""Data over many decades: large samples do not drown small ones beside them, whatever the engine."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import faltung as fa
from faltung.engines.base import Block, Job
from faltung.engines.spread import Spread
from samples import normal

FILLS = {"f4": (1e20, -3.4e38, 9.97e36, 3e7), "f8": (1e20, -1.7e308, 1e300)}


def low_rank(*sides, rank=2):
    """A kernel of low rank with some taps of zero, which its outer products only add up to."""
    rng = np.random.default_rng([*sides])
    terms = [functools.reduce(np.multiply.outer, [rng.standard_normal(n) for n in sides]) for _ in range(rank)]
    halves = [term * 1.0 for term in terms]
    halves[0][..., 3:5], halves[1][..., 3:5] = 0, 0
    return fa.Kernel(sum(halves))


KERNELS = {
    "dog": fa.dog(2, 4),
    "log": fa.log(1.5),
    "unsharp": fa.unsharp(2),
    "two gaussians": fa.gaussian(3) - fa.gaussian(1),
    "low rank": low_rank(15, 17),
    "product": fa.sobel(1) * fa.gaussian(1.5) * fa.Kernel(np.random.default_rng(0).standard_normal((3, 3))),
    "box": fa.box(21),
    "volume": fa.dog(0.7, 1.2, ndim=3),
    "signal": fa.gaussian(2, ndim=1) * fa.Kernel([1.0, -1.0, 0.5, 0.0, 2.0]),
}
SHAPES = {1: (400,), 2: (90, 120), 3: (16, 21, 18)}


def assert_is_as_good_as_a_direct_sum(x, kernel, mode="reflect"):
    """Compare with a direct sum in more than the precision of the result, for every method by passes."""
    taps = fa.Kernel(kernel.taps, kernel.origin)
    wide = x.astype(np.longdouble)
    values, scale = (
        shifted_sums(wide, taps, mode),
        shifted_sums(np.abs(wide), fa.Kernel(abs(taps.taps), taps.origin), mode),
    )
    able = {c.method for c in fa.plan(x, kernel, mode).candidates if c.seconds < np.inf}
    for method in able - {"fourier"}:
        plan = fa.plan(x, kernel, mode, method=method)
        direct = fa.plan(x, taps, mode, method="direct")
        number = np.finfo(plan.problem.number)
        bound = 4 * direct.error * scale + np.abs(taps.taps).sum() * float(number.tiny)
        with np.errstate(over="ignore"):
            sure = scale < float(number.max)
        got = plan(x)
        assert np.isfinite(got[sure]).all(), plan
        with np.errstate(invalid="ignore", over="ignore"):
            worst = (np.abs(got - values) / bound)[sure].max()
        assert worst <= 1, f"{float(worst):.3g} times the bound\n{plan}"


def shifted_sums(x, kernel, mode):
    """The convolution by its definition, in the precision of the array."""
    before = kernel.origin
    padding = [(n - 1 - o, o) for n, o in zip(kernel.shape, before, strict=True)]
    extended = np.pad(x, padding, {"reflect": "symmetric", "wrap": "wrap"}[mode])
    result = np.zeros(x.shape, x.dtype)
    for place in np.argwhere(kernel.taps):
        at = tuple(slice(n - 1 - p, n - 1 - p + m) for p, n, m in zip(place, kernel.shape, x.shape, strict=True))
        result += kernel.taps[tuple(place)] * extended[at]
    return result


@pytest.mark.parametrize("dtype", FILLS)
@pytest.mark.parametrize("name", KERNELS)
def test_a_fill_value_does_not_drown_what_is_beside_it(name, dtype):
    kernel = KERNELS[name]
    x = normal(SHAPES[kernel.ndim], dtype)
    place = tuple(n // 2 for n in x.shape)
    for value in FILLS[dtype]:
        for samples in (x, 1000 + x, 0 * x):
            filled = samples.astype(dtype)
            filled[place] = value
            assert_is_as_good_as_a_direct_sum(filled, kernel)


@pytest.mark.parametrize("dtype", FILLS)
@pytest.mark.parametrize("name", KERNELS)
def test_samples_over_thirty_decades(name, dtype):
    kernel = KERNELS[name]
    rng = np.random.default_rng(3)
    for decades in (4, 8, 15):
        x = normal(SHAPES[kernel.ndim], dtype)
        x = (x * 10.0 ** rng.uniform(-decades, decades, x.shape)).astype(dtype)
        assert_is_as_good_as_a_direct_sum(x, kernel, "wrap")


@pytest.mark.parametrize("name", ["dog", "product", "volume"])
def test_a_fill_value_beyond_the_border(name):
    kernel = KERNELS[name]
    x = normal(SHAPES[kernel.ndim])
    inside = tuple(slice(n // 2, -n // 2) for n in kernel.shape)
    plain = fa.convolve(x.astype("f8"), fa.Kernel(kernel.taps, kernel.origin), method="direct")[inside]
    for method in ("separable", "passes"):
        if next(c for c in fa.plan(x, kernel).candidates if c.method == method).seconds < np.inf:
            got = fa.convolve(x, kernel, "constant", 1e20, method=method)[inside]
            np.testing.assert_allclose(got, plain, atol=2e-6 * np.abs(kernel.taps).sum() * np.abs(x).max())


def test_a_fill_value_touches_no_output_without_a_tap_on_it():
    taps = np.multiply.outer(np.arange(1.0, 12), np.arange(12.0, 1, -1)) - np.outer(np.ones(11), np.full(11, 30.0))
    taps[:, 5] = 0  # still of rank two
    kernel, x = fa.Kernel(taps), normal((80, 90))
    plan = fa.plan(x, kernel, method="separable")
    before = plan(x).copy()
    x[40, 45] = 1e20
    np.testing.assert_allclose(plan(x)[:, 45], before[:, 45], atol=1e-6 * np.abs(taps).sum() * 5)


def test_overflow_of_terms_is_put_right_where_the_sum_is_finite():
    x = np.where(np.arange(64)[:, None] % 2, 3e38, -3e38).astype("f4") * np.ones(64, "f4")
    for kernel in (fa.dog(1, 2), fa.unsharp(1)):
        got = fa.convolve(x, kernel, "wrap", method="separable")
        wanted = shifted_sums(x.astype("f8"), kernel, "wrap")
        inside = np.abs(wanted) < 3.4e38
        np.testing.assert_allclose(got[inside], wanted[inside], rtol=1e-4, atol=1e33)


# ---- what counts as far apart


def is_far(x, taps=(1, 1)):
    job = Job(np.ones(taps, "f8" if x.dtype == np.float64 else "f4"), (), True, 1, x.dtype, x.dtype, x.shape, False)
    shape = tuple(n - m + 1 for n, m in zip(x.shape, taps, strict=True))
    return Spread(job)(x.ctypes.data, Block(x.strides[:-1], x.strides[:-1], shape))


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (70, 3), (30, 41)])
def test_one_large_sample_is_found_anywhere(shape, dtype):
    rng = np.random.default_rng(1)
    x = (1000 * rng.uniform(0.2, 1, shape)).astype(dtype)
    assert not is_far(x)
    assert not is_far(np.zeros(shape, dtype))
    if x.size == 1:
        return
    for place in rng.integers(x.size, size=20):
        changed = x.copy()
        changed.flat[place] = 2e9
        assert is_far(changed)
        if x.size > 300:
            changed[...] = 0
            changed.flat[place] = 1
            assert is_far(changed)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_what_is_not_finite_or_may_overflow_is_far(value):
    assert is_far(np.full((20, 30), value, "f4"), (3, 3))
    x = normal((20, 30))
    x[7, 9] = value
    assert is_far(x, (3, 3))


def test_ordinary_data_are_not_far_apart():
    rng = np.random.default_rng(0)
    for x in (normal((300, 400)), rng.random((300, 400)), rng.exponential(size=(300, 400)), np.full((50, 60), 1e-30)):
        assert not is_far(x.astype("f4"), (9, 9))
        assert not is_far(x.astype("f8"), (9, 9))
