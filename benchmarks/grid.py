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

import ours
from cells import FAMILIES, Cell, grid
from compare import compare
from measure import RESULTS, write
from outcome import BY_HAND, COPY, HEADER, Outcome, picture, summary, tables
from peers import contenders


def measure(cell: Cell, peak: float, seconds: float, rounds: int) -> Outcome:
    """Measure all contenders on one cell."""
    image = cell.image()
    copy = np.empty_like(image)

    def copied() -> None:
        np.copyto(copy, image)

    others = contenders(cell, image)
    functions = {name: run for name, run in others.items() if not name.endswith(BY_HAND)}
    by_hand = {name: run for name, run in others.items() if name.endswith(BY_HAND)}
    timings = compare(cell, [ours.engines(cell, image), functions, by_hand], {COPY: copied}, seconds, rounds)
    return Outcome(cell, ours.engine(cell, image), timings.pop("in turn"), peak, timings)


def matrix_product_speed() -> float:
    """Return the operations per second of a product of float32 matrices, which is close to the peak."""
    a = np.random.default_rng(0).random((1024, 1024), dtype=np.float32)
    out, best, until = np.empty_like(a), float("inf"), time.perf_counter() + 1
    while time.perf_counter() < until:
        start = time.perf_counter()
        np.matmul(a, a, out=out)
        best = min(best, time.perf_counter() - start)
    return 2 * len(a) ** 3 / best


def chosen(families: set[str], sizes: set[int]) -> list[Cell]:
    """Return the cells of these families and longest sides; an empty set means all."""
    return [
        cell
        for cell in grid()
        if (not families or cell.family in families) and (not sizes or max(cell.shape) in sizes)
    ]


def _families(text: str) -> set[str]:
    names = set(text.split(","))
    if not names <= {*FAMILIES}:
        raise argparse.ArgumentTypeError(f"expected some of {','.join(FAMILIES)}, got {text}")
    return names


def _sizes(text: str) -> set[int]:
    try:
        return set(map(int, text.split(",")))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected integers such as 64,512, got {text}") from error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds; nothing is written")
    parser.add_argument("--only", type=_families, default=set(), help=f"some of {','.join(FAMILIES)}")
    parser.add_argument("--sizes", type=_sizes, default=set(), help="longest sides of the arrays, such as 64,512")
    arguments = parser.parse_args()
    cells = chosen(arguments.only, arguments.sizes)
    if not cells:
        parser.error("no cell has these families and sizes")
    peak, outcomes = matrix_product_speed(), []
    seconds, rounds = (0.3, 5) if arguments.quick else (2.0, 15)
    print(f"Peak {peak / 1e9:.0f} GFLOP/s\n" + " | ".join(HEADER))
    for cell in cells:
        outcomes.append(measure(cell, peak, seconds, rounds))
        print(" | ".join(outcomes[-1].row()), flush=True)
    print("\n" + summary(outcomes))
    if not (arguments.quick or arguments.only or arguments.sizes):
        _write(outcomes, peak)


def _write(outcomes: list[Outcome], peak: float) -> None:
    head = f"Peak: {peak / 1e9:.0f} GFLOP/s, that of a product of 1024 x 1024 float32 matrices by NumPy.\n\n"
    write("grid", "The grid", head + tables(outcomes), [outcome.data() for outcome in outcomes])
    (RESULTS / "grid.svg").write_text(picture(outcomes))


if __name__ == "__main__":
    main()
