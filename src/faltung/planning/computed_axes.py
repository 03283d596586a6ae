"""In which axes is a problem computed? In (slices ..., row, column, channels ...), whatever the array has."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from faltung.ground.lazy import lazy

__all__ = ["Layout", "layout_of"]

#: Most samples that are treated as interleaved channels of one position.
MOST_CHANNELS = 16


@dataclass(frozen=True)
class Layout:
    """The axes in which a problem is computed.

    Parameters
    ----------
    column : int
        The axis of the array that is the column axis. If it is axis 0, a row axis of length 1 is put before it.
    step : int
        Samples at one position of the column axis: channels, times two for complex samples.
    lengths, sizes, origins : tuple of int
        For slices, row and column: the length of the array, and the size and origin of the kernel.
    regions : tuple of (int, int)
        For the same axes: start and stop of the outputs, in positions of the array.
    modes : tuple of str
        For the same axes: how the array continues beyond its border.
    """

    column: int
    step: int
    lengths: tuple[int, ...]
    sizes: tuple[int, ...]
    origins: tuple[int, ...]
    regions: tuple[tuple[int, int], ...]
    modes: tuple[str, ...]

    @lazy
    def first(self) -> tuple[int, ...]:
        """Position of the first output."""
        return tuple(start for start, _ in self.regions)


@lru_cache(maxsize=1024)
def layout_of(
    shape: tuple[int, ...],
    pair: int,
    along: tuple[int, ...],
    size: tuple[int, ...],
    origin: tuple[int, ...],
    bounds: tuple[tuple[int, int], ...],
    borders: tuple[str, ...],
) -> Layout:
    """Return the axes for an array of samples of `pair` numbers, and a kernel over the axes `along`."""
    ndim = len(shape)
    sizes, origins = [1] * ndim, [0] * ndim
    regions, modes = [(0, length) for length in shape], ["constant"] * ndim
    for k, axis in enumerate(along):
        sizes[axis], origins[axis] = size[k], origin[k]
        regions[axis], modes[axis] = bounds[k], borders[k]
    last = max(along)
    channels = math.prod(shape[last + 1 :])
    if channels * pair > MOST_CHANNELS:
        last, channels = ndim - 1, 1
    axes = [*zip(shape, sizes, origins, regions, modes, strict=True)][: last + 1]
    if last == 0:
        axes.insert(0, (1, 1, 0, (0, 1), "constant"))  # a row axis of length 1
    return Layout(last, channels * pair, *zip(*axes, strict=True))
