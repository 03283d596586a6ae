"""What is learned from? Images with labels, and their split into training, validation and test."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ArgumentError, ArgumentTypeError

__all__ = ["EMBEDDED_FILE", "Dataset", "Split", "digest", "hold_out", "load_embedded"]

EMBEDDED_FILE = Path(__file__).parents[1] / "data" / "fashion_mnist_subset.npz"
_EMBEDDED_DIGEST = "b4ad20386308a4236cf6726a7fdd7378f262079b39fd94c0961a9e1685b8217d"

_FASHION_MNIST_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images of one size, each with the index of its class.

    Parameters
    ----------
    images : uint8 array, shape (samples, height, width) or (samples, height, width, channels)
        Intensities from 0 to 255.
    labels : integer array, shape (samples,)
        Index of each image's class.
    class_names : tuple of str
        Name of each class.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If dtypes, shapes or labels do not fit together, or there is no image.

    Examples
    --------
    >>> import numpy as np
    >>> data = Dataset(np.zeros((4, 8, 8), np.uint8), np.array([0, 1, 0, 1]), ("bag", "coat"))
    >>> len(data), data.image_shape
    (4, (1, 8, 8))
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.integer[Any]]
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8:
            raise ArgumentTypeError("images", "a uint8 array", f"dtype {self.images.dtype}")
        if self.images.ndim not in (3, 4) or 0 in self.images.shape:
            expected = "shape (samples, height, width) or (samples, height, width, channels), none of them zero"
            raise ArgumentError("images", expected, f"shape {self.images.shape}")
        if self.labels.dtype.kind not in "iu":
            raise ArgumentTypeError("labels", "an array of integers", f"dtype {self.labels.dtype}")
        if self.labels.shape != self.images.shape[:1]:
            expected = f"one label for each of the {len(self.images)} images"
            raise ArgumentError("labels", expected, f"shape {self.labels.shape}")
        if self.labels.min() < 0 or self.labels.max() >= len(self.class_names):
            expected = f"indices from 0 to {len(self.class_names) - 1}, one for each class name"
            raise ArgumentError("labels", expected, f"{self.labels.min()} to {self.labels.max()}")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape of one image as a network sees it: (channels, height, width)."""
        height, width = self.images.shape[1:3]
        return (1 if self.images.ndim == 3 else self.images.shape[3]), height, width

    def subset(self, indices: NDArray[np.int64]) -> Dataset:
        """Return the samples at `indices`, in that order."""
        return Dataset(self.images[indices], self.labels[indices], self.class_names)


@dataclass(frozen=True, eq=False)
class Split:
    """The three parts of a data set, each with its own purpose.

    Parameters
    ----------
    training : Dataset
        Its mean loss is what training makes small.
    validation : Dataset
        Shows during training how the network does on images that it does not learn from.
    test : Dataset
        Looked at once, after training; nothing may be chosen by it.
    name : str
        Name of the whole, for reports.

    Examples
    --------
    >>> split = load_embedded()
    >>> len(split.training), len(split.validation), len(split.test)
    (4750, 250, 1000)
    """

    training: Dataset
    validation: Dataset
    test: Dataset
    name: str

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, the same in all parts."""
        return self.training.class_names


def digest(arrays: Mapping[str, NDArray[np.generic]]) -> str:
    """Return a SHA-256 over names, dtypes, shapes and samples of arrays, whatever file they came in.

    Examples
    --------
    >>> import numpy as np
    >>> digest({"x": np.arange(3, dtype=np.uint8)})[:12]
    'b4c7ad392222'
    """
    sha = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        sha.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()


def hold_out(data: Dataset, per_class: int, seed: int) -> tuple[Dataset, Dataset]:
    """Split a data set at random into what remains and `per_class` samples of every class.

    Raises
    ------
    ArgumentError
        If a class has no more than `per_class` samples, so that nothing of it would remain.

    Examples
    --------
    >>> import numpy as np
    >>> data = Dataset(np.zeros((6, 8, 8), np.uint8), np.array([0, 1, 0, 1, 0, 1]), ("bag", "coat"))
    >>> remaining, held_out = hold_out(data, per_class=1, seed=0)
    >>> remaining.labels.tolist(), held_out.labels.tolist()
    ([0, 1, 0, 1], [1, 0])
    """
    counts = np.bincount(data.labels, minlength=len(data.class_names))
    if per_class >= counts.min():
        expected = f"fewer than the {counts.min()} samples of the smallest class"
        raise ArgumentError("per_class", expected, str(per_class), "Hold out fewer samples.")
    generator = np.random.default_rng(seed)
    chosen = np.zeros(len(data), dtype=bool)
    for label in range(len(data.class_names)):
        chosen[generator.choice(np.flatnonzero(data.labels == label), per_class, replace=False)] = True
    return data.subset(np.flatnonzero(~chosen)), data.subset(np.flatnonzero(chosen))


def load_embedded(path: str | Path = EMBEDDED_FILE, *, validation_per_class: int = 25) -> Split:
    """Load the Fashion-MNIST subset that ships with faltung: 28x28 grey images of ten kinds of clothing.

    The first 500 training and 100 test images of each class of the official splits. Of the training images, 25 a
    class are held out for validation; which ones is fixed, so that runs with different seeds share all their data.

    Parameters
    ----------
    path : path, optional
        Where the file lies.
    validation_per_class : int, optional
        How many training images of each class are held out.

    Raises
    ------
    ArgumentError
        If the file is missing, damaged, or holds anything but exactly the subset.

    References
    ----------
    H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
    Algorithms", arXiv:1708.07747, 2017.

    Examples
    --------
    >>> split = load_embedded()
    >>> split.test.images.shape, split.class_names[9]
    ((1000, 28, 28), 'Ankle boot')
    """
    arrays = _read_checked(Path(path))
    training = Dataset(arrays["training_images"], arrays["training_labels"], _FASHION_MNIST_CLASSES)
    test = Dataset(arrays["test_images"], arrays["test_labels"], _FASHION_MNIST_CLASSES)
    training, validation = hold_out(training, validation_per_class, seed=0)
    return Split(training, validation, test, "Fashion-MNIST subset")


def _read_checked(path: Path) -> dict[str, NDArray[np.uint8]]:
    expected = "the Fashion-MNIST subset that ships with faltung"
    remedy = "Install faltung again."
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise ArgumentError("path", expected, f"no file at {str(path)!r}", remedy) from error
    except (OSError, EOFError, ValueError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise ArgumentError("path", expected, f"an unreadable file {str(path)!r} ({error})", remedy) from error
    if digest(arrays) != _EMBEDDED_DIGEST:
        raise ArgumentError("path", expected, f"other contents in {str(path)!r}", remedy)
    return arrays
