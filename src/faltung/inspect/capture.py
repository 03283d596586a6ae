"""What happened in a network? Every operation that ran, which memory it read and wrote, and in which module.

A network is run once under a dispatch mode of torch, so that any control flow is followed, and functional calls are
seen as well as modules. A tensor is known by its memory: by a number for its storage, its shape, strides and offset.
So views need no operations, and what is written in place is written where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from faltung.inspect.captured_run import Captured, ModuleCall, Operation, Place
from faltung.inspect.examples import Example, tensors_in

__all__ = ["capture"]

_KEPT_ELEMENTS = 1 << 22
"""Constants with at most so many elements are kept where an operation needs their values."""


def capture(
    network: nn.Module,
    example: Example,
    needs_values: Callable[[Operation], bool],
    watch: Callable[[Operation, Sequence[torch.Tensor]], object] | None = None,
) -> Captured:
    """Run a network once, without gradients, and return what happened.

    Parameters
    ----------
    network : torch.nn.Module
        Is run as it is: see `faltung.inspect.guarded.guarded`.
    example : Example
        Its input.
    needs_values : callable
        Whether the operands of an operation are kept with their values.
    watch : callable, optional
        Called after each operation, with its results themselves; it must not change them.

    Examples
    --------
    >>> from faltung.inspect.examples import as_example
    >>> network = nn.Sequential(nn.Conv1d(1, 2, 3), nn.ReLU())
    >>> found = capture(network, as_example(torch.zeros(1, 1, 8)), lambda _: False)
    >>> [(operation.name, found.calls[operation.call].name) for operation in found.operations]
    [('convolution', '0'), ('relu', '1')]
    >>> found.results[0].shape
    (1, 2, 6)
    """
    recorder = _Recorder(needs_values, watch)
    given = example.copied()
    for name, parameter in network.named_parameters(remove_duplicate=False):
        recorder.captured.parameters[name] = place = recorder.place_of(parameter)
        recorder.weights.add(place.storage)
    for name, buffer in network.named_buffers(remove_duplicate=False):
        recorder.captured.buffers[name] = recorder.place_of(buffer)
    recorder.captured.classes = {name: type(module).__name__ for name, module in network.named_modules()}
    for name, tensor in given.tensors.items():
        recorder.captured.sources[name] = place = recorder.place_of(tensor)
        recorder.following.add(place.storage)
    with _unfused(network), torch.no_grad(), _following_modules(network, recorder), recorder:
        given.called(network)
    return recorder.captured


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own
    """Records every operation that runs."""

    def __init__(
        self,
        needs_values: Callable[[Operation], bool],
        watch: Callable[[Operation, Sequence[torch.Tensor]], object] | None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.captured = Captured()
        self.following: set[int] = set()  # storages that hold what depends on the input
        self.weights: set[int] = set()  # storages of parameters
        self.stack: list[int] = []
        self._needs_values = needs_values
        self._watch = watch
        self._numbers: dict[int, int] = {}
        self._references: list[StorageWeakRef] = []  # while one lives, no other storage has its address

    def number_of(self, tensor: torch.Tensor) -> int:
        """Return the number of the storage of a tensor."""
        storage = tensor.untyped_storage()
        number = self._numbers.get(storage._cdata)
        if number is None:
            self._references.append(StorageWeakRef(storage))  # type: ignore[no-untyped-call]
            number = self._numbers[storage._cdata] = len(self._numbers)
        self.captured.sizes[number] = max(storage.nbytes(), self.captured.sizes.get(number, 0))
        return number

    def place_of(self, tensor: torch.Tensor) -> Place:
        """Return where a tensor is."""
        shape, strides = tuple(tensor.shape), tuple(tensor.stride())
        dtype = str(tensor.dtype).removeprefix("torch.")
        return Place(self.number_of(tensor), shape, strides, int(tensor.storage_offset()), tensor.itemsize, dtype)

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = _by_name(function, args, kwargs or {})
        arguments = {name: self._placed(value) for name, value in given.items()}
        copies: dict[Place, torch.Tensor] = {}
        call = self.stack[-1] if self.stack else 0
        probe = Operation(function, arguments, (), (), call, frozenset(), copies)
        operands = [place for _, _, place in probe.operands()]
        variable = frozenset(place for place in operands if place.storage in self.following)
        probe = replace(probe, variable=variable)
        if variable:
            self._keep(probe, given, copies)
        output = function(*args, **(kwargs or {}))
        self.captured.trace.append(f"{self.captured.calls[call].name}: {function}" if self.stack else str(function))
        self.captured.choices.append(self._chosen(arguments))
        results = tuple(self.place_of(tensor) for tensor in tensors_in(output))
        if not _is_view(function, operands, results):
            written = tuple(place for place in self._written(function, given) if place not in results)
            if variable:
                self.following.update(place.storage for place in (*results, *written))
            operation = replace(probe, results=results, written=written)
            self.captured.operations.append(operation)
            if self._watch is not None:
                self._watch(operation, tuple(tensors_in(output)))
        return output

    def _chosen(self, arguments: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the numbers, words and weights among the arguments of an operation: what a branch can choose."""
        plain = [value for value in arguments.values() if isinstance(value, (bool, int, float, str))]
        weights = [value.storage for value in arguments.values() if isinstance(value, Place)]
        return (*plain, *(f"weight {number}" for number in weights if number in self.weights))

    def _written(self, function: Any, given: Mapping[str, Any]) -> Iterator[Place]:
        """Yield the tensors among the arguments that an operation writes to."""
        for argument in function._schema.arguments:
            value = given[argument.name]
            if argument.alias_info is not None and argument.alias_info.is_write and isinstance(value, torch.Tensor):
                yield self.place_of(value)

    def _placed(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return self.place_of(value)
        if isinstance(value, list | tuple):
            return [self._placed(item) for item in value]
        return value

    def _keep(self, probe: Operation, given: Mapping[str, Any], copies: dict[Place, torch.Tensor]) -> None:
        """Keep the values that an analysis needs: small constants, and all operands where it asks for them."""
        everything = self._needs_values(probe)
        for value in tensors_in(given):
            place = self.place_of(value)
            constant = place not in probe.variable and place.storage not in self.weights
            if everything or (constant and place.count <= _KEPT_ELEMENTS):
                copies[place] = value.detach().clone().cpu()


def _by_name(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of an operation by name, those by default included."""
    given = {argument.name: argument.default_value for argument in function._schema.arguments}
    given.update(zip(given, args, strict=False))
    given.update(kwargs)
    return given


def _is_view(function: Any, operands: Sequence[Place], results: Sequence[Place]) -> bool:
    """Whether an operation only looks at memory that was there already in another way."""
    if torch.Tag.inplace_view in function.tags:
        return True
    storages = {place.storage for place in operands}
    return not function._schema.is_mutable and bool(results) and {place.storage for place in results} <= storages


@contextmanager
def _unfused(network: nn.Module) -> Iterator[None]:
    """Let recurrent layers run step by step: the fused operation of oneDNN shows nothing of what is in it."""
    before = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(before and not any(isinstance(module, nn.RNNBase) for module in network.modules()))
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(before)


@contextmanager
def _following_modules(network: nn.Module, recorder: _Recorder) -> Iterator[None]:
    """Let a recorder know in which module call each operation runs."""
    counts: dict[str, int] = {}
    calls = recorder.captured.calls

    def enter(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, kwargs: Any) -> None:
            parent = recorder.stack[-1] if recorder.stack else -1
            number = counts[name] = counts.get(name, -1) + 1
            call = ModuleCall(name, type(module).__name__, parent, number, len(recorder.captured.operations))
            call.inputs = tuple(recorder.place_of(tensor) for tensor in tensors_in([args, kwargs]))
            if parent >= 0:
                calls[parent].parts += 1
            recorder.stack.append(len(calls))
            calls.append(call)

        return hook

    def leave(module: nn.Module, args: Any, output: Any) -> None:
        call = calls[recorder.stack.pop()]
        call.end = len(recorder.captured.operations)
        call.results = tuple(recorder.place_of(tensor) for tensor in tensors_in(output))

    handles = []
    try:
        for name, module in network.named_modules():
            handles.append(module.register_forward_pre_hook(enter(name), with_kwargs=True, prepend=True))
            handles.append(module.register_forward_hook(leave, always_call=True))
        yield
    finally:
        for handle in handles:
            handle.remove()
