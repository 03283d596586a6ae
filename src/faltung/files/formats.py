"""Which formats are there? What the suffix of a name and the first bytes of a file say."""

from __future__ import annotations

from pathlib import Path

from faltung.errors import ArgumentError

__all__ = ["SUFFIXES", "format_of_name"]

#: Format of each suffix.
SUFFIXES = {".npy": "NPY", ".tif": "TIFF", ".tiff": "TIFF", ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}


def format_of_name(path: Path, argument: str = "--output") -> str:
    """Return the format that the suffix of a name stands for.

    Raises
    ------
    ArgumentError
        The suffix is not known.
    """
    try:
        return SUFFIXES[path.suffix.lower()]
    except KeyError:
        raise ArgumentError(argument, "a file named .png, .jpg, .tif or .npy", f"'{path}'") from None
