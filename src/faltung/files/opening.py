"""How is a file read? By what is in it, whatever its name is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from faltung.errors import ArgumentError
from faltung.files.array_file import read_array
from faltung.files.formats import format_of_name
from faltung.files.picture_value import Picture
from faltung.files.pillow_file import read_pillow
from faltung.files.tiff_input import read_tiff

__all__ = ["read"]

_READERS: dict[str, Callable[[Path], list[Picture]]] = {"NPY": read_array, "TIFF": read_tiff}


def read(path: Path) -> list[Picture]:
    """Return the pictures of a file: one, or several if its pages differ in shape or dtype.

    Raises
    ------
    ArgumentError
        There is no such file, it is damaged, or something in it cannot be kept.
    """
    name = format_of_name(path, "IMAGE")
    if not path.is_file():
        received = f"'{path}', a folder" if path.is_dir() else f"'{path}'"
        raise ArgumentError("IMAGE", "a file that exists", received)
    try:
        return _READERS.get(name, read_pillow)(path)
    except ArgumentError:
        raise
    except Exception as error:  # a damaged file can raise any kind of error
        raise ArgumentError("IMAGE", f"a readable {name} file", f"'{path}' ({error})") from error
