"""How is a file written? In the format that its name says, whole or not at all."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from faltung.errors import ArgumentError
from faltung.files.array_file import write_array
from faltung.files.formats import format_of_name
from faltung.files.picture_value import Metadata, Picture
from faltung.files.pillow_output import write_pillow
from faltung.files.plain import HOLDS, held_dtypes, plain
from faltung.files.png_output import write_png
from faltung.files.pnm_file import write_pnm
from faltung.files.quiet import quiet
from faltung.files.tiff_output import write_tiff
from faltung.ground.new_files import new_file
from faltung.ground.targets import Inputs, check_new_file

__all__ = ["check_target", "dtypes", "write"]

#: Chunks of a PNG that say what its colours are.
_COLOUR_CHUNKS = {b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI"}


def check_target(target: Path, inputs: Inputs, overwrite: bool) -> None:
    """Refuse a file to write before any work is done, if it cannot be written or would replace another one.

    Raises
    ------
    ArgumentError
        Its suffix is not known, or as for `check_new_file`.
    """
    format_of_name(target)
    check_new_file("--output", target, overwrite, inputs)


def dtypes(path: Path, picture: Picture) -> tuple[np.dtype[Any], ...] | None:
    """Return the dtypes that a file of this name can hold for a picture: integers, the widest last; None for all.

    Examples
    --------
    >>> dtypes(Path("a.png"), Picture(np.zeros((4, 5)), "YX"))
    (dtype('uint8'), dtype('uint16'))
    """
    name = format_of_name(path)
    return held_dtypes(picture, name) if name in HOLDS else None


def write(path: Path, pictures: Sequence[Picture], *, metadata: bool = True) -> None:
    """Write pictures to a file, whole or not at all, in the format that its suffix names.

    Parameters
    ----------
    path : path
        The file to write; one that exists is replaced.
    pictures : sequence of Picture
        The pictures; the samples may be memory-mapped from another file.
    metadata : bool
        Whether what the source said is written, too. What the samples mean always is: colours and their profile,
        opacity, axes, the value of missing samples.

    Raises
    ------
    ArgumentError
        A file of this format cannot hold the pictures, or cannot be written.
    """
    name = format_of_name(path)
    if name != "TIFF" and len(pictures) > 1:
        raise ArgumentError("--output", "a TIFF file for pages of different shapes", f"'{path}'", "Use .tif.")
    if name != "NPY" and any(picture.samples.ndim < 2 for picture in pictures):
        raise ArgumentError("--output", "a .npy file for an array with one axis", f"'{path}'", "Use .npy.")
    if not metadata:
        pictures = [replace(picture, metadata=_meaning(picture.metadata)) for picture in pictures]
    if name in HOLDS:
        pictures = [plain(pictures[0], name)]
    try:
        with quiet(), new_file(path) as temporary:
            _write_as(name, temporary, pictures)
    except ArgumentError:
        raise
    except (ValueError, RuntimeError, struct.error) as error:  # what a library says of what its format cannot hold
        said = " ".join(str(error).split())
        raise ArgumentError("--output", f"a picture that a {name} file can hold", f"'{path}' ({said})") from error


def _write_as(name: str, path: Path, pictures: Sequence[Picture]) -> None:
    if name == "TIFF":
        write_tiff(path, pictures)
    elif name == "NPY":
        write_array(path, pictures[0])
    elif name in ("PNM", "PFM"):
        write_pnm(path, pictures[0])
    elif name == "PNG" and pictures[0].axes[0] == "Y":
        write_png(path, pictures[0])
    else:
        write_pillow(path, pictures[0], name)


def _meaning(metadata: Metadata) -> Metadata:
    """Return what says how samples are packed and shown, without the rest."""
    return Metadata(
        metadata.format,
        {key: value for key, value in metadata.encoding.items() if key != "segments"},
        profile=metadata.profile,
        durations=metadata.durations,
        axes_told=None if metadata.axes_told is None else {},
        chunks=tuple(pair for pair in metadata.chunks if pair[0] in _COLOUR_CHUNKS),
    )
