"""Bytes that become bytes: taps of 16 bits, against sums of Python's and NumPy's whole numbers."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import faltung as fa
import shifted
import zoo
from conftest import forget
from faltung.engines.catalogue import ENGINES
from faltung.engines.integers.fixed_point import dense_taps, taps_of_passes
from faltung.planning.jobs import jobs_for

RNG = np.random.default_rng(64)
NOISE = RNG.integers(0, 256, (61, 90, 3), dtype=np.uint8)
RANDOM = RNG.random((9, 8))
WINDOW = RNG.random(13)
#: Kernels whose taps are rounded to 16 bits.
NEAR = {
    "gaussian": fa.gaussian(1.0),
    "wide gaussian": fa.gaussian((4.0, 2.0)),
    "narrow gaussian": fa.gaussian((0.6, 1.7)),
    "no even middle": fa.Kernel(np.outer([*-WINDOW[:6], 8, *-WINDOW[5::-1]], [0.3, 0.4, 0.2]) / 20),
    "narrow in rows": fa.gaussian((1.7, 0.6)),
    "from one side": fa.Kernel(np.outer(WINDOW, RANDOM[1, :5]) / WINDOW.sum() / RANDOM[1, :5].sum()),
    "slope": fa.gaussian_derivative((2.0, 0.8), (1, 0)) * 0.7,
    "brighter": fa.gaussian((1.5, 1.0)) * 1.3,
    "even passes": fa.Kernel(np.outer(RANDOM[0, :4], RANDOM[1, :2]) / 2),
    "difference": fa.gaussian_derivative(1.5, (0, 1)) * 0.5,
    "dense": fa.Kernel(RANDOM[:5, :5] / RANDOM[:5, :5].sum()),
    "dense, even": fa.Kernel(RANDOM / RANDOM.sum()),
    "dense, signed": fa.Kernel((RANDOM[:4, :3] - 0.4) / 3),
}
#: Kernels whose results are exact: whole taps, and what they are divided by.
EXACT = {
    "box": (np.ones((3, 3), int), 9),
    "even box": (np.ones((4, 6), int), 24),
    "wide box": (np.ones((16, 15), int), 240),
    "sobel": (np.outer([1, 2, 1], [1, 0, -1]), 1),
    "binomial": (np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]), 256),
    "wide binomial": (np.outer([1, 6, 15, 20, 15, 6, 1], [1, 2, 1]), 256),
    "outer product": (np.outer([1, 2, 3], [5, -1, 2, 2]), 22),
    "triangle": (np.outer([1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1], [1, 3, 3, 1]), 288),
    "many binary digits": (np.outer([1, 1, 2, 2, 4, 12, 4, 2, 2, 1, 1], [1, 2, 3, 4, 3, 2, 1]), 512),
    "long slope": (np.outer([1, 2, 3, 4, 5, 0, -5, -4, -3, -2, -1], [1, 2, 1]), 16),
    "dense": (np.arange(1, 21).reshape(5, 4), 210),
    "sharpened": (np.array([[-1, -1, -1], [-1, 17, -1], [-1, -2, -1]]), 8),
}
SHAPES = [(61, 90), (33, 40, 3), (17, 16), (3, 2, 3), (1, 33)]
FAST = ("direct", "separable", "running")


def exact_sums(x, taps, kernel, mode):
    region = [(0, n) for n in x.shape[:2]]
    planes = [
        shifted.correlate(plane, taps, kernel.origin, mode, 0, region, precision=np.int64) for plane in planes_of(x)
    ]
    return np.stack(planes, axis=-1).reshape(x.shape)


def planes_of(x):
    flat = x.reshape(*x.shape[:2], -1).astype(np.int64)
    return [flat[..., k] for k in range(flat.shape[-1])]


def half_to_even(sums, divisor):
    quotients, rest = np.divmod(sums, divisor)
    up = (2 * rest > divisor) | ((2 * rest == divisor) & (quotients % 2 == 1))
    return np.clip(quotients + up, 0, 255).astype(np.uint8)


def numbers_of(plan):
    """The numbers that stand for the taps of a plan; None if it has none."""
    ((job,),) = jobs_for(plan.problem, plan.problem.forms[plan.form], plan.engines, np.dtype("u1"), np.dtype("u1"))
    return {"direct": dense_taps}.get(plan.method, taps_of_passes)(job)


def filtered(x, kernel, mode="reflect", **options):
    """The result in bytes."""
    return fa.convolve(x, kernel, mode, axes=(0, 1), dtype="u1", **options)


def planned(x, kernel, mode="reflect", **options):
    """The plan of such a call."""
    return fa.plan(x, kernel, mode, axes=(0, 1), **{"dtype": "u1"} | options)


@pytest.mark.parametrize("name", EXACT)
def test_whole_taps_are_exact(name):
    taps, divisor = EXACT[name]
    kernel = fa.Kernel(taps / divisor)
    for shape in SHAPES:
        x = NOISE[tuple(slice(n) for n in shape)] if len(shape) == 3 else NOISE[: shape[0], : shape[1], 0].copy()
        for mode in ("reflect", "constant", "wrap"):
            wanted = half_to_even(exact_sums(x, taps, kernel, mode), divisor)
            plan = fa.plan(x, kernel.flip(), mode, axes=(0, 1), dtype="u1")
            for method in set(zoo.possible(plan)) & set(FAST):
                got = fa.correlate(x, kernel, mode, axes=(0, 1), dtype="u1", method=method)
                assert_array_equal(got, wanted, f"{shape} {mode} {method}")


@pytest.mark.usefixtures("vector_bits")
@pytest.mark.parametrize("name", ["even box", "sobel", "dense"])
def test_whole_taps_are_exact_at_every_width(name):
    taps, divisor = EXACT[name]
    kernel, x = fa.Kernel(taps / divisor), NOISE[:35, :37]
    wanted = half_to_even(exact_sums(x, taps, kernel, "reflect"), divisor)
    assert_array_equal(filtered(x, kernel.flip()), wanted)


@pytest.mark.parametrize("name", NEAR)
def test_errors_are_within_the_bound_that_the_plan_states(name):
    kernel = NEAR[name]
    for x in (NOISE, 255 * (NOISE[..., 0] > 127).astype("u1")):
        plan = planned(x, kernel)
        assert 0 < plan.levels <= 0.25
        assert "grey levels" in str(plan)
        exact = fa.convolve(x.astype(float), kernel, axes=(0, 1), method="direct").clip(0, 255)
        assert np.abs(plan(x) - exact).max() <= 0.5 + plan.levels


def sums_of(numbers, x):
    """What two passes of whole numbers make of bytes, beyond whose border are zeros."""
    x = x.reshape(*x.shape[:2], -1).astype(np.int64)
    for taps, axis, start, shift in zip(
        (numbers.down[0], numbers.across), (0, 1), numbers.starts, numbers.shifts, strict=True
    ):
        room = [(0, 0)] * 3
        room[axis] = (taps.size // 2, (taps.size - 1) // 2)
        if axis:  # what lies between the passes has a start of its own, for rows of zeros
            x = np.pad(x, room, constant_values=numbers.starts[0] >> numbers.shifts[0])
        else:
            x = np.pad(x, room)
        x = np.lib.stride_tricks.sliding_window_view(x, taps.size, axis) @ taps + start
        x = (x + (x >> shift & 1) * axis) >> shift
    return x.clip(0, 255)


@pytest.mark.parametrize(
    ("name", "mirrored", "lift"),
    [
        ("gaussian", 0, 0),
        ("narrow gaussian", 0, 0),
        ("wide gaussian", 1, 0),
        ("slope", -1, -1),
        ("brighter", 1, -1),
        ("no even middle", 0, -1),
        ("narrow in rows", 1, 1),
        ("from one side", 0, 0),
    ],
)
def test_sums_are_those_of_the_numbers(name, mirrored, lift):
    numbers = numbers_of(planned(NOISE, NEAR[name], "constant"))
    assert (numbers.mirrored, numbers.lift) == (mirrored, lift)
    stripes = 255 * (np.indices((61, 90)).sum(0) // 7 % 2).astype("u1")
    shapes = ((61, 90, 3), (35, 64), (16, 71), (3, 130, 3), (2, 3), (40, 1, 3))
    views = [NOISE.reshape(-1)[: np.prod(shape)].reshape(shape) for shape in shapes]
    for x in (*views, stripes, np.full((20, 70), 255, "u1"), np.zeros((20, 70), "u1")):
        got = filtered(x, NEAR[name], "constant", method="separable")
        assert_array_equal(got.reshape(*x.shape[:2], -1), sums_of(numbers, x), str(x.shape))


def test_the_bound_is_not_far_from_what_happens():
    # Bytes that make the errors of all taps add up.
    plan = planned(NOISE, NEAR["dense"])
    numbers = numbers_of(plan)
    wrong = numbers.down.T * 2.0 ** -numbers.shifts[1] - plan.problem.given.taps
    worst = 255 * max(wrong.clip(0).sum(), -wrong.clip(None, 0).sum())
    assert 0 < worst <= plan.levels <= 1.01 * worst + 2e-5


@pytest.fixture(scope="module")
def wanted():
    """Results of all kernels with rounded taps, in vectors of the usual width."""
    return {name: filtered(NOISE, kernel, "wrap") for name, kernel in NEAR.items()}


@pytest.mark.usefixtures("vector_bits")
@pytest.mark.parametrize("name", ["gaussian", "wide gaussian", "slope", "even passes", "difference", "dense, signed"])
def test_widths_workers_and_views_do_not_change_a_bit(name, wanted):
    kernel = NEAR[name]
    for workers in (1, 2):
        assert_array_equal(filtered(NOISE, kernel, "wrap", workers=workers), wanted[name])
    assert_array_equal(filtered(NOISE[..., 1], kernel, "wrap"), wanted[name][..., 1])  # a view with strides
    out = np.zeros((*NOISE.shape[:2], 6), "u1")[..., ::2]
    filtered(NOISE, kernel, "wrap", out=out)
    assert_array_equal(out, wanted[name])


def test_processors_without_the_instruction_have_the_same_bits(monkeypatch, wanted):
    monkeypatch.setattr("faltung.engines.integers.integer_block.instruction_for", lambda lanes, target: "")
    forget()
    for name in ("gaussian", "slope", "dense, signed"):
        assert_array_equal(filtered(NOISE, NEAR[name], "wrap"), wanted[name])
    forget()


@pytest.mark.usefixtures("tiny_tiles")
@pytest.mark.parametrize("name", ["gaussian", "wide gaussian", "dense, even"])
def test_tiles_do_not_change_a_bit(name, wanted):
    assert_array_equal(filtered(NOISE, NEAR[name], "wrap"), wanted[name])


PHOTOGRAPHS = (skimage.data.camera, skimage.data.coins, skimage.data.astronaut)


@pytest.mark.parametrize("sigma", [0.7, 1.0, 2.0, 5.0])
def test_photographs_differ_in_few_samples_and_by_one(sigma):
    kernel = fa.gaussian(sigma)
    for photograph in PHOTOGRAPHS:
        x = photograph()
        near, exact = filtered(x, kernel), fa.convolve(x.astype(float), kernel, axes=(0, 1))
        assert (near != np.rint(exact)).mean() <= 0.01
        assert np.abs(near - np.rint(exact)).max() <= 1


@pytest.mark.parametrize("sigma", [0.7, 1.0, 2.0, 5.0])
def test_ramps_and_flat_areas(sigma):
    kernel = fa.gaussian(sigma)
    ramp = np.rint(np.add.outer(np.linspace(3, 120, 500), np.linspace(0, 130, 700))).astype("u1")
    assert (filtered(ramp, kernel) != np.rint(fa.convolve(ramp.astype(float), kernel))).mean() <= 0.01
    for level in range(0, 256, 5):
        flat = np.full((20, 40), level, "u1")
        assert_array_equal(filtered(flat, kernel), flat)


def test_who_asks_for_pointwise_errors_gets_numbers_with_a_point():
    plan = planned(NOISE, fa.gaussian(1.0), accuracy="pointwise")
    assert plan.levels == 0
    assert plan.pointwise
    assert plan.error < 1e-5


@pytest.mark.parametrize(
    "options", [{"dtype": "i2"}, {"dtype": "f4"}, {"mode": "constant", "cval": 0.5}, {"mask": True}]
)
def test_other_results_borders_and_missing_samples_have_no_error_in_levels(options):
    assert planned(NOISE, fa.gaussian(1.0), **options).levels == 0


small = st.lists(st.integers(-9, 9), min_size=2, max_size=6)


@settings(deadline=None, max_examples=25)
@given(small, small, st.integers(1, 300))
def test_any_small_whole_taps_are_exact(down, across, divisor):
    taps = np.outer(down, across)
    assume(taps.any())
    kernel, x = fa.Kernel(taps / divisor), NOISE[:18, :20]
    wanted = half_to_even(exact_sums(x, taps, kernel, "mirror"), divisor)
    assert_array_equal(fa.correlate(x, kernel, "mirror", axes=(0, 1), dtype="u1"), wanted)


def test_the_largest_sums_do_not_overflow():
    for kernel in (*NEAR.values(), fa.box(16), fa.binomial(4), fa.Kernel(np.ones((3, 3)) * 40), -fa.gaussian(2.0)):
        for level in (0, 255):
            x = np.full((40, 50), level, "u1")
            assert_array_equal(filtered(x, kernel), np.clip(np.rint(level * kernel.taps.sum()), 0, 255) + 0 * x)


def test_engines_count_the_error():
    plan = planned(NOISE, NEAR["gaussian"])
    ((job,),) = jobs_for(plan.problem, plan.problem.forms[0], plan.engines, np.dtype("u1"), np.dtype("u1"))
    work = ENGINES[plan.method].work(job)
    assert work.levels == plan.levels > 0
    assert not work.pointwise
