"""Pillow: 8-bit images, 3 x 3 and 5 x 5 taps, and means; its Gaussian is three means, which is another filter."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from cells import Cell, Run


def runs(cell: Cell, image: NDArray[Any]) -> dict[str, Run]:
    if cell.dtype != "uint8" or len(cell.spatial) != 2 or len(cell.kernels) > 1:
        return {}
    source = Image.fromarray(image)
    size = cell.taps.shape[:0:-1]
    contenders: dict[str, Run] = {}
    if size in ((3, 3), (5, 5)):
        # Pillow correlates, and its rows go from the bottom to the top.
        taps = np.fliplr(cell.taps[0]).ravel().tolist()
        contenders["Pillow Kernel"] = _run(source, ImageFilter.Kernel(size, taps, scale=1))
    match cell.known:
        case ("box", width):
            contenders["Pillow BoxBlur"] = _run(source, ImageFilter.BoxBlur(width // 2))
    return contenders


def _run(source: Any, filter_: Any) -> Run:
    return lambda: np.asarray(source.filter(filter_))
