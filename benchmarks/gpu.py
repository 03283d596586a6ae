"""Layers and filters on a GPU: the choice of the planner and every other way of ours, beside torch, CuPy and a copy.

python benchmarks/gpu.py                      # writes benchmarks/results/gpu.{md,json} cell by cell; five minutes
python benchmarks/gpu.py --only depthwise     # cells whose name contains a word; writes nothing
python benchmarks/gpu.py --device cpu --tiny  # the same code on tiny cells, without a GPU; writes nothing
"""

from __future__ import annotations

import argparse
import importlib.metadata
import math
import random
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from statistics import geometric_mean
from typing import Any

import torch
from torch import nn

import faltung as fa
from cells import Cell, box, dense, gaussian, signal
from faltung.layers import Conv
from faltung.tensors.layer_plan import METHODS
from faltung.tensors.ways.way import PARTS
from measure import Timing, table, write
from ours import OURS, Choice

Run = Callable[[], Any]

#: Least seconds of a timed run, and most calls in it.
_SHORT, _CALLS = 2e-3, 50
#: A contender that takes so many times as long as the fastest one is timed by its first calls only.
_SLOW = 20.0
#: Seconds and rounds of a cell: all of them together take less than five minutes.
_SECONDS, _ROUNDS = 0.6, 9
#: Largest difference, relative to the largest result: torch multiplies single precision on tensor cores.
_TOLERANCE = {torch.float32: 5e-3, torch.bfloat16: 5e-2}
COPY = "copy"


@dataclass(frozen=True)
class Layer:
    """A layer and the shape of its input; `backward` adds the gradients with respect to input, taps and bias."""

    name: str
    channels: tuple[int, int]
    size: int
    shape: tuple[int, ...]
    dtype: torch.dtype
    backward: bool
    stride: int = 1
    groups: int = 1

    @property
    def family(self) -> str:
        """Heading of the table of the cell."""
        return f"Layers, {str(self.dtype).removeprefix('torch.')}"

    def __str__(self) -> str:
        """Return the cell in one line."""
        what = "forward and backward" if self.backward else "forward"
        return f"{self.name}, {str(self.dtype).removeprefix('torch.')}, {what}"


def layers(images: int, extent: int) -> Iterator[Layer]:
    for dtype in (torch.float32, torch.bfloat16):
        for backward in (False, True):
            for size in (3, 7, 13, 31):
                shape = (images, 96, extent, extent)
                yield Layer(f"depthwise 96, {size}x{size}", (96, 96), size, shape, dtype, backward, groups=96)
            yield Layer("64 -> 64, 3x3", (64, 64), 3, (images, 64, extent, extent), dtype, backward)
            shape = (images, 3, 4 * extent, 4 * extent)
            yield Layer("3 -> 64, 7x7, stride 2", (3, 64), 7, shape, dtype, backward, stride=2)


def filters(side: int, length: int) -> Iterator[Cell]:
    yield from (dense(side, width) for width in (3, 7, 15, 31, 63))
    yield from (gaussian(side, sigma) for sigma in (2, 5, 20))
    yield from (box(side, width) for width in (9, 31))
    yield from (signal(length, width) for width in (1024, 4096))


def tiny() -> Iterator[Layer | Cell]:
    """Yield small cells, one of each kind."""
    for backward in (False, True):
        shape = (2, 4, 12, 12)
        yield Layer("depthwise 4, 9x9", (4, 4), 9, shape, torch.float32, backward, groups=4)
        yield Layer("3 -> 4, 3x3, stride 2", (3, 4), 3, (2, 3, 16, 16), torch.bfloat16, backward, stride=2)
    yield from (dense(64, 5), gaussian(96, 2), box(64, 9), signal(2000, 101))


# ---- contenders


