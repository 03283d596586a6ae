"""What does a network cost? Its parameters, and the multiply-adds of one input."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from faltung.errors import ArgumentTypeError
from faltung.ground.notebook import html_table
from faltung.layers import CONVOLUTIONS

__all__ = ["LayerCost", "NetworkCost", "network_cost"]

# One multiplication per sample, which inference folds into the layer before.
_NORMALISATIONS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True)
class LayerCost:
    """Cost of one convolutional or linear layer.

    Parameters
    ----------
    name : str
        Path of the layer in the network.
    kind : str
        Name of its class.
    multiply_adds : int
        Products of a weight and a sample, each with its addition, in one pass of one input.

    Examples
    --------
    >>> LayerCost("0", "Linear", 6).multiply_adds
    6
    """

    name: str
    kind: str
    multiply_adds: int


@dataclass(frozen=True)
class NetworkCost:
    """Cost of a network for one input.

    Parameters
    ----------
    parameters : int
        Number of trainable parameters.
    layers : tuple of LayerCost
        In the order in which they run; a layer that runs twice is listed twice.

    Examples
    --------
    >>> NetworkCost(8, (LayerCost("0", "Linear", 6),)).multiply_adds
    6
    """

    parameters: int
    layers: tuple[LayerCost, ...]

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of all layers together."""
        return sum(layer.multiply_adds for layer in self.layers)

    def _repr_html_(self) -> str:
        rows = [(layer.name or "(itself)", layer.kind, f"{layer.multiply_adds:,}") for layer in self.layers]
        caption = f"{self.parameters:,} parameters, {self.multiply_adds:,} multiply-adds for one input"
        return html_table(rows, ("layer", "kind", "multiply-adds"), caption)


def network_cost(network: nn.Module, input_shape: tuple[int, ...]) -> NetworkCost:
    """Count a network's parameters, and the multiply-adds of its convolutional and linear layers for one input.

    A convolutional layer needs (outputs) x (channels in / groups) x (taps) multiply-adds, a linear layer
    (inputs) x (outputs). A multiply-add counts once, not as two operations. Products with the zeros beyond the
    border count, because they are computed. Biases, normalisations, activations and pooling do not count.

    Parameters
    ----------
    network : torch.nn.Module
        Is run once, on zeros, in evaluation mode.
    input_shape : tuple of int
        Shape of one input, without the batch axis.

    Raises
    ------
    ArgumentTypeError
        If the network has a layer with parameters that this function cannot count.

    Examples
    --------
    >>> cost = network_cost(nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Flatten(), nn.Linear(64, 10)), (1, 4, 4))
    >>> cost.parameters, [layer.multiply_adds for layer in cost.layers], cost.multiply_adds
    (690, [576, 640], 1216)
    """
    layers: list[LayerCost] = []
    handles = []
    was_training = network.training
    network.eval()
    try:
        for name, module in network.named_modules():
            if _is_counted(module, name):
                handles.append(module.register_forward_hook(_counter(name, layers)))
        with torch.no_grad():
            network(torch.zeros(1, *input_shape))
    finally:
        for handle in handles:
            handle.remove()
        network.train(was_training)
    return NetworkCost(sum(p.numel() for p in network.parameters()), tuple(layers))


def _is_counted(module: nn.Module, name: str) -> bool:
    if isinstance(module, (*CONVOLUTIONS, nn.Linear)):
        return True
    if any(True for _ in module.parameters(recurse=False)) and not isinstance(module, _NORMALISATIONS):
        expected = "layers whose multiply-adds are known: convolutions, Linear, batch norms"
        raise ArgumentTypeError("network", expected, f"{type(module).__name__} at {name or 'its root'!r}")
    return False


def _counter(name: str, layers: list[LayerCost]) -> Callable[[nn.Module, tuple[torch.Tensor], torch.Tensor], None]:
    def count(module: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        if isinstance(module, nn.Linear):
            products_per_output = module.in_features
        else:
            assert isinstance(module, CONVOLUTIONS)
            products_per_output = module.in_channels // module.groups * math.prod(module.kernel_size)
        layers.append(LayerCost(name, type(module).__name__, output.numel() * products_per_output))

    return count
