"""Is all well after exceptions of a signal handler? They end calls at any moment, and several come at a time.

A timer raises exceptions in the middle of calls of every kind, thousands of times. After each of them the same calls
are made without the timer, also in other threads: every result has to be right to the last bit, and nothing may
hang.

python benchmarks/interrupts.py                # ten seconds
python benchmarks/interrupts.py --seconds 600 --seed 3
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

import faltung as fa

Call = Callable[[], Any]

#: Seconds after which a check that does not end is a deadlock.
_HANGS = 60


class _Interrupt(BaseException):
    """What the handler raises."""


_armed = False


def _raise(*_: object) -> None:
    if _armed:  # a signal may come late, by way of another thread
        raise _Interrupt


def calls(rng: np.random.Generator) -> Iterator[tuple[str, Call]]:
    """Yield calls of every kind: of machine code alone, of a team, of shared tiles, of banks and of layers."""
    small, middle, large = (rng.random(shape, dtype=np.float32) for shape in ((64, 64), (400, 500), (600, 800)))
    signal_, volume = rng.random(50_000), rng.random((12, 40, 50))
    holes = np.where(rng.random((100, 150)) < 0.1, np.nan, rng.random((100, 150)))
    taps = rng.random((3, 3)), rng.random((31, 31)), rng.random((5, 5, 5))
    bank, layer = fa.Bank(rng.random((5, 1, 9, 9))), fa.Bank(rng.random((8, 6, 3, 3)))
    batch = rng.random((2, 6, 60, 70), dtype=np.float32)
    for workers in (1, 2, 3):
        yield f"small, {workers}", partial(fa.convolve, small, taps[0], workers=workers)
        yield f"team, {workers}", partial(fa.convolve, middle, fa.gaussian(1.5), workers=workers)
        yield f"tiles, {workers}", partial(fa.convolve, large, taps[0], workers=workers)
        yield f"fourier, {workers}", partial(fa.convolve, middle, taps[1], workers=workers)
        yield f"volume, {workers}", partial(fa.convolve, volume, taps[2], workers=workers)
        yield f"missing, {workers}", partial(fa.convolve, holes, taps[0], nan="ignore", workers=workers)
        yield f"bank, {workers}", partial(fa.convolve, middle, bank, workers=workers)
        yield f"layer, {workers}", partial(fa.convolve, batch, layer, channel_axis=1, workers=workers)
    yield "plan", partial(fa.convolve, small, taps[0])
    yield "signal", partial(fa.convolve, signal_, taps[1][0])


def new_kernel(rng: np.random.Generator) -> Any:
    """Plan, compile and run a kernel that was never there before."""
    shape = tuple(rng.integers(1, 8, 2))
    return fa.convolve(np.ones((40, 50)), rng.random(shape) * (rng.random(shape) < 0.7), workers=2)


def interrupted(call: Call, delay: float, interval: float) -> bool:
    """Make a call, with an exception after `delay` and more after each `interval`; return whether one ended it."""
    global _armed
    ended = False
    try:
        try:
            _armed = True
            signal.setitimer(signal.ITIMER_REAL, delay, interval)
            call()
        finally:
            _armed = False
    except _Interrupt:
        ended = True
    signal.setitimer(signal.ITIMER_REAL, 0)
    return ended


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng, draw = np.random.default_rng(arguments.seed), random.Random(arguments.seed)
    every = [*calls(rng)]
    expected = {name: call() for name, call in every}
    times = {}
    for name, call in every:
        start = time.perf_counter()
        call()
        times[name] = time.perf_counter() - start

    def check(name: str, call: Call) -> None:
        if not np.array_equal(call(), expected[name]):
            raise SystemExit(f"{name}: another result than before")

    signal.signal(signal.SIGALRM, _raise)
    ended = tries = 0
    stop = time.monotonic() + arguments.seconds
    with ThreadPoolExecutor(2) as others:
        while time.monotonic() < stop:
            faulthandler.dump_traceback_later(_HANGS, exit=True)
            for _ in range(20):
                name, call = draw.choice(every)
                if draw.random() < 0.2:
                    name, call = "plan", partial(new_kernel, rng)
                interval = draw.choice((0.0, 2e-5, 1e-4))
                ended += interrupted(call, max(1e-6, draw.uniform(0, times[name])), interval)
                tries += 1
            checks = [draw.choice(every) for _ in range(3)]
            futures = [others.submit(check, *one) for one in checks[1:]]
            check(*checks[0])
            for future in futures:
                future.result()
    faulthandler.cancel_dump_traceback_later()
    for one in every:
        check(*one)
    print(
        f"{tries} calls, {ended} ended by exceptions; all results after them are right,",
        f"{threading.active_count()} threads",
    )


if __name__ == "__main__":
    main()
