"""Which image files does a data set have? A list of files with their classes, for each part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["Entry", "Listing"]


class Entry(NamedTuple):
    """A file and the name of its class."""

    path: Path
    label: str


Listing = Mapping[str, Sequence[Entry]]
"""The entries of each part."""
