"""Is a layer ever slower than torch's? Many shapes, both memory formats, forward and training, batch 1 to 64.

python benchmarks/layer_ratios.py                     # writes benchmarks/results/layer_ratios.{md,json}; half an hour
python benchmarks/layer_ratios.py --only depthwise,7x7  # shapes whose name contains a word; writes nothing
python benchmarks/layer_ratios.py --batch 1           # one size of batch; writes nothing
python benchmarks/layer_ratios.py --predicted         # plain `convert`, without an example; writes nothing

Every line is torch's layer beside the same layer after `convert(layer, example=x)`, called in turn in one process.
The ratio is torch's time over ours: the smaller one of that of the best times and of the median of all rounds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from statistics import geometric_mean

import torch
from torch import nn

from faltung.layers import convert
from measure import table, write

BATCHES = (1, 16, 64)
#: Samples of an input at most, so that a line takes seconds.
_LARGEST = 1 << 24
_KINDS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


@dataclass(frozen=True)
class Shape:
    """A layer: channels, taps along an axis, samples along each axis, groups, stride, and what else torch is told."""

    channels: tuple[int, int]
    size: int
    lengths: tuple[int, ...]
    groups: int = 1
    stride: int = 1
    mode: str = "zeros"
    transposed: bool = False

    def __str__(self) -> str:
        """Return the shape in a few words."""
        ndim = len(self.lengths)
        kind = (
            "depthwise" if self.groups == self.channels[0] > 1 else f"{self.groups} groups" if self.groups > 1 else ""
        )
        words = [kind, "transposed" if self.transposed else "", f"{self.channels[0]} -> {self.channels[1]}"]
        words += ["x".join([str(self.size)] * ndim), f"stride {self.stride}" if self.stride > 1 else ""]
        words += [self.mode if self.mode != "zeros" else "", "on " + "x".join(map(str, self.lengths))]
        return " ".join(word for word in words if word)

    def make(self) -> nn.Module:
        """Return torch's layer."""
        if self.transposed:
            return _TRANSPOSED[len(self.lengths)](*self.channels, self.size, self.stride, groups=self.groups)
        kind, padding = _KINDS[len(self.lengths)], self.size // 2
        named = {"groups": self.groups, "padding_mode": self.mode}
        return kind(*self.channels, self.size, self.stride, padding, **named)


def square(before: int, after: int, size: int, length: int, **named: object) -> Shape:
    return Shape((before, after), size, (length, length), **named)  # type: ignore[arg-type]


def depthwise(channels: int, size: int, length: int, stride: int = 1) -> Shape:
    return square(channels, channels, size, length, groups=channels, stride=stride)


SHAPES = (
    *(square(3, width, 3, length) for width, length in ((16, 8), (16, 32), (64, 224))),
    *(square(16, 16, 3, length) for length in (8, 32, 128)),
    *(square(width, width, 3, length) for width, length in ((32, 64), (64, 56), (128, 28), (256, 14), (512, 7))),
    *(square(before, after, 1, length) for before, after, length in ((64, 256, 56), (256, 64, 56), (512, 2048, 7))),
    *(depthwise(width, 3, length) for width, length in ((32, 112), (144, 56), (384, 14), (960, 7))),
    *(depthwise(width, 3, length, 2) for width, length in ((96, 112), (192, 28))),
    *(depthwise(width, 7, length) for width, length in ((96, 56), (384, 14), (768, 7))),
    *(depthwise(width, size, 56) for width, size in ((64, 5), (64, 13), (64, 31))),
    square(3, 64, 7, 224, stride=2),
    square(3, 96, 4, 224, stride=4),
    square(96, 192, 2, 56, stride=2),
    square(64, 128, 3, 56, stride=2),
    square(1, 16, 3, 128),
    square(1, 8, 5, 28),
    square(16, 1, 3, 128),
    square(64, 64, 3, 32, groups=4),
    square(16, 16, 3, 32, mode="reflect"),
    square(16, 16, 3, 32, mode="circular"),
    square(64, 32, 2, 28, stride=2, transposed=True),
    square(64, 3, 4, 32, stride=2, transposed=True),
    Shape((1, 16), 64, (8000,)),
    Shape((1, 128), 8, (4096,)),
    Shape((128, 256), 5, (1024,)),
    Shape((64, 64), 3, (512,)),
    Shape((32, 32), 31, (2000,), groups=32),
    Shape((1, 16), 3, (32, 32, 32)),
    Shape((16, 16), 3, (24, 24, 24)),
    Shape((32, 64), 3, (16, 16, 16)),
)


def lines(shapes: tuple[Shape, ...], batches: tuple[int, ...]) -> Iterator[tuple[Shape, int, bool, bool]]:
    """Yield everything that is measured: shape, batch, whether channels are last, and whether it is training."""
    for shape in shapes:
        for batch in batches:
            if batch * max(shape.channels) * torch.Size(shape.lengths).numel() > _LARGEST and batch > 1:
                continue
            for last in (False, True)[: len(shape.lengths)]:
                for training in (False, True):
                    yield shape, batch, last, training


