"""How is a file written? In the format that its name says, whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from faltung.errors import ArgumentError
from faltung.files.array_file import write_array
from faltung.files.formats import format_of_name
from faltung.files.picture_value import Picture
from faltung.files.pillow_file import write_pillow
from faltung.files.targets import Inputs, check_new_file, new_file
from faltung.files.tiff_output import write_tiff

__all__ = ["check_target", "dtypes", "lost", "write"]


def check_target(target: Path, sources: Sequence[Path], overwrite: bool) -> None:
    """Refuse a file to write before any work is done, if it cannot be written or would replace another one.

    Raises
    ------
    ArgumentError
        The target is an input, its suffix is not known, or as for `check_new_file`.
    """
    format_of_name(target)
    check_new_file("--output", target, overwrite, Inputs(sources))


def dtypes(path: Path, picture: Picture) -> tuple[np.dtype, ...] | None:
    """Return the dtypes that a file of this name can hold for such a picture, the widest last; None for all."""
    name = format_of_name(path)
    if name in ("TIFF", "NPY"):
        return None
    return (np.dtype("u1"), np.dtype("u2")) if name == "PNG" else (np.dtype("u1"),)


def lost(path: Path, pictures: Sequence[Picture], *, metadata: bool = True) -> list[str]:
    """Return what a file of this name cannot keep, as sentences; `metadata` is what `write` is called with."""
    return []


def write(path: Path, pictures: Sequence[Picture], *, metadata: bool = True) -> None:
    """Write pictures to a file, whole or not at all, in the format that its suffix names.

    Parameters
    ----------
    path : path
        The file to write; one that exists is replaced.
    pictures : sequence of Picture
        The pictures; the samples may be memory-mapped from another file.
    metadata : bool
        Whether what the source said is written, too: what the samples mean (colours, opacity, axes) always is.

    Raises
    ------
    ArgumentError
        A file of this format cannot hold the pictures, or cannot be written.
    """
    name = format_of_name(path)
    if name not in ("TIFF",) and len(pictures) > 1:
        raise ArgumentError("--output", "a TIFF file for pages of different shapes", f"'{path}'", "Use .tif.")
    with new_file(path) as temporary:
        if name == "TIFF":
            write_tiff(temporary, pictures)
        elif name == "NPY":
            write_array(temporary, pictures[0])
        else:
            write_pillow(temporary, pictures[0], name)
