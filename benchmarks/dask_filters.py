"""What do chunks cost? A dask array against the array in memory, and against SciPy in `map_overlap`.

All run in turn in one process, on one thread. Run it with ``python benchmarks/dask_filters.py``; it takes a minute.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import dask
import dask.array as da
import numpy as np
from scipy import ndimage

import faltung as fa
from measure import table, time_in_turn, write

SHAPE = (4000, 4000)
CHUNKS = (1000, 250)

Filter = Callable[[Any], Any]


def filters() -> dict[str, tuple[fa.Kernel, Filter, int]]:
    """Return filters, the same ones of SciPy for an array in memory, and how far they reach."""
    taps = np.random.default_rng(0).normal(size=(7, 7))
    return {
        "Gaussian, sigma 2": (fa.gaussian(2.0), lambda x: ndimage.gaussian_filter(x, 2.0), 8),
        "Gaussian, sigma 10": (fa.gaussian(10.0), lambda x: ndimage.gaussian_filter(x, 10.0), 40),
        "box 9 x 9": (fa.box(9), lambda x: ndimage.uniform_filter(x, 9), 4),
        "dense 7 x 7": (fa.Kernel(taps), lambda x: ndimage.convolve(x, taps), 3),
    }


def contenders(kernel: fa.Kernel, reference: Filter, depth: int, side: int) -> dict[str, Callable[[], Any]]:
    """Return the calls, that in memory first; the results are compared."""
    image = np.random.default_rng(1).random(SHAPE, np.float32)
    x = da.from_array(image, chunks=side)
    calls: dict[str, Callable[[], Any]] = {
        "in memory": lambda: fa.convolve(image, kernel, workers=1),
        "faltung": lambda: fa.convolve(x, kernel).compute(),
        "map_overlap": lambda: x.map_overlap(reference, depth=depth, boundary="reflect", dtype="f4").compute(),
    }
    whole, *others = (call() for call in calls.values())
    for other in others:
        np.testing.assert_allclose(other, whole, rtol=1e-3, atol=1e-4)
    return calls


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="filters whose name contains this text")
    parser.add_argument("--seconds", type=float, default=6.0, help="for each filter and size of chunks")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/dask_filters.md")
    arguments = parser.parse_args()
    rows, data = [], {}
    with dask.config.set(scheduler="synchronous"):
        for name, (kernel, reference, depth) in filters().items():
            for side in CHUNKS:
                if arguments.only not in name:
                    continue
                timings = time_in_turn(contenders(kernel, reference, depth, side), arguments.seconds)
                memory, ours, other = timings.values()
                ratios = ours.best / memory.best, other.best / ours.best
                rows.append([name, f"{side}", f"{1e3 * memory.best:.1f}", *(f"{ratio:.2f}" for ratio in ratios)])
                data[f"{name}, {side}"] = {key: timing.best for key, timing in timings.items()}
                print(" | ".join(rows[-1]), flush=True)
    header = ["filter", "chunks", "in memory, ms", "dask over memory", "map_overlap over dask"]
    body = table(header, rows) + "\n`map_overlap` runs SciPy. All on one thread; ratios of best times.\n"
    print(body)
    if arguments.write:
        write("dask_filters", f"dask arrays, {SHAPE[0]} x {SHAPE[1]} float32", body, data)


if __name__ == "__main__":
    main()
