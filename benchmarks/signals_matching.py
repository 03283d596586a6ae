"""What does matching of templates cost? Ours, scikit-image, OpenCV and SciPy, in turn, in one process.

Run it with ``python benchmarks/signals_matching.py``; it takes about two minutes. ``--memory`` prints the memory that
one case takes beyond its input and its result, each in a process of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy import signal
from skimage.feature import match_template

import faltung as fa
from measure import table, time_in_turn, write

#: Shape of the array, shape of the template, dtype, number of templates.
CASES = {
    "photograph, large template": ((1080, 2400), (500, 500), "float32", 1),
    "photograph, template 64 x 64": ((1080, 2400), (64, 64), "float32", 1),
    "photograph, template 16 x 16": ((1080, 2400), (16, 16), "float32", 1),
    "8-bit, template 64 x 64": ((1080, 2400), (64, 64), "uint8", 1),
    "eight templates 64 x 64": ((1080, 2400), (64, 64), "float32", 8),
    "volume, template 16 x 16 x 16": ((128, 128, 128), (16, 16, 16), "float32", 1),
    "seismogram, 8.64 million, template 1000": ((8_640_000,), (1000,), "float64", 1),
}


def made(name: str) -> tuple[Any, Any]:
    """Return array and templates of a case, in which every template is found."""
    shape, size, dtype, count = CASES[name]
    rng = np.random.default_rng(0)
    x = (rng.random(shape) * 255).astype(dtype)
    corners = [
        [(17 * k + 40 * one) % (n - m) for n, m in zip(shape, size, strict=True)]
        for k, one in enumerate(range(count))
    ]
    templates = [x[tuple(slice(at, at + m) for at, m in zip(corner, size, strict=True))].copy() for corner in corners]
    return x, templates[0] if count == 1 else np.stack(templates)


def by_scipy(x: Any, template: Any) -> Any:
    """Return scores of a signal as seismologists compute them: one transform, and cumulative sums of squares."""
    size = template.size
    pattern = (template - template.mean()) / (template.std() * size)
    total = np.concatenate([[0.0], np.cumsum(x)])
    squares = np.concatenate([[0.0], np.cumsum(x * x)])
    mean = (total[size:] - total[:-size]) / size
    spread = np.sqrt(np.maximum((squares[size:] - squares[:-size]) / size - mean * mean, 1e-30))
    return signal.fftconvolve(x, pattern[::-1], "valid") / spread


def calls(name: str) -> dict[str, Callable[[], Any]]:
    """Return ours first, and the peers that can."""
    x, template = made(name)
    several = template.ndim > x.ndim
    chosen: dict[str, Callable[[], Any]] = {"faltung": lambda: fa.match(x, template)}
    if x.ndim == 1:
        return chosen | {"SciPy": lambda: by_scipy(x, template)}
    each = [*template] if several else [template]
    chosen["scikit-image"] = lambda: [match_template(x, one) for one in each]
    if x.ndim == 2:
        chosen["OpenCV"] = lambda: [cv2.matchTemplate(x, one, cv2.TM_CCOEFF_NORMED) for one in each]
    return chosen


def memory(name: str, who: str) -> float:
    """Return the bytes at the peak of a call beyond those before it and those of the result."""
    call = calls(name)[who]
    if who == "faltung":
        small = np.random.default_rng(1).random((40,) * len(CASES[name][0]))
        fa.match(small, small[(slice(9),) * small.ndim])  # loads what the first call loads

    def status(word: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith(word))

    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    result = call()
    given = sum(one.nbytes for one in result) if isinstance(result, list) else result.nbytes
    return status("VmHWM") - before - given


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="cases whose name contains this text")
    parser.add_argument("--seconds", type=float, default=8.0, help="for each case")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--memory", action="store_true", help="measure memory in place of time")
    parser.add_argument("--one", nargs=2, metavar=("CASE", "WHO"), help="print the memory of one call, in bytes")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/signals_matching.md")
    arguments = parser.parse_args()
    cv2.setNumThreads(arguments.workers)
    fa.workers(arguments.workers)
    if arguments.one:
        print(memory(*arguments.one))
        return
    rows, data = [], {}
    for name in CASES:
        if arguments.only not in name:
            continue
        if arguments.memory:
            command = [sys.executable, __file__, "--one", name]
            taken = {who: float(subprocess.check_output([*command, who], text=True)) for who in calls(name)}
            rows.append([name, ", ".join(f"{who} {bytes_ / 1e6:.0f} MB" for who, bytes_ in taken.items())])
        else:
            timings = time_in_turn(calls(name), arguments.seconds, rounds=7)
            data[name] = {who: {"seconds": one.best, "ratio": one.ratio} for who, one in timings.items()}
            texts = [f"{who} {1e3 * one.best:.0f} ms ({one.ratio:.2f})" for who, one in timings.items()]
            rows.append([name, ", ".join(texts)])
        print(*rows[-1], flush=True)
    if arguments.write and not arguments.memory:
        body = table(["case", "time of the best run, and the median of ratios to ours"], rows)
        write("signals_matching", "Matching templates", body, data)


if __name__ == "__main__":
    main()
