"""In which box of the input are the positions that an output sees? Exact; in large networks moved from the middle."""

from __future__ import annotations

from faltung.inspect.captured_run import Captured
from faltung.inspect.layer_rows import LayerRow
from faltung.inspect.receptive_field import field_of

__all__ = ["Box", "FieldBoxes"]

Box = tuple[tuple[int, int], ...]
"""First position, and position behind the last one, along each axis."""

#: Operations with more results than this take so long to be followed that it is done for the middle alone.
_MOST_RESULTS = 3_000_000


class FieldBoxes:
    """The boxes around the receptive fields of the outputs of a layer.

    Where a network is small, each is followed through the network. In a large one, the boxes of two outputs in the
    middle tell how far the box moves from one output to the next; others are moved from there, and cut off at the
    border. That is exact for layers that treat all positions alike, and where the border is zero.

    Parameters
    ----------
    captured : Captured
        What ran.
    row : LayerRow
        The layer.

    Examples
    --------
    >>> import torch
    >>> from faltung.inspect.capture import capture
    >>> from faltung.inspect.examples import as_example
    >>> from faltung.inspect.layer_rows import layer_rows
    >>> from faltung.inspect.supports import needs_values
    >>> found = capture(torch.nn.Conv1d(1, 1, 3, padding=1), as_example(torch.zeros(1, 1, 9)), needs_values)
    >>> FieldBoxes(found, layer_rows(found)[0]).of((0,), 0)
    ((0, 2),)
    """

    def __init__(self, captured: Captured, row: LayerRow) -> None:
        self._captured, self._row = captured, row
        operations = captured.operations[: row.end]
        self.exact = sum(place.count for each in operations for place in each.results) <= _MOST_RESULTS
        self._known: dict[tuple[tuple[int, ...], int], Box] = {}

    def of(self, position: tuple[int, ...], channel: int) -> Box:
        """Return the box of an output; an output without positions has an empty one."""
        known = self._known.get((position, channel))
        if known is None:
            moved = not self.exact and bool(position)
            known = self._moved(position, channel) if moved else self._followed(position, channel)
            self._known[position, channel] = known
        return known

    def _followed(self, position: tuple[int, ...], channel: int) -> Box:
        row = self._row
        if row.channels is None:  # all axes behind the batch axis are channels, and the last one is counted
            whole = (*[0] * (len(row.result.shape) - 2), channel)
            return field_of(self._captured, row, whole).bounds
        return field_of(self._captured, row, position, channel).bounds

    def _moved(self, position: tuple[int, ...], channel: int) -> Box:
        shape = [length for axis, length in enumerate(self._row.result.shape) if axis not in (0, self._row.channels)]
        middle = tuple(length // 2 for length in shape)
        behind = tuple(min(place + 1, length - 1) for place, length in zip(middle, shape, strict=True))
        first, second = (self._of_all_channels(each) for each in (middle, behind))
        axes = len(self._captured.sources[self._captured.input].shape) - len(first)
        sizes = self._captured.sources[self._captured.input].shape[axes:]
        if len(first) != len(position):
            return self._followed(position, channel)
        box = []
        for start, end, after, place, centre, size in zip(
            *zip(*first, strict=True), (pair[1] for pair in second), position, middle, sizes, strict=True
        ):
            if start == 0 or end == size:  # cut off: how far it reaches is not known
                box.append((0, size))
            else:
                offset = (after - end) * (place - centre)
                box.append((min(max(start + offset, 0), size - 1), max(min(end + offset, size), 1)))
        return tuple(box)

    def _of_all_channels(self, position: tuple[int, ...]) -> Box:
        """Return the box of a position, for all channels together."""
        known = self._known.get((position, -1))
        if known is None:
            known = self._known[position, -1] = field_of(self._captured, self._row, position).bounds
        return known
