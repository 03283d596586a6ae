"""Which random changes keep the class of a sample? Mirroring it, and moving it by a few samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.checks import integer, real

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
    background : sequence of float
        What fills the gap, in each channel; zero by default.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If ``shift`` is no integer, or negative, or ``background`` is not of finite numbers.

    Examples
    --------
    >>> Augmentation(mirror=False, shift=0)(torch.ones(1, 1, 2), torch.Generator())
    tensor([[[1., 1.]]])
    """

    mirror: bool = True
    shift: int = 1
    background: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.mirror, bool):
            raise ArgumentTypeError("mirror", "True or False", repr(self.mirror))
        object.__setattr__(self, "shift", integer("shift", self.shift, 0))
        object.__setattr__(self, "background", tuple(real("background", value) for value in self.background))

    def check(self, sample_shape: Sequence[int]) -> None:
        """Refuse samples, ``(channels, *spatial)``, that are shorter than the shift, or need another background.

        Raises
        ------
        ArgumentError
            They are, or do.
        """
        channels, *spatial = sample_shape
        if self.shift > max(spatial):
            expected = f"at most the length of samples of {'x'.join(map(str, spatial))}"
            raise ArgumentError("shift", expected, str(self.shift), "Use a smaller one.")
        if len(self.background) not in (0, 1, channels):
            expected = f"one number for each of {channels} channels"
            raise ArgumentError("background", expected, f"{len(self.background)}", "Leave it out for zeros.")

    def __call__(self, samples: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return a changed copy of a batch, tensor of shape ``(samples, channels, *spatial)``."""
        if self.shift:
            samples = shift_at_random(samples, self.shift, generator, self.background)
        if self.mirror:
            samples = mirror_at_random(samples, generator)
        return samples


def mirror_at_random(samples: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mirror each sample along its last axis with probability one half.

    Parameters
    ----------
    samples : tensor, shape ``(samples, channels, *spatial)``
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


def shift_at_random(
    samples: torch.Tensor, places: int, generator: torch.Generator, background: Sequence[float] = ()
) -> torch.Tensor:
    """Move each sample by up to `places` along each spatial axis. All moves are equally likely.

    Parameters
    ----------
    samples : tensor, shape ``(samples, channels, *spatial)``
        A batch.
    places : int
        The furthest move along each axis.
    generator : torch.Generator
        Source of the random choices.
    background : sequence of float, optional
        What fills the gap, in each channel; zero by default.

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
    windows = _framed(samples, places, background)
    for axis, length in enumerate(lengths, start=2):
        windows = windows.unfold(axis, length, 1)
    return windows[(torch.arange(count, device=samples.device), slice(None), *starts)]


def _framed(samples: torch.Tensor, places: int, background: Sequence[float]) -> torch.Tensor:
    """Return samples with so many places of background before and after each of their axes."""
    lengths = samples.shape[2:]
    fill = torch.tensor(background or 0.0, dtype=samples.dtype, device=samples.device)
    frame = fill.reshape(-1, *[1] * len(lengths))
    framed = frame.expand(*samples.shape[:2], *(length + 2 * places for length in lengths)).clone()
    inside = framed
    for axis, length in enumerate(lengths, start=2):
        inside = inside.narrow(axis, places, length)
    inside.copy_(samples)
    return framed
