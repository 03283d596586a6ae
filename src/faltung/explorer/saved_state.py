"""What did "Save state" write? The keys and values of the page's state, which it checks as those of an address."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import quote

from faltung.errors import ArgumentError
from faltung.explorer.small_json import small_json

__all__ = ["is_saved_state", "saved_state"]

_KEY = re.compile(r"\w+(\.\w+)*", re.ASCII)


def is_saved_state(path: Path) -> bool:
    """Return whether a file is one of JSON, by its name.

    Examples
    --------
    >>> is_saved_state(Path("faltung-state.json"))
    False
    """
    return path.suffix.lower() == ".json" and path.is_file()


def saved_state(path: Path) -> str:
    """Return a saved state as the text of an address, which the page checks key by key.

    Raises
    ------
    ArgumentError
        The file holds something else.
    """
    state = small_json(path)
    if not state or not all(_KEY.fullmatch(key) for key in state) or "view" not in state:
        raise ArgumentError("thing", "a state that 'Save state' of the page wrote", f"'{path}'", "Save it again.")
    return "&".join(f"{key}={_quoted(value)}" for key, value in state.items())


def _quoted(value: object) -> str:
    """Return a value as a part of an address; what is no text becomes question marks."""
    return quote(value if isinstance(value, str) else json.dumps(value), errors="replace")
