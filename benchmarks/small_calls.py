"""What does a call on a small array take: by convolve, by the kernel, by a plan, and by OpenCV? Each in turn.

python benchmarks/small_calls.py                          # prints a table, in microseconds
python benchmarks/small_calls.py --sizes 64 --dtypes uint8
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Iterator
from functools import partial

import numpy as np

import faltung as fa
from cells import Cell, Run, box, dense, gaussian, sobel
from peers import opencv

#: Calls that follow each other in no order, so that none finds its code and its samples in the nearest cache.
_ROUNDS = 3000
_PEER = "OpenCV"


def cells(size: int, dtype: str) -> Iterator[Cell]:
    """Yield the usual small filters."""
    yield from (dense(size, width, dtype) for width in (3, 5, 7))
    yield from (gaussian(size, sigma, dtype) for sigma in (1, 2))
    yield from (box(size, 3, dtype), sobel(size, dtype))


def contenders(cell: Cell) -> dict[str, Run]:
    """Return our ways to call, with and without an array for the result, and OpenCV's fastest function."""
    image, (kernel,) = cell.image(), cell.kernels
    out, plan = np.empty_like(image), fa.plan(image, kernel, dtype=cell.dtype)
    asked = {} if cell.dtype == "float32" else {"dtype": cell.dtype}
    ours: dict[str, Run] = {
        "convolve": partial(fa.convolve, image, kernel, **asked),
        "convolve, out": partial(fa.convolve, image, kernel, out=out),
        "kernel": partial(kernel, image, **asked),
        "plan": partial(plan, image),
    }
    others = opencv.runs(cell, image)
    seconds = {name: statistics.median(_times({name: run}, 200)[name]) for name, run in others.items()}
    return {_PEER: others[min(seconds, key=seconds.__getitem__)]} | ours


def _times(runs: dict[str, Run], rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in runs}
    order, shuffle = [*runs.items()], random.Random(0).shuffle
    for _ in range(rounds):
        shuffle(order)
        for name, run in order:
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return times


def row(cell: Cell) -> list[str]:
    """Measure a cell: medians of the times, and of OpenCV's time over ours."""
    times = _times(contenders(cell), _ROUNDS)
    ratios = {name: map(float.__truediv__, times[_PEER], own) for name, own in times.items() if name != _PEER}
    return [
        f"{cell.shape[0]} {cell.dtype} {cell.filter}",
        f"{statistics.median(times[_PEER]) * 1e6:.1f}",
        *(f"{statistics.median(times[name]) * 1e6:.1f} x{statistics.median(ratios[name]):.2f}" for name in ratios),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--dtypes", nargs="+", default=["float32", "uint8"])
    arguments = parser.parse_args()
    print("array and filter | OpenCV us | convolve | convolve, out | kernel | plan")
    for size in arguments.sizes:
        for dtype in arguments.dtypes:
            for cell in cells(size, dtype):
                print(" | ".join(row(cell)), flush=True)


if __name__ == "__main__":
    main()
