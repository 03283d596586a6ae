"""What must be known of taps before Winograd's tiles can be trusted? Which are zero, their signs and sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TapFacts", "facts_of"]

#: Largest exponent of the sum of the abs(taps) of a kernel with which its values at points are normal numbers.
MOST_EXPONENT = 100
#: Channels in whose taps are looked at first, and taps that are looked at together.
_FEW, _PART = 4, 1 << 15


@dataclass(frozen=True)
class TapFacts:
    """What a result depends on besides the sums.

    Parameters
    ----------
    usual : bool
        Whether the taps of all kernels are finite, and of a size that neither over- nor underflows.
    common : tuple of (int, int)
        The positions at which no kernel has a tap of zero; kernels whose taps are all zero do not count.
    rising : tuple of int
        The channels out whose taps are not negative.
    """

    usual: bool
    common: tuple[tuple[int, int], ...]
    rising: tuple[int, ...]


def facts_of(taps: NDArray[Any]) -> TapFacts:
    """Return what is to be known of taps of shape (channels out, channels in, rows, columns).

    Examples
    --------
    >>> taps = np.ones((2, 1, 2, 2))
    >>> taps[1, 0, 0] = -1, 0
    >>> facts_of(taps)
    TapFacts(usual=True, common=((0, 0), (1, 0), (1, 1)), rising=(0,))
    """
    least, most = _magnitudes(taps)
    count = math.prod(taps.shape[1:])
    everywhere = least > 0
    usual = math.ldexp(1.0, -MOST_EXPONENT) <= least and count * most <= math.ldexp(1.0, MOST_EXPONENT)
    common = np.ones(taps.shape[2:], bool)
    if not (everywhere and usual):
        sizes = np.abs(taps).reshape(len(taps), count)
        totals = sizes.sum(axis=1, dtype=np.float64)
        some = totals > 0
        usual = bool(np.isfinite(totals).all() and (np.abs(np.frexp(totals[some])[1]) <= MOST_EXPONENT).all())
        common = common if everywhere else (taps[some] != 0).all(axis=(0, 1))
    positions = [(int(row), int(column)) for row, column in np.argwhere(common)]
    return TapFacts(usual, tuple(positions), _rising(taps))


def _magnitudes(taps: NDArray[Any]) -> tuple[float, float]:
    """Return the least and the largest magnitude of taps, NaN if one of them is NaN; part by part, in the cache."""
    upward = taps[tuple(slice(None, None, -1 if step < 0 else 1) for step in taps.strides)]
    flat = upward.ravel(order="K")
    sizes, least, most = np.empty(min(flat.size, _PART), taps.dtype), math.inf, 0.0
    for first in range(0, flat.size, _PART):
        part = flat[first : first + _PART]
        found = np.abs(part, out=sizes[: part.size])
        least, most = np.minimum(least, found.min()), np.maximum(most, found.max())
    return float(least), float(most)


def _rising(taps: NDArray[Any]) -> tuple[int, ...]:
    """Return the kernels without a negative tap; most of them have one among the first."""
    places = np.arange(len(taps))
    for ins in (_FEW, taps.shape[1]):
        places = places[taps[places, :ins].min(axis=(1, 2, 3), initial=0.0) >= 0]
        if not places.size:
            break
    return tuple(places.tolist())
