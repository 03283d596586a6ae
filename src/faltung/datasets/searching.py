"""Which files below a folder are used? Those with a known suffix; for every other one there is a reason."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection
from pathlib import Path

__all__ = ["IMAGE_SUFFIXES", "is_skipped", "search"]

IMAGE_SUFFIXES = frozenset(
    {
        *(".apng", ".avif", ".bmp", ".dib", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pcx"),
        *(".pfm", ".pgm", ".png", ".pnm", ".ppm", ".qoi", ".sgi", ".tga", ".tif", ".tiff", ".webp"),
    }
)
"""The suffixes of image files."""

# What file servers, archives and systems make, in lower case.
_SYSTEM = frozenset(
    {
        *("@eadir", "@tmp", "#recycle", "__macosx", "$recycle.bin", "lost+found", "system volume information"),
        *("thumbs.db", "ehthumbs.db", "desktop.ini"),
    }
)
_HIDDEN = "hidden"
_MADE = "made by a file server or system"
#: Links to one folder that are followed.
_MOST_LINKS = 16


def is_skipped(name: str) -> bool:
    """Whether a file or folder of this name is never looked at: it is hidden, or a system made it.

    Examples
    --------
    >>> is_skipped(".DS_Store"), is_skipped("@eaDir"), is_skipped("cat")
    (True, True, False)
    """
    return _reason(name) != ""


def search(
    folder: Path, suffixes: Collection[str] = IMAGE_SUFFIXES, *, deep: bool = True
) -> tuple[list[Path], dict[Path, str]]:
    """Return the files below a folder that have one of the suffixes, in order, and why the others are left out.

    Parameters
    ----------
    folder : path
        The folder; the folders in it are searched, too.
    suffixes : collection of str, optional
        In lower case; by default those of images.
    deep : bool, optional
        Whether folders in the folder are searched.

    Raises
    ------
    OSError
        A folder cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     for file in ("a.JPG", ".DS_Store", "notes.txt"):
    ...         Path(name, file).touch()
    ...     found, skipped = search(Path(name))
    >>> [path.name for path in found], list(skipped.values())
    (['a.JPG'], ['hidden', 'no suffix of an image'])
    """
    found: list[Path] = []
    skipped: dict[Path, str] = {}
    linked = Counter[str]()
    for parent, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
        above = next(filter(None, map(_reason, Path(parent).relative_to(folder).parts)), "")
        circles = [name for name in folders if deep and _leads_back(Path(parent, name), folder)]
        skipped |= {Path(parent, name): "a link to a folder around it" for name in circles}
        often = [
            name for name in sorted({*folders} - {*circles}) if deep and _leads_often(Path(parent, name), linked)
        ]
        skipped |= {Path(parent, name): f"a link to a folder that is linked {_MOST_LINKS} times" for name in often}
        folders[:] = sorted({*folders} - {*circles} - {*often}) if deep else []
        for name in sorted(names):
            if reason := above or _reason(name):
                skipped[Path(parent, name)] = reason
            elif os.path.splitext(name)[1].lower() in suffixes:
                found.append(Path(parent, name))
            else:
                skipped[Path(parent, name)] = "no suffix of an image"
    return sorted(found), skipped


def _reason(name: str) -> str:
    if name.casefold() in _SYSTEM:
        return _MADE
    return _HIDDEN if name.startswith(".") else ""


def _leads_back(path: Path, top: Path) -> bool:
    """Whether a folder is a link to one that it is in, so that a search would never end."""
    if not path.is_symlink():
        return False
    around = [*path.relative_to(top).parents]
    return os.path.realpath(path) in {os.path.realpath(top / each) for each in around}


def _leads_often(path: Path, linked: Counter[str]) -> bool:
    """Whether a folder is one more link to where many lead already: folders that link each other have no end."""
    if not path.is_symlink():
        return False
    linked[real := os.path.realpath(path)] += 1
    return linked[real] > _MOST_LINKS


def _raise(error: OSError) -> None:
    raise error
