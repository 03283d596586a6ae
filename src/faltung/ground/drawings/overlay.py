"""How are signed numbers drawn on a picture? In the colours of the signed scale, over the picture in pale grey."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faltung.ground.colours import NEGATIVE, POSITIVE

__all__ = ["overlay"]

_SIDE = 336  # pixels of the picture's longer side, about
_PALE = 0.45  # contrast of the picture that is left


def overlay(signed: NDArray[np.float64], grey: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Draw numbers on a picture: orange where they are positive, blue where negative, by their magnitude.

    The largest magnitudes, one of a hundred, have the full colour; zero shows the picture alone.

    Parameters
    ----------
    signed : array, shape (height, width)
        The numbers.
    grey : array, shape (height, width)
        The picture, from 0 (black) to 1 (white).

    Returns
    -------
    uint8 array, shape (height, width, 3)
        Each number is a square of whole pixels.

    Examples
    --------
    >>> picture = overlay(np.array([[2.0, 0.0, -2.0]]), np.ones((1, 3)))
    >>> picture.shape, picture[0, 0].tolist(), picture[0, 150].tolist(), picture[0, -1].tolist()
    ((112, 336, 3), [204, 88, 3], [255, 255, 255], [33, 102, 172])
    """
    magnitude = np.abs(signed)
    largest = float(np.quantile(magnitude, 0.99, method="higher"))
    strength = np.minimum(magnitude / (largest or magnitude.max() or 1.0), 1.0)[..., None]
    under = 255 * (1 - _PALE * (1 - grey))[..., None]
    colour = np.where(signed[..., None] < 0, np.array(NEGATIVE, float), np.array(POSITIVE, float))
    drawn = np.rint((1 - strength) * under + strength * colour).astype(np.uint8)
    cell = max(1, _SIDE // max(signed.shape))
    pixels: NDArray[np.uint8] = drawn.repeat(cell, axis=0).repeat(cell, axis=1)
    return pixels
