"""What do the arguments of scikit-image mean? Images with the range of their dtype, axes, modes and masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from faltung.compat.not_served import NotServedError
from faltung.errors import ArgumentError
from faltung.ground.arrays import carried, is_masked_array
from faltung.ground.boundary import check_modes
from faltung.ground.checks import is_sequence

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "SkimageAxisError",
    "SkimageRuntimeError",
    "SkimageSamples",
    "as_image_array",
    "as_modes",
    "as_samples",
    "check_axes",
    "under_mask",
]


class SkimageRuntimeError(ArgumentError, RuntimeError):
    """An argument that scikit-image passes on to SciPy, which answers with a `RuntimeError`."""


class SkimageAxisError(ArgumentError, IndexError):
    """An axis that the image does not have, for which scikit-image raises an `IndexError`."""


class SkimageSamples(NamedTuple):
    """An image as it is filtered: its samples are to be divided by `divisor`, and the result has dtype `result`."""

    array: NDArray[Any]
    divisor: float
    result: np.dtype[Any]


#: Names that SciPy has for modes besides those of this package.
_GRID_MODES = {"grid-mirror": "reflect", "grid-constant": "constant", "grid-wrap": "wrap"}


def as_image_array(function: str, image: Any) -> NDArray[Any]:
    """Return an image as an array; a mask or unit is not dropped."""
    name = f"skimage.filters.{function}"
    if type(image) is np.ndarray and image.ndim:
        return image
    if is_masked_array(image) or carried(image):
        raise NotServedError(name, f"image: a {type(image).__name__}, whose {carried(image)} would be lost")
    if type(image).__module__.partition(".")[0] not in ("numpy", "builtins") and not isinstance(image, np.ndarray):
        raise NotServedError(name, f"image: a {type(image).__module__} {type(image).__name__}")
    array = np.asarray(image)
    if not array.ndim:
        raise NotServedError(name, "image: a number without axes")
    return array


def as_samples(function: str, image: NDArray[Any], preserve_range: bool = False) -> SkimageSamples:
    """Return the samples of an image in the range of floats: integers from -1 to 1, or from 0 to 1.

    Unsigned integers stay as they are, and the filter divides: so there is no copy of the image in floats.
    """
    kind, double = image.dtype.kind, np.dtype(np.float64)
    if kind == "f":
        if image.dtype.itemsize > 8:
            return SkimageSamples(image.astype(np.float64), 1.0, double)
        return SkimageSamples(image, 1.0, double if image.dtype.itemsize == 8 else np.dtype(np.float32))
    if kind == "b" or (kind in "iu" and preserve_range):
        return SkimageSamples(image, 1.0, double)
    if kind == "u":
        return SkimageSamples(image, float(np.iinfo(image.dtype).max), double)
    if kind == "i":  # the most negative integer counts as -1, so this is more than a factor
        scaled = np.multiply(image, 1.0 / np.iinfo(image.dtype).max, dtype=np.float64)
        return SkimageSamples(np.maximum(scaled, -1.0, out=scaled), 1.0, double)
    if preserve_range:
        raise NotServedError(f"skimage.filters.{function}", f"image: samples of dtype {image.dtype}")
    raise ArgumentError("image", "an image of real numbers", f"dtype {image.dtype}")


def as_modes(mode: Any, ndim: int) -> list[str]:
    """Return the mode of each axis, with the names of SciPy."""
    names = list(mode) if is_sequence(mode) else [mode] * ndim
    if len(names) != ndim:
        raise SkimageRuntimeError("mode", f"one name, or {ndim}, one for each axis", repr(mode))
    names = [_GRID_MODES.get(name, name) if isinstance(name, str) else name for name in names]
    try:
        return list(check_modes(names, ndim))
    except ArgumentError as error:
        raise SkimageRuntimeError("mode", "a mode of scipy.ndimage", repr(mode)) from error


def check_axes(image: NDArray[Any], count: int) -> None:
    """Raise an error if an image has another number of axes, or no samples."""
    if not image.size:
        raise ArgumentError("image", "an image with samples", f"shape {image.shape}")
    if image.ndim != count:
        raise ArgumentError("image", f"an image with {count} axes", f"shape {image.shape}")


def under_mask(result: NDArray[Any], mask: Any) -> NDArray[Any]:
    """Set outputs to zero where a sample of their neighbourhood is outside the mask, or beyond the border."""
    if mask is None:
        return result
    inside = np.asarray(mask) != 0
    for axis in range(inside.ndim):
        inside = _inner(inside, axis)
    try:
        np.multiply(result, inside, out=result)
    except ValueError as error:
        raise ArgumentError("mask", f"a mask of shape {result.shape}", f"shape {inside.shape}") from error
    return result


def _inner(inside: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    """Return where a sample and both its neighbours along an axis are inside."""
    moved = np.moveaxis(inside, axis, 0)
    inner = np.zeros_like(moved)
    inner[1:-1] = moved[:-2] & moved[1:-1] & moved[2:]
    return np.moveaxis(inner, 0, axis)