def ratio(
    shape: Shape, batch: int, last: bool, training: bool, predicted: bool, seconds: float
) -> tuple[float, float, str]:
    """Return torch's time over ours, torch's seconds, and the ways in which ours is computed."""
    torch.manual_seed(0)
    theirs = shape.make()
    x = torch.randn(batch, shape.channels[0], *shape.lengths)
    if last:
        theirs, x = theirs.to(memory_format=_LAST[x.ndim]), x.contiguous(memory_format=_LAST[x.ndim])
    x.requires_grad_(training)
    with torch.set_grad_enabled(training):
        ours = convert(deepcopy(theirs), example=None if predicted else x)
    plan = ours.plan(x.shape, channels_last=last)  # type: ignore[operator]
    first, second = ("adjoint", "correlate") if shape.transposed else ("correlate", "adjoint")
    parts = (first, second, "taps") if training else (first,)
    ways = "torch" if plan.left_to_torch(*parts) else " ".join(plan.method_of(part) for part in parts)
    steps = [_step(layer, x, training) for layer in (theirs, ours)]
    times = _in_turn(steps, seconds)
    found = min(min(times[0]) / min(times[1]), statistics.median(a / b for a, b in zip(*times, strict=True)))
    return found, min(times[0]), ways


def _step(layer: nn.Module, x: torch.Tensor, training: bool) -> Callable[[], object]:
    if not training:
        return torch.no_grad()(lambda: layer(x))
    wanted = [x, *layer.parameters()]
    g = torch.randn_like(layer(x))
    return lambda: torch.autograd.grad(layer(x), wanted, g)


def _in_turn(steps: list[Callable[[], object]], seconds: float) -> list[list[float]]:
    """Call both in turn, in both orders, short ones many times, and return their times round by round."""
    for step in steps:
        step()
    once = min(_sample(step, 1) for step in steps)
    repeats = max(1, round(2e-3 / once))
    times: list[list[float]] = [[], []]
    start = time.perf_counter()
    while len(times[0]) < 5 or (time.perf_counter() - start < seconds and len(times[0]) < 200):
        order = (0, 1) if len(times[0]) % 2 else (1, 0)
        for number in order:
            times[number].append(_sample(steps[number], repeats))
    return times


def _sample(step: Callable[[], object], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    return (time.perf_counter() - start) / repeats


def report(rows: list[dict[str, object]]) -> str:
    """Return the worst lines, and the least and mean ratio."""
    ratios = [float(str(row["ratio"])) for row in rows]
    text = f"Torch's time over ours, over {len(rows)} lines: least {min(ratios):.3f}, "
    text += f"{geometric_mean(ratios):.2f} in geometric mean, {sum(r < 0.97 for r in ratios)} below 0.97.\n\n"
    header = ["layer", "batch", "memory format", "what", "torch ms", "ways", "ratio"]
    worst = sorted(rows, key=lambda row: float(str(row["ratio"])))[:20]
    return text + "The lines with the least:\n\n" + table(header, map(_row, worst))


def _row(row: dict[str, object]) -> list[str]:
    layout = "channels last" if row["channels last"] else "contiguous"
    what = "training" if row["training"] else "forward"
    times = [f"{float(str(row['torch'])) * 1e3:.3f}", str(row["ways"]), f"{float(str(row['ratio'])):.3f}"]
    return [str(row["layer"]), str(row["batch"]), layout, what, *times]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="words of shapes, separated by commas")
    parser.add_argument("--batch", type=int, help="one size of batch")
    parser.add_argument("--predicted", action="store_true", help="convert without an example")
    parser.add_argument("--seconds", type=float, default=1.0, help="seconds for a line")
    parser.add_argument("--part", default="1/1", help="number/count: every count-th line")
    arguments = parser.parse_args()
    words = arguments.only.split(",")
    shapes = tuple(shape for shape in SHAPES if any(word in str(shape) for word in words))
    chosen = [*lines(shapes, (arguments.batch,) if arguments.batch else BATCHES)]
    if not chosen:
        parser.error("no shape has such a name")
    number, count = map(int, arguments.part.split("/"))
    rows = []
    for line in chosen[number - 1 :: count]:
        found, seconds, ways = ratio(*line, arguments.predicted, arguments.seconds)
        names = dict(zip(("layer", "batch", "channels last", "training"), (str(line[0]), *line[1:]), strict=True))
        rows.append({**names, "ratio": found, "torch": seconds, "ways": ways})
        print(" | ".join(_row(rows[-1])), flush=True)
    print(report(rows))
    if len(sys.argv) == 1:
        write("layer_ratios", "Layers beside torch's, one by one", report(rows), rows)


if __name__ == "__main__":
    main()
