"""What can be filtered at once? Pictures and signals inside of the package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faltung import files
from faltung.datasets.embedded import EMBEDDED_FILE

__all__ = ["SampleInput", "sample_inputs"]

Samples: TypeAlias = NDArray[Any]

_DATA = Path(__file__).parents[1] / "data"
_SEED = 20


@dataclass(frozen=True)
class SampleInput:
    """A picture or a signal to filter.

    Parameters
    ----------
    name : str
        Its name in the state of the page.
    title, note : str
        What it is, in a few words, and in a sentence.
    samples : ndarray
        The samples, of shape (channels, *spatial).
    """

    name: str
    title: str
    note: str
    samples: Samples


@cache
def sample_inputs() -> tuple[SampleInput, ...]:
    """Return the pictures and signals that every page has; the first one is shown first.

    Examples
    --------
    >>> [sample.samples.shape for sample in sample_inputs()][:2]
    [(1, 256, 256), (3, 128, 128)]
    """
    colour = files.read(_DATA / "portrait.png")[0].samples
    return (
        SampleInput("portrait", "Portrait, 256 × 256", "Eileen Collins, astronaut. Photograph: NASA.", _gray(colour)),
        SampleInput("colour", "Portrait in colour, 128 × 128", "Three channels: red, green, blue.", _halved(colour)),
        SampleInput("shapes", "Drawn shapes, 96 × 96", "Edges in all directions.", _shapes()),
        SampleInput("bag", "Bag, 28 × 28", "A test image of Fashion-MNIST.", _fashion_image(30)),
        SampleInput("chirp", "Steps and a chirp", "Made by a formula.", _signal(_steps_and_chirp)),
        SampleInput("heartbeat", "Heartbeat", "A synthetic signal; nobody's heart.", _signal(_heartbeat)),
        SampleInput("microphones", "Three microphones", "Synthetic: one clap, heard three times.", _microphones()),
    )


def _gray(colour: Samples) -> Samples:
    weights = np.array([0.299, 0.587, 0.114])
    return np.asarray(np.rint(colour @ weights), np.uint8)[np.newaxis]


def _halved(colour: Samples) -> Samples:
    rows, columns, channels = colour.shape
    means = colour.reshape(rows // 2, 2, columns // 2, 2, channels).mean(axis=(1, 3))
    return np.asarray(np.rint(means), np.uint8).transpose(2, 0, 1)


def _shapes() -> Samples:
    row, column = np.mgrid[0:96, 0:96]
    picture = np.full((96, 96), 40, np.uint8)
    picture[10:42, 8:44] = 220
    picture[20:32, 18:34] = 40
    picture[(row - 27) ** 2 + (column - 70) ** 2 <= 17**2] = 160
    picture[np.abs(row - column) * 0.7 + np.abs(row + column - 146) * 0.7 <= 14] = 250  # a square on its corner
    picture[(row >= 52) & (row < 88) & (column >= 6) & (column < 46) & (row - 52 >= 46 - column)] = 120
    picture[6:10, 50:90] = 250
    picture[56:90:4, 52:56] = 250
    return picture[np.newaxis]


def _fashion_image(index: int) -> Samples:
    with np.load(EMBEDDED_FILE) as arrays:
        return np.asarray(arrays["test_images"][index])[np.newaxis]


def _signal(formula: Callable[[Samples], Samples]) -> Samples:
    return np.round(formula(np.arange(256.0)), 3)[np.newaxis]


def _steps_and_chirp(n: Samples) -> Samples:
    steps = np.select([n < 16, n < 56, n < 88, n < 112], [0.0, 1.0, -0.5, 0.4], 0.0)
    phase = 2 * np.pi * (0.01 * (n - 120) + 0.0012 * (n - 120) ** 2)
    return np.asarray(np.where(n < 120, steps, 0.8 * np.sin(phase)))


def _heartbeat(n: Samples) -> Samples:
    waves = ((-18, 5.0, 0.15), (-3, 1.2, -0.15), (0, 1.6, 1.2), (3.5, 1.5, -0.3), (20, 7.0, 0.3))
    beats = sum(size * np.exp(-0.5 * ((n - peak - lag) / width) ** 2)
                for peak in (30, 95, 158, 224) for lag, width, size in waves)  # fmt: skip
    return np.asarray(beats + 0.12 * np.sin(2 * np.pi * n / 6) + 0.15 * np.sin(2 * np.pi * n / 190))


def _microphones() -> Samples:
    random = np.random.default_rng(_SEED)
    n = np.arange(160.0)
    channels = []
    for delay in (0, 6, 12):
        since = n - 40 - delay
        clap = np.where(since >= 0, np.exp(-since / 12.0) * np.cos(2 * np.pi * since / 9.0), 0.0)
        channels.append(clap + 0.18 * random.standard_normal(len(n)))
    return np.round(np.array(channels), 3)
