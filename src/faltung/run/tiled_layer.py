"""When can the outputs of Winograd's tiles be trusted? Where the samples of a tile are not too far apart.

The rounding errors of a tile are in proportion to its largest sample, also in outputs which that sample does not
reach. So for each output the largest sample under its taps is compared with the largest one of its tile:

* it is not far smaller: the output is within the bound;
* all samples under its taps are zero: the output is zero, whatever is beside them;
* it is far smaller: the layer is computed by sums over taps.

The same is done if a sample is not finite, since it spoils its whole tile, and if a value at a point overflows.
Largest samples are taken over the channels first, so that few numbers remain to be compared. Mostly not even these:
where the smallest one of the whole layer is not far smaller than the largest one, no output is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.engines.fourier.survey import RANGE
from faltung.ground.extended import FILL, byte_offsets
from faltung.ground.threads import share
from faltung.planning.layer import Layer
from faltung.run.layer_run import Run, in_threads
from faltung.run.winograd_run import Correlated, TilesFound, correlate_winograd

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["are_within", "correlate_in_tiles", "largest_of"]


def largest_of(layer: Layer, x: NDArray[Any], workers: int) -> NDArray[Any]:
    """Return the largest magnitude of all channels of a group at each position: (images, groups, rows, columns).

    NaN stays NaN.
    """
    grouped = x.reshape(layer.images, layer.groups, layer.ins, *x.shape[2:])
    largest = np.empty((layer.images, layer.groups, *x.shape[2:]), x.dtype)

    def work(image: int) -> None:
        for group, samples in enumerate(grouped[image]):
            np.maximum(samples.max(axis=0), -samples.min(axis=0), out=largest[image, group])

    share(work, range(layer.images), workers)
    return largest


def correlate_in_tiles(
    layer: Layer,
    x: NDArray[Any],
    taps: NDArray[Any],
    bias: NDArray[Any] | None,
    out: NDArray[Any],
    tile: int,
    workers: int,
    run: Run = in_threads,
) -> bool:
    """Correlate with a bank of 3 x 3 kernels; return whether all outputs are within the bound of `tile_error`.

    Parameters
    ----------
    layer, x, taps, bias, out, tile, workers, run
        As for `faltung.run.winograd_run.correlate_winograd`.

    Returns
    -------
    bool
        False if the layer has to be computed in another way.
    """
    found = correlate_winograd(layer, x, taps, bias, out, tile=tile, workers=workers, run=run)
    if not layer.multiply_adds:
        return True
    return are_within(layer, found, tile, lambda: largest_of(layer, x, workers), lambda: (out, bias))


def are_within(
    layer: Layer,
    found: TilesFound | Correlated,
    tile: int,
    largest: Callable[[], NDArray[Any]],
    numbers: Callable[[], tuple[NDArray[Any], NDArray[Any] | None]],
) -> bool:
    """Return whether outputs are within the bound; those without samples that are not zero are put right.

    Parameters
    ----------
    layer : Layer
        The layer.
    found : TilesFound or Correlated
        What is known of the outputs that tiles gave.
    tile : int
        Outputs of a tile along each axis.
    largest : callable
        Returns what `largest_of` does.
    numbers : callable
        Returns the outputs, and the bias, if any.
    """
    facts, sizes, beyond = found.facts, found.sizes, _beyond(layer)
    if not (found.finite and facts.usual):
        return False
    # Whether the smallest sample under an output is not far smaller than the largest one of all.
    known = len(facts.common) == 9 and beyond is not None and max(sizes.largest, beyond) <= RANGE * sizes.smallest
    if known and sizes.largest < math.inf:
        near, empty = True, None
    else:  # as where samples are zero after a ReLU
        near, empty = _compared(layer, largest(), facts.common, tile)
    if near and (empty is not None or (facts.rising and not sizes.negative)):
        _settle(layer, *numbers(), found, empty)
    return near


@lru_cache(maxsize=1024)
def _beyond(layer: Layer) -> float | None:
    """Return the magnitude beyond the border; None if no tap of some output may be in the array."""
    if any(axis.start <= -3 or axis.stop - 3 >= axis.length for axis in layer.axes):
        return None
    return abs(layer.cval) if "constant" in layer.modes else 0.0


def _compared(
    layer: Layer, largest: NDArray[Any], common: tuple[tuple[int, int], ...], tile: int
) -> tuple[bool, NDArray[np.bool_] | None]:
    """Return whether no output is lost beside large samples of its tile, and which outputs have only zeros."""
    extended = _extended(layer, largest)
    highest = float(extended.max(initial=0.0))
    if not common or not np.isfinite(highest):
        return highest == 0.0, None
    under = _under(extended, common)
    lowest = float(under.min())
    if highest <= RANGE * lowest or highest == 0.0:
        return True, None
    beyond = abs(layer.cval) if "constant" in layer.modes and np.isfinite(layer.cval) else 0.0
    around = _of_tiles(extended, tile, beyond)[..., : under.shape[-2], : under.shape[-1]]
    with np.errstate(over="ignore", under="ignore"):
        lost = around > RANGE * under
    if not lost.any():
        return True, None
    empty = lost & (under == 0)
    if (lost & ~empty).any() or len(common) < 9:
        return False, None
    return True, empty


def _extended(layer: Layer, largest: NDArray[Any]) -> NDArray[Any]:
    """Return the magnitudes that outputs read, beyond the border too."""
    for number, axis in enumerate(layer.axes, 2):
        positions = axis.start + np.arange(axis.outputs + 2)
        if axis.start >= 0 and axis.stop <= axis.length:
            largest = largest[(slice(None),) * number + (slice(axis.start, axis.stop),)]
            continue
        places = byte_offsets(axis.mode, axis.length, positions, 1)
        outside = places == FILL
        largest = largest.take(np.where(outside, 0, places), number)
        if outside.any():
            largest[(slice(None),) * number + (outside,)] = abs(layer.cval)
    return largest


def _under(extended: NDArray[Any], common: tuple[tuple[int, int], ...]) -> NDArray[Any]:
    """Return the largest magnitude under these taps, for each output."""
    height, width = extended.shape[-2] - 2, extended.shape[-1] - 2

    def part(row: int, column: int, rows: int, columns: int) -> NDArray[Any]:
        return extended[..., row : row + rows, column : column + columns]

    if len(common) == 9:
        first, second, third = (part(row, 0, height, width + 2) for row in range(3))
        rows = np.maximum(np.maximum(first, second), third)
        under: NDArray[Any] = np.maximum(np.maximum(rows[..., :-2], rows[..., 1:-1]), rows[..., 2:])
        return under
    return reduce(np.maximum, [part(row, column, height, width) for row, column in common])


def _of_tiles(extended: NDArray[Any], tile: int, beyond: float) -> NDArray[Any]:
    """Return the largest magnitude of its tile for each output, and for those that fill the last tiles."""
    counts = [-(-(length - 2) // tile) for length in extended.shape[-2:]]
    added = [count * tile + 2 - length for count, length in zip(counts, extended.shape[-2:], strict=True)]
    extended = np.pad(extended, [(0, 0), (0, 0), *((0, more) for more in added)], constant_values=beyond)
    for axis, count in zip((-2, -1), counts, strict=True):
        places = tile * np.arange(count)[:, np.newaxis] + np.arange(tile + 2)
        # The axis becomes one of tiles, and one of the positions that a tile reads.
        windows = extended.swapaxes(axis, -1).take(places, -1).max(axis=-1)
        extended = windows.repeat(tile, axis=-1).swapaxes(axis, -1)
    return extended


def _settle(
    layer: Layer,
    out: NDArray[Any],
    bias: NDArray[Any] | None,
    found: TilesFound | Correlated,
    empty: NDArray[np.bool_] | None,
) -> None:
    """Put right outputs without samples that are not zero, and those whose terms are all of one sign."""
    numbers = np.zeros(layer.groups * layer.outs, out.dtype) if bias is None else np.asarray(bias, out.dtype)
    if empty is not None:
        by_group = out.reshape(layer.images, layer.groups, layer.outs, *out.shape[2:])
        constant = numbers.reshape(layer.groups, layer.outs, 1, 1)
        np.copyto(by_group, constant, where=empty[:, :, np.newaxis])
    if not found.sizes.negative and not (layer.cval < 0 and "constant" in layer.modes):
        for channel in found.facts.rising:
            np.maximum(out[:, channel], numbers[channel], out=out[:, channel])
