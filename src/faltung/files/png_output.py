"""How is a PNG written? With 8 or 16 bits, and with chunks for what its metadata say."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

from faltung.files.picture_value import Metadata, Picture
from faltung.files.png_chunks import SIGNATURE, chunk, chunks, text_chunk

__all__ = ["with_chunks", "write_png"]

#: Chunks whose numbers are samples.
_SAME_PIXELS = {b"bKGD", b"sBIT"}
_INCH = 2.54  # centimetres


def write_png(path: Path, picture: Picture) -> None:
    """Write a plain picture of 8 or 16 bits."""
    import imagecodecs

    packed = imagecodecs.png_encode(np.ascontiguousarray(picture.samples), level=6)
    path.write_bytes(with_chunks(bytes(packed), picture.metadata))


def with_chunks(packed: bytes, metadata: Metadata) -> bytes:
    """Return a PNG with chunks for what metadata say."""
    header, *rest = chunks(packed)
    _, _, depth, kind = struct.unpack(">IIBB", header[1][:10])
    own = [pair for pair in rest if pair[0] not in (b"pHYs", b"iCCP", b"tEXt", b"iTXt", b"eXIf")]
    return SIGNATURE + chunk(*header) + _said(metadata, (kind, depth)) + b"".join(chunk(*pair) for pair in own)


def _said(metadata: Metadata, kind: tuple[int, int]) -> bytes:
    same = metadata.encoding.get("pixels") == kind
    written = [chunk(*pair) for pair in metadata.chunks if same or pair[0] not in _SAME_PIXELS]
    if metadata.profile:
        written.append(chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.profile)))
    if metadata.resolution:
        metres = {"cm": 100.0, "inch": 100 / _INCH}.get(metadata.unit, 1.0)
        across, down = (max(1, min(round(value * metres), 2**31 - 1)) for value in metadata.resolution)
        written.append(chunk(b"pHYs", struct.pack(">IIB", across, down, metadata.unit != "")))
    if metadata.exif:
        written.append(chunk(b"eXIf", metadata.exif))
    if metadata.xmp:
        written.append(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + metadata.xmp))
    written += [text_chunk(keyword, text) for keyword, text in metadata.texts.items()]
    return b"".join(written)
