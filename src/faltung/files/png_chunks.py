"""What is in a PNG beside its pixels? Its chunks, checked and sorted by what they say."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

__all__ = ["SIGNATURE", "Unpacker", "chunk", "chunks", "said", "text_chunk"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LARGEST = 64 * 2**20  # bytes that all compressed texts and profiles together may have
_XMP = "XML:com.adobe.xmp"
#: Chunks that mean the same for other pixels; the first two only for pixels of the same kind.
_KEPT = {
    b"bKGD",
    b"sBIT",
    b"gAMA",
    b"cHRM",
    b"sRGB",
    b"cICP",
    b"mDCV",
    b"cLLI",
    b"tIME",
    b"sPLT",
    b"oFFs",
    b"pCAL",
    b"sCAL",
    b"sTER",
}
#: Chunks of the pixels themselves, and of animations.
_PIXELS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT"}
_TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
_RAW_EXIF = "Raw profile type exif"


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and contents of each chunk, or raise ValueError where a file is damaged."""
    at = len(SIGNATURE)
    kind = b""
    while kind != b"IEND":
        if at + 12 > len(data):
            raise ValueError("it ends too early")
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, end = data[at + 4 : at + 8], at + 8 + length
        if end + 4 > len(data):
            raise ValueError("it ends too early")
        if struct.pack(">I", zlib.crc32(data[at + 4 : end])) != data[end : end + 4]:
            raise ValueError(f"the checksum of its chunk {kind.decode('ascii', 'replace')} is wrong")
        yield kind, data[at + 8 : end]
        at = end + 4


def chunk(kind: bytes, contents: bytes) -> bytes:
    """Return the bytes of a chunk."""
    return struct.pack(">I", len(contents)) + kind + contents + struct.pack(">I", zlib.crc32(kind + contents))


class Unpacker:
    """Unpacks the compressed parts of a file, as long as all of them together are not too large.

    Examples
    --------
    >>> Unpacker()(zlib.compress(b"text"))
    b'text'
    """

    def __init__(self, most: int = _LARGEST) -> None:
        self._left = most

    def __call__(self, data: bytes) -> bytes:
        """Return what was compressed; ValueError if it is damaged, or too much."""
        decoder, most = zlib.decompressobj(), self._left
        try:
            whole = decoder.decompress(data, most + 1)
        except zlib.error as error:
            raise ValueError(f"it is damaged ({error})") from error
        self._left = max(0, most - len(whole))
        if not decoder.eof or len(whole) > most:
            raise ValueError("it is not whole, or too large")
        return whole


def _text(kind: bytes, contents: bytes, unpack: Unpacker) -> tuple[str, str]:
    """Return keyword and text of a chunk that has them."""
    keyword, _, rest = contents.partition(b"\0")
    if kind == b"tEXt":
        return keyword.decode("latin-1"), rest.decode("latin-1")
    if kind == b"zTXt":
        return keyword.decode("latin-1"), unpack(rest[1:]).decode("latin-1")
    compressed, text = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
    return keyword.decode("latin-1"), (unpack(text) if compressed else text).decode("utf-8", "replace")


def text_chunk(keyword: str, text: str) -> bytes:
    """Return the chunk for a text, in Latin letters or in Unicode."""
    name = keyword.encode("latin-1", "replace")[:79] or b"Comment"
    try:
        return chunk(b"tEXt", name + b"\0" + text.encode("latin-1"))
    except UnicodeEncodeError:
        return chunk(b"iTXt", name + b"\0\0\0\0\0" + text.encode("utf-8"))


def _resolution(contents: bytes, _: Unpacker) -> dict[str, Any]:
    if len(contents) != 9:
        raise ValueError("it has another length")
    across, down, unit = struct.unpack(">IIB", contents)
    if not across or not down:
        return {}
    metres = 100 if unit == 1 else 1
    return {"resolution": (across / metres, down / metres), "unit": "cm" if unit == 1 else ""}


def _profile(contents: bytes, unpack: Unpacker) -> dict[str, Any]:
    return {"profile": unpack(contents.partition(b"\0")[2][1:])}


def _exif(contents: bytes, _: Unpacker) -> dict[str, Any]:
    return {"exif": contents}


_FIELDS: dict[bytes, Callable[[bytes, Unpacker], dict[str, Any]]] = {
    b"pHYs": _resolution,
    b"iCCP": _profile,
    b"eXIf": _exif,
}


def said(found: Iterable[tuple[bytes, bytes]]) -> dict[str, Any]:
    """Return what chunks say, by the fields of `Metadata`."""
    fields: dict[str, Any] = {}
    parts: dict[str, list[str]] = {}
    kept, unread, unpack = [], dict[str, None](), Unpacker()
    for kind, contents in found:
        name = kind.decode("ascii", "replace")
        try:
            if kind in _TEXTS:
                keyword, text = _text(kind, contents, unpack)
                parts.setdefault(keyword, []).append(text)
            elif kind in _FIELDS:
                fields |= _FIELDS[kind](contents, unpack)
            elif kind in _KEPT or (kind not in _PIXELS and kind[3:4].islower()):
                kept.append((kind, contents))
            elif kind not in _PIXELS:
                unread[f"The chunk {name} is not passed on."] = None
        except ValueError as error:
            unread[f"The chunk {name} is not passed on: {error}."] = None
    texts = {keyword: "\n".join(each) for keyword, each in parts.items()}
    if _XMP in texts:
        fields["xmp"] = texts.pop(_XMP).encode("utf-8")
    if _RAW_EXIF in texts and "exif" not in fields and (exif := _from_digits(texts[_RAW_EXIF])):
        fields["exif"] = exif
        del texts[_RAW_EXIF]
    return fields | {"texts": texts, "chunks": tuple(kept), "unread": tuple(unread)}


def _from_digits(text: str) -> bytes | None:
    """Return EXIF that ImageMagick writes as a text of hexadecimal digits behind a name and a length."""
    try:
        return bytes.fromhex("".join(text.split()[2:]))
    except ValueError:
        return None
