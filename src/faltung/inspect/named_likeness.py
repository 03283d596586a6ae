"""Which named filter does a learned kernel look like? An edge, a line, a blob, a smoothing, a Gabor filter."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Likeness", "likeness_of"]

Array = NDArray[np.float64]

#: A name is preferred to those behind it if its similarity is as much below theirs at most.
_SIMPLEST_FIRST = ("smoothing", "edge", "blob", "line", "Gabor")
_SIMPLER = 0.02


class Likeness(NamedTuple):
    """The named filter that is most like a kernel.

    Parameters
    ----------
    name : str
        ``edge``, ``line``, ``blob``, ``smoothing`` or ``Gabor``.
    similarity : float
        Cosine of the angle between the kernel and the best filter of this name, at any angle and phase; from 0 to 1.
    """

    name: str
    similarity: float


def likeness_of(kernel: Array) -> Likeness:
    """Return the named filter that is most like a kernel in one or two dimensions, at the best of many scales.

    Filters of all angles and phases are the combinations of a few: an edge is a combination of the derivatives along
    two axes, a line of the three second derivatives, a Gabor filter of its real and imaginary part. So the similarity
    is the share of the kernel's norm in their span.

    Parameters
    ----------
    kernel : array, shape (size,) or (height, width)
        The taps, in the order of correlation or convolution.

    Examples
    --------
    >>> likeness_of(np.outer([1.0, 2, 1], [-1.0, 0, 1])).name
    'edge'
    >>> likeness_of(np.outer([1.0, 2, 1], [1.0, 2, 1])).name
    'smoothing'
    """
    norm = float(np.linalg.norm(kernel))
    if not norm:
        return Likeness("", 0.0)
    unit = kernel.ravel() / norm
    best = dict.fromkeys(_SIMPLEST_FIRST, 0.0)
    for name, span in _spans(kernel.shape):
        best[name] = max(best[name], min(float(np.linalg.norm(span @ unit)), 1.0))
    enough = max(best.values()) - _SIMPLER
    name = next(name for name, similarity in best.items() if similarity >= enough)
    return Likeness(name, best[name])


@functools.lru_cache(maxsize=64)
def _spans(shape: tuple[int, ...]) -> list[tuple[str, Array]]:
    """Return for each named filter and scale an orthonormal basis of all its angles and phases."""
    places = np.meshgrid(*(np.arange(size) - (size - 1) / 2 for size in shape), indexing="ij")
    radius = max(shape) / 2
    spans = []
    for sigma in np.geomspace(0.5, max(radius / 1.5, 0.6), 6):
        bell = np.exp(-sum(place**2 for place in places) / (2 * sigma**2))
        first = [place * bell for place in places]
        second = [(a * b - (a is b) * sigma**2) * bell for i, a in enumerate(places) for b in places[i:]]
        blob = (sum(place**2 for place in places) - len(shape) * sigma**2) * bell
        spans += [("smoothing", [bell]), ("edge", first), ("blob", [blob])]
        # The sum of the second derivatives is the blob, which has a name of its own.
        spans.append(("line", second if len(shape) == 2 else [blob]))
        spans += [("Gabor", pair) for pair in _gabors(places, bell, radius)]
    return [(name, basis) for name, filters in spans if (basis := _basis(filters)) is not None]


def _gabors(places: Sequence[Array], bell: Array, radius: float) -> list[list[Array]]:
    angles = np.arange(12) * math.pi / 12 if len(places) == 2 else [0.0]
    made = []
    for frequency in np.geomspace(1 / (2 * radius), 0.4, 5):
        for angle in angles:
            along = places[-1] * math.cos(angle) + (places[0] * math.sin(angle) if len(places) == 2 else 0.0)
            waves = [np.cos(2 * math.pi * frequency * along), np.sin(2 * math.pi * frequency * along)]
            made.append([wave * bell for wave in waves])
    return made


def _basis(filters: list[Array]) -> Array | None:
    rows = np.stack([one.ravel() for one in filters])
    norms = np.linalg.norm(rows, axis=1)
    if not norms.min() > 1e-9:
        return None
    _, values, basis = np.linalg.svd(rows / norms[:, None], full_matrices=False)
    return basis[values > 1e-6]
