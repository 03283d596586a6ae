"""How is a PNM read and written? Bits, greys and colours as text or bytes, and PFM for floats."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.files.picture_value import Metadata, Picture
from faltung.ground.given_files import check_size, read_regular

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["read_pnm", "write_pnm"]

# None of the parts gives back what it took, so spaces of any number take no memory.
_NUMBER = rb"(?:\s++|#[^\n\r]*+[\n\r])++(-?[0-9.eE+]+|-?inf)"
_HEADER = re.compile(rb"P([1-6fF])" + _NUMBER + _NUMBER)
_LARGEST = re.compile(_NUMBER)
_COLOURED = {b"3", b"6", b"F"}


def read_pnm(path: Path) -> list[Picture]:
    """Return the picture of a file, scaled to the whole range of 8 or 16 bits."""
    data = read_regular(path)
    found = _HEADER.match(data)
    if found is None:
        raise ValueError("it has no header")
    kind, width, height = found[1], int(found[2]), int(found[3])
    if min(width, height) < 1:
        raise ValueError(f"it has {width} x {height} pixels")
    bands = 3 if kind in _COLOURED else 1
    # A bit may be one character, or an eighth of a byte.
    if width * height * bands > 8 * len(data):
        raise ValueError("it has too few pixels")
    check_size(width * height * bands, len(data))
    largest, end = b"1", found.end()
    if kind not in (b"1", b"4"):
        last = _LARGEST.match(data, end)
        if last is None:
            raise ValueError("it has no header")
        largest, end = last[1], last.end()
    shape = (height, width, 3) if bands == 3 else (height, width)
    if kind in b"fF":
        samples = _floats(data[end + 1 :], shape, float(largest))
    else:
        samples = _whole(kind, data[end:], shape, int(largest))
    colours = "rgb" if bands == 3 else "grey"
    return [Picture(samples, "YXS" if bands == 3 else "YX", (), colours, metadata=Metadata("PNM"))]


def _floats(data: bytes, shape: tuple[int, ...], scale: float) -> NDArray[Any]:
    """Return samples whose rows are stored from the last to the first."""
    count = int(np.prod(shape))
    return np.frombuffer(data, "<f4" if scale < 0 else ">f4", count).reshape(shape)[::-1].astype(np.float32)


def _whole(kind: bytes, data: bytes, shape: tuple[int, ...], largest: int) -> NDArray[Any]:
    if not 0 < largest < 65536:
        raise ValueError(f"its largest value is {largest}")
    count = int(np.prod(shape))
    if kind == b"1":
        digits = _without_comments(data).translate(None, b" \t\n\r\v\f")
        values = np.frombuffer(digits, np.uint8, count) - np.uint8(ord("0"))
    elif kind == b"4":
        row = -(-shape[1] // 8)
        values = np.unpackbits(np.frombuffer(data[1:], np.uint8, row * shape[0]).reshape(-1, row), axis=1)[
            :, : shape[1]
        ]
    elif kind in b"23":
        values = np.array(_without_comments(data).split()[:count], dtype=np.int64)
    else:
        values = np.frombuffer(data[1:], "u1" if largest < 256 else ">u2", count)
    if values.size != count or (values > largest).any() or (kind in b"23" and (values < 0).any()):
        raise ValueError("its pixels do not fit its header")
    if kind in b"14":
        values = 1 - values  # one is black
    full = 255 if largest < 256 else 65535
    dtype = np.uint8 if full == 255 else np.uint16
    whole: NDArray[Any] = values if largest == full else np.rint(values * (full / largest))
    return whole.astype(dtype).reshape(shape)


def _without_comments(data: bytes) -> bytes:
    return re.sub(rb"#[^\n\r]*", b"", data)


def write_pnm(path: Path, picture: Picture) -> None:
    """Write a plain picture: greys or colours of 8 or 16 bits, or floats."""
    samples = picture.samples
    height, width = samples.shape[:2]
    coloured = samples.ndim == 3
    if samples.dtype == np.float32:
        head, stored = f"P{'F' if coloured else 'f'}\n{width} {height}\n-1.0\n", samples[::-1].astype("<f4")
    else:
        full = np.iinfo(samples.dtype).max
        head, stored = (
            f"P{6 if coloured else 5}\n{width} {height}\n{full}\n",
            samples.astype(samples.dtype.newbyteorder(">")),
        )
    path.write_bytes(head.encode("ascii") + stored.tobytes())
