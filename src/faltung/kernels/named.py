"""Which kernels have names? The table from which the text form of expressions is read."""

from __future__ import annotations

from collections.abc import Callable

from faltung.kernels.bands import dog, gabor, unsharp
from faltung.kernels.derivatives import gaussian_derivative, laplacian, log, prewitt, scharr, sobel
from faltung.kernels.kernel import Kernel
from faltung.kernels.smoothing import binomial, box, delta, disk, gaussian, motion

__all__ = [
    "NAMED",
    "binomial",
    "box",
    "delta",
    "disk",
    "dog",
    "gabor",
    "gaussian",
    "gaussian_derivative",
    "laplacian",
    "log",
    "motion",
    "prewitt",
    "scharr",
    "sobel",
    "unsharp",
]

NAMED: dict[str, Callable[..., Kernel]] = {
    constructor.__name__: constructor
    for constructor in (
        delta,
        box,
        gaussian,
        binomial,
        disk,
        motion,
        gaussian_derivative,
        sobel,
        prewitt,
        scharr,
        laplacian,
        log,
        dog,
        unsharp,
        gabor,
    )
}
