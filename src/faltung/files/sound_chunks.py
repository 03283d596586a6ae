"""What else does a sound file hold, besides samples and texts? Markers, pictures and the like, which are not copied.

RIFF WAVE files are chunks with a name of four letters and a length; FLAC files begin with blocks of numbered types.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["other_chunks"]

#: What is copied, or is about how samples are stored.
_KNOWN = {"fmt ", "data", "fact", "PEAK", "LIST", "JUNK", "PAD ", "FLLR", "ds64"}
#: What some chunks hold, by name, and some blocks of FLAC, by type.
_NAMES = {
    "cue ": "markers",
    "smpl": "loops",
    "inst": "tuning",
    "bext": "broadcast data",
    "iXML": "production data",
    "id3 ": "ID3 tags",
    "ID3 ": "ID3 tags",
    "acid": "tempo",
}
_BLOCKS = {2: "data of an application", 5: "a cue sheet", 6: "pictures"}
#: More chunks than a file has that is not damaged.
_MOST = 1000


def other_chunks(path: Path) -> list[str]:
    """Return what a WAV or FLAC file holds that is not copied to another file."""
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] in (b"RIFF", b"RF64") and head[8:] == b"WAVE":
            found = list(_chunks(file))
            names = [_NAMES.get(name, f"the chunk {name.strip()!r}") for name in found if name not in _KNOWN]
        elif head[:4] == b"fLaC":
            file.seek(4)
            names = [_BLOCKS[kind] for kind in _flac_blocks(file) if kind in _BLOCKS]
        else:
            names = []
    return list(dict.fromkeys(names))


def _chunks(file: BinaryIO) -> Iterator[str]:
    """Yield the names of the chunks of a RIFF file, behind its head."""
    large, end = None, os.fstat(file.fileno()).st_size
    for _ in range(_MOST):
        head = file.read(8)
        if len(head) < 8:
            return
        name, size, begin = head[:4].decode("latin-1"), int.from_bytes(head[4:], "little"), file.tell()
        yield name
        if name == "ds64":  # the lengths of a large file are here
            large = int.from_bytes(file.read(min(size, 16))[8:], "little")
        elif name == "data" and size == 0xFFFFFFFF and large is not None:
            size = large
        if size > end - begin:  # it is not whole, and nothing follows
            return
        file.seek(begin + size + size % 2)


def _flac_blocks(file: BinaryIO) -> Iterator[int]:
    """Yield the types of the blocks of a FLAC file, behind its mark."""
    for _ in range(_MOST):
        head = file.read(4)
        if len(head) < 4:
            return
        yield head[0] & 0x7F
        if head[0] & 0x80:  # the last one
            return
        file.seek(int.from_bytes(head[1:], "big"), 1)
