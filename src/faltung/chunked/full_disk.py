"""What is said where a disk is full, or a file may not grow? Which output it was, and how to go on."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["naming_full_disk"]

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


@contextmanager
def naming_full_disk(path: Path, remedy: str) -> Iterator[None]:
    """Name an output, and say what to do, in the error of a full disk; other errors stay as they are.

    Examples
    --------
    >>> with naming_full_disk(Path("out.zarr"), "Make space"):
    ...     raise OSError(errno.ENOSPC, "No space left on device")
    Traceback (most recent call last):
    OSError: [Errno 28] No space left on device. Make space: 'out.zarr'
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise OSError(error.errno, f"{error.strerror}. {remedy}", str(path)) from error
