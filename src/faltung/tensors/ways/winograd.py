"""A layer of 3 x 3 kernels by Winograd's tiles: machine code for the CPU that multiplies less.

Where samples are far apart or not finite, the machine code for sums over taps takes their place (see
`faltung.run.tiled_layer`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from faltung.planning.layer import Layer
from faltung.planning.tile_choice import refusal as no_tiles
from faltung.planning.tile_choice import tile_for
from faltung.run.tiled_layer import correlate_in_tiles
from faltung.tensors.dtypes import computed, numpy_dtype
from faltung.tensors.memory_order import is_channels_last
from faltung.tensors.torch_threads import beside_torch, thread_count
from faltung.tensors.ways import machine_code
from faltung.tensors.ways.adjoint_layer import adjoint_by

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["adjoint", "correlate", "refusal", "taps"]


def refusal(layer: Layer, part: str, device: torch.device, dtype: torch.dtype) -> str:
    """Return why this cannot compute a part of a layer, or an empty string if it can."""
    reason = machine_code.refusal(layer, part, device, dtype)
    if not reason and part == "taps":
        reason = "gradients of taps have no tiles"
    return reason or no_tiles(layer, numpy_dtype(computed(dtype)))


def correlate(layer: Layer, x: torch.Tensor, w: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Correlate with a bank of taps."""
    kind = computed(x.dtype)
    samples = x.detach().to(kind).resolve_neg()
    y = machine_code.empty(layer.target_shape, kind)
    if is_channels_last(samples):
        images, channels, *spatial = layer.target_shape
        y = machine_code.empty((images, *spatial, channels), kind).movedim(-1, 1)
    within = correlate_in_tiles(
        layer,
        samples.numpy(),
        w.detach().to(kind).resolve_neg().numpy(),
        None if bias is None else bias.detach().to(kind).resolve_neg().numpy(),
        y.numpy(),
        tile_for(layer, numpy_dtype(kind)),
        thread_count(),
        beside_torch,
        lambda: _largest(layer, samples),
    )
    return y if within else machine_code.correlate(layer, x, w, bias)


def adjoint(layer: Layer, g: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Return the gradient with respect to the samples."""
    return adjoint_by(correlate, layer, g, w.detach())


def taps(layer: Layer, x: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """Refuse the gradient with respect to the taps, which `refusal` says before."""
    raise NotImplementedError("gradients of taps have no tiles")


def _largest(layer: Layer, x: torch.Tensor) -> NDArray[Any]:
    """Return what `faltung.run.tiled_layer.largest_of` does, on torch's threads."""
    by_group = x.reshape(layer.images, layer.groups, layer.ins, *x.shape[2:])
    largest: NDArray[Any] = torch.maximum(by_group.amax(2), -by_group.amin(2)).numpy()
    return largest
