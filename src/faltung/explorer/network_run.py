"""What happened in a network, with all numbers? The operations that ran on one input, and the tensors between."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from faltung.errors import ArgumentError, FaltungError
from faltung.inspect.capture import capture
from faltung.inspect.captured_run import Captured, Operation, Place
from faltung.inspect.examples import Example
from faltung.inspect.guarded import guarded
from faltung.inspect.layer_rows import layer_rows
from faltung.inspect.supports import needs_values

__all__ = ["Feature", "NetworkRun", "NetworkStep", "bits", "numbers", "running"]

#: At most so many numbers are kept of all tensors.
_KEPT_NUMBERS = 60_000_000
_MOST_STEPS = 600

#: These copy what they are given; they are no steps of their own.
_COPIES = ("clone", "_to_copy", "detach", "alias", "lift_fresh", "contiguous", "_unsafe_view", "copy")
#: These ask for memory, and read nothing but a shape.
_MEMORY = ("new_empty", "new_zeros", "new_ones", "new_full", "empty_like", "zeros_like", "ones_like", "full_like")
#: These work along the last axis; others have their channels behind the batch axis.
_LAST_AXIS = ("mm", "addmm", "linear", "bmm", "baddbmm", "native_layer_norm", "_fused_rms_norm", "embedding")


@dataclass(eq=False)
class Feature:
    r"""A tensor that depends on the input.

    Parameters
    ----------
    values : tensor or None
        Its numbers; None if all tensors together are too large.
    place : Place
        Where it was.
    made_by : int
        Index of the operation that last wrote to its memory; -1 for the input.
    axis : int
        Axis of its channels.
    """

    values: torch.Tensor | None
    place: Place
    made_by: int
    axis: int = -1


@dataclass(frozen=True, eq=False)
class NetworkStep:
    """One operation that makes feature maps from earlier ones.

    Parameters
    ----------
    name, kind : str
        Path of its module and class of the module, or names of functions.
    index : int
        Among all operations of the run.
    operation : Operation
        What ran.
    result : int
        Number of the tensor that it made.
    operands : tuple of (str, int or None, int)
        Name of the argument, index in a list, and number of the tensor, for what depends on the input.
    """

    name: str
    kind: str
    index: int
    operation: Operation
    result: int
    operands: tuple[tuple[str, int | None, int], ...]


class NetworkRun:
    """A run of a network on one input.

    Parameters
    ----------
    network : torch.nn.Module
        Runs in evaluation mode, without gradients, and is left as it was.
    example : Example
        Its input.

    Examples
    --------
    >>> from faltung.inspect.examples import as_example
    >>> network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    >>> run = NetworkRun(network, as_example(torch.ones(1, 1, 4, 4)))
    >>> [(step.kind, run.channels(step.result).shape) for step in run.steps]
    [('Conv2d', (2, 2, 2)), ('ReLU', (2, 2, 2)), ('Linear', (3,))]
    """

    def __init__(self, network: nn.Module, example: Example) -> None:
        kept = _KeptValues()
        with running(), guarded(network):
            self.captured = capture(network, example, kept.needs, kept.watch)
            if not self.captured.results:
                raise ArgumentError("model", "a network that returns tensors", "one that returns none")
        self.example = example
        self.features = kept.features
        self.too_large = kept.too_large
        self.input = example.tensors[self.captured.input]
        self._one_axis = self.input.ndim <= 3
        self._constants = {**dict(network.named_parameters()), **dict(network.named_buffers())}
        self.all_steps = len(kept.uses)
        self.steps = _steps(self.captured, kept)
        self.by_index = {step.index: number for number, step in enumerate(self.steps)}

    def channels(self, feature: int) -> NDArray[Any]:
        r"""Return the numbers of a tensor, (channels, \*spatial), for the first sample of the batch."""
        kept = self.features[feature]
        if kept.values is None:
            raise ArgumentError(
                "layer",
                "a tensor that is kept",
                f"one behind the first {_KEPT_NUMBERS:,} numbers",
                "Pass an example with fewer samples.",
            )
        return numbers(self.by_channel(kept.values, kept.axis))

    def by_channel(self, values: torch.Tensor, axis: int) -> torch.Tensor:
        """Return a tensor with its channels first and without its batch axis, if that has one entry."""
        if values.ndim > 1 and values.shape[0] == 1:
            values, axis = values[0], max(axis - 1, 0)
        if not values.ndim:
            return values.reshape(1)
        values = values.movedim(min(axis, values.ndim - 1), 0)
        # torch pools signals as images of one row.
        return values[:, 0] if self._one_axis and values.ndim == 3 and values.shape[1] == 1 else values

    def shape(self, feature: int) -> tuple[int, ...]:
        """Return the shape that `channels` has."""
        kept = self.features[feature]
        return tuple(self.by_channel(torch.empty(kept.place.shape, device="meta"), kept.axis).shape)

    def constant(self, operation: Operation, name: str) -> torch.Tensor | None:
        """Return a tensor among the arguments of an operation that does not depend on the input."""
        place = operation.arguments.get(name)
        if not isinstance(place, Place):
            return None
        if place in operation.values:
            return operation.values[place]
        for table in (self.captured.parameters, self.captured.buffers):
            for key, whole in table.items():
                if whole.storage == place.storage:
                    return self._constants[key].detach().as_strided(place.shape, place.strides, place.offset)
        return None

    def source_of(self, feature: int) -> int:
        """Return the number of the step that made a tensor, directly or through views; -1 for the input."""
        return self.by_index.get(self.features[feature].made_by, -1)

    def outputs(self) -> Iterator[tuple[Place, int]]:
        """Yield each tensor that the network returned, and the number of the step that made it."""
        for place in self.captured.results:
            made = [step for step in self.steps if self.features[step.result].place.storage == place.storage]
            yield place, self.by_index[made[-1].index] if made else -1


@contextmanager
def running() -> Iterator[None]:
    """Name whatever the code of a network raises, also ``sys.exit()``, as the network's.

    Examples
    --------
    >>> with running():
    ...     raise SystemExit(3)
    Traceback (most recent call last):
    faltung.errors.ArgumentError: model: expected a network that runs on its input, got SystemExit: 3.
    """
    try:
        yield
    except (FaltungError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        raise ArgumentError("model", "a network that runs on its input", reason) from error


def bits(network: nn.Module) -> str:
    """Return a text that changes when the network learns, from the bits of its parameters and buffers.

    Writes through ``.data`` and through NumPy leave torch's own count of writes as it was, so the bits are needed.

    Examples
    --------
    >>> network = nn.Conv1d(1, 1, 1)
    >>> before = bits(network)
    >>> _ = network.weight.data.add_(1)
    >>> bits(network) == before
    False
    """
    named = (*network.named_parameters(), *network.named_buffers())
    with running():
        return " ".join(f"{name} {tuple(tensor.shape)} {_checksum(tensor.detach()):x}" for name, tensor in named)


def _checksum(tensor: torch.Tensor) -> int:
    return zlib.crc32(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)


def numbers(values: torch.Tensor) -> NDArray[Any]:
    """Return a tensor as an array that the page can read.

    Examples
    --------
    >>> numbers(torch.ones(2, dtype=torch.bfloat16)).dtype
    dtype('float32')
    """
    values = values.detach().cpu()
    if values.dtype == torch.float64:
        return np.ascontiguousarray(values.numpy())
    if values.is_complex():
        values = values.abs()
    integers = not values.is_floating_point() and values.dtype != torch.bool
    return np.ascontiguousarray(values.to(torch.float64 if integers else torch.float32).numpy())


@dataclass(eq=False)
class _Use:
    """One operation that depends on the input: the tensors that it read and made."""

    operands: tuple[tuple[str, int | None, int], ...]
    result: int


@dataclass(eq=False)
class _KeptValues:
    """The tensors of a run, kept while it runs."""

    features: list[Feature] = field(default_factory=list)
    uses: dict[int, _Use] = field(default_factory=dict)
    too_large: bool = False
    _latest: dict[Place, int] = field(default_factory=dict)
    _writers: dict[int, int] = field(default_factory=dict)
    _operations: int = 0
    _numbers: int = 0

    def needs(self, operation: Operation) -> bool:
        return needs_values(operation) or any(place not in self._latest for place in operation.variable)

    def watch(self, operation: Operation, results: Sequence[torch.Tensor]) -> None:
        index, self._operations = self._operations, self._operations + 1
        if not operation.follows or not results or operation.name in _MEMORY:
            return
        operands = tuple(
            (name, item, self._operand(operation, place))
            for name, item, place in operation.operands()
            if place in operation.variable
        )
        if operation.in_place:  # other views of this memory hold other numbers now
            changed = {place.storage for place in (*operation.results, *operation.written)}
            self._latest = {place: number for place, number in self._latest.items() if place.storage not in changed}
        first = operation.results[0]
        if operation.name in _COPIES and operands and first.shape == self.features[operands[-1][2]].place.shape:
            self._latest[first] = operands[-1][2]
            self._writers[first.storage] = self.features[operands[-1][2]].made_by
            return
        for place, tensor in zip(operation.results, results, strict=False):
            self._latest[place] = self._add(tensor, place, index)
            self._writers[place.storage] = index
        for place in operation.written:
            self._writers[place.storage] = index
        self.uses[index] = _Use(operands, self._latest[first])

    def _operand(self, operation: Operation, place: Place) -> int:
        known = self._latest.get(place)
        if known is None:
            known = next((number for other, number in self._latest.items() if _same_numbers(place, other)), None)
        if known is None:
            known = self._add(operation.values.get(place), place, self._writers.get(place.storage, -1))
            self._latest[place] = known
        return known

    def _add(self, tensor: torch.Tensor | None, place: Place, made_by: int) -> int:
        self._numbers += place.count
        if self._numbers > _KEPT_NUMBERS:
            tensor, self.too_large = None, True
        self.features.append(Feature(None if tensor is None else tensor.detach().clone(), place, made_by))
        return len(self.features) - 1


def _same_numbers(place: Place, other: Place) -> bool:
    """Whether two tensors are the same numbers in the same order, but for axes of length one."""
    if place.storage != other.storage or place.offset != other.offset:
        return False
    axes, others = (
        [pair for pair in zip(each.shape, each.strides, strict=True) if pair[0] != 1] for each in (place, other)
    )
    return axes == others


def _steps(captured: Captured, kept: _KeptValues) -> tuple[NetworkStep, ...]:
    steps: list[NetworkStep] = []
    names = _names(captured, kept.uses)
    for index, use in kept.uses.items():
        if len(steps) == _MOST_STEPS:
            break
        operation = captured.operations[index]
        inherited = [
            kept.features[number].axis
            for _, _, number in use.operands
            if len(kept.features[number].place.shape) == len(operation.results[0].shape)
            and kept.features[number].axis >= 0
        ]
        for _, _, number in use.operands:
            if kept.features[number].axis < 0:
                kept.features[number].axis = _channel_axis(operation, kept.features[number].place)
        made = _channel_axis(operation, operation.results[0])
        fixed = operation.name in _LAST_AXIS or operation.name == "convolution"
        kept.features[use.result].axis = inherited[0] if inherited and not fixed else made
        steps.append(NetworkStep(*names[index], index, operation, use.result, use.operands))
    return tuple(steps)


def _channel_axis(operation: Operation, place: Place) -> int:
    axes = len(place.shape)
    return axes - 1 if operation.name in _LAST_AXIS else min(1, max(axes - 1, 0))


def _names(captured: Captured, uses: Mapping[int, _Use]) -> dict[int, tuple[str, str]]:
    """Return name and kind of each operation: those of its module, if it is all that runs in it."""
    by_call: dict[int, list[int]] = {}
    for index in uses:
        by_call.setdefault(captured.operations[index].call, []).append(index)
    owners = {id(each): row for row in layer_rows(captured) for each in row.operations if len(row.operations) == 1}
    names: dict[int, tuple[str, str]] = {}
    counts: dict[str, int] = {}
    for number, indices in by_call.items():
        call = captured.calls[number]
        alone = call.parts == 0 and len(indices) == 1 and bool(call.name)
        for index in indices:
            operation = captured.operations[index]
            row = owners.get(id(operation))
            owned = row.name if row and row.parameters else f"{call.name}.{_plain(operation)}".lstrip(".")
            stem = call.name if alone else owned
            counts[stem] = count = counts.get(stem, 0) + 1
            kind = call.module if alone else _plain(operation)
            names[index] = (stem if count == 1 else f"{stem} ({count})", kind)
    return names


def _plain(operation: Operation) -> str:
    """Return the name of an operation without what only torch's own code needs."""
    name = operation.name.removeprefix("native_").removeprefix("_")
    return {"max_pool2d_with_indices": "max_pool2d", "addmm": "linear", "mean": "mean"}.get(name, name)
