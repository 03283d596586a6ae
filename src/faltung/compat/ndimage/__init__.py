"""The linear filters of scipy.ndimage, with SciPy's signatures and behaviour, on this operator.

``from faltung.compat import ndimage`` takes the place of ``from scipy import ndimage`` for these names. What is
served, and where results differ, is in the page docs/compat-ndimage.md.

Examples
--------
>>> import numpy as np
>>> from faltung.compat import ndimage
>>> ndimage.sobel(np.eye(3, dtype=np.uint8))
array([[254, 253, 255],
       [  1,   0, 255],
       [  1,   3,   2]], dtype=uint8)
"""

from __future__ import annotations

from faltung.compat.ndimage.correlations import convolve, convolve1d, correlate, correlate1d
from faltung.compat.ndimage.differences import generic_gradient_magnitude, generic_laplace, laplace, prewitt, sobel
from faltung.compat.ndimage.gaussians import (
    gaussian_filter,
    gaussian_filter1d,
    gaussian_gradient_magnitude,
    gaussian_laplace,
)
from faltung.compat.ndimage.means import uniform_filter, uniform_filter1d

__all__ = [
    "convolve",
    "convolve1d",
    "correlate",
    "correlate1d",
    "gaussian_filter",
    "gaussian_filter1d",
    "gaussian_gradient_magnitude",
    "gaussian_laplace",
    "generic_gradient_magnitude",
    "generic_laplace",
    "laplace",
    "prewitt",
    "sobel",
    "uniform_filter",
    "uniform_filter1d",
]
