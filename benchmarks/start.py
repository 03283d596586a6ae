"""What a call costs beside its arithmetic: import, first calls, small images, memory.

python benchmarks/start.py            # writes benchmarks/results/start.{md,json}
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time

import cv2
import numpy as np

import faltung as fa
from measure import race, table, write

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

    rng = np.random.default_rng(0)
    for k in (3, 7):
        image, taps = rng.random((64, 64), dtype=np.float32), rng.random((k, k), dtype=np.float32)
        kernel = fa.Kernel(taps)
        run = fa.plan(image, kernel)
        inner = np.ascontiguousarray(np.pad(image, k // 2, mode="symmetric"))
        arithmetic = fa.plan(inner, kernel, shape="valid")

        def hundred(call):
            return lambda: [call() for _ in range(100)]

        found = race(
            {
                "convolve": hundred(lambda: fa.convolve(image, kernel)),
                "plan": hundred(lambda: run(image)),
                "OpenCV": hundred(lambda: cv2.filter2D(image, -1, taps, borderType=cv2.BORDER_REFLECT)),
            },
            seconds=1.0,
        )
        for name, timing in found.items():
            add(f"64 x 64, {k} x {k}, {name}", timing.best * 1e4, "us")
        add(f"64 x 64, {k} x {k}, machine code alone", _machine_code(arithmetic, inner) * 1e6, "us")

    with tempfile.TemporaryDirectory() as cache:
        for dtype, mode in (("float32", "reflect"), ("uint8", "mirror"), ("float16", "wrap")):
            code = _MEMORY.format(dtype=dtype, mode=mode)
            add(f"8192 x 8192 {dtype}, memory beyond the output", _python(code, cache)[0], "MB")
    write("start", "Start and overhead", table(["what", "median"], rows), data)


def _machine_code(plan: fa.Plan, x: np.ndarray) -> float:
    """Seconds in the compiled function for one call, by the difference between many rows of it and one."""
    from faltung.execute import _program

    out = plan(x)
    block = _program(plan).in_place[0]
    best = float("inf")
    for _ in range(200):
        start = time.perf_counter()
        block(x.ctypes.data, x.strides[:1], out.ctypes.data, out.strides[:1], out.shape)
        middle = time.perf_counter()
        block(x.ctypes.data, x.strides[:1], out.ctypes.data, out.strides[:1], (1, out.shape[1]))
        best = min(best, (middle - start) - (time.perf_counter() - middle))
    return best


if __name__ == "__main__":
    main()
