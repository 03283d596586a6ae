"""Which class do new samples belong to? The predictions of a trained network for files and arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from faltung.datasets.data_error import shortened
from faltung.datasets.dataset import Dataset
from faltung.errors import ArgumentError
from faltung.ground.notebook import html_table
from faltung.learn.inputs import as_samples, find_files, read_files
from faltung.learn.risk import logits
from faltung.learn.trained_classifier import trained_classifier
from faltung.networks.batches import tensors
from faltung.networks.stored import Trained

__all__ = ["Predictions", "predict"]

_FILES = 64  # read at a time
_SHOWN = 50  # rows of a table


@dataclass(frozen=True, eq=False)
class Predictions:
    """The predictions of a network for samples.

    Parameters
    ----------
    names : tuple of str
        Name of each sample: its file, and its index if the file holds several samples.
    probabilities : float64 array, shape (samples, classes)
        Softmax of the logits; each row adds up to one.
    class_names : tuple of str
        Name of each class.
    labels : tuple of str or None
        The class that the folder of a sample, or one around it, is named after; None for other folders.
    skipped : mapping of str to str, optional
        Why other files of the folders were skipped, by their names.

    Examples
    --------
    >>> predictions = Predictions(("a.png",), np.array([[0.25, 0.75]]), ("bag", "coat"), ("coat",))
    >>> predictions.classes, predictions.top(0, 2), predictions.recognised
    (['coat'], [('coat', 0.75), ('bag', 0.25)], (1, 1))
    """

    names: tuple[str, ...]
    probabilities: NDArray[np.float64]
    class_names: tuple[str, ...]
    labels: tuple[str | None, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def classes(self) -> list[str]:
        """The most probable class of each sample."""
        return [self.class_names[best] for best in self.probabilities.argmax(1)]

    @property
    def recognised(self) -> tuple[int, int]:
        """The number of samples in folders named after a class that are predicted to be of it, and of all of them."""
        known = [(own, label) for own, label in zip(self.classes, self.labels, strict=True) if label is not None]
        return sum(own == label for own, label in known), len(known)

    def _repr_html_(self) -> str:
        shown = min(len(self), _SHOWN)
        best = [(self.names[sample], *self.top(sample, 1)[0]) for sample in range(shown)]
        rows = [(name, label, f"{probability:.1%}") for name, label, probability in best]
        caption = f"{len(self):,} predictions" + (f", the first {shown}" if shown < len(self) else "")
        return html_table(rows, ("sample", "class", "probability"), caption)

    def top(self, sample: int, count: int) -> list[tuple[str, float]]:
        """Return the most probable classes of a sample and their probabilities, the most probable first."""
        order = np.argsort(-self.probabilities[sample], kind="stable")[:count]
        return [(self.class_names[label], float(self.probabilities[sample, label])) for label in order]


def predict(
    run: str | Path,
    images: str | Path | Iterable[str | Path] | NDArray[Any],
    *,
    network: str = "model",
    on_skip: Callable[[str, str], None] | None = None,
    track: Callable[[Sequence[list[Path]]], Iterable[list[Path]]] = lambda batches: batches,
) -> Predictions:
    """Return the probability of each class for each sample, computed by a network that `faltung learn` trained.

    p[c] = exp(z[c]) / sum over all classes d of exp(z[d]), where z are the logits of the network.

    Images of any size and mode are converted in the same way as the training images.

    Parameters
    ----------
    run : path
        A run folder.
    images : path, paths, or array
        Files of images; .npy or .npz files of images, series or volumes; folders, which are searched with all their
        subfolders; or an array of samples, ``(samples[, channels], *spatial)``, images also with the channels last.
    network : str, optional
        Network of the run: "model", or the name of a yardstick.
    on_skip : callable, optional
        Called with the name of each file that cannot be used, and with the reason. Without it such files are an
        error.
    track : callable, optional
        Iterates over the batches of files, to show progress.

    Returns
    -------
    Predictions
        In the order of `images`; within a folder in the order of names.

    Raises
    ------
    ArgumentError
        If the run has no such classifier, its task does not learn classes, or if a file or the array cannot be used.

    Examples
    --------
    >>> import tempfile
    >>> from faltung.learn import RunFolder, load_embedded
    >>> from faltung.learn.saved import save_network
    >>> from faltung.networks import DenseClassifier
    >>> split = load_embedded()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     network = DenseClassifier(sample_shape=(1, 28, 28), classes=10)
    ...     save_network(RunFolder(Path(folder)), "model", network, split.training)
    ...     predictions = predict(folder, split.test.samples[:5])
    >>> predictions.names, predictions.probabilities.shape
    (('0', '1', '2', '3', '4'), (5, 10))
    """
    trained = trained_classifier(run, network)
    names: list[str] = []
    labels: list[str | None] = []
    skipped: dict[Path, str] = {}
    probabilities = [np.empty((0, len(trained.class_names)))]
    if isinstance(images, np.ndarray):
        samples = as_samples("images", images, trained)
        names += map(str, range(len(samples)))
        labels += [None] * len(samples)
        probabilities.append(_probabilities(trained, samples))
    else:
        paths = [images] if isinstance(images, str | Path) else images
        folders = [*map(Path, paths)]
        files, skipped = find_files(folders)
        for batch in _batches(files, trained, on_skip, track):
            for file, samples in batch:
                names += _names(file, len(samples))
                labels += [_class_of(file, folders, trained.class_names)] * len(samples)
            probabilities.append(_probabilities(trained, np.concatenate([samples for _, samples in batch])))
    reasons = {_shown(file): reason for file, reason in skipped.items()}
    return Predictions(tuple(names), np.concatenate(probabilities), trained.class_names, tuple(labels), reasons)


def _batches(
    files: list[Path],
    trained: Trained,
    on_skip: Callable[[str, str], None] | None,
    track: Callable[[Sequence[list[Path]]], Iterable[list[Path]]],
) -> Iterator[list[tuple[Path, NDArray[Any]]]]:
    for batch in track([files[first : first + _FILES] for first in range(0, len(files), _FILES)]):
        results = list(zip(batch, read_files(batch, trained), strict=True))
        _report([(_shown(file), reason) for file, reason in results if isinstance(reason, str)], on_skip)
        if usable := [(file, samples) for file, samples in results if not isinstance(samples, str)]:
            yield usable


def _report(unusable: Sequence[tuple[str, str]], on_skip: Callable[[str, str], None] | None) -> None:
    if on_skip is not None:
        for name, reason in unusable:
            on_skip(name, reason)
    elif unusable:
        received = shortened([f"{name} ({reason})" for name, reason in unusable])
        raise ArgumentError("images", "files that fit the network", received)


def _class_of(file: Path, folders: Sequence[Path], class_names: Sequence[str]) -> str | None:
    """Return the class that the folder of a file is named after, or one around it that was searched.

    What is further outside says nothing about the file.
    """
    searched = [folder for folder in file.parents if any(folder.is_relative_to(given) for given in folders)]
    return next((folder.name for folder in [file.parent, *searched] if folder.name in class_names), None)


def _names(file: Path, samples: int) -> list[str]:
    return [_shown(file)] if samples == 1 else [f"{_shown(file)}[{index}]" for index in range(samples)]


def _shown(file: Path) -> str:
    return str(file).encode("utf-8", "backslashreplace").decode()  # names of files may be any bytes


def _probabilities(trained: Trained, samples: NDArray[Any]) -> NDArray[np.float64]:
    unknown = np.zeros(len(samples), np.int64)
    inputs, _ = tensors(Dataset(samples, unknown, trained.class_names))
    found = logits(trained.network, inputs).double()
    if not found.isfinite().all():
        received = f"{int((~found.isfinite()).any(dim=1).sum())} of {len(found)} samples with others"
        raise ArgumentError("run", "a network with finite outputs", received, "Train the network again.")
    return torch.softmax(found, dim=1).numpy()
