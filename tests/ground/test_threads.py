"""Threads: how many work on a call, calls from many at once, and processes that fork."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

import faltung as fa
from faltung import ArgumentError, ArgumentTypeError
from faltung.ground import threads
from faltung.ground.threads import share, worker_count

rng = np.random.default_rng(4)

# ---- how many ----------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _no_setting(monkeypatch):
    monkeypatch.delenv("FALTUNG_WORKERS", raising=False)


def test_all_cores_by_default(monkeypatch):
    if hasattr(os, "sched_getaffinity"):
        assert worker_count() == len(os.sched_getaffinity(0))
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 5})
        assert worker_count() == 3
        monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 11)
    assert worker_count() == 11
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert worker_count() == 1


def test_the_setting_nearest_to_the_call_is_used(monkeypatch):
    monkeypatch.setenv("FALTUNG_WORKERS", "5")
    assert worker_count() == 5
    with fa.workers(4):
        assert worker_count() == 4
        with fa.workers(np.int8(3)):
            assert worker_count() == 3
            assert worker_count(2) == 2
        assert worker_count() == 4
    assert worker_count() == 5
    for wrong in ("five", "9" * 5000):
        monkeypatch.setenv("FALTUNG_WORKERS", wrong)
        with pytest.raises(fa.ArgumentTypeError, match="FALTUNG_WORKERS: expected a positive integer"):
            worker_count()
    monkeypatch.setenv("FALTUNG_WORKERS", "")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 5, 7, 9, 11, 13}, raising=False)
    assert worker_count() == 7


def test_an_error_leaves_no_setting_behind(monkeypatch):
    monkeypatch.setenv("FALTUNG_WORKERS", "5")
    with pytest.raises(ZeroDivisionError), fa.workers(4):
        raise ZeroDivisionError
    assert worker_count() == 5


def test_a_setting_holds_in_its_own_thread_only(monkeypatch):
    monkeypatch.setenv("FALTUNG_WORKERS", "5")
    with fa.workers(4), ThreadPoolExecutor(1) as other:
        assert other.submit(worker_count).result() == 5
        assert worker_count() == 4


def test_a_setting_can_decorate_a_function(monkeypatch):
    monkeypatch.setenv("FALTUNG_WORKERS", "5")
    decorated = fa.workers(2)(worker_count)
    assert [decorated(), decorated(), worker_count()] == [2, 2, 5]


@pytest.mark.parametrize(
    ("count", "kind", "message"),
    [
        (0, ArgumentError, "expected a positive integer, got 0. Use 1 to stay in the calling thread."),
        (-3, ArgumentError, "expected a positive integer, got -3. Use 1 to stay in the calling thread."),
        (2.0, ArgumentTypeError, "expected a positive integer, got 2.0. Use 2."),
        ("2", ArgumentTypeError, "expected a positive integer, got '2'."),
        (True, ArgumentTypeError, "expected a positive integer, got True. Use 1."),
        (np.array(2.0), ArgumentTypeError, "expected a positive integer, got array(2.). Use 2."),
        (np.array([1, 2]), ArgumentTypeError, "expected a positive integer, got array([1, 2])."),
    ],
)
def test_wrong_numbers(count, kind, message):
    with pytest.raises(kind) as caught, fa.workers(count):
        pass
    assert str(caught.value) == f"count: {message}"
    with pytest.raises(kind) as caught:
        worker_count(count)
    assert str(caught.value) == f"workers: {message}"


@pytest.mark.parametrize(
    ("text", "kind"), [("0", ArgumentError), ("-1", ArgumentTypeError), ("all", ArgumentTypeError)]
)
def test_wrong_settings(monkeypatch, text, kind):
    monkeypatch.setenv("FALTUNG_WORKERS", text)
    with pytest.raises(kind, match="FALTUNG_WORKERS: expected a positive integer, got "):
        fa.convolve(np.ones((600, 600)), np.ones((3, 3)))


# ---- sharing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 5, 50])
def test_every_item_is_worked_on_once(count):
    done = []
    share(done.append, range(37), count)
    assert sorted(done) == [*range(37)]


def test_one_worker_stays_in_the_calling_thread():
    used = set()
    share(lambda _: used.add(threading.get_ident()), range(9), 1)
    assert used == {threading.get_ident()}


@pytest.mark.parametrize("count", [2, 4, 3])
def test_as_many_threads_work_as_were_asked_for(count):
    together = threading.Barrier(count)
    used = set()

    def work(_):
        together.wait(10)  # broken, and so an error, unless all of them are here at the same time
        used.add(threading.get_ident())

    share(work, range(count), count)
    assert len(used) == count
    assert threading.get_ident() in used


@pytest.mark.parametrize("who", ["caller", "helper"])
def test_an_error_is_raised_and_no_thread_starts_another_item(who):
    started = []
    caller = threading.get_ident()

    def work(item):
        started.append(item)
        if (threading.get_ident() == caller) == (who == "caller"):
            raise ZeroDivisionError
        time.sleep(0.01)

    with pytest.raises(ZeroDivisionError):
        share(work, range(1000), 3)
    assert len(started) < 20


def test_no_thread_works_when_a_call_is_over():
    # Arrays may be freed when a call has returned, even if it raised an error.
    for _ in range(5):
        all_started = threading.Barrier(8)
        still_working = []

        def work(item, all_started=all_started, still_working=still_working):
            all_started.wait(10)
            if item < 6:
                raise ZeroDivisionError
            still_working.append(item)
            time.sleep(0.1)
            still_working.remove(item)

        with pytest.raises(ZeroDivisionError):
            share(work, range(8), 8)
        assert not still_working


def test_no_call_waits_for_a_thread_that_has_not_started(monkeypatch):
    monkeypatch.setattr(threads, "_crew", threads._Crew())  # it has a single helper, which is kept busy
    together, release, done = threading.Barrier(3), threading.Event(), []

    def hold(_):
        together.wait(10)
        if not release.wait(10):
            raise TimeoutError

    with ThreadPoolExecutor(1) as other:
        first = other.submit(share, hold, range(2), 2)
        together.wait(10)
        share(done.append, range(3), 2)
        release.set()
        first.result()
    assert done == [0, 1, 2]


def test_helpers_are_as_many_as_the_call_that_wanted_most_and_are_used_again():
    crew, release, threads_seen = threads._Crew(), threading.Event(), []

    def hold():
        threads_seen.append(threading.get_ident())
        release.wait(10)

    tasks = [task for count in (2, 3, 1) for task in crew.start(hold, count)]
    release.set()
    wait_until(lambda: all(task.done() for task in tasks))
    assert len(threads_seen) == 6
    assert len({*threads_seen}) == 3
    wait_until(lambda: len(crew.asleep) == 3)
    again = crew.start(hold, 1)
    wait_until(again[0].done)
    assert threads_seen[-1] in threads_seen[:-1]
    crew.end()
    assert not any(helper.thread.is_alive() for helper in crew.helpers)
    assert crew.start(hold, 2) == []


def test_a_helper_outlives_an_error_and_keeps_nothing():
    class Held:
        pass

    crew, held = threads._Crew(), Held()
    gone = weakref.ref(held)

    def fail(held=held):
        raise SystemExit

    tasks = crew.start(fail, 1)
    del fail, held
    wait_until(tasks[0].done)
    wait_until(lambda: len(crew.asleep) == 1)
    gc.collect()
    assert gone() is None
    done = threading.Event()
    crew.start(done.set, 1)
    assert done.wait(10)
    assert len(crew.helpers) == 1
    crew.end()


def wait_until(condition):
    stop = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < stop
        time.sleep(0.001)


# ---- many callers at once ----------------------------------------------------------------------------------


def run_together(calls):
    """Results of functions that start at the same moment, each in a thread of its own."""
    start = threading.Barrier(len(calls))

    def one(call):
        start.wait(10)
        return call()

    with ThreadPoolExecutor(len(calls)) as callers:
        return [future.result() for future in [callers.submit(one, call) for call in calls]]


def scattered(shape):
    """A kernel with a pattern of taps that no other test has compiled."""
    return rng.standard_normal(shape) * (rng.random(shape) < 0.5)


def test_first_calls_race_to_compile():
    x = rng.standard_normal((300, 500))
    kernels = [scattered((4, 6)) for _ in range(3)]
    calls = [lambda taps=taps: fa.convolve(x, taps, workers=2) for taps in kernels for _ in range(4)]
    results = run_together(calls)
    for taps, four in zip(kernels, zip(*[iter(results)] * 4, strict=True), strict=True):
        assert_allclose(four[0], ndimage.convolve(x, taps), atol=1e-12)
        for other in four[1:]:
            assert_array_equal(other, four[0])


def test_one_plan_serves_many_callers():
    arrays = [rng.standard_normal((130, 260)).astype("f4") for _ in range(8)]
    views = [[x, np.asfortranarray(x), x[::-1], np.repeat(x, 2, 1)[:, ::2]][k % 4] for k, x in enumerate(arrays)]
    run = fa.plan((130, 260), scattered((5, 5)))
    alone = [run(view, workers=1) for view in views]

    def again_and_again(view):
        return [run(view, workers=3) for _ in range(10)]

    together = run_together([lambda view=view: again_and_again(view) for view in views])
    for expected, found in zip(alone, together, strict=True):
        for result in found:
            assert_array_equal(result, expected)


def test_many_callers_with_many_plans():
    x = rng.standard_normal(50_000)
    kernels = [rng.standard_normal(size) for size in range(1, 9)]
    expected = [fa.convolve(x, taps) for taps in kernels]

    def all_kernels(first):
        order = [(first + k) % len(kernels) for k in range(len(kernels))]
        return {k: fa.convolve(x, kernels[k], workers=1 + first % 3) for k in order}

    for found in run_together([lambda first=first: all_kernels(first) for first in range(8)]):
        for k, result in found.items():
            assert_array_equal(result, expected[k])


# ---- other processes ---------------------------------------------------------------------------------------


def run_program(text, *, limit=60):
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=limit)
    assert done.returncode == 0, done.stderr
    return done.stdout


PREPARE = """
import os, signal, sys, threading
import numpy as np
import faltung as fa

