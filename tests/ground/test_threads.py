"""Threads: how many work on a call, calls from many at once, and processes that fork."""

from __future__ import annotations

import ctypes
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
from faltung.engines.calls import team as team_module
from faltung.engines.calls.team import Calls, Team
from faltung.ground import threads
from faltung.ground.threads import share, worker_count
from faltung.jit.compile import address, compile_function
from faltung.jit.target import host

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


# ---- a team ------------------------------------------------------------------------------------------------

# Adds 1 to the number at `target`, and returns the place of the table.
COUNT = """
define i32 @count(ptr %source, ptr %target, ptr %scratch, ptr %table) {
  %before = atomicrmw add ptr %target, i64 1 monotonic, align 8
  %place = ptrtoint ptr %table to i32
  ret i32 %place
}
"""
# Waits until as many calls as the table says have begun; returns 1 if they do not come.
MEET = """
define i32 @meet(ptr %source, ptr %target, ptr %scratch, ptr %table) {
entry:
  %before = atomicrmw add ptr %source, i64 1 monotonic, align 8
  %all = ptrtoint ptr %table to i64
  br label %look
look:
  %looks = phi i64 [ 0, %entry ], [ %more, %wait ]
  %begun = load atomic i64, ptr %source monotonic, align 8
  %together = icmp sge i64 %begun, %all
  br i1 %together, label %exit, label %wait
wait:
  %more = add i64 %looks, 1
  %patient = icmp slt i64 %more, 10000000000
  br i1 %patient, label %look, label %exit
exit:
  %missing = zext i1 %together to i32
  %returned = sub i32 1, %missing
  ret i32 %returned
}
"""


class Part:
    """A call of a function for tests, whose "table" is a number."""

    fits = True

    def __init__(self, text, name, number=0):
        self.function = compile_function(text, name, [ctypes.c_void_p] * 4, host())
        self.code = address(self.function), number


