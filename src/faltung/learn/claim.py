"""Who works on a run? One process at a time: it holds a lock, which ends with the process, however that ends."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faltung.errors import ArgumentError

__all__ = ["LOCK", "claimed", "is_claimed"]

LOCK = ".run.lock"
"""The file that is locked. A killed process leaves it, but not the lock."""


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Work on a run folder alone while the context lasts.

    Raises
    ------
    ArgumentError
        Another process works on it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name, claimed(Path(name)), claimed(Path(name)):
    ...     pass
    Traceback (most recent call last):
    faltung.errors.ArgumentError: resume: expected a run that no other process works on, got ...
    """
    path = folder / LOCK
    descriptor = _locked(path)
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
        descriptor = os.open(folder / LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        _lock(descriptor)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _locked(path: Path) -> int:
    """Return an open file that is locked."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor)
            # The process before may have deleted the file after it was opened here.
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        except FileNotFoundError:
            pass
        except OSError as error:
            owner = _read(descriptor)
            os.close(descriptor)
            raise ArgumentError(
                "resume",
                "a run that no other process works on",
                f"{str(path.parent)!r}, on which process {owner} works",
                "Wait until that process has ended, or stop it.",
            ) from error
        os.close(descriptor)


# On Windows the first byte, which is locked, cannot be read.


def _write(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 1)
    os.lseek(descriptor, 1, os.SEEK_SET)
    os.write(descriptor, text.encode())


def _read(descriptor: int) -> str:
    os.lseek(descriptor, 1, os.SEEK_SET)
    return os.read(descriptor, 20).decode(errors="replace")


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
