"""Which parts of samples excite a channel? Those that its largest values see, where it is largest."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from faltung.errors import ArgumentError
from faltung.explorer.field_numbers import AxisField, field_numbers
from faltung.explorer.network_run import NetworkRun, numbers, running
from faltung.explorer.network_source import NetworkSource
from faltung.explorer.seen_positions import seen_box
from faltung.inspect.capture import capture
from faltung.inspect.captured_run import Operation
from faltung.inspect.guarded import guarded

__all__ = ["ExcitingPatches"]

#: At most so many samples are looked at, at once, and for so many seconds.
_SAMPLES, _BATCH, _SECONDS = 200, 25, 5.0
_PATCHES = 6
Largest = tuple[NDArray[np.float64], NDArray[np.int64]]


class ExcitingPatches:
    """The largest values of all channels over the samples of a network.

    Parameters
    ----------
    source : NetworkSource
        The network and its samples.
    run : NetworkRun
        Its run on one of them, which says what its steps are.

    Examples
    --------
    >>> from torch import nn
    >>> from faltung.explorer.network_source import given_source
    >>> source = given_source(nn.Conv1d(1, 1, 3, bias=False), torch.eye(9)[2:5, None])
    >>> found = ExcitingPatches(source, NetworkRun(source.network, source.of(source.samples[0])))
    >>> found.samples, found.of(0, 0)[0]["values"].shape
    (3, (1, 3))
    """

    def __init__(self, source: NetworkSource, run: NetworkRun) -> None:
        self._source, self._run = source, run
        self._fields = field_numbers(run)
        self.samples = 0
        self._largest = self._found()

    def of(self, step: int, channel: int) -> list[dict[str, Any]]:
        """Return the patches that excite a channel most, strongest first."""
        if step not in self._largest:
            raise ArgumentError(
                "layer", "a layer whose result has the batch axis of the input", self._run.steps[step].name
            )
        responses, places = self._largest[step]
        lengths = self._run.shape(self._run.steps[step].result)[1:]
        order = np.argsort(-responses[:, channel], kind="stable")[:_PATCHES]
        return [
            self._patch(step, channel, int(sample), [int(each) for each in np.unravel_index(
                places[sample, channel], lengths)] if lengths else [], float(responses[sample, channel]))
            for sample in order
        ]  # fmt: skip

    def most_varied(self, step: int, count: int) -> list[int]:
        """Return the channels whose largest values differ most between samples."""
        if step not in self._largest:
            return []
        spread = self._largest[step][0].std(0)
        return [int(channel) for channel in np.argsort(-spread, kind="stable")[:count]]

    def _patch(self, step: int, channel: int, sample: int, position: list[int], response: float) -> dict[str, Any]:
        whole = self._source.samples[sample]
        fields = self._fields[step]
        lengths = tuple(whole.shape[1:])
        if isinstance(fields, tuple) and len(fields) == len(lengths):
            box = [_inside(*each) for each in zip(fields, position, lengths, strict=True)]
        elif fields == "whole":
            box = [(0, length) for length in lengths]
        else:
            box = seen_box(self._run, step, channel, position)
        part = whole[(slice(None), *(slice(*each) for each in box))] if whole.ndim > 1 else whole
        return {
            "sample": sample,
            "position": position,
            "start": [each[0] for each in box],
            "stop": [each[1] for each in box],
            "response": response,
            "values": numbers(part),
        }

    def _found(self) -> dict[int, Largest]:
        """Run the network on samples, as many as there is time for."""
        parts: dict[int, list[Largest]] = {}
        samples = self._source.samples[:_SAMPLES]
        size, end = (_BATCH if len(samples) > 1 else 1), time.monotonic() + _SECONDS
        first = 0
        while first < len(samples) and (first == 0 or time.monotonic() < end):
            try:
                found = self._batch(samples[first : first + size])
            except ArgumentError:
                if size == 1:
                    raise
                size = 1  # the network takes one sample at a time
                continue
            for step, largest in found.items():
                parts.setdefault(step, []).append(largest)
            first += size
        self.samples = min(first, len(samples))
        return {
            step: (np.concatenate([each[0] for each in found]), np.concatenate([each[1] for each in found]))
            for step, found in parts.items()
            if sum(len(each[0]) for each in found) == self.samples
        }

    def _batch(self, samples: torch.Tensor) -> dict[int, Largest]:
        found: dict[int, Largest] = {}
        operations = 0

        def watch(operation: Operation, results: Sequence[torch.Tensor]) -> None:
            nonlocal operations
            index, operations = operations, operations + 1
            step = self._run.by_index.get(index)
            if step is not None and operation.name == self._run.steps[step].operation.name:
                largest = self._of_result(step, results[0], len(samples))
                if largest is not None:
                    found[step] = largest

        example = _repeated(self._source, samples)
        with running(), guarded(self._source.network):
            capture(self._source.network, example, lambda _: False, watch)
        return found

    def _of_result(self, step: int, result: torch.Tensor, count: int) -> Largest | None:
        feature = self._run.features[self._run.steps[step].result]
        shape = feature.place.shape
        alike = tuple(result.shape[1:]) == shape[1:] and len(shape) > 1 and shape[0] == 1
        if not alike or len(result) != count or not result.is_floating_point():
            return None
        flat = result.double().movedim(feature.axis, 1).flatten(2) if result.ndim > 2 else result.double()[..., None]
        largest, places = flat.nan_to_num(-math.inf).max(2)
        return largest.cpu().numpy(), places.cpu().numpy()


def _repeated(source: NetworkSource, samples: torch.Tensor) -> Any:
    """Return the arguments of a call for several samples; others with a batch axis are repeated."""
    given = source.example.tensors
    count = len(given[source.name])
    others = {
        name: tensor[:1].expand(len(samples), *tensor.shape[1:]).clone()
        for name, tensor in given.items()
        if tensor.ndim and len(tensor) == count
    }
    return source.example.replaced({**others, source.name: samples.to(given[source.name])})


def _inside(field: AxisField, place: int, length: int) -> tuple[int, int]:
    start = field.start + field.step * place
    return min(max(start, 0), length - 1), max(min(start + field.size, length), 1)
