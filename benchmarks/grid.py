"""Every cell of the grid: faltung, each of its engines, the other libraries and a plain copy, side by side.

python benchmarks/grid.py                       # writes benchmarks/results/grid.{md,json,svg}
python benchmarks/grid.py --quick               # fewer rounds, writes nothing
python benchmarks/grid.py --only gauss,box      # some families (2d, uint8, gauss, box, edges, bank, 1d, 3d)
python benchmarks/grid.py --only 2d --sizes 64,512
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import own
from cells import FAMILIES, Cell, grid
from heats import compete
from measure import RESULTS, write
from outcome import COPY, HEADER, Outcome, picture, summary, tables
from peers import contenders


def measure(cell: Cell, peak: float, seconds: float, rounds: int) -> Outcome:
    """Measure everybody on one cell."""
    image = cell.image()
    copy = np.empty_like(image)

    def copied() -> None:
        np.copyto(copy, image)

    groups = [own.engines(cell, image), contenders(cell, image)]
    timings = compete(cell, groups, {COPY: copied}, seconds, rounds)
    return Outcome(cell, own.engine(cell, image), timings, peak)


def matrix_product_speed() -> float:
    """Floating-point operations per second of a product of float32 matrices, which comes close to the peak."""
    a = np.random.default_rng(0).random((1024, 1024), dtype=np.float32)
    out, best, until = np.empty_like(a), float("inf"), time.perf_counter() + 1
    while time.perf_counter() < until:
        start = time.perf_counter()
        np.matmul(a, a, out=out)
        best = min(best, time.perf_counter() - start)
    return 2 * len(a) ** 3 / best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds; nothing is written")
    parser.add_argument("--only", default="", help=f"some of {','.join(FAMILIES)}")
    parser.add_argument("--sizes", default="", help="longest sides of the arrays, as in 64,512")
    arguments = parser.parse_args()
    families = set(filter(None, arguments.only.split(",")))
    if not families <= {*FAMILIES}:
        parser.error(f"--only: expected some of {','.join(FAMILIES)}, got {arguments.only}")
    sizes = {int(size) for size in filter(None, arguments.sizes.split(","))}
    chosen = [
        cell
        for cell in grid()
        if (not families or cell.family in families) and (not sizes or max(cell.shape) in sizes)
    ]
    if not chosen:
        parser.error("no cell is of these families and sizes")
    outcomes = []
    peak = matrix_product_speed()
    print(f"{peak / 1e9:.0f} GFLOP/s\n" + " | ".join(HEADER))
    for cell in chosen:
        outcomes.append(measure(cell, peak, *((0.3, 5) if arguments.quick else (2.0, 15))))
        print(" | ".join(outcomes[-1].row()), flush=True)
    print("\n" + summary(outcomes))
    if arguments.quick or families or sizes:
        return
    head = f"Peak: {peak / 1e9:.0f} GFLOP/s, that of a product of 1024 x 1024 float32 matrices by NumPy.\n\n"
    write("grid", "The grid", head + tables(outcomes), [outcome.data() for outcome in outcomes])
    (RESULTS / "grid.svg").write_text(picture(outcomes))


if __name__ == "__main__":
    main()
