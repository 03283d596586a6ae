"""Which data set is always available? A subset of Fashion-MNIST that ships with faltung."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faltung.datasets.dataset import Dataset, Split, digest
from faltung.datasets.known import FASHION_MNIST_CLASSES
from faltung.datasets.splitting import hold_out
from faltung.errors import ArgumentError
from faltung.ground.checks import integer
from faltung.ground.given_arrays import open_archive

__all__ = ["EMBEDDED_FILE", "load_embedded"]

EMBEDDED_FILE = Path(__file__).parents[1] / "data" / "fashion_mnist_subset.npz"
_EMBEDDED_DIGEST = "b4ad20386308a4236cf6726a7fdd7378f262079b39fd94c0961a9e1685b8217d"
_TRAINING_PER_CLASS, _VALIDATION_PER_CLASS = 500, 25


def load_embedded(path: str | Path = EMBEDDED_FILE, *, validation_per_class: int = _VALIDATION_PER_CLASS) -> Split:
    """Load the Fashion-MNIST subset that ships with faltung: 28x28 grey images of ten kinds of clothing.

    It has the first 500 training images and the first 100 test images of each class of the official split. Of the
    training images, 25 of each class are held out for validation, always the same ones.

    Parameters
    ----------
    path : path, optional
        The file.
    validation_per_class : int, optional
        How many training images of each class are held out, from 1 to 499.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        The file is missing, damaged, or has other contents; or `validation_per_class` cannot be used.

    References
    ----------
    H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
    Algorithms", arXiv:1708.07747, 2017.

    Examples
    --------
    >>> split = load_embedded()
    >>> len(split.training), len(split.validation), len(split.test)
    (4750, 250, 1000)
    >>> split.test.sample_shape, split.class_names[9]
    ((1, 28, 28), 'Ankle boot')
    """
    held_out_per_class = integer("validation_per_class", validation_per_class, 1, _TRAINING_PER_CLASS - 1)
    arrays = _read(Path(path))
    origin: dict[str, object] | None = {} if held_out_per_class == _VALIDATION_PER_CLASS else None
    training, test = (
        Dataset(arrays[f"{part}_images"][:, None], arrays[f"{part}_labels"], FASHION_MNIST_CLASSES)
        for part in ("training", "test")
    )
    held_out = hold_out(training.labels, [held_out_per_class] * 10, np.random.default_rng(0))
    members = {"training": np.flatnonzero(~held_out), "validation": np.flatnonzero(held_out)}
    return Split(
        training.subset(members["training"]),
        training.subset(members["validation"]),
        test,
        "Fashion-MNIST subset",
        f"test as given; held out: validation {held_out_per_class} of each class, seed 0",
        {**members, "test": np.arange(len(training), len(training) + len(test))},
        origin,
    )


def _read(path: Path) -> dict[str, NDArray[np.uint8]]:
    expected = "the Fashion-MNIST subset that ships with faltung"
    remedy = "Install faltung again."
    try:
        with open_archive(path) as file:
            arrays = {name: file[name] for name in file.names}
    except FileNotFoundError as error:
        raise ArgumentError("path", expected, f"no file at {str(path)!r}", remedy) from error
    except (OSError, ValueError) as error:
        raise ArgumentError("path", expected, f"an unreadable file {str(path)!r} ({error})", remedy) from error
    if digest(arrays) != _EMBEDDED_DIGEST:
        raise ArgumentError("path", expected, f"other contents in {str(path)!r}", remedy)
    return arrays
