"""Regret on random problems: the time of the engine that the planner chose over that of our fastest engine.

python benchmarks/regret.py              # writes benchmarks/results/regret.{md,json}
python benchmarks/regret.py --count 10   # a few problems, writes nothing
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from statistics import geometric_mean

import numpy as np

import faltung as fa
import ours
from cells import Cell
from compare import alone, compare
from measure import table, write

_COUNT = 200
#: Seconds of a call: less is mostly overhead, and more would take too long.
_LEAST, _MOST = 2e-5, 5e-2
#: Widest random kernel in one, two and three dimensions.
_WIDEST = {1: 20_001, 2: 151, 3: 17}


def problems(count: int, seed: int) -> Iterator[Cell]:
    """Yield random problems whose calls take a suitable time."""
    rng = np.random.default_rng(seed)
    accepted = 0
    while accepted < count:
        cell = draw(rng)
        if _fits(cell) and _LEAST <= alone(ours.auto(cell, cell.image()))[1] <= _MOST:
            accepted += 1
            yield cell


def draw(rng: np.random.Generator) -> Cell:
    """Draw dimensions, shape, dtype and kernel; sizes are uniform on a logarithmic scale."""
    ndim = int(rng.integers(1, 4))
    name, kernel = _kernel(rng, ndim)
    batch = [int(rng.integers(2, 40))] if rng.random() < 0.2 else []
    side = (_log_uniform(rng, 1e3, 2e7) / math.prod(batch)) ** (1 / ndim)
    shape = (*batch, *(max(1, round(side * float(stretch))) for stretch in np.exp(rng.normal(0, 0.5, ndim))))
    dtype = "uint8" if rng.random() < 0.2 else "float32"
    return Cell("random", name, shape, dtype, (kernel,))


def _kernel(rng: np.random.Generator, ndim: int) -> tuple[str, fa.Kernel]:
    width = 2 * round(_log_uniform(rng, 1, _WIDEST[ndim] / 2)) + 1
    sigma = _log_uniform(rng, 0.5, 30 / ndim)
    size = " x ".join([str(width)] * ndim)
    match rng.choice(["dense", "dense", "sparse", "low rank", "box", "gaussian", "log", "dog"]):
        case "dense":
            return f"dense {size}", fa.Kernel(rng.standard_normal((width,) * ndim))
        case "sparse":
            share = _log_uniform(rng, 0.02, 0.5)
            taps = np.where(rng.random((width,) * ndim) < share, rng.standard_normal((width,) * ndim), 0.0)
            taps[(0,) * ndim] = taps[(-1,) * ndim] = 1.0
            return f"{np.count_nonzero(taps)} of {size} taps", fa.Kernel(taps)
        case "low rank":
            terms = int(rng.integers(1, 4))
            products = [_outer(rng, width, ndim) for _ in range(terms)]
            return f"sum of {terms} outer products {size}", fa.Kernel(np.sum(products, axis=0))
        case "box":
            return f"box {size}", fa.box(width, ndim=ndim)
        case "gaussian":
            return f"Gaussian {sigma:.2f}", fa.gaussian(sigma, ndim=ndim)
        case "log":
            return f"LoG {sigma:.2f}", fa.log(sigma, ndim=ndim)
        case _:
            return f"DoG {sigma:.2f}, {1.6 * sigma:.2f}", fa.dog(sigma, ndim=ndim)


def _outer(rng: np.random.Generator, width: int, ndim: int) -> np.ndarray:
    product = np.ones(())
    for _ in range(ndim):
        product = np.multiply.outer(product, rng.standard_normal(width))
    return product


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _fits(cell: Cell) -> bool:
    """Whether there are outputs that do not depend on samples beyond the border."""
    return all(length > 2 * size for length, size in zip(cell.spatial, cell.kernels[0].shape, strict=True))


def measure(cell: Cell) -> ours.Choice:
    image = cell.image()
    timings = compare(cell, [ours.engines(cell, image)], {}, seconds=0.6, rounds=9)["in a row"]
    return ours.Choice(cell, ours.engine(cell, image), timings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=_COUNT, help=f"number of problems; only {_COUNT} are written")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    choices = []
    for cell in problems(arguments.count, arguments.seed):
        choices.append(measure(cell))
        print(" | ".join(_row(choices[-1])), flush=True)
    choices.sort(key=lambda choice: -choice.regret)
    verdict = (
        f"{len(choices)} random problems: regret {geometric_mean(choice.regret for choice in choices):.3f} "
        f"in the geometric mean, {choices[0].regret:.2f} in the worst case, {choices[0].cell}.\n"
    )
    print("\n" + verdict)
    if (arguments.count, arguments.seed) == (_COUNT, 0):
        rows = table(["regret", "ms", "chosen", "best", "problem"], [_row(choice) for choice in choices])
        write("regret", "Regret of the planner", f"{verdict}\n{rows}", [choice.data() for choice in choices])


def _row(choice: ours.Choice) -> list[str]:
    milliseconds = f"{choice.seconds * 1e3:.3g}"
    return [f"{choice.regret:.2f}", milliseconds, choice.engine, choice.best_engine, str(choice.cell)]


if __name__ == "__main__":
    main()
