"""Which class do new samples belong to? What a trained network says of files and arrays that it never saw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from faltung.datasets.data_error import shortened
from faltung.datasets.dataset import Dataset
from faltung.errors import ArgumentError
from faltung.learn.batches import tensors
from faltung.learn.inputs import as_samples, find_files, read_files
from faltung.learn.risk import logits
from faltung.networks.stored import CLASSIFIERS, Trained, load_trained

__all__ = ["Predictions", "predict"]

_FILES = 64  # read at a time


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a network says of samples.

    Parameters
    ----------
    names : tuple of str
        Of each sample: its file, and its place in the file if that holds many.
    probabilities : float64 array, shape (samples, classes)
        Softmax of the logits; each row adds up to one.
    class_names : tuple of str
        Name of each class.
    labels : tuple of str or None
        The class that the folder of a sample is named after, if it is.

    Examples
    --------
    >>> said = Predictions(("a.png",), np.array([[0.25, 0.75]]), ("bag", "coat"), ("coat",))
    >>> said.classes, said.top(0, 2), said.recognised
    (['coat'], [('coat', 0.75), ('bag', 0.25)], (1, 1))
    """

    names: tuple[str, ...]
    probabilities: NDArray[np.float64]
    class_names: tuple[str, ...]
    labels: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def classes(self) -> list[str]:
        """The most probable class of each sample."""
        return [self.class_names[best] for best in self.probabilities.argmax(1)]

    @property
    def recognised(self) -> tuple[int, int]:
        """How many samples were put into the class that their folder is named after, of how many in such folders."""
        known = [(own, label) for own, label in zip(self.classes, self.labels, strict=True) if label is not None]
        return sum(own == label for own, label in known), len(known)

    def top(self, sample: int, count: int) -> list[tuple[str, float]]:
        """Return the most probable classes of a sample, and how probable they are, in falling order."""
        order = np.argsort(-self.probabilities[sample], kind="stable")[:count]
        return [(self.class_names[each], float(self.probabilities[sample, each])) for each in order]


def predict(
    run: str | Path,
    images: str | Path | Iterable[str | Path] | NDArray[Any],
    *,
    network: str = "model",
    on_skip: Callable[[str, str], None] | None = None,
    track: Callable[[Sequence[list[Path]]], Iterable[list[Path]]] = lambda batches: batches,
) -> Predictions:
    """Say of samples how probable each class is, by a network that `faltung learn` trained.

    p[c] = exp(z[c]) / sum over all classes d of exp(z[d]), where z are the logits of the network.

    Images of any size and mode are brought to what the network learned from just as its training images were.

    Parameters
    ----------
    run : path
        A run folder.
    images : path, paths, or array
        Files of images; .npy or .npz files of images, series or volumes; folders, which are searched to their
        depths; or an array of samples, (samples[, channels], *spatial), images also with the channels last.
    network : str, optional
        Which network of the run: "model", or the name of a yardstick.
    on_skip : callable, optional
        Called with the name of each file that cannot be used, and with the reason. Without it that is an error.
    track : callable, optional
        What the batches of files are drawn through, to show how far it is.

    Returns
    -------
    Predictions
        In the order given, that of names within folders.

    Raises
    ------
    ArgumentError
        If the run has no such classifier, or a file or the array cannot be used.

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
    ...     said = predict(folder, split.test.samples[:5])
    >>> said.names, said.probabilities.shape
    (('0', '1', '2', '3', '4'), (5, 10))
    """
    trained = load_trained(run, network, CLASSIFIERS)
    names: list[str] = []
    labels: list[str | None] = []
    probabilities = [np.empty((0, len(trained.class_names)))]
    if isinstance(images, np.ndarray):
        samples = as_samples("images", images, trained)
        names += map(str, range(len(samples)))
        labels += [None] * len(samples)
        probabilities.append(_probabilities(trained, samples))
    else:
        paths = [images] if isinstance(images, str | Path) else images
        for batch in _batches(map(Path, paths), trained, on_skip, track):
            for file, samples in batch:
                names += _names(file, len(samples))
                labels += [file.parent.name if file.parent.name in trained.class_names else None] * len(samples)
            probabilities.append(_probabilities(trained, np.concatenate([samples for _, samples in batch])))
    return Predictions(tuple(names), np.concatenate(probabilities), trained.class_names, tuple(labels))


def _batches(
    paths: Iterable[Path],
    trained: Trained,
    on_skip: Callable[[str, str], None] | None,
    track: Callable[[Sequence[list[Path]]], Iterable[list[Path]]],
) -> Iterator[list[tuple[Path, NDArray[Any]]]]:
    files = find_files(paths)
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
        raise ArgumentError("images", "files that the network can read", received)


def _names(file: Path, samples: int) -> list[str]:
    return [_shown(file)] if samples == 1 else [f"{_shown(file)}[{place}]" for place in range(samples)]


def _shown(file: Path) -> str:
    return str(file).encode("utf-8", "backslashreplace").decode()  # names of files may be any bytes


def _probabilities(trained: Trained, samples: NDArray[Any]) -> NDArray[np.float64]:
    unknown = np.zeros(len(samples), np.int64)
    inputs, _ = tensors(Dataset(samples, unknown, trained.class_names))
    return torch.softmax(logits(trained.network, inputs).double(), dim=1).numpy()
