"""What does an expression cost? Multiply-adds for each output, on any machine."""

from __future__ import annotations

import numpy as np

from faltung.kernels.kernel import Kernel, Product, Scaled, Sum
from faltung.kernels.outer import Box, Outer

__all__ = ["cost"]

#: Additions of a running sum for each output, whatever the width of the window.
_RUNNING_SUM = 3


def cost(kernel: Kernel) -> float:
    """Return the multiply-adds for each output, if each factor is a pass of its own and the terms are added up.

    Taps cost one for each tap that is not zero, an outer product the sum over its axes, and a window along an axis at
    most a running sum. An axis with one tap is free.

    Parameters
    ----------
    kernel : Kernel
        Any expression.

    Returns
    -------
    float
        The multiply-adds.

    Examples
    --------
    >>> import faltung as fa
    >>> cost(fa.laplacian()), cost(fa.Kernel(fa.laplacian())), cost(fa.gaussian(2)), cost(fa.box(99))
    (6.0, 5.0, 34.0, 6.0)
    """
    match kernel:
        case Box(widths):
            return max(1.0, float(sum(min(width, _RUNNING_SUM) for width in widths if width > 1)))
        case Outer(parts) | Product(parts):
            return max(1.0, sum(cost(part) for part in parts if part.size > 1))
        case Sum(terms):
            return sum(map(cost, terms))
        case Scaled(_, inner):
            return cost(inner)
    return float(np.count_nonzero(kernel.taps))
