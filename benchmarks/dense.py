"""Dense kernels on a 2048 x 2048 image: faltung beside OpenCV, SciPy, torch and a plain copy.

python benchmarks/dense.py            # writes benchmarks/results/dense.{md,json,svg}
python benchmarks/dense.py --quick    # a few seconds, writes nothing
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import cv2
import numpy as np
import scipy.ndimage
import scipy.signal
import torch

import faltung as fa
from chart import line_chart
from measure import RESULTS, Timing, race, table, write

SIZE = 2048
CELLS = [("float32", k) for k in (3, 5, 7, 9, 11, 15)] + [("uint8", k) for k in (3, 5, 7)]


def contenders(dtype: str, width: int) -> dict[str, Callable[[], np.ndarray]]:
    """Make the functions that filter the same image with the same kernel, dtype in and out the same."""
    rng = np.random.default_rng(0)
    image = (rng.random((SIZE, SIZE)) * 255).astype(dtype)
    taps = rng.random((width, width))
    taps /= taps.sum()
    single = taps.astype(np.float32)
    copy, ours = np.empty_like(image), np.empty_like(image)
    kernel = fa.Kernel(taps)

    def copied() -> np.ndarray:
        np.copyto(copy, image)
        return copy

    runs: dict[str, Callable[[], np.ndarray]] = {
        "faltung": lambda: fa.correlate(image, kernel, out=ours),
        "OpenCV": lambda: cv2.filter2D(image, -1, single, borderType=cv2.BORDER_REFLECT),
        "copy": copied,
    }
    if dtype == "float32":
        tensor, weight = torch.from_numpy(image)[None, None], torch.from_numpy(single)[None, None]
        flipped = np.ascontiguousarray(single[::-1, ::-1])

        def by_torch() -> np.ndarray:
            with torch.inference_mode():
                return torch.nn.functional.conv2d(tensor, weight, padding=width // 2).numpy()[0, 0]

        runs["SciPy ndimage"] = lambda: scipy.ndimage.correlate(image, single)
        runs["SciPy oaconvolve"] = lambda: scipy.signal.oaconvolve(image, flipped, mode="same")
        runs["SciPy fftconvolve"] = lambda: scipy.signal.fftconvolve(image, flipped, mode="same")
        runs["torch"] = by_torch
    return runs


def check(runs: dict[str, Callable[[], np.ndarray]], width: int, dtype: str) -> None:
    """Compare all results away from the border, which some contenders treat in their own way."""
    inner = (slice(width, -width), slice(width, -width))
    ours = runs["faltung"]()[inner].astype(np.float64)
    for name, run in runs.items():
        if name not in ("faltung", "copy"):
            difference = np.abs(run()[inner].astype(np.float64) - ours).max()
            if difference > (1 if dtype == "uint8" else 0.01):
                raise SystemExit(f"{name} differs from faltung by {difference} for {dtype} {width}x{width}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    rows, data, lines = [], [], {}
    for dtype, width in CELLS:
        runs = contenders(dtype, width)
        check(runs, width, dtype)
        found = race(runs, seconds=0.5 if quick else 8.0, rounds=5 if quick else 25)
        peers = {name: timing for name, timing in found.items() if name not in ("faltung", "copy")}
        best = min(peers, key=lambda name: peers[name].ratio)
        rows.append(_row(dtype, width, found, best))
        print(" | ".join(rows[-1]), flush=True)
        data.append({"dtype": dtype, "kernel": width, **{name: vars(timing) for name, timing in found.items()}})
        if dtype == "float32":
            for name, timing in found.items():
                lines.setdefault(name, []).append((width, timing.best * 1e3))
    if quick:
        return
    header = ["image", "kernel", "faltung ms", "Gflop/s", "over best peer", "copies", *_PEERS]
    note = (
        f"\nImage {SIZE} x {SIZE}, same dtype in and out, all cores. Times are the best of the rounds, ratios are\n"
        "medians over rounds in which all contenders ran in random order, each timed run right after untimed ones.\n"
        "'copies' is our time over that of `numpy.copyto`.\n"
    )
    write("dense", "Dense kernels", table(header, rows) + note, data)
    shown = {name: points for name, points in lines.items() if name != "SciPy fftconvolve"}
    chart = line_chart("Dense k x k filter of a 2048 x 2048 float32 image", "kernel width k", "milliseconds", shown)
    (RESULTS / "dense.svg").write_text(chart)


_PEERS = ("OpenCV", "SciPy ndimage", "SciPy oaconvolve", "SciPy fftconvolve", "torch")


def _row(dtype: str, width: int, found: dict[str, Timing], best: str) -> list[str]:
    ours = found["faltung"].best
    row = [
        dtype,
        f"{width} x {width}",
        f"{ours * 1e3:.2f}",
        f"{2 * width**2 * SIZE**2 / ours / 1e9:.0f}",
        f"{found[best].ratio:.2f} ({best})",
        f"{1 / found['copy'].ratio:.2f}",
    ]
    return row + [f"{found[name].best * 1e3:.1f}" if name in found else "" for name in _PEERS]


if __name__ == "__main__":
    main()
