"""How long does a step of Richardson and Lucy take, beside scikit-image's? Interleaved in one process.

python benchmarks/signals_restoration.py

Float32, 2048 x 2048, two threads as users have them. scikit-image's step is two calls of `scipy.signal.fftconvolve`,
with zeros beyond the border. A step is the time of several, over their number; medians of rounds and of ratios.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import skimage.restoration

import faltung as fa

SIZE, ROUNDS, STEPS, PEER_STEPS = 2048, 9, 6, 2


def seconds(run: Callable[[], object], steps: int) -> float:
    """Return the time of a step."""
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) / steps


def main() -> None:
    """Print a row for each point spread function and border."""
    random = np.random.default_rng(0)
    x = random.random((SIZE, SIZE), dtype=np.float32) + np.float32(0.1)
    dense = random.random((15, 15)).astype(np.float32)
    kernels = {"15 x 15, random": fa.Kernel(dense / dense.sum()), "gaussian(2), 17 x 17": fa.gaussian(2.0)}
    print("| point spread function | border | ms a step | scikit-image | times faster |\n|---|---|---|---|---|")
    for name, psf in kernels.items():
        taps = psf.taps.astype(np.float32)
        for mode in ("reflect", "constant"):
            fa.restore.richardson_lucy(x, psf, 1, mode)
            ours, theirs = [], []
            for _ in range(ROUNDS):
                ours.append(seconds(partial(fa.restore.richardson_lucy, x, psf, STEPS, mode), STEPS))
                peer = partial(skimage.restoration.richardson_lucy, x, taps, PEER_STEPS, clip=False)
                theirs.append(seconds(peer, PEER_STEPS))
            ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
            times = f"{1e3 * statistics.median(ours):.1f} | {1e3 * statistics.median(theirs):.0f}"
            print(f"| {name} | {mode} | {times} | {ratio:.1f} |", flush=True)


if __name__ == "__main__":
    main()
