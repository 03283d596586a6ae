"""Layers of 3 x 3 kernels with many channels beside torch's: outputs, and a step with gradients.

python benchmarks/winograd_layers.py                  # writes benchmarks/results/winograd_layers.{md,json}; minutes
python benchmarks/winograd_layers.py --only 64,112    # layers whose name contains a word; writes nothing

Both libraries run in both memory formats, all in turn in one process; the better format of each counts. Ours are
converted with the input as example, so the ways are measured before. Between two steps with gradients the weights
change, as they do in training.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from statistics import geometric_mean

import torch
from torch import nn

from faltung.layers import convert
from faltung.tensors.layer_race import learn_a_bit
from measure import table, time_in_turn, write

FORMATS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
#: Channels, samples along each axis, and images of a batch.
SIZES = (
    *((64, 56, 16), (64, 112, 4), (64, 224, 1)),
    *((128, 28, 16), (128, 56, 4), (128, 112, 1)),
    *((256, 14, 16), (256, 28, 4), (256, 56, 1)),
)


@dataclass(frozen=True)
class Square:
    """A layer with as many channels out as in."""

    channels: int
    length: int
    images: int
    training: bool

    def __str__(self) -> str:
        """Return the layer in a few words."""
        shape = f"{self.images} x {self.length}x{self.length}"
        return f"{self.channels} channels, {shape}, {'with gradients' if self.training else 'forward'}"

    def runs(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """Yield a call for each library and memory format."""
        for name, layout in FORMATS.items():
            x = torch.randn(self.images, self.channels, self.length, self.length).contiguous(memory_format=layout)
            x.requires_grad_(self.training)
            theirs = nn.Conv2d(self.channels, self.channels, 3, padding=1).to(memory_format=layout)
            with torch.set_grad_enabled(self.training):
                ours = convert(deepcopy(theirs), example=x)
            yield f"faltung, {name}", self._step(ours, x)
            yield f"torch, {name}", self._step(theirs, x)

    def _step(self, layer: nn.Module, x: torch.Tensor) -> Callable[[], object]:
        if not self.training:
            return torch.no_grad()(lambda: layer(x))
        wanted, g = [x, *layer.parameters()], torch.randn_like(x)

        def step() -> object:
            learn_a_bit([layer.weight])
            return torch.autograd.grad(layer(x), wanted, g)

        return step


def measure(layer: Square, seconds: float = 4.0) -> dict[str, object]:
    """Return the seconds of each contender."""
    times = time_in_turn(dict(layer.runs()), seconds, 15, manner="in turn")
    return {"layer": str(layer), "seconds": {name: timing.best for name, timing in times.items()}}


def row(measured: dict[str, object]) -> list[str]:
    """Return a line of the table."""
    seconds: dict[str, float] = measured["seconds"]  # type: ignore[assignment]
    times = [[seconds[f"{name}, {layout}"] for layout in FORMATS] for name in ("faltung", "torch")]
    ratio = min(times[1]) / min(times[0])
    return [str(measured["layer"]), *(f"{time * 1e3:.2f}" for own in times for time in own), f"{ratio:.2f}"]


_NOTE = """
Milliseconds, the best of several calls in turn in one process, float32. The ratio is torch's time over ours, each in
its better memory format. Gradients are those of input, weights and bias; weights change from step to step.
"""


def report(found: list[dict[str, object]]) -> str:
    """Return the table, and the ratios in brief."""
    header = ["layer", *(f"{name}, {layout}" for name in ("faltung", "torch") for layout in FORMATS), "ratio"]
    text = table(header, map(row, found))
    for what in ("forward", "with gradients"):
        ratios = [float(line[-1]) for line in map(row, found) if line[0].endswith(what)]
        if ratios:
            text += f"\nRatio, {what}: {geometric_mean(ratios):.2f} in geometric mean, least {min(ratios):.2f}.\n"
    return text + _NOTE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="words of layers, separated by commas")
    words = parser.parse_args().only.split(",")
    layers = [Square(*size, training) for size in SIZES for training in (False, True)]
    found = []
    for layer in layers:
        if any(word in str(layer) for word in words):
            found.append(measure(layer))
            print(" | ".join(row(found[-1])), flush=True)
    print(report(found))
    if words == [""]:
        write("winograd_layers", "Layers of 3 x 3 kernels beside torch's", report(found), found)


if __name__ == "__main__":
    main()
