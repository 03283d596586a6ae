"""Which images are in class folders? The name of the class folder is the class of its images."""

from __future__ import annotations

from pathlib import Path

from faltung.datasets.data_error import data_error, shortened
from faltung.datasets.file_names import part_of
from faltung.datasets.listing import Entry, Listing
from faltung.datasets.searching import IMAGE_SUFFIXES, is_skipped, search

__all__ = ["list_folders"]

_LAYOUT = "a folder for each class with its images, or folders train, val and test of such folders"


def list_folders(root: Path) -> Listing:
    """List the images of class folders, which are in `root` or in folders named like the parts.

    Images may be in folders inside a class folder. All other files below `root` are in `skipped`.

    Raises
    ------
    ArgumentError
        There are no class folders, or one is empty.
    """
    folders = _folders(root)
    images, skipped = search(root)
    skipped |= dict.fromkeys(_tables(root, skipped), "a table without columns file and label")
    if not folders:
        raise _no_folder(root, images, skipped)
    parts = {folder.name: part for folder in folders if (part := part_of(folder.name))}
    if len(parts) < len(folders):
        _check_no_part_among_classes(folders)
        entries = {"training": _entries(root, images, skipped)}
    elif len({*parts.values()}) < len(parts):
        raise data_error("one folder for each part", shortened(_quoted(folders)), "Merge them.")
    elif "training" not in parts.values():
        raise data_error("a folder train", shortened(_quoted(folders)), "Rename or add one.")
    else:
        entries = {part: _entries(root / name, images, skipped) for name, part in parts.items()}
    listed = {entry.path for part in entries.values() for entry in part}
    return Listing(entries, skipped | {path: "not in a class folder" for path in images if path not in listed})


def _no_folder(root: Path, images: list[Path], skipped: dict[Path, str]) -> Exception:
    received = f"{len(images):,} images and no folder in '{root}'" if images else f"no folder in '{root}'"
    remedy = "Make a folder for each class, or a CSV file with the columns file and label beside the images."
    if tables := [f"'{path.name}'" for path in _tables(root, skipped)]:
        remedy += f" The columns of {shortened(tables)} have other names."
    return data_error(_LAYOUT, received, remedy)


def _tables(root: Path, skipped: dict[Path, str]) -> list[Path]:
    return [path for path in skipped if path.parent == root and path.suffix.lower() == ".csv"]


def _check_no_part_among_classes(folders: list[Path]) -> None:
    # A class may be called "train", but then its folder has images and not only folders.
    if any(part_of(folder.name) and _folders(folder) and not search(folder, deep=False)[0] for folder in folders):
        remedy = "Use either folders of classes or folders of parts."
        raise data_error(_LAYOUT, f"the folders {shortened(_quoted(folders))}", remedy)


def _entries(folder: Path, images: list[Path], skipped: dict[Path, str]) -> list[Entry]:
    images_of: dict[Path, list[Path]] = {class_folder: [] for class_folder in _folders(folder)}
    for path in images:
        if path.is_relative_to(folder) and len(below := path.relative_to(folder).parts) > 1:
            images_of[folder / below[0]].append(path)
    if not any(images_of.values()):
        remedy = f"Images have one of the suffixes {', '.join(sorted(IMAGE_SUFFIXES))}."
        raise data_error(_LAYOUT, f"no image in folders of '{folder}'", remedy)
    if empty := [class_folder for class_folder, images in images_of.items() if not images]:
        received = f"none in {shortened(_quoted(empty))} of '{folder}'"
        others = [path for path in skipped if any(path.is_relative_to(class_folder) for class_folder in empty)]
        there = shortened([f"{path.relative_to(folder).as_posix()} ({skipped[path]})" for path in others])
        remedy = "Fill or remove these folders." + (f" What is there was skipped: {there}." if there else "")
        raise data_error("images in each class folder", received, remedy)
    return [Entry(path, class_folder.name) for class_folder, paths in images_of.items() for path in paths]


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not is_skipped(path.name))


def _quoted(folders: list[Path]) -> list[str]:
    return [f"'{folder.name}'" for folder in folders]
