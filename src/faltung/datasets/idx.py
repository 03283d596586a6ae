"""How are IDX files read? Images from one file and labels from another, like those of MNIST."""

from __future__ import annotations

import gzip
import math
import os
import re
import struct
import zlib
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.datasets.data_error import data_error
from faltung.datasets.dataset import PARTS
from faltung.datasets.file_names import part_of, words
from faltung.datasets.layout import sample_arrays
from faltung.datasets.splitting import RawPart
from faltung.ground.given_files import check_fits, check_size, open_regular

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
    with open_regular(path) as file:
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
    try:
        return _read(path)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise data_error("a complete gzip file", f"'{path.name}' ({error})", "Download the file again.") from error
    except (MemoryError, OverflowError) as error:
        received = f"'{path.name}' ({error or 'the memory does not suffice'})"
        raise data_error("arrays that fit into memory", received, "Split the file.") from error


def _read(path: Path) -> NDArray[Any]:
    with open_regular(path) as file:
        stored = os.fstat(file.fileno()).st_size
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        source: gzip.GzipFile | BufferedReader = gzip.GzipFile(fileobj=file) if packed else file
        dtype, shape = _header(source, path)
        nbytes, start = math.prod(shape) * dtype.itemsize, 4 + 4 * len(shape)
        try:
            # NumPy counts axes without samples as one: what is refused here is what no array can be.
            check_size(math.prod(length or 1 for length in shape) * dtype.itemsize, stored)
        except ValueError as error:
            raise data_error("a plausible size", f"'{path.name}' ({error})", "Download the file again.") from error
        check_fits(nbytes)
        content, count = np.empty(nbytes, np.uint8), 0
        while count < nbytes and (read := source.readinto(content[count:].data)):
            count += read
        more = count == nbytes and source.read(1)
    if count < nbytes or more:
        received = f"{'more' if more else start + count} in '{path.name}'"
        raise data_error(f"{start + nbytes} bytes for the shape {shape}", received, "Download the file again.")
    return content.view(dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _header(source: gzip.GzipFile | BufferedReader, path: Path) -> tuple[np.dtype[Any], tuple[int, ...]]:
    head = source.read(4)
    kind, axes = (head[2], head[3]) if len(head) > 3 else (0, 0)
    if head[:2] != b"\0\0" or kind not in _DTYPES or not 1 <= axes <= 5:
        expected = "an IDX file, which begins with two zeros, a type from 8 to 14 and the number of axes, up to 5"
        received = f"the bytes {head.hex(' ') or '(none)'} in '{path.name}'"
        raise data_error(expected, received, "Download the file again.")
    lengths = source.read(4 * axes)
    if len(lengths) < 4 * axes:
        received = f"{4 + len(lengths)} in '{path.name}'"
        raise data_error(f"at least {4 + 4 * axes} bytes for {axes} axes", received, "Download the file again.")
    return np.dtype(_DTYPES[kind]), struct.unpack(f">{axes}I", lengths)