rng = np.random.default_rng(0)
x = rng.standard_normal((300, 500))
signal.alarm(50)  # whoever waits for ever is ended

def same(taps, expected):
    return np.array_equal(fa.convolve(x, taps, workers=3), expected)
"""

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")


@needs_fork
def test_fork_after_use():
    out = run_program(
        PREPARE
        + """
expected = fa.convolve(x, np.ones((3, 3)), workers=3)
fresh = rng.standard_normal((2, 7))
child = os.fork()
if not child:
    signal.alarm(20)
    os._exit(0 if same(np.ones((3, 3)), expected) and same(2 * np.ones((3, 3)), 2 * expected)
             and np.isfinite(fa.convolve(x, fresh)).all() else 1)
print(os.waitpid(child, 0)[1], same(np.ones((3, 3)), expected))
"""
    )
    assert out.split() == ["0", "True"]


@needs_fork
def test_a_pool_of_forked_processes():
    out = run_program(
        PREPARE
        + """
import multiprocessing

def row_sums(seed):
    y = np.random.default_rng(seed).standard_normal((300, 500))
    return fa.convolve(y, np.ones((3, 3)), workers=2).sum(1)

expected = [row_sums(seed) for seed in range(6)]
with multiprocessing.get_context("fork").Pool(2) as pool:
    found = pool.map(row_sums, range(6))
