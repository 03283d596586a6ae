"""Which formats are there? The first bytes of a file say what it is, and its suffix says what is written."""

from __future__ import annotations

from pathlib import Path

from faltung.errors import ArgumentError

__all__ = ["SUFFIXES", "format_of_contents", "format_of_name"]

#: Format of each suffix.
SUFFIXES = {".npy": "NPY", ".tif": "TIFF", ".tiff": "TIFF", ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
SUFFIXES |= {".gif": "GIF", ".webp": "WEBP", ".bmp": "BMP", ".pnm": "PNM", ".pbm": "PNM", ".pgm": "PNM"}
SUFFIXES |= {".ppm": "PNM", ".pfm": "PFM"} | dict.fromkeys((".jpe", ".jfif"), "JPEG")
SUFFIXES |= dict.fromkeys((".btf", ".tf8", ".ome"), "TIFF") | {".apng": "PNG"}

_BEGINNINGS = {
    b"\x93NUMPY": "NPY",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"BM": "BMP",
}
_BEGINNINGS |= dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"IIU\0", b"IIRO", b"IIRS", b"MMOR"), "TIFF")
_BEGINNINGS |= dict.fromkeys((b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"Pf", b"PF"), "PNM")
_KNOWN = "a PNG, JPEG, TIFF, GIF, WebP, BMP, PNM or .npy file"


def format_of_contents(path: Path, argument: str = "IMAGE") -> str:
    """Return the format of a file by its first bytes, whatever its name is.

    Raises
    ------
    ArgumentError
        There is no such file, it is no regular file, it cannot be opened, or its format is not known.
    """
    if not path.is_file():
        kind = (
            "a folder"
            if path.is_dir()
            else "neither a file nor a folder"
            if path.exists()
            else "which does not exist"
        )
        raise ArgumentError(argument, "a file that exists", f"'{path}', {kind}")
    try:
        with open(path, "rb") as file:
            head = file.read(12)
    except OSError as error:
        raise ArgumentError(argument, "a file that can be read", f"'{path}' ({error.strerror})") from error
    if head[:4] == b"RIFF" and head[8:] == b"WEBP":
        return "WEBP"
    for beginning, name in _BEGINNINGS.items():
        if head.startswith(beginning):
            return name
    received = f"'{path}', {'which is empty' if not head else 'of another kind'}"
    raise ArgumentError(argument, _KNOWN, received)


def format_of_name(path: Path, argument: str = "--output") -> str:
    """Return the format that the suffix of a name stands for.

    Raises
    ------
    ArgumentError
        The suffix is not known.

    Examples
    --------
    >>> format_of_name(Path("photo.JPG"))
    'JPEG'
    """
    try:
        return SUFFIXES[path.suffix.lower()]
    except KeyError:
        expected = "a file named .png, .jpg, .tif, .gif, .webp, .bmp, .ppm, .pgm, .pfm or .npy"
        raise ArgumentError(argument, expected, f"'{path}'{'' if path.suffix else ', which has no suffix'}") from None
