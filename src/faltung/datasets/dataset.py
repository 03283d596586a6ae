"""What is a data set? Samples with labels, split into training, validation and test set."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.datasets.found import Found
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.lazy import lazy
from faltung.ground.notebook import html_table

__all__ = ["LONGEST_NAME", "PARTS", "Dataset", "Split", "check_names", "digest"]

LONGEST_NAME = 4096
"""Characters of the name of a class, at most."""

PARTS = ("training", "validation", "test")
"""The parts of a split, in the order in which they are used."""

_NOTHING = Found()
_BLOCK = 1 << 24  # bytes that are copied at a time if samples are not contiguous in memory
_MOST_LETTERS = 1 << 26  # of a table of names


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples of one shape, each with the index of its class: series, images or volumes.

    Parameters
    ----------
    samples : uint8 or float32 array, shape ``(samples, channels, *spatial)`` with one to three spatial axes
        Intensities from 0 to 255 in uint8, or values of any range in float32.
    labels : integer array, shape (samples,)
        Index of the class of each sample.
    class_names : tuple of str
        Name of each class; no two are equal.
    pixels : {"8 bits", "16 bits", "floats"}, optional
        The kind of pixels of the image files that were read; None for other samples.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        Dtypes, shapes or labels do not fit together, or there is no sample.

    Examples
    --------
    >>> import numpy as np
    >>> data = Dataset(np.zeros((4, 3, 8, 8), np.uint8), np.array([0, 1, 0, 1]), ("bag", "coat"))
    >>> data, data.sample_shape, data.ndim
    (Dataset(4 samples, uint8 of shape (3, 8, 8), 2 classes), (3, 8, 8), 2)
    """

    samples: NDArray[Any]
    labels: NDArray[np.integer[Any]]
    class_names: tuple[str, ...]
    pixels: str | None = None

    def __post_init__(self) -> None:
        if equal := [name for name, count in Counter(self.class_names).items() if count > 1]:
            remedy = "Rename them, or give their samples one label."
            raise ArgumentError("class_names", "names that differ", f"{equal[0]!r} twice", remedy)
        try:
            check_names(self.class_names)
        except ValueError as error:
            raise ArgumentError("class_names", "short names", str(error)) from error
        if self.samples.dtype not in (np.uint8, np.float32):
            raise ArgumentTypeError("samples", "a uint8 or float32 array", f"dtype {self.samples.dtype}")
        if self.samples.ndim not in (3, 4, 5) or 0 in self.samples.shape:
            expected = "shape (samples, channels, *spatial) with one to three spatial axes, none of them zero"
            raise ArgumentError("samples", expected, f"shape {self.samples.shape}")
        if self.labels.dtype.kind not in "iu":
            raise ArgumentTypeError("labels", "an array of integers", f"dtype {self.labels.dtype}")
        if self.labels.shape != self.samples.shape[:1]:
            expected = f"one label for each of the {len(self.samples)} samples"
            raise ArgumentError("labels", expected, f"shape {self.labels.shape}")
        if self.labels.min() < 0 or self.labels.max() >= len(self.class_names):
            expected = f"indices from 0 to {len(self.class_names) - 1}, one for each class name"
            raise ArgumentError("labels", expected, f"{self.labels.min()} to {self.labels.max()}")

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one sample: ``(channels, *spatial)``."""
        return self.samples.shape[1:]

    @property
    def ndim(self) -> int:
        """Number of spatial axes: 1 for series, 2 for images, 3 for volumes."""
        return self.samples.ndim - 2

    def __repr__(self) -> str:
        return f"Dataset({len(self):,} samples, {_kind(self)}, {len(self.class_names)} classes)"

    def _repr_html_(self) -> str:
        return html_table(
            [(name, f"{count:,}") for name, count in zip(self.class_names, self.counts, strict=True)],
            ("class", "samples"),
            f"{len(self):,} samples, {_kind(self)}",
        )

    @property
    def counts(self) -> tuple[int, ...]:
        """The number of samples of each class."""
        return tuple(np.bincount(self.labels.astype(np.int64), minlength=len(self.class_names)).tolist())

    def subset(self, indices: NDArray[np.int64]) -> Dataset:
        """Return the samples at `indices`, in that order."""
        return replace(self, samples=self.samples[indices], labels=self.labels[indices])


@dataclass(frozen=True, eq=False)
class Split:
    """The three parts of a data set, each with its own purpose.

    Parameters
    ----------
    training : Dataset
        The samples to learn from.
    validation : Dataset
        The samples by which choices are made.
    test : Dataset
        The samples that judge the result. They are used once, at the end, and nothing is chosen by them.
    name : str
        Name of the whole data set, for reports.
    source : str, optional
        How it was split: "as given", or which parts were taken from training, by which rule and seed.
    members : mapping of str to sequence of str or int, optional
        For each part the file of each sample or, if a file has many samples, the number of the sample in the order of
        reading.
    origin : mapping, optional
        The arguments of `faltung.datasets.load` that read the data set again; empty for `load_embedded`, None for a
        data set that was not read from files.
    drawn : bool, optional
        Whether validation and test set were both drawn at random, so that others could have been drawn.
    found : Found, optional
        The image files that are used, and those that are not, with reasons.

    Raises
    ------
    ArgumentError
        The parts differ in classes, shape of samples or dtype.

    Examples
    --------
    >>> import numpy as np
    >>> data = Dataset(np.zeros((2, 1, 8, 8), np.uint8), np.array([0, 1]), ("bag", "coat"))
    >>> split = Split(data, data, data, "two images, three times")
    >>> split.class_names, split.duplicates, split.digest[:12]
    (('bag', 'coat'), 2, '68c0f18bdb24')
    """

    training: Dataset
    validation: Dataset
    test: Dataset
    name: str
    source: str = ""
    members: Mapping[str, Sequence[str] | Sequence[int] | NDArray[np.int64]] = field(default_factory=dict)
    origin: Mapping[str, Any] | None = None
    drawn: bool = False
    found: Found = _NOTHING

    def __post_init__(self) -> None:
        for part, data in (("validation", self.validation), ("test", self.test)):
            if data.class_names != self.class_names:
                raise ArgumentError(part, f"the classes of training, {self.class_names}", str(data.class_names))
            if (data.sample_shape, data.samples.dtype) != (self.training.sample_shape, self.training.samples.dtype):
                expected = f"samples like those of training, {_kind(self.training)}"
                raise ArgumentError(part, expected, _kind(data))

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, which are the same in all parts."""
        return self.training.class_names

    def __repr__(self) -> str:
        counts = ", ".join(f"{part}={len(getattr(self, part)):,}" for part in PARTS)
        return f"Split({self.name!r}, {counts}, {_kind(self.training)}, {len(self.class_names)} classes)"

    def _repr_html_(self) -> str:
        columns = (self.training.counts, self.validation.counts, self.test.counts)
        rows = [(name, *(f"{n:,}" for n in row)) for name, *row in zip(self.class_names, *columns, strict=True)]
        rows.append(("all", *(f"{sum(column):,}" for column in columns)))
        caption = f"{self.name}: {_kind(self.training)}. Split: {self.source or 'by the caller'}"
        return html_table(rows, ("class", *PARTS), caption)

    def parts(self) -> dict[str, list[str] | list[int]]:
        """Return `members` as lists that can be written as JSON."""
        return {part: np.asarray(self.members[part]).tolist() for part in PARTS if part in self.members}

    @lazy
    def digest(self) -> str:
        """SHA-256 of the samples, labels and class names of all parts: it changes if the data change."""
        arrays: dict[str, NDArray[Any]] = {"class_names": np.array(self.class_names)}
        for part in PARTS:
            data: Dataset = getattr(self, part)
            arrays |= {f"{part}_samples": data.samples, f"{part}_labels": data.labels}
        return digest(arrays)

    def notes(self) -> list[str]:
        """Return what should be known before the data are trusted: what was found, and samples that are in two parts.

        Examples
        --------
        >>> import numpy as np
        >>> data = Dataset(np.zeros((2, 1, 8, 8), np.uint8), np.array([0, 1]), ("bag", "coat"))
        >>> Split(data, data, data, "two images, three times").notes()
        ['2 of the 2 test samples are also training samples: the test accuracy says less about new samples.']
        """
        if not self.duplicates:
            return self.found.lines()
        return [
            *self.found.lines(),
            f"{self.duplicates:,} of the {len(self.test):,} test samples are also training samples: the test "
            "accuracy says less about new samples.",
        ]

    @lazy
    def duplicates(self) -> int:
        """The number of test samples that are equal to a training sample, and so do not test anything new."""
        training = {*_fingerprints(self.training.samples)}
        return sum(fingerprint in training for fingerprint in _fingerprints(self.test.samples))


def check_names(names: Sequence[str]) -> None:
    """Raise ValueError if names of classes are too long: in a table, each takes the room of the longest.

    Examples
    --------
    >>> check_names(["bag", "coat" * 2000])
    Traceback (most recent call last):
    ValueError: a name of 8,000 characters
    """
    longest = max(map(len, names), default=0)
    if longest > LONGEST_NAME:
        raise ValueError(f"a name of {longest:,} characters")
    if longest * len(names) > _MOST_LETTERS:
        raise ValueError(f"{len(names):,} names of up to {longest:,} characters")


def _kind(data: Dataset) -> str:
    return f"{data.samples.dtype} of shape {data.sample_shape}"


def _fingerprints(samples: NDArray[Any]) -> Iterator[bytes]:
    return (hashlib.blake2b(sample.tobytes(), digest_size=16).digest() for sample in samples)


def digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 of the names, dtypes, shapes and values of arrays. It does not depend on their file format.

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
        for block in _blocks(np.atleast_1d(array)):
            sha.update(block.tobytes())
    return sha.hexdigest()


def _blocks(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    rows = max(1, _BLOCK * len(array) // max(1, array.nbytes))
    return (array[first : first + rows] for first in range(0, len(array), rows))
