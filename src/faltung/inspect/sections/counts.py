"""What does a network cost? Parameters, multiply-adds and memory, and what a fully connected network would need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from faltung.inspect.captured_run import Captured
from faltung.inspect.layer_rows import LayerRow
from faltung.inspect.multiply_adds import multiply_adds, uncounted, weight_of
from faltung.inspect.section_result import CardTable, SectionResult, Subject
from faltung.planning.report import bytes_text

__all__ = ["CountsResult", "LayerCounts", "measure"]


@dataclass(frozen=True)
class LayerCounts:
    """Counts of one call of a layer.

    Parameters
    ----------
    name, kind : str
        Its path in the network, and its class or function.
    shape : tuple of int
        Of its output, with the batch axis.
    parameters : int
        Numbers in the parameters that it reads, whether others read them, too, or not.
    shared : bool
        Whether a layer above reads all of these parameters, too, so that the total does not count them again.
    multiply_adds : int
        For the whole example.
    output_bytes : int
        Memory of its output.
    weights, dense_weights : int
        Numbers in its weight, and how many the same map would need if each output had a weight for each input; zero
        for a layer that has none.

    Examples
    --------
    >>> LayerCounts("0", "Conv1d", (1, 2, 6), 8, False, 36, 48, 6, 96).name
    '0'
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    shared: bool
    multiply_adds: int
    output_bytes: int
    weights: int
    dense_weights: int


@dataclass(frozen=True, eq=False)
class CountsResult(SectionResult):
    """Counts of a network.

    Parameters
    ----------
    parameters : int
        Numbers in all parameters, each counted once.
    trainable : int
        Those that a gradient is computed for.
    buffers : int
        Numbers in buffers, such as the statistics of batch norms.
    unused : tuple of str
        Parameters that the network did not read in this run.
    shared : tuple of tuple of str
        Names of each parameter that has several.
    multiply_adds : int
        For the whole example.
    uncounted : tuple of str
        Operations with weights whose multiply-adds are not known, and not in the sum.
    parameter_bytes, activation_bytes, peak_bytes : int
        Memory of the parameters; of all results that operations make, as for training; and the most that exists at
        once if a result is freed after its last use.
    weights, dense_weights : int
        Of all layers that have weights, each counted once.
    layers : tuple of LayerCounts
        In the order in which they ran.

    Examples
    --------
    See `faltung.inspect.report_card.card`.
    """

    heading: ClassVar[str] = "What it costs"

    parameters: int
    trainable: int
    buffers: int
    unused: tuple[str, ...]
    shared: tuple[tuple[str, ...], ...]
    multiply_adds: int
    uncounted: tuple[str, ...]
    parameter_bytes: int
    activation_bytes: int
    peak_bytes: int
    weights: int
    dense_weights: int
    layers: tuple[LayerCounts, ...]

    def facts(self) -> Mapping[str, str]:
        """Return the totals."""
        facts = {
            "Parameters": f"{self.parameters:,}" + ("" if self.trainable == self.parameters else self._frozen()),
            "Multiply-adds": f"{self.multiply_adds:,} for the example; one is a product and its addition (1 MAC)",
            "Memory": f"{bytes_text(self.parameter_bytes)} of parameters, {bytes_text(self.activation_bytes)} of "
            f"activations in all, at most {bytes_text(self.peak_bytes)} of them at once",
        }
        if self.weights:
            facts["If fully connected"] = (
                f"{self.dense_weights:,} weights instead of {self.weights:,}: "
                f"{self.dense_weights / self.weights:,.0f} times as many"
            )
        if self.shared:
            facts["Shared"] = "; ".join(" = ".join(names) for names in self.shared) + ", counted once"
        return facts

    def _frozen(self) -> str:
        return f", of which {self.trainable:,} are trained"

    def table(self) -> CardTable:
        """Return the counts of each layer."""
        rows = [
            (
                layer.name,
                layer.kind,
                "×".join(map(str, layer.shape)),
                f"{layer.parameters:,}" + (" (shared)" if layer.shared else ""),
                f"{layer.multiply_adds:,}",
                bytes_text(layer.output_bytes),
                f"{layer.dense_weights:,}" if layer.dense_weights else "",
                f"{layer.dense_weights / layer.weights:,.0f}" if layer.weights else "",
            )
            for layer in self.layers
        ]
        header = (
            "Layer",
            "Kind",
            "Output",
            "Parameters",
            "Multiply-adds",
            "Output memory",
            "Weights if dense",
            "Dense/own",
        )
        caption = (
            "Layers in the order in which they ran. Products with zeros beyond the border count; biases, norms, "
            "activations and pooling have no multiply-adds. Dense/own: one weight for each pair of input and output, "
            "divided by the weights that there are."
        )
        return CardTable(header, tuple(rows), caption, page_only=("Output memory", "Weights if dense"))

    def warnings(self) -> Sequence[str]:
        """Name the parameters that were not read, and the operations that were not counted."""
        told = []
        if self.unused:
            more = f" and {len(self.unused) - 3} more" if len(self.unused) > 3 else ""
            told.append(f"Not read in this run: {', '.join(self.unused[:3])}{more}.")
        if self.uncounted:
            told.append(f"The multiply-adds of {', '.join(self.uncounted)} are not known, and not counted.")
        return told

    def figures(self) -> Mapping[str, float]:
        """Return the totals by name."""
        return {
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
            "macs": self.multiply_adds,
            "parameter_bytes": self.parameter_bytes,
            "activation_bytes": self.activation_bytes,
            "peak_bytes": self.peak_bytes,
            "dense_weights": self.dense_weights,
            "dense_ratio": self.dense_weights / self.weights if self.weights else 1.0,
        }


