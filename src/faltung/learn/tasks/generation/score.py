"""How good is a generator? Its samples are held beside test samples, and test samples beside training samples.

The protocol, for which docs/scoring.md gives the reasons: one sample is generated for each test sample, of the same
class, and both are looked at through a judge, a classifier that saw the training samples only.
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
from faltung.learn.batches import tensors

__all__ = ["MOST", "Nearest", "Protocol", "Score", "features", "frechet_distance", "nearest"]

MOST = 10_000
"""Test samples that are looked at, at most."""

_BATCH = 500  # samples that the judge sees at a time
_BLOCK = 256  # samples whose distances to all training samples are held at a time


@dataclass(frozen=True)
class Score:
    """What the protocol found, and what it finds of real samples.

    Parameters
    ----------
    samples : int
        Number of generated samples, and of test samples.
    label_accuracy, test_label_accuracy : float
        Share of the generated samples in which the judge sees the class that was asked for; of the test samples, in
        which it sees their class.
    frechet, frechet_floor : float
        Fréchet distance of the judge's features between generated and test samples; between as many training samples
        and the test samples, which no generator is expected to fall below.
    nearest, test_nearest : float
        Median distance of a generated sample to the training sample nearest to it; of a test sample. Root of the sum
        of squared differences, intensities counted from 0 to 1.
    nearest_features, test_nearest_features : float
        The same between the judge's features.

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
    """For each of some samples the training sample nearest to it.

    Parameters
    ----------
    distances : float64 array, shape (samples,)
        To that training sample.
    indices : int64 array, shape (samples,)
        Which it is; the first of several.

    Examples
    --------
    See `nearest`.
    """

    distances: NDArray[np.float64]
    indices: NDArray[np.int64]


class Protocol:
    """Scores generated samples; what concerns real samples only is computed once, when it is made.

    Parameters
    ----------
    judge : torch.nn.Module
        A classifier of the same classes whose last layer is `classify`.
    split : Split
        Test samples to compare with; training samples to be near to, which the judge learned from.

    Attributes
    ----------
    labels : int64 array
        The classes for which samples are to be generated.

    Raises
    ------
    ArgumentError
        If the judge cannot tell the features that it decides by.

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
        # Spread over the whole part, which may be sorted by class.
        chosen = np.linspace(0, len(split.test) - 1, min(MOST, len(split.test))).astype(np.int64)
        test = split.test.subset(chosen)
        self.labels: NDArray[np.int64] = test.labels.astype(np.int64)
        self._training = _values(split.training)
        self._training_features, _ = features(judge, split.training)
        self._test_features, said = features(judge, test)
        self._test_accuracy = float((said == self.labels).mean())
        self._test_nearest = _median(nearest(_values(test), self._training))
        self._test_nearest_features = _median(nearest(self._test_features, self._training_features))
        self._floor = frechet_distance(self._training_features[self._alike()], self._test_features)

    def __call__(self, samples: NDArray[Any]) -> Score:
        """Score samples that were generated for `labels`.

        Raises
        ------
        ArgumentError
            If there is not one for each label.
        """
        if samples.shape != (expected := (len(self.labels), *self._split.training.sample_shape)):
            raise ArgumentError("samples", f"shape {expected}", f"shape {samples.shape}")
        generated = Dataset(samples, self.labels, self._split.class_names)
        found, said = features(self._judge, generated)
        return Score(
            len(samples),
            float((said == self.labels).mean()),
            self._test_accuracy,
            frechet_distance(found, self._test_features),
            self._floor,
            _median(self.nearest(samples)),
            self._test_nearest,
            _median(nearest(found, self._training_features)),
            self._test_nearest_features,
        )

    def nearest(self, samples: NDArray[Any]) -> Nearest:
        """Return the nearest training samples of generated ones."""
        return nearest(_values(Dataset(samples, np.zeros(len(samples), np.int64), ("",))), self._training)

    def _alike(self) -> NDArray[np.int64]:
        """Return training samples of the classes of `labels`, as many of each, if there are."""
        labels = self._split.training.labels
        chosen = []
        for label, count in zip(*np.unique(self.labels, return_counts=True), strict=True):
            of_class = np.flatnonzero(labels == label)
            chosen.append(of_class[np.linspace(0, len(of_class) - 1, min(count, len(of_class))).astype(np.int64)])
        return np.concatenate(chosen)


@torch.no_grad()
def features(judge: nn.Module, data: Dataset) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return what a classifier decides by, the inputs of its last layer, and what it decides.

    Parameters
    ----------
    judge : torch.nn.Module
        In evaluation mode; its last layer is `classify`.
    data : Dataset
        What it looks at.

    Returns
    -------
    features : array, shape (samples, features)
    labels : array, shape (samples,)

    Raises
    ------
    ArgumentError
        If there is no such layer.

    Examples
    --------
    >>> from faltung.datasets.embedded import load_embedded
    >>> from faltung.networks import ConvClassifier
    >>> judge = ConvClassifier(sample_shape=(1, 28, 28), classes=10, channels=(4, 12))
    >>> found, said = features(judge, load_embedded().validation)
    >>> found.shape, said.shape
    ((250, 12), (250,))
    """
    last = getattr(judge, "classify", None)
    if not isinstance(last, nn.Linear) or last.out_features != len(data.class_names):
        expected = f"a classifier of {len(data.class_names)} classes whose last layer is `classify`"
        known = f" of {last.out_features}" if isinstance(last, nn.Linear) else ""
        raise ArgumentError("judge", expected, f"{type(judge).__name__}{known}", "Name another run folder.")
    seen: list[torch.Tensor] = []
    hook = last.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0].float()))
    try:
        samples, _ = tensors(data)
        said = torch.cat([judge(batch).argmax(dim=1) for batch in torch.split(samples, _BATCH)])
    finally:
        hook.remove()
    return torch.cat(seen).numpy(), said.numpy()


