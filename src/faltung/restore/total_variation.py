"""How much does an image bend along its contours? The derivative of its total variation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from faltung.ground.arrays import is_tensor

__all__ = ["curvature", "joined", "part"]


def curvature(u: Any, axes: Sequence[int], least: float) -> Any:
    r"""Return :math:`\mathrm{div}(\nabla u / |\nabla u|)`, the negative derivative of the total variation.

    Parameters
    ----------
    u : ndarray or torch.Tensor
        The image.
    axes : sequence of int
        Its axes; others are a batch.
    least : float
        Added to the length of the gradient in squares: at much smaller gradients, the derivative is smooth.

    Notes
    -----
    Differences are forward ones, zero at the last sample, and the divergence is the negative of their transpose. So
    no value is larger than twice the number of axes, and they add up to zero.

    Examples
    --------
    >>> curvature(np.array([0.0, 0.0, 1.0, 1.0]), [0], 1e-6).round(3)
    array([ 0.,  1., -1.,  0.])
    """
    steps = [_differences(u, axis) for axis in axes]
    length = sum(step * step for step in steps) + least * least
    length = length**0.5
    result = 0
    for axis, step in zip(axes, steps, strict=True):
        result = result + _divergence(step / length, axis)
    return result


def part(u: Any, axis: int, which: slice) -> Any:
    """Return a part of an array along an axis."""
    return u[(slice(None),) * axis + (which,)]


def _differences(u: Any, axis: int) -> Any:
    """Return u[n + 1] - u[n], with 0 at the last sample."""
    inside = part(u, axis, slice(1, None)) - part(u, axis, slice(-1))
    return joined([inside, part(u, axis, slice(-1, None)) * 0], axis)


def _divergence(flux: Any, axis: int) -> Any:
    """Return flux[n] - flux[n - 1], with 0 before the first sample."""
    return joined([part(flux, axis, slice(1)), part(flux, axis, slice(1, None)) - part(flux, axis, slice(-1))], axis)


def joined(parts: list[Any], axis: int) -> Any:
    """Return arrays, or tensors, one after the other along an axis."""
    if is_tensor(parts[0]):
        import torch  # there is a tensor, so it is loaded

        return torch.cat(parts, axis)
    return np.concatenate(parts, axis)
