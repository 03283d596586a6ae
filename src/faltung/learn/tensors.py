"""What does a network read? Images as float tensors in [0, 1], labels as integers."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from faltung.learn.datasets import Dataset

__all__ = ["image_tensor", "tensors"]


def image_tensor(images: NDArray[np.uint8]) -> torch.Tensor:
    """Turn uint8 images into a float32 tensor (samples, channels, height, width) with values in [0, 1].

    The mean is not subtracted: black stays zero, so that the zeros with which a convolutional layer extends its
    input continue a black background instead of drawing a frame around it. Batch normalisation does the scaling.

    Examples
    --------
    >>> import numpy as np
    >>> image_tensor(np.full((2, 4, 4), 255, np.uint8)).shape
    torch.Size([2, 1, 4, 4])
    """
    pixels = torch.from_numpy(np.ascontiguousarray(images))
    pixels = pixels.unsqueeze(1) if images.ndim == 3 else pixels.permute(0, 3, 1, 2)
    # Channels last in memory is the order in which CPU convolutions with few channels are fastest.
    return (pixels.float() / 255.0).contiguous(memory_format=torch.channels_last)


def tensors(data: Dataset) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a data set's images as `image_tensor` makes them, and its labels as int64.

    Examples
    --------
    >>> import numpy as np
    >>> images, labels = tensors(Dataset(np.zeros((1, 4, 4, 3), np.uint8), np.array([1]), ("bag", "coat")))
    >>> images.shape, labels
    (torch.Size([1, 3, 4, 4]), tensor([1]))
    """
    return image_tensor(data.images), torch.from_numpy(data.labels.astype(np.int64))
