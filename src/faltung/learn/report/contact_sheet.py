"""How are many samples shown in one picture? In rows and columns, as on a contact sheet."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from faltung.errors import ArgumentError
from faltung.ground.drawings.pictures import visible

__all__ = ["contact_sheet"]

_TILE = 84  # pixels of a tile's longer side, about
_GAP = 4
_PAPER = 255
_OVERSAMPLING = 4  # a line is drawn so many times as large, and then reduced


def contact_sheet(samples: NDArray[Any], columns: int) -> NDArray[np.uint8]:
    """Lay out samples row by row; each pixel of an image becomes a square of pixels.

    Parameters
    ----------
    samples : uint8 or float32 array, shape (samples, channels, *spatial)
        Series are drawn as lines, volumes as their middle slices.
    columns : int
        Number of samples in a row.

    Returns
    -------
    uint8 array, shape (height, width, 3)

    Raises
    ------
    ArgumentError
        If there are no samples or no columns.

    Examples
    --------
    >>> sheet = contact_sheet(np.full((3, 1, 28, 28), 7, np.uint8), columns=2)
    >>> sheet.shape, sheet[0, 0].tolist(), sheet[-1, -1].tolist()
    ((172, 172, 3), [7, 7, 7], [255, 255, 255])
    """
    if min(len(samples), columns) < 1:
        raise ArgumentError("samples", "at least one, in at least one column", f"{len(samples)} in {columns}")
    tiles = [_line(sample) if sample.ndim == 2 else _enlarged(visible(sample)) for sample in samples]
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // columns)
    sheet = np.full((rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, 3), _PAPER, np.uint8)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        top, left = row * (height + _GAP), column * (width + _GAP)
        sheet[top : top + height, left : left + width] = tile
    return sheet


def _enlarged(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    coloured = pixels if pixels.ndim == 3 else np.stack([pixels] * 3, axis=-1)
    cell = max(1, _TILE // max(pixels.shape[:2]))
    return coloured.repeat(cell, axis=0).repeat(cell, axis=1)


def _line(series: NDArray[Any]) -> NDArray[np.uint8]:
    width, height = 2 * _TILE * _OVERSAMPLING, _TILE * _OVERSAMPLING
    low, high = float(series.min()), float(series.max())
    across = np.linspace(0, width - 1, series.shape[1])
    picture = Image.new("L", (width, height), _PAPER)
    draw = ImageDraw.Draw(picture)
    for channel in series.astype(np.float64):
        down = (high - channel) / ((high - low) or 1.0) * (height - 1)
        draw.line(np.stack([across, down], axis=1).ravel().tolist(), fill=0, width=_OVERSAMPLING)
    small = picture.resize((width // _OVERSAMPLING, height // _OVERSAMPLING), Image.Resampling.BOX)
    return np.stack([np.asarray(small)] * 3, axis=-1)
