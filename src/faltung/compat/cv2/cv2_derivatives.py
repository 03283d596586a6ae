"""Derivatives of OpenCV: `Sobel`, `Scharr` and `Laplacian`."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.compat.cv2.cv2_arguments import as_border, as_depth, as_integer, as_number
from faltung.compat.cv2.cv2_call import Cv2Request, filtered
from faltung.compat.cv2.cv2_constants import BORDER_DEFAULT, DENSE, SEPARABLE, SUMMED
from faltung.compat.cv2.cv2_errors import refuse
from faltung.compat.not_served import NotServedError
from faltung.kernels import Kernel, Outer

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Laplacian", "Scharr", "Sobel"]

_LARGEST = 31
_SCHARR: tuple[tuple[float, ...], ...] = ((3.0, 10.0, 3.0), (-1.0, 0.0, 1.0))
#: The Laplacians that are not sums of two derivatives, by `ksize`.
_LAPLACIANS = {1: ((0, 1, 0), (1, -4, 1), (0, 1, 0)), 3: ((2, 0, 2), (0, -8, 0), (2, 0, 2))}


def Sobel(
    src: NDArray[Any],
    ddepth: int,
    dx: int,
    dy: int,
    dst: NDArray[Any] | None = None,
    ksize: int = 3,
    scale: float = 1.0,
    delta: float = 0.0,
    borderType: int = BORDER_DEFAULT,
) -> NDArray[Any]:
    """Return a derivative of an image that is smoothed across: `cv2.Sobel`.

    Parameters
    ----------
    src, ddepth, dst, delta, borderType
        As for `filter2D`.
    dx, dy : int
        Orders of the derivative along a row and along a column, together at least 1.
    ksize : int, optional
        Size of the kernel, odd and at most 31. With 1, there is no smoothing; with -1, the taps are Scharr's.
    scale : float, optional
        A factor of every output.

    Returns
    -------
    ndarray
        The result.

    Raises
    ------
    OpenCVError, NotServedError
        As for `filter2D`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat import cv2
    >>> cv2.Sobel(np.array([[1, 2, 4]], np.uint8), cv2.CV_16S, 1, 0)
    array([[ 0, 12,  0]], dtype=int16)
    """
    arguments = (ddepth, dx, dy, ksize, scale, delta, borderType)
    return filtered("Sobel", src, dst, arguments, None, lambda image: _derivative("Sobel", image, *arguments))


def Scharr(
    src: NDArray[Any],
    ddepth: int,
    dx: int,
    dy: int,
    dst: NDArray[Any] | None = None,
    scale: float = 1.0,
    delta: float = 0.0,
    borderType: int = BORDER_DEFAULT,
) -> NDArray[Any]:
    """Return a first derivative of an image with Scharr's taps: `cv2.Scharr`.

    Parameters
    ----------
    src, ddepth, dst, scale, delta, borderType
        As for `Sobel`.
    dx, dy : int
        Orders of the derivative: one of them is 1, and the other one 0.

    Returns
    -------
    ndarray
        The result.

    Raises
    ------
    OpenCVError, NotServedError
        As for `filter2D`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat import cv2
    >>> cv2.Scharr(np.array([[1, 2, 4]], np.uint8), cv2.CV_16S, 1, 0)
    array([[ 0, 48,  0]], dtype=int16)
    """
    arguments = (ddepth, dx, dy, -1, scale, delta, borderType)
    return filtered("Scharr", src, dst, arguments, None, lambda image: _derivative("Scharr", image, *arguments))


def Laplacian(
    src: NDArray[Any],
    ddepth: int,
    dst: NDArray[Any] | None = None,
    ksize: int = 1,
    scale: float = 1.0,
    delta: float = 0.0,
    borderType: int = BORDER_DEFAULT,
) -> NDArray[Any]:
    """Return the sum of the second derivatives along rows and columns: `cv2.Laplacian`.

    Parameters
    ----------
    src, ddepth, dst, scale, delta, borderType
        As for `Sobel`.
    ksize : int, optional
        1 for the taps 1, -4, 1; or the odd size of the derivatives that are summed, at most 31.

    Returns
    -------
    ndarray
        The result, rounded once.

    Raises
    ------
    OpenCVError, NotServedError
        As for `filter2D`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat import cv2
    >>> cv2.Laplacian(np.array([[0, 0, 3, 0]], np.float32), -1)
    array([[ 0.,  3., -6.,  6.]], dtype=float32)
    """

    def ask(image: NDArray[Any]) -> Cv2Request:
        size = as_integer("ksize", ksize, 1)
        result = as_depth("Laplacian", ddepth, image.dtype, DENSE if size in _LAPLACIANS else SUMMED)
        if size in _LAPLACIANS:
            kernel = Kernel(_LAPLACIANS[size])
        else:
            smooth, second = Kernel(_line(size, 0)), Kernel(_line(size, 2))
            kernel = Outer((smooth, second)) + Outer((second, smooth))
        return Cv2Request(_factor("Laplacian", scale) * kernel, as_border(borderType), result, _delta(delta))

    return filtered("Laplacian", src, dst, (ddepth, ksize, scale, delta, borderType), None, ask)


def _derivative(
    function: str,
    image: NDArray[Any],
    ddepth: Any,
    dx: Any,
    dy: Any,
    ksize: Any,
    scale: Any,
    delta: Any,
    border: Any,
) -> Cv2Request:
    x, y = as_integer("dx", dx, 0), as_integer("dy", dy, 0)
    size = as_integer("ksize", ksize, 3)
    if size <= 0:
        if min(x, y) < 0 or x + y != 1:
            refuse("dx", "one of dx and dy to be 1, and the other one 0, for Scharr's taps", f"{dx} and {dy}")
        lines = _SCHARR[y], _SCHARR[x]
    else:
        if min(x, y) < 0 or x + y < 1:
            refuse("dx", "dx and dy that are not negative, and not both 0", f"{dx} and {dy}")
        lines = _line(size, y), _line(size, x)
    kernel = _factor(function, scale) * Outer(map(Kernel, lines))
    return Cv2Request(kernel, as_border(border), as_depth(function, ddepth, image.dtype, SEPARABLE), _delta(delta))


def _line(size: int, order: int) -> tuple[float, ...]:
    """Return binomial taps, of which so many factors are differences as the order of the derivative says."""
    if size % 2 == 0 or not 0 < size <= _LARGEST:
        refuse("ksize", f"an odd size of at most {_LARGEST}", f"{size}")
    if size == 1 and order:
        size = 3
    if size <= order:
        refuse("ksize", f"a size larger than the order of the derivative, {order}", f"{size}")
    factors = [(1.0, 1.0)] * (size - 1 - order) + [(-1.0, 1.0)] * order
    return tuple(reduce(np.convolve, factors, np.ones(1)).tolist())


def _factor(function: str, scale: Any) -> float:
    factor = as_number("scale", scale, 1.0)
    if not np.isfinite(factor):
        raise NotServedError(f"cv2.{function}", "scale: a factor that is not finite")
    return factor


def _delta(delta: Any) -> float:
    return as_number("delta", delta, 0.0)
