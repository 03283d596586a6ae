"""ITK: one and more dimensions, on all cores; images list their axes in reverse."""

from __future__ import annotations

from typing import Any

import itk
import numpy as np
from numpy.typing import NDArray

from cells import Cell, Run
from peers.calls import affordable

_RATE = 1e9


def runs(cell: Cell, image: NDArray[Any]) -> dict[str, Run]:
    if (
        len(cell.kernels) > 1
        or cell.channels
        or len(cell.shape) not in (2, 3)
        or len(cell.shape) != len(cell.spatial)
    ):
        return {}
    source = itk.image_view_from_array(image)
    contenders: dict[str, Run] = {}
    if affordable(cell.multiply_adds, _RATE) and cell.dtype == "float32":
        kernel = itk.image_from_array(cell.taps[0].astype(np.float32))
        contenders["ITK ConvolutionImageFilter"] = _run(itk.ConvolutionImageFilter.New(source, KernelImage=kernel))
    match cell.known:
        case ("box", width) if cell.dtype == "float32":
            contenders["ITK MeanImageFilter"] = _run(itk.MeanImageFilter.New(source, Radius=width // 2))
    return contenders


def _run(pipeline: Any) -> Run:
    def filtered() -> NDArray[Any]:
        pipeline.Modified()
        pipeline.Update()
        return np.asarray(itk.array_view_from_image(pipeline.GetOutput()))

    return filtered
