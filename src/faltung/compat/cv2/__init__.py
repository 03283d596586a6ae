"""Linear filters of OpenCV on this operator: ``from faltung.compat import cv2`` in place of ``import cv2``.

Signatures, borders, depths and errors are those of OpenCV 5; `docs/compat-opencv.md` lists the differences.
"""

from __future__ import annotations

from faltung.compat.cv2.cv2_constants import (
    ALGO_HINT_ACCURATE,
    ALGO_HINT_APPROX,
    ALGO_HINT_DEFAULT,
    BORDER_CONSTANT,
    BORDER_DEFAULT,
    BORDER_ISOLATED,
    BORDER_REFLECT,
    BORDER_REFLECT101,
    BORDER_REFLECT_101,
    BORDER_REPLICATE,
    BORDER_TRANSPARENT,
    BORDER_WRAP,
    CV_8S,
    CV_8U,
    CV_16S,
    CV_16U,
    CV_32F,
    CV_32S,
    CV_64F,
    FILTER_SCHARR,
)
from faltung.compat.cv2.cv2_derivatives import Laplacian, Scharr, Sobel
from faltung.compat.cv2.cv2_errors import OpenCVError as error
from faltung.compat.cv2.cv2_linear import filter2D, sepFilter2D
from faltung.compat.cv2.cv2_smoothing import GaussianBlur, blur, boxFilter

#: The functions of OpenCV that are served. The constants that they need, and `error`, are attributes beside them.
__all__ = ["GaussianBlur", "Laplacian", "Scharr", "Sobel", "blur", "boxFilter", "filter2D", "sepFilter2D"]

#: What this module has besides functions, so that ``cv2.BORDER_REFLECT`` and ``except cv2.error`` are found.
_CONSTANTS = (
    ALGO_HINT_ACCURATE,
    ALGO_HINT_APPROX,
    ALGO_HINT_DEFAULT,
    BORDER_CONSTANT,
    BORDER_DEFAULT,
    BORDER_ISOLATED,
    BORDER_REFLECT,
    BORDER_REFLECT101,
    BORDER_REFLECT_101,
    BORDER_REPLICATE,
    BORDER_TRANSPARENT,
    BORDER_WRAP,
    CV_8S,
    CV_8U,
    CV_16S,
    CV_16U,
    CV_32F,
    CV_32S,
    CV_64F,
    FILTER_SCHARR,
    error,
)
