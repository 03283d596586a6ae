"""How good is a generator? Its samples are compared with test samples, and these with training samples.

The protocol, whose reasons are in docs/scoring.md: for each test sample one sample of the same class is generated.
Both sets are compared through a judge, a classifier that was trained on the training set only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from faltung.datasets.dataset import Dataset, Split
from faltung.errors import ArgumentError
from faltung.networks.batches import tensors

__all__ = ["MOST", "Nearest", "Protocol", "Score", "features", "frechet_distance", "nearest"]

MOST = 10_000
"""Largest number of test samples that are used."""

_BATCH = 500  # samples that the judge classifies at a time
_BLOCK = 256  # samples whose distances to all training samples are in memory at a time


@dataclass(frozen=True)
class Score:
    """The scores of generated samples, and those of real samples for comparison.

    Parameters
    ----------
    samples : int
        Number of generated samples, and of test samples.
    label_accuracy, test_label_accuracy : float
        Share of the generated samples that the judge recognises as of their class; the same for test samples.
    frechet, frechet_floor : float
        Fréchet distance between the judge's features of generated and of test samples. The floor is the distance
        between as many training samples and the test samples; no generator is expected to be below it.
    nearest, test_nearest : float
        Median Euclidean distance of a generated sample to the nearest training sample, with intensities from 0 to 1;
        the same for test samples.
    nearest_features, test_nearest_features : float
        The same distances between the judge's features.

    Examples
    --------
    >>> score = Score(100, 0.9, 0.94, 2.0, 0.5, 5.1, 5.0, 2.2, 2.1)
    >>> score.label_accuracy
    0.9
    """

    samples: int
    label_accuracy: float
    test_label_accuracy: float
    frechet: float
    frechet_floor: float
    nearest: float
    test_nearest: float
    nearest_features: float
    test_nearest_features: float

    def metrics(self) -> dict[str, float]:
        """Return the numbers as JSON-serialisable values."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Nearest:
    """The nearest training sample of each sample.

    Parameters
    ----------
    distances : float64 array, shape (samples,)
        Distance to the nearest training sample.
    indices : int64 array, shape (samples,)
        Its index; the first of several.

    Examples
    --------
    See `nearest`.
    """

    distances: NDArray[np.float64]
    indices: NDArray[np.int64]


class Protocol:
    """Scores generated samples. The scores of real samples are computed once, when the protocol is made.

    Parameters
    ----------
    judge : torch.nn.Module
        A classifier of the same classes whose last layer is `classify`.
    split : Split
        Its test set is compared with; its training set is that of the judge.

    Attributes
    ----------
    labels : int64 array
        Classes of the samples that must be generated.

    Raises
    ------
    ArgumentError
        If the judge is no classifier of these classes, or its features are not known.

    Examples
    --------
    >>> from faltung.datasets.embedded import load_embedded
    >>> from faltung.networks import ConvClassifier
    >>> whole, half = load_embedded(), np.arange(0, 250, 2)
    >>> some, others = whole.validation.subset(half), whole.validation.subset(half + 1)
    >>> judge = ConvClassifier(sample_shape=(1, 28, 28), classes=10, channels=(8,)).eval()
    >>> score = Protocol(judge, Split(some, some, others, "few"))(some.samples)
    >>> score.samples, score.nearest, bool(score.test_nearest > 4)
    (125, 0.0, True)
    """

    def __init__(self, judge: nn.Module, split: Split) -> None:
        self._judge = judge
        self._split = split
        # Spread over the whole test set, which may be sorted by class.
        chosen = np.linspace(0, len(split.test) - 1, min(MOST, len(split.test))).astype(np.int64)
        test = split.test.subset(chosen)
        self.labels: NDArray[np.int64] = test.labels.astype(np.int64)
        self._training = _values(split.training)
        self._training_features, _ = features(judge, split.training)
        self._test_features, predicted = features(judge, test)
        self._test_accuracy = float((predicted == self.labels).mean())
        self._test_nearest = _median(nearest(_values(test), self._training))
        self._test_nearest_features = _median(nearest(self._test_features, self._training_features))
        self._floor = frechet_distance(self._training_features[self._alike()], self._test_features)

    def __call__(self, samples: NDArray[Any]) -> Score:
        """Score samples that were generated for `labels`.

        Raises
        ------
        ArgumentError
            If there is not one sample for each label.
        """
        if samples.shape != (expected := (len(self.labels), *self._split.training.sample_shape)):
            raise ArgumentError("samples", f"shape {expected}", f"shape {samples.shape}")
        generated = Dataset(samples, self.labels, self._split.class_names)
        own_features, predicted = features(self._judge, generated)
        return Score(
            len(samples),
            float((predicted == self.labels).mean()),
            self._test_accuracy,
            frechet_distance(own_features, self._test_features),
            self._floor,
            _median(self.nearest(samples)),
            self._test_nearest,
            _median(nearest(own_features, self._training_features)),
            self._test_nearest_features,
        )

    def nearest(self, samples: NDArray[Any]) -> Nearest:
        """Return the nearest training samples of generated ones."""
        return nearest(_values(Dataset(samples, np.zeros(len(samples), np.int64), ("",))), self._training)

    def _alike(self) -> NDArray[np.int64]:
        """Return the indices of training samples: as many of each class as in `labels`, if there are so many."""
        labels = self._split.training.labels
        chosen = []
        for label, count in zip(*np.unique(self.labels, return_counts=True), strict=True):
            of_class = np.flatnonzero(labels == label)
            chosen.append(of_class[np.linspace(0, len(of_class) - 1, min(count, len(of_class))).astype(np.int64)])
        return np.concatenate(chosen)


