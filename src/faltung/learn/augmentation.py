"""Which changes of an image leave its class alone? Mirroring, and moving by a pixel."""

from __future__ import annotations

import torch
from torch.nn.functional import pad

__all__ = ["mirror_at_random", "shift_at_random"]


def mirror_at_random(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mirror each image left to right with probability one half.

    Parameters
    ----------
    images : tensor, shape (samples, channels, height, width)
        A batch.
    generator : torch.Generator
        Source of the random choices.

    Examples
    --------
    >>> images = torch.arange(3.0).reshape(1, 1, 1, 3)
    >>> mirror_at_random(images, torch.Generator().manual_seed(0))
    tensor([[[[2., 1., 0.]]]])
    """
    mirrored = torch.rand(len(images), 1, 1, 1, generator=generator) < 0.5
    return torch.where(mirrored, images.flip(3), images)


def shift_at_random(images: torch.Tensor, pixels: int, generator: torch.Generator) -> torch.Tensor:
    """Move each image by up to `pixels` down or up and right or left, all moves equally likely; zeros move in.

    Parameters
    ----------
    images : tensor, shape (samples, channels, height, width)
        A batch.
    pixels : int
        The furthest move along each axis.
    generator : torch.Generator
        Source of the random choices.

    Examples
    --------
    >>> images = torch.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    >>> shift_at_random(images, 1, torch.Generator().manual_seed(1))
    tensor([[[[2., 3., 0.],
              [5., 6., 0.],
              [8., 9., 0.]]]])
    """
    samples, _, height, width = images.shape
    top, left = torch.randint(0, 2 * pixels + 1, (2, samples), generator=generator)
    # A view of all windows, (samples, channels, top, left, height, width), out of which each image takes one.
    windows = pad(images, (pixels,) * 4).unfold(2, height, 1).unfold(3, width, 1)
    return windows[torch.arange(samples), :, top, left]
