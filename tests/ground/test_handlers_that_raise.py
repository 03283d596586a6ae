"""Exceptions of signal handlers, at any moment and several at a time: nobody works on, and nobody waits for ever."""

from __future__ import annotations

import faulthandler
import random
import signal
import sys
import threading
import time

import numpy as np
import pytest

import faltung as fa
from faltung.ground import threads
from faltung.ground.gate import Gate
from faltung.ground.threads import share

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no such timer")

#: Seconds for which calls are interrupted.
LONG = 0.7


class Interrupt(BaseException):
    """What the handler raises."""


class Timer:
    """Raises exceptions in the main thread, again and again, until it is told to stop."""

    def __init__(self):
        self.armed, self.draw = False, random.Random(5)
        self.before = signal.signal(signal.SIGALRM, self.handle)

    def handle(self, *_):
        if self.armed:  # a signal may come late, by way of another thread
            raise Interrupt

    def interrupts(self, call, longest):
        """Make a call; return whether it was ended."""
        ended = False
        try:
            try:
                self.armed = True
                signal.setitimer(
                    signal.ITIMER_REAL, self.draw.uniform(1e-6, longest), self.draw.choice((0, 2e-5, 1e-4))
                )
                call()
            finally:
                self.armed = False
        except Interrupt:
            ended = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        return ended

    def stop(self):
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.before)


@pytest.fixture
def timer(monkeypatch):
    # What is raised while Python's own threads clean up is lost; a hook that says so would be interrupted, too.
    monkeypatch.setattr(sys, "unraisablehook", lambda *_: None)
    timer = Timer()
    faulthandler.dump_traceback_later(60, exit=True)  # whoever waits for ever is ended
    yield timer
    faulthandler.cancel_dump_traceback_later()
    timer.stop()


def test_no_thread_works_when_a_call_was_ended(timer):
    working, ended, rounds, stop = [], 0, 0, time.monotonic() + LONG

    def work(item):
        working.append(item)
        time.sleep(2e-5)
        working.remove(item)

    def call():
        share(work, range(12), 3)

    while time.monotonic() < stop:
        rounds += 1
        ended += timer.interrupts(call, 1e-3)
        mine = [*working]  # the item that this thread was at, and no other one
        assert len(mine) <= 1
        time.sleep(1e-4)
        assert working == mine
        working.clear()
    assert ended > 10
    done = []
    share(done.append, range(100), 3)
    assert sorted(done) == [*range(100)]


def test_all_helpers_come_back(timer, monkeypatch):
    crew = threads._Crew()
    monkeypatch.setattr(threads, "_crew", crew)
    stop = time.monotonic() + LONG
    while time.monotonic() < stop:
        timer.interrupts(lambda: threads.start(lambda: None, 2), 1e-4)
    assert len(crew.helpers) <= 2
    together = threading.Barrier(3)
    share(lambda _: together.wait(20), range(3), 3)  # broken, and so an error, unless two helpers come
    crew.end()
    assert not any(helper.thread.is_alive() for helper in crew.helpers)


def test_results_are_right_afterwards(timer):
    rng = np.random.default_rng(3)
    image, small = rng.random((400, 500), dtype=np.float32), rng.random((64, 64))
    filters = [
        lambda: fa.convolve(image, fa.gaussian(1.5), workers=2),
        lambda: fa.convolve(image, np.ones((21, 21)), method="fourier", workers=3),
        lambda: fa.convolve(small, rng.random((3, 3))) * 0,
        lambda: fa.convolve(image, fa.Bank(np.ones((3, 1, 9, 9))), workers=2),
    ]
    expected, ended, stop = [call() for call in filters], 0, time.monotonic() + LONG
    while time.monotonic() < stop:
        k = int(rng.integers(len(filters)))
        ended += timer.interrupts(filters[k], 2e-3)
    assert ended
    others = [threading.Thread(target=lambda: [call() for call in filters], daemon=True) for _ in range(2)]
    for other in others:
        other.start()
    for call, before in zip(filters, expected, strict=True):
        np.testing.assert_array_equal(call(), before)
    for other in others:
        other.join(30)
        assert not other.is_alive()


def test_llvm_is_not_left_locked(timer):
    from llvmlite.binding import ffi

    first = iter([True])

    def raised():
        if not next(first, False):
            return
        if threading.get_ident() == threading.main_thread().ident:
            raise Interrupt  # as the handler does, while llvmlite holds its lock, and cannot release it any more
        signal.raise_signal(signal.SIGALRM)

    rng = np.random.default_rng()  # kernels that nobody has compiled
    image, kernels = rng.random((40, 50)), rng.random((2, 4, 6)) * (rng.random((2, 4, 6)) < 0.5)
    timer.armed = True
    ffi.register_lock_callback(raised, int)
    try:
        with pytest.raises(Interrupt):
            fa.convolve(image, kernels[0])
    finally:
        timer.armed = False
        ffi.unregister_lock_callback(raised, int)
    other = threading.Thread(target=lambda: fa.convolve(image, kernels[1]), daemon=True)
    other.start()
    other.join(30)
    assert not other.is_alive()


def test_a_gate_closes_when_all_have_left():
    gate, inside = Gate(), []
    assert gate.enter()
    assert gate.enter()
    gate.leave()
    inside.append(1)

    def close():
        gate.close()
        inside.append(2)

    closing = threading.Thread(target=close)
    closing.start()
    time.sleep(0.02)
    assert inside == [1]
    gate.leave()
    closing.join(10)
    assert inside == [1, 2]
    assert not gate.enter()


def test_a_signal_does_not_open_a_gate(timer):
    if not hasattr(signal, "pthread_kill"):
        pytest.skip("no signal can be sent to a thread")
    gate, entered, times = Gate(), threading.Event(), []

    def stay():
        gate.enter()
        entered.set()
        for _ in range(5):
            time.sleep(0.01)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGALRM)
        times.append(time.monotonic())
        gate.leave()

    staying = threading.Thread(target=stay)
    staying.start()
    entered.wait()
    timer.armed = True
    with pytest.raises(Interrupt):
        gate.close()
    timer.armed = False
    assert times
    staying.join()
    assert sys.exc_info() == (None, None, None)
