"""What do arguments of OpenCV mean? Images, depths, sizes, anchors and borders, checked as OpenCV checks them."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.compat.cv2.cv2_constants import BORDER_DEFAULT, BORDER_ISOLATED, BORDER_WRAP, DEPTHS, MODES_OF_BORDERS
from faltung.compat.cv2.cv2_errors import refuse
from faltung.compat.not_served import NotServedError
from faltung.ground.arrays import carried, is_masked_array
from faltung.ground.checks import is_integer, is_number, is_sequence, scalar

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["as_anchor", "as_border", "as_depth", "as_image", "as_integer", "as_number", "as_pair", "as_taps_array"]

#: Most channels of an image; an array with more on its third axis has three axes for OpenCV.
_MOST_CHANNELS = 128
#: The number of the first depth that OpenCV knows and this module does not.
_FURTHER_DEPTHS = range(len(DEPTHS), 13)


def as_image(function: str, src: Any) -> NDArray[Any]:
    """Return an image as an array of shape (height, width) or (height, width, channels)."""
    image: NDArray[Any] = src if type(src) is np.ndarray else _as_array(function, src)
    if image.dtype.newbyteorder("=") not in DEPTHS:
        if image.dtype.kind not in "biuf" or image.dtype.itemsize > 8:
            refuse("src", "an image of integers or floats", f"dtype {image.dtype}")
        raise NotServedError(f"cv2.{function}", f"src: samples of dtype {image.dtype}")
    if not image.size:
        refuse("src", "an image with samples", f"an array of shape {image.shape}")
    if image.ndim == 1:
        return image.reshape(1, -1)
    if image.ndim == 3 and image.shape[2] <= _MOST_CHANNELS:
        return image[:, :, 0] if image.shape[2] == 1 else image
    if image.ndim != 2:
        expected = f"shape (height, width), or (height, width, channels) with at most {_MOST_CHANNELS} channels"
        refuse("src", expected, f"shape {image.shape}")
    return image


def _as_array(function: str, src: Any) -> NDArray[Any]:
    """Return an array of a subclass without what it adds, unless that would be lost."""
    if not isinstance(src, np.ndarray):
        if type(src).__name__ == "UMat":
            raise NotServedError(f"cv2.{function}", "src: an image in the memory of a device")
        refuse("src", "a NumPy array", f"a {type(src).__name__}")
    if is_masked_array(src) or carried(src):
        raise NotServedError(f"cv2.{function}", f"src: a {type(src).__name__}, whose {carried(src)} would be lost")
    return np.asarray(src)


def as_depth(function: str, ddepth: Any, src: np.dtype[Any], allowed: Mapping[str, tuple[str, ...]]) -> np.dtype[Any]:
    """Return the dtype of the result; a negative depth is that of the image."""
    number = as_integer("ddepth", ddepth, -1)
    if number in _FURTHER_DEPTHS:
        raise NotServedError(f"cv2.{function}", f"ddepth: depth {number}")
    if number >= len(DEPTHS):
        refuse("ddepth", "a depth from CV_8U to CV_64F, or -1", repr(ddepth))
    result = src.newbyteorder("=") if number < 0 else DEPTHS[number]
    depths = allowed.get(src.str[1:], ())
    if result.str[1:] not in depths:
        names = ", ".join(np.dtype(name).name for name in depths) or "none"
        refuse("ddepth", f"a result that OpenCV has for images of {src.name}: {names}", result.name)
    return result


def as_border(border: Any, wraps: bool = False) -> str:
    """Return the mode of a border; few of OpenCV's filters can wrap."""
    number = as_integer("borderType", border, BORDER_DEFAULT) & ~BORDER_ISOLATED
    if number not in MODES_OF_BORDERS:
        refuse("borderType", "BORDER_CONSTANT, _REPLICATE, _REFLECT or _REFLECT_101", repr(border))
    if number == BORDER_WRAP and not wraps:
        remedy = "Use faltung.correlate with mode='wrap'."
        refuse("borderType", "a border other than BORDER_WRAP, as in OpenCV", repr(border), remedy)
    return MODES_OF_BORDERS[number]


def as_anchor(anchor: Any, size: tuple[int, int], lenient: bool = False) -> tuple[int, int]:
    """Return the origin (row, column) of a kernel of a size (rows, columns); -1 is the centre.

    If `lenient`, so is every other negative number.
    """
    width, height = as_pair("anchor", anchor, (-1, -1))
    at = [height, width]
    for axis in range(2):
        if at[axis] == -1 or (lenient and at[axis] < 0):
            at[axis] = size[axis] // 2
    if not all(0 <= k < length for k, length in zip(at, size, strict=True)):
        refuse("anchor", f"(x, y) in a kernel of {size[1]} x {size[0]} taps, or -1 for its centre", repr(anchor))
    return at[0], at[1]


def as_pair(argument: str, value: Any, default: tuple[int, int] | None = None) -> tuple[int, int]:
    """Return two integers."""
    if value is None and default is not None:
        return default
    if not is_sequence(value) or len(value) != 2 or not all(map(is_integer, value)):
        refuse(argument, "two integers", repr(value))
    return int(value[0]), int(value[1])


def as_integer(argument: str, value: Any, default: int) -> int:
    """Return an integer; None is the default, as in OpenCV."""
    if value is None:
        return default
    if not is_integer(value):
        refuse(argument, "an integer", repr(value))
    return int(value)


def as_number(argument: str, value: Any, default: float) -> float:
    """Return a real number; None is the default, as in OpenCV."""
    if value is None:
        return default
    held = scalar(value) if is_number(value) else None
    if isinstance(held, bool | np.bool_) or not isinstance(held, numbers.Real):
        refuse(argument, "a real number", repr(value))
    return float(held)


def as_taps_array(function: str, argument: str, kernel: Any) -> NDArray[np.float64]:
    """Return the taps of a kernel with two axes; one axis is a row."""
    if not isinstance(kernel, np.ndarray):
        if is_number(kernel) or isinstance(kernel, tuple):
            raise NotServedError(f"cv2.{function}", f"{argument}: a number in place of an array")
        refuse(argument, "a NumPy array", f"a {type(kernel).__name__}")
    if kernel.dtype.kind not in "biuf" or is_masked_array(kernel):
        refuse(argument, "an array of real numbers", f"dtype {kernel.dtype}")
    taps = np.asarray(kernel, np.float64)
    if taps.ndim == 3 and taps.shape[2] == 1:
        taps = taps[:, :, 0]
    if taps.ndim not in (1, 2) or not taps.size:
        refuse(argument, "a kernel with one channel, and with taps", f"an array of shape {kernel.shape}")
    if not np.isfinite(taps).all():
        raise NotServedError(f"cv2.{function}", f"{argument}: a tap that is not finite")
    return taps.reshape(1, -1) if taps.ndim == 1 else taps
