"""Which random changes keep the class of a sample? Mirroring it, and moving it by a few samples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import pad

from faltung.ground.checks import integer

__all__ = ["Augmentation", "mirror_at_random", "shift_at_random"]


@dataclass(frozen=True)
class Augmentation:
    """The random changes of training samples.

    Parameters
    ----------
    mirror : bool
        Whether half of the samples are mirrored along the last axis, images left to right.
    shift : int
        The largest move along each axis, in pixels or values.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If `shift` is no integer, or negative.

    Examples
    --------
    >>> Augmentation(mirror=False, shift=0)(torch.ones(1, 1, 2), torch.Generator())
    tensor([[[1., 1.]]])
    """

    mirror: bool = True
    shift: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "shift", integer("shift", self.shift, 0))

    def __call__(self, samples: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return a changed copy of a batch, tensor of shape (samples, channels, *spatial)."""
        if self.shift:
            samples = shift_at_random(samples, self.shift, generator)
        if self.mirror:
            samples = mirror_at_random(samples, generator)
        return samples


def mirror_at_random(samples: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mirror each sample along its last axis with probability one half.

    Parameters
    ----------
    samples : tensor, shape (samples, channels, *spatial)
        A batch.
    generator : torch.Generator
        Source of the random choices.

    Examples
    --------
    >>> images = torch.arange(3.0).reshape(1, 1, 1, 3)
    >>> mirror_at_random(images, torch.Generator().manual_seed(0))
    tensor([[[[2., 1., 0.]]]])
    """
    mirrored = (torch.rand(len(samples), generator=generator) < 0.5).to(samples.device)
    return torch.where(mirrored.reshape(-1, *[1] * (samples.ndim - 1)), samples.flip(-1), samples)


def shift_at_random(samples: torch.Tensor, places: int, generator: torch.Generator) -> torch.Tensor:
    """Move each sample by up to `places` along each spatial axis. All moves are equally likely; zeros fill the gap.

    Parameters
    ----------
    samples : tensor, shape (samples, channels, *spatial)
        A batch.
    places : int
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
    count, lengths = len(samples), samples.shape[2:]
    starts = torch.randint(0, 2 * places + 1, (len(lengths), count), generator=generator).to(samples.device)
    # A view of all windows, (samples, channels, *starts, *spatial); one of them is chosen for each sample.
    windows = pad(samples, (places,) * (2 * len(lengths)))
    for axis, length in enumerate(lengths, start=2):
        windows = windows.unfold(axis, length, 1)
    return windows[(torch.arange(count, device=samples.device), slice(None), *starts)]
