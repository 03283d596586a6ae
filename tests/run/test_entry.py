"""The entry: what is passed in a call of a plan has its effect, or is refused by name, for every kind of plan."""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys
import weakref

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import faltung as fa
from conftest import forget
from faltung import ArgumentError, ArgumentTypeError
from samples import assert_same_bits, normal

X = normal((3, 20, 24)).astype("f4")
VALID = np.random.default_rng(3).random(X.shape) < 0.9
PAIR = fa.Bank.stack([fa.gaussian(1.0), fa.sobel(axis=1)])
LAYER = fa.Bank(np.ones((4, 3, 3, 3)))
#: Every kind of plan: kernel, how it is asked, and whether samples may be missing.
PLANS = {
    "kernel": (fa.gaussian(1.0), {}, True),
    "complex kernel": (fa.gabor(0.2), {}, True),
    "bank apart": (PAIR, {"method": "apart"}, True),
    "bank by transforms": (fa.Bank.stack([fa.disk(4.0), fa.gabor(0.1).real]), {"method": "fourier"}, False),
    "bank of shared filters": (
        fa.Bank.stack([fa.sobel(axis=0), fa.sobel(axis=1), fa.sobel(axis=0) + fa.sobel(axis=1)]),
        {"method": "basis", "axes": (1, 2)},
        False,
    ),
    "stride": (fa.gaussian(1.0), {"stride": 2}, True),
    "channels": (LAYER, {"channel_axis": 0}, False),
    "channels apart": (LAYER, {"channel_axis": 0, "method": "apart"}, False),
}
every_plan = pytest.mark.parametrize("name", PLANS)


def plan_of(name, **named):
    kernel, asked, _ = PLANS[name]
    return fa.plan(X, kernel, **asked, **named)


@every_plan
def test_every_plan_has_the_same_face(name):
    run = plan_of(name)
    result = run(X)
    assert result.shape == run.result_shape
    assert result.dtype == run.problem.result
    assert run.candidates[0].method == run.method
    assert all(candidate.reason for candidate in run.candidates[1:])
    assert run.seconds == run.candidates[0].seconds > 0
    assert 0 < run.error < 1e-4
    assert run.pointwise in (True, False)
    assert isinstance(run.memory, int)
    assert run.memory > 0
    words = [line.split()[0] for line in str(run).splitlines()]
    assert words[0] == "convolve"
    assert {"input", "output", "time", "memory", "error", "rejected"} <= {*words}
    again = pickle.loads(pickle.dumps(run))
    assert str(again) == str(run)
    assert_same_bits(again(X), result)


@every_plan
def test_out_may_be_anything_of_the_right_shape(name):
    run = plan_of(name)
    expected = run(X)
    out = np.empty_like(expected)
    assert run(X, out) is out
    assert_same_bits(out, expected)
    spaced = np.zeros((*expected.shape, 2), expected.dtype)[..., 0]
    assert_same_bits(run(X, spaced), expected)
    for wrong in (np.empty(expected.shape, "i2"), np.empty((1, 2), expected.dtype), expected.tolist()):
        with pytest.raises((ArgumentError, ArgumentTypeError), match=r"^out: expected a writable array of shape"):
            run(X, wrong)


@every_plan
def test_out_may_overlap_the_input(name):
    run = plan_of(name)
    expected = run(X)
    room = np.zeros(X.size + 2 * expected.size, np.promote_types(X.dtype, expected.dtype))
    x = room.view(X.dtype)[: X.size].reshape(X.shape)
    for shift in (0, 7, X.size - 3):
        x[...] = X
        out = room.view(expected.dtype)[shift : shift + expected.size].reshape(expected.shape)
        assert_same_bits(run(x, out), expected)


@every_plan
def test_workers_change_no_bit_and_are_checked(name):
    run = plan_of(name)
    for workers in (1, 3):
        assert_same_bits(run(X, workers=workers), run(X))
    for wrong in (0, -1):
        with pytest.raises(ArgumentError, match=r"^workers: expected a positive integer"):
            run(X, workers=wrong)
    for wrong in (True, 1.0, "2"):
        with pytest.raises(ArgumentTypeError, match=r"^workers: expected a positive integer"):
            run(X, workers=wrong)


