"""What is a way to compute a layer on tensors? The contract that modules of this folder keep, and a table of them.

To add a way, write a module with the functions of `Way`, add it to `WAYS`, and add its cost to
`faltung.tensors.layer_cost`.
"""

from __future__ import annotations

from typing import Protocol

import torch

from faltung.planning.layer import Layer
from faltung.tensors.ways import machine_code, spectral, torch_kernels, triton_kernels, winograd

__all__ = ["PARTS", "WAYS", "Way"]


class Way(Protocol):
    """The functions of a module that computes layers.

    A layer correlates samples x of shape (images, channels in, *spatial) with taps w of shape (channels out, channels
    in of a group, *spatial). Its parts are this map and its two gradients. Tensors have the shapes of the layer, one
    dtype, one device and any strides. Results may have a wider dtype and other strides; the caller converts them.
    """

    def refusal(self, layer: Layer, part: str, device: torch.device, dtype: torch.dtype) -> str:
        """Return why a part of a layer cannot be computed in this way, or an empty string if it can.

        The functions below are called only for what is not refused.
        """

    def correlate(self, layer: Layer, x: torch.Tensor, w: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """Return the outputs, of shape `Layer.target_shape`; `bias` has a number for each channel out."""

    def adjoint(self, layer: Layer, g: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """Map the gradient of the outputs to that of the samples, of shape `Layer.source_shape`."""

    def taps(self, layer: Layer, x: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        """Map samples and the gradient of the outputs to that of the taps, of shape `Layer.taps_shape`."""


#: The ways, by the names that ``method=`` calls them, in the order in which they are considered.
WAYS: dict[str, Way] = {
    "direct": machine_code,
    "winograd": winograd,
    "triton": triton_kernels,
    "torch": torch_kernels,
    "fourier": spectral,
}
#: The functions that compute parts of a layer: its outputs, and the gradients with respect to samples and taps.
PARTS = ("correlate", "adjoint", "taps")
