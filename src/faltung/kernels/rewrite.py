"""Which expressions are equal? Rules that are always true, each of which keeps the taps.

The rule here so far is the one that pays most: a kernel of rank one is an outer product, and costs the sum of its
sides instead of their product.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SLACK", "outer_factors"]

#: How far, in units of rounding, a product of factors may be from each tap and still be the same kernel.
SLACK = 4.0


def outer_factors(taps: NDArray[np.floating[Any]], eps: float) -> tuple[NDArray[np.float64], ...] | None:
    """One-dimensional factors whose outer product is `taps`, or None if there are none.

    The factors are the lines through the largest tap, divided by it. If the taps are an outer product at all, that
    product agrees with each of them to a few roundings, however small it is beside the largest.

    Parameters
    ----------
    taps : ndarray
        Real taps of any number of axes.
    eps : float
        Relative rounding of the number computed with; the product must keep every tap to a few of it.

    Returns
    -------
    tuple of ndarray or None
        One factor for each axis; the largest tap stands in the last one.

    Examples
    --------
    >>> import numpy as np
    >>> outer_factors(np.array([[1.0, 2.0], [3.0, 6.0]]), 1e-15)
    (array([0.33333333, 1.        ]), array([3., 6.]))
    >>> outer_factors(np.array([[1.0, 2.0], [3.0, 4.0]]), 1e-15) is None
    True
    """
    centre = np.unravel_index(int(np.abs(taps).argmax()), taps.shape)
    largest = float(taps[centre])
    if largest == 0.0 or not math.isfinite(1.0 / largest):
        return None
    factors = []
    for axis in range(taps.ndim):
        line = taps[tuple(slice(None) if k == axis else centre[k] for k in range(taps.ndim))].astype(np.float64)
        factors.append(line if axis == taps.ndim - 1 else line / largest)
    product = factors[0]
    for factor in factors[1:]:
        product = np.multiply.outer(product, factor)
    # A zero tap must stay one, and with it the samples that it does not touch.
    return tuple(factors) if (np.abs(product - taps) <= SLACK * eps * np.abs(taps)).all() else None
