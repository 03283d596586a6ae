"""How much can a convolution enlarge an input? Its spectral norm, as an operator, not that of the weights."""

from __future__ import annotations

import math

import numpy as np
import torch

__all__ = ["convolution_norm"]

#: Power iterations at every frequency, and the frequencies at which the largest singular value is then exact.
_STEPS, _EXACT = 10, 8


def convolution_norm(
    weight: torch.Tensor,
    size: tuple[int, ...],
    stride: tuple[int, ...] = (),
    dilation: tuple[int, ...] = (),
    groups: int = 1,
    transposed: bool = False,
) -> float:
    r"""Return the largest factor by which a layer with circular borders can change the norm of its input.

    For circular borders, a convolution is a matrix (channels out, channels in) at each frequency, and its norm is the
    largest singular value of these. A stride folds frequencies onto each other; the matrices of all that fall
    together are side by side. The norm of a transposed layer is that of the layer.

    Parameters
    ----------
    weight : torch.Tensor, shape (channels out, channels in of a group, \*spatial)
        The taps; of a transposed layer, as torch has them.
    size : tuple of int
        Length of the input along each spatial axis; of a transposed layer, that of the output. It is made a multiple
        of the stride.
    stride, dilation : tuple of int, optional
        For each spatial axis.
    groups : int, optional
        Number of groups of channels.
    transposed : bool, optional
        Whether the layer is the transposed one.

    Returns
    -------
    float
        The norm: exact for circular borders and this size, and near it for other borders.

    References
    ----------
    H. Sedghi, V. Gupta, P. M. Long, "The singular values of convolutional layers", ICLR 2019.

    Examples
    --------
    >>> round(convolution_norm(torch.ones(1, 1, 3), (16,)), 6)
    3.0
    >>> round(convolution_norm(torch.tensor([[[1.0, -1.0]]]), (16,)), 6)
    2.0
    """
    axes = weight.ndim - 2
    stride, dilation = stride or (1,) * axes, dilation or (1,) * axes
    sizes = (1,) * axes if {*weight.shape[2:]} == {1} else size  # one tap is the same matrix at every frequency
    lengths = tuple(-(-length // step) * step for length, step in zip(sizes, stride, strict=True))
    circle = _folded(weight.detach().double().cpu(), lengths, dilation)
    matrices = _matrices(circle.reshape(groups, -1, *circle.shape[1:]), stride)
    largest = matrices[_largest(matrices)]
    gram = largest @ largest.mH if largest.shape[1] <= largest.shape[2] else largest.mH @ largest
    return math.sqrt(max(float(torch.linalg.eigvalsh(gram)[:, -1].max()), 0.0))


def _folded(weight: torch.Tensor, lengths: tuple[int, ...], dilation: tuple[int, ...]) -> torch.Tensor:
    """Return the taps on the whole circle; those beyond its length come round again."""
    circle = torch.zeros(*weight.shape[:2], *lengths, dtype=torch.float64)
    for index in np.ndindex(*weight.shape[2:]):
        place = [at * gap % length for at, gap, length in zip(index, dilation, lengths, strict=True)]
        circle[(..., *place)] += weight[(..., *index)]
    return circle


def _matrices(circle: torch.Tensor, stride: tuple[int, ...]) -> torch.Tensor:
    """Return the matrix of each group at each frequency of the output; of two frequencies k and -k one is enough."""
    lengths = circle.shape[3:]
    spectrum = torch.fft.fftn(circle, dim=tuple(range(3, circle.ndim)))
    # Frequencies k + j * length / stride fall together: split each axis into (stride, length / stride).
    kept_lengths = [length // step for length, step in zip(lengths, stride, strict=True)]
    split = [part for step, length in zip(stride, kept_lengths, strict=True) for part in (step, length)]
    spectrum = spectrum.reshape(*circle.shape[:3], *split)
    folded, kept = [3 + 2 * axis for axis in range(len(lengths))], [4 + 2 * axis for axis in range(len(lengths))]
    matrices = spectrum.permute(0, *kept, 1, 2, *folded) / math.sqrt(math.prod(stride))
    matrices = matrices.reshape(circle.shape[0], math.prod(kept_lengths), circle.shape[1], -1)
    half: torch.Tensor = matrices[:, _one_of_each_pair(kept_lengths)].flatten(0, 1)
    return half


def _one_of_each_pair(lengths: list[int]) -> torch.Tensor:
    """Return the frequencies of which no other one is the negative and comes before."""
    number = torch.arange(math.prod(lengths)).reshape(lengths)
    negative = number
    for axis in range(len(lengths)):
        negative = negative.flip(axis).roll(1, axis)
    return number[number <= negative]


def _largest(matrices: torch.Tensor) -> torch.Tensor:
    """Return the indices of matrices whose norms are largest, as far as a few power iterations tell."""
    if len(matrices) <= _EXACT:
        return torch.arange(len(matrices))
    generator = torch.Generator().manual_seed(0)
    rough = matrices.to(torch.complex64)
    vector = torch.randn(rough.shape[-1], generator=generator).to(rough.dtype)
    vectors = vector.expand(len(rough), -1)[..., None]
    adjoint = rough.mH
    for _ in range(_STEPS):
        vectors = adjoint @ (rough @ vectors)
        vectors = vectors / torch.linalg.vector_norm(vectors, dim=1, keepdim=True).clamp_min(1e-30)
    found: torch.Tensor = torch.linalg.vector_norm(rough @ vectors, dim=(1, 2)).topk(_EXACT).indices
    return found
