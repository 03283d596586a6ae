"""How do the directories of EXIF get into a TIFF? Behind its pages, since tifffile does not write them."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Any

from faltung.files.directory import Directory, Structure, packed
from faltung.files.exif import parsed

__all__ = ["attach", "pointers"]

#: The entries that point at EXIF and at GPS, by the names that tifffile has for them.
_NAMES = {34665: "ExifTag", 34853: "GPSTag"}


def _inner(exif: bytes | None) -> dict[int, Directory]:
    known = parsed(exif or b"")
    return {code: each for code in _NAMES if isinstance(each := known.get(code), dict)}


def pointers(exif: bytes | None, big: bool) -> list[tuple[Any, ...]]:
    """Return the entries that will point at the directories of EXIF, as tifffile writes them."""
    # Some readers take all eight bytes of a BigTIFF for the place.
    return [(_NAMES[code], 16 if big else 4, 1, 0, True) for code in _inner(exif)]


def attach(path: Path, exif: bytes | None, order: str, big: bool) -> None:
    """Write the directories of EXIF behind the pages of a TIFF whose first page has entries for them."""
    with open(path, "r+b") as file:
        for code, directory in _inner(exif).items():
            end = file.seek(0, 2)
            file.write(b"\0" * (end % 2))
            file.write(packed(directory, end + end % 2, order, big))
            file.flush()
            place = struct.pack(order + ("Q" if big else "I"), end + end % 2)
            with mmap.mmap(file.fileno(), 0) as buffer:
                at = Structure.of(buffer).place(code)
                buffer[at : at + len(place)] = place
