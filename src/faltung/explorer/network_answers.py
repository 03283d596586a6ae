"""What does the page ask about a network? The answers, as values that travel; arguments are checked before."""

from __future__ import annotations

import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from faltung.errors import ArgumentError
from faltung.explorer.contributions import contributions
from faltung.explorer.exciting_patches import ExcitingPatches
from faltung.explorer.field_numbers import Fields, field_numbers
from faltung.explorer.makings import making, weights
from faltung.explorer.moved_maps import FILLS, differences, moved
from faltung.explorer.network_run import NetworkRun, NetworkStep, bits, numbers
from faltung.explorer.network_source import NetworkSource
from faltung.explorer.question_arguments import checked_text, kind_of, listed, one_of
from faltung.explorer.seen_positions import box_of, measured_field, reached_positions, seen_positions
from faltung.ground.checks import integer
from faltung.inspect.captured_run import Operation, Place
from faltung.inspect.chosen_channels import evenly
from faltung.inspect.multiply_adds import multiply_adds, weight_of

__all__ = ["NetworkAnswers"]

_RUNS, _OWN = 3, 4
_MAPS = 64  # at once
_TILE = 64  # samples along an axis of a small picture
_MOST_NUMBERS = 6_000_000
_CLASSES = 10_000
_DEPTHS = 8
#: Fields are followed in networks with at most so many numbers, for at most so many seconds.
_FOLLOWED, _SECONDS = 3_000_000, 1.5


