"""How is a part of an input drawn? Series as lines, images and volumes as pictures, all on the scale of the data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from faltung.ground.drawings.pictures import data_uri, png, visible
from faltung.ground.drawings.sketches import sketch

__all__ = ["DrawnPart", "part_list", "part_picture"]


class DrawnPart(NamedTuple):
    r"""A part of an input, and what is said below it.

    Parameters
    ----------
    values : array, shape (channels, \*spatial) or (features,)
        The part.
    title : str
        Description, for readers who cannot see it.
    note : str
        The text below it.
    """

    values: NDArray[np.float32]
    title: str
    note: str


def part_picture(values: NDArray[np.float32], limits: tuple[float, float], title: str) -> str:
    r"""Return a part of an input as an HTML element.

    Parameters
    ----------
    values : array, shape (channels, \*spatial) or (features,)
        Of a volume the middle slice is drawn; of other numbers of channels than one and three, their mean.
    limits : (float, float)
        The values that are black and white.
    title : str
        Description, for readers who cannot see it.

    Examples
    --------
    >>> part_picture(np.ones((1, 4, 4), np.float32), (0, 1), "a patch")[:34]
    '<img class="sample" alt="a patch" '
    """
    if not values.size:
        return ""
    finite = np.nan_to_num(values, nan=0.0, posinf=limits[1], neginf=limits[0])
    if finite.ndim <= 2:
        return sketch(np.atleast_2d(finite), title=title)
    planes = finite.reshape(len(finite), -1, *finite.shape[-2:]) if finite.ndim > 4 else finite
    low, high = limits
    if len(planes) not in (1, 3):
        planes = planes.mean(axis=0, keepdims=True)
    grey = np.rint(255 * np.clip((planes - low) / ((high - low) or 1.0), 0, 1)).astype(np.uint8)
    return f'<img class="sample" alt="{escape(title)}" src="{data_uri(png(visible(grey)))}"/>'


def part_list(parts: Iterable[DrawnPart], limits: Sequence[float]) -> str:
    """Return parts of inputs as an HTML list, each with its note below it.

    Examples
    --------
    >>> part_list([], (0, 1))
    '<ul class="samples"></ul>'
    """
    low, high = limits
    drawn = (f"<li>{part_picture(part.values, (low, high), part.title)}{escape(part.note)}</li>" for part in parts)
    return f'<ul class="samples">{"".join(drawn)}</ul>'
