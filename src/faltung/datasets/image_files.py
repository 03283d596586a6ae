"""How do files of images become one array? Looked at first, to find what they have in common, and then decoded."""

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

from faltung.datasets.dataset import PARTS
from faltung.datasets.listing import Listing
from faltung.datasets.refusal import refusal, shortened
from faltung.datasets.scaling import SMALLEST, common_size, fitted
from faltung.datasets.splitting import Part
from faltung.ground.threads import share, worker_count

__all__ = ["Form", "decoded", "eight_bits", "form_of", "on_each", "read_images"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_GREY = {"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N"}
_SEE_THROUGH = {"LA", "La", "PA", "RGBA", "RGBa"}
_ORIENTATION = 0x0112  # in EXIF; from 5 on, rows and columns are exchanged


class _UnusableError(Exception):
    """An image can be decoded and yet not be learned from."""


@dataclass(frozen=True)
class Form:
    """What an image is before it is decoded, or what all are made into: deep ones have more than 8 bits of grey."""

    height: int
    width: int
    colour: bool
    deep: bool


def read_images(
    listing: Listing, root: Path, *, size: int | None, skip_corrupt: bool, on_skip: Callable[[str, str], None]
) -> dict[str, Part]:
    """Decode the images of a listing on all threads, into one uint8 array.

    They are turned as EXIF says. Grey images become coloured where others are. What is transparent is laid on white.
    Of more than 8 bits of grey, the upper 8 of those are kept that any image of the set makes use of.

    Parameters
    ----------
    listing : mapping of str to sequence of Entry
        The files of each part.
    root : path
        What files are named relative to.
    size : int or None
        Side of the square that images are scaled to.
    skip_corrupt : bool
        Whether images that cannot be used are left out.
    on_skip : callable
        Called with the name of each image that is left out, and the reason.

    Raises
    ------
    ArgumentError
        If images cannot be used and may not be left out, or a class has no others.
    """
    entries = [(part, *entry) for part in PARTS for entry in listing.get(part, ())]
    names = [Path(os.path.relpath(path, root)).as_posix() for _, path, _ in entries]
    pixels, problems = _decode_all([path for _, path, _ in entries], size)
    if problems and not skip_corrupt:
        received = f"{len(problems)} of {len(entries)} that cannot be used: "
        received += shortened([f"{names[index]} ({reason})" for index, reason in problems.items()])
        remedy = "Mend or remove them, or leave them out with --skip-corrupt (skip_corrupt=True)."
        raise refusal("images that can be read", received, remedy)
    for index, reason in problems.items():
        on_skip(names[index], reason)
    kept = [index for index in range(len(entries)) if index not in problems]
    left = {entries[index][::2] for index in kept}
    if lost := [f"'{label}' ({part})" for part, label in sorted({entry[::2] for entry in entries} - left)]:
        received = f"none left in {shortened(lost)} without the {len(problems)} that cannot"
        raise refusal("images that can be read in each class", received, "Add others, or leave the class out.")
    samples = np.moveaxis(eight_bits(pixels[kept] if problems else pixels), -1, 1)
    parts = {}
    first = 0
    for part in PARTS:
        if own := [index for index in kept if entries[index][0] == part]:
            labels, files = np.array([entries[index][2] for index in own]), [names[index] for index in own]
            parts[part] = Part(samples[first : first + len(own)], labels, files)
            first += len(own)
    return parts


def _decode_all(paths: Sequence[Path], size: int | None) -> tuple[NDArray[Any], dict[int, str]]:
    """Return the pixels of all images, (samples, height, width, channels), and what is wrong with some of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd metadata do no harm, and what cannot be decoded is an error
        Image.init()
        forms = on_each(form_of, paths)
        known = [form for form in forms if isinstance(form, Form)]
        height, width = common_size({(form.height, form.width) for form in known}, size)
        target = Form(height, width, any(form.colour for form in known), any(form.deep for form in known))
        pixels = np.empty((len(paths), height, width, 3 if target.colour else 1), "u2" if target.deep else "u1")

        def decode(index: int) -> None:
            pixels[index] = decoded(paths[index], target)

        results: dict[int, object] = dict(enumerate(forms))
        readable = [index for index, form in enumerate(forms) if isinstance(form, Form)]
        results |= zip(readable, on_each(decode, readable), strict=True)
    return pixels, {index: result for index, result in results.items() if isinstance(result, str)}


def on_each(work: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result | str]:
    """Do work on all items, on all threads, and return for each what came of it, or why nothing did."""
    results: list[Any] = [None] * len(items)

    def one(index: int) -> None:
        try:
            results[index] = work(items[index])
        except Exception as error:  # what decoders raise for damaged files is as varied as the damage
            results[index] = _reason(error)

    share(one, range(len(items)), worker_count())
    return results


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "no kind of image that is known"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    # Given a name, Pillow 13 maps a TIFF into memory and takes the rows of a turned one for columns.
    with path.open("rb") as file, Image.open(file) as image:
        yield image


def form_of(path: Path) -> Form:
    """Return what an image is, from the head of its file, or raise the reason why it cannot be used."""
    with _opened(path) as image:
        if image.mode == "F":
            raise _UnusableError("floats, which can be given as arrays in an npz file")
        if image.format == "TIFF" and getattr(image, "n_frames", 1) > 1:
            raise _UnusableError("more than one page")
        width, height = image.size
        if min(width, height) < SMALLEST:
            raise _UnusableError(f"{width}x{height} pixels, fewer than {SMALLEST} a side")
        if _is_turned(image):
            width, height = height, width
        return Form(height, width, image.mode not in _GREY, image.mode.startswith("I"))


def _is_turned(image: Image.Image) -> bool:
    # Pillow has turned the size of a TIFF already. Asked for the EXIF that may follow the pixels of a PNG, it would
    # decode them.
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return False
    return bool(image.getexif().get(_ORIENTATION, 1) > 4)


def decoded(path: Path, form: Form) -> NDArray[Any]:
    """Return the pixels of an image in a form, (height, width, channels), but of deep grey images as they are."""
    with _opened(path) as opened:
        # A JPEG can be decoded at a half, a quarter or an eighth of its size in less time.
        opened.draft(None, (2 * form.width, 2 * form.height))
        image = ImageOps.exif_transpose(opened)
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise _UnusableError("more than 16 bits of grey")
        grey = fitted(Image.fromarray(values.astype(np.float32)), form.height, form.width)
        # Between bright and dark the filter goes a little beyond both.
        rounded: NDArray[Any] = np.rint(np.clip(np.asarray(grey), 0, 65535)).astype(np.uint16)
        return rounded[..., None]
    if image.mode in _SEE_THROUGH or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = fitted(image.convert("RGB" if form.colour else "L"), form.height, form.width)
    pixels = np.asarray(image).reshape(form.height, form.width, -1)
    return pixels * np.uint16(257) if form.deep else pixels


def eight_bits(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the upper eight of those bits that any of the pixels makes use of."""
    # A camera of 12 bits writes files of 16, and its images would nearly be black if the others were thrown away.
    unused = max(8, int(pixels.max(initial=0)).bit_length()) - 8
    return pixels if pixels.dtype == np.uint8 else (pixels >> unused).astype(np.uint8)