@every_plan
def test_another_array_is_refused(name):
    run = plan_of(name)
    for wrong in (X[:, 1:], X.astype("f8"), X.astype(">f4"), X[0]):
        with pytest.raises(ArgumentError, match="for which this plan was made, got shape"):
            run(wrong)


@every_plan
def test_a_mask_has_its_effect_or_is_refused(name):
    kernel, asked, may_miss = PLANS[name]
    with pytest.raises(ArgumentError, match=r"^mask: expected None, which this plan was made for"):
        plan_of(name)(X, mask=VALID)
    if not may_miss:
        return
    run = plan_of(name, mask=True)
    with pytest.raises(ArgumentError, match=r"^mask: expected an array of booleans, which this plan was made for"):
        run(X)
    expected = fa.convolve(X, kernel, mask=VALID, **{**asked, "method": "auto"})
    np.testing.assert_allclose(run(X, mask=VALID), expected, rtol=1e-4, atol=1e-5)
    assert_array_equal(run(X, mask=VALID[0]), run(X, mask=np.broadcast_to(VALID[0], X.shape)))
    assert not np.array_equal(run(X, mask=VALID), run(X, mask=np.ones(X.shape, bool)))


@every_plan
@pytest.mark.parametrize("dtype", ["f8", "f4", "u1", "i8", "c8"])
def test_a_mask_is_made_of_booleans(name, dtype):
    if not PLANS[name][2]:
        return
    run = plan_of(name, mask=True)
    with pytest.raises(ArgumentTypeError) as caught:
        run(X, mask=np.ones(X.shape, dtype))
    assert str(caught.value) == (
        f"mask: expected an array of booleans, False where a sample is missing, got {np.dtype(dtype)}. "
        "Compare it with something, for example weights > 0."
    )
    with pytest.raises(ArgumentError, match=r"^mask: expected an array of booleans of shape"):
        run(X, mask=np.ones((7, 7), bool))


@every_plan
def test_the_error_bound_holds(name):
    kernel, asked, _ = PLANS[name]
    run = plan_of(name)
    exact = fa.convolve(X.astype("f8"), kernel, **{**asked, "method": "auto"}, accuracy="pointwise")
    bank = isinstance(kernel, fa.Bank)
    taps = np.abs(np.asarray(kernel.taps))
    total = taps.sum(axis=tuple(range(1, taps.ndim))).max() if bank else taps.sum()
    assert np.abs(run(X) - exact).max() <= run.error * total * np.abs(X).max()


def test_the_bound_of_a_bank_is_that_of_its_worst_kernel():
    small, large = fa.delta(), fa.Kernel(np.random.default_rng(0).standard_normal((9, 9)))
    alone = fa.plan(X, large).error
    for kernels in ([small, large], [large, small]):
        assert fa.plan(X, fa.Bank.stack(kernels), method="apart").error == alone
    taps = np.zeros((1, 2, 9, 9))
    taps[0, 0, 4, 4], taps[0, 1] = 1, large.taps
    run = fa.plan(X[:2], fa.Bank(taps), channel_axis=0, method="apart")
    assert run.error >= alone


@every_plan
def test_what_a_plan_holds_is_released_with_it(name):
    """Without the garbage collector: a server that filters with its users' kernels must not pile them up."""
    forget()
    gc.collect()
    gc.disable()
    try:
        run = plan_of(name)
        run(X)
        run(X[::-1][::-1])
        held = [weakref.ref(run), weakref.ref(run.runner)]
        forget()
        del run
        assert [ref() for ref in held] == [None, None]
    finally:
        gc.enable()


GROWTH = """
import numpy as np, faltung as fa
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20
x, rng = np.zeros((256, 256), "f4"), np.random.default_rng(0)
for number in range(160):
    fa.convolve(x, rng.standard_normal((101, 101)))
    if number == 100:
        before = resident()
print(resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_new_kernels_do_not_make_the_process_grow():
    done = subprocess.run([sys.executable, "-c", GROWTH], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 16
