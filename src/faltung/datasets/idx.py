"""What do IDX files hold? Images in one and labels in another, the way MNIST comes."""

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

from faltung.datasets.dataset import PARTS
from faltung.datasets.file_names import part_of, words
from faltung.datasets.layout import arranged
from faltung.datasets.refusal import refusal
from faltung.datasets.splitting import Part

__all__ = ["find_idx", "is_idx", "read_idx"]

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def is_idx(path: Path) -> bool:
    """Say whether a file is an IDX file by its name, or else by its first two bytes, which are zero.

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
    """Return the file of images of each part, by names like ``train-images-idx3-ubyte.gz``."""
    found: dict[str, Path] = {}
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        own = [word for word in words(path.name) if word != "gz"]
        parts = {part for word in own if (part := part_of(word))}
        plain = own and (own[-1] == "images" or re.fullmatch(r"idx\d*|ubyte", own[-1]))
        if "images" not in own or len(parts) != 1 or not plain or path.name.startswith("."):
            continue
        [part] = parts
        # Unpacked beside its packed form is one file.
        if part in found and found[part].name.removesuffix(".gz") != path.name.removesuffix(".gz"):
            received = f"'{found[part].name}' and '{path.name}'"
            raise refusal(f"one file of {part} images", received, "Keep each data set in a folder of its own.")
        found.setdefault(part, path)
    return found


def read_idx(images: Mapping[str, Path], ndim: int | None, size: int | None) -> dict[str, Part]:
    """Read the files of images of each part, and those of labels beside them.

    Raises
    ------
    ArgumentError
        If a file is missing, damaged, or does not fit the others.
    """
    if "training" not in images:
        received = ", ".join(f"'{path.name}'" for path in images.values())
        raise refusal("a file of training images, such as train-images-idx3-ubyte.gz", received)
    arrays = arranged({path.name: _array(path) for path in images.values()}, ndim, size)
    return {part: _part(images[part], arrays[images[part].name]) for part in PARTS if part in images}


def _part(path: Path, samples: NDArray[Any]) -> Part:
    beside = _labels_beside(path)
    labels = _array(beside)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise refusal("one whole number for each image", f"{labels.dtype} of shape {labels.shape} in '{beside.name}'")
    if len(labels) != len(samples):
        received = f"{len(labels)} in '{beside.name}' for {len(samples)} in '{path.name}'"
        raise refusal("one label for each image", received, "Check that both files belong together.")
    return Part(samples, labels)


def _labels_beside(images: Path) -> Path:
    name = re.sub(r"idx\d", "idx1", images.name.replace("images", "labels")).removesuffix(".gz")
    for candidate in (images.with_name(name), images.with_name(f"{name}.gz")):
        if candidate.name != images.name and candidate.is_file():
            return candidate
    remedy = "Put it there, with 'labels' in its name where the other has 'images'."
    raise refusal("a file of labels beside that of images", f"'{images.name}' without '{name}'", remedy)


def _array(path: Path) -> NDArray[Any]:
    content = _content(path)
    kind, axes = (content[2], content[3]) if len(content) > 3 else (0, 0)
    if content[:2] != b"\0\0" or kind not in _DTYPES or not 1 <= axes <= 5:
        expected = "an IDX file, which begins with two zeros, a type from 8 to 14 and the number of axes, up to 5"
        raise refusal(expected, f"the bytes {content[:4].hex(' ') or '(none)'} in '{path.name}'")
    start = 4 + 4 * axes
    shape = struct.unpack(f">{axes}I", content[4:start]) if len(content) >= start else ()
    dtype = np.dtype(_DTYPES[kind])
    if not shape or len(content) - start != math.prod(shape) * dtype.itemsize:
        expected = f"{math.prod(shape) * dtype.itemsize} bytes for the shape {shape}" if shape else "a shape"
        raise refusal(expected, f"{max(0, len(content) - start)} in '{path.name}'", "Fetch the whole file again.")
    array = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _content(path: Path) -> bytearray:
    content = bytearray(path.read_bytes())
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return bytearray(gzip.decompress(content))
    except (EOFError, OSError, zlib.error) as error:
        raise refusal("a whole gzip file", f"'{path.name}' ({error})", "Fetch it again.") from error
