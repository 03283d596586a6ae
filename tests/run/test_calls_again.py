"""Small arrays like the one before take a short way: it changes no bit, and refuses what is refused otherwise."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

import faltung as fa
from conftest import forget
from faltung import ArgumentError, ArgumentTypeError
from faltung.engines.calls import array_call as module
from faltung.engines.calls.array_call import FILLED, REFUSED
from faltung.ground.scratch import take
from faltung.run import entry
from samples import MODES, assert_same_bits, misplaced, normal

X = normal((40, 48))
KERNELS = {
    "final": fa.Kernel([[1, 2, 3], [4, 5, 6], [7, 8, 10]]),
    "not final": fa.sobel(axis=1),
    "passes": fa.gaussian(1.0),
}
every_kernel = pytest.mark.parametrize("name", KERNELS)


def ready(x, kernel, **asked):
    """A plan that has been called often enough, and its short way."""
    run = fa.plan(x, kernel, **asked)
    run(x)
    run(x)
    assert run.ready is not None
    return run, lambda x, out: run.ready.run(x, out, take("ready", run.ready.room)[0])


@every_kernel
def test_plain_arrays_take_the_short_way_and_others_do_not(name):
    run, fill = ready(X, KERNELS[name])
    out = np.empty_like(run(X))
    assert fill(X, out)
    assert_same_bits(out, run(X))
    assert_allclose(out, ndimage.convolve(X, KERNELS[name].taps), rtol=1e-5, atol=1e-5)
    read_only = out.copy()
    read_only.flags.writeable = False
    swapped, wide = X.astype(X.dtype.newbyteorder()), np.zeros((40, 96), "f4")
    for x in (X[::-1], X.T, X[:39], X[:, 1:], X.astype("f8"), swapped, X[None], misplaced(X), X.tolist(), None):
        assert not fill(x, out)
    for x in (np.ma.array(X), X.view(np.recarray), X.view(type("Other", (np.ndarray,), {}))):
        assert not fill(x, out)
    for wrong in (out[::-1], out.T.copy().T, out[:39], out.astype("f8"), read_only, wide[:, ::2], None, 0):
        assert not fill(X, wrong)
    assert not run.ready.run(X, out)  # no scratch
    assert not run.ready.run()


@every_kernel
def test_every_array_is_filtered_alike_once_the_way_is_short(name):
    run, _ = ready(X, KERNELS[name])
    expected = run(X)
    read_only = X.copy()
    read_only.flags.writeable = False
    for x in (read_only, np.asfortranarray(X), X[::-1].copy()[::-1], misplaced(X), X.tolist()):
        found = run(np.float32(x) if isinstance(x, list) else x)
        assert_same_bits(found, expected)
        assert_same_bits(fa.convolve(np.float32(x) if isinstance(x, list) else x, KERNELS[name]), expected)
    assert isinstance(fa.convolve(np.ma.array(X), KERNELS[name]), np.ma.MaskedArray)
    with pytest.raises(ArgumentTypeError, match=r"^x: "):
        run(type("Quantity", (np.ndarray,), {"unit": "m"})(X.shape, "f4"))
    for wrong, words in ((X[1:], "^x: "), (X.astype("f8"), "^x: ")):
        with pytest.raises(ArgumentError, match=words):
            run(wrong)
    for wrong in (X[1:].copy(), read_only, X.astype("f8"), "text"):
        with pytest.raises((ArgumentError, ArgumentTypeError), match=r"^out: "):
            run(X, wrong)
    for wrong in (0, True, "2"):
        with pytest.raises((ArgumentError, ArgumentTypeError), match=r"^workers: "):
            run(X, workers=wrong)
    with pytest.raises(ArgumentError, match=r"^mask: "):
        run(X, mask=np.ones(X.shape, bool))


@every_kernel
@pytest.mark.parametrize("shift", [-48 * 40 - 1, -7, 0, 7, 48 * 40 + 1])
def test_out_may_overlap_when_the_way_is_short(name, shift):
    run, _ = ready(X, KERNELS[name])
    expected, start = run(X), 2000
    for call in (run, lambda x, out: fa.convolve(x, KERNELS[name], out=out)):
        room = np.zeros(3 * 2000, "f4")
        x = room[start : start + X.size].reshape(X.shape)
        out = room[start + shift : start + shift + X.size].reshape(X.shape)
        x[...] = X
        assert call(x, out) is out
        assert_same_bits(out, expected)


@every_kernel
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_touch_what_their_taps_read(name, bad):
    kernel = KERNELS[name]
    run, _ = ready(X, kernel)
    x = X.copy()
    x[11, 13] = bad
    touched = ndimage.convolve(np.isin(np.arange(X.size), 11 * 48 + 13).reshape(X.shape) * 1.0, kernel.taps) != 0
    for found in (run(x), fa.convolve(x, kernel), kernel(x)):
        assert_array_equal(~np.isfinite(found), touched)
        assert_allclose(found[~touched], run(X)[~touched])
    assert np.isfinite(run(X)).all()


# ---- calls like one before, by every door


POOL = [
    *(
        (shape, dtype, taps, mode, result)
        for shape in ((6, 7), (7, 6), (5, 6, 7))
        for dtype in ("f4", "f8", "u1")
        for taps in ([[1.0, 2.0, 4.0]], [[1.0], [2.0], [4.0]], [[0.0, 1.0], [2.0, 4.0]])
        for mode in (None, *MODES)
        for result in (None, "f4", "i2")
    )
]


def _asked(case):
    shape, dtype, taps, mode, result = case
    x = (20 * np.abs(normal(shape))).astype(dtype)
    return x, np.array(taps), {"mode": mode, "dtype": result}


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from(POOL), min_size=2, max_size=12))
def test_calls_in_any_order_are_not_confused(cases):
    for case in [*cases, *cases]:
        x, taps, named = _asked(case)
        kernel = fa.Kernel(taps)
        truth = ndimage.convolve(
            x.astype("f8"), taps.reshape((1,) * (x.ndim - 2) + taps.shape), mode=case[3] or "reflect"
        )
        expected = np.rint(truth) if case[4] == "i2" else truth
        for found in (fa.convolve(x, taps, **named), fa.convolve(x, kernel, **named), kernel(x, **named)):
            assert found.dtype == (case[4] or ("f8" if case[1] == "f8" else "f4"))
            assert_allclose(found, expected, rtol=1e-5, atol=1e-4)
        turned = fa.correlate(x, kernel.flip(), **named)
        assert_allclose(turned, expected, rtol=1e-5, atol=1e-4)


def test_taps_that_change_in_place_are_read_again():
    taps = np.array([[1.0, 2.0, 3.0]])
    for factor in range(1, 6):
        taps[0, 0] = factor
        for _ in range(3):
            assert_allclose(fa.convolve(X, taps), ndimage.convolve(X, taps.astype("f4")), rtol=1e-5, atol=1e-5)


def test_kernels_that_take_the_place_of_others_are_themselves():
    for factor in range(200):  # many of them have the same address
        kernel = fa.Kernel([[1.0, factor, 3.0]])
        assert_allclose(kernel(X[:4, :5].copy()), ndimage.convolve(X[:4, :5], kernel.taps), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize(
    ("argument", "wrong"),
    [("cval", False), ("keep_nan", 0), ("groups", True), ("stride", 1.0), ("min_weight", True), ("nan", X)],
    ids=lambda value: value if isinstance(value, str) else "wrong",
)
def test_what_equals_a_default_is_no_default(argument, wrong):
    for _ in range(3):
        fa.convolve(X, KERNELS["final"])
        with pytest.raises((ArgumentError, ArgumentTypeError), match=rf"^{argument}: "):
            fa.convolve(X, KERNELS["final"], **{argument: wrong})


def test_the_sign_of_zero_beyond_the_border_is_kept():
    x, kernel = np.full((4, 5), -0.0, "f4"), fa.Kernel([[1.0, 0.0, 0.0]])
    for _ in range(3):
        assert not np.signbit(fa.convolve(x, kernel, "constant")).all()
        assert np.signbit(fa.convolve(x, kernel, "constant", -0.0)).all()


def test_each_call_warns_of_colours():
    x = np.ones((9, 8, 3), "f4")
    for _ in range(4):
        with pytest.warns(fa.errors.AxesWarning):
            fa.convolve(x, fa.box(3, ndim=2))


def test_a_method_that_was_measured_replaces_the_plan_of_the_short_way(monkeypatch, tmp_path):
    monkeypatch.setenv("FALTUNG_CACHE", str(tmp_path))
    kernel = fa.gaussian(1.5)
    for _ in range(3):
        fa.convolve(X, kernel)
    measured = fa.plan(X, kernel, effort="measure")
    assert_same_bits(fa.convolve(X, kernel), measured(X))
    forget()


# ---- memory, threads, processes, interpreters


@every_kernel
def test_nothing_of_the_user_is_kept(name):
    run, _ = ready(X, KERNELS[name])
    x, out = X.copy(), X.copy()
    run(x, out)
    fa.convolve(x, KERNELS[name], out=out)
    found = weakref.ref(x), weakref.ref(out), weakref.ref(run(x))
    del x, out
    gc.collect()
    assert [one() for one in found] == [None] * 3


def test_references_are_neither_lost_nor_gained():
    run, fill = ready(X, KERNELS["final"])
    out = run(X)
    things = X, out, run.ready.dtype, X.dtype, run.ready.run
    before = [sys.getrefcount(thing) for thing in things]
    for _ in range(5000):
        assert fill(X, out) == FILLED
        assert fill(X[1:], out) == REFUSED
    assert max(abs(sys.getrefcount(thing) - count) for thing, count in zip(things, before, strict=True)) < 100


@pytest.mark.parametrize("shape", [(40, 48), (250, 240)])
def test_threads_share_the_short_way(shape):
    x = normal(shape)
    arrays = [x * np.float32(k + 1) for k in range(5)]
    for kernel in (*KERNELS.values(), fa.Kernel(normal((7, 7), "f8"))):
        run, _ = ready(x, kernel)
        expected = [run(one) for one in arrays]
        start = threading.Barrier(len(arrays))

        def again_and_again(x, start=start, kernel=kernel):
            start.wait(10)
            return [fa.convolve(x, kernel) for _ in range(40)]

        with ThreadPoolExecutor(len(arrays)) as threads:
            for results, alone in zip(threads.map(again_and_again, arrays), expected, strict=True):
                for result in results:
                    assert_same_bits(result, alone)


def test_calls_that_follow_at_once_are_shared_and_others_only_while_the_process_is_at_work(monkeypatch):
    x = normal((400, 500))
    run, _ = ready(x, fa.gaussian(1.0))
    assert run.ready.shared
    assert not run.ready.long
    shared, team = [], entry.team
    monkeypatch.setattr(entry, "team", lambda helpers: shared.append(helpers) or team(helpers))
    pace = entry._Pace()
    monkeypatch.setattr(entry, "_pace", pace)
    with fa.workers(2):
        first = run(x)
        shared.clear()
        assert pace._last > 0
        pace._last = entry.perf_counter() + 60  # as if a call ended just now, however late this thread goes on
        assert_same_bits(run(x), first)
        assert shared == [1]
        for seconds, worked, helped in ((1.0, 0, False), (1.0, 31, True), (1.2e-4, 31, False)):
            shared.clear()
            run.ready.seconds = seconds
            pace._last, pace._worked = entry.perf_counter() - 60, entry.process_time() - worked
            assert_same_bits(run(x), first)
            assert bool(shared) == helped
    with fa.workers(1):
        shared.clear()
        pace._last = entry.perf_counter() + 60
        assert_same_bits(run(x), first)
        assert not shared


def test_a_long_call_lets_other_threads_run():
    x, kernel = normal((400, 512)), fa.Kernel(normal((9, 9), "f8"))
    run, _ = ready(x, kernel, method="direct")
    assert run.seconds > module._LONG
    turns, over = [], threading.Event()

    def count():
        while not over.is_set():
            turns.append(0)

    other = threading.Thread(target=count)
    other.start()
    try:
        for _ in range(20):
            run(x)
    finally:
        over.set()
        other.join()
    assert turns


@pytest.mark.skipif(not hasattr(sys, "getrefcount") or sys.platform == "win32", reason="needs os.fork")
def test_the_short_way_survives_a_fork():
    code = """
import os, numpy as np, faltung as fa
x, kernel = np.arange(600, dtype="f4").reshape(20, 30), fa.gaussian(1.0)
expected = [fa.convolve(x, kernel) for _ in range(4)][-1]
child = os.fork()
same = all(np.array_equal(fa.convolve(x, kernel), expected) for _ in range(4))
if child == 0:
    os._exit(0 if same else 1)
assert same and os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_headers_are_read_as_they_are():
    assert module._headers_are_known()


@every_kernel
def test_where_headers_look_different_the_long_way_is_taken(monkeypatch, name):
    expected = fa.plan(X, KERNELS[name])(X)
    monkeypatch.setattr(module, "_maker", lambda: None)
    forget()
    run = fa.plan(X, KERNELS[name])
    for _ in range(4):
        assert_same_bits(run(X), expected)
        assert_same_bits(fa.convolve(X, KERNELS[name]), expected)
        place = X.copy()
        assert_same_bits(run(place, place), expected)
    assert run.ready is None
    forget()


def test_other_headers_are_noticed(monkeypatch):
    monkeypatch.setattr(module, "_HEAD", module._HEAD + 8)
    assert not module._headers_are_known()
