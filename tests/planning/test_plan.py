"""Plans: values that say what would run and why, and can be kept, printed, sent elsewhere and called."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import faltung as fa
from conftest import forget
from faltung import ArgumentError
from faltung.planning import kept
from faltung.planning.kept import MOST_PLANS
from faltung.planning.planner import METHODS
from samples import assert_same_bits, normal


def test_a_plan_is_called_again_and_again():
    x = normal((40, 50))
    run = fa.plan(x, fa.gaussian(1.0), "wrap", dtype="f8")
    expected = fa.convolve(x, fa.gaussian(1.0), "wrap", dtype="f8")
    assert_same_bits(run(x), expected)
    out = np.empty((40, 50))
    assert run(x, out) is out
    assert_same_bits(run(x[::-1][::-1], workers=2), expected)
    assert_same_bits(run(x.tolist()) if x.dtype == float else run(x), expected)


def test_a_plan_is_made_from_a_shape():
    x = normal((40, 50))
    assert_same_bits(fa.plan(x.shape, fa.box(3))(x), fa.convolve(x, fa.box(3)))
    run = fa.plan((40, 50), fa.box(3), dtype="u1", result_dtype="i2")
    assert run.problem.dtype == np.uint8
    assert run(np.ones((40, 50), "u1")).dtype == np.int16
    assert fa.plan((40, 50), fa.box(3), shape="valid").problem.result_shape == (38, 48)
    assert fa.plan((0, 5), fa.box(3))(np.zeros((0, 5), "f4")).shape == (0, 5)


def test_a_plan_is_a_value():
    run = fa.plan((40, 50), fa.box(3), method="direct")
    with pytest.raises(AttributeError):
        run.engines = ("fourier",)
    assert run.engines == ("direct",)
    assert run.engine == "direct"
    assert (run.error, run.pointwise) == (10 * 2.0**-24, True)
    assert [candidate.method for candidate in run.candidates][:1] == ["direct"]
    assert {candidate.method for candidate in run.candidates} == {*METHODS} - {"auto"}


def test_planning_again_gives_the_same_plan():
    first, second = (fa.plan((300, 400), fa.gaussian(2.0) * fa.box(5)) for _ in range(2))
    forget()
    for plan in (second, fa.plan((300, 400), fa.gaussian(2.0) * fa.box(5))):
        for name in ("engines", "form", "tile", "gathers", "candidates", "error", "pointwise", "memory"):
            assert getattr(plan, name) == getattr(first, name), name


@pytest.mark.parametrize("text", ["box(9)", "gaussian(2)", "gaussian(2) * box(9)", "disk(3)"])
def test_the_fastest_possible_method_is_chosen_and_the_others_have_reasons(text):
    plan = fa.plan((300, 400), fa.parse(text))
    chosen, *rejected = plan.candidates
    assert chosen.reason == ""
    assert chosen.engines == plan.engines
    assert all(candidate.reason for candidate in rejected)
    times = [candidate.seconds for candidate in plan.candidates]
    assert 0 < times[0] < math.inf
    assert times == sorted(times)
    assert {candidate.method for candidate in plan.candidates} == {*METHODS} - {"auto"}


@pytest.mark.parametrize(
    ("kernel", "method", "reason"),
    [
        (fa.gaussian(2.0), "running", "the kernel is not constant along any axis"),
        (fa.disk(5.0), "running", "the kernel is not an outer product"),
        (fa.disk(5.0), "separable", "the kernel is not a sum of few outer products"),
        (fa.disk(5.0), "passes", "the kernel is not a product of several"),
    ],
)
def test_an_impossible_method_is_refused_with_its_reason(kernel, method, reason):
    with pytest.raises(ArgumentError) as caught:
        fa.plan((300, 400), kernel, method=method)
    assert str(caught.value) == (
        f"method: expected an engine that supports this, got {method!r}. It does not: {reason}."
    )
    (rejected,) = [c for c in fa.plan((300, 400), kernel).candidates if c.method == method]
    assert (rejected.seconds, rejected.reason) == (math.inf, reason)


def test_pointwise_accuracy_excludes_engines_with_another_error_scale():
    plan = fa.plan((300, 400), fa.disk(12.0), accuracy="pointwise")
    assert plan.pointwise
    reasons = {candidate.method: candidate.reason for candidate in plan.candidates}
    assert reasons["fourier"] == "its rounding errors are not bounded point by point"
    assert fa.plan((300, 400), fa.disk(12.0)).engines == ("fourier",)
    with pytest.raises(ArgumentError, match="its rounding errors are not bounded point by point"):
        fa.plan((300, 400), fa.disk(12.0), accuracy="pointwise", method="fourier")


def test_a_plan_prints_every_row():
    kernel = fa.Kernel([[1, 2, 1]])
    run = fa.plan((40, 50), kernel, "constant", 0.5, dtype="u1", result_dtype="i2", method="direct")
    text = str(run)
    rows = [line.split()[0] for line in text.splitlines()]
    assert rows[:9] == ["convolve", "input", "output", "rewritten", "step", "tile", "time", "memory", "error"]
    assert rows[9:] == ["rejected"] * (len(METHODS) - 2)
    assert "Kernel([[1, 2, 1]], origin=(0, 1))" in text
    assert "40 x 50 uint8, mode constant(0.5), axes (0, 1)" in text
    assert "40 x 50 int16, computed in float32" in text
    assert "step 1    direct, 1 x 3 taps, 3 of them not zero" in text
    assert "of the sum of |tap| |sample| under each output" in text
    assert "rejected  passes: impossible, the kernel is not a product of several" in text


def test_a_plan_of_passes_prints_each_of_them():
    plan = fa.plan((400, 500), fa.gaussian(2.0) * fa.disk(2.0), method="passes")
    steps = [line for line in str(plan).splitlines() if line.startswith("step")]
    assert [line.split()[1] for line in steps] == [str(number) for number in range(1, len(plan.engines) + 1)]
    assert [line.split()[2].rstrip(",") for line in steps] == [*plan.engines]
    assert len(steps) == 2


def test_a_pass_also_makes_what_the_next_one_reads_beyond_the_border():
    plan = fa.plan((4, 64), fa.gaussian(6000.0, ndim=1) ** 2, axes=1)
    passes, direct = (next(c.seconds for c in plan.candidates if c.method == name) for name in ("passes", "direct"))
    assert passes > 4 * direct  # 48,064 outputs of the first pass, for 64 of the second


def test_complex_taps_are_one_step_that_runs_twice():
    text = str(fa.plan((40, 50), fa.Kernel([[1j, 2.0, 1.0]]), method="direct"))
    assert "direct, 1 x 3 taps, 2 of them not zero, 1 outer product, twice" in text


UNPICKLE = """
import pickle, sys
run, x = pickle.load(sys.stdin.buffer)
sys.stdout.buffer.write(run(x).tobytes())
"""


@pytest.mark.parametrize("taps", [np.ones((3, 3)), np.full((3, 3), 1j)], ids=["real", "complex"])
def test_a_plan_travels_to_another_process(taps):
    x = normal((40, 50))
    run = fa.plan(x, taps)
    expected = run(x).tobytes()
    assert pickle.loads(pickle.dumps(run))(x).tobytes() == expected
    parcel = pickle.dumps((run, x))
    done = subprocess.run([sys.executable, "-c", UNPICKLE], input=parcel, capture_output=True, check=True)
    assert done.stdout == expected


def test_a_plan_refuses_another_array():
    run = fa.plan((4, 5), fa.box(3))
    for x, received in (
        (np.zeros((4, 6), "f4"), "shape (4, 6) and dtype float32"),
        (np.zeros((4, 5)), "shape (4, 5) and dtype float64"),
        (np.zeros((4, 5), ">f4"), "shape (4, 5) and dtype >f4"),
    ):
        with pytest.raises(ArgumentError) as caught:
            run(x)
        assert str(caught.value) == (
            "x: expected shape (4, 5) and dtype float32, for which this plan was made, "
            f"got {received}. Make a plan for this array, or use convolve."
        )


def test_plans_that_are_kept_are_not_confused():
    x = np.array([1.0, 2.0, 4.0])
    taps = np.array([1.0, 1.0])
    assert fa.convolve(x, taps).tolist() == [3, 6, 8]
    taps[0] = 3
    assert fa.convolve(x, taps).tolist() == [7, 14, 16]
    assert fa.correlate(x, taps).tolist() == [4, 5, 10]
    assert fa.convolve(x, fa.Kernel(taps, 0)).tolist() == [4, 7, 14]
    assert fa.convolve(x, taps, "constant").tolist() == [7, 14, 4]
    assert fa.convolve(x, taps, "constant", 1).tolist() == [7, 14, 7]
    assert fa.convolve(x, taps, "constant", np.float32(0.1))[2] == 4 + 3 * np.float64(np.float32(0.1))
    assert fa.convolve(x, taps, "constant", 0.1)[2] == 4 + 3 * 0.1
    for zero in (0.0, -0.0, 0.0):
        assert math.copysign(1, fa.convolve([5.0], [1.0, 0.0], "constant", zero)[0]) == math.copysign(1, zero)


def test_more_plans_than_are_kept():
    first = fa.convolve(np.arange(9.0), [1.0, 2.0])
    for length in range(10, 20 + MOST_PLANS):
        assert fa.convolve(np.ones(length), [1.0, 2.0]).tolist() == [3] * length
    assert_array_equal(fa.convolve(np.arange(9.0), [1.0, 2.0]), first)


@pytest.mark.parametrize("method", ["direct", "apart"])
def test_plans_are_kept_by_the_bytes_of_their_taps(method):
    bank, few = fa.Bank(np.ones((64, 32, 5, 5))), fa.Bank(np.ones((1, 1, 5, 5)))
    sizes = []
    for kernels in (few, bank):
        forget()
        fa.plan((kernels.in_channels, 20, 20), kernels, channel_axis=0, method=method)
        sizes.append(kept._plans.bytes)
    assert sizes[1] - sizes[0] > bank.taps.nbytes
    forget()
    assert kept._plans.bytes == 0


def test_the_bound_covers_a_constant_that_is_rounded():
    """With a single tap there is no slack: tap, constant and product are rounded once each."""
    x, kernel = np.zeros(200, "f4"), fa.Kernel([0.2553633037522716], origin=-300)
    for cval, roundings in ((0.3, 3), (0.5, 2)):
        run = fa.plan(x, kernel, "constant", cval)
        assert run.error == pytest.approx(roundings * 2.0**-24)
        assert np.abs(run(x).astype("f8") - kernel.taps * cval).max() <= run.error * kernel.taps.sum() * cval


@pytest.mark.parametrize("tap", [1e-30, 1e-38, 1e-42, 1e-45, 1e-60])
@pytest.mark.parametrize("method", ["auto", "direct", "separable", "running", "fourier"])
def test_taps_of_any_magnitude_keep_their_digits(tap, method):
    x = np.full((40, 64), min(0.01 / tap, 1e37), "f4")
    for kernel in (tap * fa.box(5) * 25, tap * fa.gaussian(2), fa.Kernel(np.full((3, 3), tap))):
        plan = fa.plan(x, kernel)
        if next(c for c in plan.candidates if c.method == method or method == "auto").seconds == np.inf:
            continue
        plan = fa.plan(x, kernel, method=method)
        wanted = float(kernel.taps.sum()) * float(x[0, 0])
        least = float(np.finfo(np.float32).smallest_subnormal)
        assert plan(x).dtype == np.float32
        np.testing.assert_allclose(plan(x), wanted, rtol=2 * plan.error, atol=least)
