"""What is a filter? Kernels and banks as values: their algebra, the named kernels, and their text form."""

from __future__ import annotations

from faltung.kernels.bank import Bank, BankTaps, Combination, Composition, Stack
from faltung.kernels.coordinate_kernel import CoordinateKernel
from faltung.kernels.coordinate_sampling import sample_call as _sample_call  # noqa: F401  # it fills a hook
from faltung.kernels.expression import parse
from faltung.kernels.kernel import Kernel, Product, Scaled, Sum, Taps
from faltung.kernels.named import (
    bandpass,
    bandstop,
    binomial,
    box,
    delta,
    differentiator,
    disk,
    dog,
    gabor,
    gaussian,
    gaussian_derivative,
    highpass,
    hilbert,
    laplacian,
    least_squares_fir,
    log,
    lowpass,
    motion,
    prewitt,
    savgol,
    scharr,
    sobel,
    unsharp,
)
from faltung.kernels.outer import Box, Outer
from faltung.kernels.squares import squared_function as _squared  # noqa: F401  # it fills a hook

__all__ = [
    "Bank",
    "BankTaps",
    "Box",
    "Combination",
    "Composition",
    "CoordinateKernel",
    "Kernel",
    "Outer",
    "Product",
    "Scaled",
    "Stack",
    "Sum",
    "Taps",
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
    "parse",
    "prewitt",
    "savgol",
    "scharr",
    "sobel",
    "unsharp",
]
