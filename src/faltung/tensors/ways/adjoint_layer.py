"""How is the adjoint of a layer computed by a correlation? With reversed taps, channels in and out exchanged.

outputs     y[n] = sum over j of w[j] x[n + j]        gradient of the samples     h[m] = sum over j of w[j] g[m - j]
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from faltung.planning.layer import Layer
from faltung.tensors.extension import fold

__all__ = ["adjoint_by", "folded"]

Correlate = Callable[[Layer, torch.Tensor, torch.Tensor, None], torch.Tensor]


def adjoint_by(correlate: Correlate, layer: Layer, g: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Return the gradient with respect to the samples of a layer with unit strides.

    Parameters
    ----------
    correlate : callable
        The function of that name of a way.
    layer : Layer
        The layer in the forward direction.
    g : Tensor
        The gradient with respect to the outputs.
    w : Tensor
        The taps of the layer.
    """
    by_group = w.reshape(layer.groups, layer.outs, layer.ins, *w.shape[2:])
    reversed_ = by_group.transpose(1, 2).flip([*range(3, w.ndim + 1)])
    across = layer.adjoint
    return folded(layer, correlate(across, g, reversed_.reshape(across.taps_shape), None))


def folded(layer: Layer, extended: torch.Tensor) -> torch.Tensor:
    """Return the gradient, given that for all samples that a tap reads, those beyond the border too."""
    low = [axis.start + layer.margin(axis)[0] for axis in layer.axes]
    return fold(extended, low, layer.source_shape[2:], layer.modes)
