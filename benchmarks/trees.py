"""Two versions of faltung side by side: every cell is run by both in turn, each in a process of its own.

python benchmarks/trees.py OTHER                  # this checkout against another one, all cells
python benchmarks/trees.py OTHER --only layers    # grid, calls, layers or start

Only what the public face offers is measured, so that the other checkout may be an old one. Both processes are alive
all the time and take turns, so that a drift of the machine affects both. A line shows the best time of each, and the
median of the ratios of all rounds; above 1, this checkout is slower. A checkout against itself shows the noise.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
GROUPS = ("calls", "grid", "layers", "start")
#: Seconds of calls before a timed one, so that caches and threads are as warm for both; and of timed calls.
_WARM, _TIMED = 0.01, 0.03
#: Times that a start of Python is measured.
_STARTS = 15

_IMPORT = "import time; a = time.perf_counter(); import faltung; print(time.perf_counter() - a)"
_FIRST = """
import time, numpy as np, faltung as fa
x = np.random.default_rng(0).random((512, 512), dtype=np.float32)
a = time.perf_counter(); fa.convolve(x, np.ones((3, 3)) / 9); print(time.perf_counter() - a)
"""


def cells(group: str) -> Iterator[tuple[str, Callable[[], Callable[[], object]]]]:
    """Names, and what makes a call to measure."""
    if group == "grid":
        from cells import grid

        for cell in grid():
            yield str(cell), lambda cell=cell: _grid_call(cell)
    elif group == "calls":
        yield from _calls()
    elif group == "layers":
        yield from _layers()


def _grid_call(cell: Any) -> Callable[[], object]:
    import faltung as fa

    image, out = cell.image(), np.empty(cell.result_shape, cell.dtype)
    if len(cell.kernels) > 1:
        bank = fa.Bank.stack(list(cell.kernels))
        return lambda: bank(image, out=out)
    (kernel,) = cell.kernels
    if image.size <= 64 * 64:
        run = fa.plan(image, kernel, dtype=cell.dtype)
        return lambda: run(image, out)
    return lambda: fa.convolve(image, kernel, out=out)


def _calls() -> Iterator[tuple[str, Callable[[], Callable[[], object]]]]:
    import faltung as fa

    rng = np.random.default_rng(0)
    small, middle = (rng.random((n, n), dtype=np.float32) for n in (64, 512))
    kernel = fa.Kernel([[0, 1, 0], [1, 4, 1], [0, 1, 0]])
    missing = middle.copy()
    missing[::50, ::50] = np.nan
    bank, layer = fa.Bank.stack([fa.sobel(axis=0), fa.sobel(axis=1)]), fa.Bank(np.ones((8, 3, 3, 3)))
    colours = rng.random((3, 64, 64), dtype=np.float32)
    run = fa.plan(small, kernel)
    taps = np.ones((3, 3))
    table: dict[str, Callable[[], object]] = {
        "64 x 64, plan": lambda: run(small),
        "64 x 64, convolve": lambda: fa.convolve(small, kernel),
        "64 x 64, array of taps": lambda: fa.convolve(small, taps),
        "64 x 64, kernel(x)": lambda: kernel(small),
        "64 x 64, every second column": lambda: fa.convolve(middle[:64, :128:2], kernel),
        "64 x 64, stride 2": lambda: fa.convolve(small, kernel, stride=2),
        "64 x 64, bank of two": lambda: bank(small),
        "3 x 64 x 64, 3 -> 8 channels": lambda: fa.convolve(colours, layer, channel_axis=0),
        "512 x 512, Gaussian 1": lambda: fa.convolve(middle, fa.gaussian(1.0)),
        "512 x 512, missing samples": lambda: fa.convolve(missing, kernel, nan="ignore"),
        "512 x 512, float16": lambda: fa.convolve(middle.astype("f2"), kernel),
    }
    for name, call in table.items():
        yield name, lambda call=call: call


def _layers() -> Iterator[tuple[str, Callable[[], Callable[[], object]]]]:
    shapes = {
        "depthwise 96, 3x3, 4 x 56x56": ((96, 96, 3), 96, (4, 96, 56, 56)),
        "depthwise 96, 7x7, 4 x 56x56": ((96, 96, 7), 96, (4, 96, 56, 56)),
        "depthwise 96, 13x13, 4 x 56x56": ((96, 96, 13), 96, (4, 96, 56, 56)),
        "depthwise 96, 31x31, 4 x 56x56": ((96, 96, 31), 96, (4, 96, 56, 56)),
        "1 -> 16, 3x3, 1024x1024": ((1, 16, 3), 1, (1, 1, 1024, 1024)),
        "3 -> 64, 7x7, 512x512": ((3, 64, 7), 1, (1, 3, 512, 512)),
        "64 -> 64, 3x3, 4 x 56x56": ((64, 64, 3), 1, (4, 64, 56, 56)),
        "16 -> 16, 3x3, 1 x 14x14": ((16, 16, 3), 1, (1, 16, 14, 14)),
        "1 -> 1, 1024 taps, 4 x 16000": ((1, 1, 1024), 1, (4, 1, 16000)),
        "8 -> 8, 3 cubed, 48 cubed": ((8, 8, 3), 1, (1, 8, 48, 48, 48)),
    }
    for name, (sizes, groups, shape) in shapes.items():
        for backward in (False, True):
            what = f"{name}, {'training' if backward else 'forward'}"
            yield what, lambda s=sizes, g=groups, n=shape, b=backward: _layer_call(s, g, n, b)
    yield "Gaussian 2 on a 512x512 tensor", _tensor_call


def _layer_call(sizes: Any, groups: int, shape: Any, backward: bool) -> Callable[[], object]:
    import torch

    from faltung.layers import Conv

    torch.manual_seed(0)
    layer = Conv(*sizes, padding=sizes[2] // 2, groups=groups, ndim=len(shape) - 2)
    x = torch.randn(shape, requires_grad=backward)
    if not backward:

        def forward() -> object:
            with torch.no_grad():
                return layer(x)

        return forward
    gradient = torch.randn_like(layer(x))
    wanted = [x, *layer.parameters()]
    return lambda: torch.autograd.grad(layer(x), wanted, gradient)


def _tensor_call() -> Callable[[], object]:
    import torch

    import faltung as fa

    x, kernel = torch.rand(512, 512), fa.gaussian(2.0)
    return lambda: kernel(x)


def serve(group: str) -> None:
    """Measure one cell after the other, whenever a line asks for it."""
    made = [make for _, make in cells(group)]
    calls: dict[int, Callable[[], object]] = {}
    for line in sys.stdin:
        number = int(line)
        if number not in calls:
            calls.clear()
            calls[number] = made[number]()
        print(_best(calls[number]), flush=True)


def _best(call: Callable[[], object]) -> float:
    ready = time.perf_counter() + _WARM
    call()
    while time.perf_counter() < ready:
        call()
    best, stop = math.inf, time.perf_counter() + _TIMED
    while time.perf_counter() < stop or best == math.inf:
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def compare(other: Path, group: str, rounds: int, match: str = "") -> Iterator[tuple[str, list[float], list[float]]]:
    """Yield for each cell its name, and the seconds of this checkout and of the other one, round after round."""
    trees = [HERE.parent, other]
    if group == "start":
        for name, code in (("import faltung", _IMPORT), ("first call, compiled before", _FIRST)):
            yield name, *_starts(trees, code)
        return
    names = [name for name, _ in cells(group)]
    servers = [
        subprocess.Popen(
            [sys.executable, __file__, "--serve", group],
            env=_environment(tree),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for tree in trees
    ]
    for number, name in enumerate(names):
        if match not in name:
            continue
        times: list[list[float]] = [[], []]
        for turn in range(rounds):
            for place in (0, 1) if turn % 2 else (1, 0):
                server = servers[place]
                assert server.stdin is not None
                assert server.stdout is not None
                server.stdin.write(f"{number}\n")
                server.stdin.flush()
                times[place].append(float(server.stdout.readline()))
        yield name, times[0], times[1]
    for server in servers:
        assert server.stdin is not None
        server.stdin.close()
        server.wait()


def _starts(trees: list[Path], code: str) -> list[list[float]]:
    times: list[list[float]] = [[], []]
    with tempfile.TemporaryDirectory() as cache:
        for _ in range(_STARTS):
            for place, tree in enumerate(trees):
                environment = {**_environment(tree), "FALTUNG_CACHE": cache}
                done = subprocess.run(
                    [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
                )
                times[place].append(float(done.stdout))
    return times


def _environment(tree: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(tree / "src"), str(HERE)])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", nargs="?", type=Path, help="another checkout")
    parser.add_argument("--only", choices=GROUPS, help="cells of one kind")
    parser.add_argument("--match", default="", help="only cells whose names contain this")
    parser.add_argument("--rounds", type=int, default=12, help="times that each cell is run by both")
    parser.add_argument("--json", type=Path, help="write the times to a file")
    parser.add_argument("--serve", choices=GROUPS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
        return
    if given.other is None:
        parser.error("name the folder of another checkout")
    times: dict[str, tuple[list[float], list[float]]] = {}
    for group in [given.only] if given.only else GROUPS:
        ratios = []
        for name, ours, theirs in compare(given.other.resolve(), group, given.rounds, given.match):
            times[f"{group}: {name}"] = ours, theirs
            ratios.append(statistics.median(a / b for a, b in zip(ours, theirs, strict=True)))
            both = f"{min(ours) * 1e6:>12.4g} us {min(theirs) * 1e6:>12.4g} us"
            print(f"{group:<7}{name:<48}{both}  {ratios[-1]:.3f}", flush=True)
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        print(f"{group}: {mean:.3f} in geometric mean, {max(ratios):.3f} at most", flush=True)
    if given.json:
        given.json.write_text(json.dumps(times, indent=1) + "\n")


if __name__ == "__main__":
    main()
