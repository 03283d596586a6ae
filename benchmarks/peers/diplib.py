"""DIPlib: any dimension; images list their axes in reverse.

Only its direct dense convolution is used. The one with Fourier transforms treats the highest frequency differently
for some kernel sizes, which changes the results of random taps by one per cent.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import diplib
import numpy as np
from numpy.typing import NDArray

from cells import Cell, Run
from peers.calls import affordable, filling

_DENSE_RATE, _PASS_RATE = 1.2e9, 2e9


def runs(cell: Cell, image: NDArray[Any]) -> dict[str, Run]:
    if len(cell.kernels) > 1 or cell.channels:
        return {}  # one kernel after the other takes too long
    source, out = diplib.Image(image, None), np.empty_like(image)
    target = _protected(out)
    contenders: dict[str, Run] = {}
    if affordable(cell.multiply_adds, _DENSE_RATE):
        contenders["DIPlib Convolution"] = _dense(cell, source, out)
    if cell.terms and affordable(cell.pass_multiply_adds, _PASS_RATE):
        contenders["DIPlib SeparableConvolution"] = _separable(cell, source, out)
    match cell.known:
        case ("gaussian", sigma):
            # By default it uses a recursive filter for a wide Gaussian, which is only an approximation.
            run = partial(diplib.Gauss, source, out=target, sigmas=[sigma], method="FIR", truncation=4.0)
            contenders["DIPlib Gauss"] = filling(out, run)
        case ("box", width):
            window = diplib.Kernel([width] * len(cell.spatial), "rectangular")
            contenders["DIPlib Uniform"] = filling(out, partial(diplib.Uniform, source, out=target, kernel=window))
    return contenders


def _protected(out: NDArray[Any]) -> Any:
    """Wrap an array so that results are stored in it and converted to its dtype."""
    target = diplib.Image(out, None)
    target.Protect()
    return target


def _dense(cell: Cell, source: Any, out: NDArray[Any]) -> Run:
    batch = (1,) * (len(cell.shape) - len(cell.spatial))
    kernel = diplib.Image(cell.taps.astype(np.float32).reshape(batch + cell.taps.shape[1:]), None)
    run = partial(diplib.Convolution, source, out=_protected(out), filter=kernel, method="direct")
    return filling(out, run)


def _separable(cell: Cell, source: Any, out: NDArray[Any]) -> Run:
    terms = [[diplib.OneDimensionalFilter(factor.tolist()) for factor in reversed(term)] for term in cell.terms]
    process = [True] * len(cell.spatial) + [False] * (len(cell.shape) - len(cell.spatial))
    results = [out, *(np.empty_like(out) for _ in terms[1:])]
    calls = [
        partial(diplib.SeparableConvolution, source, out=_protected(result), filter=term, process=process)
        for term, result in zip(terms, results, strict=True)
    ]

    def summed() -> NDArray[Any]:
        for call in calls:
            call()
        for result in results[1:]:
            np.add(out, result, out=out)
        return out

    return summed
