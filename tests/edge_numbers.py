"""Numbers at the ends of what floats hold: near overflow, subnormal, one that is huge, many decades."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["samples_at_the_edge", "taps_at_the_edge"]


def samples_at_the_edge(rng: np.random.Generator, x: NDArray[Any]) -> NDArray[Any]:
    """Return samples of the same dtype and layout of signs, of magnitudes that floats hardly hold."""
    if x.dtype.kind not in "fc" or not x.size:
        return x
    limits = np.finfo(x.dtype)
    edges = (limits.max, limits.tiny, limits.smallest_subnormal)
    top, bottom, least = (float(np.log10(float(edge))) for edge in edges)
    with np.errstate(all="ignore"):
        sizes = np.abs(x.astype("c16" if x.dtype.kind == "c" else "f8"))
        finite = np.isfinite(sizes) & (sizes > 0)
        largest = float(sizes[finite].max(initial=0.0)) or 1.0
        one = x / x.dtype.type(largest)
        match rng.integers(6):
            case 0:  # near overflow
                parts = 2 if x.dtype.kind == "c" else 1
                changed = one * x.dtype.type(float(limits.max) * rng.uniform(0.1, 0.999) / parts)
            case 1:  # about the smallest normal number, and below it
                changed = one * x.dtype.type(10.0 ** rng.uniform(least + 1, bottom + 3))
            case 2:  # one sample far above the others
                changed = one.copy()
                changed.flat[rng.integers(x.size)] = 10.0 ** rng.uniform(top - 8, top)
            case 3:  # as many decades as there are
                changed = one * (10.0 ** rng.uniform(bottom, top - 1, x.shape)).astype(x.real.dtype)
            case 4:  # equal samples, which hardly fit
                changed = np.full_like(x, float(limits.max) * rng.uniform(0.3, 1.0))
            case _:  # some huge, some tiny, some zero
                kinds = rng.choice([0.0, 10.0**bottom, 1.0, 10.0 ** (top - 1)], x.shape, p=[0.3, 0.3, 0.2, 0.2])
                changed = one * kinds.astype(x.real.dtype)
        return np.asarray(np.where(np.isfinite(x), changed, x).astype(x.dtype))


def taps_at_the_edge(rng: np.random.Generator, taps: NDArray[Any]) -> NDArray[Any]:
    """Return taps whose magnitudes add up to one, or that are far from one, or far from each other."""
    total = float(np.abs(taps).sum()) or 1.0
    match rng.integers(4):
        case 0:
            return taps
        case 1:
            return taps / total
        case 2:
            return taps / total * 10.0 ** rng.uniform(-30, 30)
        case _:
            return taps * 10.0 ** rng.uniform(-12, 12, taps.shape)
