"""Ctrl-C during a long convolution: it acts soon, and nothing is written afterwards."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest

from faltung.ground.threads import share

#: What takes several seconds: an array, a kernel and other arguments.
LONG = {
    "image": "rng.random((4000, 4000)), rng.random((101, 101)), {'method': 'direct'}",
    "large kernel": "rng.random((900, 900)), rng.random((700, 700)), {'method': 'direct'}",
    "signal": "rng.random(6_000_000), rng.random(30_001), {'method': 'direct'}",
    "channels": "rng.random((64, 1500, 1500), 'f4'), fa.Bank(rng.random((64, 64, 5, 5))), "
    "{'channel_axis': 0, 'method': 'direct'}",
    "stride": "rng.random((2, 30_000_000), 'f4'), fa.Bank(rng.random((64, 2, 501))), "
    "{'channel_axis': 0, 'method': 'direct', 'stride': 5}",
    "bank": "rng.random((4000, 4000)), fa.Bank(rng.random((30, 1, 15, 15))), {'method': 'apart'}",
}

# Says when the work has begun and was interrupted, and which outputs are written half a second later.
CHILD = """
import threading, time, numpy as np, faltung as fa
rng = np.random.default_rng(0)
x, kernel, arguments = {long}
plan = fa.plan(x, kernel, **arguments)
assert plan.seconds > 1
out = np.zeros(plan.result_shape, plan.problem.result)
def watch():
    while not out[..., ::97].any():
        time.sleep(0.02)
    print("begun", flush=True)
threading.Thread(target=watch, daemon=True).start()
try:
    plan(x, out=out, workers={workers})
    print("finished", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    before = np.count_nonzero(out)
    time.sleep(0.5)
    print(np.count_nonzero(out) - before, before < out.size, flush=True)
"""


@pytest.mark.parametrize(
    ("long", "workers"), [*((name, 3) for name in LONG), *((name, 1) for name in ("image", "channels", "bank"))]
)
def test_an_interrupt_acts_soon(long, workers):
    program = CHILD.format(long=LONG[long], workers=workers)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout.readline() == "begun\n"
            child.send_signal(signal.SIGINT)
            start = time.monotonic()
            assert child.stdout.readline() == "interrupted\n"
            assert time.monotonic() - start < 5  # alone, 0.1 s
            assert child.stdout.readline() == "0 True\n"
        finally:
            child.kill()


def test_an_interrupt_is_raised_when_all_threads_have_finished():
    # The caller waits for another thread, which works for a while after the interrupt.
    caller, both, working, started = threading.main_thread().ident, threading.Barrier(2), [], []

    def work(item):
        started.append(item)
        both.wait(10)
        if threading.get_ident() != caller:
            working.append(item)
            time.sleep(0.1)  # the caller has nothing left to do, and waits
            for _ in range(2):  # an impatient user
                signal.pthread_kill(caller, signal.SIGINT)
                time.sleep(0.1)
            working.remove(item)

    with pytest.raises(KeyboardInterrupt):
        share(work, range(2), 2)
    assert not working
    assert len(started) == 2


def test_an_interrupt_leaves_other_items_undone():
    started = []

    def work(item):
        started.append(item)
        if item == 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        share(work, range(1000), 1)
    assert started == [0, 1, 2, 3]
