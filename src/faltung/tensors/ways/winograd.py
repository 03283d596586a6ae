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
from faltung.run.kept_taps import PlacedTaps, taps_of
from faltung.run.tiled_layer import are_within
from faltung.run.winograd_run import in_place, winograd_code
from faltung.tensors.dtypes import computed, numpy_dtype
from faltung.tensors.memory_order import is_channels_last
from faltung.tensors.torch_threads import beside_torch, thread_count
from faltung.tensors.ways import machine_code
from faltung.tensors.ways.adjoint_layer import folded
from faltung.tensors.ways.machine_code import memory_layout_of

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
    weight = _ready(w, x.dtype)
    strides = tuple([step * weight.element_size() for step in weight.stride()])
    y = _in_tiles(layer, x, PlacedTaps(weight.data_ptr(), strides, weight.detach().numpy, _version(w)), bias)
    return machine_code.correlate(layer, x, w, bias) if y is None else y


def adjoint(layer: Layer, g: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Return the gradient with respect to the samples."""
    across = layer.adjoint
    by_group = _ready(w, g.dtype).detach().numpy().reshape(layer.groups, layer.outs, layer.ins, 3, 3)
    # A view, so that taps which were transformed are found again where they are.
    reversed_ = by_group.swapaxes(1, 2)[..., ::-1, ::-1].reshape(across.taps_shape)
    extended = _in_tiles(across, g, taps_of(reversed_, _version(w)), None)
    return machine_code.adjoint(layer, g, w) if extended is None else folded(layer, extended)


def _ready(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return a tensor whose memory holds its numbers, in the dtype that tensors of this one are computed in."""
    kind = computed(dtype)
    return tensor if tensor.dtype == kind and not tensor.is_neg() else tensor.detach().to(kind).resolve_neg()


def _version(w: torch.Tensor) -> int:
    """Return a number that changes whenever torch's functions change a tensor, as a step of training does."""
    return 0 if w.is_inference() else w._version


def _in_tiles(layer: Layer, x: torch.Tensor, taps: PlacedTaps, bias: torch.Tensor | None) -> torch.Tensor | None:
    """Correlate in tiles; return None if samples are too far apart for them."""
    samples = _ready(x, x.dtype)
    if not in_place(samples.shape, samples.stride(), 1):
        samples = samples.contiguous()
    y = machine_code.empty(layer.target_shape, samples.dtype, is_channels_last(samples))
    number = numpy_dtype(samples.dtype)
    tile = tile_for(layer, number)
    code = winograd_code(layer, memory_layout_of(samples), memory_layout_of(y), tile, thread_count())
    numbers = None if bias is None else _ready(bias, x.dtype).contiguous()
    found = code(samples.data_ptr(), y.data_ptr(), taps, 0 if numbers is None else numbers.data_ptr(), beside_torch)

    def outputs() -> tuple[NDArray[Any], NDArray[Any] | None]:
        return y.numpy(), None if numbers is None else numbers.detach().numpy()

    return y if are_within(layer, found, tile, lambda: _largest(layer, samples.detach()), outputs) else None


def taps(layer: Layer, x: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """Refuse the gradient with respect to the taps, which `refusal` says before."""
    raise NotImplementedError("gradients of taps have no tiles")


def _largest(layer: Layer, x: torch.Tensor) -> NDArray[Any]:
    """Return what `faltung.run.tiled_layer.largest_of` does, on torch's threads."""
    by_group = x.reshape(layer.images, layer.groups, layer.ins, *x.shape[2:])
    largest: NDArray[Any] = torch.maximum(by_group.amax(2), -by_group.amin(2)).numpy()
    return largest
