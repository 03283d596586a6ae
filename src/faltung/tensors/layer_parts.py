"""How is a part of a layer computed? In the way that its plan chose, unless samples are too far apart for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from faltung.ground.threads import chosen_count
from faltung.planning.layer import Layer
from faltung.planning.planned import Candidate
from faltung.tensors.dtypes import computed
from faltung.tensors.finite import SPREAD, WIDE_SPREAD, hidden, spread
from faltung.tensors.torch_threads import on_threads
from faltung.tensors.ways.spectral import tile_lengths
from faltung.tensors.ways.way import WAYS

__all__ = ["computed_part"]


def computed_part(
    layer: Layer, part: str, candidates: Sequence[Candidate], tensors: tuple[Any, ...], workers: int = 0
) -> torch.Tensor:
    """Compute a part of a layer by the first of its candidates, on `workers` threads if that is not 0."""
    if not layer.multiply_adds:
        return _empty_sums(layer, part, tensors)
    method = candidates[0].method
    if method == "fourier":
        method, number = _suited(layer, part, candidates, tensors)
        tensors = tuple(None if tensor is None else tensor.to(number) for tensor in tensors)
    compute = getattr(WAYS[method], part)
    count = chosen_count(workers or None)
    if count is None:
        result: torch.Tensor = compute(layer, *tensors)
    else:
        with on_threads(count):
            result = compute(layer, *tensors)
    # Machine code multiplies values that are not finite with the zeros around a tile, and so spreads them to the
    # gradients of taps that never touch them. A sum is quickly computed, and finite only if all values are.
    if method == "direct" and part == "taps" and not math.isfinite(result.sum().item()):
        wide = (tensor.to(result.dtype) for tensor in tensors)
        result = WAYS["torch"].taps(layer, *wide)
    return result


def _suited(
    layer: Layer, part: str, candidates: Sequence[Candidate], tensors: tuple[Any, ...]
) -> tuple[str, torch.dtype]:
    """Return the way and the number for a part that is planned by Fourier transforms.

    Their errors are in proportion to the largest sample of a tile. So where samples are far apart, the transforms are
    in double precision, or sums over taps take their place.
    """
    number = computed(tensors[0].dtype)
    if hidden(tensors[0]):
        return "fourier", number
    most = _spread(layer, part, tensors, number)
    if most <= SPREAD:
        return "fourier", number
    if most <= WIDE_SPREAD and number == torch.float32:
        return "fourier", torch.float64
    if most < math.inf:
        sums = (one.method for one in candidates if one.method != "fourier" and one.seconds < math.inf)
        return next(sums), number
    return "torch", number


def _spread(layer: Layer, part: str, tensors: tuple[Any, ...], number: torch.dtype) -> float:
    """Return how far apart samples are, and gradients too where sums of products of both are computed.

    A transform by itself adds up all samples, however small the taps are that it is multiplied by.
    """
    sizes = [axis.dilation * (axis.size - 1) + 1 for axis in layer.axes]
    points = math.prod(tile_lengths(axis)[0] for axis in layer.axes) ** 2
    if part == "taps":
        x, g = tensors
        peak = torch.maximum(g.detach().amax(), -g.detach().amin()).to(number)
        gain = peak.clamp(min=1.0) * (points * layer.images * layer.outputs)
        return max(spread(x, sizes, gain), spread(g, layer.taps_shape[2:], torch.full_like(peak, points)))
    magnitudes = tensors[1].detach().to(number).abs().flatten(1).sum(1)
    return spread(tensors[0], sizes, magnitudes.amax().clamp(min=1.0) * points)


def _empty_sums(layer: Layer, part: str, tensors: tuple[Any, ...]) -> torch.Tensor:
    """Return the result where there are no products to add up: zeros, or the bias."""
    shape = {"correlate": layer.target_shape, "adjoint": layer.source_shape, "taps": layer.taps_shape}[part]
    result: torch.Tensor = tensors[0].new_zeros(shape)
    if part == "correlate" and tensors[2] is not None:
        result = result + tensors[2].reshape(-1, *[1] * len(layer.axes))
    return result
