"""What can be read from the activations of a layer? The accuracy of the best linear classifier of them.

A linear probe of features X predicts the one-hot labels Y by ridge regression,

    W = argmin |X W - Y|^2 + r |W|^2 = (X^T X + r I)^-1 X^T Y,

which has no learning rate and no random numbers, so that layers differ by their activations alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch.nn import functional

__all__ = ["linear_probe", "probe_features"]

_FEATURES = 512
_AVERAGES: dict[int, Callable[..., torch.Tensor]] = {
    1: functional.adaptive_avg_pool1d,
    2: functional.adaptive_avg_pool2d,
    3: functional.adaptive_avg_pool3d,
}
_RIDGES = torch.logspace(-6, 2, 17, dtype=torch.float64)  # in units of the mean eigenvalue of X^T X


def probe_features(activations: torch.Tensor) -> torch.Tensor:
    """Return activations as one vector of at most 512 features for each sample, averaged over neighbours.

    Every layer keeps as many positions along each axis as give at most 512 features. So the probes of all layers have
    about the same size, and a probe is not better because it is larger.

    Parameters
    ----------
    activations : tensor, shape (samples, channels, *spatial) or (samples, features)
        Features without spatial axes are kept. More than 512 channels give one feature each.

    Returns
    -------
    tensor, shape (samples, features)

    Examples
    --------
    >>> probe_features(torch.zeros(5, 32, 14, 14)).shape
    torch.Size([5, 512])
    >>> probe_features(torch.zeros(5, 1, 20)).shape
    torch.Size([5, 20])
    """
    axes = activations.ndim - 2
    if axes == 0:
        return activations
    positions = max(1, math.floor((_FEATURES / activations.shape[1]) ** (1 / axes) + 1e-9))
    return _AVERAGES[axes](activations, [min(positions, size) for size in activations.shape[2:]]).flatten(1)


def linear_probe(
    features: torch.Tensor, labels: torch.Tensor, test_features: torch.Tensor, test_labels: torch.Tensor
) -> float:
    """Fit a linear classifier to features by ridge regression; return its accuracy on test features.

    Features are centred and scaled to variance one. Of 17 ridges, the one with the smallest generalised
    cross-validation score on the training features is used, n |X W - Y|^2 / (n - degrees of freedom)^2.

    Parameters
    ----------
    features, test_features : tensor, shape (samples, features)
    labels, test_labels : int64 tensor, shape (samples,)

    References
    ----------
    G. Alain, Y. Bengio, "Understanding intermediate layers using linear classifier probes", arXiv:1610.01644, 2016.
    G. H. Golub, M. Heath, G. Wahba, "Generalized cross-validation as a method for choosing a good ridge parameter",
    Technometrics 21, 1979.

    Examples
    --------
    >>> features = torch.tensor([[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]])
    >>> linear_probe(features, (features[:, 0] > 2).long(), torch.tensor([[1.0], [9.0]]), torch.tensor([0, 0]))
    0.5
    """
    # What overflowed says nothing, as a constant does.
    features, test_features = (values.double().nan_to_num(0.0, 0.0, 0.0) for values in (features, test_features))
    mean, deviation = features.mean(0), features.std(0, correction=0)
    scale = torch.where(deviation > 1e-6 * deviation.max(), deviation, torch.inf)  # constant features are ignored
    inputs, tests = ((values - mean) / scale for values in (features, test_features))
    targets = functional.one_hot(labels).double()
    shares = targets.mean(0)
    predicted = tests @ _ridge(inputs, targets - shares) + shares
    return (predicted.argmax(1) == test_labels).double().mean().item()


def _ridge(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    # In the basis of the eigenvectors of X^T X, the solution for each ridge is a division.
    eigenvalues, vectors = torch.linalg.eigh(inputs.T @ inputs)
    eigenvalues = eigenvalues.clamp(min=0)
    products = vectors.T @ (inputs.T @ targets)
    ridges = _RIDGES * eigenvalues.mean().clamp(min=1e-30)  # the mean is zero if all features are constant
    damped = eigenvalues + ridges[:, None]
    explained = ((damped + ridges[:, None]) / damped**2) @ products.square().sum(1)
    freedom = len(inputs) - 1 - (eigenvalues / damped).sum(1)
    scores = (targets.square().sum() - explained) / freedom.square()
    weights: torch.Tensor = vectors @ (products / damped[scores.argmin()][:, None])
    return weights
