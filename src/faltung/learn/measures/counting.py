"""What does a network cost? Its parameters, and the multiply-adds of one input."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from faltung.errors import ArgumentTypeError
from faltung.ground.notebook import html_table
from faltung.inspect.capture import capture
from faltung.inspect.examples import Example
from faltung.inspect.guarded import guarded
from faltung.inspect.layer_rows import layer_rows
from faltung.inspect.multiply_adds import multiply_adds, uncounted
from faltung.inspect.supports import needs_values

__all__ = ["LayerCost", "NetworkCost", "network_cost"]


@dataclass(frozen=True)
class LayerCost:
    """Cost of one layer that multiplies.

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
    """Count a network's parameters, and the multiply-adds of its layers for one input.

    A multiply-add counts once, not as two operations. Products with the zeros beyond the border count, because they
    are computed. Biases, normalisations, activations and pooling do not count. `faltung.inspect.card` tells more.

    Parameters
    ----------
    network : torch.nn.Module
        Is run once, on zeros, in evaluation mode.
    input_shape : tuple of int
        Shape of one input, without the batch axis.

    Raises
    ------
    ArgumentTypeError
        If the network runs an operation with weights whose multiply-adds are not known.

    Examples
    --------
    >>> cost = network_cost(nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Flatten(), nn.Linear(64, 10)), (1, 4, 4))
    >>> cost.parameters, [layer.multiply_adds for layer in cost.layers], cost.multiply_adds
    (690, [576, 640], 1216)
    """
    with guarded(network):
        captured = capture(network, Example((torch.zeros(1, *input_shape),)), needs_values)
    if unknown := uncounted(captured):
        expected = "layers whose multiply-adds are known"
        raise ArgumentTypeError("network", expected, f"the operation {unknown[0]}")
    layers = [LayerCost(row.name, row.kind, sum(map(multiply_adds, row.operations))) for row in layer_rows(captured)]
    counted = tuple(layer for layer in layers if layer.multiply_adds)
    return NetworkCost(sum(parameter.numel() for parameter in network.parameters()), counted)