@torch.no_grad()
def features(judge: nn.Module, data: Dataset) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the features of samples, which are the inputs of the last layer of a classifier, and its predictions.

    Parameters
    ----------
    judge : torch.nn.Module
        In evaluation mode; its last layer is `classify`.
    data : Dataset
        The samples.

    Returns
    -------
    features : array, shape (samples, features)
    labels : array, shape (samples,)

    Raises
    ------
    ArgumentError
        If the classifier has no such layer.

    Examples
    --------
    >>> from faltung.datasets.embedded import load_embedded
    >>> from faltung.networks import ConvClassifier
    >>> judge = ConvClassifier(sample_shape=(1, 28, 28), classes=10, channels=(4, 12))
    >>> values, predicted = features(judge, load_embedded().validation)
    >>> values.shape, predicted.shape
    ((250, 12), (250,))
    """
    last = getattr(judge, "classify", None)
    if not isinstance(last, nn.Linear) or last.out_features != len(data.class_names):
        expected = f"a classifier of {len(data.class_names)} classes whose last layer is `classify`"
        known = f" of {last.out_features}" if isinstance(last, nn.Linear) else ""
        raise ArgumentError("judge", expected, f"{type(judge).__name__}{known}", "Name another run folder.")
    inputs_seen: list[torch.Tensor] = []
    hook = last.register_forward_pre_hook(lambda layer, inputs: inputs_seen.append(inputs[0].float()))
    try:
        samples, _ = tensors(data)
        predicted = torch.cat([judge(batch).argmax(dim=1) for batch in torch.split(samples, _BATCH)])
    finally:
        hook.remove()
    return torch.cat(inputs_seen).numpy(), predicted.numpy()


def frechet_distance(first: NDArray[np.floating[Any]], second: NDArray[np.floating[Any]]) -> float:
    """Return the Fréchet distance between normal distributions with the means and covariances of two feature sets.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), a squared length.

    Parameters
    ----------
    first, second : array, shape (samples, features)
        At least two samples each.

    References
    ----------
    D. C. Dowson, B. V. Landau, "The Fréchet distance between multivariate normal distributions", Journal of
    Multivariate Analysis 12, 1982. M. Heusel, H. Ramsauer, T. Unterthiner, B. Nessler, S. Hochreiter, "GANs Trained
    by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", arXiv:1706.08500, 2017.

    Examples
    --------
    Means with the difference 3, and deviations 1 and 3:

    >>> round(frechet_distance(np.array([[-1.0], [0.0], [1.0]]), np.array([[0.0], [3.0], [6.0]])), 6)
    13.0
    """
    if min(len(first), len(second)) < 2:
        raise ArgumentError("samples", "at least two on each side", f"{len(first)} and {len(second)}")
    means = [values.astype(np.float64).mean(axis=0) for values in (first, second)]
    covariances = [np.atleast_2d(np.cov(values.astype(np.float64), rowvar=False)) for values in (first, second)]
    # C1 C2 has the eigenvalues of the symmetric R C2 R with R^2 = C1; rounding may make some of them negative.
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ covariances[1] @ root).clip(0)).sum()
    spread = float(np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * shared)
    return float(((means[0] - means[1]) ** 2).sum()) + max(0.0, spread)


def nearest(samples: NDArray[np.float32], training: NDArray[np.float32]) -> Nearest:
    """Return for each sample the training sample with the smallest Euclidean distance.

    Parameters
    ----------
    samples, training : float32 array, shape (samples, values)
        Both have the same number of values.

    Examples
    --------
    >>> training = np.array([[0, 0], [3, 4]], np.float32)
    >>> neighbours = nearest(np.array([[0, 1], [3, 4], [9, 4]], np.float32), training)
    >>> neighbours.distances, neighbours.indices
    (array([1., 0., 6.]), array([0, 1, 1]))
    """
    # Relative to the mean: products of large values would lose small differences to rounding.
    centre = torch.from_numpy(training).mean(dim=0)
    candidates = torch.from_numpy(training) - centre
    halves = 0.5 * candidates.square().sum(dim=1)
    distances, indices = [], []
    for block in torch.split(torch.from_numpy(samples) - centre, _BLOCK):
        # |a - b|^2 = |a|^2 + 2 (|b|^2 / 2 - ab), and |a|^2 is the same for all b.
        index = torch.addmm(halves, block, candidates.T, alpha=-1).argmin(dim=1)
        indices.append(index)
        # Computed again by the definition: a difference of sums is too inexact to give zero for a copy.
        distances.append((block - candidates[index]).double().square().sum(dim=1).sqrt())
    return Nearest(torch.cat(distances).numpy(), torch.cat(indices).numpy())


def _values(data: Dataset) -> NDArray[np.float32]:
    return tensors(data)[0].flatten(1).numpy()


def _median(neighbours: Nearest) -> float:
    return float(np.median(neighbours.distances))
