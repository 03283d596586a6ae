"""How far is the target moved against the input? By the taps of a filter, and by the phases of their spectra."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.fit.fit_data import FitData
from faltung.fit.sections import Section
from faltung.kernels import Kernel

__all__ = ["displacement", "shift_of"]

#: Sum of the taps, relative to that of their magnitudes, below which their centre says nothing about a shift.
_LEAST_SUM = 0.2
#: Samples of the part that is compared: about those of an image of 512 x 512.
_MOST_SAMPLES = 1 << 18
#: Spectra below this fraction of their largest magnitude are rounding errors.
_LEAST_MAGNITUDE = 1e-6
#: Height of a peak, in standard deviations of what images without a relation have. The largest of 2^18 normal
#: numbers is below 5.
_CLEAR = 10.0


def shift_of(kernel: Kernel) -> tuple[float, ...] | None:
    """Return by how many samples a filter moves an image along each axis: the centre of its taps.

    None if the taps nearly cancel, as in a derivative.

    Examples
    --------
    >>> shift_of(Kernel([0.0, 0.0, 0.0, 1.0, 1.0]))
    (1.5,)
    >>> shift_of(Kernel([1.0, 0.0, -1.0])) is None
    True
    """
    total = float(kernel.taps.sum())
    if abs(total) <= _LEAST_SUM * float(np.abs(kernel.taps).sum()):
        return None
    axes = range(kernel.ndim)
    sums = (kernel.taps.sum(axis=tuple(other for other in axes if other != axis)) for axis in axes)
    lags = (np.arange(size) - at for size, at in zip(kernel.shape, kernel.origin, strict=True))
    return tuple(float(along @ lag) / total for along, lag in zip(sums, lags, strict=True))


def displacement(data: FitData) -> tuple[int, ...] | None:
    """Return by how many samples the target is moved, if this is clear and further than the taps reach; else None.

    The inverse transform of the phases of the cross spectrum is a single peak where one image is the other one, moved
    and blurred. The middle of the first section is compared, the mean over channels.

    References
    ----------
    C. D. Kuglin, D. C. Hines, "The phase correlation image alignment method", Proc. IEEE Int. Conf. Cybernetics and
    Society, 1975.
    """
    section = next(iter(data.training()))[0]
    x, y = _middles(section)
    cross = np.fft.rfftn(x).conj() * np.fft.rfftn(y)
    magnitude = np.abs(cross)
    largest = float(magnitude.max(initial=0.0))
    if not 0 < largest < math.inf:
        return None
    phases = np.where(magnitude > _LEAST_MAGNITUDE**2 * largest, cross / np.maximum(magnitude, 1e-300), 0)
    peaks = np.fft.irfftn(phases, x.shape, range(x.ndim))
    place = np.unravel_index(int(np.argmax(peaks)), x.shape)
    if peaks[place] < _CLEAR * float(peaks.std()):
        return None
    lags = tuple(int(p) - (n if p > n // 2 else 0) for p, n in zip(place, x.shape, strict=True))
    window = section.window
    reached = (-at <= lag < size - at for lag, size, at in zip(lags, window.size, window.origin, strict=True))
    return None if all(reached) else lags


def _middles(section: Section) -> list[NDArray[np.float64]]:
    """Return the middle of input and target at the same positions, without their mean, faded out at the border."""
    region = section.region
    side = int(_MOST_SAMPLES ** (1 / len(region)))
    spans = [(start + (stop - start - side) // 2 if stop - start > side else start, stop) for start, stop in region]
    lengths = [min(stop - start, side) for start, stop in spans]
    fade = np.ones(())
    for length in lengths:
        fade = np.multiply.outer(fade, np.hanning(length + 2)[1:-1])
    return [
        _prepared(samples, [start - first for (start, _), first in zip(spans, firsts, strict=True)], fade)
        for samples, firsts in ((section.source, (0,) * len(region)), (section.target, section.first))
    ]


def _prepared(samples: NDArray[Any], starts: list[int], fade: NDArray[np.float64]) -> NDArray[np.float64]:
    index = tuple(slice(start, start + length) for start, length in zip(starts, fade.shape, strict=True))
    part = samples[(slice(None), *index)].astype(np.float64).mean(axis=0)
    finite = np.isfinite(part)
    mean = part[finite].mean() if finite.any() else 0.0
    return np.where(finite, part - mean, 0.0) * fade
