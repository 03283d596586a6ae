"""Which low-pass filter has a short transition? The sinc of the ideal one, under a window."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["COSINES", "windowed_sinc"]

#: Coefficients of the cosines of windows that are sums of them.
COSINES = {
    "boxcar": (1.0,),
    "hann": (0.5, 0.5),
    "hamming": (0.54, 0.46),
    "blackman": (0.42, 0.50, 0.08),
}


@lru_cache(maxsize=64)
def windowed_sinc(count: int, cutoff: float, name: str, beta: float) -> NDArray[np.float64]:
    """Return the taps of a low-pass filter whose sum is one, as those of `scipy.signal.firwin`.

    They cannot be written to; those of recent calls are kept.

    Parameters
    ----------
    count : int
        Number of taps.
    cutoff : float
        The frequency where the response falls to one half, relative to half the sampling rate; between 0 and 1.
    name : str
        The window: ``kaiser``, or a name in `COSINES`.
    beta : float
        The parameter of the Kaiser window; others have none.

    Examples
    --------
    >>> windowed_sinc(3, 0.5, "hamming", 0.0).round(3)
    array([0.046, 0.908, 0.046])
    """
    positions = np.arange(count) - 0.5 * (count - 1)
    ratios = np.linspace(-1.0, 1.0, count) if count > 1 else np.zeros(1)
    if name == "kaiser":
        window = np.i0(beta * np.sqrt(1.0 - ratios**2)) / np.i0(beta)
    else:
        window = np.sum([a * np.cos(n * np.pi * ratios) for n, a in enumerate(COSINES[name])], axis=0)
    taps = cutoff * np.sinc(cutoff * positions) * window
    taps = np.asarray(taps / taps.sum())
    taps.flags.writeable = False
    return taps
