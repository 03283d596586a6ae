"""Which size does a block of a TIFF have by its own header? Blocks of JPEG, WebP and others have one."""

from __future__ import annotations

import io
import struct

__all__ = ["HEADED", "check_block"]

#: Compressions whose blocks have headers: JPEG of three kinds, JPEG 2000 of four, PNG, WebP of two.
HEADED = {6, 7, 33007, 34892, 33003, 33004, 33005, 34712, 34933, 34927, 50001}
_JPEG = {6, 7, 33007, 34892}
_PADDED = 64  # rows and columns that a block may have beyond the picture
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_BARE = {0x01, *range(0xD0, 0xD9)}


def check_block(data: bytes, compression: int, width: int, height: int) -> None:
    """Raise ValueError if a block has many more pixels than a TIFF says."""
    size = _jpeg_size(data) if compression in _JPEG else _other_size(data)
    if size is not None and (size[0] > width + _PADDED or size[1] > height + _PADDED):
        raise ValueError(f"a block of its pixels has {size[0]} x {size[1]} instead of {width} x {height}")


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a JPEG stream, or None if they are not found."""
    at = data.find(b"\xff\xd8") + 2
    while 2 <= at <= len(data) - 9 and data[at] == 0xFF:
        kind, (length,) = data[at + 1], struct.unpack(">H", data[at + 2 : at + 4])
        if kind in _FRAMES:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 1 if kind == 0xFF else 2 if kind in _BARE else 2 + length
    return None


def _other_size(data: bytes) -> tuple[int, int] | None:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["PNG", "WEBP", "JPEG2000"]) as image:
            return image.size
    except Exception:  # the decoder says what is wrong
        return None
