"""What does a small file of JSON say? Nothing, if it is none: a folder may hold anything under any name."""

from __future__ import annotations

from pathlib import Path

from faltung.ground.given_files import is_regular, read_object

__all__ = ["small_json"]

_MOST_BYTES = 2**20


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
        return read_object(path)
    except (OSError, ValueError):
        return None
