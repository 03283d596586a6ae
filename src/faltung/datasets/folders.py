"""Which images are in class folders? The name of the class folder is the class of its images."""

from __future__ import annotations

import os
from pathlib import Path

from faltung.datasets.data_error import data_error, shortened
from faltung.datasets.file_names import part_of
from faltung.datasets.listing import Entry, Listing

__all__ = ["IMAGE_SUFFIXES", "list_folders"]

IMAGE_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
"""The suffixes of image files."""

_LAYOUT = "a folder for each class with its images, or folders train, val and test of such folders"


def list_folders(root: Path) -> Listing:
    """List the images of class folders, which are in `root` or in folders named like the parts.

    Images may be in folders inside a class folder. Names that begin with a dot, and files without the suffix of an
    image, are ignored.

    Raises
    ------
    ArgumentError
        There are no class folders, or one is empty.
    """
    folders = _folders(root)
    if not folders:
        received = f"no folder in '{root}'"
        remedy = "Make a folder for each class, or a CSV file with the columns file and label beside the images."
        raise data_error(_LAYOUT, received, remedy)
    parts = {folder.name: part for folder in folders if (part := part_of(folder.name))}
    if len(parts) < len(folders):
        _check_no_part_among_classes(folders)
        return {"training": _entries(root)}
    if len({*parts.values()}) < len(parts):
        raise data_error("one folder for each part", shortened(_quoted(folders)), "Merge them.")
    if "training" not in parts.values():
        raise data_error("a folder train", shortened(_quoted(folders)), "Rename or add one.")
    return {part: _entries(root / name) for name, part in parts.items()}


def _check_no_part_among_classes(folders: list[Path]) -> None:
    # A class may be called "train", but then its folder has images and not only folders.
    if any(part_of(folder.name) and _folders(folder) and not _images(folder, deep=False) for folder in folders):
        remedy = "Use either folders of classes or folders of parts."
        raise data_error(_LAYOUT, f"the folders {shortened(_quoted(folders))}", remedy)


def _entries(folder: Path) -> list[Entry]:
    images_of = {class_folder: _images(class_folder) for class_folder in _folders(folder)}
    if not any(images_of.values()):
        remedy = f"Images have one of the suffixes {', '.join(sorted(IMAGE_SUFFIXES))}."
        raise data_error(_LAYOUT, f"no image in folders of '{folder}'", remedy)
    if empty := [class_folder for class_folder, images in images_of.items() if not images]:
        received = f"none in {shortened(_quoted(empty))} of '{folder}'"
        raise data_error("images in each class folder", received, "Fill or remove these folders.")
    return [Entry(path, class_folder.name) for class_folder, images in images_of.items() for path in images]


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _images(folder: Path, deep: bool = True) -> list[Path]:
    images: list[Path] = []
    for path, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if deep and not name.startswith(".")]
        images += [Path(path, name) for name in names if not name.startswith(".") and _is_image(name)]
    return sorted(images)


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def _raise(error: OSError) -> None:
    raise error


def _quoted(folders: list[Path]) -> list[str]:
    return [f"'{folder.name}'" for folder in folders]
