"""In which precision is a network? Made double for the work on it, and put back as it was."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from faltung.errors import ArgumentError
from faltung.inspect.examples import Example
from faltung.inspect.simplification.comparing import outputs_of

__all__ = ["cast", "dtypes_of", "narrowed", "usual_dtype", "widened"]

_COMPLEX = {torch.float64: torch.complex128, torch.float32: torch.complex64}


def dtypes_of(model: nn.Module) -> dict[str, torch.dtype]:
    """Return the dtype of each parameter and buffer."""
    return {name: tensor.dtype for name, tensor in _state(model)}


def usual_dtype(dtypes: dict[str, torch.dtype]) -> torch.dtype:
    """Return the dtype of the first tensor of real numbers: that of a network."""
    return next((dtype for dtype in dtypes.values() if dtype.is_floating_point), torch.float32)


def widened(holder: Any, example: Example) -> torch.dtype:
    """Make ``holder.model`` one of double precision if it runs so, or else of single, and return the precision."""
    single = copy.deepcopy(holder.model)
    _convert(holder.model, torch.float64)
    try:
        outputs_of(holder.model, [cast(example, torch.float64)])
    except ArgumentError:  # a network may make tensors of its own precision
        holder.model = single
        _convert(single, torch.float32)
        return torch.float32
    return torch.float64


def narrowed(model: nn.Module, dtypes: dict[str, torch.dtype]) -> None:
    """Give every tensor the precision that it had; a new one has that of the network."""
    usual = usual_dtype(dtypes)
    for name, tensor in _state(model):
        if tensor.is_floating_point() or tensor.is_complex():
            tensor.data = tensor.data.to(dtypes.get(name, usual))


def cast(example: Example, dtype: torch.dtype) -> Example:
    """Return an example in another precision; integers stay as they are."""
    return example.replaced({name: _as(tensor, dtype) for name, tensor in example.tensors.items()})


def _convert(model: nn.Module, dtype: torch.dtype) -> None:
    for _, tensor in _state(model):
        tensor.data = _as(tensor.data, dtype)


def _as(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    if tensor.is_complex():
        return tensor.to(_COMPLEX[dtype])
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _state(model: nn.Module) -> list[tuple[str, torch.Tensor]]:
    return [*model.named_parameters(), *model.named_buffers()]
