"""What does a model ask of its layers? It is run once on an example, and left exactly as it was."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_map_only

from faltung.errors import ArgumentError

__all__ = ["LayerCall", "arguments_of", "preserved", "rehearse"]

#: Dictionaries of a module that a call may change.
_PARTS = ("_parameters", "_buffers", "_modules")


@dataclass(frozen=True)
class LayerCall:
    """One call of a convolutional layer.

    Parameters
    ----------
    layer : torch.nn.Module
        The layer.
    shape : tuple of int
        Of its input.
    strides, taps_strides : tuple of int
        Of dense tensors whose axes are in memory in the order of those of input and weight.
    dtype : torch.dtype
        Of the computation; torch.autocast may have chosen it.
    device : torch.device
        Of the input.
    to_input, to_taps : bool
        Whether gradients with respect to input and weight are going to be computed.
    """

    layer: nn.Module
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    taps_strides: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    to_input: bool
    to_taps: bool


def rehearse(
    model: nn.Module, example: Any, asked_of: Callable[[_ConvNd, torch.Tensor], LayerCall]
) -> list[LayerCall]:
    """Run a model once on an example, and return what it asked of its convolutional layers, in turn.

    Parameters
    ----------
    model : torch.nn.Module
        The model. Its mode, buffers, gradients and attributes, and the states of generators of random numbers, are
        afterwards what they were. Lazy layers get their sizes.
    example : Any
        A tuple of arguments, a dict of arguments by name, or the only argument.
    asked_of : callable
        What describes a call, given a layer and its input.

    Raises
    ------
    ArgumentError
        The model fails.
    """
    arguments, named = arguments_of(example)
    found: list[LayerCall] = []

    def hook(layer: nn.Module, inputs: tuple[Any, ...], kept: dict[str, Any]) -> None:
        x = inputs[0] if inputs else kept.get("input")
        if type(x) is torch.Tensor:
            if x.device != layer.weight.device:
                raise ValueError(f"an input on the device {x.device}, and weights on {layer.weight.device}")
            found.append(asked_of(layer, x))  # type: ignore[arg-type]

    with ExitStack() as stack:
        stack.enter_context(preserved(model))
        for layer in model.modules():
            if isinstance(layer, _ConvNd):
                stack.callback(layer.register_forward_pre_hook(hook, with_kwargs=True).remove)
        try:
            model(*arguments, **named)
        except Exception as error:
            kind = "a tuple is taken for all arguments, and a dict for arguments by name"
            received = f"{type(error).__name__}: {error}"
            remedy = "Its dtype and device must be those of the model."
            raise ArgumentError("example", f"an input that the model takes ({kind})", received, remedy) from error
    return found


def arguments_of(example: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return copies of the arguments that an example is, in order and by name; the model may overwrite them."""
    given = tree_map_only(torch.Tensor, _copy, example)
    if isinstance(given, dict):
        return (), given
    return given if isinstance(given, tuple) else (given,), {}


@contextmanager
def preserved(model: nn.Module) -> Iterator[None]:
    """Let a model be run as it is, and leave it, and generators of random numbers, as they were."""
    with _unchanged(model), _same_random_numbers(), _uncompiled():
        yield


def _copy(x: torch.Tensor) -> torch.Tensor:
    """Return a copy of a tensor."""
    return x.detach().clone().requires_grad_(x.requires_grad)


@contextmanager
def _unchanged(model: nn.Module) -> Iterator[None]:
    """Give every module its attributes back, with parameters and buffers, and buffers their values."""
    lazy = [module for module in model.modules() if _is_unfinished(module)]
    modules = [module for module in model.modules() if not _is_unfinished(module) and not _is_script(module)]
    before = [(module, dict(vars(module)), [dict(vars(module)[part]) for part in _PARTS]) for module in modules]
    values = [(buffer, buffer.detach().clone()) for buffer in model.buffers() if not is_lazy(buffer)]
    try:
        yield
    finally:
        for module, attributes, held in before:
            vars(module).clear()
            vars(module).update(attributes)
            for part, content in zip(_PARTS, held, strict=True):
                attributes[part].clear()
                attributes[part].update(content)
        with torch.no_grad():
            for buffer, value in values:
                if not torch.equal(buffer, value):
                    buffer.copy_(value)
        for module in lazy:
            if not _is_unfinished(module):
                getattr(module, "reset_running_stats", int)()


def _is_unfinished(module: nn.Module) -> bool:
    return isinstance(module, LazyModuleMixin) and module.has_uninitialized_params()


def _is_script(module: nn.Module) -> bool:
    return isinstance(module, torch.jit.ScriptModule)


@contextmanager
def _same_random_numbers() -> Iterator[None]:
    """Give the generators of torch, NumPy and Python their states back."""
    ours, numpys = random.getstate(), np.random.get_state()  # noqa: NPY002  # models may draw from it
    try:
        used = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
        with torch.random.fork_rng(range(torch.cuda.device_count()) if used else []):
            yield
    finally:
        random.setstate(ours)
        np.random.set_state(numpys)  # noqa: NPY002


@contextmanager
def _uncompiled() -> Iterator[None]:
    """Run what torch.compile has wrapped as it is, since a graph would keep the hooks."""
    if "torch._dynamo" not in sys.modules:
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield
