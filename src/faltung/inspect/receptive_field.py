"""What does an output see, and what does an input reach? Questions about positions, and their answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from faltung.errors import ArgumentError
from faltung.ground.drawings.pictures import data_uri, middle, png, signed_sheet
from faltung.inspect.captured_run import Captured
from faltung.inspect.layer_rows import LayerRow
from faltung.inspect.supports import Supports

__all__ = ["ReceptiveField", "field_of", "reach_of", "spatial"]


@dataclass(frozen=True, eq=False)
class ReceptiveField:
    """A set of positions of a tensor.

    Parameters
    ----------
    of : str
        What it is about, in words.
    mask : bool array, shape (*spatial)
        True at the positions that are seen or reached by any channel.
    whole_mask : bool array, shape (channels, *spatial)
        The same for each channel.
    status : {"exact", "whole input", "upper bound", "by gradients, a lower bound", "unknown"}
        What the set is. It is about structure: a tap that happens to be zero counts as any other.
    reasons : tuple of str
        Operations that are the reason why it is not exact.

    Examples
    --------
    >>> import torch
    >>> import faltung as fa
    >>> card = fa.inspect.card(torch.nn.Conv1d(1, 1, 3, dilation=2), torch.zeros(1, 1, 9), sections=["counts"])
    >>> field = card.sees(position=(2,))
    >>> field.size, field.count, field.has_holes, field.status
    ((5,), 3, True, 'exact')
    >>> print(field)
    output at (2,) sees 5 positions across, 3 of them, with holes: exact
    """

    of: str
    mask: NDArray[np.bool_]
    whole_mask: NDArray[np.bool_]
    status: str
    reasons: tuple[str, ...] = ()

    @property
    def bounds(self) -> tuple[tuple[int, int], ...]:
        """First position and position behind the last one, along each axis."""
        bounds = []
        for axis in range(self.mask.ndim):
            others = tuple(other for other in range(self.mask.ndim) if other != axis)
            places = np.flatnonzero(self.mask.any(axis=others))
            bounds.append((int(places[0]), int(places[-1]) + 1) if len(places) else (0, 0))
        return tuple(bounds)

    @property
    def size(self) -> tuple[int, ...]:
        """Length of the smallest box around it, along each axis."""
        return tuple(end - start for start, end in self.bounds)

    @property
    def count(self) -> int:
        """Number of positions."""
        return int(self.mask.sum())

    @property
    def has_holes(self) -> bool:
        """Whether positions of the box are left out."""
        return self.count < math.prod(self.size)

    @property
    def at_border(self) -> bool:
        """Whether it touches the border of the tensor, so that it may be larger on a larger one."""
        return any(
            start == 0 or end == length for (start, end), length in zip(self.bounds, self.mask.shape, strict=True)
        )

    def __str__(self) -> str:
        size = " x ".join(map(str, self.size)) or "1"
        why = f" ({', '.join(self.reasons)})" if self.reasons else ""
        holes = f", {self.count:,} of them, with holes" if self.has_holes else ""
        return f"{self.of} {size} positions across{holes}: {self.status}{why}"

    def _repr_html_(self) -> str:
        return self.picture(str(self))

    def picture(self, title: str) -> str:
        """Return the set as a picture in HTML; of a volume, the slice in the middle."""
        plane = middle(self.mask[None]) if 1 <= self.mask.ndim <= 3 else self.mask.reshape(1, 1, -1)
        text, source = escape(title), data_uri(png(signed_sheet(plane.astype(np.float32))))
        return f'<img class="filters" alt="{text}" title="{text}" src="{source}"/>'


def field_of(
    captured: Captured, row: LayerRow, position: Sequence[int | None] | None = None, channel: int | None = None
) -> ReceptiveField:
    """Return what a position of the output of a layer sees of the input.

    Examples
    --------
    See `faltung.inspect.report_card.Card.sees`.
    """
    axis = row.channels
    index = _index(row.result.shape, axis, position, channel)
    mask = torch.zeros(row.result.shape, dtype=torch.bool)
    mask[(0, *index)] = True
    seen = Supports(captured).seen(row.result, mask, row.end)
    whole = seen.masks[captured.input][0].numpy() if seen.masks[captured.input].ndim else np.ones(1, bool)
    return ReceptiveField(
        f"{row.name} at {_told(index, axis)} sees", spatial(whole), whole, seen.status, seen.reasons
    )


def reach_of(
    captured: Captured, row: LayerRow, position: Sequence[int | None], channel: int | None = None
) -> ReceptiveField:
    """Return what a position of the input reaches of the output of a layer.

    Examples
    --------
    See `faltung.inspect.report_card.Card.reaches`.
    """
    source = captured.sources[captured.input]
    axis = 1 if len(source.shape) > 2 else None
    index = _index(source.shape, axis, position, channel)
    mask = torch.zeros(source.shape, dtype=torch.bool)
    mask[(0, *index)] = True
    reached = Supports(captured).reached(captured.input, mask, [(row.result, row.end)])
    whole = reached.masks[0][0].numpy()
    channels = row.channels
    flat = whole if channels is None else np.asarray(whole.any(axis=channels - 1))
    return ReceptiveField(
        f"the input at {_told(index, axis)} reaches in {row.name}", flat, whole, reached.status, reached.reasons
    )


def spatial(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a set without the axis of channels, which comes first if there are further axes.

    Examples
    --------
    >>> spatial(np.ones((3, 8), bool)).shape
    (8,)
    """
    return np.asarray(mask.any(axis=0)) if mask.ndim > 1 else mask


def _index(
    shape: Sequence[int], axis: int | None, position: Sequence[int | None] | None, channel: int | None
) -> tuple[Any, ...]:
    """Return the index of a position behind the batch axis, with all channels unless one is named."""
    lengths = [length for place, length in enumerate(shape) if place not in (0, axis)]
    if axis is None:
        return _whole_index(shape, position)
    if position is not None and len(position) == len(shape) - 1:
        return _whole_index(shape, position)
    if position is None:
        position = [length // 2 for length in lengths]
    if len(position) != len(lengths):
        expected = f"{len(lengths)} numbers, one for each of the axes {tuple(lengths)}"
        raise ArgumentError("position", expected, str(tuple(position)), "Name an axis None for all of it.")
    if channel is not None:
        _check_index("channel", channel, shape[axis])
    whole: list[int | None] = [*position]
    whole.insert(axis - 1, channel)
    return _whole_index(shape, whole)


def _whole_index(shape: Sequence[int], position: Sequence[int | None] | None) -> tuple[Any, ...]:
    if position is None:
        return tuple(slice(None) for _ in shape[1:])
    if len(position) != len(shape) - 1:
        raise ArgumentError("position", f"{len(shape) - 1} numbers for {tuple(shape[1:])}", str(tuple(position)))
    for number, length in zip(position, shape[1:], strict=True):
        if number is not None:
            _check_index("position", number, length)
    return tuple(slice(None) if number is None else number for number in position)


def _check_index(argument: str, number: int, length: int) -> None:
    if not (isinstance(number, int) and -length <= number < length):
        raise ArgumentError(argument, f"integers from 0 to {length - 1}", repr(number))


def _told(index: Sequence[Any], axis: int | None) -> str:
    shown = [number for number in index if not isinstance(number, slice)]
    return f"({', '.join(map(str, shown))}{',' if len(shown) == 1 else ''})" if shown else "all positions"
