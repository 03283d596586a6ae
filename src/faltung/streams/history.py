"""Where are the samples that a filter still needs? The last ones of every channel, contiguous wherever they begin."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["History"]


class History:
    """The last samples of a signal.

    Each sample is kept twice, `size` positions apart, so that the last samples are always one part of memory, and
    nothing is ever moved::

        position   0 1 2 3 4 5 6 7        size 4, after sample g
        memory     e f g d e f g d        the last three: positions 4 to 6

    Parameters
    ----------
    channels : int
        Number of channels.
    size : int
        Samples that are kept.
    dtype : dtype
        Their dtype.

    Attributes
    ----------
    position : int
        Samples that came so far. Before the first one, all samples are zero.
    """

    def __init__(self, channels: int, size: int, dtype: np.dtype[Any]) -> None:
        self.size, self.dtype = size, dtype
        self.position = 0
        self._memory = np.zeros((channels, 2 * size), dtype)

    def write(self, samples: NDArray[Any]) -> None:
        """Add samples of shape (channels, n), at most `size` of them."""
        size, memory, count = self.size, self._memory, samples.shape[1]
        start = self.position % size
        first = min(count, size - start)
        for at in (start, start + size):
            memory[:, at : at + first] = samples[:, :first]
        if first < count:
            memory[:, : count - first] = memory[:, size : size + count - first] = samples[:, first:]
        self.position += count

    def last(self, count: int, before: int = 0) -> NDArray[Any]:
        """Return a view of so many samples that end `before` samples before the newest."""
        stop = (self.position - before) % self.size + self.size
        return self._memory[:, stop - count : stop]

    def rewind(self, position: int = 0, samples: NDArray[Any] | None = None) -> None:
        """Begin again at a position, after these samples, and zeros before them."""
        self._memory[...] = 0
        self.position = position
        if samples is not None and samples.shape[1]:
            self.position -= samples.shape[1]
            self.write(samples)
