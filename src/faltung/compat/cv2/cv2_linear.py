"""Filters of OpenCV with any kernel: `filter2D` and `sepFilter2D`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.compat.cv2.cv2_arguments import (
    as_anchor,
    as_border,
    as_depth,
    as_number,
    as_taps_array,
)
from faltung.compat.cv2.cv2_call import Cv2Request, filtered
from faltung.compat.cv2.cv2_constants import BORDER_DEFAULT, DENSE, SEPARABLE, WIDE
from faltung.compat.cv2.cv2_errors import refuse
from faltung.kernels import Kernel, Outer

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["filter2D", "sepFilter2D"]

#: Taps from which OpenCV transforms, and from which it does so for the depths that its direct filters are fast for.
_TRANSFORMED, _TRANSFORMED_FAST = 50, 130


def filter2D(
    src: NDArray[Any],
    ddepth: int,
    kernel: NDArray[Any],
    dst: NDArray[Any] | None = None,
    anchor: tuple[int, int] = (-1, -1),
    delta: float = 0.0,
    borderType: int = BORDER_DEFAULT,
) -> NDArray[Any]:
    """Correlate an image with a kernel: `cv2.filter2D`.

    Parameters
    ----------
    src : ndarray, shape (height, width) or (height, width, channels)
        The image; every channel is filtered by itself.
    ddepth : int
        Depth of the result, from ``CV_8U`` to ``CV_64F``; -1 is that of the image.
    kernel : ndarray, shape (rows, columns)
        The taps.
    dst : ndarray, optional
        The array for the result; one of another shape or dtype is left as it is, as in OpenCV.
    anchor : (int, int), optional
        Position (x, y) of the tap at the output; -1 is the centre, ``size // 2``.
    delta : float, optional
        A number that is added to every output.
    borderType : int, optional
        How the image continues beyond its border.

    Returns
    -------
    ndarray
        The result. Integers are rounded half to even and saturated.

    Raises
    ------
    OpenCVError
        OpenCV refuses the arguments, too; it is a `cv2.error` where OpenCV is loaded.
    NotServedError
        OpenCV can do this, and this package cannot.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat import cv2
    >>> cv2.filter2D(np.array([[0, 9, 0, 0]], np.uint8), -1, np.array([[1.0, 2.0, 0.5]]))
    array([[14, 18,  9,  0]], dtype=uint8)
    """

    def ask(image: NDArray[Any]) -> Cv2Request:
        taps = as_taps_array("filter2D", "kernel", kernel)
        allowed = WIDE if taps.size >= _TRANSFORMED else DENSE
        result = as_depth("filter2D", ddepth, image.dtype, allowed)
        fast = (image.dtype == np.uint8 and result.str[1:] in ("u1", "i2")) or (image.dtype == result == np.float32)
        mode = as_border(borderType, taps.size >= (_TRANSFORMED_FAST if fast else _TRANSFORMED))
        origin = as_anchor(anchor, (taps.shape[0], taps.shape[1]))
        return Cv2Request(Kernel(taps, origin), mode, result, as_number("delta", delta, 0.0))

    taps = (kernel.shape, kernel.dtype, kernel.tobytes()) if isinstance(kernel, np.ndarray) else None
    return filtered("filter2D", src, dst, (ddepth, anchor, delta, borderType), taps, ask)


def sepFilter2D(
    src: NDArray[Any],
    ddepth: int,
    kernelX: NDArray[Any],
    kernelY: NDArray[Any],
    dst: NDArray[Any] | None = None,
    anchor: tuple[int, int] = (-1, -1),
    delta: float = 0.0,
    borderType: int = BORDER_DEFAULT,
) -> NDArray[Any]:
    """Correlate an image with a row of taps, and with a column of taps: `cv2.sepFilter2D`.

    Parameters
    ----------
    src, ddepth, dst, anchor, delta, borderType
        As for `filter2D`.
    kernelX, kernelY : ndarray
        The taps along a row and along a column, of one dtype.

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
    >>> cv2.sepFilter2D(np.eye(3), -1, np.array([1.0, 2.0, 1.0]), np.array([0.0, 1.0, 0.0]))
    array([[2., 1., 0.],
           [2., 2., 2.],
           [0., 1., 2.]])
    """

    def ask(image: NDArray[Any]) -> Cv2Request:
        row, column = _lines(kernelX, kernelY)
        result = as_depth("sepFilter2D", ddepth, image.dtype, SEPARABLE)
        above, before = as_anchor(anchor, (column.size, row.size), lenient=True)
        outer = Outer((Kernel(column, above), Kernel(row, before)))
        return Cv2Request(outer, as_border(borderType), result, as_number("delta", delta, 0.0))

    taps = None
    if isinstance(kernelX, np.ndarray) and isinstance(kernelY, np.ndarray):
        taps = (kernelX.shape, kernelX.dtype, kernelX.tobytes(), kernelY.shape, kernelY.dtype, kernelY.tobytes())
    return filtered("sepFilter2D", src, dst, (ddepth, anchor, delta, borderType), taps, ask)


def _lines(kernelX: Any, kernelY: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the taps along a row and along a column."""
    row, column = as_taps_array("sepFilter2D", "kernelX", kernelX), as_taps_array("sepFilter2D", "kernelY", kernelY)
    for argument, taps in (("kernelX", row), ("kernelY", column)):
        if 1 not in taps.shape:
            refuse(argument, "a row or a column of taps", f"shape {taps.shape}")
    if kernelX.dtype != kernelY.dtype:
        refuse("kernelY", f"taps of the dtype of kernelX, {kernelX.dtype}", f"{kernelY.dtype}")
    return row.ravel(), column.ravel()
