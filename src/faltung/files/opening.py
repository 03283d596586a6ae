"""How is a file read? By what is in it, whatever its name is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from faltung.errors import ArgumentError
from faltung.files.array_file import read_array
from faltung.files.formats import format_of_contents
from faltung.files.picture_value import Picture
from faltung.files.pillow_input import read_pillow
from faltung.files.png_input import read_png
from faltung.files.pnm_file import read_pnm
from faltung.files.quiet import quiet
from faltung.files.refusal import RefusedError
from faltung.files.tiff_input import read_tiff

__all__ = ["read"]

_READERS: dict[str, Callable[[Path], list[Picture]]] = {
    "NPY": read_array,
    "PNG": read_png,
    "PNM": read_pnm,
    "TIFF": read_tiff,
}
_LONGEST = 300  # characters of what a library says


def read(path: Path, argument: str = "IMAGE") -> list[Picture]:
    """Return the pictures of a file: one, or several if its pages differ in shape or dtype.

    Rows and columns are as they are seen, whatever orientation a file has. The frames of an animation are one picture
    with the axis T.

    Parameters
    ----------
    path : path
        The file; what is in it decides how it is read.
    argument : str
        What errors call it.

    Raises
    ------
    ArgumentError
        There is no such file, it is damaged, or something in it cannot be kept.
    """
    name = format_of_contents(path, argument)
    try:
        with quiet():
            return _READERS.get(name, read_pillow)(path)
    except RefusedError as error:
        raise ArgumentError(argument, error.expected, f"'{path}'{error.held}", error.remedy) from error
    except MemoryError as error:
        raise ArgumentError(argument, "a file that fits into memory", f"'{path}'", str(error)) from error
    except Exception as error:  # a damaged file can raise any kind of error
        said = " ".join(str(error).split())[:_LONGEST] or type(error).__name__
        raise ArgumentError(argument, f"a readable {name} file", f"'{path}' ({said})") from error
