"""How does an image file become a sample? In one way, in training, for predictions and for judging."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from faltung.datasets.scaling import SMALLEST, fitted
from faltung.ground.given_files import check_size, open_regular
from faltung.ground.threads import share, worker_count

__all__ = ["EIGHT_BITS", "FLOATS", "SIXTEEN_BITS", "PixelFormat", "decoding", "pixel_format", "read_pixels"]
__all__ += ["results_or_reasons"]

EIGHT_BITS, SIXTEEN_BITS, FLOATS = "8 bits", "16 bits", "floats"

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_GREY = {"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N", "F"}
_TRANSPARENT = {"LA", "La", "PA", "RGBA", "RGBa"}
_ANIMATIONS = {"GIF", "PNG", "WEBP", "AVIF"}
_BITS_PER_SAMPLE = 258  # a tag of TIFF
_ORIENTATION = 0x0112  # the tag of EXIF; from value 5 on, rows and columns are exchanged
_WHITE = 65535  # the largest intensity of 16 bits


class _UnusableError(Exception):
    """An image that can be decoded, but is not of a kind that a data set can have."""


@dataclass(frozen=True)
class PixelFormat:
    """Size and kind of the pixels of an image.

    Parameters
    ----------
    height, width : int
        Number of pixels, after the image is turned as EXIF says.
    colour : bool
        Whether the image has colours, rather than one channel of grey.
    pixels : {"8 bits", "16 bits", "floats"}
        Kind of the intensities: whole numbers up to 255 or 65535, or any numbers.
    animated : bool, optional
        Whether the file has more pictures, which follow in time; the first one is read.
    cut : bool, optional
        Whether the file has more than 8 bits of each colour, or of grey beside opacity; the upper 8 are read.

    Examples
    --------
    >>> PixelFormat(28, 28, False, "16 bits").dtype
    dtype('float32')
    """

    height: int
    width: int
    colour: bool
    pixels: str
    animated: bool = False
    cut: bool = False

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the samples: uint8 for 8 bits, else float32, which holds all numbers of 16 bits."""
        return np.dtype(np.uint8 if self.pixels == EIGHT_BITS else np.float32)


@contextmanager
def decoding() -> Iterator[None]:
    """Decode without warnings: unusual metadata do no harm, and what cannot be decoded is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Image.init()
        yield


def results_or_reasons(function: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result | str]:
    """Call a function on all items, on all threads, and return its results, or why it failed as a string."""
    results: list[Any] = [None] * len(items)

    def compute(index: int) -> None:
        try:
            results[index] = function(items[index])
        except Exception as error:  # decoders raise errors of any type for damaged files
            results[index] = _reason(error)

    share(compute, range(len(items)), worker_count())
    return results


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not a known kind of image"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    # If it is given a name, Pillow 13 maps a TIFF into memory and exchanges rows and columns of a turned one.
    with open_regular(path) as file, Image.open(file) as image:
        check_size(4 * image.width * image.height, os.fstat(file.fileno()).st_size)
        yield image


def pixel_format(path: Path) -> PixelFormat:
    """Return the format of an image, from the head of its file, or raise the reason why it cannot be used."""
    with _opened(path) as image:
        if image.format == "TIFF" and getattr(image, "n_frames", 1) > 1:
            raise _UnusableError("more than one page")
        width, height = image.size
        if min(width, height) < SMALLEST:
            raise _UnusableError(f"{width}x{height} pixels, fewer than {SMALLEST} a side")
        if _is_turned(image):
            width, height = height, width
        pixels = FLOATS if image.mode == "F" else SIXTEEN_BITS if image.mode.startswith("I") else EIGHT_BITS
        animated = image.format in _ANIMATIONS and getattr(image, "is_animated", False)
        cut = pixels == EIGHT_BITS and _bits(path, image) > 8
        return PixelFormat(height, width, image.mode not in _GREY, pixels, animated, cut)


def _bits(path: Path, image: Image.Image) -> int:
    """Return the bits of one number of the file, of which Pillow gives 8 at most for colours."""
    if image.format == "PNG":
        with open_regular(path) as file:
            return file.read(25)[24]
    if isinstance(image, TiffImageFile):
        return int(max(image.tag_v2.get(_BITS_PER_SAMPLE, (8,))))
    return 8


def _is_turned(image: Image.Image) -> bool:
    # Pillow has already exchanged the sides of a TIFF. The EXIF of a PNG may follow its pixels, and reading it there
    # would decode them.
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return False
    return bool(image.getexif().get(_ORIENTATION, 1) > 4)


def read_pixels(path: Path, target: PixelFormat) -> NDArray[Any]:
    """Return the pixels of an image in another format, (channels, height, width).

    The image is turned as EXIF says, blended with white where it is transparent, scaled until it just covers the
    frame, and cropped to it. White is the largest number of its bits, whatever the image itself uses of them: an
    image of 8 bits among images of 16 is multiplied by 257. Of colours, 8 bits are kept. Floats are kept as they are.
    """
    with _opened(path) as opened:
        # A JPEG can be decoded at a half, a quarter or an eighth of its size in less time.
        opened.draft(None, (2 * target.width, 2 * target.height))
        image = ImageOps.exif_transpose(opened)
    if (image.mode == "F") != (target.pixels == FLOATS):
        kind, others = ("floats", "whole numbers") if image.mode == "F" else ("whole numbers", "floats")
        raise _UnusableError(f"pixels are {kind}, among images of {others}")
    deep = image.mode.startswith("I") or image.mode == "F"
    pixels = _deep_pixels(image, target) if deep else _eight_bit_pixels(image, target)
    if target.pixels == SIXTEEN_BITS and not deep:
        pixels = pixels * np.float32(_WHITE / 255)
    elif target.pixels == EIGHT_BITS and deep:
        pixels = np.rint(pixels * np.float32(255 / _WHITE))
    return np.broadcast_to(pixels, (3 if target.colour else 1, *pixels.shape[1:])).astype(target.dtype, copy=False)


def _deep_pixels(image: Image.Image, target: PixelFormat) -> NDArray[np.float32]:
    """Return the pixels of an image of 16 bits or of floats, (1, height, width)."""
    values = np.asarray(image)
    if image.mode == "F":
        if not np.isfinite(values).all():
            raise _UnusableError("pixels that are not finite")
        return np.asarray(fitted(image, target.height, target.width))[None]
    if values.min() < 0 or values.max() > _WHITE:
        raise _UnusableError("more than 16 bits of grey")
    grey = fitted(Image.fromarray(values.astype(np.float32)), target.height, target.width)
    # At edges the scaling filter overshoots a little.
    rounded: NDArray[np.float32] = np.rint(np.clip(np.asarray(grey), 0, _WHITE))
    return rounded[None]


def _eight_bit_pixels(image: Image.Image, target: PixelFormat) -> NDArray[np.uint8]:
    """Return the pixels of an image of 8 bits or fewer, (channels, height, width)."""
    if image.mode in _TRANSPARENT or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = fitted(image.convert("RGB" if target.colour else "L"), target.height, target.width)
    return np.moveaxis(np.asarray(image).reshape(target.height, target.width, -1), -1, 0)
