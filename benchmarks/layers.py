"""Layers beside torch: forward, forward and backward, whole blocks in training, memory; and how good the plans are.

python benchmarks/layers.py            # writes benchmarks/results/layers.{md,json}; about five minutes
python benchmarks/layers.py depthwise  # only cells whose name contains a word; writes nothing
python benchmarks/layers.py --tiles 64 56 16  # a layer in Winograd's tiles: channels, size, images; writes nothing

Every cell runs in turn, in one process: our layer with contiguous and with channels-last tensors, and torch's with
both.
"""

from __future__ import annotations

import functools
import json
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from faltung.layers import Conv, convert
from faltung.planning.layer import Axis, Layer
from faltung.run.winograd_run import correlate_winograd
from faltung.tensors.torch_threads import beside_torch, thread_count
from faltung.tensors.ways.way import WAYS
from measure import table, time_in_turn, write


@dataclass(frozen=True)
class Cell:
    """A layer and an input; what is asked of the ratio to torch, if anything."""

    name: str
    channels: tuple[int, int]
    size: int
    shape: tuple[int, ...]
    groups: int = 1
    stride: int = 1
    backward: bool = True
    goal: float | None = None


def depthwise(size: int, backward: bool, goal: float | None, extent: int = 56, images: int = 4) -> Cell:
    name = f"depthwise 96, {size}x{size}, {images} x {extent}x{extent}"
    return Cell(name, (96, 96), size, (images, 96, extent, extent), 96, 1, backward, goal)


def single(channels: int, extent: int, images: int, size: int = 3, stride: int = 1) -> Cell:
    """Return a depthwise layer of MobileNetV2 (arXiv:1801.04381) or ConvNeXt (arXiv:2201.03545)."""
    step = f" stride {stride}" if stride > 1 else ""
    name = f"depthwise {channels}, {size}x{size}{step}, {images} x {extent}x{extent}"
    return Cell(name, (channels, channels), size, (images, channels, extent, extent), channels, stride)


def dense(
    before: int,
    after: int,
    size: int,
    images: int,
    extent: int,
    backward: bool,
    goal: float | None = None,
    stride: int = 1,
) -> Cell:
    name = (
        f"{before} -> {after}, {size}x{size}{f' stride {stride}' if stride > 1 else ''}, {images} x {extent}x{extent}"
    )
    return Cell(name, (before, after), size, (images, before, extent, extent), 1, stride, backward, goal)


CELLS = [
    depthwise(3, True, 1.0),
    depthwise(7, True, 2.0),
    depthwise(13, True, 3.0),
    depthwise(31, True, 8.0),
    *(depthwise(size, False, None) for size in (3, 7, 13, 31)),
    depthwise(7, True, None, 14, 32),
    depthwise(7, True, None, 28),
    depthwise(5, True, None, 112, 2),
    *(
        single(channels, extent, images, 3, stride)
        for images in (1, 16)
        for channels, extent, stride in ((32, 112, 1), (96, 112, 2), (144, 56, 1), (384, 14, 1), (960, 7, 1))
    ),
    *(single(channels, extent, 16, 7) for channels, extent in ((192, 28), (384, 14), (768, 7))),
    dense(1, 16, 3, 1, 1024, False, 2.5),
    dense(3, 64, 7, 1, 1024, False, 1.3),
    dense(64, 64, 3, 16, 56, False, 0.95),
    dense(64, 64, 3, 16, 56, True, 0.95),
    dense(1, 16, 3, 1, 1024, True),
    dense(3, 64, 7, 4, 224, True, stride=2),
    dense(16, 3, 3, 4, 256, True),
    dense(8, 8, 3, 4, 256, True),
    dense(16, 32, 3, 128, 14, True),
    Cell("1-D, 1 -> 1, 1024 taps, 4 x 16000", (1, 1), 1024, (4, 1, 16000)),
    Cell("1-D, 16 -> 16, 9 taps, 8 x 4000", (16, 16), 9, (8, 16, 4000)),
    Cell("3-D, 8 -> 8, 3 cubed, 1 x 48 cubed", (8, 8), 3, (1, 8, 48, 48, 48)),
]


