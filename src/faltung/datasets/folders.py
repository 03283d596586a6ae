"""What is in a folder of class folders? The name of the folder that an image lies in is its class."""

from __future__ import annotations

import os
from pathlib import Path

from faltung.datasets.file_names import part_of
from faltung.datasets.listing import Entry, Listing
from faltung.datasets.refusal import refusal, shortened

__all__ = ["IMAGE_SUFFIXES", "list_folders"]

IMAGE_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
"""How names of images end."""

_LAYOUT = "a folder for each class with its images, or folders train, val and test of such folders"


def list_folders(root: Path) -> Listing:
    """List the images of class folders, which lie in `root` itself or in folders named after the parts.

    Images may lie deeper within a class folder. Names that begin with a dot, and files that are no images by their
    suffix, are passed over.

    Raises
    ------
    ArgumentError
        If there are no class folders, or one is empty.
    """
    inside = _folders(root)
    if not inside:
        received = f"no folder in '{root}'"
        remedy = "Make a folder for each class, or a CSV file with the columns file and label beside the images."
        raise refusal(_LAYOUT, received, remedy)
    named = {folder.name: part for folder in inside if (part := part_of(folder.name))}
    if len(named) < len(inside):
        _check_no_part_among_classes(inside)
        return {"training": _entries(root)}
    if len({*named.values()}) < len(named):
        raise refusal("one folder for each part", shortened(_quoted(inside)), "Put them together.")
    if "training" not in named.values():
        raise refusal("a folder train", shortened(_quoted(inside)), "Rename or add one.")
    return {part: _entries(root / name) for name, part in named.items()}


def _check_no_part_among_classes(inside: list[Path]) -> None:
    # A class may well be called "train"; but then its folder has images and not folders of them.
    if any(part_of(folder.name) and _folders(folder) and not _images(folder, deep=False) for folder in inside):
        remedy = "Take folders of classes and folders of parts apart."
        raise refusal(_LAYOUT, f"the folders {shortened(_quoted(inside))}", remedy)


def _entries(folder: Path) -> list[Entry]:
    classes = {each: _images(each) for each in _folders(folder)}
    if not any(classes.values()):
        remedy = f"Known are {', '.join(sorted(IMAGE_SUFFIXES))}."
        raise refusal(_LAYOUT, f"no image in folders of '{folder}'", remedy)
    if empty := [each for each, images in classes.items() if not images]:
        received = f"none in {shortened(_quoted(empty))} of '{folder}'"
        raise refusal("images in each class folder", received, "Fill or remove these folders.")
    return [Entry(path, each.name) for each, images in classes.items() for path in images]


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _images(folder: Path, deep: bool = True) -> list[Path]:
    found: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if deep and not name.startswith(".")]
        found += [Path(place, name) for name in names if not name.startswith(".") and _is_image(name)]
    return sorted(found)


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def _raise(error: OSError) -> None:
    raise error


def _quoted(folders: list[Path]) -> list[str]:
    return [f"'{folder.name}'" for folder in folders]
