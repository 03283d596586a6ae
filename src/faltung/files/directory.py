"""What is in the directories of a TIFF, and of EXIF, which has the same form? Entries, without pixels."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

__all__ = ["Directory", "Structure", "Tag", "packed"]

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_WORDS = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}  # what is swapped
_NUMBERS = {1: "u1", 3: "u2", 4: "u4", 6: "i1", 8: "i2", 9: "i4", 11: "f4", 12: "f8", 13: "u4"} | {
    16: "u8",
    17: "i8",
    18: "u8",
}
#: Entries that point at directories of their own: EXIF, GPS, interoperability.
_POINTERS = {34665, 34853, 40965}
_MOST_ENTRIES = 4096


@dataclass(frozen=True)
class Tag:
    """One entry of a directory.

    Parameters
    ----------
    code, kind, count : int
        Code of the tag, type of its values and their number.
    data : bytes
        The values, least significant byte first; what lies beyond the end of the file is left out.
    """

    code: int
    kind: int
    count: int
    data: bytes

    @property
    def complete(self) -> bool:
        """Whether all values are in the file."""
        return len(self.data) == self.count * _SIZES.get(self.kind, 0)

    @property
    def numbers(self) -> tuple[Any, ...]:
        """The values as numbers; a fraction has two."""
        dtype = np.dtype("<" + _NUMBERS.get(self.kind, "u4" if self.kind == 5 else "i4" if self.kind == 10 else "u1"))
        whole = len(self.data) // dtype.itemsize * dtype.itemsize
        return tuple(np.frombuffer(self.data[:whole], dtype).tolist())

    def ordered(self, order: str) -> bytes:
        """Return the values in a byte order, "<" or ">"."""
        return _swapped(self.data, self.kind) if order == ">" else self.data


#: Entries by their code; those that point at a directory are that directory.
Directory: TypeAlias = "dict[int, Tag | Directory]"


def _swapped(data: bytes, kind: int) -> bytes:
    word = _WORDS.get(kind, 1)
    return data if word == 1 else np.frombuffer(data, f"u{word}").byteswap().tobytes()


@dataclass(frozen=True)
class Structure:
    """The bytes of a TIFF or of an EXIF block, and how numbers are stored there.

    Parameters
    ----------
    buffer : bytes or mmap
        All bytes.
    order : str
        "<" or ">".
    big : bool
        Whether offsets have 64 bits.
    """

    buffer: Any
    order: str
    big: bool

    @staticmethod
    def of(buffer: Any) -> Structure:
        """Return the structure of a buffer, or raise ValueError if it is none."""
        head = bytes(buffer[:4])
        for order in "<>":
            for version in (42, 43, 85, 20306, 21330):  # Panasonic and Olympus have numbers of their own
                if head == (b"II" if order == "<" else b"MM") + struct.pack(order + "H", version):
                    return Structure(buffer, order, version == 43)
        raise ValueError("it does not begin as a TIFF")

    @property
    def first(self) -> int:
        """Offset of the first directory."""
        return self._number("Q", 8) if self.big else self._number("I", 4)

    def chain(self) -> Iterator[int]:
        """Yield the offsets of the directories, or raise ValueError where one is not inside or leads back."""
        offset, seen = self.first, set[int]()
        while offset:
            if offset in seen:
                raise ValueError(f"its directory {len(seen) + 1} is an earlier one again")
            seen.add(offset)
            yield offset
            offset = self.next(offset)

    def entries(self, offset: int) -> list[Tag]:
        """Return the entries of a directory, or raise ValueError if it is not inside, or its values overlap."""
        count, start, step = self._count(offset)
        form = self.order + ("HHQ8s" if self.big else "HHI4s")
        rows = [*struct.iter_unpack(form, self.buffer[start : start + step * count])]
        # Each value is copied: values in one place would be copied again and again.
        sizes = [number * _SIZES.get(kind, 0) for _, kind, number, _ in rows]
        if sum(size for size in sizes if size <= len(self.buffer)) > 2 * len(self.buffer):
            raise ValueError("the values of a directory overlap")
        return [Tag(code, kind, number, self._values(kind, number, value)) for code, kind, number, value in rows]

    def next(self, offset: int) -> int:
        """Return the offset of the directory that follows, or 0."""
        count, start, step = self._count(offset)
        return self._number("Q" if self.big else "I", start + step * count)

    def place(self, code: int) -> int:
        """Return where the value of an entry of the first directory is, if it is a short one."""
        count, start, step = self._count(self.first)
        codes = [self._number("H", start + step * index) for index in range(count)]
        return start + step * codes.index(code) + (12 if self.big else 8)

    def directory(self, offset: int, depth: int = 0) -> Directory:
        """Return a directory with the directories that it points at; those that are damaged are left out.

        Of several entries with one code the first counts.
        """
        found: Directory = {}
        for entry in self.entries(offset):
            if entry.code not in _POINTERS:
                found.setdefault(entry.code, entry)
            elif depth < 2 and entry.numbers:
                try:
                    found[entry.code] = self.directory(entry.numbers[0], depth + 1)
                except ValueError:
                    continue
        return found

    def _count(self, offset: int) -> tuple[int, int, int]:
        """Return the number of entries, where the first is, and how far they are apart."""
        count = self._number("Q" if self.big else "H", offset)
        start, step = (offset + 8, 20) if self.big else (offset + 2, 12)
        if count > _MOST_ENTRIES or start + step * count > len(self.buffer):
            raise ValueError("a directory is not whole")
        return count, start, step

    def _number(self, kind: str, offset: int) -> int:
        size = struct.calcsize("=" + kind)
        if not 0 <= offset <= len(self.buffer) - size:
            raise ValueError("a directory lies beyond its end")
        (number,) = struct.unpack(self.order + kind, self.buffer[offset : offset + size])
        return int(number)

    def _values(self, kind: int, count: int, value: bytes) -> bytes:
        """Return the values of an entry, which are in it or where it points at."""
        size = count * _SIZES.get(kind, 0)
        if size <= len(value):
            data = value[:size]
        else:
            (at,) = struct.unpack(self.order + ("Q" if self.big else "I"), value)
            data = bytes(self.buffer[at : at + size]) if size <= len(self.buffer) else b""
        return data if self.order == "<" or len(data) != size else _swapped(data, kind)


def packed(directory: Mapping[int, Tag | Directory], base: int, order: str = "<", big: bool = False) -> bytes:
    """Return the bytes of a directory that begins at an offset, with all it points at behind it."""
    number, size, room = ("Q", 20, 8) if big else ("I", 12, 4)
    head = struct.pack(order + ("Q" if big else "H"), len(directory))
    end = base + len(head) + size * len(directory) + room
    rows, rest = [], b""
    for code in sorted(directory):
        entry = directory[code]
        if isinstance(entry, dict):
            inner = packed(entry, end + len(rest), order, big)
            row = struct.pack(order + "HH" + number + number, code, 4 if not big else 16, 1, end + len(rest))
            rest += inner
        else:
            data = entry.ordered(order)
            row = struct.pack(order + "HH" + number, code, entry.kind, entry.count)
            if len(data) <= room:
                row += data.ljust(room, b"\0")
            else:
                row += struct.pack(order + number, end + len(rest))
                rest += data + b"\0" * (len(data) % 2)
        rows.append(row)
    return head + b"".join(rows) + b"\0" * room + rest
