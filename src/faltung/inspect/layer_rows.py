"""What is a layer? What has weights, multiplies, pools or resamples: a call of a module, or of a function.

A module without parts is a layer for each of its calls. A module that calls functions, such as
``torch.nn.functional.conv2d``, has a layer for each of these calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from faltung.inspect.captured_run import Captured, ModuleCall, Operation, Place
from faltung.inspect.multiply_adds import is_counted

__all__ = ["LayerRow", "is_layer", "layer_rows", "output_row"]

#: These work along the last axis of their operand; others have their channels behind the batch axis.
_LAST_AXIS = ("mm", "addmm", "linear", "native_layer_norm", "_fused_rms_norm", "baddbmm", "bmm", "embedding")
_RESAMPLING = ("pool", "upsample", "pixel_", "grid_sampler", "mkldnn_rnn", "lstm", "gru")


@dataclass(frozen=True, eq=False)
class LayerRow:
    """One call of a layer.

    Parameters
    ----------
    name : str
        Path of the module, or of what holds its parameters; a function without any is named after itself.
    kind : str
        Class of the module, or name of the function.
    result : Place
        What it returned first.
    end : int
        Its result is looked at before the operation of this index.
    operations : tuple of Operation
        What ran in it.
    parameters : tuple of str
        Names of the parameters that it read.
    channels : int or None
        Axis of the channels in its result; None if all axes behind the batch axis are channels.

    Examples
    --------
    See `layer_rows`.
    """

    name: str
    kind: str
    result: Place
    end: int
    operations: tuple[Operation, ...]
    parameters: tuple[str, ...]
    channels: int | None


def layer_rows(captured: Captured) -> tuple[LayerRow, ...]:
    """Return the layers of a network in the order in which they ran; one that runs twice is there twice.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from faltung.inspect.capture import capture
    >>> from faltung.inspect.examples import as_example
    >>> network = nn.Sequential(nn.Conv1d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 3))
    >>> found = capture(network, as_example(torch.zeros(1, 1, 8)), lambda _: False)
    >>> [(row.name, row.kind, row.parameters) for row in layer_rows(found)]
    [('0', 'Conv1d', ('0.weight', '0.bias')), ('3', 'Linear', ('3.bias', '3.weight'))]
    """
    by_call: dict[int, list[int]] = {}
    for index, operation in enumerate(captured.operations):
        by_call.setdefault(operation.call, []).append(index)
    names = _Names(captured)
    rows = [
        (indices[0], row)
        for number, indices in by_call.items()
        for row in _rows_of(captured, captured.calls[number], indices, names)
    ]
    rows = [(max(row.end, first), row) for first, row in rows]
    return tuple(row for _, row in sorted(rows, key=lambda pair: pair[0]))


def output_row(captured: Captured, kind: str, layers: Iterable[LayerRow]) -> LayerRow:
    """Return the network as a whole, with the first tensor that it returned, as a layer named ``output``.

    If that is the result of a layer as it is, its channels are those of the layer. Otherwise they are on the first
    axis behind the batch axis, or on the last one of tokens that were made of an image.

    Examples
    --------
    See `faltung.inspect.report_card.card`.
    """
    result = captured.results[0]
    axes = len(result.shape)
    channels = None if axes <= 2 else axes - 1 if axes < len(captured.sources[captured.input].shape) else 1
    for row in layers:
        if row.result == result:
            channels = row.channels
    operations = tuple(captured.operations)
    return LayerRow("output", kind, result, len(operations), operations, (), channels)


def _channels(operations: Iterable[Operation], place: Place) -> int | None:
    """Return which axis of a result holds channels, from what computed it."""
    if len(place.shape) <= 2:
        return None
    for operation in operations:
        if operation.name in _LAST_AXIS or operation.name.startswith("_scaled_dot"):
            axis = _axis_of_last(operation.results[0], place)
            if axis is not None:
                return axis
    return 1


def _axis_of_last(result: Place, place: Place) -> int | None:
    """Return which axis of a view, or of the result with a bias added, is the last axis of a result; None if none."""
    if not result.shape:
        return None
    last = result.shape[-1], result.strides[-1]
    if place.storage != result.storage:
        with_bias = place.count == result.count and (place.shape[-1], place.strides[-1]) == last
        return len(place.shape) - 1 if with_bias else None
    axes = [axis for axis in range(1, len(place.shape)) if (place.shape[axis], place.strides[axis]) == last]
    return axes[-1] if axes else None


class _Names:
    """Which parameters a tensor shows."""

    def __init__(self, captured: Captured) -> None:
        self._by_storage: dict[int, list[tuple[str, Place]]] = {}
        for name, place in captured.parameters.items():
            self._by_storage.setdefault(place.storage, []).append((name, place))

    def of(self, operations: Iterable[Operation]) -> tuple[str, ...]:
        """Return the names of all parameters that operations read, the first name of each."""
        names: dict[str, None] = {}
        for operation in operations:
            for _, _, place in operation.operands():
                names.update(dict.fromkeys(self._shown(place)))
        return tuple(names)

    def _shown(self, place: Place) -> Iterator[str]:
        starts = set()
        for name, whole in self._by_storage.get(place.storage, ()):
            if whole.offset not in starts and whole.offset <= place.offset < whole.offset + max(whole.count, 1):
                starts.add(whole.offset)
                yield name


def _rows_of(captured: Captured, call: ModuleCall, indices: list[int], names: _Names) -> Iterator[LayerRow]:
    operations = [captured.operations[index] for index in indices]
    layers = [index for index in indices if is_layer(captured.operations[index])]
    if call.parts == 0 and len(layers) <= 1 and call.results:
        parameters = names.of(operations)
        if layers or parameters:
            name = call.name or "(itself)"
            yield LayerRow(
                name,
                call.module,
                call.results[0],
                call.end,
                tuple(operations),
                parameters,
                _channels(operations, call.results[0]),
            )
        return
    counts: dict[str, int] = {}
    told: set[str] = set()
    for index in layers:
        operation = captured.operations[index]
        parameters = names.of([operation])
        told.update(parameters)
        yield _function_row(_function_name(call, operation, parameters, counts), operation, index, parameters)
    for index in indices:
        operation = captured.operations[index]
        parameters = tuple(name for name in names.of([operation]) if name not in told)
        if parameters and operation.results:
            told.update(parameters)
            name = parameters[0].rpartition(".")[0] or parameters[0]
            yield _function_row(name, operation, index, parameters)


def _function_row(name: str, operation: Operation, index: int, parameters: tuple[str, ...]) -> LayerRow:
    """Return one operation as a layer."""
    result = operation.results[0]
    channels = _channels([operation], result)
    return LayerRow(name, operation.name, result, index + 1, (operation,), parameters, channels)


def is_layer(operation: Operation) -> bool:
    """Whether an operation makes a layer: it multiplies and adds, pools or resamples.

    Examples
    --------
    See `layer_rows`.
    """
    return is_counted(operation) or (operation.follows and any(word in operation.name for word in _RESAMPLING))


def _function_name(
    call: ModuleCall, operation: Operation, parameters: tuple[str, ...], counts: dict[str, int]
) -> str:
    owner = parameters[0].rpartition(".")[0] if parameters else ""
    if owner and owner != call.name:
        return owner
    if parameters and not owner:
        return parameters[0]
    stem = f"{call.name}.{operation.name}".lstrip(".")
    counts[stem] = number = counts.get(stem, 0) + 1
    return stem if number == 1 else f"{stem} {number}"