@pytest.mark.parametrize("helpers", [0, 1, 3])
def test_a_team_makes_every_call_once(helpers):
    team, rounds = Team(helpers), 2000
    for count in (1, 2, 7, 40):
        part, counted = Part(COUNT, "count"), np.zeros(count + 1, np.int64)
        calls = Calls([part] * count, [8 * k for k in range(count)])
        for _ in range(rounds // count):
            assert not team(calls, 0, counted.ctypes.data)
        assert_array_equal(counted, [*[rounds // count] * count, 0])


def test_helpers_take_part():
    team, begun, over = Team(2), np.zeros(1, np.int64), threading.Event()

    def help_until_it_is_over():
        while not over.is_set():
            team._help()

    with ThreadPoolExecutor(2) as helpers:
        for _ in range(2):
            helpers.submit(help_until_it_is_over)
        try:
            assert not team(Calls([Part(MEET, "meet", 3)] * 3, [0] * 3), begun.ctypes.data, 0)
        finally:
            over.set()
    assert begun[0] == 3


@pytest.mark.parametrize("helpers", [0, 2])
def test_what_any_call_returned_is_known(helpers):
    team, counted = Team(helpers), np.zeros(1, np.int64)
    parts = [Part(COUNT, "count", number) for number in (0, 0, 4, 0, 1, 0)]
    for _ in range(50):
        assert team(Calls(parts, [0] * 6), 0, counted.ctypes.data)
        assert not team(Calls(parts[:2], [0] * 2), 0, counted.ctypes.data)
    assert counted[0] == 50 * 8


@pytest.mark.parametrize("helpers", [0, 2])
def test_the_calls_that_returned_something_are_known_by_number(helpers):
    team, counted = Team(helpers), np.zeros(1, np.int64)
    parts = [Part(COUNT, "count", number) for number in (0, 7, 0, 0, 1, 0)]
    for _ in range(50):
        assert team(Calls(parts, [0] * 6, long=True), 0, counted.ctypes.data) == [1, 4]
        assert not team(Calls(parts[2:4], [0] * 2, long=True), 0, counted.ctypes.data)


def test_every_call_has_samples_and_outputs_of_its_own():
    team, begun, counted = Team(1), np.zeros(6, np.int64), np.zeros(6, np.int64)
    read, written = Part(MEET, "meet", 1), Part(COUNT, "count")
    parts, targets, sources = [read, written] * 3, [0, 40, 0, 8, 0, 16], [8, 0, 24, 0, 0, 0]
    assert not team(Calls(parts, targets, sources), begun.ctypes.data, counted.ctypes.data)
    assert begun.tolist() == [1, 1, 0, 1, 0, 0]
    assert counted.tolist() == [0, 1, 1, 0, 0, 1]


def test_a_busy_team_does_not_begin_long_calls():
    team, counted = Team(1), np.zeros(1, np.int64)
    team._board[team_module._BUSY] = 1  # as while another thread leads
    assert team(Calls([Part(COUNT, "count")], [0], long=True), 0, counted.ctypes.data) is None
    assert counted[0] == 0
    assert team(Calls([Part(COUNT, "count")], [0]), 0, counted.ctypes.data) == ()
    assert counted[0] == 1


def test_who_finds_out_too_late_that_a_team_is_busy_does_nothing_on_its_board(monkeypatch):
    team, counted = Team(1), np.zeros(1, np.int64)

    def wake(long):
        team._board[team_module._BUSY] = 1  # another thread begins

    monkeypatch.setattr(team, "_wake", wake)
    assert team(Calls([Part(COUNT, "count")], [0], long=True), 0, counted.ctypes.data) is None
    assert counted[0] == 0
    team._board[team_module._BUSY] = 0
    assert team(Calls([Part(COUNT, "count")], [0]), 0, counted.ctypes.data) == ()
    assert counted[0] == 1
    assert team._board.tolist() == [0] * 7 + [1]


def test_a_helper_is_woken_for_long_calls_however_often_it_waited_in_vain(monkeypatch):
    woken = []
    monkeypatch.setattr(team_module, "start", lambda work, count: woken.append(count) or [])
    team, counted = Team(1), np.zeros(1, np.int64)
    for _ in range(7):
        team._help()
    team(Calls([Part(COUNT, "count")], [0]), 0, counted.ctypes.data)
    assert not woken
    for _ in range(3):
        team(Calls([Part(COUNT, "count")], [0], long=True), 0, counted.ctypes.data)
    assert woken == [1, 1, 1]


# A call that is not done before the word at `source` is 1.
HOLD = """
define i32 @hold(ptr %source, ptr %target, ptr %scratch, ptr %table) {
entry:
  %before = atomicrmw add ptr %target, i64 1 monotonic, align 8
  br label %look
look:
  %word = load atomic i64, ptr %source acquire, align 8
  %wait = icmp eq i64 %word, 0
  br i1 %wait, label %look, label %exit
exit:
  ret i32 0
}
"""


def test_a_caller_whose_helper_is_kept_from_work_sleeps_until_it_has_done_it(monkeypatch):
    naps, words, counted, scratch = [], np.zeros(2, np.int64), np.zeros(2, np.int64), np.zeros(8)

    @ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int32)
    def nap(long):
        naps.append(long)
        words[0] = len(naps) >= 3
        return 0

    team, part = Team(1), Part(HOLD, "hold")
    monkeypatch.setattr(team_module, "_nap", lambda: (ctypes.cast(nap, ctypes.c_void_p).value, 7))
    monkeypatch.setattr(team, "_wake", lambda long: None)
    calls = Calls([part, part], [0, 8], [0, 8])
    with ThreadPoolExecutor(2) as both:
        led = both.submit(team, calls, words.ctypes.data, counted.ctypes.data)
        wait_until(lambda: counted[1] == 1)
        both.submit(team._serve, team._board.ctypes.data, scratch.ctypes.data, 1)
        wait_until(lambda: counted[0] == 1)
        words[1] = 1
        assert led.result(20) == ()
    assert len(naps) >= 3
    assert {*naps} == {7}


def test_a_helper_that_left_too_early_comes_back(monkeypatch):
    team, served = Team(1), []

    def serve(*_):
        served.append(int(team._board[0]))
        team._board[0] = (1 << 32) + 3 if len(served) == 1 else 1 << 32  # three calls come just after the first look
        return len(served) - 1

    monkeypatch.setattr(team, "_serve", serve)
    team._help()
    assert len(served) == 2


def test_whoever_finds_a_team_busy_works_alone():
    team, rounds, callers = Team(1), 500, 4
    calls = Calls([Part(COUNT, "count")] * 5, [8 * k for k in range(5)])

    def again_and_again():
        counted = np.zeros(5, np.int64)
        for _ in range(rounds):
            team(calls, 0, counted.ctypes.data)
        return counted

    for counted in run_together([again_and_again] * callers):
        assert_array_equal(counted, [rounds] * 5)


def test_helpers_that_look_out_in_vain_are_woken_less_often(monkeypatch):
    woken = []
    monkeypatch.setattr(team_module, "start", lambda work, count: woken.append(count) or [])
    team, counted = Team(1), np.zeros(1, np.int64)
    calls = Calls([Part(COUNT, "count")], [0])
    passes = []
    for _ in range(8):
        team._help()  # nobody calls meanwhile
        woken.clear()
        while not woken:
            team(calls, 0, counted.ctypes.data)
        passes.append(counted[0] - 1)
        counted[0] = 0
    assert passes == [1, 3, 7, 15, 31, 63, 63, 63]


@pytest.mark.parametrize("dtype", ["f4", "u1", "f8"])
def test_a_team_changes_no_bit(dtype):
    x = (200 * rng.random((400, 500))).astype(dtype)
    kernel = fa.gaussian(1.3)
    assert fa.plan(x, kernel).runner.one_call.calls is not None
    expected = fa.convolve(x, kernel, workers=1)
    truth = ndimage.convolve(x.astype("f8"), kernel.taps)
    assert_allclose(expected, truth, rtol=1e-5 if expected.dtype == "f4" else 1e-12)
    for workers in (2, 3, None):
        for _ in range(30):
            assert_array_equal(fa.convolve(x, kernel, workers=workers), expected)


def test_a_team_leaves_what_is_not_finite_to_be_repaired():
    x = rng.standard_normal((400, 500)).astype("f4")
    x[7, 9], x[300, 499], x[222, 222] = np.nan, np.inf, -np.inf
    kernel = fa.sobel(0) * fa.gaussian(1.0)
    assert fa.plan(x, kernel, method="separable").runner.one_call.calls is not None
    expected = fa.convolve(x, kernel, method="direct")
    found = fa.convolve(x, kernel, method="separable", workers=2)
    assert_array_equal(np.isnan(found), np.isnan(expected))
    assert_array_equal(np.isinf(found), np.isinf(expected))
    finite = np.isfinite(expected)
    assert_allclose(found[finite], expected[finite], atol=1e-5)
    assert_array_equal(found, fa.convolve(x, kernel, method="separable", workers=1))


def test_a_team_may_write_where_it_reads():
    x = rng.standard_normal((400, 500)).astype("f4")
    expected = fa.convolve(x, fa.gaussian(1.0))
    assert_array_equal(fa.convolve(x, fa.gaussian(1.0), out=x, workers=2), expected)


def test_many_callers_of_a_team():
    images = [rng.standard_normal((400, 500)).astype("f4") for _ in range(5)]
    run = fa.plan(images[0], fa.gaussian(1.0))
    alone = [run(x, workers=1) for x in images]
    calls = [lambda x=x: [run(x, workers=2) for _ in range(20)] for x in images]
    for expected, found in zip(alone, run_together(calls), strict=True):
        for result in found:
            assert_array_equal(result, expected)


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