def of_layer(cell: Layer, device: torch.device) -> tuple[str, dict[str, Run]]:
    """Return the choice of the planner and all contenders, of which the first is the call that users make."""
    torch.manual_seed(0)
    ours = _layer(cell, "auto").to(device, cell.dtype)
    theirs = nn.Conv2d(*cell.channels, cell.size, cell.stride, cell.size // 2, groups=cell.groups)
    theirs = theirs.to(device, cell.dtype)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(cell.shape, dtype=torch.float32).to(device, cell.dtype)
    plan = ours.plan(cell.shape)
    parts = PARTS if cell.backward else PARTS[:1]
    possible = {c.method for part in parts for c in plan.parts[part] if c.seconds < math.inf}
    contenders = {OURS: _step(cell, ours, x)}
    for method in METHODS[1:]:
        if method in possible:
            layer = _layer(cell, method).to(device, cell.dtype)
            layer.load_state_dict(ours.state_dict())
            contenders[f"{OURS} {method}"] = _step(cell, layer, x)
    last = x.contiguous(memory_format=torch.channels_last)
    contenders["channels-last faltung"] = _step(cell, ours, last)
    contenders["torch"] = _step(cell, theirs, x)
    contenders["torch channels-last"] = _step(cell, deepcopy(theirs).to(memory_format=torch.channels_last), last)
    with torch.no_grad():
        source, target = torch.empty_like(x), torch.empty_like(ours(x))
    contenders[COPY] = partial(_copies, [(source, x), (target, target.clone())])
    return " / ".join(plan.method_of(part) for part in parts), contenders


def _layer(cell: Layer, method: str) -> Conv:
    return Conv(*cell.channels, cell.size, cell.stride, cell.size // 2, groups=cell.groups, method=method)


def _step(cell: Layer, layer: nn.Module, x: torch.Tensor) -> Run:
    if not cell.backward:

        def forward() -> list[torch.Tensor]:
            with torch.no_grad():
                return [layer(x)]

        return forward
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    with torch.no_grad():
        g = torch.ones_like(layer(x))
    wanted = [x, *layer.parameters()]

    def both() -> list[torch.Tensor]:
        y = layer(x)
        return [y.detach(), *torch.autograd.grad(y, wanted, g)]

    return both


def of_filter(cell: Cell, device: torch.device) -> tuple[str, dict[str, Run]]:
    """Return the choice of the planner and all contenders, of which the first is the call that users make."""
    x = torch.from_numpy(cell.image()).to(device)
    (kernel,) = cell.kernels
    plan = fa.plan(x, kernel)
    contenders: dict[str, Run] = {OURS: lambda: [fa.convolve(x, kernel)]}
    for candidate in plan.candidates:  # type: ignore[union-attr]
        if candidate.seconds < math.inf:
            contenders[f"{OURS} {candidate.method}"] = _by(x, kernel, candidate.method)
    taps = torch.from_numpy(cell.taps[0].copy()).to(x).flip([*range(kernel.ndim)])[None, None]
    convolve = nn.functional.conv1d if x.ndim == 1 else nn.functional.conv2d
    if cell.multiply_adds < 2e11 or device.type == "cpu":
        contenders["torch"] = lambda: [convolve(x[None, None], taps, padding="same")[0, 0]]
    lines = [torch.from_numpy(line.copy()).to(x) for line in cell.terms[0]] if cell.terms else []
    if x.ndim == 2 and lines:
        down, across = lines[0].flip(0)[None, None, :, None], lines[1].flip(0)[None, None, None, :]
        contenders["torch separable"] = lambda: [
            convolve(convolve(x[None, None], down, padding="same"), across, padding="same")[0, 0]
        ]
    contenders |= _cupy(cell, x)
    contenders[COPY] = partial(_copies, [(torch.empty_like(x), x)])
    return plan.candidates[0].method, contenders  # type: ignore[union-attr]


def _by(x: torch.Tensor, kernel: fa.Kernel, method: str) -> Run:
    return lambda: [fa.convolve(x, kernel, method=method)]


def _cupy(cell: Cell, x: torch.Tensor) -> dict[str, Run]:
    """CuPy's filters, if it is installed."""
    if x.device.type != "cuda" or find_spec("cupy") is None:
        return {}
    import cupy
    from cupyx.scipy import ndimage, signal

    array, taps = cupy.asarray(x), cupy.asarray(cell.taps[0], dtype="float32")
    out = cupy.empty_like(array)

    def filling(run: Callable[..., object]) -> Run:
        def call() -> list[torch.Tensor]:
            run(output=out)
            return [torch.from_dlpack(out)]

        return call

    contenders = {}
    if cell.multiply_adds < 2e11:
        contenders["CuPy ndimage.convolve"] = filling(partial(ndimage.convolve, array, taps))
    if cell.known[:1] == ("gaussian",):
        contenders["CuPy ndimage.gaussian_filter"] = filling(
            partial(ndimage.gaussian_filter, array, cell.known[1], truncate=4.0)
        )
    if cell.known[:1] == ("box",):
        contenders["CuPy ndimage.uniform_filter"] = filling(partial(ndimage.uniform_filter, array, cell.known[1]))
    if taps.size > 200:
        # Its "same" is centred one sample earlier for an even number of taps; a zero behind them makes it odd.
        odd = cupy.pad(taps, [(0, 1 - size % 2) for size in taps.shape])
        contenders["CuPy signal.fftconvolve"] = lambda: [
            torch.from_dlpack(signal.fftconvolve(array, odd, mode="same"))
        ]
    return contenders


def _copies(pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> list[torch.Tensor]:
    for target, source in pairs:
        target.copy_(source)
    return []


# ---- timing


def compare(
    cell: Layer | Cell, contenders: dict[str, Run], device: torch.device, seconds: float, rounds: int
) -> dict[str, Timing]:
    """Compare results, then time all contenders in turn: medians, and medians of the ratios to the first one.

    Slow contenders run in fewer rounds, or not again.
    """
    expected: list[torch.Tensor] = []
    for name, run in contenders.items():
        results = [result.float() for result in run()]
        expected = expected or results
        for result, wanted in zip(results, expected, strict=False):
            _check(cell, name, result, wanted)
    alone = {name: _seconds(run, 1, device) for name, run in contenders.items()}
    fastest = min(taken for name, taken in alone.items() if name != COPY)
    slow = {name for name, taken in alone.items() if taken > _SLOW * fastest}
    alone |= {
        name: min(alone[name], _seconds(contenders[name], 1, device)) for name in contenders if name not in slow
    }
    counts = {name: min(_CALLS, max(1, round(_SHORT / max(alone[name], 1e-6)))) for name in contenders}
    share = seconds / len(contenders)
    times: dict[str, list[float]] = {name: [] for name in contenders}
    ratios: dict[str, list[float]] = {name: [] for name in contenders}
    first, order = next(iter(contenders)), list(contenders)
    shuffle = random.Random(0).shuffle
    for _ in range(rounds):
        shuffle(order)
        done: dict[str, float] = {}
        for name in [first, *(other for other in order if other != first)]:
            spent = sum(times[name]) * counts[name]
            if name != first and (name in slow or (times[name] and spent > share)):
                continue
            contenders[name]()  # brings its arrays into the cache
            done[name] = _seconds(contenders[name], counts[name], device)
        for name, taken in done.items():
            times[name].append(taken)
            ratios[name].append(taken / done[first])
    ours = statistics.median(times[first])
    for name in slow - {first}:
        times[name], ratios[name] = [alone[name]], [alone[name] / ours]
    return {
        name: Timing(statistics.median(own), statistics.median(ratios[name]), len(own)) for name, own in times.items()
    }


def _check(cell: Layer | Cell, name: str, result: torch.Tensor, wanted: torch.Tensor) -> None:
    """Stop if a contender computes something else, since its time would mean nothing."""
    if isinstance(cell, Cell):  # libraries do not agree beyond the border
        result, wanted = result.reshape(cell.shape)[cell.inner], wanted.reshape(cell.shape)[cell.inner]
    tolerance = _TOLERANCE[cell.dtype] if isinstance(cell, Layer) else _TOLERANCE[torch.float32]
    difference = float((result - wanted).abs().max() / wanted.abs().max())
    if not difference <= tolerance:
        raise SystemExit(
            f"{name} is off by {difference:.3g} of the largest result, more than {tolerance:.3g}: {cell}"
        )


def _seconds(run: Run, count: int, device: torch.device) -> float:
    """Return the seconds of a call on the device, the mean of `count` calls one after the other."""
    if device.type != "cuda":
        start = time.perf_counter()
        for _ in range(count):
            run()
        return (time.perf_counter() - start) / count
    before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    before.record()
    for _ in range(count):
        run()
    after.record()
    after.synchronize()
    return before.elapsed_time(after) / 1e3 / count


# ---- report


def where(device: torch.device) -> dict[str, str]:
    """Return the device and the versions of its software."""
    facts = {"device": "CPU", "torch": torch.__version__}
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        facts["device"] = f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
        facts["capability"] = f"{properties.major}.{properties.minor}"
        facts["CUDA"], facts["cuDNN"] = str(torch.version.cuda), str(torch.backends.cudnn.version())
        with suppress(OSError, subprocess.CalledProcessError):
            query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
            facts["driver"] = subprocess.run(query, capture_output=True, text=True, check=True).stdout.split("\n")[0]
    for name in ("triton", "cupy-cuda12x", "cupy-cuda13x"):
        with suppress(importlib.metadata.PackageNotFoundError):
            facts[name] = importlib.metadata.version(name)
    return facts


def row(choice: Choice) -> list[str]:
    """Return the line of the table below `HEADER`."""
    timings = choice.timings
    peers = {name: timing for name, timing in timings.items() if name.split()[0] in ("torch", "CuPy")}
    best = min(peers, key=lambda name: peers[name].ratio, default="")
    regret = f"{choice.regret:.2f}" + ("" if choice.regret <= 1 else f" ({choice.best_engine})")
    last = timings.get("channels-last faltung")
    rest = [f"{name} {timing.best * 1e3:.3g}" for name, timing in timings.items() if name not in (OURS, COPY)]
    return [
        str(choice.cell),
        f"{choice.seconds * 1e3:.3g}",
        f"{last.best * 1e3:.3g}" if last else "",
        f"{peers[best].ratio:.2f}" if best else "",
        best,
        f"{1 / timings[COPY].ratio:.2f}",
        choice.engine,
        regret,
        "; ".join(rest),
    ]


HEADER = ["cell", "faltung ms", "channels last", "ratio", "best peer", "copies", "chosen", "regret", "all, ms"]

_NOTE = """
Milliseconds on the device, between CUDA events before and after several calls: the median over rounds in which all
contenders ran in turn, each after an untimed call; what takes 20 times as long as the fastest is called once after a
first call. *ratio*: time of the fastest peer over ours, the median over rounds. *copies*: our time over that of a
copy of input and output. *chosen*: the ways that the planner chose; of a layer for the output, and for the gradients
with respect to input and taps. *regret*: time of the choice over that of our best way, the same one for all parts.
torch takes the fastest of cuDNN's kernels (`cudnn.benchmark`), and by default multiplies single precision on tensor
cores in convolutions (TF32); our layers do so where torch's kernels were chosen.
"""


def report(choices: Iterable[Choice], facts: dict[str, str]) -> str:
    """Return the report."""
    choices = list(choices)
    worst = max(choices, key=lambda choice: choice.regret)
    parts = [
        "; ".join(f"{key} {value}" for key, value in facts.items()) + ".\n\n",
        f"Regret of the planner: {geometric_mean(choice.regret for choice in choices):.3f} in geometric mean over "
        f"{len(choices)} cells, {worst.regret:.2f} in the worst, {worst.cell}.\n",
        _NOTE,
    ]
    families: dict[str, list[list[str]]] = {}
    for choice in choices:
        family = choice.cell.family if isinstance(choice.cell, Layer) else "Filters, float32"
        families.setdefault(family, []).append(row(choice))
    parts += [f"\n## {family}\n\n{table(HEADER, rows)}" for family, rows in families.items()]
    return "".join(parts)


def measure(cell: Layer | Cell, device: torch.device, seconds: float, rounds: int) -> Choice:
    """Measure all contenders on one cell."""
    engine, contenders = (of_layer if isinstance(cell, Layer) else of_filter)(cell, device)  # type: ignore[operator]
    return Choice(cell, engine, compare(cell, contenders, device, seconds, rounds))  # type: ignore[arg-type]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="where to run; results of a GPU only are written")
    parser.add_argument("--tiny", action="store_true", help="small cells; writes nothing")
    parser.add_argument("--only", default="", help="cells whose name contains this; writes nothing")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        parser.exit(
            2, f"{parser.prog}: torch {torch.__version__} sees no GPU; --device cpu --tiny runs without one\n"
        )
    torch.backends.cudnn.benchmark = True  # torch tries all its kernels and uses the fastest
    cells = [*tiny()] if arguments.tiny else [*filters(4096, 1_000_000), *layers(32, 56)]
    cells = [cell for cell in cells if arguments.only in str(cell)]
    if not cells:
        parser.error(f"no cell is called {arguments.only}")
    seconds, rounds = (0.05, 3) if arguments.tiny else (_SECONDS, _ROUNDS)
    choices, facts, text = [], where(device), ""
    for cell in cells:
        choices.append(measure(cell, device, seconds, rounds))
        print(" | ".join(row(choices[-1])), flush=True)
        text = report(choices, facts)
        if device.type == "cuda":
            torch.cuda.empty_cache()
            if not (
                arguments.tiny or arguments.only
            ):  # after every cell, so that a run that is stopped leaves what it has
                write("gpu", "On a GPU", text, {"device": facts, "cells": [choice.data() for choice in choices]})
    print("\n" + text.split("\n\n## ")[0])


if __name__ == "__main__":
    main()