def measure(subject: Subject) -> CountsResult:
    """Count what ran on the first example.

    Examples
    --------
    See `faltung.inspect.report_card.card`.
    """
    captured = subject.captured[0]
    network = subject.network
    names: dict[int, list[str]] = {}
    for name, parameter in network.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    parameters = [*network.parameters()]
    layers, weights, dense = _layers(captured, subject.layers)
    read = {name for layer in subject.layers for name in layer.parameters}
    return CountsResult(
        parameters=sum(parameter.numel() for parameter in parameters),
        trainable=sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        buffers=sum(buffer.numel() for buffer in network.buffers()),
        unused=tuple(same[0] for same in names.values() if not read & {*same}),
        shared=tuple(tuple(same) for same in names.values() if len(same) > 1),
        multiply_adds=sum(map(multiply_adds, captured.operations)),
        uncounted=uncounted(captured),
        parameter_bytes=sum(parameter.numel() * parameter.element_size() for parameter in parameters),
        activation_bytes=_made(captured),
        peak_bytes=_peak(captured),
        weights=weights,
        dense_weights=dense,
        layers=layers,
    )


def _layers(captured: Captured, rows: Sequence[LayerRow]) -> tuple[tuple[LayerCounts, ...], int, int]:
    """Return the counts of all layers; and the weights of those that have some, and of dense ones instead."""
    storages = {place.storage for place in captured.parameters.values()}
    told: set[str] = set()
    layers, all_weights, all_dense = [], 0, 0
    for row in rows:
        weights = dense = 0
        for operation in row.operations:
            if (pair := weight_of(operation, storages)) and multiply_adds(operation):
                given, weight = pair
                batch = max(next(iter(captured.sources.values())).shape[:1], default=1)
                weights = weight.count
                dense = (given.count // batch) * (operation.results[0].count // batch)
        new = [name for name in row.parameters if name not in told]
        told.update(row.parameters)
        layers.append(
            LayerCounts(
                row.name,
                row.kind,
                row.result.shape,
                sum(captured.parameters[name].count for name in row.parameters),
                bool(row.parameters) and not new,
                sum(map(multiply_adds, row.operations)),
                row.result.nbytes,
                weights,
                dense,
            )
        )
        if new or not row.parameters:
            all_weights, all_dense = all_weights + weights, all_dense + dense
    return tuple(layers), all_weights, all_dense


def _lives(captured: Captured) -> dict[int, tuple[int, int]]:
    """Return for each storage that an operation made when it was made and last used."""
    kept = {place.storage for place in (*captured.parameters.values(), *captured.buffers.values())}
    lives: dict[int, tuple[int, int]] = {place.storage: (0, 0) for place in captured.sources.values()}
    for index, operation in enumerate(captured.operations):
        used = [place for _, _, place in operation.operands()]
        for place in (*operation.results, *operation.written, *used):
            if place.storage not in kept:
                lives[place.storage] = (lives.get(place.storage, (index, 0))[0], index)
    end = len(captured.operations)
    for place in captured.results:
        if place.storage in lives:
            lives[place.storage] = (lives[place.storage][0], end)
    return lives


def _made(captured: Captured) -> int:
    given = {place.storage for place in captured.sources.values()}
    return sum(captured.sizes[storage] for storage in _lives(captured) if storage not in given)


def _peak(captured: Captured) -> int:
    changes = [0] * (len(captured.operations) + 2)
    for storage, (first, last) in _lives(captured).items():
        changes[first] += captured.sizes[storage]
        changes[last + 1] -= captured.sizes[storage]
    held, peak = 0, 0
    for change in changes:
        held += change
        peak = max(peak, held)
    return peak
