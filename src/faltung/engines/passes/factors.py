"""How are the factors of an outer product scaled? So that no sum between two passes overflows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from faltung.engines.base import Job, Line
from faltung.engines.passes.windows import NARROW

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ScaledFactor", "amplification", "scaled_factors"]

#: Most that terms which cancel may amplify rounding errors if the result is to be exact point by point.
POINTWISE = 4.0


@dataclass(frozen=True, eq=False)
class ScaledFactor:
    """A factor of one term along one axis, scaled so that no sum before the last is larger than the samples.

    Parameters
    ----------
    taps : ndarray
        Its taps, in double precision, without zeros at the ends.
    start : int
        Index of the first of them in the kernel.
    window : int
        Width of the running sum that replaces them; 0 for none.
    factor : float
        The number that this sum is multiplied by.
    """

    taps: NDArray[np.float64]
    start: int = 0
    window: int = 0
    factor: float = 1.0

    def whole(self, size: int) -> NDArray[np.float64]:
        """Return its taps with the zeros that were left out."""
        taps = np.zeros(size)
        taps[self.start : self.start + self.taps.size] = self.taps
        return taps

    @property
    def narrow(self) -> int:
        """Width of the window if its sums fit into registers; 0 if there is none or a wider one."""
        return self.window if self.window <= NARROW else 0


def scaled_factors(term: tuple[Line, ...], windows: bool) -> list[ScaledFactor]:
    """Scale all factors but the last by powers of two, which round nothing; the last one is scaled back."""
    scale = 1.0
    factors = []
    for axis, line in enumerate(term):
        taps, start = _trimmed(line.taps)
        window = line.window if windows and line.taps.size > 1 else 0
        if axis < len(term) - 1:
            if line.taps.size == 1:
                scale *= float(taps[0])
                taps = np.ones(1)
            size = float(window or np.abs(taps).sum())
            if windows and axis == len(term) - 2:
                size *= term[-1].window or 1  # the running sum after it must not overflow either
            power = 2.0 ** -math.ceil(math.log2(size)) if size else 1.0
            scale *= (float(line.rest[0]) if window else 1.0) / power
            factors.append(ScaledFactor(taps * power, start, window, power))
        else:
            factors.append(ScaledFactor(taps * scale, start, window, scale * float(line.rest[0]) if window else 1.0))
    return factors


def _trimmed(taps: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Return the taps without the zeros at both ends, and the index of the first of them."""
    places = np.flatnonzero(taps)
    if not places.size:
        return taps[:1], 0
    return taps[places[0] : places[-1] + 1], int(places[0])


def amplification(job: Job) -> tuple[float, bool]:
    """Return how much larger the terms are than their sum, and whether that holds for each tap by itself."""
    if len(job.terms) < 2:
        return 1.0, job.faithful
    sizes = np.zeros(job.taps.shape)
    for term in job.terms:  # one after the other: each is as large as the kernel
        sizes += _outer(term)
    taps = np.abs(job.taps)
    largest = float((sizes / np.maximum(taps, np.finfo(np.float32).tiny)).max())
    if job.faithful and largest <= POINTWISE:
        return largest, True
    return float(sizes.sum() / taps.sum()), False


def _outer(term: tuple[Line, ...]) -> NDArray[np.float64]:
    product: NDArray[np.float64] = np.ones(())
    for line in term:
        product = np.multiply.outer(product, np.abs(line.taps))
    return product
