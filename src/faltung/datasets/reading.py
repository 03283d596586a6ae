"""What is in a data set of the user's own? Images in folders or beside a CSV file, arrays in npz or IDX files.

`load` finds out which it is; each kind has a reader of its own, and all return the same parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from faltung.datasets.csv_table import is_table, list_table
from faltung.datasets.dataset import Split
from faltung.datasets.folders import list_folders
from faltung.datasets.idx import find_idx, is_idx, read_idx
from faltung.datasets.image_files import read_images
from faltung.datasets.known import known_class_names
from faltung.datasets.npz import read_npz
from faltung.datasets.refusal import refusal, shortened
from faltung.datasets.scaling import SMALLEST
from faltung.datasets.splitting import Part, split_parts
from faltung.errors import ArgumentError

__all__ = ["load"]


def load(
    path: str | Path,
    *,
    ndim: int | None = None,
    size: int | None = None,
    seed: int = 0,
    skip_corrupt: bool = False,
    validation: float = 0.05,
    test: float = 0.1,
    on_skip: Callable[[str, str], None] = lambda name, reason: None,
) -> Split:
    """Load a data set of one's own, and split it where it does not come split.

    It can be

    - a folder of class folders of images, or folders ``train``, ``val`` and ``test`` of class folders;
    - a CSV file beside images, or the folder it is in: a line for each image under a header that names a column
      ``file`` (or ``filename``, ``image``, ``path``), a column ``label`` (or ``class``, ``target``) and perhaps a
      column ``split``;
    - an npz file with arrays ``x`` and ``y`` (or ``images``, ``samples``, ``series``, ``data``; ``labels``), or with
      such arrays for each part (``x_train``, ``y_train``, ``test_images``, ``test_labels``, ...), and perhaps
      ``class_names``;
    - IDX files, packed with gzip or not: a folder with ``train-images...`` and ``train-labels...``, or one file of
      images with its labels beside it.

    Arrays of uint8 (samples, height, width[, channels]) are images, of floats (samples[, channels], length) series.
    Images become uint8. If all have one size and no side over 96 pixels they stay as they are; otherwise the shorter
    side is scaled to 64 pixels and the middle cut out. Classes are numbered in the order of their names, or as
    numbers if that is what they are.

    Parameters
    ----------
    path : path
        Folder or file.
    ndim : int, optional
        Number of spatial axes, where it is open what arrays hold: 1 for series, 2 for images, 3 for volumes.
    size : int, optional
        Side in pixels of the squares that all images become.
    seed : int, optional
        Seed of the lot by which samples are held out; no other random number is drawn.
    skip_corrupt : bool, optional
        Leave images out that cannot be used, instead of refusing them all together.
    validation, test : float, optional
        Fraction of each class that is held out of training, if the part is not given.
    on_skip : callable, optional
        Called with the name of each image that is left out, and with the reason.

    Returns
    -------
    Split
        Its `source` says how it was split, its `parts` which sample went where.

    Raises
    ------
    ArgumentError
        If it cannot be learned from; the error goes by the name DATA.

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
    ('waves', ('fast', 'slow'), (34, 1, 50), dtype('float32'))
    >>> split.source
    'made: validation 5 % and test 10 % of each class, seed 0'
    """
    path = Path(path)
    _check_options(ndim, size, seed)
    class_names: Sequence[str] = ()
    try:
        if not path.exists():
            raise refusal("a folder or file that exists", f"'{path}'")
        if path.suffix.lower() == ".npz":
            parts, class_names = read_npz(path, ndim, size)
        elif images := _idx_files(path):
            parts = read_idx(images, ndim, size)
            class_names = known_class_names(parts)
        else:
            parts = _read_listed(path, ndim, size, skip_corrupt, on_skip)
    except OSError as error:
        received = f"'{error.filename or path}' ({error.strerror or error})"
        raise refusal("folders and files that can be read", received) from error
    name = path.resolve().stem if path.is_file() else path.resolve().name
    split = split_parts(parts, name, class_names=class_names, validation=validation, test=test, seed=seed)
    drawing = {"seed": seed, "validation": validation, "test": test}
    origin = {"path": str(path.resolve()), "ndim": ndim, "size": size, "skip_corrupt": skip_corrupt, **drawing}
    return replace(split, origin=origin)


def _check_options(ndim: int | None, size: int | None, seed: int) -> None:
    if ndim not in (None, 1, 2, 3):
        raise ArgumentError("ndim", "1, 2 or 3", str(ndim))
    if size is not None and size < SMALLEST:
        raise ArgumentError("size", f"at least {SMALLEST} pixels", str(size))
    if seed < 0:
        raise ArgumentError("seed", "zero or a positive integer", str(seed))


def _idx_files(path: Path) -> Mapping[str, Path]:
    if path.is_dir():
        return find_idx(path)
    if path.suffix.lower() in (".csv", ".tsv"):
        return {}
    if is_idx(path):
        return {"training": path}
    raise refusal("a folder, or a file of CSV, npz or IDX", f"'{path}'", "Unpack archives into a folder.")


def _read_listed(
    path: Path, ndim: int | None, size: int | None, skip_corrupt: bool, on_skip: Callable[[str, str], None]
) -> dict[str, Part]:
    if ndim not in (None, 2):
        raise ArgumentError("ndim", "2 for files of images", str(ndim), "Give series and volumes as arrays in npz.")
    table = _table(path)
    root = table.parent if table else path
    listing = list_table(table) if table else list_folders(root)
    return read_images(listing, root, size=size, skip_corrupt=skip_corrupt, on_skip=on_skip)


def _table(path: Path) -> Path | None:
    if path.is_file():
        return path
    tables = [each for each in sorted(path.glob("*.csv")) if is_table(each)]
    if len(tables) > 1:
        received = shortened([f"'{each.name}'" for each in tables])
        raise refusal("one CSV file in the folder", received, "Give the file itself, or use a column split.")
    return tables[0] if tables else None
