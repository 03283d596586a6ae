"""What do à trous wavelets and filters that vary over the field cost? Against SciPy and PyWavelets, in one process.

Run it with ``python benchmarks/signals_designs.py``; it takes half a minute. PyWavelets has another wavelet, and
needs lengths that are multiples of 2^levels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pywt
from scipy import ndimage, signal

import faltung as fa
from measure import time_in_turn

LEVELS = 5
TAPS = np.array([1, 4, 6, 4, 1], np.float32) / 16


def scipy_atrous(x: Any) -> list[Any]:
    """Return the planes by SciPy, with zeros written between the taps."""
    planes = []
    for level in range(LEVELS):
        holes = np.zeros(4 * 2**level + 1, np.float32)
        holes[:: 2**level] = TAPS
        smooth = x
        for axis in range(x.ndim):
            smooth = ndimage.convolve1d(smooth, holes, axis)
        planes.append(x - smooth)
        x = smooth
    return [*planes, x]


def fftconvolve_varying(x: Any, kernels: list[fa.Kernel], weights: Any) -> Any:
    """Return the sum of filtered arrays under their weights by SciPy's transforms."""
    return sum(
        w * signal.fftconvolve(x, k.taps.astype(x.dtype), "same") for w, k in zip(weights, kernels, strict=True)
    )


def cases() -> dict[str, dict[str, Callable[[], Any]]]:
    """Return the contenders of each case, ours first; the results are compared where they are the same."""
    random = np.random.default_rng(0)
    image, line = random.random((2048, 2048), np.float32), random.random(2**20, np.float32)
    small = random.random((1024, 1024), np.float32)
    kernels = [fa.Kernel(random.random((15, 15)) / 225) for _ in range(4)]
    weights = random.random((4, 1024, 1024), np.float32)
    ours, rest = fa.atrous(image, LEVELS)
    np.testing.assert_allclose([*ours, rest], scipy_atrous(image), atol=1e-5)
    y = fa.varying(small, kernels, weights, "constant")
    np.testing.assert_allclose(y, fftconvolve_varying(small, kernels, weights), atol=1e-4)
    return {
        "à trous, 2048 x 2048 float32, 5 levels": {
            "faltung": lambda: fa.atrous(image, LEVELS),
            "SciPy, convolve1d with zeros": lambda: scipy_atrous(image),
        },
        "à trous, 2^20 float32, 5 levels": {
            "faltung": lambda: fa.atrous(line, LEVELS),
            "SciPy, convolve1d with zeros": lambda: scipy_atrous(line),
            "PyWavelets, swt with bior1.3": lambda: pywt.swt(line, "bior1.3", LEVELS),
        },
        "varying, 1024 x 1024 float32, four 15 x 15 kernels": {
            "faltung": lambda: fa.varying(small, kernels, weights, "constant"),
            "SciPy, fftconvolve": lambda: fftconvolve_varying(small, kernels, weights),
        },
    }


def main() -> None:
    """Measure and print."""
    for name, contenders in cases().items():
        print(name)
        for who, timing in time_in_turn(contenders, seconds=8.0, rounds=9).items():
            print(f"    {who:32} {1e3 * timing.best:8.1f} ms, {timing.ratio:5.2f} times ours, {timing.runs} runs")


if __name__ == "__main__":
    main()
