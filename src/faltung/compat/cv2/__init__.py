"""Linear filters of OpenCV on this operator: ``from faltung.compat import cv2`` in place of ``import cv2``.

Signatures, borders, depths and errors are those of OpenCV 5; `docs/compat-opencv.md` lists the differences.
"""

from __future__ import annotations  # noqa: I001 - one statement for all constants

from faltung.compat.cv2.cv2_constants import (
    ALGO_HINT_ACCURATE as ALGO_HINT_ACCURATE,
    ALGO_HINT_APPROX as ALGO_HINT_APPROX,
    ALGO_HINT_DEFAULT as ALGO_HINT_DEFAULT,
    BORDER_CONSTANT as BORDER_CONSTANT,
    BORDER_DEFAULT as BORDER_DEFAULT,
    BORDER_ISOLATED as BORDER_ISOLATED,
    BORDER_REFLECT as BORDER_REFLECT,
    BORDER_REFLECT101 as BORDER_REFLECT101,
    BORDER_REFLECT_101 as BORDER_REFLECT_101,
    BORDER_REPLICATE as BORDER_REPLICATE,
    BORDER_TRANSPARENT as BORDER_TRANSPARENT,
    BORDER_WRAP as BORDER_WRAP,
    CV_8S as CV_8S,
    CV_8U as CV_8U,
    CV_16S as CV_16S,
    CV_16U as CV_16U,
    CV_32F as CV_32F,
    CV_32S as CV_32S,
    CV_64F as CV_64F,
    FILTER_SCHARR as FILTER_SCHARR,
)
from faltung.compat.cv2.cv2_derivatives import Laplacian, Scharr, Sobel
from faltung.compat.cv2.cv2_errors import OpenCVError
from faltung.compat.cv2.cv2_linear import filter2D, sepFilter2D
from faltung.compat.cv2.cv2_smoothing import GaussianBlur, blur, boxFilter

#: The functions of OpenCV that are served. The constants that they need, and `error`, are attributes beside them.
__all__ = ["GaussianBlur", "Laplacian", "Scharr", "Sobel", "blur", "boxFilter", "filter2D", "sepFilter2D"]

#: What ``except cv2.error`` catches: where OpenCV is loaded, its own class catches it as well.
error = OpenCVError
