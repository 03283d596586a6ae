"""How are IDX files read? Images from one file and labels from another, like those of MNIST."""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.datasets.data_error import data_error
from faltung.datasets.dataset import PARTS
from faltung.datasets.file_names import part_of, words
from faltung.datasets.layout import sample_arrays
from faltung.datasets.splitting import RawPart

__all__ = ["find_idx", "is_idx", "read_idx"]

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def is_idx(path: Path) -> bool:
    """Whether a file is an IDX file, by its name, or by its first two bytes, which are zero.

    Examples
    --------
    >>> is_idx(Path("train-images-idx3-ubyte.gz"))
    True
    """
    named = any(re.fullmatch(r"idx\d*|ubyte", word) for word in words(path.name))
    if named or path.suffix == ".gz":
        return True
    with path.open("rb") as file:
        return file.read(2) == b"\0\0"


def find_idx(folder: Path) -> dict[str, Path]:
    """Return the file of images of each part of a folder, by names like ``train-images-idx3-ubyte.gz``."""
    images: dict[str, Path] = {}
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        part = _part_of_images(path.name)
        if part is None:
            continue
        # A file and its compressed copy count as one.
        if part in images and images[part].name.removesuffix(".gz") != path.name.removesuffix(".gz"):
            received = f"'{images[part].name}' and '{path.name}'"
            raise data_error(f"one file of {part} images", received, "Keep each data set in its own folder.")
        images.setdefault(part, path)
    return images


def _part_of_images(name: str) -> str | None:
    """Return the part that a file of this name has the images of; None if it is not such a file."""
    name_words = [word for word in words(name) if word != "gz"]
    if name.startswith(".") or "images" not in name_words:
        return None
    parts = {part for word in name_words if (part := part_of(word))}
    ends_like_idx = name_words[-1] == "images" or re.fullmatch(r"idx\d*|ubyte", name_words[-1])
    return parts.pop() if len(parts) == 1 and ends_like_idx else None


def read_idx(images: Mapping[str, Path], ndim: int | None, size: int | None) -> dict[str, RawPart]:
    """Read the file of images of each part, and the file of labels in the same folder.

    Raises
    ------
    ArgumentError
        A file is missing or damaged, or does not fit the others.
    """
    if "training" not in images:
        received = ", ".join(f"'{path.name}'" for path in images.values())
        raise data_error("a file of training images, such as train-images-idx3-ubyte.gz", received)
    arrays = sample_arrays({path.name: _array(path) for path in images.values()}, ndim, size, differ=True)
    return {part: _part(images[part], arrays[images[part].name]) for part in PARTS if part in images}


def _part(path: Path, samples: NDArray[Any]) -> RawPart:
    label_file = _label_file(path)
    labels = _array(label_file)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        received = f"{labels.dtype} of shape {labels.shape} in '{label_file.name}'"
        raise data_error("one integer for each image", received, "Save the labels as integers along one axis.")
    if len(labels) != len(samples):
        received = f"{len(labels)} in '{label_file.name}' for {len(samples)} in '{path.name}'"
        raise data_error("one label for each image", received, "Check that both files belong together.")
    return RawPart(samples, labels)


def _label_file(images: Path) -> Path:
    name = re.sub(r"idx\d", "idx1", images.name.replace("images", "labels")).removesuffix(".gz")
    for candidate in (images.with_name(name), images.with_name(f"{name}.gz")):
        if candidate.name != images.name and candidate.is_file():
            return candidate
    remedy = "Put it there; its name has 'labels' in place of 'images'."
    raise data_error("a file of labels in the folder of the images", f"'{images.name}' without '{name}'", remedy)


def _array(path: Path) -> NDArray[Any]:
    content = _content(path)
    kind, axes = (content[2], content[3]) if len(content) > 3 else (0, 0)
    if content[:2] != b"\0\0" or kind not in _DTYPES or not 1 <= axes <= 5:
        expected = "an IDX file, which begins with two zeros, a type from 8 to 14 and the number of axes, up to 5"
        received = f"the bytes {content[:4].hex(' ') or '(none)'} in '{path.name}'"
        raise data_error(expected, received, "Download the file again.")
    start = 4 + 4 * axes
    shape = struct.unpack(f">{axes}I", content[4:start]) if len(content) >= start else ()
    dtype = np.dtype(_DTYPES[kind])
    if not shape or len(content) - start != math.prod(shape) * dtype.itemsize:
        received = f"{len(content)} in '{path.name}'"
        size = start + math.prod(shape) * dtype.itemsize
        expected = f"{size} bytes for the shape {shape}" if shape else f"at least {start} bytes for {axes} axes"
        raise data_error(expected, received, "Download the file again.")
    array = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _content(path: Path) -> bytearray:
    content = bytearray(path.read_bytes())
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return bytearray(gzip.decompress(content))
    except (EOFError, OSError, zlib.error) as error:
        raise data_error("a complete gzip file", f"'{path.name}' ({error})", "Download the file again.") from error
