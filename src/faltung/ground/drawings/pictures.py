"""How are kernels and images drawn? As PNG pictures for reports."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faltung.ground.colours import NEGATIVE, POSITIVE, ZERO

__all__ = ["colour_sheet", "data_uri", "middle", "png", "signed_sheet", "visible"]

_NEGATIVE, _ZERO, _POSITIVE = (np.array(colour, float) for colour in (NEGATIVE, ZERO, POSITIVE))
_GREY = 128.0

_TILE = 84  # pixels of a tile's longer side, about
_GAP = 12
_COLUMNS = 8
_LARGEST = 2 * _TILE  # pixels of a picture's longer side: enough for screens of double resolution


def signed_sheet(tiles: NDArray[np.float32], together: bool = False) -> NDArray[np.uint8]:
    """Draw kernels or feature maps side by side: blue is negative, near white is zero, orange is positive.

    Each tile has its own scale, up to its largest magnitude, unless `together`: the magnitude of a kernel means
    nothing if batch norm follows.

    Parameters
    ----------
    tiles : array, shape (tiles, height, width)
        Kernels or feature maps.
    together : bool, optional
        Whether all tiles have one scale, up to the largest magnitude of all.

    Returns
    -------
    uint8 array, shape (height, width, 4)
        Red, green, blue and opacity; the gaps between the tiles are transparent.

    Examples
    --------
    >>> import numpy as np
    >>> sheet = signed_sheet(np.array([[[-1.0, 0.0, 1.0]]], np.float32))
    >>> sheet.shape, sheet[0, 0].tolist(), sheet[0, -1].tolist()
    ((28, 84, 4), [33, 102, 172, 255], [204, 88, 3, 255])
    """
    strength = _strength(tiles, together)[..., None]
    end = np.where(strength < 0, _NEGATIVE, _POSITIVE)
    return _sheet(_ZERO + np.abs(strength) * (end - _ZERO))


def colour_sheet(tiles: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Draw kernels with channels red, green and blue side by side in these colours; grey is zero.

    Parameters
    ----------
    tiles : array, shape (tiles, 3, height, width)
        Kernels; each has its own scale, up to its largest magnitude.

    Returns
    -------
    uint8 array, shape (height, width, 4)
        As from `signed_sheet`.

    Examples
    --------
    >>> import numpy as np
    >>> colour_sheet(np.array([[[[1.0]], [[0.0]], [[-1.0]]]], np.float32))[0, 0].tolist()
    [255, 128, 1, 255]
    """
    return _sheet(_GREY + (255 - _GREY) * np.moveaxis(_strength(tiles), 1, -1))


def _strength(tiles: NDArray[np.float32], together: bool = False) -> NDArray[np.float64]:
    """Return tiles in units of their largest magnitude, with fewer pixels if they are too large for a page."""
    down, across = (-(-size // _LARGEST) for size in tiles.shape[-2:])
    shown = tiles[..., ::down, ::across].astype(np.float64)
    largest = np.abs(shown).max(axis=tuple(range(0 if together else 1, shown.ndim)), keepdims=True)
    strength: NDArray[np.float64] = shown / np.where(largest > 0, largest, 1.0)
    return strength


def _sheet(colours: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Lay out colours (tiles, height, width, 3); each value becomes a square of whole pixels."""
    cell = max(1, _TILE // max(colours.shape[1:3]))
    columns = min(_COLUMNS, len(colours))
    rows = -(-len(colours) // columns)
    height, width = (cell * size for size in colours.shape[1:3])
    sheet = np.zeros((rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, 4), np.uint8)
    for index, tile in enumerate(np.rint(colours).astype(np.uint8)):
        row, column = divmod(index, columns)
        top, left = row * (height + _GAP), column * (width + _GAP)
        sheet[top : top + height, left : left + width, :3] = tile.repeat(cell, axis=0).repeat(cell, axis=1)
        sheet[top : top + height, left : left + width, 3] = 255
    return sheet


def middle(tiles: NDArray[Any]) -> NDArray[Any]:
    """Return tiles with one to three spatial axes as pictures; of a volume the middle slice.

    Parameters
    ----------
    tiles : array, shape (tiles, *spatial)
        A series becomes a picture of one row.

    Returns
    -------
    array, shape (tiles, height, width)

    Examples
    --------
    >>> import numpy as np
    >>> middle(np.zeros((2, 5, 8, 9))).shape, middle(np.zeros((2, 7))).shape
    ((2, 8, 9), (2, 1, 7))
    """
    if tiles.ndim == 2:
        return tiles[:, None]
    return tiles if tiles.ndim == 3 else tiles[:, tiles.shape[1] // 2]


def visible(sample: NDArray[Any]) -> NDArray[np.uint8]:
    """Return an image, or the middle slice of a volume, as a grey or RGB picture.

    Intensities stay as they are; floats are scaled from their smallest to their largest value. Other numbers of
    channels than one or three are averaged, and large images are reduced.

    Parameters
    ----------
    sample : uint8 or float32 array, shape (channels, *spatial) with two or three spatial axes
        One sample.

    Returns
    -------
    uint8 array, shape (height, width) or (height, width, 3)

    Examples
    --------
    >>> import numpy as np
    >>> visible(np.array([[[-1.0, 0.0], [0.5, 1.0]]], np.float32)).tolist()
    [[0, 128], [191, 255]]
    """
    planes = middle(sample)
    if len(planes) not in (1, 3):
        planes = planes.mean(axis=0, keepdims=True).astype(sample.dtype)
    if planes.dtype != np.uint8:
        low, high = float(planes.min()), float(planes.max())
        planes = np.rint(255.0 * (planes - low) / ((high - low) or 1.0)).astype(np.uint8)
    picture = Image.fromarray(planes[0] if len(planes) == 1 else np.ascontiguousarray(np.moveaxis(planes, 0, -1)))
    picture.thumbnail((_LARGEST, _LARGEST))
    return np.asarray(picture)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode a grey, RGB or RGBA image as PNG.

    Examples
    --------
    >>> import numpy as np
    >>> png(np.zeros((2, 2), np.uint8))[1:4]
    b'PNG'
    """
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG", optimize=True)
    return content.getvalue()


def data_uri(content: bytes) -> str:
    """Return a PNG as a data URI, so that a page needs no other file.

    Examples
    --------
    >>> data_uri(b"abc")
    'data:image/png;base64,YWJj'
    """
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")