class NetworkAnswers:
    """Answers about one network.

    Parameters
    ----------
    source : NetworkSource
        The network and its samples.

    Examples
    --------
    >>> from torch import nn
    >>> from faltung.explorer.network_source import given_source
    >>> answers = NetworkAnswers(given_source(nn.Conv2d(1, 2, 3), torch.zeros(1, 1, 8, 8)))
    >>> answers.run({"sample": 0, "own": "", "shift": [0, 0], "fill": "zero"})["layers"][0]["shape"]
    [2, 6, 6]
    """

    def __init__(self, source: NetworkSource) -> None:
        self.source = source
        self._runs: OrderedDict[str, NetworkRun] = OrderedDict()
        self._own: OrderedDict[str, torch.Tensor] = OrderedDict()
        self._patches: ExcitingPatches | None = None
        self._bits = bits(source.network)

    def check(self) -> None:
        """Raise an error if the network does not run on its first sample, or returns no number for each class."""
        run = self._run(self.first_input)
        place, _ = next(run.outputs())
        names = len(self.source.classes)
        if not names:
            return
        if len(place.shape) != 2:
            received = f"{names} for an output of shape {' x '.join(map(str, place.shape))}"
            raise ArgumentError("classes", "no names where the output is not one number for each class", received)
        if place.shape[1] != names:
            raise ArgumentError("classes", f"{place.shape[1]} names, one for each output", f"{names}")

    def overview(self) -> dict[str, Any]:
        """Return what does not depend on the input."""
        source = self.source
        return {
            "title": source.title,
            "note": source.note,
            "classes": [*source.classes],
            "samples": len(source.samples),
            "labels": None if source.labels is None else [*source.labels],
            "shape": [*source.samples.shape[1:]],
            "takesImages": source.takes_images,
            "axes": self.axes,
            "pictures": self._pictures(),
            "bits": bits(source.network),
        }

    @property
    def axes(self) -> int:
        """Along how many axes the input can be moved."""
        floats = self.source.samples.is_floating_point()
        return min(max(self.source.samples.ndim - 2, 0), 2) if floats else 0

    def _pictures(self) -> NDArray[np.uint8] | None:
        """Return the first samples as small pictures."""
        if not self.source.takes_images:
            return None
        values = self.source.samples[:_MAPS].float().mean(1, keepdim=True)
        return _small(values[:, 0])[0]

    def run(self, asked: object) -> dict[str, Any]:
        """Return the layers of a run, and what came out."""
        run = self._run(asked)
        fields = _fields(run)
        storages = {place.storage for place in run.captured.parameters.values()}
        layers = []
        for number, step in enumerate(run.steps):
            shape = run.shape(step.result)
            made = making(run, step)
            given = weight_of(step.operation, storages) if multiply_adds(step.operation) else None
            axes = fields[number]
            layers.append(
                {
                    "name": step.name,
                    "kind": step.kind,
                    "function": step.operation.name,
                    "shape": [*shape],
                    "tensor": step.result,
                    "sources": [run.source_of(each) for each in made["inputs"]],
                    "making": {**made, "shapes": [[*run.shape(each)] for each in made["inputs"]]},
                    "parameters": _parameters(run, step.operation),
                    "multiplyAdds": multiply_adds(step.operation),
                    "weights": given[1].count if given else 0,
                    "dense": given[0].count * step.operation.results[0].count if given else 0,
                    "field": [vars(axis) for axis in axes] if isinstance(axes, tuple) else axes,
                }
            )
        return {
            "layers": layers,
            "parameters": sum(parameter.numel() for parameter in self.source.network.parameters()),
            "multiplyAdds": sum(map(multiply_adds, run.captured.operations)),
            "input": numbers(self._values(self._chosen(asked))),
            "bits": self._bits,
            "outputs": [*_outputs(run)],
            "probabilities": self._probabilities(run),
            "notes": [*self._notes(run)],
        }

    def _notes(self, run: NetworkRun) -> Iterator[str]:
        if len(run.steps) < run.all_steps:
            yield f"{run.all_steps:,} operations ran; the first {len(run.steps):,} are shown."
        if not run.steps:
            yield "Nothing in this network depends on the input."
        if run.too_large:
            yield "The maps of this network have too many numbers to be kept; those of later layers are missing."
        hidden = [step.name for step in run.steps if len(run.shape(step.result)) > 3]
        if hidden:
            yield f"Maps with three axes and more are shown by their middle slice: {', '.join(hidden[:3])}."

    def _probabilities(self, run: NetworkRun) -> NDArray[np.float64] | None:
        """Return the probability of each class, if what came out first is a number for each class."""
        place, step = next(run.outputs())
        if step < 0 or run.too_large:
            return None
        result = run.channels(run.steps[step].result)
        if len(place.shape) != 2 or result.ndim != 1 or not 2 <= len(result) <= _CLASSES:
            return None
        if self.source.classes and len(self.source.classes) != len(result):
            return None
        logits = torch.from_numpy(result.astype(np.float64))
        name = run.steps[step].operation.name
        if name == "_softmax":
            return logits.numpy()
        return (logits.exp() if name == "_log_softmax" else logits.softmax(0)).numpy()

    def maps(self, asked: object, layer: object, first: object, count: object) -> dict[str, Any]:
        """Return some maps of a layer as small pictures of whole numbers from 0 to 255, with their ranges."""
        run, start = self._run(asked), integer("first", first, 0)
        values = torch.from_numpy(run.channels(run.steps[_layer(run, layer)].result)).double()
        finite = values[values.isfinite()]
        whole = (float(finite.min()), float(finite.max())) if finite.numel() else (0.0, 0.0)
        part = values[start : start + integer("count", count, 1, _MAPS)]
        while part.ndim > 3:
            part = part[:, part.shape[1] // 2]
        if part.ndim == 1:
            part = part[:, None]
        small, ranges = _small(part)
        return {"maps": small, "ranges": ranges, "range": list(whole), "count": len(values)}

    def tensor(self, asked: object, tensor: object) -> NDArray[Any]:
        r"""Return all numbers of a tensor, (channels, \*spatial)."""
        run = self._run(asked)
        number = integer("tensor", tensor, 0, len(run.features) - 1)
        size = math.prod(run.shape(number))
        if size > _MOST_NUMBERS:
            received = f"one with {size:,}"
            raise ArgumentError(
                "layer", f"maps with at most {_MOST_NUMBERS:,} numbers", received, "Use a smaller input."
            )
        return run.channels(number)

    def weights(self, asked: object, layer: object, channel: object) -> dict[str, Any]:
        """Return the constants with which a channel is made."""
        run = self._run(asked)
        step = run.steps[_layer(run, layer)]
        return weights(run, step, _channel(run, step, channel))

    def contributions(self, asked: object, layer: object, channel: object, position: object) -> dict[str, Any]:
        """Return what a value of a layer depends on, where the page does not compute it itself."""
        run = self._run(asked)
        step = run.steps[_layer(run, layer)]
        places = _position(position, run.shape(step.result)[1:])
        return contributions(run, step, _channel(run, step, channel), tuple(places))

    def field(self, asked: object, layer: object, channel: object, position: object) -> dict[str, Any]:
        """Return which samples of the input a value of a layer sees."""
        run = self._run(asked)
        number = _layer(run, layer)
        step = run.steps[number]
        places = _position(position, run.shape(step.result)[1:])
        mask, status, reasons = seen_positions(run, number, _channel(run, step, channel), places)
        box = box_of(mask)
        return {
            "start": [each[0] for each in box],
            "stop": [each[1] for each in box],
            "count": int(mask.sum()),
            "all": int(mask.size),
            "mask": mask.astype(np.uint8),
            "status": status,
            "reasons": [*reasons],
        }

    def reach(self, asked: object, position: object) -> list[dict[str, Any]]:
        """Return which values of each layer a sample of the input reaches."""
        run = self._run(asked)
        return reached_positions(run, _position(position, self.source.samples.shape[2:]))

    def compared(self, asked: object) -> dict[str, Any]:
        """Return how the layers differ from those of the input that is not moved."""
        chosen = self._chosen(asked)
        before, after = self._run({**chosen, "shift": [0] * self.axes}), self._run(chosen)
        return {
            "layers": differences(before, after, chosen["shift"], chosen["fill"]),
            "before": self._probabilities(before),
            "after": self._probabilities(after),
            "still": numbers(self._values({**chosen, "shift": [0] * self.axes})),
        }

    def patches(self, layer: object, channel: object) -> dict[str, Any]:
        """Return the parts of samples that excite a channel most."""
        run = self._run(self.first_input)
        number = _layer(run, layer)
        found = self._found_patches()
        return {"samples": found.samples, "patches": found.of(number, _channel(run, run.steps[number], channel))}

    def depth(self) -> list[dict[str, Any]]:
        """Return for some layers of every depth the channels that vary most, with the parts that excite them."""
        found, run = self._found_patches(), self._run(self.first_input)
        candidates = [
            str(number)
            for number, step in enumerate(run.steps)
            if making(run, step)["kind"] in ("convolution", "transposed convolution", "linear")
        ]
        rows = []
        for text in evenly(candidates, _DEPTHS):
            channels = found.most_varied(int(text), 3)
            rows.append(
                {
                    "layer": int(text),
                    "channels": [
                        {"channel": channel, "patches": found.of(int(text), channel)[:4]} for channel in channels
                    ],
                }
            )
        return [row for row in rows if row["channels"]]

    def own(self, pixels: object) -> str:
        """Keep an image that was given as the input; return its name."""
        shape = tuple(self.source.samples.shape[1:])
        if not self.source.takes_images:
            raise ArgumentError("pixels", "a network that takes images", "one that takes other inputs")
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape != shape:
            raise ArgumentError("pixels", f"integers from 0 to 255 of shape {shape}", kind_of(pixels))
        name = hashlib.sha256(pixels.tobytes()).hexdigest()[:12]
        self._own[name] = self.source.from_pixels(pixels)
        while len(self._own) > _OWN:
            self._own.popitem(last=False)
        return name

    def _found_patches(self) -> ExcitingPatches:
        run = self._run(self.first_input)  # forgets the patches of other weights
        if self._patches is None:
            self._patches = ExcitingPatches(self.source, run)
        return self._patches

    @property
    def first_input(self) -> dict[str, Any]:
        """The input that is asked about first: sample 0, where it is."""
        return {"sample": 0, "own": "", "shift": [0] * self.axes, "fill": FILLS[0]}

    def _chosen(self, asked: object) -> dict[str, Any]:
        """Return which input is asked about, checked: a sample or an image of the user, moved, and what comes in."""
        if not isinstance(asked, dict) or asked.keys() != self.first_input.keys():
            raise ArgumentError("input", ", ".join(self.first_input), f"{asked!r:.80}")
        lengths = self.source.samples.shape[-self.axes :] if self.axes else ()
        shift = zip(listed("shift", asked["shift"], self.axes), lengths, strict=True)
        return {
            "sample": integer("sample", asked["sample"], 0, len(self.source.samples) - 1),
            "own": checked_text("own", asked["own"]),
            "shift": [integer("shift", amount, -length, length) for amount, length in shift],
            "fill": one_of("fill", asked["fill"], FILLS),
        }

    def _values(self, chosen: Mapping[str, Any]) -> torch.Tensor:
        values = self.source.samples[chosen["sample"]]
        if chosen["own"]:
            if chosen["own"] not in self._own:
                raise ArgumentError("own", "an image that is still there", "one that is not", "Choose it again.")
            values = self._own[chosen["own"]]
        return moved(values, chosen["shift"], chosen["fill"]) if any(chosen["shift"]) else values

    def _run(self, asked: object) -> NetworkRun:
        chosen = self._chosen(asked)
        self._forget_other_weights()
        key = repr([chosen["own"] or chosen["sample"], chosen["shift"], any(chosen["shift"]) and chosen["fill"]])
        run = self._runs.get(key)
        if run is None:
            run = self._runs[key] = NetworkRun(self.source.network, self.source.of(self._values(chosen)))
            while len(self._runs) > _RUNS:
                self._runs.popitem(last=False)
        self._runs.move_to_end(key)
        return run

    def _forget_other_weights(self) -> None:
        now = bits(self.source.network)
        if now != self._bits:
            self._bits, self._patches = now, None
            self._runs.clear()


def _fields(run: NetworkRun) -> list[Fields]:
    """Return the receptive fields of all steps; those without numbers are measured, while there is time."""
    fields, end = field_numbers(run), time.monotonic() + _SECONDS
    if sum(place.count for each in run.captured.operations for place in each.results) > _FOLLOWED:
        return fields
    for number, found in enumerate(fields):
        if found is None and time.monotonic() < end:
            fields[number] = measured_field(run, number)
    return fields


def _layer(run: NetworkRun, layer: object) -> int:
    return integer("layer", layer, 0, len(run.steps) - 1)


def _channel(run: NetworkRun, step: NetworkStep, channel: object) -> int:
    return integer("channel", channel, 0, run.shape(step.result)[0] - 1)


def _position(position: object, lengths: Sequence[int]) -> list[int]:
    pairs = zip(listed("position", position, len(lengths)), lengths, strict=True)
    return [integer("position", place, 0, length - 1) for place, length in pairs]


def _parameters(run: NetworkRun, operation: Operation) -> int:
    """Return the number of parameters that an operation reads."""
    storages = {place.storage: place.count for place in run.captured.parameters.values()}
    read = {place.storage for _, _, place in operation.operands() if isinstance(place, Place)}
    return sum(storages[storage] for storage in read if storage in storages)


def _outputs(run: NetworkRun) -> Iterator[dict[str, Any]]:
    for place, step in run.outputs():
        yield {"shape": [*place.shape], "layer": step}


def _small(maps: torch.Tensor) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return maps in bytes, each from its smallest to its largest number, and these two; large maps get smaller."""
    values = torch.nan_to_num(maps.double(), 0.0, 0.0, 0.0)
    lengths = [min(length, _TILE if values.ndim > 2 else 4 * _TILE) for length in values.shape[1:]]
    if lengths != [*values.shape[1:]]:
        while values.ndim < 3:
            values = values[:, None]
        rows, columns = [1, *lengths][-2:]
        values = torch.nn.functional.adaptive_avg_pool2d(values[None], (rows, columns))[0].reshape(-1, *lengths)
    flat = values.flatten(1)
    low, high = flat.amin(1), flat.amax(1)
    size = torch.where(high > low, high - low, 1.0)
    packed = ((flat - low[:, None]) / size[:, None] * 255).round().to(torch.uint8).reshape(values.shape)
    return packed.numpy(), torch.stack([low, high], 1).numpy()
