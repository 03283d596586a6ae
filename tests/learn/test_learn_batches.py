"""Tensors of data sets: every pixel and label is kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from faltung.datasets import Dataset
from faltung.networks.batches import tensors

NAMES = ("bag", "coat")


def test_tensors_keep_every_pixel_and_label():
    colours = np.arange(2 * 3 * 3 * 4, dtype=np.uint8).reshape(2, 3, 3, 4)
    images, labels = tensors(Dataset(colours, np.array([1, 0], np.uint8), NAMES))
    assert images.shape == (2, 3, 3, 4)
    assert images.is_contiguous(memory_format=torch.channels_last)
    for place in np.ndindex(colours.shape):
        assert images[place].item() == np.float32(colours[place]) / np.float32(255)
    assert labels.tolist() == [1, 0]


@pytest.mark.parametrize("spatial", [(9,), (5, 7), (4, 5, 6)])
def test_tensors_leave_floats_as_they_are(spatial):
    samples = np.random.default_rng(0).normal(size=(2, 3, *spatial)).astype(np.float32) * 1e6
    seen, _ = tensors(Dataset(samples, np.array([1, 0]), NAMES))
    assert np.array_equal(seen.numpy(), samples)
    seen += 1.0  # and what is done to the tensor is not done to the data
    assert not np.array_equal(seen.numpy(), samples)


def test_tensors_read_samples_that_cannot_be_written():
    samples = np.broadcast_to(np.float32(2.0), (2, 1, 4))
    assert tensors(Dataset(samples, np.array([1, 0]), NAMES))[0].tolist() == [[[2.0] * 4]] * 2
