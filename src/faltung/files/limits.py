"""How much may a file unpack to? What real pictures do, so that a small damaged file costs little."""

from __future__ import annotations

__all__ = ["check_size", "largest_size"]

#: Bytes that any file may unpack to.
_SMALL = 128 * 2**20
#: Bytes for each byte of a larger file: a little more than the best that Deflate can do.
_RATIO = 1100


def largest_size(size: int) -> int:
    """Return the bytes that a file of `size` bytes may unpack to."""
    return max(_SMALL, _RATIO * size)


def check_size(unpacked: int, size: int) -> None:
    """Raise ValueError if a file of `size` bytes says that it unpacks to too many."""
    if unpacked > largest_size(size):
        raise ValueError(f"it says that its {size:,} bytes unpack to {unpacked:,}, which is implausible")
