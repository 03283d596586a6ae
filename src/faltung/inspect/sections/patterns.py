"""Which patterns does each layer look for, and how complex are they? Patches, inputs found by ascent, probes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from faltung.ground.drawings.charts import Curve, line_chart
from faltung.inspect.ascent import Ascended, ascended
from faltung.inspect.captured_run import Captured
from faltung.inspect.chosen_channels import LayerChannels, chosen_layers
from faltung.inspect.excerpts import DrawnPart, part_list
from faltung.inspect.field_boxes import Box, FieldBoxes
from faltung.inspect.input_samples import InputSamples
from faltung.inspect.layer_responses import LayerResponse, layer_responses, probed, shares_of_superposition
from faltung.inspect.multiply_adds import multiply_adds
from faltung.inspect.section_result import CardTable, Drawing, NotMeasured, SectionResult, Subject

__all__ = ["ChannelPattern", "DepthRow", "LayerPatterns", "Patch", "PatternsResult", "measure"]

#: Patches of a channel, of different samples.
_PATCHES = 4
#: At most so many samples, and so many multiply-adds for all of them, and for the ascent of one layer.
_SAMPLES, _RUN_WORK, _ASCENT_WORK = 500, 1.2e10, 6e9
_FEWEST, _STEPS = 8, (12, 32)


@dataclass(frozen=True, eq=False)
class Patch:
    r"""The part of a sample that an output sees.

    Parameters
    ----------
    sample : int
        Index of the sample, among those that were looked at.
    position : tuple of int
        Of the output; empty if the channel has only one.
    bounds : tuple of (int, int)
        First position of the part and position behind its last one, along each axis of the sample: the smallest box
        around the receptive field of this output.
    response : float
        What the channel answers there.
    values : array, shape (channels, \*spatial)
        The part.
    """

    sample: int
    position: tuple[int, ...]
    bounds: Box
    response: float
    values: NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True, eq=False)
class ChannelPattern:
    """What excites a channel.

    Parameters
    ----------
    channel : int
        Its number.
    patches : tuple of Patch
        The strongest one of each of the samples that excite it most, strongest first.
    found : Ascended
        The input that was found by ascent.
    """

    channel: int
    patches: tuple[Patch, ...]
    found: Ascended = field(repr=False)


@dataclass(frozen=True, eq=False)
class LayerPatterns:
    """Patterns of some channels of a layer.

    Parameters
    ----------
    name, title : str
        The layer.
    channels : tuple of ChannelPattern
        The channels.
    exact : bool
        Whether the box of each patch was followed through the network; otherwise it is that of the output in the
        middle, moved (see `faltung.inspect.field_boxes`).
    """

    name: str
    title: str
    channels: tuple[ChannelPattern, ...]
    exact: bool


@dataclass(frozen=True)
class DepthRow:
    """How complex a layer is.

    Parameters
    ----------
    name, title : str
        The layer.
    superposition : float
        Share of its activation that superposition explains: 1 for a linear map of the input. Nan for few samples.
    probe : float
        Accuracy of a linear classifier of its activation, on samples that it was not fitted to; nan without labels.
    """

    name: str
    title: str
    superposition: float
    probe: float


@dataclass(frozen=True, eq=False)
class PatternsResult(SectionResult):
    """Patterns by depth.

    Parameters
    ----------
    depth : tuple of DepthRow
        The convolutional and linear layers, in the order in which they ran first.
    layers : tuple of LayerPatterns
        Some of these layers, with some of their channels.
    samples : int
        Number of samples that were looked at.
    all_samples : int
        Number of samples that there were.
    given : bool
        Whether they were given as data; otherwise they are the examples.
    input_probe : float
        Accuracy of a linear classifier of the samples themselves; nan without labels.
    chance : float
        Share of the most frequent class; nan without labels.
    steps : tuple of int
        Fewest and most steps of an ascent.
    limits : (float, float)
        Smallest and largest value of the data, for the pictures.
    """

    heading: ClassVar[str] = "Patterns by depth"

    depth: tuple[DepthRow, ...]
    layers: tuple[LayerPatterns, ...]
    samples: int
    all_samples: int
    given: bool
    input_probe: float
    chance: float
    steps: tuple[int, int]
    limits: tuple[float, float]

    def facts(self) -> Mapping[str, str]:
        """Return what was looked at, and how the layers differ."""
        whose = "samples of the data" if self.given else "samples, those of the examples"
        part = "" if self.samples == self.all_samples else f" of {self.all_samples:,}, drawn at random"
        of_all = f" of {len(self.depth)}" if self.depth else ""
        told = {"Looked at": f"{self.samples:,} {whose}{part}; pictures of {len(self.layers)}{of_all} layers"}
        known = [row for row in self.depth if not math.isnan(row.superposition)]
        if len(known) > 1:
            told["Linear in the input"] = (
                f"{known[0].superposition:.0%} of the first layer, {known[-1].superposition:.0%} of the last one"
            )
        read = [row for row in self.depth if not math.isnan(row.probe)]
        if read:
            best = max(read, key=lambda row: row.probe)
            told["Linear probe"] = (
                f"{self.input_probe:.1%} from the input, {read[0].probe:.1%} from the first layer, at most "
                f"{best.probe:.1%}, from {best.name}; always the most frequent class: {self.chance:.1%}"
            )
        return told

    def table(self) -> CardTable | None:
        """Return superposition and probe of each layer."""
        if not self.depth:
            return None
        rows = tuple((row.name, row.title, _percent(row.superposition), _percent(row.probe)) for row in self.depth)
        caption = (
            "Superposition: a linear map turns the mean of two samples into the mean of its outputs; how much of a "
            f"layer's activation is explained so (-: fewer than {_FEWEST} samples). Probe: accuracy of a linear "
            "classifier of the activation, averaged over neighbours to about 500 numbers, fitted to half of the "
            "samples and tested on the others (-: no labels, or few)."
        )
        return CardTable(("Layer", "Kind", "Superposition", "Probe"), rows, caption, page_only=("Kind",))

    def drawings(self) -> Sequence[Drawing]:
        """Return the curves over the depth, and for each channel its patches and the input that was found."""
        return [*self._curves(), *self.pictures()]

    def pictures(self) -> Sequence[Drawing]:
        """Return for each layer the patches of its channels, and the inputs that were found by ascent."""
        return [self._drawn(layer) for layer in self.layers]

    def _drawn(self, layer: LayerPatterns) -> Drawing:
        lists = "".join(part_list(_parts(layer.name, pattern), self.limits) for pattern in layer.channels)
        sizes = [pattern.patches[0].bounds for pattern in layer.channels if pattern.patches]
        size = " x ".join(str(end - start) for start, end in sizes[0]) if sizes else ""
        numbers = ", ".join(str(pattern.channel) for pattern in layer.channels)
        caption = (
            f"{layer.name} ({layer.title}), channels {numbers}. "
            f"First in each row: the input that excites the channel most, from noise by {self.steps[0]} to "
            f"{self.steps[1]} steps along the gradient within the range of the data. Behind it: the parts of samples "
            f"({size}) that do so, with the response.{'' if layer.exact else _MOVED}"
        )
        return Drawing(lists, caption)

    def _curves(self) -> Iterator[Drawing]:
        numbered = [*enumerate(self.depth, start=1)]
        curves = {
            "superposition": [(0, 100.0)] + [(place, 100 * row.superposition) for place, row in numbered],
            "linear probe": [(0, 100 * self.input_probe)] + [(place, 100 * row.probe) for place, row in numbered],
        }
        lines = [
            Curve(name, tuple(point for point in points if not math.isnan(point[1])), colour)
            for colour, (name, points) in enumerate(curves.items(), start=1)
        ]
        shown = [line for line in lines if len(line.points) > 1]
        if shown:
            chart = line_chart(
                shown,
                title="Superposition and accuracy of a linear probe against the number of the layer",
                x_label="Layer (0: the input)",
                y_label="Per cent",
                x_ticks=list(range(0, len(self.depth) + 1, -(-len(self.depth) // 8))),
            )
            yield Drawing(chart, "How linear each layer is in the input, and what can be read from it.")

    def figures(self) -> Mapping[str, float]:
        """Return superposition of the last layer, and the best probe."""
        named = {
            "superposition": next((row.superposition for row in reversed(self.depth)), math.nan),
            "probe_accuracy": max((row.probe for row in self.depth if not math.isnan(row.probe)), default=math.nan),
        }
        return {name: value for name, value in named.items() if not math.isnan(value)}


_MOVED = " Their place is that of the receptive field in the middle, moved with the output."


def _parts(layer: str, pattern: ChannelPattern) -> Iterator[DrawnPart]:
    title = f"input that excites channel {pattern.channel} of {layer}"
    yield DrawnPart(pattern.found.values, title, f"{pattern.channel}: {pattern.found.response:.3g}")
    for patch in pattern.patches:
        where = f" at {patch.position}" if patch.position else ""
        title = f"part of sample {patch.sample} that channel {pattern.channel} of {layer} sees{where}"
        yield DrawnPart(patch.values, title, f"{patch.response:.3g}")


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{share:.0%}"


def measure(subject: Subject) -> SectionResult:
    """Run the network on the samples, look for the strongest responses, and climb them.

    Examples
    --------
    See `faltung.inspect.report_card.card`.
    """
    if subject.samples is None:
        return NotMeasured("the input is no floating-point tensor with a batch axis")
    captured, modules = subject.captured[0], subject.modules
    batch = max(1, captured.sources[captured.input].shape[0])
    costs = [multiply_adds(operation) / batch for operation in captured.operations]
    most = int(min(max(_RUN_WORK / max(sum(costs), 1), _FEWEST), _SAMPLES))
    samples = subject.samples.first(most)
    try:
        responses = layer_responses(subject, samples)
        shares = shares_of_superposition(samples)
    except ValueError as error:  # of the network, or because the runs have other numbers of layers
        return NotMeasured(f"the network does not run alike on all samples ({error})")
    if not responses:
        return NotMeasured("no layer is a module")
    by_name = {each.row.name: each for each in responses}
    patterns, steps = [], []
    asked = {name: numbers for name, numbers in subject.channels.items() if name in by_name}
    if subject.channels and not asked:
        return NotMeasured(f"none of {', '.join(subject.channels)} is a convolutional or linear module")
    rows = {name: each.row for name, each in by_name.items()}
    spread = {name: each.variance for name, each in by_name.items()}
    for seed, chosen in enumerate(chosen_layers(rows, spread, asked)):
        name = chosen.row.name
        count = _steps(sum(costs[: chosen.row.end]) * len(chosen.channels), samples)
        found = ascended(samples, modules[name], chosen.row, chosen.channels, count, seed)
        steps.append(count)
        shown = _patterns(captured, samples, by_name[name], chosen, found)
        if any(patch.values.size for each in shown.channels for patch in each.patches):
            patterns.append(shown)  # others see other arguments, and nothing of the samples
    return _result(subject, samples, responses, shares, patterns, (min(steps), max(steps)))


def _steps(work: float, samples: InputSamples) -> int:
    """Return how many steps of an ascent are affordable; each runs forth and back, on an input of at most 96."""
    shape = samples.values.shape[2:]
    share = math.prod(min(length, 96) / length for length in shape)
    return int(min(max(_ASCENT_WORK / max(3 * work * share, 1), _STEPS[0]), _STEPS[1]))


def _patterns(
    captured: Captured,
    samples: InputSamples,
    response: LayerResponse,
    chosen: LayerChannels,
    found: Sequence[Ascended],
) -> LayerPatterns:
    patterns, boxes = [], FieldBoxes(captured, chosen.row)
    for channel, climbed in zip(chosen.channels, found, strict=True):
        largest = response.largest[:, channel].nan_to_num(-math.inf)
        best = largest.argsort(descending=True, stable=True)[:_PATCHES].tolist()
        patches = tuple(_patch(boxes, samples, response, sample, channel) for sample in best)
        patterns.append(ChannelPattern(channel, patches, climbed))
    return LayerPatterns(response.row.name, response.title, tuple(patterns), boxes.exact)


def _patch(boxes: FieldBoxes, samples: InputSamples, response: LayerResponse, sample: int, channel: int) -> Patch:
    position = response.position(sample, channel)
    bounds = boxes.of(position, channel)
    whole = samples.values[sample]
    part = tuple(slice(start, end) for start, end in bounds)
    values = whole[(slice(None), *part)] if whole.ndim > 1 else whole[part]
    answer = float(response.largest[sample, channel])
    return Patch(sample, position, bounds, answer, values.float().cpu().numpy())


def _result(
    subject: Subject,
    samples: InputSamples,
    responses: Sequence[LayerResponse],
    shares: Mapping[str, float],
    patterns: Sequence[LayerPatterns],
    steps: tuple[int, int],
) -> PatternsResult:
    accuracies = probed(samples, [*responses])
    depth = tuple(
        DepthRow(
            each.row.name,
            each.title,
            shares.get(each.row.name, math.nan),
            accuracies.get(each.row.name, math.nan),
        )
        for each in responses
    )
    assert subject.samples is not None
    values = samples.values[samples.values.isfinite()]
    limits = (float(values.min()), float(values.max())) if values.numel() else (0.0, 1.0)
    chance = math.nan
    if accuracies and samples.labels is not None:
        chance = float(torch.bincount(samples.labels).max()) / len(samples)
    return PatternsResult(
        depth,
        tuple(patterns),
        len(samples),
        len(subject.samples),
        samples.given,
        accuracies.get("input", math.nan),
        chance,
        steps,
        limits,
    )
