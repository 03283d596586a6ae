"""A team: threads in machine code that share calls, sleep when there are none, and are woken for long ones."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

import faltung as fa
from faltung.engines.calls import team as team_module
from faltung.engines.calls.team import Calls, Team, most_helpers
from faltung.engines.calls.team import team as team_of
from faltung.engines.calls.team_code import BUSY, WORDS, word
from faltung.jit.compile import address, compile_function
from faltung.jit.target import host

rng = np.random.default_rng(4)


@pytest.fixture
def make_team():
    """Make teams whose helpers end with the test."""
    made = []

    def make(helpers):
        made.append(Team(helpers))
        made[-1].board(helpers + 1)  # so that all of them are started
        return made[-1]

    yield make
    for team in made:
        team.end()


def wait_until(ready):
    until = time.monotonic() + 20
    while not ready():
        assert time.monotonic() < until
        time.sleep(1e-4)


def asleep(team):
    """Return for each helper whether it sleeps."""
    return team._board[WORDS::2] != 0


def run_together(calls):
    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(lambda call: call(), calls))


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

    fits, room = True, 0

    def __init__(self, text, name, number=0):
        self.function = compile_function(text, name, [ctypes.c_void_p] * 4, host())
        self.code = address(self.function), number


@pytest.mark.parametrize("helpers", [0, 1, 3])
def test_a_team_makes_every_call_once(make_team, helpers):
    team, rounds = make_team(helpers), 2000
    for count in (1, 2, 7, 40):
        part, counted = Part(COUNT, "count"), np.zeros(count + 1, np.int64)
        calls = Calls([part] * count, [8 * k for k in range(count)])
        for _ in range(rounds // count):
            assert not team(calls, 0, counted.ctypes.data)
        assert_array_equal(counted, [*[rounds // count] * count, 0])


@pytest.mark.parametrize("helpers", [0, 2])
def test_what_any_call_returned_is_known(make_team, helpers):
    team, counted = make_team(helpers), np.zeros(1, np.int64)
    parts = [Part(COUNT, "count", number) for number in (0, 0, 4, 0, 1, 0)]
    for _ in range(50):
        assert team(Calls(parts, [0] * 6), 0, counted.ctypes.data)
        assert not team(Calls(parts[:2], [0] * 2), 0, counted.ctypes.data)
    assert counted[0] == 50 * 8


@pytest.mark.parametrize("helpers", [0, 2])
def test_the_calls_that_returned_something_are_known_by_number(make_team, helpers):
    team, counted = make_team(helpers), np.zeros(1, np.int64)
    parts = [Part(COUNT, "count", number) for number in (0, 7, 0, 0, 1, 0)]
    for _ in range(50):
        assert team(Calls(parts, [0] * 6, long=True), 0, counted.ctypes.data) == [1, 4]
        assert not team(Calls(parts[2:4], [0] * 2, long=True), 0, counted.ctypes.data)


def test_every_call_has_samples_and_outputs_of_its_own(make_team):
    team, begun, counted = make_team(1), np.zeros(6, np.int64), np.zeros(6, np.int64)
    read, written = Part(MEET, "meet", 1), Part(COUNT, "count")
    parts, targets, sources = [read, written] * 3, [0, 40, 0, 8, 0, 16], [8, 0, 24, 0, 0, 0]
    assert not team(Calls(parts, targets, sources), begun.ctypes.data, counted.ctypes.data)
    assert begun.tolist() == [1, 1, 0, 1, 0, 0]
    assert counted.tolist() == [0, 1, 1, 0, 0, 1]


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


def test_helpers_take_part(make_team):
    team, calls = make_team(2), Calls([Part(MEET, "meet", 3)] * 3, [0] * 3, long=True)
    for pause in (0, 0, 1e-4, 1e-3, 1e-2):
        begun = np.zeros(1, np.int64)
        assert team(calls, begun.ctypes.data, 0) == ()
        assert begun[0] == 3
        time.sleep(pause)


def test_helpers_sleep_and_are_woken_one_by_another(make_team):
    team, calls = make_team(3), Calls([Part(MEET, "meet", 4)] * 4, [0] * 4, long=True)
    for _ in range(3):
        wait_until(lambda: asleep(team).all())
        begun = np.zeros(1, np.int64)
        assert team(calls, begun.ctypes.data, 0) == ()
        assert begun[0] == 4


def test_a_single_call_wakes_nobody(make_team):
    team, counted = make_team(2), np.zeros(1, np.int64)
    wait_until(lambda: asleep(team).all())
    for _ in range(20):
        team(Calls([Part(COUNT, "count")], [0], long=True), 0, counted.ctypes.data)
    assert asleep(team).all()
    assert counted[0] == 20


def test_a_busy_team_does_not_begin_long_calls(make_team):
    team, counted = make_team(1), np.zeros(1, np.int64)
    team._board[BUSY] = 1  # as while another thread leads
    before = team._board[: word("busy")].copy()
    assert team(Calls([Part(COUNT, "count")], [0], long=True), 0, counted.ctypes.data) is None
    assert counted[0] == 0
    assert team(Calls([Part(COUNT, "count")], [0]), 0, counted.ctypes.data) == ()
    assert counted[0] == 1
    assert_array_equal(team._board[: word("busy")], before)


def test_helpers_that_were_woken_in_vain_are_woken_less_often(make_team):
    team, counted = make_team(1), np.zeros(2, np.int64)
    wait_until(lambda: asleep(team).all())
    brief, long = (Calls([Part(COUNT, "count")] * 2, [0, 8], long=long) for long in (False, True))
    for passes in (3, 63):
        team._board[word("passes")], team._board[word("passed")] = passes, 0
        for _ in range(passes):
            assert asleep(team).all()
            team(brief, 0, counted.ctypes.data)
        assert team._board[word("passed")] == passes
        team(brief, 0, counted.ctypes.data)
        wait_until(lambda: team._board[word("passed")] == 0)  # it was woken, and sleeps again
        wait_until(lambda: asleep(team).all())
        # It came in vain, if the caller had made both calls before.
        assert team._board[word("passes")] in (0, min(2 * passes + 1, 63))
    team._board[word("passes")], team._board[word("passed")] = 63, 0
    team(long, 0, counted.ctypes.data)
    wait_until(lambda: team._board[word("passes")] in (0, 63) and asleep(team).all())
    assert team._board[word("passed")] == 0


def test_a_caller_whose_helper_is_kept_from_work_sleeps_until_it_has_done_it(make_team):
    naps, words, counted = [], np.zeros(2, np.int64), np.zeros(2, np.int64)

    @ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int32)
    def nap(long):
        naps.append(long)
        words[0] = len(naps) >= 3
        return 0

    team, part = make_team(1), Part(HOLD, "hold")
    team._board[word("nap")], team._board[word("nap_time")] = ctypes.cast(nap, ctypes.c_void_p).value, 7
    calls = Calls([part, part], [0, 8], [0, 8], long=True)
    for _ in range(50):
        words[:] = counted[:] = 0
        with ThreadPoolExecutor(1) as other:
            led = other.submit(team, calls, words.ctypes.data, counted.ctypes.data)
            wait_until(counted.all)  # both are in the middle of a call
            words[1] = 1  # in nearly all runs it is the caller that began the last call, and now waits for its helper
            if not naps:
                time.sleep(0.01)
            words[0] = words[0] or not naps
            assert led.result(20) == ()
        if naps:
            break
    assert len(naps) >= 3
    assert {*naps} == {7}


def test_nobody_waits_for_helpers_that_another_call_starts():
    team, counted = Team(2), np.zeros(5, np.int64)
    with team._starting:  # as in a signal handler that comes while its own thread starts them
        assert team(Calls([Part(COUNT, "count")] * 5, [8 * k for k in range(5)]), 0, counted.ctypes.data) == ()
    assert counted.tolist() == [1] * 5
    assert not team._threads


def test_a_number_of_helpers_is_one_team_and_no_more_than_cores(monkeypatch):
    assert len({id(made) for made in run_together([lambda: team_of(5)] * 8)}) == 1
    for cores, workers, helpers in ((4, None, 3), (4, 3, 2), (4, 1, 0), (4, 1000, 3), (1, 8, 0)):
        monkeypatch.setattr(team_module, "core_count", lambda cores=cores: cores)
        assert most_helpers(workers) == helpers


def test_helpers_are_started_for_the_calls_there_are_and_end():
    before = threading.active_count()
    team, counted = Team(3), np.zeros(5, np.int64)
    for calls, helpers in ((1, 0), (2, 1), (3, 2), (40, 3), (2, 3)):
        team.board(calls)
        assert threading.active_count() == before + helpers
    team.end()
    assert threading.active_count() == before
    calls = Calls([Part(COUNT, "count")] * 5, [8 * k for k in range(5)], long=True)
    assert team(calls, 0, counted.ctypes.data) == ()
    assert counted.tolist() == [1] * 5


def test_a_process_ends_while_its_helpers_sleep_or_look_out():
    code = """
import time, numpy as np, faltung as fa
x = np.ones((700, 800), "f4")
fa.convolve(x, fa.box(5), workers=3)
time.sleep({})
"""
    for pause in (0, 0.05):
        done = subprocess.run([sys.executable, "-c", code.format(pause)], timeout=60, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


def test_whoever_finds_a_team_busy_works_alone(make_team):
    team, rounds, callers = make_team(1), 500, 4
    calls = Calls([Part(COUNT, "count")] * 5, [8 * k for k in range(5)])

    def again_and_again():
        counted = np.zeros(5, np.int64)
        for _ in range(rounds):
            team(calls, 0, counted.ctypes.data)
        return counted

    for counted in run_together([again_and_again] * callers):
        assert_array_equal(counted, [rounds] * 5)


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
