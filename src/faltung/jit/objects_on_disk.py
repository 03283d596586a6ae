"""Which compiled objects are on disk, and which are removed? Those unused for long, and the oldest of too many.

`prune` looks at the folder after something was compiled, which takes longer: once a day, and more often if a lot was
written. All processes together count that, in the length of a file: so the folder never has more than `MOST_BYTES`
and a sixteenth, and what all of them write at the same moment. Only files that this package made are removed: objects
by their names, and unfinished files of processes that ended.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass

from faltung.jit.object_cache import folder, is_trusted, open_unfollowed, trusted_folder

__all__ = ["StoredFile", "clear", "list_files", "prune"]

#: Seconds since its last use after which an object is removed, and the bytes that all objects may take.
MOST_AGE, MOST_BYTES = 90 * 86400.0, 256 << 20
#: Seconds after which an unfinished file is a leftover, and from one look at the folder to the next.
_UNFINISHED, _EVERY = 3600.0, 86400.0
#: Bytes for which one is written to the file that counts them: a block of many file systems.
_BLOCK = 4096

_OBJECT = re.compile(r"[0-9a-f]{64}\.o")
_NEW = re.compile(r"\.new-\d+-[0-9a-f]{16}")
_LOOKED = ".pruned"


@dataclass(frozen=True)
class StoredFile:
    """A file in the folder of compiled objects.

    Parameters
    ----------
    name : str
        Its name.
    bytes : int
        Its size.
    used : float
        When it was last used, to a day, in seconds since 1970.
    kind : {'object', 'unfinished', 'other'}
        Whether it is a compiled object, one that was never finished, or neither.
    """

    name: str
    bytes: int
    used: float
    kind: str


def list_files() -> list[StoredFile]:
    """Return the regular files in the folder of objects, sorted by name; none if there is no such folder.

    Raises
    ------
    OSError
        The folder cannot be read.
    """
    try:
        return sorted(_files(folder()), key=lambda file: file.name)
    except FileNotFoundError:
        return []


def clear() -> tuple[int, int]:
    """Remove all objects, and nothing else; return how many there were, and their bytes.

    Raises
    ------
    OSError
        Others can write to the folder, or an object cannot be removed.
    """
    try:
        place = trusted_folder()
        files = [file for file in _files(place) if file.kind != "other"]
    except FileNotFoundError:
        return 0, 0
    for file in files:
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            os.unlink(os.path.join(place, file.name))
    objects = [file.bytes for file in files if file.kind == "object"]
    return len(objects), sum(objects)


def prune(written: int = 0) -> None:
    """Remove old objects and leftovers, if no process looked at the folder for a day, or if much was written.

    Parameters
    ----------
    written : int
        Bytes that were written to the folder since the last call.
    """
    with contextlib.suppress(OSError):
        place, now = trusted_folder(), time.time()
        if not _is_due(os.path.join(place, _LOOKED), written, now):
            return
        for name in _to_remove([*_files(place)], now):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(place, name))


def _is_due(mark: str, written: int, now: float) -> bool:
    """Return whether the folder is looked at now, and note that, or what was written."""
    try:
        file = open_unfollowed(mark, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    except OSError:  # a link, a pipe or a folder
        file = None
    if file is None or not is_trusted(os.fstat(file)):
        with contextlib.suppress(OSError):
            os.unlink(mark)
        due = True
    else:
        status = os.fstat(file)
        os.write(file, bytes(-(-written // _BLOCK)))
        looked = status.st_mtime if status.st_size else 0.0
        due = not 0 <= now - looked < _EVERY or os.fstat(file).st_size * _BLOCK > MOST_BYTES // 16
        if due:
            os.ftruncate(file, 0)
            os.write(file, b"\0")  # a file without a byte is new
            os.utime(mark, (now, now))
        else:
            os.utime(mark, (now, looked))
    if file is not None:
        os.close(file)
    return due


def _to_remove(files: list[StoredFile], now: float) -> Iterator[str]:
    """Yield the names of the files that are removed."""
    total = 0
    for file in sorted(files, key=lambda file: file.used, reverse=True):
        age = now - file.used
        if file.kind == "unfinished" and age > _UNFINISHED:
            yield file.name
        if file.kind == "object":
            total += file.bytes
            if age > MOST_AGE or total > MOST_BYTES:
                yield file.name


def _files(place: str) -> Iterator[StoredFile]:
    with os.scandir(place) as entries:
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # it was removed meanwhile
                continue
            if stat.S_ISREG(status.st_mode) and entry.name != _LOOKED:
                yield StoredFile(entry.name, status.st_size, status.st_mtime, _kind(entry.name, status))


def _kind(name: str, status: os.stat_result) -> str:
    own = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
    if own and _OBJECT.fullmatch(name):
        return "object"
    return "unfinished" if own and _NEW.fullmatch(name) else "other"