print(np.array_equal(expected, found))
"""
    )
    assert out.split() == ["True"]


@needs_fork
def test_fork_while_another_thread_compiles():
    # The child inherits locks as they are, and not the thread that would release them.
    out = run_program(
        PREPARE
        + """
compiling = threading.Event()
stop = False

def compile_on_and_on():
    while not stop:
        compiling.set()
        fa.convolve(x[:20, :20], rng.standard_normal((5, 9)) * (rng.random((5, 9)) < 0.7))

thread = threading.Thread(target=compile_on_and_on)
thread.start()
compiling.wait()
ends = []
for _ in range(4):
    child = os.fork()
    if not child:
        signal.alarm(5)
        own = np.random.default_rng(os.getpid())  # the other one may have been in use, and locked
        taps = own.standard_normal((6, 6))
        taps[own.random((6, 6)) < 0.3] = 0
        os._exit(0 if np.isfinite(fa.convolve(x, taps, workers=2)).all() else 1)
    ends.append(os.waitpid(child, 0)[1])
stop = True
thread.join()
print(*ends)
"""
    )
    assert out.split() == ["0"] * 4


@needs_fork
def test_fork_while_a_team_is_awake():
    out = run_program(
        PREPARE
        + """
kernel = fa.gaussian(1.0)
x = rng.standard_normal((400, 500)).astype("f4")
expected = fa.convolve(x, kernel, workers=1)
ends = []
for _ in range(5):
    same = [np.array_equal(fa.convolve(x, kernel, workers=3), expected) for _ in range(5)]
    child = os.fork()
    if not child:
        signal.alarm(5)
        os._exit(0 if all(np.array_equal(fa.convolve(x, kernel, workers=3), expected) for _ in range(20)) else 1)
    same += [np.array_equal(fa.convolve(x, kernel, workers=3), expected) for _ in range(5)]
    ends += [os.waitpid(child, 0)[1], all(same)]
print(*ends)
"""
    )
    assert out.split() == ["0", "True"] * 5


def test_a_team_while_the_interpreter_ends():
    out = run_program(
        """
import atexit
import numpy as np
import faltung as fa

def filtered():
    return fa.convolve(np.ones((400, 500), "f4"), fa.gaussian(1.0), workers=3).min().round(5)

atexit.register(lambda: print(filtered()))
print(filtered())
"""
    )
    assert out.split() == ["1.0", "1.0"]


def test_a_call_while_the_interpreter_ends():
    out = run_program(
        """
import atexit
import numpy as np
import faltung as fa

def last_words():
    print(fa.convolve(np.ones((600, 600)), np.ones((3, 3)), workers=2).min())

atexit.register(last_words)
"""
    )
    assert out.split() == ["9.0"]
