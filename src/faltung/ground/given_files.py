"""What may a file from outside cost? It is looked at before it is opened, and its claims before they are believed.

This is the rule of all readers, and here are all of its numbers:

* Only regular files are opened. A pipe would be waited for, and a device has no end.
* A file may unpack to 1100 times its own bytes, a little more than the best that Deflate can do, and any file to 128
  MiB. What it says about sizes and counts is compared with that before anything is decoded; what is decoded has to
  have the size that was said.
* What would not fit into the memory that is free is refused before it is begun.
* A description (JSON) has at most 16 MiB, is an object, and holds only finite numbers and texts that are Unicode.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from io import BufferedReader
from typing import Any

__all__ = [
    "check_fits",
    "check_regular",
    "check_size",
    "free_bytes",
    "is_regular",
    "largest_size",
    "open_regular",
    "parsed_object",
    "read_object",
    "read_regular",
]

_SMALL = 128 * 2**20
_RATIO = 1100
_DESCRIPTION = 16 * 2**20
_WHERE_UNKNOWN = 4 << 30
_KINDS = (
    (stat.S_ISDIR, "it is a folder"),
    (stat.S_ISFIFO, "it is a pipe, and no file"),
    (stat.S_ISSOCK, "it is a socket, and no file"),
    (stat.S_ISCHR, "it is a device, and no file"),
    (stat.S_ISBLK, "it is a device, and no file"),
)


def largest_size(size: int) -> int:
    """Return the bytes that a file of `size` bytes may unpack to."""
    return max(_SMALL, _RATIO * size)


def check_size(unpacked: int, size: int) -> None:
    """Raise ValueError if a file of `size` bytes says that it unpacks to too many."""
    if unpacked > largest_size(size):
        raise ValueError(f"it says that its {size:,} bytes unpack to {unpacked:,}, which is implausible")


def check_fits(nbytes: int) -> None:
    """Raise MemoryError if so many bytes are more than the memory that is free."""
    if nbytes > _SMALL and nbytes > (free := free_bytes()):
        raise MemoryError(f"It would take {nbytes / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB are free.")


def free_bytes() -> int:
    """Return the memory that is free on this machine; 4 GiB where that is not known."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            found = re.search(r"^MemAvailable:\s+(\d+) kB", file.read(), re.MULTILINE)
        return _WHERE_UNKNOWN if found is None else 1024 * int(found[1])
    except OSError:
        return _WHERE_UNKNOWN


def is_regular(path: str | os.PathLike[str], most_bytes: float = float("inf")) -> bool:
    """Return whether this is a file of at most so many bytes.

    Examples
    --------
    >>> is_regular("no/such/file")
    False
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size <= most_bytes


def check_regular(path: str | os.PathLike[str]) -> int:
    """Return the bytes of a file.

    Raises
    ------
    OSError
        There is none, or it is a folder, a pipe, a device or a socket, which its `strerror` says.

    Examples
    --------
    >>> check_regular(os.devnull)
    Traceback (most recent call last):
    OSError: [Errno 22] it is a device, and no file: '/dev/null'
    """
    return _checked(os.stat(path), path)


def open_regular(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a regular file for reading; what it becomes meanwhile makes no difference.

    Raises
    ------
    OSError
        As for `check_regular`, or it cannot be read.
    """
    check_regular(path)

    def without_waiting(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))

    file = open(path, "rb", opener=without_waiting)  # noqa: SIM115  # the caller closes it
    try:
        _checked(os.fstat(file.fileno()), path)
    except OSError:
        file.close()
        raise
    return file


def read_regular(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a regular file.

    Raises
    ------
    OSError
        As for `open_regular`.
    MemoryError
        It does not fit.
    """
    with open_regular(path) as file:
        check_fits(os.fstat(file.fileno()).st_size)
        return file.read()


def read_object(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the object in a file of JSON.

    Raises
    ------
    OSError
        As for `open_regular`.
    ValueError
        It is too large or nested too deeply, it is no JSON, it is no object, or it holds what is no number or text.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with open(f"{folder}/a.json", "w") as file:
    ...         _ = file.write('{"size": NaN}')
    ...     read_object(f"{folder}/a.json")
    Traceback (most recent call last):
    ValueError: it holds NaN, which is no number
    """
    with open_regular(path) as file:
        content = file.read(_DESCRIPTION + 1)
    return parsed_object(content)


def parsed_object(content: bytes | str) -> dict[str, Any]:
    """Return the object that a text of JSON says, or raise ValueError as `read_object` does."""
    if len(content) > _DESCRIPTION:
        raise ValueError(f"it has more than {_DESCRIPTION:,} bytes")

    def no_number(text: str) -> float:
        raise ValueError(f"it holds {text}, which is no number")

    try:
        said = json.loads(content, parse_constant=no_number)
        # Halves of characters are no text, but for those that stand for the bytes of a name of a file.
        json.dumps(said, ensure_ascii=False, allow_nan=False).encode(errors="surrogateescape")
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(said, dict):
        raise ValueError("it holds no object")
    return said


def _checked(found: os.stat_result, path: str | os.PathLike[str]) -> int:
    for is_kind, text in _KINDS:
        if is_kind(found.st_mode):
            raise OSError(errno.EINVAL, text, os.fspath(path))
    return found.st_size
