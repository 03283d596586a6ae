"""The entry: every argument of a call has its effect or is refused by name, for every kind of plan."""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import faltung as fa
from conftest import forget
from faltung import ArgumentError, ArgumentTypeError
from faltung.planning import machine
from faltung.planning.cost import TYPICAL
from faltung.planning.kept import make
from faltung.planning.question import Options, question_of
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
    with pytest.raises(ArgumentError, match=r"^mask: expected None, because this plan was made without a mask"):
        plan_of(name)(X, mask=VALID)
    if not may_miss:
        return
    run = plan_of(name, mask=True)
    with pytest.raises(
        ArgumentError, match=r"^mask: expected an array of booleans, because this plan was made with a mask"
    ):
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
        "Compare it with a number, for example weights > 0, or pass it as weights=."
    )
    with pytest.raises(ArgumentError, match=r"^mask: expected an array of booleans of shape"):
        run(X, mask=np.ones((7, 7), bool))


@every_plan
def test_the_input_may_be_read_only_and_is_never_written(name):
    run = plan_of(name)
    expected = run(X)
    before = X.copy()
    for x in (X.copy(), np.asfortranarray(X), X[::-1].copy()[::-1], np.repeat(X, 2, 2)[:, :, ::2]):
        x.flags.writeable = False
        assert_same_bits(run(x), expected)
        assert_array_equal(x, before)


@every_plan
def test_a_list_of_the_planned_shape_is_an_array(name):
    kernel, asked, _ = PLANS[name]
    x = X.astype("f8")
    run = fa.plan(x.shape, kernel, **{**asked, "method": "auto"}, dtype="float64")
    assert_same_bits(run(x.tolist()), run(x))


@every_plan
@pytest.mark.parametrize("kind", ["the mask", "a part of it", "its memory"])
def test_out_may_overlap_the_mask(name, kind):
    if not PLANS[name][2]:
        return
    run = plan_of(name, mask=True)
    expected = run(X, mask=VALID)
    size = expected.nbytes + VALID.nbytes
    room = np.zeros(-(-size // 16) * 16, np.uint8)
    start = {"the mask": 0, "a part of it": 16, "its memory": VALID.nbytes // 2}[kind]
    valid = room[start : start + VALID.nbytes].view(bool).reshape(X.shape)
    valid[...] = VALID
    out = room[: expected.nbytes].view(expected.dtype).reshape(expected.shape)
    assert np.may_share_memory(valid, out)
    assert_same_bits(run(X, out, mask=valid), expected)


@every_plan
def test_workers_may_be_any_integer(name):
    run = plan_of(name)
    for workers in (np.int64(2), np.uint8(1), np.array(2)):
        assert_same_bits(run(X, workers=workers), run(X))
    for wrong in (np.array([2]), np.array(2.0), np.bool_(True), [2], int):
        with pytest.raises(ArgumentTypeError, match=r"^workers: expected a positive integer"):
            run(X, workers=wrong)


@every_plan
def test_an_empty_array_has_an_empty_result_and_checked_arguments(name):
    kernel, asked, may_miss = PLANS[name]
    channels = X.shape[:1] if "channel_axis" in asked else (0,)
    spatial = X.shape[1:] if channels == (0,) else (0, X.shape[2])
    run = fa.plan((*channels, *spatial), kernel, **asked)
    x = np.empty((*channels, *spatial), "f4")
    result = run(x)
    assert result.shape == run.result_shape
    assert 0 in result.shape
    assert result.dtype == run.problem.result
    assert run(x, result) is result
    assert str(pickle.loads(pickle.dumps(run))) == str(run)
    for wrong in ({"workers": 0}, {"workers": "2"}, {"out": np.empty(3)}, {"mask": x > 0}, {"out": [1.0]}):
        with pytest.raises((ArgumentError, ArgumentTypeError), match=f"^{next(iter(wrong))}: expected"):
            run(x, **wrong)
    if may_miss:
        assert fa.plan(x, kernel, mask=True, **asked)(x, mask=x > 0).shape == result.shape


@every_plan
def test_threads_may_share_a_plan(name):
    run = pickle.loads(pickle.dumps(plan_of(name)))  # without machine code: all threads begin by making it
    expected = plan_of(name)(X)
    with ThreadPoolExecutor(8) as pool:
        for result in pool.map(lambda _: run(X), range(32)):
            assert_same_bits(result, expected)


def test_threads_may_plan_while_others_calibrate(monkeypatch, tmp_path):
    monkeypatch.setenv("FALTUNG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(machine, "_current", None)
    fast, slow = TYPICAL, replace(TYPICAL, multiply_add=100 * TYPICAL.multiply_add)
    kernels = [fa.Kernel(normal((size, size))) for size in (3, 5, 31)]
    expected = [fa.convolve(X, kernel, axes=(1, 2)) for kernel in kernels]
    stop = threading.Event()

    def change_machine():
        while not stop.is_set():
            machine.keep(slow)
            machine.keep(fast)

    def plan_and_run(number):
        for kernel, result in zip(kernels, expected, strict=True):
            run = fa.plan(X, kernel, axes=(1, 2))
            assert run.candidates[0].seconds <= min(candidate.seconds for candidate in run.candidates)
            np.testing.assert_allclose(run(X), result, rtol=1e-3, atol=1e-3)
        return number

    with ThreadPoolExecutor(5) as pool:
        try:
            changing = pool.submit(change_machine)
            assert [*pool.map(plan_and_run, range(24))] == [*range(24)]
        finally:
            stop.set()
        changing.result()
    # No plan that was made with other figures is left.
    for figures in (slow, fast):
        machine.keep(figures)
        for kernel in kernels:
            assert fa.plan(X, kernel).seconds == make(question_of(X.shape, X.dtype, kernel, Options(True))).seconds


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
