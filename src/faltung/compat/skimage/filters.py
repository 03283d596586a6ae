"""Which functions of `skimage.filters` are served? The linear ones."""

from __future__ import annotations

from faltung.compat.skimage.skimage_edges import (
    laplace,
    prewitt,
    prewitt_h,
    prewitt_v,
    scharr,
    scharr_h,
    scharr_v,
    sobel,
    sobel_h,
    sobel_v,
)
from faltung.compat.skimage.skimage_gabor import gabor
from faltung.compat.skimage.skimage_gaussians import difference_of_gaussians, gaussian, unsharp_mask

__all__ = [
    "difference_of_gaussians",
    "gabor",
    "gaussian",
    "laplace",
    "prewitt",
    "prewitt_h",
    "prewitt_v",
    "scharr",
    "scharr_h",
    "scharr_v",
    "sobel",
    "sobel_h",
    "sobel_v",
    "unsharp_mask",
]
