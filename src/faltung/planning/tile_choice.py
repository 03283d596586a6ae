"""Which of Winograd's tiles suit a layer? The fastest of those whose error bound is not far above direct sums'.

Both bounds grow with the number of channels. Those of tiles are relative to the largest sample (see
`faltung.engines.winograd.tile_errors`), and may be `MOST_WORSE` times as large: four binary digits.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.engines.winograd.tile_errors import tile_error
from faltung.planning.cost import TYPICAL, tile_seconds
from faltung.planning.layer import Layer

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MOST_WORSE", "TILES", "TILE_BYTES", "direct_error", "nbytes", "refusal", "tile_for", "tiled_error"]

#: Outputs of a tile along each axis.
TILES = (2, 4)
#: Bytes of scratch for tiles at their points, of each worker.
TILE_BYTES = 1 << 20
#: Most times that the bound of tiles may be as large as that of direct sums.
MOST_WORSE = 16.0


def refusal(layer: Layer, dtype: np.dtype[Any]) -> str:
    """Return why a layer cannot be computed in tiles with numbers of this dtype, or an empty string if it can."""
    if np.dtype(dtype) not in (np.float32, np.float64):
        return "the numbers are neither single nor double precision"
    if len(layer.axes) != 2 or any(axis.size != 3 for axis in layer.axes):
        return "the kernels are not 3 x 3"
    if layer.strided or any(axis.dilation > 1 for axis in layer.axes):
        return "stride or dilation is above 1"
    return ""


def nbytes(layer: Layer, dtype: np.dtype[Any], tile: int) -> int:
    """Return the bytes of transformed taps that are kept from call to call."""
    numbers = (tile + 2) ** 2
    return numbers * layer.groups * layer.outs * layer.ins * np.dtype(dtype).itemsize


def direct_error(layer: Layer, number: np.dtype[Any]) -> float:
    """Return the bound of the rounding error of direct sums, over the sum of abs(tap) * abs(sample)."""
    return (layer.ins * layer.taps + 1) * float(np.finfo(number).eps)


def tiled_error(layer: Layer, number: np.dtype[Any], tile: int, taps: NDArray[Any] | None = None) -> float:
    """Return the bound of a layer in tiles; where samples are far apart it is computed by direct sums."""
    return max(tile_error(tile, number, layer.ins, taps), direct_error(layer, number))


def tile_for(layer: Layer, number: np.dtype[Any], taps: NDArray[Any] | None = None) -> int:
    """Return the outputs of a tile along each axis; without taps, for any.

    Examples
    --------
    >>> from faltung.planning.layer import Axis
    >>> few, many = (Layer(1, 1, ins, 64, (Axis(56, 3, -1, 56),) * 2) for ins in (8, 64))
    >>> tile_for(few, np.dtype("f4")), tile_for(many, np.dtype("f4"))
    (2, 4)
    """
    if taps is None:
        return _tile_for_any(layer, np.dtype(number))
    return _least(layer, np.dtype(number), taps)


@lru_cache(maxsize=1024)
def _tile_for_any(layer: Layer, number: np.dtype[Any]) -> int:
    return _least(layer, number, None)


def _least(layer: Layer, number: np.dtype[Any], taps: NDArray[Any] | None) -> int:
    most = MOST_WORSE * direct_error(layer, number)
    near = [tile for tile in TILES if tile_error(tile, number, layer.ins, taps) <= most]
    # The smaller tiles are within the limit for any taps.
    return min(near, key=lambda tile: tile_seconds(layer, tile, TYPICAL.multiply_add, TYPICAL.trip), default=TILES[0])