def contenders(cell: Cell) -> dict[str, Callable[[], object]]:
    """Our layer and torch's, with the samples of a row and with the channels side by side."""
    count = len(cell.shape) - 2
    torch.manual_seed(0)
    ours = Conv(*cell.channels, cell.size, cell.stride, cell.size // 2, groups=cell.groups, ndim=count)
    theirs = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[count](
        *cell.channels, cell.size, cell.stride, cell.size // 2, groups=cell.groups
    )
    theirs.load_state_dict(ours.state_dict())
    found: dict[str, Callable[[], object]] = {}
    for order in ("contiguous", "channels last")[: 1 if count == 1 else 2]:
        format_ = torch.contiguous_format
        if order == "channels last":
            format_ = torch.channels_last if count == 2 else torch.channels_last_3d
        for name, layer in (("faltung", ours), ("torch", theirs)):
            found[f"{name}, {order}"] = _step(cell, layer, format_)
    return found


def _step(cell: Cell, layer: nn.Module, format_: torch.memory_format) -> Callable[[], object]:
    x = torch.randn(cell.shape).to(memory_format=format_)
    if not cell.backward:

        def forward() -> object:
            with torch.no_grad():
                return layer(x)

        return forward
    x.requires_grad_()
    g = torch.randn_like(layer(x)).to(memory_format=format_)
    wanted = [x, *layer.parameters()]

    def both() -> object:
        return torch.autograd.grad(layer(x), wanted, g)

    return both


# ---- how good the plans are


def regret(cell: Cell) -> list[dict[str, object]]:
    """For each part and order of axes: what was chosen, and its time over that of the best way."""
    count, found = len(cell.shape) - 2, []
    layer = Conv(*cell.channels, cell.size, cell.stride, cell.size // 2, groups=cell.groups, ndim=count)
    for last in (False, True)[: 1 if count == 1 else 2]:
        plan = layer.plan(cell.shape, channels_last=last)
        format_ = torch.contiguous_format
        if last:
            format_ = torch.channels_last if count == 2 else torch.channels_last_3d
        shapes = (plan.problem.source_shape, plan.problem.taps_shape, plan.problem.target_shape)
        x, w, g = (torch.randn(shape).to(memory_format=format_) for shape in shapes)
        for part, tensors in (("correlate", (x, w, None)), ("adjoint", (g, w)), ("taps", (x, g))):
            if part != "correlate" and not cell.backward:
                continue
            ways = {c.method for c in plan.parts[part] if c.seconds < 20 * plan.parts[part][0].seconds}
            runs = {way: _part(plan.problem, way, part, tensors, format_) for way in ways}
            times = {way: timing.best for way, timing in time_in_turn(runs, 0.4 * len(runs), 7).items()}
            row = {"cell": cell.name, "part": part, "channels last": last, "chosen": plan.method_of(part), **times}
            found.append({**row, "regret": times[plan.method_of(part)] / min(times.values())})
    return found


def _part(
    layer: Layer, way: str, part: str, tensors: tuple[object, ...], format_: torch.memory_format
) -> Callable[[], object]:
    run = getattr(WAYS[way], part)

    def one() -> object:
        y = run(layer, *tensors)
        return y.contiguous(memory_format=format_) if part != "taps" and y.ndim in (4, 5) else y

    return one


# ---- Winograd's tiles


def tiles(channels: int, size: int, images: int, seconds: float) -> None:
    """Print the times of a 3 x 3 layer in Winograd's tiles of 4 x 4 and 2 x 2 outputs beside torch's."""
    torch.manual_seed(0)
    torch.set_grad_enabled(False)
    axis = Axis(size, 3, -1, size)
    layer = Layer(images, 1, channels, channels, (axis, axis))
    w, bias = torch.randn(layer.taps_shape) / math.sqrt(9 * channels), torch.randn(channels)
    runs: dict[str, Callable[[], object]] = {}
    for name, order in (("contiguous", torch.contiguous_format), ("channels last", torch.channels_last)):
        x, y = (torch.randn(shape).to(memory_format=order) for shape in (layer.source_shape, layer.target_shape))
        taps = w.to(memory_format=order)
        runs[f"torch, {name}"] = functools.partial(nn.functional.conv2d, x, taps, bias, padding=1)
        arrays = [each.numpy() for each in (x, w, bias, y)]
        for tile in (4, 2):
            runs[f"tiles of {tile}, {name}"] = functools.partial(
                correlate_winograd, layer, *arrays, tile=tile, workers=thread_count(), run=beside_torch
            )
    times = {name: timing.best for name, timing in time_in_turn(runs, seconds, 7).items()}
    theirs = min(taken for name, taken in times.items() if name.startswith("torch"))
    ratios = [theirs / taken for name, taken in times.items() if name.startswith("tiles of 4")]
    columns = [f"{name} {taken * 1e3:.3f} ms" for name, taken in times.items()]
    print(f"{channels} channels, {images} x {size}x{size}:", ", ".join(columns), end="; ")
    print("torch's better time over that of tiles of 4:", ", ".join(f"{ratio:.2f}" for ratio in ratios), flush=True)


# ---- whole blocks


class ConvNeXtBlock(nn.Module):
    """Depthwise 7x7, then two linear layers over channels, as in Liu et al., arXiv:2201.03545."""

    def __init__(self, channels: int, size: int = 7) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, size, padding=size // 2, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.wide = nn.Linear(channels, 4 * channels)
        self.narrow = nn.Linear(4 * channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (images, channels, height, width) to the same shape."""
        found = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        found = self.narrow(nn.functional.gelu(self.wide(found)))
        return x + found.permute(0, 3, 1, 2)


class LargeKernelBlock(nn.Module):
    """Depthwise 31x31 between two 1x1 layers, as in Ding et al., arXiv:2203.06717."""

    def __init__(self, channels: int, size: int = 31) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 1),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, size, padding=size // 2, groups=channels),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (images, channels, height, width) to the same shape."""
        return x + self.body(x)


BLOCKS = {
    "ConvNeXt block, 96 channels, 8 x 56x56": (ConvNeXtBlock, 96, (8, 96, 56, 56)),
    "ConvNeXt block, 384 channels, 8 x 14x14": (ConvNeXtBlock, 384, (8, 384, 14, 14)),
    "31x31 block, 64 channels, 4 x 56x56": (LargeKernelBlock, 64, (4, 64, 56, 56)),
}


def _training(kind: type[nn.Module], channels: int, shape: tuple[int, ...], ours: bool) -> Callable[[], float]:
    torch.manual_seed(0)
    model = kind(channels)
    if ours:
        convert(model)
    x, wanted = torch.randn(shape), torch.randn(shape)
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)

    def step() -> float:
        optimiser.zero_grad()
        loss = nn.functional.mse_loss(model(x), wanted)
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    return step


def train_blocks(seconds: float) -> list[dict[str, object]]:
    found = []
    for name, (kind, channels, shape) in BLOCKS.items():
        curves = []
        for ours in (True, False):
            step = _training(kind, channels, shape, ours)
            curves.append([step() for _ in range(10)])
        apart = max(abs(a - b) / b for a, b in zip(*curves, strict=True))
        steps = {"faltung": _training(kind, channels, shape, True), "torch": _training(kind, channels, shape, False)}
        times = time_in_turn(steps, seconds, 9)
        row = {"block": name, "faltung": times["faltung"].best, "torch": times["torch"].best, "losses apart": apart}
        found.append(row)
        print(row, flush=True)
    return found


# ---- memory

_STEPS = """
import json, torch
from faltung.layers import Conv
def resident():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1])
torch.manual_seed(0)
layers = torch.nn.Sequential(
    Conv(4, 8, 3, padding=1, padding_mode="reflect", method="direct"),
    Conv(8, 8, 7, padding=3, groups=8, method="direct"),
    Conv(8, 4, 3, padding=1, method="direct"),
    Conv.transposed(4, 4, 3, padding=1, method="direct"))
x = torch.randn(2, 4, 24, 24)
found = []
for step in range({steps} + 1):
    layers(x).square().mean().backward()
    layers.zero_grad()
    if step % ({steps} // 10) == 0:
        found.append(resident())
print(json.dumps(found))
"""

_PEAK = """
import json, torch
from faltung.layers import Conv
def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
layer = {layer}
small = torch.randn(1, 16, 64, 64, requires_grad=True)
layer(small).sum().backward()
x = torch.randn(1, 16, 2048, 2048, requires_grad=True)
before = peak()
layer(x).sum().backward()
print(json.dumps(peak() - before))
"""


def _run(code: str) -> object:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def memory(steps: int) -> dict[str, object]:
    """Resident memory over many steps, and the peak of a padded layer beside torch's, in kilobytes."""
    found: dict[str, object] = {"resident": _run(_STEPS.format(steps=steps))}
    for mode in ("zeros", "reflect"):
        arguments = f"16, 16, 7, padding=3, groups=16, padding_mode={mode!r}"
        for name, layer in (("faltung", f"Conv({arguments})"), ("torch", f"torch.nn.Conv2d({arguments})")):
            found[f"{name}, {mode}"] = _run(_PEAK.format(layer=layer))
    print(found, flush=True)
    return found


def main(words: list[str]) -> None:
    if words[:1] == ["--tiles"]:
        tiles(*(int(word) for word in words[1:]), 3.0)
        return
    cells = [cell for cell in CELLS if not words or any(word in cell.name for word in words)]
    rows, data = [], []
    time_in_turn(contenders(cells[0]), 2.0, 5)  # torch is slower in the first second of a process; not counted
    for cell in cells:
        times = time_in_turn(contenders(cell), 4.0, 15)
        ours = min((t.best, name) for name, t in times.items() if name.startswith("faltung"))
        theirs = min((t.best, name) for name, t in times.items() if name.startswith("torch"))
        what = "forward and backward" if cell.backward else "forward"
        goal = "" if cell.goal is None else f"{cell.goal:g}"
        milliseconds = [f"{times[name].best * 1e3:.2f}" if name in times else "" for name in _COLUMNS]
        rows.append([cell.name, what, *milliseconds, f"**{theirs[0] / ours[0]:.2f}**", goal])
        data.append(
            {"cell": cell.name, "what": what, **{name: t.best for name, t in times.items()}, "goal": cell.goal}
        )
        print(" ".join(rows[-1]), flush=True)
    if words:
        return
    blocks, used = train_blocks(8.0), memory(10_000)
    regrets = [row for cell in cells for row in regret(cell)]
    measured = {"cells": data, "blocks": blocks, "memory": used, "plans": regrets}
    write("layers", "Layers beside torch", _text(rows, blocks, used) + _plans(regrets), measured)


_COLUMNS = ("faltung, contiguous", "faltung, channels last", "torch, contiguous", "torch, channels last")

_NOTE = """
Milliseconds, the best of several runs in turn in one process, float32, layers with a bias. The ratio is torch's
better time over our better time; `goal` is what was asked of it. Gradients are those to input, weights and bias.
"""


def _text(rows: list[list[str]], blocks: list[dict[str, object]], used: dict[str, object]) -> str:
    text = table(["layer", "what", *_COLUMNS, "ratio", "goal"], rows) + _NOTE
    lines = [
        [
            str(row["block"]),
            f"{float(str(row['faltung'])) * 1e3:.1f}",
            f"{float(str(row['torch'])) * 1e3:.1f}",
            f"**{float(str(row['torch'])) / float(str(row['faltung'])):.2f}**",
            f"{float(str(row['losses apart'])):.1e}",
        ]
        for row in blocks
    ]
    text += "\n## A step of training, with `convert` and without\n\n"
    text += table(["block", "converted, ms", "torch, ms", "ratio", "losses apart, of 10 steps"], lines)
    resident = [int(kilobytes) for kilobytes in used["resident"]]  # type: ignore[attr-defined]
    first, last = resident[1] / 1024, resident[-1] / 1024
    text += "\n## Memory\n\nResident memory over 10,000 steps of four layers: "
    text += f"{first:.1f} MB after 1,000, {last:.1f} MB at the end.\n"
    text += (
        "Peak of forward and backward of a depthwise 7x7 layer with 16 channels on 2048x2048, in MB above what there "
    )
    text += "was before: "
    text += ", ".join(f"{name} {int(str(used[name])) / 1024:.0f}" for name in used if name != "resident") + ".\n"
    return text


def _plans(rows: list[dict[str, object]]) -> str:
    ratios = [float(str(row["regret"])) for row in rows]
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    text = f"\n## Plans\n\nTime of the chosen way over that of the best, over {len(ratios)} parts of these layers: "
    text += f"{mean:.3f} in geometric mean, {max(ratios):.2f} at worst.\n\n"
    ways = ("direct", "torch", "fourier")
    worst = sorted(rows, key=lambda row: -float(str(row["regret"])))[:12]
    lines = [
        [
            f"{row['cell']}{', channels last' if row['channels last'] else ''}",
            str(row["part"]),
            str(row["chosen"]),
            *(f"{float(str(row[way])) * 1e3:.2f}" if way in row else "" for way in ways),
            f"{float(str(row['regret'])):.2f}",
        ]
        for row in worst
    ]
    return text + "The dozen with the most:\n\n" + table(["layer", "part", "chosen", *ways, "regret"], lines)


if __name__ == "__main__":
    main(sys.argv[1:])
