"""How is a file written? Under a temporary name in its folder, whole or not at all; every room writes here.

A temporary file is locked while its process writes it. So what a killed process left is known by its lock, which is
gone: the next process that writes to the folder removes it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import re
import secrets
import shutil
import stat
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from faltung.errors import ArgumentError
from faltung.ground.file_locks import lock
from faltung.ground.targets import check_regular, is_stream, standard_output, status_of

__all__ = ["is_temporary", "new_file", "whole_file", "write_new_file"]

_TEMPORARY = re.compile(r"\.faltung-([0-9a-f]{8})-[0-9a-f]{16}\.part")
#: Says on which machine a file is written: on a disk of a network, locks of another one may not be seen.
_MACHINE = f"{zlib.crc32(platform.node().encode(errors='replace')):08x}"
#: Seconds without a change after which a file of another machine is a leftover, too.
_LONG = 86_400.0
_cleared: set[str] = set()  # folders in which this process has looked for leftovers


def is_temporary(name: str) -> bool:
    """Whether a file of this name is being written, or was when its process was killed.

    Examples
    --------
    >>> is_temporary("photo.png")
    False
    """
    return _TEMPORARY.fullmatch(name) is not None


@contextmanager
def new_file(path: Path, option: str = "--output") -> Iterator[Path]:
    """Yield the temporary name of a file, which becomes `path` at the end of the block.

    If the block fails, the temporary file is removed. A link is kept: the file that it points to is replaced. A file
    that is replaced keeps its permissions; another name of it, a hard link, keeps the former content. Into a pipe, a
    device or the standard output, the whole file is copied.

    Raises
    ------
    ArgumentError
        The file cannot be written, or `path` is neither a regular file nor a stream.
    """
    found = status_of(option, path)
    streams = found is not None and is_stream(found)
    try:
        with _copied(path) if streams else whole_file(path, option) as temporary:
            yield temporary
    except OSError as error:
        why = error.strerror or str(error)
        if "requested and" in why and "written" in why:  # NumPy says how much, and not why
            why = "the disk may be full"
        raise ArgumentError(option, "a file that can be written", f"'{path}' ({why})") from error


def write_new_file(path: Path, content: str | bytes, option: str = "--output") -> None:
    r"""Write a file, as `new_file` does; text in UTF-8.

    What of the name of a file is no text is written as ``\udc..``, from which JSON makes the same name again.

    Raises
    ------
    ArgumentError
        As for `new_file`.
    """
    with new_file(path, option) as temporary:
        temporary.write_bytes(content if isinstance(content, bytes) else content.encode(errors="backslashreplace"))


@contextmanager
def whole_file(path: Path, option: str, *, durable: bool = False, follow: bool = True) -> Iterator[Path]:
    """Yield the temporary name of a file, as `new_file` does; errors of the system are raised as they are.

    Parameters
    ----------
    path : path
        The file to write.
    option : str
        What was typed for it.
    durable : bool, optional
        Whether to wait until the file is on the disk before it takes its place.
    follow : bool, optional
        Whether a link is kept, and the file that it points to replaced; otherwise the link is.

    Raises
    ------
    ArgumentError
        What is there is no regular file.
    """
    whole = os.path.realpath(path) if follow else os.path.abspath(path)
    temporary, descriptor = _begun(os.path.dirname(whole))
    try:
        yield Path(temporary)
        if durable:
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            _take_over(option, path, os.lstat(whole), temporary)
        os.replace(temporary, whole)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if descriptor is not None:
            os.close(descriptor)


def _take_over(option: str, path: Path, before: os.stat_result, temporary: str) -> None:
    """Give a file the permissions of the one that it is about to replace."""
    check_regular(option, path, before)
    if stat.S_ISREG(before.st_mode):  # and no link
        with contextlib.suppress(OSError, AttributeError):  # not everybody may, and Windows has no owners
            os.chown(temporary, before.st_uid, before.st_gid)
        os.chmod(temporary, before.st_mode & 0o777)


def _begun(folder: str) -> tuple[str, int | None]:
    """Make a temporary file; return its name and the descriptor that holds its lock."""
    if folder not in _cleared:
        _cleared.add(folder)
        _remove_leftovers(folder)
    while True:
        name = os.path.join(folder, f".faltung-{_MACHINE}-{secrets.token_hex(8)}.part")
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        held = lock(descriptor)
        if held and _is_there(name, descriptor):
            return name, descriptor
        os.close(descriptor)
        if held is None:
            return name, None
        # Another process took the file for a leftover before it was locked, and removes it.


def _is_there(name: str, descriptor: int) -> bool:
    with contextlib.suppress(OSError):
        return os.path.samestat(os.lstat(name), os.fstat(descriptor))
    return False


def _remove_leftovers(folder: str) -> None:
    """Remove temporary files whose processes were killed."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if (named := _TEMPORARY.fullmatch(entry.name)) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    _remove_leftover(entry.path, own=named[1] == _MACHINE)


def _remove_leftover(name: str, own: bool) -> None:
    descriptor = os.open(name, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        held, age = lock(descriptor), time.time() - os.fstat(descriptor).st_mtime
        if (held and own) or (held is not False and age > _LONG):
            os.unlink(name)
    finally:
        os.close(descriptor)


@contextmanager
def _copied(path: Path) -> Iterator[Path]:
    """Yield the name of a file that is copied into a stream at the end of the block."""
    with _opened(path) as stream, tempfile.TemporaryDirectory(prefix="faltung-") as folder:
        temporary = Path(folder, "whole")
        yield temporary
        with open(temporary, "rb") as file:
            shutil.copyfileobj(file, stream)


def _opened(path: Path) -> BinaryIO:
    """Open a stream; one that this process prints to is written where that has come to."""
    own = standard_output(os.stat(path))
    if own is not None:
        for printed in (sys.stdout, sys.stderr):
            if printed is not None:
                printed.flush()
        return os.fdopen(os.dup(own), "wb")
    flags = os.O_WRONLY | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError(error.errno, "nobody reads this pipe; start its reader first") from error
        raise
    if hasattr(os, "set_blocking"):
        os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "wb")
