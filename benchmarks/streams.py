"""How fast does a stream run, and how long does its longest push take? Stereo at 48 kHz, on one thread.

python benchmarks/streams.py            # writes benchmarks/results/streams.{md,json}

All contenders take pushes in turn, in single precision, and the processor time of the thread is counted. The load of
a stream repeats after some pushes, so a push is known by its place in that cycle: its time is the lower quartile over
cycles, the mean is over places, and the peak is the longest place.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable

import numpy as np
import scipy.signal
from numpy.typing import NDArray

import faltung as fa
from faltung.streams.partitioning import stage_lengths
from measure import table, write

RATE, CHANNELS = 48000, 2
TAPS, BLOCKS = (101, 1001, 10_001, 100_001), (64, 256, 1024)
#: Pushes that are timed: at least so many, and so many cycles; and seconds after which a contender stops.
PUSHES, CYCLES, SECONDS = 400, 12, 6.0
#: Most pushes of a peer in a round.
PEER_PUSHES = 4

Push = Callable[[NDArray[np.float32]], object]

_NOTE = """
Times real time: how many stereo streams at 48 kHz one core runs at once. Peak over mean: the longest push over the
mean one; pushes are told apart by their place in the cycle of the stages, and each is the lower quartile over cycles.
Latency is that of the algorithm, in samples beside the block itself.

lfilter is `scipy.signal.lfilter` with `zi`. oaconvolve is `scipy.signal.oaconvolve` of each push, whose end is added
to later ones. Both run on the same pushes, in turn with the stream. Times are processor time of one thread.
"""


def lfilter(taps: NDArray[np.float64]) -> Push:
    """Return SciPy's filter with state."""
    b = taps.astype(np.float32)
    state = [np.zeros((CHANNELS, len(b) - 1), np.float32)]

    def push(x: NDArray[np.float32]) -> object:
        y, state[0] = scipy.signal.lfilter(b, np.float32(1), x, zi=state[0])
        return y

    return push


def oaconvolve(taps: NDArray[np.float64], block: int) -> Push:
    """Return SciPy's convolution of every push, with overlapping ends added."""
    h = taps.astype(np.float32)[None]
    rest = np.zeros((CHANNELS, len(taps) - 1), np.float32)

    def push(x: NDArray[np.float32]) -> object:
        nonlocal rest
        y = scipy.signal.oaconvolve(x, h, axes=1)
        y[:, : rest.shape[1]] += rest
        rest = np.ascontiguousarray(y[:, block:])
        return y[:, :block]

    return push


def timed(contenders: dict[str, Push], block: int, cycle: int) -> dict[str, tuple[float, float]]:
    """Return the mean time of a push and the longest one for each contender.

    In each round, every contender takes the pushes of a cycle untimed, so that its data are in the cache as far as
    they fit, and then those of another cycle. Peers, whose pushes are all alike, take fewer.
    """
    x = np.random.default_rng(0).standard_normal((CHANNELS, block)).astype(np.float32)
    rounds = max(CYCLES, -(-PUSHES // cycle))
    times: dict[str, list[list[float]]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, push in contenders.items():
            if name != "faltung" and sum(map(sum, times[name])) > SECONDS:
                continue
            pushes = cycle if name == "faltung" else min(cycle, PEER_PUSHES)
            for _ in range(pushes):
                push(x)
            times[name].append([_seconds(push, x) for _ in range(pushes)])
    places = {name: np.quantile(own, 0.25, axis=0) for name, own in times.items()}
    return {name: (float(own.mean()), float(own.max())) for name, own in places.items()}


def _seconds(push: Push, x: NDArray[np.float32]) -> float:
    start = time.thread_time()
    push(x)
    return time.thread_time() - start


def main() -> None:
    rows, data = [], []
    blocks = [int(word) for word in sys.argv[1:]] or BLOCKS
    for count in TAPS:
        taps = np.random.default_rng(1).standard_normal(count) * np.exp(-6 * np.arange(count) / count)
        for block in blocks:
            stream = fa.Stream(taps, channels=CHANNELS, block=block, dtype="float32")
            lengths = stage_lengths(count, block)
            cycle = math.lcm(lengths[-1], block) // block if lengths else 1
            contenders: dict[str, Push] = {"faltung": stream.push, "oaconvolve": oaconvolve(taps, block)}
            if count <= 10_001:
                contenders["lfilter"] = lfilter(taps)
            figures = timed(contenders, block, cycle)
            fast = {name: block / RATE / mean for name, (mean, _) in figures.items()}
            mean, peak = figures["faltung"]
            shown = [f"{fast[name]:.3g}" if name in fast else "" for name in ("faltung", "lfilter", "oaconvolve")]
            stages = " + ".join(map(str, lengths)) or "none"
            row = [f"{count} taps, {block}", f"**{shown[0]}**", *shown[1:], str(stream.latency)]
            rows.append([*row, f"{peak / mean:.2f}", f"{peak * 1e6:.0f}", stages])
            data.append({"taps": count, "block": block, "times": fast, "peak": peak, "mean": mean, "stages": lengths})
            print(" | ".join(rows[-1]), flush=True)
    header = ["kernel, block", "times real time", "lfilter", "oaconvolve", "latency", "peak over mean", "peak, us"]
    write("streams", "Streams", table([*header, "stages"], rows) + _NOTE, data)


if __name__ == "__main__":
    with fa.workers(1):
        main()
