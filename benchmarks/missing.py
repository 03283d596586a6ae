"""What do missing samples cost? Every filter on an image with and without them, in turn, in one process.

Run it with ``python benchmarks/missing.py``; it takes about two minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

import faltung as fa
from measure import table, time_in_turn, write

SHAPE = (2048, 2048)
#: Shares of the samples that are missing.
SHARES = (0.02, 0.1)


def filters() -> dict[str, fa.Kernel]:
    """Return filters of one and of both signs, for every engine."""
    rng = np.random.default_rng(0)
    return {
        "box 9x9": fa.box(9),
        "Sobel": fa.sobel(axis=1),
        "Laplacian": fa.laplacian(),
        "dense 5x5, positive": fa.Kernel(rng.random((5, 5)) + 0.1),
        "dense 7x7, both signs": fa.Kernel(rng.normal(size=(7, 7))),
        "dense 15x15, both signs": fa.Kernel(rng.normal(size=(15, 15))),
        "dense 41x41, positive": fa.Kernel(rng.random((41, 41)) + 0.1),
        "dense 41x41, both signs": fa.Kernel(rng.normal(size=(41, 41))),
        "Gaussian": fa.gaussian(2.0),
        "derivative of Gaussian": fa.gaussian_derivative(2.0, (0, 1)),
        "unsharp": 2.0 * fa.delta() - fa.gaussian(2.0),
        "LoG": fa.log(2.0),
        "DoG": fa.dog(1.0, 2.0),
    }


def calls(kernel: fa.Kernel, dtype: str, workers: int | None) -> dict[str, Callable[[], Any]]:
    """Return the call without missing samples first, and those with some."""
    rng = np.random.default_rng(1)
    image = rng.normal(size=SHAPE).astype(dtype)
    out = np.empty_like(image)
    chosen: dict[str, Callable[[], Any]] = {"plain": lambda: fa.convolve(image, kernel, out=out, workers=workers)}
    for share in SHARES:
        valid = rng.random(SHAPE) >= share
        holes = np.where(valid, image, np.nan).astype(dtype)
        weights = (valid * rng.random(SHAPE)).astype(dtype)
        percent = f"{share:.0%}"
        chosen[f"nan {percent}"] = lambda x=holes: fa.convolve(x, kernel, nan="ignore", out=out, workers=workers)
        chosen[f"mask {percent}"] = lambda m=valid: fa.convolve(image, kernel, mask=m, out=out, workers=workers)
    chosen["weights"] = lambda w=weights: fa.convolve(image, kernel, weights=w, out=out, workers=workers)
    hole = image.copy()
    hole[500:900, 300:1000] = np.nan
    chosen["one hole"] = lambda: fa.convolve(hole, kernel, nan="ignore", out=out, workers=workers)
    chosen["none missing"] = lambda: fa.convolve(image, kernel, nan="ignore", out=out, workers=workers)
    return chosen


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="filters whose name contains this text")
    parser.add_argument("--dtype", default="float32", choices=("float32", "float64"))
    parser.add_argument("--workers", type=int, help="threads; the number of cores if omitted")
    parser.add_argument("--seconds", type=float, default=4.0, help="for each filter")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/missing.md")
    arguments = parser.parse_args()
    rows, data, header = [], {}, []
    for name, kernel in filters().items():
        if arguments.only not in name:
            continue
        timings = time_in_turn(calls(kernel, arguments.dtype, arguments.workers), arguments.seconds)
        header = ["filter", "plain, ms", *[*timings][1:]]
        plain, *others = timings.values()
        rows.append([name, f"{1e3 * plain.best:.2f}", *[f"{timing.best / plain.best:.2f}" for timing in others]])
        data[name] = {key: timing.best / plain.best for key, timing in timings.items()} | {"seconds": plain.best}
        print(" | ".join(rows[-1]), flush=True)
    body = table(header, rows) + "\nMultiples of the best time of the same call without missing samples.\n"
    print(body)
    if arguments.write:
        write("missing", f"Missing samples, {SHAPE[0]} x {SHAPE[1]} {arguments.dtype}", body, data)


if __name__ == "__main__":
    main()
