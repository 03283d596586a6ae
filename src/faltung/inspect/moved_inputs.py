"""What becomes of an output when its input moves? Equivariance, measured on one layer or on a whole network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

__all__ = ["Moves", "equivariance_error", "moved", "window_moved"]


class Moves(NamedTuple):
    """How far an output differs from the output that has moved with the input.

    Parameters
    ----------
    whole : float
        For a shift by the stride of the layer, where the outputs move by one position: the root of the mean squared
        difference over that of the output.
    inside : float
        The same, without the positions near the border.
    single : float
        For a shift by one sample, where the outputs move by a part of a position.
    """

    whole: float
    inside: float
    single: float


def moved(x: torch.Tensor, shift: Sequence[float], axes: Sequence[int]) -> torch.Tensor:
    """Return a tensor that has moved in a circle: by whole positions, or by parts of them through its spectrum.

    Examples
    --------
    >>> moved(torch.tensor([1.0, 2, 3, 4]), [1], [0])
    tensor([4., 1., 2., 3.])
    """
    if all(float(each).is_integer() for each in shift):
        return torch.roll(x, [int(each) for each in shift], [*axes])
    spectrum = torch.fft.fftn(x.double(), dim=[*axes])
    for amount, axis in zip(shift, axes, strict=True):
        frequency = torch.fft.fftfreq(x.shape[axis], dtype=torch.float64, device=x.device)
        shape = [1] * x.ndim
        shape[axis] = -1
        spectrum = spectrum * torch.exp(-2j * torch.pi * amount * frequency).reshape(shape)
    result: torch.Tensor = torch.fft.ifftn(spectrum, dim=[*axes]).real.to(x.dtype)
    return result


def window_moved(x: torch.Tensor, shift: Sequence[int], axes: Sequence[int]) -> torch.Tensor:
    """Return what a window of the same size shows that has moved: beyond the border, the samples are mirrored.

    Examples
    --------
    >>> window_moved(torch.tensor([1.0, 2, 3, 4]), [1], [0])
    tensor([2., 1., 2., 3.])
    """
    for amount, axis in zip(shift, axes, strict=True):
        length = x.shape[axis]
        period = max(2 * (length - 1), 1)
        places = (torch.arange(length) - amount) % period
        x = x.index_select(axis, torch.where(places < length, places, period - places).to(x.device))
    return x


def equivariance_error(
    wanted: torch.Tensor, found: torch.Tensor, axes: Sequence[int], margin: Sequence[int]
) -> float:
    """Return the root of the mean squared difference over that of `wanted`, without a margin along the border.

    Examples
    --------
    >>> equivariance_error(torch.ones(4), torch.tensor([3.0, 1, 1, 3]), [0], [1])
    0.0
    """
    for axis, width in zip(axes, margin, strict=True):
        length = wanted.shape[axis] - 2 * width
        if length <= 0:
            return float("nan")
        wanted, found = wanted.narrow(axis, width, length), found.narrow(axis, width, length)
    scale = wanted.double().square().mean().sqrt()
    gap = (wanted.double() - found.double()).square().mean().sqrt()
    return float(gap / scale) if scale > 0 else float(gap)
