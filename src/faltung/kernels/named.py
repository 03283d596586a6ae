"""Which kernels have names? The table from which the text form of expressions is read."""

from __future__ import annotations

from collections.abc import Callable

from faltung.kernels.bands import dog, gabor, unsharp
from faltung.kernels.derivatives import gaussian_derivative, laplacian, log, prewitt, scharr, sobel
from faltung.kernels.fir_design import (
    bandpass,
    bandstop,
    differentiator,
    highpass,
    hilbert,
    lowpass,
)
from faltung.kernels.kernel import Kernel
from faltung.kernels.least_squares_response import least_squares_fir
from faltung.kernels.local_polynomials import savgol
from faltung.kernels.smoothing import binomial, box, delta, disk, gaussian, motion

__all__ = [
    "DESIGNED",
    "NAMED",
    "bandpass",
    "bandstop",
    "binomial",
    "box",
    "delta",
    "differentiator",
    "disk",
    "dog",
    "gabor",
    "gaussian",
    "gaussian_derivative",
    "highpass",
    "hilbert",
    "laplacian",
    "least_squares_fir",
    "log",
    "lowpass",
    "motion",
    "prewitt",
    "savgol",
    "scharr",
    "sobel",
    "unsharp",
]

#: Kernels that are found by solving equations or from tables of windows: the explorer's page gets their taps.
DESIGNED = {
    constructor.__name__: constructor
    for constructor in (
        savgol,
        lowpass,
        highpass,
        bandpass,
        bandstop,
        differentiator,
        hilbert,
        least_squares_fir,
    )
}

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
        *DESIGNED.values(),
    )
}
