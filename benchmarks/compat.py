"""How fast is existing code with `faltung.compat` in its peer's place? The same calls, in turn, in one process.

Run it with ``python benchmarks/compat.py --write``; it takes about ten minutes. Ratios are those of
the best times, since a long call is more often interrupted on a machine that has other work too.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import geometric_mean
from typing import Any

import numpy as np
from scipy import ndimage as scipy_ndimage

import faltung as fa
from faltung.compat import ndimage
from measure import table, time_in_turn, write

SIZES = (64, 256, 1024, 4096)
DTYPES = ("uint8", "uint16", "float32", "float64")
#: Calls shorter than this many seconds are repeated in a run.
_SHORT = 1e-3
#: For each function of scipy.ndimage, the arguments after the image.
NDIMAGE: dict[str, tuple[Any, ...]] = {
    "convolve": (np.random.default_rng(1).random((5, 5)) / 13,),
    "correlate": (np.random.default_rng(2).random((3, 3)) / 5,),
    "convolve1d": ([0.1, 0.2, 0.4, 0.2, 0.1], 0),
    "correlate1d": ([-1, 0, 1],),
    "gaussian_filter": (2.0,),
    "gaussian_filter1d": (2.0,),
    "gaussian_laplace": (1.5,),
    "gaussian_gradient_magnitude": (1.5,),
    "uniform_filter": (5,),
    "uniform_filter1d": (9,),
    "sobel": (),
    "prewitt": (0,),
    "laplace": (),
}


@dataclass(frozen=True)
class Cell:
    """A call: the function, size and dtype of the image, and the best seconds of both."""

    function: str
    size: int
    dtype: str
    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        """SciPy's best time over ours."""
        return self.theirs / self.ours

    def __str__(self) -> str:
        return f"{self.function} on {self.size} x {self.size} {self.dtype}"


def measured(only: str, sizes: tuple[int, ...], seconds: float, cpu: bool) -> Iterator[Cell]:
    """Measure every function on every image."""
    for function, arguments in NDIMAGE.items():
        for size in sizes if only in function else ():
            for dtype in DTYPES:
                image = (np.random.default_rng(0).random((size, size)) * 200).astype(dtype)
                calls = {
                    name: call(getattr(module, function), image, arguments)
                    for name, module in (("faltung", ndimage), ("SciPy", scipy_ndimage))
                }
                check(f"{function} of {dtype}", *(run() for run in calls.values()))
                ours, theirs = cpu_seconds(calls, seconds) if cpu else wall_seconds(calls, seconds)
                yield Cell(function, size, dtype, ours, theirs)


def wall_seconds(calls: dict[str, Callable[[], Any]], seconds: float) -> list[float]:
    """Return the best time of each call."""
    once = time_in_turn(calls, 0.0, 3)
    counts = {name: max(1, round(_SHORT / timing.best)) for name, timing in once.items()}
    timings = time_in_turn({name: repeated(run, counts[name]) for name, run in calls.items()}, seconds)
    return [timing.best / counts[name] for name, timing in timings.items()]


def cpu_seconds(calls: dict[str, Callable[[], Any]], seconds: float) -> list[float]:
    """Return the least CPU time of each call, on one thread; each call has at least two runs."""
    best = dict.fromkeys(calls, float("inf"))
    counts = dict.fromkeys(calls, 1)
    start = time.process_time()
    for turn in range(1000):
        for name, run in calls.items():
            before = time.process_time()
            for _ in range(counts[name]):
                run()
            took = (time.process_time() - before) / counts[name]
            counts[name] = max(1, round(_SHORT / max(took, 1e-7)))
            best[name] = took if turn < 2 else min(best[name], took)
        if turn and time.process_time() - start > seconds:
            break
    return [*best.values()]


def call(function: Callable[..., Any], image: Any, arguments: tuple[Any, ...]) -> Callable[[], Any]:
    """Return a call without arguments."""
    return lambda: function(image, *arguments)


def repeated(run: Callable[[], Any], count: int) -> Callable[[], None]:
    """Return a call that does another one several times."""

    def several() -> None:
        for _ in range(count):
            run()

    return several


def check(what: str, ours: Any, theirs: Any) -> None:
    """Stop if the results differ: for integers, in more than the few places where SciPy loses one (see the docs)."""
    if ours.dtype.kind == "f":
        wrong = float(np.abs(ours - theirs).max()) > 1e-5 * float(np.abs(theirs).max())
    else:
        wrong = np.count_nonzero(ours != theirs) > 0.25 * ours.size
    if wrong or ours.dtype != theirs.dtype:
        raise SystemExit(f"{what}: the results differ")


def report(cells: list[Cell]) -> str:
    """Return the summary, and a table with the ratio of each cell."""
    ratios = [cell.ratio for cell in cells]
    least = min(cells, key=lambda cell: cell.ratio)
    slower = [f"{cell}: {cell.ratio:.2f}" for cell in cells if cell.ratio < 1.0]
    text = f"SciPy's time over ours: {geometric_mean(ratios):.1f} in geometric mean over {len(cells)} calls, "
    text += f"least {least.ratio:.2f} ({least}). "
    text += f"Calls in which SciPy is faster: {'; '.join(slower) or 'none'}.\n"
    found = {(cell.function, cell.size, cell.dtype): cell for cell in cells}
    places = [*dict.fromkeys((cell.function, cell.size) for cell in cells)]
    for title, value in (("SciPy's time over ours", ratio_text), ("Our time, in milliseconds", time_text)):
        rows = [[name, str(size), *(value(found[name, size, dtype]) for dtype in DTYPES)] for name, size in places]
        means = [geometric_mean(cell.ratio for cell in cells if cell.dtype == dtype) for dtype in DTYPES]
        if value is ratio_text:
            rows.append(["geometric mean", "", *(f"{mean:.1f}" for mean in means)])
        text += f"\n## {title}\n\n" + table(["function", "size", *DTYPES], rows)
    return text


def ratio_text(cell: Cell) -> str:
    """Return the ratio of a cell, for a table."""
    return f"{cell.ratio:.1f}"


def time_text(cell: Cell) -> str:
    """Return our time on a cell, for a table."""
    return f"{1e3 * cell.ours:.3g}"


def main() -> None:
    """Measure, print and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="functions whose name contains this text")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="rows and columns of the images")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each call")
    parser.add_argument("--cpu", action="store_true", help="CPU time on one thread, for a machine with other work")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/compat.md and .json")
    arguments = parser.parse_args()
    cells = []
    with fa.workers(1) if arguments.cpu else contextlib.nullcontext():
        for cell in measured(arguments.only, tuple(arguments.sizes), arguments.seconds, arguments.cpu):
            cells.append(cell)
            print(f"{cell}: {1e3 * cell.ours:.3g} ms, ratio {cell.ratio:.2f}", flush=True)
    body = ("CPU time of one thread of each, for a machine that has other work. " if arguments.cpu else "") + report(
        cells
    )
    print(body)
    if arguments.write:
        data = [
            {
                "module": "scipy.ndimage",
                "function": cell.function,
                "size": cell.size,
                "dtype": cell.dtype,
                "seconds": cell.ours,
                "peer_seconds": cell.theirs,
                "ratio": cell.ratio,
            }
            for cell in cells
        ]
        write("compat", "Existing code with faltung.compat in place of SciPy", body, data)


if __name__ == "__main__":
    main()
