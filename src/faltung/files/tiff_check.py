"""Is a TIFF whole? Directories are checked before anything is decoded, so damage costs neither time nor memory."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from faltung.files.block_size import HEADED, check_block
from faltung.files.directory import Structure, Tag
from faltung.ground.given_files import check_size

__all__ = ["checked_structure", "samples_of_pages"]

_WIDTH, _LENGTH, _BITS, _COMPRESSION = 256, 257, 258, 259
_SAMPLES, _ROWS, _PLANAR, _TILE_WIDTH, _TILE_LENGTH, _SUB, _DEPTH, _TILE_DEPTH = (
    277,
    278,
    284,
    322,
    323,
    330,
    32997,
    32998,
)
_OFFSETS, _COUNTS = (273, 324), (279, 325)
#: Entries without which pixels cannot be right.
_NEEDED = {_WIDTH, _LENGTH, _BITS, _COMPRESSION, 262, *_OFFSETS, _SAMPLES, _ROWS, *_COUNTS, _PLANAR, 317, 320}
_NEEDED |= {_TILE_WIDTH, _TILE_LENGTH, _SUB, 338, 339, 347, _DEPTH, _TILE_DEPTH}
#: Tags of georeferenced files, in which blocks without any data are left out.
_GEOGRAPHIC = {33550, 33922, 34264, 34735, 42112, 42113}
#: Bytes of the values of all directories, beyond four times those of the file: some writers store one for many pages.
_SHARED = 16 * 2**20


@contextmanager
def checked_structure(path: Path) -> Iterator[Structure]:
    """Yield the structure of a TIFF, or raise ValueError if it is damaged."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
        structure = Structure.of(buffer)
        _check(structure)
        yield structure


def _check(structure: Structure) -> None:
    size, unpacked, values, seen = len(structure.buffer), 0, 0, set[int]()
    waiting = [(offset, 0) for offset in structure.chain()]
    if not waiting:
        raise ValueError("it has no page")
    while waiting:
        offset, depth = waiting.pop()
        if offset in seen:
            raise ValueError("two of its pages are one directory")
        seen.add(offset)
        listed = structure.entries(offset)
        values += sum(len(entry.data) for entry in listed)
        if values > 4 * size + _SHARED:
            raise ValueError("the values of its directories overlap")
        entries = {entry.code: entry for entry in listed}
        if broken := [code for code in sorted(_NEEDED & {*entries}) if not entries[code].complete]:
            raise ValueError(f"the values of its tag {broken[0]} are not in the file")
        if depth < 3 and _SUB in entries:
            waiting += [(child, depth + 1) for child in entries[_SUB].numbers]
        unpacked += _check_page(entries, structure)
        check_size(unpacked, size)


@dataclass(frozen=True)
class _PageBlocks:
    """How the pixels of a page are cut into blocks."""

    width: int
    length: int
    number: int
    pixels_nbytes: int  # of the page, as they are packed without compression


def _number(entries: dict[int, Tag], code: int, default: int = 0) -> int:
    values = entries[code].numbers if code in entries else ()
    return int(values[0]) if values else default


def _lengths(entries: dict[int, Tag]) -> tuple[int, int, int, int]:
    """Return width, length, samples of a pixel, and depth of a page."""
    width, length = _number(entries, _WIDTH), _number(entries, _LENGTH)
    return width, length, _number(entries, _SAMPLES, 1), _number(entries, _DEPTH, 1)


def _check_page(entries: dict[int, Tag], structure: Structure) -> int:
    """Check one page; return the bytes that it unpacks to, or those that it is unpacked from, if they are more."""
    size = len(structure.buffer)
    width, length, samples, depth = _lengths(entries)
    if min(width, length, samples, depth) < 1:
        raise ValueError("a page has no pixels")
    bits = (entries[_BITS].numbers if _BITS in entries else ()) or (1,)
    if max(bits) > 128:
        raise ValueError(f"it has {max(bits)} bits a sample")
    unpacked = width * length * samples * depth * -(-max(bits) // 8)
    check_size(unpacked, size)
    planes = samples if _number(entries, _PLANAR, 1) == 2 else 1
    nbytes = width * length * depth * (sum(bits) if len(bits) == samples else samples * bits[0]) // 8
    if _TILE_WIDTH in entries:
        tile = [_number(entries, code, 1) for code in (_TILE_WIDTH, _TILE_LENGTH, _TILE_DEPTH)]
        if min(tile) < 1:
            raise ValueError("its tiles have no pixels")
        check_size(math.prod(tile) * samples // planes * -(-max(bits) // 8), size)
        count = math.prod(-(-whole // part) for whole, part in zip((width, length, depth), tile, strict=True))
        blocks = _PageBlocks(tile[0], tile[1], count * planes, nbytes)
    else:
        rows = min(max(1, _number(entries, _ROWS, 2**32 - 1)), length)
        blocks = _PageBlocks(width, rows, -(-length // rows) * depth * planes, nbytes)
    return max(int(unpacked), _check_blocks(entries, blocks, structure))


def _check_blocks(entries: dict[int, Tag], blocks: _PageBlocks, structure: Structure) -> int:
    """Check that the blocks of a page are in the file, and as large as they should be; return the bytes of all."""
    size, compression = len(structure.buffer), _number(entries, _COMPRESSION, 1)
    offsets, counts = (
        next((entries[code].numbers for code in codes if code in entries), ()) for codes in (_OFFSETS, _COUNTS)
    )
    if not offsets:
        raise ValueError("it has no pixels")
    if compression == 1 and len(offsets) == 1:
        # ImageJ and others store all in one piece, whatever the count says.
        if offsets[0] + blocks.pixels_nbytes > size:
            raise ValueError("its pixels are not all in the file")
        return blocks.pixels_nbytes
    found = min(len(offsets), len(counts))
    if found < blocks.number:
        raise ValueError(f"it has {found} of {blocks.number} blocks of pixels")
    if any(offset + count > size for offset, count in zip(offsets, counts, strict=False)):
        raise ValueError("a block of its pixels is not in the file")
    empty = counts[: blocks.number].count(0)
    if empty and not _GEOGRAPHIC & {*entries}:
        raise ValueError(f"{empty} of its {blocks.number} blocks of pixels are empty")
    check_size(packed := sum(counts), size)  # blocks may be in one place
    if compression in HEADED:
        for offset, count in zip(offsets, counts, strict=False):
            check_block(structure.buffer[offset : offset + count], compression, blocks.width, blocks.length)
    return int(packed)


def samples_of_pages(structure: Structure) -> list[int]:
    """Return the number of samples of each page."""
    pages = ({entry.code: entry for entry in structure.entries(offset)} for offset in structure.chain())
    return [math.prod(_lengths(entries)) for entries in pages]
