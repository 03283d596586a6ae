"""How is a network run so that nothing about it changes? All that a run may touch is put back at the end."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter
from torch.utils._python_dispatch import TorchDispatchMode

from faltung.errors import ArgumentError, ArgumentTypeError

__all__ = ["check_network", "guarded", "randomness"]

_Undo = Callable[[], object]


def check_network(network: nn.Module) -> nn.Module:
    """Return a network that can be observed; that of `torch.compile` is the network inside it.

    Raises
    ------
    ArgumentTypeError
        It is no torch module, or one that has no Python code to observe.
    ArgumentError
        It has parameters without values, which its first run would create.

    Examples
    --------
    >>> check_network(nn.Identity())
    Identity()
    """
    network = getattr(network, "_orig_mod", network)
    if not isinstance(network, nn.Module):
        raise ArgumentTypeError("model", "a torch.nn.Module", type(network).__name__)
    if isinstance(network, torch.jit.ScriptModule):
        remedy = "Pass the module that it was made from, or one from torch.export."
        raise ArgumentTypeError("model", "a module with Python code", "one of TorchScript", remedy)
    for name, value in [*network.named_parameters(), *network.named_buffers()]:
        if isinstance(value, UninitializedParameter | UninitializedBuffer):
            remedy = "Run the network once on an example, and pass it again."
            raise ArgumentError("model", "parameters that have values", f"{name!r} without", remedy)
    return network


@contextmanager
def guarded(network: nn.Module, preserving: bool = True) -> Iterator[None]:
    """Put a network into evaluation mode, and put everything back at the end, also after an error or Ctrl-C.

    What comes back: the mode of each module, its hooks and all its other attributes, values and gradients of
    parameters, buffers, `requires_grad`, and the states of the random number generators of Python, NumPy and torch.
    A parameter is copied only if a run writes to it.

    Parameters
    ----------
    network : torch.nn.Module
        The network.
    preserving : bool, optional
        Whether writes to parameters are watched. `torch.export` needs none of that: it runs on tensors without
        values.

    Examples
    --------
    >>> network = nn.Sequential(nn.BatchNorm1d(2)).train()
    >>> with guarded(network):
    ...     network.training
    False
    >>> network.training, network[0].training
    (True, True)
    """
    with ExitStack() as stack:
        stack.callback(randomness())
        modules = [*network.modules()]
        tensors = [*network.parameters(), *network.buffers()]
        for module in modules:
            stack.callback(_attributes(module))
        for tensor in tensors:
            stack.callback(_gradient(tensor))
        saved = {id(buffer): (buffer, buffer.detach().clone()) for buffer in network.buffers()}
        stack.callback(_write_back, saved)
        with suppress(NotImplementedError):  # a module from torch.export has one mode only
            network.eval()
        for module in modules:
            module.training = False  # modules whose own `eval` or `train` leaves some of them out
        fast = torch.backends.mha.get_fastpath_enabled()
        stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
        torch.backends.mha.set_fastpath_enabled(False)  # one opaque operation would replace a whole encoder layer
        if preserving:
            stack.enter_context(_Preserving(tensors, saved))
        yield


class _Preserving(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own
    """Copies a parameter before an operation writes to its memory."""

    def __init__(self, tensors: list[torch.Tensor], saved: dict[int, tuple[torch.Tensor, torch.Tensor]]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._saved = saved
        self._by_storage = {tensor.untyped_storage()._cdata: tensor for tensor in tensors}

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if function._schema.is_mutable:
            for value in args:
                if isinstance(value, torch.Tensor):
                    self._keep(value)
        return function(*args, **(kwargs or {}))

    def _keep(self, value: torch.Tensor) -> None:
        with suppress(NotImplementedError):  # a tensor without memory is no parameter
            tensor = self._by_storage.get(value.untyped_storage()._cdata)
            if tensor is not None and id(tensor) not in self._saved:
                self._saved[id(tensor)] = (tensor, tensor.detach().clone())


def _write_back(saved: Mapping[int, tuple[torch.Tensor, torch.Tensor]]) -> None:
    with torch.no_grad():
        for tensor, values in saved.values():
            if not torch.equal(tensor, values):
                tensor.data.copy_(values)


def _attributes(module: nn.Module) -> _Undo:
    """Return a function that puts the attributes of a module back, its tables of hooks and parameters included."""
    attributes = {**vars(module)}
    tables: list[tuple[Any, Any]] = []
    for value in attributes.values():
        _keep_containers(value, tables)

    def undo() -> None:
        for table, copy in tables:
            table.clear()
            (table.extend if type(table) is list else table.update)(copy)
        vars(module).clear()
        vars(module).update(attributes)

    return undo


def _keep_containers(value: Any, kept: list[tuple[Any, Any]]) -> None:
    """Note a container with a copy of what is in it, and the containers in it."""
    if type(value) not in (dict, OrderedDict, set, list) or any(value is table for table, _ in kept):
        return
    kept.append((value, value.copy()))
    for item in value.values() if isinstance(value, dict) else value:
        _keep_containers(item, kept)


def _gradient(tensor: torch.Tensor) -> _Undo:
    gradient, required = tensor.grad, tensor.requires_grad

    def undo() -> None:
        tensor.grad = gradient
        if tensor.requires_grad != required:
            tensor.requires_grad_(required)

    return undo


def randomness() -> _Undo:
    """Return a function that puts the random number generators of Python, NumPy and torch back.

    Examples
    --------
    >>> undo, first = randomness(), random.random()
    >>> undo()
    >>> random.random() == first
    True
    """
    python, cpu = random.getstate(), torch.get_rng_state()
    numpy = np.random.get_state()  # noqa: NPY002  # networks may use the old global generator
    started = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    devices = torch.cuda.get_rng_state_all() if started else []

    def undo() -> None:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        torch.set_rng_state(cpu)
        if devices:
            torch.cuda.set_rng_state_all(devices)

    return undo
