"""From an object file to an address in executable memory.

The code calls nothing outside itself, so on Linux loading it takes a few lines: copy the sections into new memory,
fill in the distances between code and constants, and make the memory executable instead of writable::

    object file                             memory, from a page on
    | header | code | constants | ... |     | code | constants |

LLVM's own linker does the same, but loading it takes longer than many a first convolution. It is used on other
systems, and for every object that these few lines do not understand.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
import sys
from dataclasses import dataclass

__all__ = ["Code", "load"]

_ALLOCATED, _PROGRAM, _RELOCATIONS, _SYMBOLS = 0x2, 1, 4, 2
_X86_64, _AARCH64 = 62, 183


@dataclass(frozen=True, eq=False)
class Code:
    """A function in executable memory. The memory is released with the last reference to this.

    Parameters
    ----------
    address : int
        Where the function begins.
    bytes : int
        Memory that it takes, about.
    owner : object
        Owns the memory.
    """

    address: int
    bytes: int
    owner: object


class _NotUnderstood(Exception):
    pass


def load(code: bytes, name: str) -> Code:
    """Load the function `name` of the object file `code`, ready to be called."""
    if sys.platform == "linux":
        try:
            image, entry = _link(code, name)
            memory, start = _map(image)
        except _NotUnderstood:
            pass
        else:
            return Code(start + entry, -(-len(image) // mmap.PAGESIZE) * mmap.PAGESIZE, memory)
    return _load_by_llvm(code, name)


def _link(code: bytes, name: str) -> tuple[bytes, int]:
    """Return an image that can be loaded at any page address, and the offset of the function in it."""
    machine, sections = _sections(code)
    image, places = _image(code, sections)
    symbols = _symbols(code, sections)
    for _, kind, _, _, offset, size, _, changed, _, _ in sections:
        if kind != _RELOCATIONS or changed not in places:
            continue
        for position, info, addend in struct.iter_unpack("<QQq", code[offset : offset + size]):
            _, section, value = symbols[info >> 32]
            if section not in places:
                raise _NotUnderstood("a reference to something outside the object")
            wanted = places[section] + value + addend
            _relocate(image, machine, info & 0xFFFFFFFF, places[changed] + position, wanted)
    for symbol, section, value in symbols:
        if section in places and symbol == name.encode():
            return bytes(image), places[section] + value
    raise _NotUnderstood(f"no function {name}")


def _sections(code: bytes) -> tuple[int, list[tuple[int, ...]]]:
    """Return the machine of an object file and its section headers.

    A header is name, type, flags, address, offset, size, link, info, alignment, entry size.
    """
    machine = struct.unpack_from("<H", code, 18)[0]
    if code[:6] != b"\x7fELF\x02\x01" or machine not in (_X86_64, _AARCH64):
        raise _NotUnderstood("not a little-endian 64-bit ELF object of a known machine")
    (table,) = struct.unpack_from("<Q", code, 40)
    entry_size, count = struct.unpack_from("<HH", code, 58)
    return machine, [struct.unpack_from("<IIQQQQIIQQ", code, table + entry_size * k) for k in range(count)]


def _image(code: bytes, sections: list[tuple[int, ...]]) -> tuple[bytearray, dict[int, int]]:
    """Return the sections that are loaded, one after the other, and the offset of each of them."""
    image, places = bytearray(), {}
    for number, (_, kind, flags, _, offset, size, _, _, alignment, _) in enumerate(sections):
        if flags & _ALLOCATED and kind == _PROGRAM:
            image.extend(bytes(-len(image) % max(alignment, 1)))
            places[number] = len(image)
            image.extend(code[offset : offset + size])
    return image, places


def _symbols(code: bytes, sections: list[tuple[int, ...]]) -> list[tuple[bytes, int, int]]:
    """Return name, section and offset in it of every symbol."""
    table = next(section for section in sections if section[1] == _SYMBOLS)
    names = sections[table[6]][4]
    symbols = []
    for text, _, _, section, value, _ in struct.iter_unpack("<IBBHQQ", code[table[4] : table[4] + table[5]]):
        symbols.append((code[names + text : code.index(b"\0", names + text)], section, value))
    return symbols


def _relocate(image: bytearray, machine: int, kind: int, place: int, wanted: int) -> None:
    """Fill in one reference from the offset `place` to the offset `wanted` of the image."""
    if machine == _X86_64 and kind in (2, 4):  # R_X86_64_PC32, R_X86_64_PLT32: a signed distance
        struct.pack_into("<i", image, place, wanted - place)
        return
    instruction = struct.unpack_from("<I", image, place)[0]
    if machine == _AARCH64 and kind == 275:  # R_AARCH64_ADR_PREL_PG_HI21: a distance in pages
        pages = (wanted >> 12) - (place >> 12)
        instruction |= (pages & 3) << 29 | (pages >> 2 & 0x7FFFF) << 5
    elif machine == _AARCH64 and kind in (277, 278, 284, 285, 286, 299):  # *_LO12_NC: the place within a page
        scale = {277: 0, 278: 0, 284: 1, 285: 2, 286: 3, 299: 4}[kind]
        instruction |= ((wanted & 0xFFF) >> scale) << 10
    else:
        raise _NotUnderstood(f"relocation {kind}")
    struct.pack_into("<I", image, place, instruction)


def _map(image: bytes) -> tuple[mmap.mmap, int]:
    """Copy an image into memory that is first writable, then executable, never both; return it and its address.

    When pages become executable, Linux brings the instruction cache up to date on processors that need it.
    """
    private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    memory = mmap.mmap(-1, len(image), flags=private, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    memory.write(image)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    length = ctypes.c_size_t(len(image))
    if libc.mprotect(ctypes.c_void_p(address), length, mmap.PROT_READ | mmap.PROT_EXEC):
        raise _NotUnderstood(f"memory cannot be made executable (error {ctypes.get_errno()})")
    return memory, address


def _load_by_llvm(code: bytes, name: str) -> Code:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return Code(int(engine.get_function_address(name)), len(code), engine)
