"""How do image files become one array? First their formats are read, to find a common one; then their pixels."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from faltung.datasets.data_error import data_error, shortened
from faltung.datasets.dataset import PARTS
from faltung.datasets.listing import Listing
from faltung.datasets.scaling import SMALLEST, common_size, fitted
from faltung.datasets.splitting import RawPart
from faltung.ground.threads import share, worker_count

__all__ = ["PixelFormat", "eight_bits", "pixel_format", "read_images", "read_pixels", "results_or_reasons"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_GREY = {"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N"}
_TRANSPARENT = {"LA", "La", "PA", "RGBA", "RGBa"}
_ORIENTATION = 0x0112  # the tag of EXIF; from value 5 on, rows and columns are exchanged


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
    deep : bool
        Whether it has more than 8 bits of grey.
    """

    height: int
    width: int
    colour: bool
    deep: bool


class _ImageFile(NamedTuple):
    """An image of a listing."""

    part: str
    path: Path
    label: str
    name: str


def read_images(
    listing: Listing, root: Path, *, size: int | None, skip_corrupt: bool, on_skip: Callable[[str, str], None]
) -> dict[str, RawPart]:
    """Read the images of a listing on all threads, into one uint8 array.

    Images are turned as EXIF says. If one image has colours, all get three channels. Transparent pixels are blended
    with white. Of more than 8 bits of grey, the upper 8 of the bits that the images use are kept.

    Parameters
    ----------
    listing : mapping of str to sequence of Entry
        The files of each part.
    root : path
        The folder that names of files are relative to.
    size : int or None
        Side of the square that images are scaled to; None to choose it by their sizes.
    skip_corrupt : bool
        Whether images that cannot be used are left out.
    on_skip : callable
        Called with the name of each image that is left out, and the reason.

    Raises
    ------
    ArgumentError
        Images cannot be used and must not be left out, or a class has no other images.
    """
    files = [
        _ImageFile(part, path, label, Path(os.path.relpath(path, root)).as_posix())
        for part in PARTS
        for path, label in listing.get(part, ())
    ]
    pixels, reasons = _read_all([file.path for file in files], size)
    if reasons and not skip_corrupt:
        received = f"{len(reasons)} of {len(files)} that cannot be used: "
        received += shortened([f"{files[index].name} ({reason})" for index, reason in reasons.items()])
        remedy = "Repair or remove them, or leave them out with --skip-corrupt (skip_corrupt=True)."
        raise data_error("images that can be read", received, remedy)
    for index, reason in reasons.items():
        on_skip(files[index].name, reason)
    usable = [index for index in range(len(files)) if index not in reasons]
    _check_classes_remain(files, [files[index] for index in usable])
    samples = np.moveaxis(eight_bits(pixels[usable] if reasons else pixels), -1, 1)
    return _split_into_parts(samples, [files[index] for index in usable])


def _check_classes_remain(files: Sequence[_ImageFile], usable: Sequence[_ImageFile]) -> None:
    remaining = {(file.label, file.part) for file in usable}
    if lost := sorted({(file.part, file.label) for file in files if (file.label, file.part) not in remaining}):
        names = shortened([f"'{label}' ({part})" for part, label in lost])
        received = f"none in {names} without the {len(files) - len(usable)} that cannot"
        raise data_error("images that can be read in each class", received, "Add others, or remove the class.")


def _split_into_parts(samples: NDArray[np.uint8], files: Sequence[_ImageFile]) -> dict[str, RawPart]:
    """Split samples, which are in the order of the parts, into the parts."""
    parts = {}
    first = 0
    for part in PARTS:
        if members := [file for file in files if file.part == part]:
            labels, names = np.array([file.label for file in members]), [file.name for file in members]
            parts[part] = RawPart(samples[first : first + len(members)], labels, names)
            first += len(members)
    return parts


def _read_all(paths: Sequence[Path], size: int | None) -> tuple[NDArray[Any], dict[int, str]]:
    """Return pixels (samples, height, width, channels), and the reasons why some images have none, by index."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # unusual metadata do no harm, and what cannot be decoded is an error
        Image.init()
        formats = results_or_reasons(pixel_format, paths)
        target = _common_format([known for known in formats if isinstance(known, PixelFormat)], size)
        shape = (len(paths), target.height, target.width, 3 if target.colour else 1)
        pixels = np.empty(shape, "u2" if target.deep else "u1")

        def read(index: int) -> None:
            pixels[index] = read_pixels(paths[index], target)

        results: dict[int, object] = dict(enumerate(formats))
        readable = [index for index, known in enumerate(formats) if isinstance(known, PixelFormat)]
        results |= zip(readable, results_or_reasons(read, readable), strict=True)
    return pixels, {index: result for index, result in results.items() if isinstance(result, str)}


def _common_format(formats: Collection[PixelFormat], size: int | None) -> PixelFormat:
    height, width = common_size({(known.height, known.width) for known in formats}, size)
    return PixelFormat(height, width, any(known.colour for known in formats), any(known.deep for known in formats))


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
    with path.open("rb") as file, Image.open(file) as image:
        yield image


def pixel_format(path: Path) -> PixelFormat:
    """Return the format of an image, from the head of its file, or raise the reason why it cannot be used."""
    with _opened(path) as image:
        if image.mode == "F":
            raise _UnusableError("pixels are floats, which must be in arrays of an npz file")
        if image.format == "TIFF" and getattr(image, "n_frames", 1) > 1:
            raise _UnusableError("more than one page")
        width, height = image.size
        if min(width, height) < SMALLEST:
            raise _UnusableError(f"{width}x{height} pixels, fewer than {SMALLEST} a side")
        if _is_turned(image):
            width, height = height, width
        return PixelFormat(height, width, image.mode not in _GREY, image.mode.startswith("I"))


def _is_turned(image: Image.Image) -> bool:
    # Pillow has already exchanged the sides of a TIFF. The EXIF of a PNG may follow its pixels, and reading it there
    # would decode them.
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return False
    return bool(image.getexif().get(_ORIENTATION, 1) > 4)


def read_pixels(path: Path, target: PixelFormat) -> NDArray[Any]:
    """Return the pixels of an image in another format, (height, width, channels); deep grey stays one channel."""
    with _opened(path) as opened:
        # A JPEG can be decoded at a half, a quarter or an eighth of its size in less time.
        opened.draft(None, (2 * target.width, 2 * target.height))
        image = ImageOps.exif_transpose(opened)
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise _UnusableError("more than 16 bits of grey")
        grey = fitted(Image.fromarray(values.astype(np.float32)), target.height, target.width)
        # At edges the scaling filter overshoots a little.
        rounded: NDArray[Any] = np.rint(np.clip(np.asarray(grey), 0, 65535)).astype(np.uint16)
        return rounded[..., None]
    if image.mode in _TRANSPARENT or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = fitted(image.convert("RGB" if target.colour else "L"), target.height, target.width)
    pixels = np.asarray(image).reshape(target.height, target.width, -1)
    return pixels * np.uint16(257) if target.deep else pixels


def eight_bits(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the upper eight of the bits that any pixel uses."""
    # A camera of 12 bits writes files of 16 bits: their upper eight bits would be almost black.
    unused = max(8, int(pixels.max(initial=0)).bit_length()) - 8
    return pixels if pixels.dtype == np.uint8 else (pixels >> unused).astype(np.uint8)
