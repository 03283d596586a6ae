"""One result whatever the algorithm: every kernel of the zoo by every method that can do it."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import faltung as fa
import zoo
from agreement import answer, assert_agrees
from conftest import forget
from faltung.planning.planner import METHODS
from samples import assert_same_bits, by_scipy, normal

NOT_NEGATIVE = [name for name, k in zoo.KERNELS.items() if k.dtype.kind != "c" and (k.taps >= 0).all()]


def every_way(x, kernel, mode="reflect", cval=0.0, **named):
    """Plan and result of every method that can do it."""
    for method in zoo.possible(fa.plan(x, kernel, mode, cval, **named)):
        plan = fa.plan(x, kernel, mode, cval, method=method, **named)
        yield plan, fa.convolve(x, kernel, mode, cval, method=method, **named)


def wanted(x, kernel, plan, mode="reflect", cval=0.0):
    """The definition, in more than the precision of a plan."""
    axes = range(x.ndim - kernel.ndim, x.ndim)
    region = [(0, length) for length in x.shape]
    double = plan.problem.number == np.float64
    return answer("convolve", x, kernel.taps, kernel.origin, mode, cval, region, axes, double)


def decades(shape, dtype="f4", most=6):
    """Samples of very different sizes: smaller and smaller along the last axis, and mixed."""
    along = np.linspace(most, -most, shape[-1]) + np.random.default_rng(5).uniform(-1, 1, shape)
    return normal(shape, dtype) * (10.0**along).astype(dtype)


# ---- the zoo -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", zoo.KERNELS)
def test_every_way_is_the_definition(name):
    kernel = zoo.KERNELS[name]
    for case in zoo.cases(name):
        for plan, got in every_way(case.x, kernel, case.mode, case.cval):
            expected = wanted(case.x, kernel, plan, case.mode, case.cval)
            assert_agrees(got, expected, plan, f"{case.x.shape} {case.x.dtype} {case.mode}\n{plan}")


@pytest.mark.parametrize("name", zoo.KERNELS)
def test_what_is_not_finite_reaches_the_taps_that_touch_it(name):
    kernel, x = zoo.KERNELS[name], normal(zoo.largest(name))
    places = np.random.default_rng(1).integers(x.size, size=4)
    x.flat[places] = np.nan, np.inf, -np.inf, np.inf
    for plan, got in every_way(x, kernel, "wrap"):
        assert_agrees(got, wanted(x, kernel, plan, "wrap"), plan, plan)


@pytest.mark.parametrize("name", zoo.KERNELS)
def test_twelve_decades_within_the_bounds(name):
    kernel, x = zoo.KERNELS[name], decades(zoo.largest(name))
    for accuracy in ("norm", "pointwise"):
        for plan, got in every_way(x, kernel, accuracy=accuracy):
            assert plan.pointwise or accuracy == "norm"
            assert_agrees(got, wanted(x, kernel, plan), plan, plan)


@pytest.mark.parametrize("name", zoo.KERNELS)
def test_an_impulse_shows_every_tap(name):
    # Under an output there is a single product: what is bounded point by point keeps every digit of the least tap.
    kernel, shape = zoo.KERNELS[name], zoo.largest(name)
    x = np.zeros(shape, "f4")
    x[tuple(n // 2 for n in shape)] = 1e6
    for accuracy in ("norm", "pointwise"):
        for plan, got in every_way(x, kernel, accuracy=accuracy):
            assert_agrees(got, wanted(x, kernel, plan), plan, plan)


@pytest.mark.parametrize("name", NOT_NEGATIVE)
def test_what_is_not_negative_stays_so(name):
    x = np.abs(decades(zoo.largest(name)))
    for samples in (x, np.where(x < 1, 0, x)):
        for plan, got in every_way(samples, zoo.KERNELS[name]):
            assert (got >= 0).all(), plan


INTEGERS = ("box", "wide box", "gaussian", "wide gaussian", "sobel of a gaussian", "much noise")
STORED = ("u1", "i2", "i8")


@pytest.mark.parametrize(
    ("name", "result"), [(name, STORED[(k + m) % 3]) for k, name in enumerate(INTEGERS) for m in (0, 1)]
)
def test_integers_are_rounded_and_saturated_and_never_wrap(name, result):
    kernel, x = 1.5 * zoo.KERNELS[name], zoo.samples((70, 90), "u1")
    for plan, got in every_way(x, kernel, dtype=result):
        assert_agrees(got, wanted(x, kernel, plan), plan, plan)
    white = np.full((70, 90), 255, "u1")
    for plan, got in every_way(white, 2e18 * fa.box(5), dtype=result):
        assert (got == np.iinfo(result).max).all(), plan
    for plan, got in every_way(white, -2e18 * fa.box(5), dtype=result):
        assert (got == np.iinfo(result).min).all(), plan


def test_nothing_overflows_on_the_way():
    # Missing samples are often marked with a number near the least float; a mean over them is that number.
    for plan, got in every_way(np.full((60, 70), -1e38, "f4"), fa.box(5)):
        np.testing.assert_allclose(got, -1e38, rtol=1e-6, err_msg=str(plan))


def test_nothing_passes_a_kernel_of_zeros():
    x = np.full((40, 50), np.nan, "f4")
    for taps in (np.zeros((3, 3)), np.zeros((31, 33)), np.zeros((1, 1)), np.zeros((3, 3)) * 1j):
        for plan, got in every_way(x, fa.Kernel(taps)):
            assert not got.any(), plan


def test_what_is_not_finite_outside():
    inside = np.zeros((60, 70), bool)
    inside[5:-5, 5:-5] = True
    for plan, got in every_way(np.ones((60, 70), "f4"), fa.box(11), "constant", np.nan):
        np.testing.assert_array_equal(np.isfinite(got), inside, err_msg=str(plan))


@pytest.mark.parametrize(
    ("name", "methods"),
    [
        ("noise", {"direct", "fourier"}),
        ("gaussian", {"direct", "separable", "fourier"}),
        ("wide box", {"direct", "separable", "running", "fourier"}),
        ("rank 2", {"direct", "separable", "fourier"}),
        ("sobel of a gaussian", {"direct", "separable", "fourier"}),
        ("box of noise", {"direct", "fourier", "passes"}),
    ],
)
def test_the_zoo_reaches_every_way(name, methods):
    assert methods <= {*zoo.possible(fa.plan((70, 90), zoo.KERNELS[name]))}


# ---- laws --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["wide box", "wide gaussian", "rank 2", "much noise", "box of noise"])
def test_any_number_of_workers_gives_the_same_bits(name):
    x = normal((500, 700))
    for method in zoo.possible(fa.plan(x, zoo.KERNELS[name])):
        run = fa.plan(x, zoo.KERNELS[name], method=method)
        first = run(x, workers=1)
        for count in (2, 3):
            assert_same_bits(run(x, workers=count), first)
        assert_same_bits(run(x), first)


@pytest.mark.parametrize("name", ["wide box", "wide gaussian", "rank 2", "much noise", "box of noise"])
def test_any_number_of_workers_gives_the_same_bits_in_tiny_tiles(name, tiny_tiles):
    x = normal((33, 41))
    for method in zoo.possible(fa.plan(x, zoo.KERNELS[name])):
        run = fa.plan(x, zoo.KERNELS[name], method=method)
        assert_same_bits(run(x, workers=3), run(x, workers=1))
        assert_agrees(run(x), wanted(x, zoo.KERNELS[name], run), run, run)


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(["wide box", "wide gaussian", "rank 2", "much noise"]), st.integers(-20, 20))
def test_a_power_of_two_rounds_nothing(name, power):
    x = normal((70, 90))
    for method in zoo.possible(fa.plan(x, zoo.KERNELS[name])):
        run = fa.plan(x, zoo.KERNELS[name], method=method)
        assert_same_bits(run(x * np.float32(2.0**power)), run(x) * np.float32(2.0**power))


@settings(deadline=None, max_examples=25)
@given(
    st.sampled_from(["wide box", "wide gaussian", "rank 2", "much noise"]),
    st.integers(0, 69),
    st.integers(0, 89),
)
def test_on_a_torus_shifts_commute_with_every_way(name, down, right):
    kernel, x = zoo.KERNELS[name], normal((70, 90))
    shifted = np.roll(x, (down, right), (0, 1))
    for plan, got in every_way(shifted, kernel, "wrap"):
        again = np.roll(got, (-down, -right), (0, 1))
        assert_agrees(again, wanted(x, kernel, plan, "wrap"), plan, plan)


@pytest.mark.parametrize("name", ["wide box", "even box", "gaussian derivative", "noise", "shift", "complex"])
def test_correlation_is_convolution_with_the_flipped_kernel(name):
    kernel, x = zoo.KERNELS[name], normal((70, 90))
    for method in zoo.possible(fa.plan(x, kernel.flip())):
        plan = fa.plan(x, kernel.flip(), method=method)
        got = fa.correlate(x, kernel, method=method)
        assert_agrees(got, wanted(x, kernel.flip(), plan), plan, plan)


# ---- a single call for small arrays ------------------------------------------------------------------------

SMALL = ["noise", "gaussian", "wide box", "rank 2", "sobel", "binomial"]


def single(plan):
    return plan.runner.one_call.single


@pytest.mark.parametrize("name", SMALL)
def test_samples_in_order_and_elsewhere_give_the_same_bits(name):
    x = normal((48, 40))
    for method in zoo.possible(fa.plan(x, zoo.KERNELS[name])):
        run = fa.plan(x, zoo.KERNELS[name], method=method)
        expected = run(x)
        wide = np.repeat(np.repeat(x, 2, 0), 2, 1)[::2, ::2]
        for other in (wide, np.asfortranarray(x), x[::-1, ::-1].copy()[::-1, ::-1]):
            assert_same_bits(run(other), expected)
        room = np.zeros((48, 80), "f4")
        assert_same_bits(run(x, room[:, ::2]).copy(), expected)
        assert not room[:, 1::2].any()


def test_small_arrays_are_filtered_in_a_single_call():
    assert single(fa.plan((48, 40), zoo.KERNELS["noise"], method="direct")) is not None
    assert single(fa.plan((48, 40), zoo.KERNELS["gaussian"], method="separable")) is not None
    assert single(fa.plan((3000, 4000), zoo.KERNELS["noise"], method="direct")) is None


@pytest.mark.parametrize("name", SMALL)
def test_a_result_may_lie_where_the_samples_are(name):
    x = normal((48, 40))
    for method in zoo.possible(fa.plan(x, zoo.KERNELS[name])):
        run = fa.plan(x, zoo.KERNELS[name], method=method)
        expected, place = run(x), x.copy()
        assert run(place, place) is place
        assert_same_bits(place, expected)
        memory = np.concatenate([x, x[:5]])
        assert_same_bits(run(memory[:48], memory[5:]), expected)


def test_many_threads_at_once_in_a_single_call():
    arrays = [normal((48, 40)) * np.float32(k + 1) for k in range(6)]
    for name, method in (("noise", "direct"), ("gaussian", "separable")):
        run = fa.plan((48, 40), zoo.KERNELS[name], method=method)
        assert single(run) is not None
        expected = [run(x) for x in arrays]
        start = threading.Barrier(len(arrays))

        def again_and_again(x, run=run, start=start):
            start.wait(10)
            return [run(x) for _ in range(200)]

        with ThreadPoolExecutor(len(arrays)) as threads:
            for results, alone in zip(threads.map(again_and_again, arrays), expected, strict=True):
                for result in results:
                    assert_same_bits(result, alone)


# ---- what was once wrong -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
def test_an_empty_array_is_filtered_in_every_way(shape, method):
    assert fa.convolve(np.zeros(shape, "f4"), fa.box(5), method=method).shape == shape
    plan = fa.plan(shape, fa.box(5), method=method)
    assert "0" in str(plan)
    assert plan(np.zeros(shape, "f4")).shape == shape


@pytest.mark.parametrize("small", [1e-9, 1e-12, 1e-30])
def test_sums_that_cancel_to_small_taps_are_not_called_pointwise(small):
    # Two outer products whose sum is tiny in a corner: their roundings are not tiny there.
    a, b = np.array([1.0, 2.0, 3.0, -1.0, 5.0, 2.0, 1.0, 4.0]), np.array([2.0, 1.0, -1.0, 3.0, 1.0, 1.0, 2.0, 7.0])
    taps = np.multiply.outer(a, b) + np.multiply.outer(b, a)
    taps[0, 0] = small
    x = decades((70, 90))
    for accuracy in ("norm", "pointwise"):
        for plan, got in every_way(x, fa.Kernel(taps), accuracy=accuracy):
            assert_agrees(got, wanted(x, fa.Kernel(taps), plan), plan, plan)


@pytest.mark.parametrize("rank", [2, 3, 4])
def test_what_outer_products_miss_is_within_the_bound(rank):
    rng = np.random.default_rng(rank)
    terms = [10.0**-k * np.multiply.outer(*rng.standard_normal((2, 41))) for k in range(0, 4 * rank, 4)]
    kernel = fa.Kernel(np.sum(terms, axis=0))
    x = np.where(rng.random((70, 90)) < 0.001, 1e8, 1.0).astype("f8")
    for accuracy in ("norm", "pointwise"):
        for plan, got in every_way(x, kernel, accuracy=accuracy):
            assert_agrees(got, wanted(x, kernel, plan), plan, plan)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_tap_of_zero_that_an_outer_product_misses_touches_nothing(bad):
    # A single outer product to rounding, but for a zero that the product of its factors is not.
    taps = np.multiply.outer(np.array([1e-9, 1.0, 2.0, 1.0, 1.0]), np.array([1e-9, 3.0, 1.0, 2.0, 1.0]))
    taps[0, 0] = 0.0
    kernel, x = fa.Kernel(taps), normal((70, 90))
    x[35, 45] = bad
    for plan, got in every_way(x, kernel, "constant"):
        assert np.isfinite(got[33, 43]), plan
        assert_agrees(got, wanted(x, kernel, plan, "constant"), plan, plan)


def test_the_definition_is_the_taps_of_the_kernel_turned_round():
    # Factors turned one by one multiply out to other roundings; a tap that cancels must stay a zero.
    kernel = fa.Kernel([[1.0, 0.1, -0.1]]) * fa.Kernel([[1.0], [0.3], [1.0]]) * fa.Kernel([[1.0, 1.0, 0.1]])
    for x in (decades((70, 90), "f8"), np.where(decades((70, 90), "f8") > 1e5, np.nan, 1.0)):
        for method in zoo.possible(fa.plan(x, kernel)):
            plan = fa.plan(x, kernel, method=method)
            assert_agrees(plan(x), wanted(x, kernel, plan), plan, plan)
            turned = fa.plan(x, kernel.flip(), method=method)
            flipped = fa.Kernel(
                np.flip(kernel.taps), [n - 1 - o for n, o in zip(kernel.shape, kernel.origin, strict=True)]
            )
            assert_agrees(fa.correlate(x, kernel, method=method), wanted(x, flipped, turned), turned, turned)


def test_taps_that_underflow_touch_nothing():
    taps = np.ones((5, 5))
    taps[0, 0] = taps[4, 2] = 1e-60  # zero in single precision
    x = normal((70, 90))
    x[30, 40] = np.nan
    for plan, got in every_way(x, fa.Kernel(taps)):
        touched = by_scipy("convolve", np.isnan(x), taps > 1e-30, "reflect", (0, 1)) > 0
        np.testing.assert_array_equal(np.isnan(got), touched, err_msg=str(plan))
        assert_agrees(got, wanted(x, fa.Kernel(taps), plan), plan, plan)


def test_tables_of_a_single_call_stay_alive(monkeypatch):
    monkeypatch.setattr(sys.modules["faltung.run.gathering"], "KEPT", -1)  # nobody else keeps them
    forget()
    x, kernel = normal((48, 40)), zoo.KERNELS["gaussian"]
    for method in zoo.possible(fa.plan(x, kernel)):
        run = fa.plan(x, kernel, method=method)
        expected = run(x)
        for size in range(1, 60):  # takes the memory of whatever was let go
            np.full(size * 8, -1)
            assert_same_bits(run(x), expected)
    forget()


def test_channels_in_another_order_are_gathered_anew():
    x = normal((30, 40, 3))
    run = fa.plan(x, fa.gaussian(1.0), axes=(0, 1))
    expected = run(x)
    turned = np.ascontiguousarray(x[..., ::-1])[..., ::-1]
    apart = np.ascontiguousarray(np.moveaxis(x, -1, 0)).transpose(1, 2, 0)
    wide = np.concatenate([x, x[..., ::-1]], -1)  # rows and columns are as far apart in both of its views
    for other in (turned, apart, wide[..., :3], wide[..., :2:-1], x):
        assert_same_bits(run(other), expected)


def test_a_block_that_is_repaired_still_finds_its_samples():
    # Computed in place, and computed again for the sake of an infinity that meets only zero taps in part.
    kernel, x = fa.gaussian(1.0), normal((48, 40))
    x[20, 20] = np.inf
    for kernel in (fa.gaussian(1.0), fa.sobel(0), fa.Kernel([[1.0, 0, -1], [0, 0, 0], [-1, 0, 1]])):
        for method in zoo.possible(fa.plan(x, kernel)):
            run = fa.plan(x, kernel, method=method)
            place = x.copy()
            assert_agrees(run(place, place), wanted(x, kernel, run), run, run)


@pytest.mark.parametrize("shape", [(0, 3), (3, 4), (48, 40), (900, 800)])
@pytest.mark.parametrize("count", [0, -1])
def test_a_wrong_number_of_workers_is_refused_by_arrays_of_every_size(shape, count):
    out = np.full(shape, 7, "f4")
    with pytest.raises(fa.ArgumentError) as caught:
        fa.convolve(np.ones(shape, "f4"), fa.box(3), out=out, workers=count)
    assert caught.value.argument == "workers"
    assert (out == 7).all()
