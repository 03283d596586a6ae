"""How are rows and columns stored? As they are seen, or turned and mirrored, as EXIF or TIFF says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["as_seen", "as_stored"]

#: Of each orientation: whether rows and columns are exchanged, then which axes are reversed.
_STEPS = {
    1: (False, ""),
    2: (False, "X"),
    3: (False, "YX"),
    4: (False, "Y"),
    5: (True, ""),
    6: (True, "X"),
    7: (True, "YX"),
    8: (True, "Y"),
}


def as_seen(samples: NDArray[Any], axes: str, orientation: int) -> NDArray[Any]:
    """Return samples as they are seen, from those of a file.

    Examples
    --------
    >>> as_seen(np.array([[1, 2, 3]]), "YX", 6)
    array([[1],
           [2],
           [3]])
    """
    exchanged, reversed_ = _STEPS[orientation]
    if exchanged:
        samples = samples.swapaxes(axes.index("Y"), axes.index("X"))
    return np.flip(samples, tuple(axes.index(letter) for letter in reversed_)) if reversed_ else samples


def as_stored(samples: NDArray[Any], axes: str, orientation: int) -> NDArray[Any]:
    """Return samples as a file of this orientation stores them: the inverse of `as_seen`."""
    exchanged, reversed_ = _STEPS[orientation]
    if reversed_:
        samples = np.flip(samples, tuple(axes.index(letter) for letter in reversed_))
    return samples.swapaxes(axes.index("Y"), axes.index("X")) if exchanged else samples
