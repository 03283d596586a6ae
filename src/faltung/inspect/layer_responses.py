"""What does each layer answer to many samples? Where a channel is largest, how much it varies, what can be read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch

from faltung.inspect.chosen_channels import channel_count, first_calls
from faltung.inspect.input_samples import InputSamples
from faltung.inspect.layer_rows import LayerRow
from faltung.inspect.layerwise import activations, layers_of
from faltung.inspect.probe import linear_probe, probe_features
from faltung.inspect.section_result import Subject
from faltung.inspect.superposition import superposition

__all__ = ["LayerResponse", "layer_responses", "probed", "shares_of_superposition"]

_STATISTICS = 4
#: A probe is fitted to half of the samples, and tested on the others; so many are needed.
_PROBED = 40
#: Pairs of samples for superposition, at most and at least.
_PAIRS, _FEWEST_PAIRS = 100, 4


@dataclass(frozen=True, eq=False)
class LayerResponse:
    """What a layer answers to samples.

    Parameters
    ----------
    row : LayerRow
        The layer, as it ran first.
    title : str
        Its kind and size.
    largest : tensor, shape (samples, channels)
        The largest value of each channel.
    places : int64 tensor, shape (samples, channels)
        Where it is, as an index into the flattened positions.
    variance : tensor, shape (channels,)
        Over samples and positions.
    features : tensor, shape (samples, features)
        For a linear probe.
    """

    row: LayerRow
    title: str
    largest: torch.Tensor
    places: torch.Tensor
    variance: torch.Tensor
    features: torch.Tensor

    def position(self, sample: int, channel: int) -> tuple[int, ...]:
        """Return where a channel is largest for a sample; nothing if it has one position."""
        shape = self.row.result.shape
        lengths = [length for axis, length in enumerate(shape) if axis not in (0, self.row.channels)]
        if self.row.channels is None:
            return ()
        place = int(self.places[sample, channel])
        position: list[int] = []
        for length in reversed(lengths):
            place, index = divmod(place, length)
            position.insert(0, index)
        return tuple(position)


def layer_responses(subject: Subject, samples: InputSamples) -> list[LayerResponse]:
    """Run the network on samples; return what each convolutional and linear module answers in its first call.

    Examples
    --------
    See `faltung.inspect.report_card.card`.
    """
    rows = first_calls(subject.layers)
    size = samples.network.batch_size
    titles = [*_titles(samples)]
    _, kept = activations(samples.network, samples.values, _statistics, size)
    found: dict[str, LayerResponse] = {}
    for (name, title), values in zip(titles, kept, strict=True):
        row = rows.get(name)
        if row is None or name in found or values.shape[1] < _STATISTICS * channel_count(row):
            continue
        count = channel_count(row)
        largest, places, mean, square = values[:, : _STATISTICS * count].reshape(-1, _STATISTICS, count).unbind(1)
        features = values[:, _STATISTICS * count :]
        variance = square.mean(0) - mean.mean(0).square()
        found[name] = LayerResponse(row, title, largest, places.long(), variance, features)
    return [*found.values()]


def _titles(samples: InputSamples) -> Iterator[tuple[str, str]]:
    """Yield the name in the network, and kind and size, of each layer that is observed."""
    for layer in layers_of(samples.network, tuple(samples.values.shape[1:])):
        yield layer.name.removeprefix("network").removeprefix(".") or "(itself)", layer.title


def _statistics(activation: torch.Tensor) -> torch.Tensor:
    """Return for each sample and channel the largest value, its place, mean and mean square; and probe features."""
    values = activation.double()
    flat = values.flatten(2) if values.ndim > 2 else values[..., None]
    largest, places = flat.max(2)
    known = [largest, places.double(), flat.mean(2), flat.square().mean(2)]
    return torch.cat([*known, probe_features(values)], 1)


def probed(samples: InputSamples, responses: list[LayerResponse]) -> Mapping[str, float]:
    """Return the accuracy of a linear probe of each layer, and of the input; nothing without enough labels.

    Examples
    --------
    See `faltung.inspect.report_card.card`.
    """
    labels = samples.labels
    if labels is None or len(samples) < _PROBED or int(labels.min()) == int(labels.max()):
        return {}
    order = torch.randperm(len(samples), generator=torch.Generator().manual_seed(1))
    fitted, tested = order[: len(order) // 2], order[len(order) // 2 :]

    def accuracy(features: torch.Tensor) -> float:
        features = features.cpu()
        return linear_probe(features[fitted], labels[fitted], features[tested], labels[tested])

    values = samples.values.double()
    whole = probe_features(values) if values.ndim <= 5 else values.flatten(1)
    return {"input": accuracy(whole), **{each.row.name: accuracy(each.features) for each in responses}}


def shares_of_superposition(samples: InputSamples) -> Mapping[str, float]:
    """Return for each layer the share of its activation that superposition explains; nothing for few samples.

    Examples
    --------
    See `faltung.inspect.report_card.card`.
    """
    some = samples.first(2 * _PAIRS)
    if len(some) < 2 * _FEWEST_PAIRS:
        return {}
    shares: dict[str, float] = {}
    values = some.values[torch.randperm(len(some), generator=torch.Generator().manual_seed(2))]
    found = superposition(some.network, values, some.network.batch_size)
    for (name, _), share in zip(_titles(some), found, strict=True):
        shares.setdefault(name, share if math.isfinite(share) else math.nan)
    return shares
