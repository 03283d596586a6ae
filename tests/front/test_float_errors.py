"""Arithmetic that is meant to overflow, or to divide by zero, does so under ``numpy.seterr(all="raise")`` too."""

from __future__ import annotations

import numpy as np
import pytest

import faltung as fa

RNG = np.random.default_rng(0)
BASE = RNG.standard_normal((14, 15))
KERNELS = {
    "far": fa.gaussian(1, truncate=40),
    "faint": fa.Kernel(RNG.standard_normal((3, 3)) * 1e-300),
    "decades": fa.Kernel(RNG.standard_normal((5, 5)) * 10.0 ** RNG.uniform(-40, 5, (5, 5))),
    "product": fa.disk(2) * fa.sobel(),
    "complex": fa.gabor(0.2, 0.5),
    "lines": fa.Kernel([[1e-160, 1], [1, 1e-160]]),
}


def samples(name: str) -> np.ndarray:
    x = BASE.astype("f8" if name.startswith("double") else "f4")
    if "huge" in name:
        x *= x.dtype.type(float(np.finfo(x.dtype).max) / 8)
    elif "tiny" in name:
        x *= np.finfo(x.dtype).tiny
    elif "gaps" in name:
        x[3, 4], x[9, 9], x[2, 2] = np.nan, np.inf, -np.inf
    return x


@pytest.fixture(params=["huge", "double huge", "tiny", "double tiny", "gaps"])
def x(request):
    with np.errstate(all="ignore"):
        made = samples(request.param)
    with np.errstate(all="raise"):
        yield made


@pytest.mark.parametrize("name", KERNELS)
def test_filters(x, name):
    kernel = KERNELS[name]
    for method in ("auto", "direct", "fourier"):
        fa.convolve(x, kernel, method=method)
    fa.convolve(x, kernel, stride=2, dilation=2)
    fa.convolve(x, kernel, nan="ignore", min_weight=0.2)
    str(fa.plan(x, kernel, mask=True))
    kernel.squared()
    repr(kernel * kernel)


def test_statistics_banks_and_restoration(x):
    for statistic in (fa.local_mean, fa.local_var, fa.local_std):
        statistic(x, 3)
    fa.local_corr(x, x, 3)
    fa.convolve(x, fa.Bank(RNG.standard_normal((3, 1, 5, 5))))
    fa.convolve(np.stack([x, x]), fa.Bank(RNG.standard_normal((3, 2, 3, 3)) * 1e-10), channel_axis=0)
    fa.structure_tensor(x, 1.0, 2.0)
    if np.isfinite(x).all():
        fa.restore.wiener(x, fa.gaussian(1), 0.1)
        with np.errstate(all="ignore"):
            positive = np.abs(x)
        fa.restore.richardson_lucy(positive, fa.gaussian(1), 3)


def test_kernels():
    with np.errstate(all="raise"):
        for truncate in (1, 40, 100):
            fa.log(0.5, truncate=truncate)
            fa.gaussian_derivative(1, 2, truncate=truncate)
            fa.gabor(0.1, sigma_x=1, sigma_y=2, truncate=truncate)
        for kernel in KERNELS.values():
            kernel.rank()
            kernel._repr_svg_()
        fa.fit_filter(BASE, fa.convolve(BASE, KERNELS["far"]), 3)
