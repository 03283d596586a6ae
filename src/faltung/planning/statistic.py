"""Which statistics of the samples under a kernel can be asked for? Those of the second moment, beside the sum."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.kernels import Bank, Kernel

__all__ = ["STATISTICS", "Statistic", "averaging", "check_statistic", "mean_kernel", "total_of_weights", "unit_of"]


class Statistic(NamedTuple):
    """What is computed of the samples under a kernel, whose taps are their weights.

    Parameters
    ----------
    root : bool
        Whether the square root is taken.
    unbiased : bool
        Whether the result is divided by the share of the weights that is left beside the mean.
    pseudo : bool
        Whether a product is one of two samples, and not of a sample and a conjugate; for complex numbers only.
    """

    root: bool = False
    unbiased: bool = False
    pseudo: bool = False


#: By the names that options and questions have for them.
STATISTICS = {
    "variance": Statistic(),
    "deviation": Statistic(root=True),
    "pseudovariance": Statistic(pseudo=True),
    "unbiased variance": Statistic(unbiased=True),
    "unbiased deviation": Statistic(root=True, unbiased=True),
    "unbiased pseudovariance": Statistic(unbiased=True, pseudo=True),
}


def check_statistic(name: str, kernel: Any, computed: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of a statistic of samples that are computed with in `computed`.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        The taps of the kernel are no weights.
    """
    total_of_weights(kernel)
    real = np.dtype(computed.char.lower()) if computed.kind == "c" else computed
    return computed if STATISTICS[name].pseudo else real


def total_of_weights(kernel: Any) -> float:
    """Return the sum of the taps of a kernel that are weights.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        A tap is negative or not finite, or all are zero.
    """
    if isinstance(kernel, Bank):
        raise ArgumentTypeError("kernel", "a kernel", "a bank", "Call once for each kernel.")
    assert isinstance(kernel, Kernel)
    taps = kernel.taps
    if taps.dtype.kind == "c" or not (np.isfinite(taps).all() and taps.min() >= 0 and taps.any()):
        least = "complex taps" if taps.dtype.kind == "c" else f"taps of which the smallest is {taps.min():.3g}"
        remedy = "The taps weigh the samples of a neighbourhood, as those of box(5) or gaussian(2.0) do."
        raise ArgumentError("kernel", "taps that are weights: not negative, and not all zero", least, remedy)
    return float(taps.sum(dtype=np.float64))


def mean_kernel(kernel: Kernel) -> Kernel:
    """Return a kernel whose taps are weights, divided by their sum."""
    total = total_of_weights(kernel)
    return kernel if abs(total - 1.0) < 1e-14 else kernel / total


def averaging(kernel: Kernel, statistic: str) -> tuple[Kernel, str]:
    """Return a kernel whose weighted sum is what was asked for as the ``mean``, and the statistic that is left."""
    return (mean_kernel(kernel), "") if statistic == "mean" else (kernel, statistic)


def unit_of(unit: str | None, statistic: str) -> str | None:
    """Return the unit of a statistic from that of the samples.

    Examples
    --------
    >>> unit_of("m s-1", "variance"), unit_of("K", "deviation")
    ('(m s-1)^2', 'K')
    """
    squared = unit is not None and statistic in STATISTICS and not STATISTICS[statistic].root
    return f"({unit})^2" if squared else unit
