"""How do image files become one array? First their formats are read, to find a common one; then their pixels."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from faltung.datasets.data_error import data_error, shortened
from faltung.datasets.dataset import PARTS
from faltung.datasets.found import Found
from faltung.datasets.listing import Listing
from faltung.datasets.pixels import (
    EIGHT_BITS,
    FLOATS,
    SIXTEEN_BITS,
    PixelFormat,
    decoding,
    pixel_format,
    read_pixels,
    results_or_reasons,
)
from faltung.datasets.scaling import common_size
from faltung.datasets.splitting import RawPart

__all__ = ["read_images"]


class _ImageFile(NamedTuple):
    """An image of a listing."""

    part: str
    path: Path
    label: str
    name: str


def read_images(
    listing: Listing, root: Path, *, size: int | None, skip_corrupt: bool, on_skip: Callable[[str, str], None]
) -> tuple[dict[str, RawPart], Found]:
    """Read the images of a listing on all threads, into one array; return its parts, and what was found.

    If one image has colours, all get three channels. If all have 8 bits, the array is uint8, else float32. `pixels`
    says how each image is read.

    Parameters
    ----------
    listing : Listing
        The files of each part.
    root : path
        The folder that names of files are relative to.
    size : int or None
        Side of the square that images are scaled to; None to choose it by their sizes.
    skip_corrupt : bool
        Whether images that cannot be used are left out.
    on_skip : callable
        Called with the name of each such image, and the reason.

    Raises
    ------
    ArgumentError
        Images cannot be used and must not be left out, or a class has no other images.
    """
    files = [
        _ImageFile(part, path, label, _name(path, root))
        for part in PARTS
        for path, label in listing.entries.get(part, ())
    ]
    formats, samples, reasons = _read_all(files, size)
    if reasons and not skip_corrupt:
        received = f"{len(reasons)} of {len(files)} that cannot be used: "
        received += shortened([f"{files[index].name} ({reason})" for index, reason in reasons.items()])
        remedy = "Repair or remove them, or leave them out with skip_corrupt=True."
        raise data_error("images that can be read", received, remedy)
    for index, reason in reasons.items():
        on_skip(files[index].name, reason)
    usable = [index for index in range(len(files)) if index not in reasons]
    used = [files[index] for index in usable]
    _check_classes_remain(files, used)
    skipped = {_name(path, root): reason for path, reason in listing.skipped.items()}
    skipped |= {files[index].name: reason for index, reason in reasons.items()}
    found = _found(used, [formats[index] for index in usable], skipped)
    target = _common_format([formats[index] for index in usable], size)
    return _split_into_parts(samples[usable] if reasons else samples, used, target.pixels), found


def _name(path: Path, root: Path) -> str:
    return Path(os.path.relpath(path, root)).as_posix()


def _found(files: Sequence[_ImageFile], formats: Sequence[PixelFormat], skipped: Mapping[str, str]) -> Found:
    return Found(
        Counter(file.path.suffix.lower() for file in files),
        Counter((known.height, known.width) for known in formats),
        sum(known.colour for known in formats),
        Counter(known.pixels for known in formats),
        skipped,
        sum(known.animated for known in formats),
        sum(known.cut for known in formats),
    )


def _check_classes_remain(files: Sequence[_ImageFile], usable: Sequence[_ImageFile]) -> None:
    remaining = {(file.label, file.part) for file in usable}
    if lost := sorted({(file.part, file.label) for file in files if (file.label, file.part) not in remaining}):
        names = shortened([f"'{label}' ({part})" for part, label in lost])
        received = f"none in {names} without the {len(files) - len(usable)} that cannot"
        raise data_error("images that can be read in each class", received, "Add others, or remove the class.")


def _split_into_parts(samples: NDArray[Any], files: Sequence[_ImageFile], pixels: str) -> dict[str, RawPart]:
    """Split samples, which are in the order of the parts, into the parts."""
    parts = {}
    first = 0
    for part in PARTS:
        if members := [file for file in files if file.part == part]:
            labels, names = np.array([file.label for file in members]), [file.name for file in members]
            parts[part] = RawPart(samples[first : first + len(members)], labels, names, pixels)
            first += len(members)
    return parts


def _read_all(
    files: Sequence[_ImageFile], size: int | None
) -> tuple[dict[int, PixelFormat], NDArray[Any], dict[int, str]]:
    """Return by index the formats of images, the samples, and the reasons why some images have none."""
    with decoding():
        results = dict(enumerate(results_or_reasons(lambda file: pixel_format(file.path), files)))
        while True:
            formats = {index: known for index, known in results.items() if isinstance(known, PixelFormat)}
            target = _common_format([*formats.values()], size)
            pixels = np.empty((len(files), target.height, target.width, 3 if target.colour else 1), target.dtype)
            samples = np.moveaxis(pixels, -1, 1)

            def read(index: int, samples: NDArray[Any] = samples, target: PixelFormat = target) -> None:
                samples[index] = read_pixels(files[index].path, target)

            failed = zip(formats, results_or_reasons(read, [*formats]), strict=True)
            reasons = {index: reason for index, reason in failed if reason is not None}
            results |= reasons
            # An image that cannot be used has no say in how the others are read.
            if _common_format([known for index, known in formats.items() if index not in reasons], size) == target:
                break
    return formats, samples, {index: result for index, result in results.items() if isinstance(result, str)}


def _common_format(formats: Sequence[PixelFormat], size: int | None) -> PixelFormat:
    height, width = common_size({(known.height, known.width) for known in formats}, size)
    kinds = {known.pixels for known in formats}
    # Floats do not say which number is white, so they are read only by themselves.
    whole_numbers = sorted(kinds - {FLOATS}, key=(EIGHT_BITS, SIXTEEN_BITS).index) or sorted(kinds) or [EIGHT_BITS]
    return PixelFormat(height, width, any(known.colour for known in formats), whole_numbers[-1])
