"""Who works on a run? One process at a time: it holds a lock, which ends with the process, however that ends."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faltung.errors import ArgumentError
from faltung.ground.file_locks import lock

__all__ = ["LOCK", "claimed", "is_claimed"]

LOCK = ".run.lock"
"""The file that is locked. A killed process leaves it, but not the lock."""

_FLAGS = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_PATIENCE = 0.1  # seconds; who only looks whether a run is claimed locks the file for a moment


@contextmanager
def claimed(folder: Path, argument: str = "resume") -> Iterator[None]:
    """Work on a run folder alone while the context lasts.

    Parameters
    ----------
    folder : path
        The run folder.
    argument : str, optional
        What named it, for the error.

    Raises
    ------
    ArgumentError
        Another process works on it, or the file that is locked is none of a run.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name, claimed(Path(name)), claimed(Path(name)):
    ...     pass
    Traceback (most recent call last):
    faltung.errors.ArgumentError: resume: expected a run that no other process works on, got ...
    """
    path = folder / LOCK
    descriptor = _locked(path, argument)
    try:
        _write(descriptor, str(os.getpid()))
        yield
    finally:
        with contextlib.suppress(OSError):  # an open file cannot be deleted on Windows; it does no harm
            path.unlink()
        os.close(descriptor)


def is_claimed(folder: Path) -> bool:
    """Whether a process works on a run folder.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     before = is_claimed(Path(name))
    ...     with claimed(Path(name)):
    ...         before, is_claimed(Path(name))
    (False, True)
    """
    try:
        descriptor = os.open(folder / LOCK, _FLAGS)
    except OSError:
        return False
    try:
        return not _lock(descriptor)
    finally:
        os.close(descriptor)


def _locked(path: Path, argument: str) -> int:
    """Return an open file that is locked."""
    last = time.monotonic() + _PATIENCE
    while True:
        try:
            descriptor = os.open(path, _FLAGS | os.O_CREAT, 0o666)
        except OSError as error:
            raise ArgumentError(argument, "a run folder", f"'{path}' ({error.strerror})") from error
        try:
            _check_own(descriptor, path, argument)
            if _lock(descriptor):
                # The process before may have deleted the file after it was opened here.
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                        return descriptor
            elif time.monotonic() > last:
                raise ArgumentError(
                    argument,
                    "a run that no other process works on",
                    f"{str(path.parent)!r}, on which process {_read(descriptor)} works",
                    "Wait until that process has ended, or stop it.",
                )
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        time.sleep(0.005)


def _check_own(descriptor: int, path: Path, argument: str) -> None:
    """Refuse a file that has another name, too: a stranger may have made one of another file, which is written to."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        received = f"'{path}', which is another file, too"
        raise ArgumentError(argument, "a run folder", received, "Do not use this folder, or delete that file.")


# On Windows the first byte, which is locked, cannot be read.


def _write(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 1)
    os.lseek(descriptor, 1, os.SEEK_SET)
    os.write(descriptor, text.encode())


def _read(descriptor: int) -> str:
    os.lseek(descriptor, 1, os.SEEK_SET)
    return os.read(descriptor, 20).decode(errors="replace")


def _lock(descriptor: int) -> bool:
    held = lock(descriptor)
    if held is None and sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
    return held is not False  # without locks, nobody can know
