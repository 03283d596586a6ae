"""How much memory do calls leave behind that each have a kernel of their own? By every door, with random sizes.

python benchmarks/memory.py                      # 2,000 calls
python benchmarks/memory.py --calls 50000 --seed 1
"""

from __future__ import annotations

import argparse
import collections
import gc
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import faltung as fa
from faltung.compat import cv2 as compat_cv2
from faltung.compat import ndimage as compat_ndimage
from faltung.compat import signal as compat_signal
from faltung.compat.skimage import filters as compat_skimage
from faltung.ground.bounded import held_bytes
from faltung.jit.objects_on_disk import list_files
from faltung.layers import Conv2d

_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident() -> float:
    """Return the megabytes of memory that this process has."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * _PAGE / 1e6


def size_of(rng: np.random.Generator) -> int:
    """Draw an odd number from 3 to 301; small ones are as many as large ones, by the logarithm."""
    return int(np.exp(rng.uniform(np.log(3), np.log(302)))) // 2 * 2 + 1


def image(rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Draw an array with two axes."""
    shape = rng.integers(16, 400, 2)
    if rng.random() < 0.15:
        return rng.integers(0, 256, shape).astype(np.uint8)
    return rng.random(shape).astype(rng.choice(["f4", "f8"]))


def convolve(rng: np.random.Generator) -> None:
    """Filter an array with taps."""
    options: dict[str, Any] = [{}, {"shape": "valid"}, {"shape": "full"}, {"nan": "ignore"}, {"mode": "wrap"}][
        rng.integers(5)
    ]
    x = image(rng)
    size = [min(size_of(rng), length if "shape" in options else 301) for length in x.shape]
    for _ in range(int(rng.integers(1, 4))):
        fa.convolve(x, rng.random(size), **options)


def named(rng: np.random.Generator) -> None:
    """Filter an array with a named kernel."""
    sigma = rng.uniform(0.5, 25)
    kernel = [fa.gaussian(sigma), fa.box(size_of(rng)), fa.log(sigma / 3)][rng.integers(3)]
    fa.convolve(image(rng), kernel)


def complex_taps(rng: np.random.Generator) -> None:
    """Filter an array with complex taps."""
    size = min(size_of(rng), 61)
    fa.convolve(image(rng), rng.random((size, size)) + 1j * rng.random((size, size)))


def signal(rng: np.random.Generator) -> None:
    """Filter a signal."""
    fa.convolve(rng.random(rng.integers(100, 30_000)), rng.random(size_of(rng)))


def bank(rng: np.random.Generator) -> None:
    """Filter an array with a bank."""
    size = min(size_of(rng), 101)
    fa.convolve(image(rng), fa.Bank(rng.random((rng.integers(2, 5), 1, size, size))))


def channels(rng: np.random.Generator) -> None:
    """Filter images with a bank over channels."""
    size, ins = min(size_of(rng), 15), int(rng.integers(1, 9))
    x = rng.random((int(rng.integers(1, 4)), ins, *rng.integers(16, 80, 2))).astype(rng.choice(["f4", "f8"]))
    fa.convolve(x, fa.Bank(rng.random((int(rng.integers(1, 9)), ins, size, size))), channel_axis=1)


def layer(rng: np.random.Generator) -> None:
    """Make a layer of torch, and take a step of training."""
    size, ins, outs = min(size_of(rng), 9), *rng.integers(1, 33, 2).tolist()
    module = Conv2d(ins, outs, size, padding="same")
    x = torch.randn(int(rng.integers(1, 4)), ins, *rng.integers(size, size + 40, 2).tolist(), requires_grad=True)
    module(x).square().sum().backward()  # type: ignore[no-untyped-call]


def tensor(rng: np.random.Generator) -> None:
    """Filter a tensor, and go back."""
    size = min(size_of(rng), 101)
    x = torch.from_numpy(image(rng).astype("f4")).requires_grad_()
    fa.convolve(x, rng.random((size, size))).sum().backward()


def like_scipy(rng: np.random.Generator) -> None:
    """Call functions that have SciPy's names."""
    size = min(size_of(rng), 101)
    compat_ndimage.convolve(image(rng), rng.random((size, size)))
    compat_signal.fftconvolve(image(rng).astype("f8"), rng.random((size, size)), "same")


def like_others(rng: np.random.Generator) -> None:
    """Call functions that have the names of OpenCV and scikit-image."""
    size = size_of(rng)
    compat_cv2.filter2D(image(rng).astype("f4"), -1, rng.random((size, size)))
    compat_skimage.gaussian(image(rng).astype("f4"), rng.uniform(0.5, 20))


#: The doors, as often as they are taken: a layer takes a hundred times as long as an array, mostly to compile.
DOORS: dict[Callable[[np.random.Generator], None], int] = {
    convolve: 60,
    signal: 20,
    complex_taps: 20,
    bank: 20,
    named: 15,
    channels: 15,
    tensor: 15,
    like_scipy: 10,
    like_others: 10,
    layer: 1,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="the name of a door")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after these")
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    kinds = [door for door in DOORS if arguments.only in (None, door.__name__)]
    doors = [door for door in kinds for _ in range(DOORS[door])]
    for door in kinds:
        door(rng)  # what a door loads for good
    fa.convolve(np.ones((500, 500), "f4"), np.ones((3, 3)))
    gc.collect()
    start, most, began, made = resident(), 0.0, time.monotonic(), collections.Counter[str]()
    for number in range(1, arguments.calls + 1):
        door = doors[rng.integers(len(doors))]
        door(rng)
        made[door.__name__] += 1
        if number % 50 == 0:
            most = max(most, resident() - start)
        if number % max(1, arguments.calls // 20) == 0:
            disk = sum(file.bytes for file in list_files()) / 1e6
            held, seconds = held_bytes() / 1e6, time.monotonic() - began
            print(f"{number} calls, {seconds:.0f} s: {resident() - start:+.0f} MB, most {most:+.0f} MB;", end=" ")
            print(f"caches say {held:.0f} MB, {disk:.1f} MB on disk", flush=True)
        if time.monotonic() - began > arguments.seconds:
            break
    print(f"{number} calls ({dict(made)}): at most {most:+.0f} MB above the {start:.0f} MB of the start")


if __name__ == "__main__":
    main()
