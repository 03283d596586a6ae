"""Which image files does a data set have? A list of files with their classes, for each part, and what is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

__all__ = ["Entry", "Listing"]


class Entry(NamedTuple):
    """A file and the name of its class."""

    path: Path
    label: str


@dataclass(frozen=True)
class Listing:
    """The files of a data set.

    Parameters
    ----------
    entries : mapping of str to sequence of Entry
        The files of each part.
    skipped : mapping of Path to str, optional
        Why other files are left out.

    Examples
    --------
    >>> Listing({"training": [Entry(Path("a.png"), "cat")]}).skipped
    {}
    """

    entries: Mapping[str, Sequence[Entry]]
    skipped: Mapping[Path, str] = field(default_factory=dict)