def frechet_distance(first: NDArray[np.floating[Any]], second: NDArray[np.floating[Any]]) -> float:
    """Return the Fréchet distance of the normal distributions with the means and covariances of two sets of features.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), a squared length.

    Parameters
    ----------
    first, second : array, shape (samples, features)
        Two or more samples each.

    References
    ----------
    D. C. Dowson, B. V. Landau, "The Fréchet distance between multivariate normal distributions", Journal of
    Multivariate Analysis 12, 1982. M. Heusel, H. Ramsauer, T. Unterthiner, B. Nessler, S. Hochreiter, "GANs Trained
    by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", arXiv:1706.08500, 2017.

    Examples
    --------
    Means that are 3 apart, and deviations 1 and 3:

    >>> round(frechet_distance(np.array([[-1.0], [0.0], [1.0]]), np.array([[0.0], [3.0], [6.0]])), 6)
    13.0
    """
    if min(len(first), len(second)) < 2:
        raise ArgumentError("samples", "at least two on each side", f"{len(first)} and {len(second)}")
    means = [each.astype(np.float64).mean(axis=0) for each in (first, second)]
    covariances = [np.atleast_2d(np.cov(each.astype(np.float64), rowvar=False)) for each in (first, second)]
    # C1 C2 has the eigenvalues of the symmetric R C2 R with R^2 = C1; rounding may leave some below zero.
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ covariances[1] @ root).clip(0)).sum()
    spread = float(np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * shared)
    return float(((means[0] - means[1]) ** 2).sum()) + max(0.0, spread)


def nearest(samples: NDArray[np.float32], training: NDArray[np.float32]) -> Nearest:
    """Find for each sample the training sample at the least Euclidean distance.

    Parameters
    ----------
    samples, training : float32 array, shape (samples, values)
        The same values in both.

    Examples
    --------
    >>> training = np.array([[0, 0], [3, 4]], np.float32)
    >>> found = nearest(np.array([[0, 1], [3, 4], [9, 4]], np.float32), training)
    >>> found.distances, found.indices
    (array([1., 0., 6.]), array([0, 1, 1]))
    """
    # Around their mean, since products of values far from zero would drown the differences.
    centre = torch.from_numpy(training).mean(dim=0)
    candidates = torch.from_numpy(training) - centre
    halves = 0.5 * candidates.square().sum(dim=1)
    distances, indices = [], []
    for block in torch.split(torch.from_numpy(samples) - centre, _BLOCK):
        # |a - b|^2 = |a|^2 + 2 (|b|^2 / 2 - ab), and |a|^2 is the same for all b.
        index = torch.addmm(halves, block, candidates.T, alpha=-1).argmin(dim=1)
        indices.append(index)
        # Once more as it is defined: a difference of sums would not tell a copy from its original.
        distances.append((block - candidates[index]).double().square().sum(dim=1).sqrt())
    return Nearest(torch.cat(distances).numpy(), torch.cat(indices).numpy())


def _values(data: Dataset) -> NDArray[np.float32]:
    return tensors(data)[0].flatten(1).numpy()


def _median(found: Nearest) -> float:
    return float(np.median(found.distances))
