"""OpenCV: one and two dimensions; a bank is one kernel after the other."""

from __future__ import annotations

from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cells import Cell, Run
from peers.calls import affordable, filling

_RATE = 7e9
_REFLECT = cv2.BORDER_REFLECT


def runs(cell: Cell, image: NDArray[Any]) -> dict[str, Run]:
    if len(cell.spatial) > 2 or len(cell.shape) > 2 + bool(cell.channels):
        return {}
    source, out = np.atleast_2d(image), np.empty_like(np.atleast_2d(image))
    contenders: dict[str, Run] = {"OpenCV filter2D": _dense(cell, source)}
    if cell.terms and affordable(cell.pass_multiply_adds, _RATE):
        contenders["OpenCV sepFilter2D"] = _separable(cell, source, out)
    match cell.known:
        case ("gaussian", sigma):
            size = cell.taps.shape[:0:-1]
            contenders["OpenCV GaussianBlur"] = partial(
                cv2.GaussianBlur, source, size, sigma, dst=out, borderType=_REFLECT
            )
        case ("box", width):
            contenders["OpenCV boxFilter"] = partial(
                cv2.boxFilter, source, -1, (width, width), dst=out, borderType=_REFLECT
            )
        case ("sobel",):
            contenders["OpenCV Sobel"] = partial(cv2.Sobel, source, -1, 1, 0, dst=out, ksize=3, borderType=_REFLECT)
    return contenders


def _dense(cell: Cell, source: NDArray[Any]) -> Run:
    out = np.empty((len(cell.kernels), *source.shape), cell.dtype)
    calls = [
        partial(cv2.filter2D, source, -1, np.atleast_2d(_flipped(taps)), dst=target, borderType=_REFLECT)
        for taps, target in zip(cell.taps, out, strict=True)
    ]
    return calls[0] if len(calls) == 1 else filling(out, *calls)


def _separable(cell: Cell, source: NDArray[Any], out: NDArray[Any]) -> Run:
    one = np.ones(1, np.float32)
    factors = [[_flipped(factor) for factor in term] for term in cell.terms]
    columns_rows = [term if len(term) == 2 else [one, *term] for term in factors]
    calls = [
        partial(cv2.sepFilter2D, source, -1, row, column, dst=np.empty_like(out), borderType=_REFLECT)
        for column, row in columns_rows
    ]
    if len(calls) == 1:
        return calls[0]
    first, second = calls
    return lambda: cv2.add(first(), second(), dst=out)


def _flipped(taps: NDArray[Any]) -> NDArray[np.float32]:
    """Reverse the taps, since OpenCV correlates."""
    return np.ascontiguousarray(np.flip(taps), np.float32)
