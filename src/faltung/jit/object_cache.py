"""Compiled objects on disk, so that each filter shape is compiled once on a machine and not once a process.

A file is used only if it and its folder belong to the user and nobody else may write to them, and if the digest in
front of it matches key and content: a file that is damaged, cut short, made for another processor or put there by
another user is ignored, and replaced where that is allowed. A cache that cannot be written costs time, never a
result.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
import tempfile
from pathlib import Path

import llvmlite

__all__ = ["folder", "key", "read", "write"]

_FORMAT = b"faltung object 1\n"


def folder() -> Path:
    """Return where objects are kept: ``FALTUNG_CACHE``, or the user's cache folder."""
    chosen = os.environ.get("FALTUNG_CACHE")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "faltung"


def key(text: str, identity: str) -> str:
    """Name of the object: a digest of source, processor and compiler."""
    parts = (_FORMAT.decode(), llvmlite.__version__, sys.platform, identity, text)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def read(key: str) -> bytes | None:
    """Return the object with that key, or None where there is none that can be trusted."""
    try:
        descriptor = os.open(_trusted_folder() / f"{key}.o", os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except (OSError, RuntimeError):
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not _private(os.fstat(file.fileno())):
            return None
        try:
            content = file.read()
        except OSError:
            return None
    header = len(_FORMAT) + hashlib.sha256().digest_size
    digest, code = content[len(_FORMAT) : header], content[header:]
    return code if content.startswith(_FORMAT) and digest == _digest(key, code) else None


def write(key: str, code: bytes) -> None:
    """Keep an object, at once or not at all; a folder that cannot be used is left alone."""
    # RuntimeError: there is no home folder to put a cache into.
    with contextlib.suppress(OSError, RuntimeError):
        folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        place = _trusted_folder()
        descriptor, name = tempfile.mkstemp(prefix=".new-", dir=place)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(_FORMAT + _digest(key, code) + code)
            os.replace(name, place / f"{key}.o")
        except BaseException:
            os.unlink(name)
            raise


def _trusted_folder() -> Path:
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
