"""What size do the images of a data set get? Their own if it is one small size, else that of a square."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from faltung.ground.threads import share, worker_count

__all__ = ["SMALLEST", "common_size", "fitted", "scaled"]

SMALLEST = 8
"""The smallest number of samples along a spatial axis."""

_LARGEST = 96
_SQUARE = 64


def common_size(shapes: Collection[tuple[int, int]], size: int | None) -> tuple[int, int]:
    """Return the common height and width of images of these heights and widths.

    Examples
    --------
    >>> common_size({(28, 28)}, None), common_size({(28, 40)}, 32), common_size({(480, 640), (640, 480)}, None)
    ((28, 28), (32, 32), (64, 64))
    """
    if size is None and len(shapes) == 1:
        [(height, width)] = shapes
        if max(height, width) <= _LARGEST:
            return height, width
    side = size or _SQUARE
    return side, side


def fitted(image: Image.Image, height: int, width: int) -> Image.Image:
    """Scale an image until it just covers a frame, without aliasing, and crop its centre."""
    return image if image.size == (width, height) else ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)


def scaled(images: NDArray[Any], size: int | None) -> NDArray[Any]:
    """Return uint8 or float32 images (samples, channels, height, width) in their common size.

    Examples
    --------
    >>> import numpy as np
    >>> scaled(np.zeros((2, 3, 100, 200), np.uint8), None).shape
    (2, 3, 64, 64)
    """
    shape = images.shape[2:]
    height, width = common_size({shape}, size)
    if shape == (height, width):
        return images
    result = np.empty((*images.shape[:2], height, width), images.dtype)

    def scale(index: tuple[int, ...]) -> None:
        result[index] = fitted(Image.fromarray(np.ascontiguousarray(images[index])), height, width)

    share(scale, [*np.ndindex(images.shape[:2])], worker_count())
    return result
