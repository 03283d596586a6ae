"""How is EXIF passed on? Without a thumbnail, and for pictures that are turned already."""

from __future__ import annotations

import re
import struct

from faltung.files.directory import Directory, Structure, Tag, packed

__all__ = ["ORIENTATION", "block", "entry_of_text", "orientation_of", "parsed", "upright", "upright_xmp"]

#: The tag of the orientation.
ORIENTATION = 274
_IN_XMP = re.compile(rb"(tiff:Orientation(?:=[\"']|>))([0-9])")
_EXIF, _WIDTH, _HEIGHT = 34665, 40962, 40963


def parsed(exif: bytes) -> Directory:
    """Return the directory of an EXIF block, with or without its name before it; empty if it is damaged."""
    try:
        structure = Structure.of(exif.removeprefix(b"Exif\0\0"))
        return structure.directory(structure.first)
    except ValueError:
        return {}


def block(directory: Directory) -> bytes:
    """Return a directory as an EXIF block; empty if nothing is in it."""
    whole = {code: entry for code, entry in directory.items() if isinstance(entry, dict) or entry.complete}
    return b"II*\0" + struct.pack("<I", 8) + packed(whole, 8) if whole else b""


def orientation_of(directory: Directory, xmp: bytes | None = None) -> int:
    """Return how rows and columns are stored, 1 to 8, as EXIF says, or else as XMP does."""
    entry = directory.get(ORIENTATION)
    if isinstance(entry, Tag) and entry.numbers:
        value = entry.numbers[0]
    else:
        found = _IN_XMP.search(xmp or b"")
        value = int(found[2]) if found else 1
    return int(value) if value in range(1, 9) else 1


def upright_xmp(xmp: bytes | None) -> bytes | None:
    """Return XMP for the same picture after it was turned."""
    return _IN_XMP.sub(rb"\g<1>1", xmp) if xmp else None


def upright(directory: Directory) -> Directory:
    """Return a directory for the same picture after it was turned."""
    turned = orientation_of(directory) > 4
    kept = dict(directory)
    if ORIENTATION in kept:
        kept[ORIENTATION] = Tag(ORIENTATION, 3, 1, struct.pack("<H", 1))
    inner = kept.get(_EXIF)
    if turned and isinstance(inner, dict) and _WIDTH in inner and _HEIGHT in inner:
        kept[_EXIF] = inner | {_WIDTH: inner[_HEIGHT], _HEIGHT: inner[_WIDTH]}
    return kept


def entry_of_text(code: int, text: str) -> Tag:
    """Return an entry that holds a text."""
    data = text.encode("utf-8") + b"\0"
    return Tag(code, 2, len(data), data)
