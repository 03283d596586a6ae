"""How is a data set of the user read? From images in folders or listed in a CSV file, or arrays in npz or IDX files.

`load` recognises the kind of the data set. Each kind has its own reader, and all readers return the same parts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from faltung.datasets.csv_table import is_table, list_table
from faltung.datasets.data_error import data_error, shortened
from faltung.datasets.dataset import Split
from faltung.datasets.folders import list_folders
from faltung.datasets.found import Found
from faltung.datasets.idx import find_idx, is_idx, read_idx
from faltung.datasets.image_files import read_images
from faltung.datasets.known import known_class_names
from faltung.datasets.npz import read_npz
from faltung.datasets.scaling import SMALLEST
from faltung.datasets.splitting import RawPart, split_parts
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.checks import integer, real
from faltung.ground.given_files import check_regular

__all__ = ["load"]

_LARGEST_SIZE = 1 << 16
_LARGEST_SEED = 2**63 - 1


def load(
    path: str | Path,
    *,
    ndim: int | None = None,
    size: int | None = None,
    seed: int = 0,
    skip_corrupt: bool = False,
    validation: float | None = None,
    test: float | None = None,
    on_skip: Callable[[str, str], None] = lambda name, reason: None,
) -> Split:
    """Load a data set from a folder or file, and split it into training, validation and test set.

    Parts that the data set has itself are kept; the others are taken from its training part. A data set is

    - a folder of class folders with images, or folders ``train``, ``val`` and ``test`` of such class folders;
    - a CSV file with a line for each image, or its folder. The first line names a column ``file`` (or ``filename``,
      ``image``, ``path``), a column ``label`` (or ``class``, ``target``) and optionally a column ``split``;
    - an npz file with arrays ``x`` and ``y`` (or ``images``, ``samples``, ``series``, ``data``; ``labels``), or with
      such arrays for each part (``x_train``, ``y_train``, ``test_images``, ``test_labels``, ...), and optionally
      ``class_names``;
    - IDX files, compressed with gzip or not: a folder with ``train-images...`` and ``train-labels...``, or one file
      of images with its file of labels in the same folder.

    Arrays of uint8 (samples, height, width[, channels]) are images, arrays of floats (samples[, channels], length)
    are series. Images with intensities from 0 to 255 become uint8, other samples float32: image files of more than
    8 bits, too. If all images have the same
    size, and no side over 96 pixels, they keep it. Otherwise the shorter side is scaled to 64 pixels, and the centre
    is cropped. Classes are in alphabetical order, or in numerical order if all are integers.

    Parameters
    ----------
    path : path
        Folder or file.
    ndim : int, optional
        Number of spatial axes: 1 for series, 2 for images, 3 for volumes. It is needed if the axes of an array are
        ambiguous.
    size : int, optional
        Side in pixels of the squares that all images are scaled to.
    seed : int, optional
        Seed of the random choice of held-out samples. Nothing else is random.
    skip_corrupt : bool, optional
        Whether images that cannot be used are left out. By default they are an error.
    validation, test : float, optional
        Fraction of each class that is held out, if the data set does not have the part itself. By default 20 % for
        the test if there are up to 1,000 samples, 10 % if there are 2,000 or more, and half of that for validation.
    on_skip : callable, optional
        Called with the name of each image that is left out, and with the reason.

    Returns
    -------
    Split
        The three parts. `source` says how they were split, `parts` which sample is in which part, ``found`` which
        files are used, and why others are not.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        The data set cannot be used (errors call it DATA), or another argument cannot be used.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "waves.npz"
    ...     waves = np.sin(np.outer(np.arange(1, 41), np.linspace(0, 9, 50)))
    ...     np.savez(file, x=waves, y=["slow"] * 20 + ["fast"] * 20)
    ...     split = load(file)
    >>> split.name, split.class_names, split.training.samples.shape, split.training.samples.dtype
    ('waves', ('fast', 'slow'), (28, 1, 50), dtype('float32'))
    >>> split.source
    'held out: validation 10 % and test 20 % of each class, seed 0'
    """
    path = _check_arguments(path, ndim, size, seed, validation, test)
    class_names: Sequence[str] = ()
    found = Found()
    try:
        if not path.exists():
            raise data_error("a folder or file that exists", f"'{path}'")
        if not path.is_dir():
            check_regular(path)
        if path.suffix.lower() == ".npz":
            parts, class_names = read_npz(path, ndim, size)
        elif images := _idx_files(path):
            parts = read_idx(images, ndim, size)
            class_names = known_class_names(parts)
        else:
            parts, found = _read_image_files(path, ndim, size, skip_corrupt, on_skip)
    except OSError as error:
        received = f"'{error.filename or path}' ({error.strerror or error})"
        raise data_error("folders and files that can be read", received) from error
    name = path.resolve().stem if path.is_file() else path.resolve().name
    split = split_parts(parts, name, class_names=class_names, validation=validation, test=test, seed=seed)
    choice = {"seed": seed, "validation": validation, "test": test}
    origin = {"path": str(path.resolve()), "ndim": ndim, "size": size, "skip_corrupt": skip_corrupt, **choice}
    return replace(split, origin=origin, found=found)


def _check_arguments(
    path: str | Path, ndim: int | None, size: int | None, seed: int, validation: float | None, test: float | None
) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise ArgumentTypeError("path", "the path of a folder or file", repr(path))
    if ndim is not None:
        integer("ndim", ndim, 1, 3)
    if size is not None:
        integer("size", size, SMALLEST, _LARGEST_SIZE)
    integer("seed", seed, 0, _LARGEST_SEED)
    for name, fraction in (("validation", validation), ("test", test)):
        if fraction is not None:
            real(name, fraction)
    return Path(path)


def _idx_files(path: Path) -> Mapping[str, Path]:
    if path.is_dir():
        return find_idx(path)
    if path.suffix.lower() in (".csv", ".tsv"):
        return {}
    if is_idx(path):
        return {"training": path}
    raise data_error("a folder, or a file of CSV, npz or IDX", f"'{path}'", "Extract archives into a folder.")


def _read_image_files(
    path: Path, ndim: int | None, size: int | None, skip_corrupt: bool, on_skip: Callable[[str, str], None]
) -> tuple[dict[str, RawPart], Found]:
    if ndim not in (None, 2):
        remedy = "Save series and volumes as arrays in an npz file."
        raise ArgumentError("ndim", "2 for image files", str(ndim), remedy)
    table = _table(path)
    root = table.parent if table else path
    listing = list_table(table, complete=path.is_dir()) if table else list_folders(root)
    return read_images(listing, root, size=size, skip_corrupt=skip_corrupt, on_skip=on_skip)


def _table(path: Path) -> Path | None:
    if path.is_file():
        return path
    tables = [file for file in sorted(path.glob("*.csv")) if is_table(file)]
    if len(tables) > 1:
        received = shortened([f"'{file.name}'" for file in tables])
        raise data_error("one CSV file in the folder", received, "Pass the path of the file, or use a column split.")
    return tables[0] if tables else None
