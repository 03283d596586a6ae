"""Separable kernels too large for an array of taps are filters along one axis after the other: the same results."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import faltung as fa
from agreement import answer, assert_agrees
from faltung.planning import axis_plan, kept
from faltung.planning.axis_plan import AxisPlan

MODES = ["reflect", "constant", "nearest", "mirror", "wrap", ("constant", "reflect"), ("wrap", "constant")]
KERNEL = 3 * fa.gaussian((3, 9)) * fa.Kernel([[1, 0.5]]) * fa.Kernel([[2], [-1], [0], [1]], origin=(0, 1))


@pytest.fixture
def few_taps_are_many(monkeypatch):
    monkeypatch.setattr(axis_plan, "MOST_SEPARABLE", 10)
    kept.forget()
    yield
    kept.forget()


@pytest.mark.usefixtures("few_taps_are_many")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["f4", "f8", "u1", "c8", ">f4"])
def test_agrees_with_the_definition(mode, dtype):
    rng = np.random.default_rng(0)
    x = (100 * rng.standard_normal((13, 30))).astype(dtype)
    if x.dtype.kind in "fc":
        x[5, 7], x[12, 0] = np.nan, np.inf
    for call, kernel in (("convolve", KERNEL), ("correlate", KERNEL.flip())):
        plan = fa.plan(x, KERNEL, mode, 2.5)
        assert isinstance(plan, AxisPlan)
        got = getattr(fa, call)(x, kernel, mode, 2.5)
        region = [(0, n) for n in x.shape]
        double = plan.problem.number == np.float64
        wanted = answer(call, x, kernel.taps, kernel.origin, mode, 2.5, region, (0, 1), double)
        assert_agrees(got, wanted, plan)


@pytest.mark.usefixtures("few_taps_are_many")
@pytest.mark.parametrize("shape", ["full", "valid"])
def test_regions_batches_axes_and_out(shape):
    x = np.random.default_rng(1).standard_normal((90, 3, 40))
    plan = fa.plan(x, KERNEL, shape=shape, axes=(2, 0))
    assert isinstance(plan, AxisPlan)
    got = plan(x)
    assert_array_equal(got, np.stack([fa.convolve(x[:, k].T, KERNEL, shape=shape).T for k in range(3)], axis=1))
    out = np.empty(plan.result_shape[::-1]).T
    assert plan(x, out=out, workers=1) is out
    assert_array_equal(out, got)
    assert_array_equal(pickle.loads(pickle.dumps(plan))(x), got)
    wanted = fa.convolve(x, fa.Kernel(KERNEL), shape=shape, axes=(2, 0))
    np.testing.assert_allclose(got, wanted, rtol=0, atol=2 * plan.error * np.abs(KERNEL.taps).sum() * np.abs(x).max())


@pytest.mark.usefixtures("few_taps_are_many")
def test_what_is_between_holds_integers_exactly():
    x = np.random.default_rng(2).integers(0, 256, (12, 40), dtype=np.uint8)
    for box in (fa.box((4, 16)), fa.box(8), fa.binomial(4)):  # the last two have one kernel along both axes
        assert isinstance(fa.plan(x, box, dtype="uint8"), AxisPlan)
        assert_array_equal(fa.convolve(x, box, dtype="uint8"), fa.convolve(x, box, dtype="uint8", method="direct"))


def test_a_large_gaussian_is_never_multiplied_out():
    kernel = fa.gaussian(900)
    plan = fa.plan((8, 9), kernel, "nearest")
    assert plan.memory < 1 << 24
    assert "taps" not in vars(kernel)
    x = np.ones((8, 9), np.float32)
    np.testing.assert_allclose(plan(x), 1, rtol=1e-5)
    assert "7201 taps along axis 0" in str(plan)


def test_a_wide_box_has_no_largest_size_of_its_area():
    x = np.arange(12.0).reshape(3, 4)
    np.testing.assert_allclose(fa.box(60_001)(x), x.mean(), rtol=1e-3)


@pytest.mark.usefixtures("few_taps_are_many")
def test_numbers_between_and_what_has_an_array_of_taps():
    faint = fa.gaussian(5, truncate=12)  # products of its taps are zero in single precision
    plan = fa.plan((8, 8), faint, dtype="float32")
    assert [step.problem.result.name for step in plan.plans] == ["float64", "float32"]
    assert not isinstance(fa.plan((8, 8), fa.gaussian(5), nan="ignore"), AxisPlan)
    assert not isinstance(fa.plan((8, 8), fa.gaussian(5), method="direct"), AxisPlan)
