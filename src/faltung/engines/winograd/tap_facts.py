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
    flat = taps.reshape(len(taps), math.prod(taps.shape[1:]))
    sizes = np.abs(flat)
    totals = sizes.sum(axis=1, dtype=np.float64)
    some = totals > 0
    usual = bool(np.isfinite(totals).all()) and bool((np.abs(np.frexp(totals[some])[1]) <= MOST_EXPONENT).all())
    if sizes.all():
        common = np.ones(taps.shape[2:], bool)
    else:
        common = (taps[some] != 0).all(axis=(0, 1))
    rising = np.flatnonzero(flat.min(axis=1, initial=0.0) >= 0)
    positions = [(int(row), int(column)) for row, column in np.argwhere(common)]
    return TapFacts(usual, tuple(positions), tuple(rising.tolist()))
