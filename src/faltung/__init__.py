"""faltung: the convolution operator, from the algebra of filters to networks that learn them.

>>> import numpy as np
>>> import faltung as fa
>>> edge = fa.gaussian(2.0) * fa.sobel(axis=1)    # a product of kernels is their convolution
>>> image = np.zeros((480, 640), dtype=np.uint8)
>>> edge(image).dtype
dtype('float32')
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltung.errors import ArgumentError, ArgumentTypeError, ExpressionError, FaltungError, MissingExtraError
from faltung.front import convolve, correlate, plan
from faltung.ground.threads import workers
from faltung.kernels import (
    Bank,
    Kernel,
    binomial,
    box,
    delta,
    disk,
    dog,
    gabor,
    gaussian,
    gaussian_derivative,
    laplacian,
    log,
    motion,
    parse,
    prewitt,
    scharr,
    sobel,
    unsharp,
)
from faltung.planning.planner import Plan
from faltung.run.calibration import calibrate

if TYPE_CHECKING:
    from types import ModuleType

__version__ = "0.1.0"

__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "Bank",
    "ExpressionError",
    "FaltungError",
    "Kernel",
    "MissingExtraError",
    "Plan",
    "binomial",
    "box",
    "calibrate",
    "convolve",
    "correlate",
    "delta",
    "disk",
    "dog",
    "gabor",
    "gaussian",
    "gaussian_derivative",
    "laplacian",
    "log",
    "motion",
    "parse",
    "plan",
    "prewitt",
    "scharr",
    "sobel",
    "unsharp",
    "workers",
]


def __getattr__(name: str) -> ModuleType:
    """Load a package when it is first used: these stand on higher rungs, and an import should cost little."""
    if name in ("layers", "learn"):
        import importlib

        return importlib.import_module(f"faltung.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
