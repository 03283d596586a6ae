"""What do the taps of a kernel add up to? Sums and signs, for which a separable kernel is not multiplied out."""

from __future__ import annotations

import math
from functools import reduce

import numpy as np

from faltung.kernels.kernel import Kernel

__all__ = ["has_negative", "magnitude", "total"]


def total(kernel: Kernel) -> float:
    """Return the sum of the taps of a real kernel.

    Examples
    --------
    >>> import faltung as fa
    >>> round(total(2 * fa.gaussian(999)), 9)
    2.0
    """
    return float(math.prod(line.taps.sum().item() for line in _parts(kernel)))


def magnitude(kernel: Kernel) -> float:
    """Return the sum of the magnitudes of the taps."""
    return math.prod(float(np.abs(line.taps).sum()) for line in _parts(kernel))


def has_negative(kernel: Kernel) -> bool:
    """Return whether a tap of a real kernel is negative.

    Examples
    --------
    >>> import faltung as fa
    >>> [has_negative(kernel) for kernel in (fa.gaussian(1), fa.sobel(), -fa.box(3), fa.disk(2), -fa.disk(2))]
    [False, True, True, False, True]
    """
    signs = ({*np.unique(np.sign(line.taps)).tolist()} for line in _parts(kernel))
    return -1.0 in reduce(lambda ones, others: {one * other for one in ones for other in others}, signs)


def _parts(kernel: Kernel) -> tuple[Kernel, ...]:
    """Return kernels whose outer product is the kernel."""
    return kernel._separated() or (kernel,)
