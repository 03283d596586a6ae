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

from faltung.errors import (
    ArgumentError,
    ArgumentTypeError,
    AxesWarning,
    ExpressionError,
    FaltungError,
    MissingExtraError,
)
from faltung.front import convolve, correlate, plan
from faltung.ground.faces import load_when_used
from faltung.ground.threads import workers
from faltung.kernels import (
    Bank,
    CoordinateKernel,
    Kernel,
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
    parse,
    prewitt,
    savgol,
    scharr,
    sobel,
    unsharp,
)
from faltung.planning.planner import Plan

if TYPE_CHECKING:
    from faltung.explorer.given import explore as explore
    from faltung.fit.least_squares import fit_filter as fit_filter
    from faltung.run.calibration import calibrate as calibrate
    from faltung.signals.atrous import atrous as atrous
    from faltung.signals.derivative_banks import gradient as gradient
    from faltung.signals.derivative_banks import hessian as hessian
    from faltung.signals.derivative_banks import structure_tensor as structure_tensor
    from faltung.signals.eigenvalues import symmetric_eigenvalues as symmetric_eigenvalues
    from faltung.signals.image_levels import Pyramid as Pyramid
    from faltung.signals.image_levels import collapse as collapse
    from faltung.signals.image_levels import pyramid as pyramid
    from faltung.signals.linear_operator import ConvolutionOperator as ConvolutionOperator
    from faltung.signals.linear_operator import operator as operator
    from faltung.signals.local_statistics import local_corr as local_corr
    from faltung.signals.local_statistics import local_cov as local_cov
    from faltung.signals.local_statistics import local_mean as local_mean
    from faltung.signals.local_statistics import local_std as local_std
    from faltung.signals.local_statistics import local_var as local_var
    from faltung.signals.matching import lags as lags
    from faltung.signals.matching import match as match
    from faltung.signals.oriented_banks import gabor_bank as gabor_bank
    from faltung.signals.oriented_banks import quadrature as quadrature
    from faltung.signals.oriented_banks import steerable_bank as steerable_bank
    from faltung.signals.peaks import peaks as peaks
    from faltung.signals.resampling import resample as resample
    from faltung.signals.resampling import resampling_filter as resampling_filter
    from faltung.signals.scale_space import scale_space as scale_space
    from faltung.signals.varying_filter import varying as varying
    from faltung.streams.stream import Stream as Stream

__version__ = "0.1.0"

__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "AxesWarning",
    "Bank",
    "ConvolutionOperator",
    "CoordinateKernel",
    "ExpressionError",
    "FaltungError",
    "Kernel",
    "MissingExtraError",
    "Plan",
    "Pyramid",
    "Stream",
    "atrous",
    "bandpass",
    "bandstop",
    "binomial",
    "box",
    "calibrate",
    "collapse",
    "convolve",
    "correlate",
    "delta",
    "differentiator",
    "disk",
    "dog",
    "explore",
    "fit_filter",
    "gabor",
    "gabor_bank",
    "gaussian",
    "gaussian_derivative",
    "gradient",
    "hessian",
    "highpass",
    "hilbert",
    "lags",
    "laplacian",
    "least_squares_fir",
    "local_corr",
    "local_cov",
    "local_mean",
    "local_std",
    "local_var",
    "log",
    "lowpass",
    "match",
    "motion",
    "operator",
    "parse",
    "peaks",
    "plan",
    "prewitt",
    "pyramid",
    "quadrature",
    "resample",
    "resampling_filter",
    "savgol",
    "scale_space",
    "scharr",
    "sobel",
    "steerable_bank",
    "structure_tensor",
    "symmetric_eigenvalues",
    "unsharp",
    "varying",
    "workers",
]

# These are on higher floors, or are seldom used: they are loaded when they are first used.
_LOADED_WHEN_USED = {
    "Stream": "faltung.streams.stream",
    "calibrate": "faltung.run.calibration",
    "chunked": "faltung.chunked",
    "compat": "faltung.compat",
    "datasets": "faltung.datasets",
    "explore": "faltung.explorer.given",
    "fit": "faltung.fit",
    "fit_filter": "faltung.fit.least_squares",
    "inspect": "faltung.inspect",
    "layers": "faltung.layers",
    "learn": "faltung.learn",
    "networks": "faltung.networks",
    "restore": "faltung.restore",
    "atrous": "faltung.signals.atrous",
    "peaks": "faltung.signals.peaks",
    "scale_space": "faltung.signals.scale_space",
    "symmetric_eigenvalues": "faltung.signals.eigenvalues",
    "varying": "faltung.signals.varying_filter",
    **dict.fromkeys(("lags", "match"), "faltung.signals.matching"),
    **dict.fromkeys(("Pyramid", "collapse", "pyramid"), "faltung.signals.image_levels"),
    **dict.fromkeys(("resample", "resampling_filter"), "faltung.signals.resampling"),
    **dict.fromkeys(("ConvolutionOperator", "operator"), "faltung.signals.linear_operator"),
    **dict.fromkeys(("gradient", "hessian", "structure_tensor"), "faltung.signals.derivative_banks"),
    **dict.fromkeys(("gabor_bank", "quadrature", "steerable_bank"), "faltung.signals.oriented_banks"),
    **dict.fromkeys(
        ("local_corr", "local_cov", "local_mean", "local_std", "local_var"), "faltung.signals.local_statistics"
    ),
}

__getattr__, _ = load_when_used(__name__, _LOADED_WHEN_USED)


def __dir__() -> list[str]:
    """Return what is public: the names above, and packages of their own."""
    return sorted({*__all__, *_LOADED_WHEN_USED, "__version__"})
