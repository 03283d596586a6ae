"""What does a small file of JSON say? Nothing, if it is none: a folder may hold anything under any name."""

from __future__ import annotations

import json
import stat
from pathlib import Path

__all__ = ["is_regular", "small_json"]

_MOST_BYTES = 2**20


def is_regular(path: Path, most_bytes: int) -> bool:
    """Return whether this is a file of at most so many bytes: to open a pipe or a device may take forever.

    Examples
    --------
    >>> is_regular(Path("no/such/file"), 10)
    False
    """
    try:
        found = path.stat()
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size <= most_bytes


def small_json(path: Path) -> dict[str, object] | None:
    """Return the object of a regular file of at most 1 MB; None for everything else.

    Examples
    --------
    >>> small_json(Path("no/such/file")) is None
    True
    """
    if not is_regular(path, _MOST_BYTES):
        return None
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None
