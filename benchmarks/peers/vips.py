"""libvips: images, also of several bands; 8-bit arithmetic where the array has 8 bits."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray

from cells import Cell, Run
from peers.calls import affordable

_RATE = 4e9
_FORMATS = {"uint8": "uchar", "float32": "float"}


def runs(cell: Cell, image: NDArray[Any]) -> dict[str, Run]:
    if len(cell.spatial) != 2 or len(cell.kernels) > 1:
        return {}
    height, width = cell.spatial
    source = pyvips.Image.new_from_memory(image.data, width, height, cell.channels or 1, _FORMATS[cell.dtype])
    precision = "integer" if cell.dtype == "uint8" else "float"
    contenders: dict[str, Run] = {}
    if affordable(cell.multiply_adds, _RATE):
        taps = np.flip(cell.taps[0])  # libvips correlates
        contenders["libvips conv"] = _run(cell, partial(source.conv, _mask(taps, precision), precision=precision))
    if len(cell.terms) == 1 and np.allclose(*cell.terms[0]):  # one line of taps for both axes
        line = cell.terms[0][0][np.newaxis]
        contenders["libvips convsep"] = _run(
            cell, partial(source.convsep, _mask(line, precision), precision=precision)
        )
    return contenders


def _mask(taps: NDArray[np.float64], precision: str) -> Any:
    if precision == "float":
        return pyvips.Image.new_from_list(taps.tolist())
    # Whole numbers over their sum, as libvips makes its own Gaussian: the largest is 255.
    exact = np.array_equal(taps, np.rint(taps))
    whole = taps if exact else np.rint(taps * (255 / np.abs(taps).max()))
    return pyvips.Image.new_from_list(whole.tolist(), scale=1.0 if exact else float(whole.sum()))


def _run(cell: Cell, filtered: partial[Any]) -> Run:
    def run() -> NDArray[Any]:
        return np.ndarray(cell.shape, cell.dtype, filtered().write_to_memory())

    return run
