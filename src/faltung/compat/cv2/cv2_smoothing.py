"""Smoothing filters of OpenCV: `GaussianBlur`, `boxFilter` and `blur`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.compat.cv2.cv2_arguments import as_anchor, as_border, as_depth, as_integer, as_number, as_pair
from faltung.compat.cv2.cv2_call import Cv2Request, filtered
from faltung.compat.cv2.cv2_constants import ALGO_HINT_DEFAULT, BORDER_DEFAULT, BOXES, SMOOTHED
from faltung.compat.cv2.cv2_errors import refuse
from faltung.kernels import Box, Kernel, Outer

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["GaussianBlur", "blur", "boxFilter"]

#: The taps that OpenCV uses for sizes up to nine if no sigma is given, as multiples of 1/256.
_SMALL = {
    1: (256,),
    3: (64, 128, 64),
    5: (16, 64, 96, 64, 16),
    7: (8, 28, 56, 72, 56, 28, 8),
    9: (4, 13, 30, 51, 60, 51, 30, 13, 4),
}


def GaussianBlur(
    src: NDArray[Any],
    ksize: tuple[int, int],
    sigmaX: float,
    dst: NDArray[Any] | None = None,
    sigmaY: float = 0.0,
    borderType: int = BORDER_DEFAULT,
    hint: int = ALGO_HINT_DEFAULT,
) -> NDArray[Any]:
    """Smooth an image with a Gaussian: `cv2.GaussianBlur`.

    Parameters
    ----------
    src, dst, borderType
        As for `filter2D`.
    ksize : (int, int)
        Width and height, each odd; 0 takes it from the sigma of its axis.
    sigmaX, sigmaY : float
        Standard deviations in samples. If `sigmaY` is 0, it is `sigmaX`; if both are 0, they come from `ksize`.
    hint : int, optional
        How exact the result has to be. The result is the same for every hint.

    Returns
    -------
    ndarray
        The result, of the dtype of the image. OpenCV rounds taps for 8-bit images to multiples of 1/256; here they
        are not rounded, so that results may differ by one level.

    Raises
    ------
    OpenCVError, NotServedError
        As for `filter2D`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat import cv2
    >>> cv2.GaussianBlur(np.array([[0, 0, 64, 0, 0]], np.uint8), (3, 3), 0)
    array([[ 0, 16, 32, 16,  0]], dtype=uint8)
    """

    def ask(image: NDArray[Any]) -> Cv2Request:
        result = as_depth("GaussianBlur", -1, image.dtype, SMOOTHED)
        as_integer("hint", hint, ALGO_HINT_DEFAULT)
        width, height = as_pair("ksize", ksize, (0, 0))
        x, y = as_number("sigmaX", sigmaX, 0.0), as_number("sigmaY", sigmaY, 0.0)
        y = y if y > 0 else x
        sizes = [_size(size, sigma, image.dtype) for size, sigma in ((height, y), (width, x))]
        if any(size < 1 or size % 2 == 0 for size in sizes):
            refuse("ksize", "an odd width and height, or 0 and a positive sigma", f"{ksize} with sigma {(x, y)}")
        lines = [Kernel(_gaussian_line(size, sigma)) for size, sigma in zip(sizes, (y, x), strict=True)]
        wraps = sizes == [1, 1] or image.dtype.str[1:] in ("u1", "u2")
        return Cv2Request(Outer(lines), as_border(borderType, wraps), result)

    return filtered("GaussianBlur", src, dst, (ksize, sigmaX, sigmaY, borderType, hint), None, ask)


def _size(size: int, sigma: float, dtype: np.dtype[Any]) -> int:
    """Return the taps along an axis: three standard deviations to each side for 8-bit images, four for others."""
    if size > 0 or not sigma > 0:
        return size
    if math.isinf(sigma):
        refuse("sigmaX", "a finite number where ksize is 0", f"{sigma}")
    return round(sigma * (3 if dtype == np.uint8 else 4) * 2 + 1) | 1


def _gaussian_line(size: int, sigma: float) -> NDArray[np.float64]:
    if not sigma > 0:
        if size in _SMALL:
            return np.array(_SMALL[size], np.float64) / 256
        sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8
    lags = np.arange(size) - (size - 1) / 2
    taps = np.exp(-0.5 * (lags / sigma) ** 2)
    return np.asarray(taps / taps.sum())


def boxFilter(
    src: NDArray[Any],
    ddepth: int,
    ksize: tuple[int, int],
    dst: NDArray[Any] | None = None,
    anchor: tuple[int, int] = (-1, -1),
    normalize: bool = True,
    borderType: int = BORDER_DEFAULT,
) -> NDArray[Any]:
    """Return the mean over a window at every sample, or the sum: `cv2.boxFilter`.

    Parameters
    ----------
    src, ddepth, dst, anchor, borderType
        As for `filter2D`.
    ksize : (int, int)
        Width and height of the window.
    normalize : bool, optional
        Whether the result is the mean; or else it is the sum.

    Returns
    -------
    ndarray
        The result. Means of integers are exact, and rounded half to even.

    Raises
    ------
    OpenCVError, NotServedError
        As for `filter2D`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat import cv2
    >>> cv2.boxFilter(np.array([[1, 2, 6]], np.uint8), cv2.CV_16U, (2, 1), normalize=False)
    array([[3, 3, 8]], dtype=uint16)
    """
    arguments = (ddepth, ksize, anchor, normalize, borderType)
    return filtered("boxFilter", src, dst, arguments, None, lambda image: _box("boxFilter", image, *arguments))


def blur(
    src: NDArray[Any],
    ksize: tuple[int, int],
    dst: NDArray[Any] | None = None,
    anchor: tuple[int, int] = (-1, -1),
    borderType: int = BORDER_DEFAULT,
) -> NDArray[Any]:
    """Return the mean over a window at every sample: `cv2.blur`.

    Parameters
    ----------
    src, ksize, dst, anchor, borderType
        As for `boxFilter`.

    Returns
    -------
    ndarray
        The result, of the dtype of the image.

    Raises
    ------
    OpenCVError, NotServedError
        As for `filter2D`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat import cv2
    >>> cv2.blur(np.array([[0.0, 3.0, 0.0, 6.0]]), (3, 1), borderType=cv2.BORDER_REPLICATE)
    array([[1., 1., 3., 4.]])
    """
    arguments = (-1, ksize, anchor, True, borderType)
    return filtered("blur", src, dst, arguments, None, lambda image: _box("blur", image, *arguments))


def _box(
    function: str, image: NDArray[Any], ddepth: Any, ksize: Any, anchor: Any, mean: Any, border: Any
) -> Cv2Request:
    width, height = as_pair("ksize", ksize)
    if width < 1 or height < 1:
        refuse("ksize", "a positive width and height", repr(ksize))
    result = as_depth(function, ddepth, image.dtype, BOXES)
    box: Kernel = Box((height, width), as_anchor(anchor, (height, width), lenient=True))
    return Cv2Request(box if mean else math.prod(box.shape) * box, as_border(border), result)
