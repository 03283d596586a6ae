"""What is the input of a network? Samples as float tensors, labels as integers."""

from __future__ import annotations

import numpy as np
import torch

from faltung.datasets.dataset import Dataset

__all__ = ["tensors"]


def tensors(data: Dataset) -> tuple[torch.Tensor, torch.Tensor]:
    """Return samples as a float32 tensor (samples, channels, *spatial) and labels as an int64 tensor.

    Intensities from 0 to 255 become values from 0 to 1; floats stay as they are. Networks subtract and divide by
    themselves, so that they can be used without the data that they learned from.

    Examples
    --------
    >>> import numpy as np
    >>> samples, labels = tensors(Dataset(np.full((1, 3, 4, 4), 255, np.uint8), np.array([1]), ("bag", "coat")))
    >>> samples.shape, samples.max(), labels
    (torch.Size([1, 3, 4, 4]), tensor(1.), tensor([1]))
    """
    samples = torch.from_numpy(data.samples.astype(np.float32))
    if data.samples.dtype == np.uint8:
        samples /= 255.0
    # Convolutions with few channels are fastest on the CPU with the channels last in memory.
    order = torch.channels_last if data.ndim == 2 else torch.contiguous_format
    return samples.contiguous(memory_format=order), torch.from_numpy(data.labels.astype(np.int64))
