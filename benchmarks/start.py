"""What does a call cost besides its arithmetic? Import, first calls, small images, memory.

python benchmarks/start.py            # writes benchmarks/results/start.{md,json}
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import cv2
import numpy as np

import faltung as fa
from faltung.engines.base import Block
from measure import table, time_in_turn, write

_FIRST = """
import time, resource
start = time.perf_counter()
import numpy
numpy_done = time.perf_counter()
import faltung as fa
imported = time.perf_counter()
image = numpy.random.default_rng(0).random((512, 512), dtype=numpy.float32)
taps = numpy.ones(({k}, {k})) / {k} ** 2
before = time.perf_counter()
fa.convolve(image, taps)
print(numpy_done - start, imported - start, time.perf_counter() - before)
"""

_MEMORY = """
import resource, sys, numpy, faltung as fa
fa.convolve(numpy.zeros((300, 300), {dtype!r}), fa.Kernel(numpy.ones((7, 7))))
image = numpy.ones((8192, 8192), {dtype!r})
out = numpy.ones((8192, 8192), "float32")
kernel = fa.Kernel(numpy.ones((7, 7)))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
fa.convolve(image, kernel, {mode!r}, out=out)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


_NOTE = """
Imports and first calls are medians over new processes, and calls on a 64 x 64 image are the best of many. Memory is
the growth of the peak of a new process.
"""


def _python(code: str, cache: str) -> list[float]:
    environment = {**os.environ, "FALTUNG_CACHE": cache}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def main() -> None:
    rows, data = [], {}

    def add(what: str, value: float, unit: str) -> None:
        rows.append([what, f"{value:.3g} {unit}"])
        data[what] = value
        print(" | ".join(rows[-1]), flush=True)

    for k in (3, 9):
        cold, warm = [], []
        for _ in range(7):
            with tempfile.TemporaryDirectory() as cache:
                cold.append(_python(_FIRST.format(k=k), cache))
                warm.append(_python(_FIRST.format(k=k), cache))
        if k == 3:
            add("import numpy", statistics.median(run[0] for run in cold + warm) * 1e3, "ms")
            add("import faltung, numpy included", statistics.median(run[1] for run in cold + warm) * 1e3, "ms")
        add(f"first call {k} x {k}, empty cache", statistics.median(run[2] for run in cold) * 1e3, "ms")
        add(f"first call {k} x {k}, warm cache", statistics.median(run[2] for run in warm) * 1e3, "ms")

    for k in (3, 7):
        for name, seconds in small_image(k).items():
            add(f"64 x 64, {k} x {k}, {name}", seconds * 1e6, "us")

    with tempfile.TemporaryDirectory() as cache:
        for dtype, mode in (("float32", "reflect"), ("uint8", "mirror"), ("float16", "wrap")):
            code = _MEMORY.format(dtype=dtype, mode=mode)
            add(f"8192 x 8192 {dtype}, memory beyond the output", _python(code, cache)[0], "MB")
    write("start", "Start and overhead", table(["what", "figure"], rows) + _NOTE, data)


def small_image(width: int) -> dict[str, float]:
    """Return the seconds of one call on a 64 x 64 image, and those of its machine code alone."""
    rng = np.random.default_rng(0)
    image, taps = rng.random((64, 64), dtype=np.float32), rng.random((width, width), dtype=np.float32)
    kernel = fa.Kernel(taps)
    run = fa.plan(image, kernel)

    def hundred(call: Callable[[], object]) -> Callable[[], object]:
        return lambda: [call() for _ in range(100)]

    timings = time_in_turn(
        {
            "convolve": hundred(lambda: fa.convolve(image, kernel)),
            "plan": hundred(lambda: run(image)),
            "OpenCV": hundred(lambda: cv2.filter2D(image, -1, taps, borderType=cv2.BORDER_REFLECT)),
        },
        seconds=1.0,
    )
    inner = np.ascontiguousarray(np.pad(image, width // 2, mode="symmetric"))
    alone = _machine_code(fa.plan(inner, kernel, shape="valid"), inner)
    return {name: timing.best / 100 for name, timing in timings.items()} | {"machine code alone": alone}


def _machine_code(plan: fa.Plan, x: np.ndarray) -> float:
    """Return the seconds in the compiled function, from a call for all rows and a call for one row."""
    out = plan(x)
    block = plan.runner.prepared.in_place[0]
    best = {}
    for _ in range(300):
        for shape in (out.shape, (1, out.shape[1])):
            layout = Block(x.strides[:1], out.strides[:1], shape)
            start = time.perf_counter()
            block(x.ctypes.data, out.ctypes.data, layout)
            best[shape] = min(best.get(shape, 1.0), time.perf_counter() - start)
    whole, row = best.values()
    return (whole - row) * out.shape[0] / (out.shape[0] - 1)


if __name__ == "__main__":
    main()
