"""Which words does the page use? Names of samples, and numbers in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Nouns", "between", "interval", "nouns", "percent", "quoted", "times"]


@dataclass(frozen=True)
class Nouns:
    """The names of samples, and of the unit of distances.

    Parameters
    ----------
    sample, samples, places : str
        One sample, several samples, and the unit of distances.
    unit : str
        Short form of `places`, if there is one.

    Examples
    --------
    >>> Nouns("image", "images", "pixels", "px").samples
    'images'
    """

    sample: str
    samples: str
    places: str
    unit: str


_NOUNS = {
    1: Nouns("series", "series", "positions", ""),
    2: Nouns("image", "images", "pixels", "px"),
    3: Nouns("volume", "volumes", "voxels", ""),
}


def nouns(sample_shape: tuple[int, ...]) -> Nouns:
    """Return the names for samples of shape (channels, *spatial).

    Examples
    --------
    >>> nouns((1, 28, 28)).sample
    'image'
    """
    return _NOUNS[len(sample_shape) - 1]


def percent(share: float) -> str:
    """Return a share in per cent, with one decimal.

    Examples
    --------
    >>> percent(0.5)
    '50.0 %'
    """
    return f"{100 * share:.1f} %"


def interval(low: float, high: float) -> str:
    """Return a confidence interval of shares or of their differences, in per cent.

    Examples
    --------
    >>> interval(-0.014, 0.5)
    '95 % interval −1.4 to 50.0'
    """
    first, last = (f"{100 * share:.1f}".replace("-", "−") for share in (low, high))
    return f"95 % interval {first} to {last}"


def between(numbers: NDArray[np.integer[Any]]) -> str:
    """Return the smallest and the largest of some numbers.

    Examples
    --------
    >>> between(np.array([8, 1200])), between(np.array([5, 5]))
    ('8 to 1,200', '5')
    """
    few, many = int(numbers.min()), int(numbers.max())
    return f"{few:,}" if few == many else f"{few:,} to {many:,}"


def times(ours: int, theirs: int) -> str:
    """Return the ratio of two numbers in words: how many times as many the first is, or how many times fewer.

    Examples
    --------
    >>> times(30, 20), times(20, 30), times(3, 3), times(5_000_000, 2)
    ('1.5 times as many', '1.5 times fewer', 'as many', '2,500,000 times as many')
    """
    if ours == theirs:
        return "as many"
    larger, smaller = max(ours, theirs), max(1, min(ours, theirs))
    ratio = larger / smaller
    text = f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.1f}"
    if text == "1.0":
        return "about as many"
    return f"{text} times {'fewer' if ours < theirs else 'as many'}"


def quoted(name: str) -> str:
    """Return the name of a network in quotation marks.

    Examples
    --------
    >>> quoted("dense, large")
    '“dense, large”'
    """
    return f"“{name}”"
