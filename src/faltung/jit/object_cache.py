"""Compiled objects on disk: each filter shape is compiled once on a machine, and not in every process.

A file is used only if it and its folder belong to the user and no other user may write to them, and if the digest in
front of it matches key and content: a file that is damaged, cut short, made for another processor or put there by
another user is ignored, and replaced where that is allowed. So is what is no file: a link is not followed, and nobody
waits for a pipe or a device. A cache that cannot be written costs time, never a
result. `objects_on_disk` removes old objects.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
import time
from os.path import expanduser, join

__all__ = ["folder", "is_trusted", "key", "open_unfollowed", "read", "trusted_folder", "write"]

_FORMAT = b"faltung object 1\n"
#: Seconds after which a use is noted again, in the time of the file: reading alone does not change it everywhere.
_NOTED = 86400
#: Bytes of the largest file that is read: machine code and tables of times are far smaller.
_LARGEST = 1 << 26


def folder() -> str:
    """Return the folder for objects: ``FALTUNG_CACHE``, or one in the cache folder of the user.

    Raises
    ------
    FileNotFoundError
        The user has no home folder.
    """
    chosen = os.environ.get("FALTUNG_CACHE")
    if chosen:
        return chosen
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or expanduser(join("~", "AppData", "Local"))
    elif sys.platform == "darwin":
        base = expanduser("~/Library/Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or expanduser("~/.cache")
    if base.startswith("~"):
        raise FileNotFoundError("this user has no home folder for compiled objects")
    return join(base, "faltung")


def key(text: str, identity: str) -> str:
    """Return the name of the file of an object: a digest of source, processor and compiler."""
    import llvmlite  # its version only: the compiler itself is loaded when something is compiled

    parts = (_FORMAT.decode(), llvmlite.__version__, sys.platform, identity, text)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest() + ".o"


def read(key: str) -> bytes | None:
    """Return the object with that key, or None if there is none that can be trusted."""
    try:
        with open(join(trusted_folder(), key), "rb", opener=open_unfollowed) as file:
            status = os.fstat(file.fileno())
            if not is_trusted(status) or status.st_size > _LARGEST:
                return None
            content = file.read(_LARGEST)
            if time.time() - status.st_mtime > _NOTED:
                _note_use(file.fileno())
    except OSError:
        return None
    header = len(_FORMAT) + hashlib.sha256().digest_size
    digest, code = content[len(_FORMAT) : header], content[header:]
    return code if content.startswith(_FORMAT) and digest == _digest(key, code) else None


def write(key: str, code: bytes) -> None:
    """Write an object, completely or not at all; a folder that cannot be used is left alone."""
    with contextlib.suppress(OSError):
        os.makedirs(folder(), mode=0o700, exist_ok=True)
        place = trusted_folder()
        name = join(place, f".new-{os.getpid()}-{os.urandom(8).hex()}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(name, flags, 0o600), "wb") as file:
            try:
                file.write(_FORMAT + _digest(key, code) + code)
                file.close()
                os.replace(name, join(place, key))
            except BaseException:
                os.unlink(name)
                raise


def _note_use(file: int) -> None:
    with contextlib.suppress(OSError, TypeError, NotImplementedError):
        os.utime(file)


def open_unfollowed(path: str, flags: int) -> int:
    """Open a file that this user alone may read, without following a link, or waiting for a pipe or a device."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o600)


def is_trusted(status: os.stat_result) -> bool:
    """Return whether this is a regular file of this user that no other user can write."""
    return stat.S_ISREG(status.st_mode) and _private(status)


def trusted_folder() -> str:
    """Return the folder of objects.

    Raises
    ------
    OSError
        There is none, or other users can write to it.
    """
    place = folder()
    if not _private(os.stat(place)):
        raise PermissionError(f"{place} belongs to others or can be written by them")
    return place


def _private(status: os.stat_result) -> bool:
    if sys.platform == "win32":
        return True  # the profile folder is private there, and the mode bits say nothing
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _digest(key: str, code: bytes) -> bytes:
    return hashlib.sha256(key.encode() + code).digest()
