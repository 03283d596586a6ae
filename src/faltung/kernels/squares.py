"""Which kernel has the squares of the taps? Outer products stay outer products, so that they stay separable."""

from __future__ import annotations

from typing import Any

import numpy as np

from faltung.kernels.bank import Bank
from faltung.kernels.grid import GridFunction
from faltung.kernels.kernel import Kernel, Taps
from faltung.kernels.outer import Outer
from faltung.kernels.text import ATOM

__all__ = ["squared_function"]


def squared_function(function: Any) -> Any:
    """Return the kernel, or the bank, with the squared magnitudes of the taps.

    Examples
    --------
    >>> import faltung as fa
    >>> squared_function(fa.gaussian(2.0)).rank()
    1
    """
    return _squared(function).labelled(f"{function._spelled().inside(ATOM)}.squared()")


def _squared(function: Any) -> Any:
    with np.errstate(all="ignore"):  # taps that are not finite are refused
        if isinstance(function, Bank):
            return Bank(np.abs(function.taps) ** 2, function.origin)
        parts = function._separated()
        if parts is not None and len(parts) > 1:
            return Outer(Taps(np.abs(part.taps) ** 2, part.origin) for part in parts)
        return Kernel(np.abs(function.taps) ** 2, function.origin)


GridFunction.square = staticmethod(squared_function)
