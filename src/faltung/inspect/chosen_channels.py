"""Whose patterns are shown? The channels that are named, or those that vary most in some layers of every depth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch

from faltung.errors import ArgumentError
from faltung.inspect.layer_rows import LayerRow

__all__ = ["LayerChannels", "channel_count", "checked_channels", "chosen_layers", "evenly", "first_calls"]

#: Of so many layers, evenly spread over the depth, patterns are shown, and of so many channels of each.
_LAYERS, _CHANNELS = 6, 3


class LayerChannels(NamedTuple):
    """Channels of a layer.

    Parameters
    ----------
    row : LayerRow
        The layer, as it ran first.
    channels : tuple of int
        Their numbers.
    """

    row: LayerRow
    channels: tuple[int, ...]


def checked_channels(channels: Mapping[str, Sequence[int]], layers: Sequence[LayerRow]) -> dict[str, tuple[int, ...]]:
    """Return which channels of which layers are asked for.

    Raises
    ------
    ArgumentError
        There is no such layer or channel.

    Examples
    --------
    >>> checked_channels({}, [])
    {}
    """
    rows = first_calls(layers)
    checked = {}
    for name, numbers in channels.items():
        if name not in rows:
            raise ArgumentError("channels", f"names out of {', '.join(rows)}", repr(name))
        count = channel_count(rows[name])
        for number in numbers:
            if not (isinstance(number, int) and 0 <= number < count):
                expected = f"numbers from 0 to {count - 1} for the layer {name!r}"
                raise ArgumentError("channels", expected, repr(number))
        checked[name] = tuple(dict.fromkeys(numbers))
    return checked


def first_calls(layers: Sequence[LayerRow]) -> dict[str, LayerRow]:
    """Return the layers by name; of one that runs several times, the first call.

    Examples
    --------
    >>> first_calls([])
    {}
    """
    rows: dict[str, LayerRow] = {}
    for row in layers:
        rows.setdefault(row.name, row)
    return rows


def channel_count(row: LayerRow) -> int:
    """Return how many channels the result of a layer has.

    Examples
    --------
    See `checked_channels`.
    """
    axis = row.channels if row.channels is not None else len(row.result.shape) - 1
    return row.result.shape[axis]


def chosen_layers(
    rows: Mapping[str, LayerRow], spread: Mapping[str, torch.Tensor], asked: Mapping[str, tuple[int, ...]]
) -> Iterator[LayerChannels]:
    """Yield the layers whose patterns are shown, with their channels.

    Parameters
    ----------
    rows : mapping of str to LayerRow
        The layers that can be shown.
    spread : mapping of str to tensor, shape (channels,)
        The variance of each channel, over samples and positions.
    asked : mapping of str to tuple of int
        What was asked for; if that is nothing, some layers of every depth.

    Examples
    --------
    See `faltung.inspect.report_card.card`.
    """
    names = [name for name in rows if name in asked] if asked else [*evenly([*rows], _LAYERS)]
    for name in names:
        values = spread[name].nan_to_num(-1.0)
        most = values.argsort(descending=True, stable=True)[:_CHANNELS]
        active = [int(number) for number in most if values[number] > 0] or [int(most[0])]
        yield LayerChannels(rows[name], asked.get(name, tuple(active)))


def evenly(names: Sequence[str], most: int) -> Iterator[str]:
    """Yield at most so many names, the first and the last one included, evenly spread.

    Examples
    --------
    >>> [*evenly("abcdefg", 3)]
    ['a', 'd', 'g']
    """
    if len(names) <= most:
        yield from names
        return
    for place in range(most):
        yield names[round(place * (len(names) - 1) / (most - 1))]
