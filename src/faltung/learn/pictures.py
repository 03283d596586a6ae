"""What does a kernel or an image look like? PNG pictures for reports."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["data_uri", "png", "signed_sheet"]

# Ends and middle of the signed scale: blue for negative, near white for zero, orange for positive. Both ends are told
# apart with every common kind of colour blindness.
_NEGATIVE = np.array([33, 102, 172], dtype=float)
_ZERO = np.array([247, 247, 247], dtype=float)
_POSITIVE = np.array([204, 88, 3], dtype=float)

_TILE = 84  # pixels of a tile's longer side, about
_GAP = 12
_COLUMNS = 8


def signed_sheet(tiles: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Draw kernels or responses side by side on a signed scale: blue is negative, near white zero, orange positive.

    Each tile has its own scale, up to its largest magnitude. For kernels that loses nothing where batch norm follows,
    which makes their magnitude meaningless.

    Parameters
    ----------
    tiles : array, shape (tiles, height, width)
        What to draw.

    Returns
    -------
    uint8 array, shape (height, width, 4)
        Red, green, blue and opacity; what lies between the tiles is transparent.

    Examples
    --------
    >>> import numpy as np
    >>> sheet = signed_sheet(np.array([[[-1.0, 0.0, 1.0]]], np.float32))
    >>> sheet.shape, sheet[0, 0].tolist(), sheet[0, -1].tolist()
    ((28, 84, 4), [33, 102, 172, 255], [204, 88, 3, 255])
    """
    cell = max(1, _TILE // max(tiles.shape[1:]))
    columns = min(_COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    height, width = (cell * size for size in tiles.shape[1:])
    sheet = np.zeros((rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, 4), np.uint8)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        top, left = row * (height + _GAP), column * (width + _GAP)
        sheet[top : top + height, left : left + width, :3] = _colours(tile).repeat(cell, axis=0).repeat(cell, axis=1)
        sheet[top : top + height, left : left + width, 3] = 255
    return sheet


def _colours(tile: NDArray[np.float32]) -> NDArray[np.uint8]:
    largest = np.abs(tile).max()
    strength = (tile / (largest if largest > 0 else 1.0))[..., None]
    end = np.where(strength < 0, _NEGATIVE, _POSITIVE)
    colours: NDArray[np.uint8] = np.rint(_ZERO + np.abs(strength) * (end - _ZERO)).astype(np.uint8)
    return colours


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
    """Return a PNG as an address that carries it whole, so that a page needs no other file.

    Examples
    --------
    >>> data_uri(b"abc")
    'data:image/png;base64,YWJj'
    """
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")
